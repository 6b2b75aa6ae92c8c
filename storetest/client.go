package storetest

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// A client writes as a careful application does that cannot rely on getting a
// reply: after a failure it loads the record, and finds out by the versions
// whether its write has happened.
type client struct {
	s   store.Store
	ctx context.Context
	now time.Time
}

// An outcome is what a client knows of a write.
type outcome string

const (
	done    outcome = "done"    // it has happened, once
	lost    outcome = "lost"    // it has not happened, and will not
	unknown outcome = "unknown" // it may have happened
)

// attempts is how often a client tries a call. A plan lets one call in two fail
// at most.
const attempts = 60

// errStubborn is what a client answers when nothing works.
var errStubborn = errors.New("storetest: the store fails all the time")

// load is Load, until there is an answer.
func (cl *client) load(handle string) (rec *store.Record, err error) {
	for range attempts {
		rec, err = cl.s.Load(cl.ctx, handle)
		if err == nil || errors.Is(err, store.ErrGone) {
			return rec, err
		}
	}
	return nil, errors.Join(errStubborn, err)
}

// A history is the versions of a record, the first one first. It is what the
// client keeps as the record's state, so that afterwards each write can be
// counted.
type history []store.Version

func (h history) String() string {
	var b strings.Builder
	b.WriteString(strconv.Itoa(len(h)))
	for _, v := range h {
		b.WriteByte(' ')
		b.WriteString(strconv.FormatUint(uint64(v), 16))
	}
	return b.String()
}

func readHistory(state string) (history, error) {
	count, rest, _ := strings.Cut(state, " ")
	var h history
	for word := range strings.FieldsSeq(rest) {
		v, err := strconv.ParseUint(word, 16, 64)
		if err != nil {
			return nil, err
		}
		h = append(h, store.Version(v))
	}
	if n, err := strconv.Atoi(count); err != nil || n != len(h) {
		return nil, errors.New("the count and the versions in the state differ")
	}
	return h, nil
}

// knows reports whether v is one of the last 16 versions: that is how many an
// application keeps.
func (h history) knows(v store.Version) bool {
	return slices.Contains(h[max(0, len(h)-16):], v)
}

// begun returns rec as the first of a history.
func begun(rec *store.Record) *store.Record {
	rec.State = history{rec.Version}.String()
	return rec
}

// add adds one version to the record's history, and returns it. It begins anew
// as long as others are faster.
func (cl *client) add(handle string) (store.Version, outcome, error) {
	for range attempts * 10 {
		rec, err := cl.load(handle)
		if err != nil {
			return 0, lost, err
		}
		h, err := readHistory(rec.State)
		if err != nil {
			return 0, lost, err
		}
		n := next(rec)
		n.State = append(h, n.Version).String()
		switch o, err := cl.apply(n, rec.Version); {
		case err != nil:
			return n.Version, unknown, err
		case o != lost:
			return n.Version, o, nil
		}
	}
	return 0, lost, errStubborn
}

// apply is Apply, until it is known whether it has happened.
func (cl *client) apply(n *store.Record, from store.Version) (outcome, error) {
	for try := range attempts {
		err := cl.s.Apply(cl.ctx, n, from, cl.now)
		if err == nil {
			return done, nil
		}
		if answer(err) && try == 0 {
			return lost, nil // no earlier try may have happened
		}
		rec, err := cl.load(n.Handle)
		if errors.Is(err, store.ErrGone) {
			return unknown, nil
		}
		if err != nil {
			return unknown, err
		}
		h, err := readHistory(rec.State)
		if err != nil {
			return unknown, err
		}
		if h.knows(n.Version) {
			return done, nil
		}
		if rec.Version != from {
			return unknown, nil
		}
	}
	return unknown, errStubborn
}

// create is Create, until it is known whether it has happened.
func (cl *client) create(rec *store.Record, opts store.CreateOptions) (outcome, error) {
	for try := range attempts {
		_, err := cl.s.Create(cl.ctx, rec, opts)
		if err == nil {
			return done, nil
		}
		if answer(err) && try == 0 {
			return lost, nil
		}
		switch got, err := cl.load(rec.Handle); {
		case errors.Is(err, store.ErrGone):
		case err != nil:
			return unknown, err
		case got.Version == rec.Version:
			return done, nil
		default:
			return unknown, nil
		}
	}
	return unknown, errStubborn
}

// touch and end need no more than patience: a touch done twice is one, and an
// end knows itself by its Mark.
func (cl *client) touch(handle string, seen, idle time.Time) error {
	return cl.until(func() error { return cl.s.Touch(cl.ctx, handle, seen, idle) })
}

func (cl *client) end(handle string, end store.Ending) error {
	return cl.until(func() error { return cl.s.Delete(cl.ctx, handle, end) })
}

func (cl *client) endOwner(owner string, end store.Ending) (n int, err error) {
	err = cl.until(func() (err error) {
		n, err = cl.s.DeleteOwner(cl.ctx, owner, "", end)
		return err
	})
	return n, err
}

// until repeats f until it has an answer of the contract, or none is needed.
func (cl *client) until(f func() error) (err error) {
	for range attempts {
		if err = f(); err == nil || answer(err) {
			return err
		}
	}
	return errors.Join(errStubborn, err)
}
