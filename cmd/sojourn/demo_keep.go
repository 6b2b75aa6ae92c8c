package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

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
	case how.keepGiven && how.keep != "flask" && how.keep != "encrypted":
		return errors.New(`--keep takes "flask", for signed cookies, or "encrypted"; stores are chosen by --store`)
	case !how.keepGiven && len(how.files) > 0:
		return errors.New("--secret-file is the key of cookies, and a store has none: add --keep encrypted, or --keep flask")
	}
	return nil
}

// open sets in config what sessions are kept in. kept says it to people; end is
// to be called when the demo has stopped.
func (how *demoKeeping) open(ctx context.Context, config *demo.Config) (kept string, end func() error, err error) {
	if how.keepGiven {
		return how.openCookies(ctx, config)
	}
	s, why, err := how.openStore(ctx, "")
	if err != nil {
		return "", nil, err
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

// openStore opens the store that was named, or else otherwise; "" is the demo's
// own file, and if there can be none why says so.
func (how *demoKeeping) openStore(ctx context.Context, otherwise string) (s *stores.Store, why, err error) {
	switch {
	case how.storeGiven:
		s, err = stores.Open(ctx, how.store)
	case otherwise != "":
		s, err = stores.Open(ctx, otherwise)
	default:
		s, why, err = stores.OpenDefault(ctx, demoFile)
	}
	if form, ok := errors.AsType[*stores.FormError](err); ok {
		return nil, nil, fmt.Errorf("--store %w", form)
	}
	if err != nil {
		return nil, nil, &failure{err: err}
	}
	return s, why, nil
}

// openCookies keeps sessions in cookies, and the list of those that have ended in
// a store.
func (how *demoKeeping) openCookies(ctx context.Context, config *demo.Config) (kept string, end func() error, err error) {
	config.Encrypted = how.keep == "encrypted"
	config.Ring, err = how.ring(ctx)
	if err != nil {
		return "", nil, err
	}
	form := "signed"
	if config.Encrypted {
		form = "encrypted"
	}
	kept = "its sessions are kept in " + form + " cookies"
	if len(how.files) == 0 {
		kept += "; it made a key for itself, so they end when it stops"
	} else {
		config.SecretFile = how.files[0]
	}
	if !config.Encrypted && !how.storeGiven {
		return kept + "\nsigning out does not end copies of a cookie: a list of ended sessions would, give it a place with --store", func() error { return nil }, nil
	}
	s, _, err := how.openStore(ctx, "memory:")
	if err != nil {
		return "", nil, err
	}
	config.Store, config.StoreName, config.Brief = s.Store, s.Name, s.Brief
	return kept + "\n" + endedText(s, config), s.Close, nil
}

// endedText says where the list of ended sessions is.
func endedText(s *stores.Store, config *demo.Config) string {
	text := "signing out ends copies of a cookie too: the list of ended sessions is in " + printable(s.Name)
	if config.Encrypted {
		text += ",\nand so is what outgrows its cookie"
	}
	if s.Brief && config.SecretFile != "" {
		text += "; it is lost when the demo stops, and such copies count\nagain until their time runs out: --store keeps it"
	}
	return text
}

// ring makes the demo's keys. Weak ones are refused, as in a program. What is
// read from files is read again while the demo runs; but signed cookies have, as
// in Flask, every byte of a file for their key, and follow only one file that
// "sojourn key add" has written.
func (how *demoKeeping) ring(ctx context.Context) (*keys.Ring, error) {
	if len(how.files) == 0 {
		return keys.New([][]byte{[]byte(keys.Generate())})
	}
	for _, file := range how.files {
		info, err := os.Stat(file)
		if errors.Is(err, fs.ErrNotExist) || err == nil && (info.IsDir() || how.keep == "encrypted" && !info.Mode().IsRegular()) {
			_, err := keys.FromFile(file) // says it, and the remedy
			return nil, editError(file, err)
		}
	}
	if how.keep == "encrypted" {
		if _, err := joinKeyFiles(how.files); err != nil { // which names a file with care: it may be a key
			return nil, err
		}
		if len(how.files) == 1 {
			return keys.FromFile(how.files[0])
		}
		join := func(context.Context) ([]byte, error) { return joinKeyFiles(how.files) }
		return keys.FromProvider(ctx, "--secret-file", keys.ProviderFunc(join))
	}
	secrets, err := readSecrets(how.files)
	if err != nil {
		return nil, err
	}
	if len(how.files) == 1 && len(secrets) > 0 && secrets[0].state != "" {
		return keys.FromFile(how.files[0])
	}
	var list [][]byte
	var sources []string
	for _, s := range secrets {
		list, sources = append(list, s.bytes), append(sources, s.source)
	}
	return keys.New(list, keys.Named(sources...))
}
