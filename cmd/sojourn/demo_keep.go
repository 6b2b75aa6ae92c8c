package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/sojourn-go/sojourn/cmd/sojourn/internal/demo"
	"github.com/sojourn-go/sojourn/cmd/sojourn/internal/stores"
	"github.com/sojourn-go/sojourn/keys"
)

// demoFile is the name of the demo's own file, in the user's directory.
const demoFile = "demo.db"

// A demoKeeping is what the flags say about where sessions are kept.
type demoKeeping struct {
	store, keep           string
	storeGiven, keepGiven bool
	files                 []string // with keys
}

// check refuses flags that contradict each other.
func (how *demoKeeping) check() error {
	switch {
	case how.keepGiven && how.keep != "flask":
		return errors.New(`--keep takes "flask", for signed cookies; stores are chosen by --store`)
	case how.keepGiven && how.storeGiven:
		return errors.New("--keep flask keeps sessions in the cookie, and --store in a store: leave out one of them")
	case !how.keepGiven && len(how.files) > 0:
		return errors.New("--secret-file is the key of signed cookies, and a store has none: add --keep flask")
	}
	return nil
}

// open sets in config what sessions are kept in. kept says it to people; end is
// to be called when the demo has stopped.
func (how *demoKeeping) open(ctx context.Context, config *demo.Config) (kept string, end func() error, err error) {
	if how.keepGiven {
		return how.openRing(config)
	}
	var s *stores.Store
	var why error
	if how.storeGiven {
		s, err = stores.Open(ctx, how.store)
	} else {
		s, why, err = stores.OpenDefault(ctx, demoFile)
	}
	if form, ok := errors.AsType[*stores.FormError](err); ok {
		return "", nil, fmt.Errorf("--store %w", form)
	}
	if err != nil {
		return "", nil, &failure{err: err}
	}
	config.Store, config.StoreName, config.Brief = s.Store, s.Name, s.Brief
	switch {
	case why != nil:
		kept = fmt.Sprintf("its sessions are kept in memory and end when it stops: there is no file for them (%s);\n"+
			"--store sqlite:PATH names one", printable(why.Error()))
	case s.Brief:
		kept = "its sessions are kept in memory and end when it stops"
	default:
		kept = "its sessions are kept in " + printable(s.Name) + "; they survive a restart of the demo"
	}
	return kept, s.Close, nil
}

func (how *demoKeeping) openRing(config *demo.Config) (kept string, end func() error, err error) {
	config.Ring, err = demoRing(how.files)
	if err != nil {
		return "", nil, err
	}
	kept = "its sessions are kept in signed cookies"
	if len(how.files) == 0 {
		kept += "; it made a key for itself, so they end when it stops"
	} else {
		config.SecretFile = how.files[0]
	}
	return kept, func() error { return nil }, nil
}

// demoRing makes the demo's keys. Weak ones are refused, as in a program.
func demoRing(files []string) (*keys.Ring, error) {
	if len(files) == 0 {
		return keys.New([][]byte{[]byte(keys.Generate())})
	}
	secrets, err := readSecrets(files)
	if err != nil {
		return nil, err
	}
	var list [][]byte
	var sources []string
	for _, s := range secrets {
		list, sources = append(list, s.bytes), append(sources, s.source)
	}
	return keys.New(list, keys.Named(sources...))
}
