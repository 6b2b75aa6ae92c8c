package sojourn

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sojourn-go/sojourn/internal/record"
	"github.com/sojourn-go/sojourn/internal/tagged"
	"github.com/sojourn-go/sojourn/store"
)

// A StoreError reports that a store failed or did not answer in time, as
// opposed to having an answer. It is answered with 503: the visitor may still
// be signed in, and what the request wrote is not to be taken for saved.
type StoreError struct {
	Op  string // what was asked: load, create, apply, touch, end, …
	Err error
}

func (e *StoreError) Error() string { return "sojourn: store: " + e.Op + ": " + e.Err.Error() }
func (e *StoreError) Unwrap() error { return e.Err }

// answer reports whether err is what a store says of records, not of itself.
func answer(err error) bool {
	return errors.Is(err, store.ErrGone) || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrLimit)
}

// on is the same call to another store: the time is one.
func (c *call) on(s store.Store) *call {
	other := *c
	other.store = s
	return &other
}

// A call is all that one session asks its store in a row: a load, or a commit
// with its retries. It has three quarters of Config.StoreTimeout as a whole and
// one for a single question, so that there is time to ask what became of a
// write whose reply was lost, and a quarter to tidy up after failure.
type call struct {
	store    store.Store
	ctx      context.Context // the request's; it counts until the first write
	wrote    bool
	deadline time.Time
	each     time.Duration // for one question
	pause    time.Duration // before the next retry
}

func (m *Manager) call(ctx context.Context, s store.Store) *call {
	each := m.storeTimeout / 4
	return &call{store: s, ctx: ctx, deadline: time.Now().Add(3 * each), each: each}
}

// until is the context of one step, which ends at the latest at that time.
func (c *call) until(end time.Time) (context.Context, context.CancelFunc) {
	ctx := c.ctx
	if c.wrote {
		ctx = context.WithoutCancel(ctx)
	}
	if c.deadline.Before(end) {
		end = c.deadline
	}
	return context.WithDeadline(ctx, end)
}

// ask puts one question to the store.
func (c *call) ask(op string, question func(context.Context) error) error {
	ctx, cancel := c.until(time.Now().Add(c.each))
	defer cancel()
	err := question(ctx)
	if err == nil || answer(err) {
		return err
	}
	return &StoreError{op, err}
}

// write is ask for a question that changes something: the client's going away
// no longer stops it.
func (c *call) write(op string, question func(context.Context) error) error {
	if err := c.ctx.Err(); err != nil && !c.wrote {
		return &StoreError{op, err}
	}
	c.wrote = true
	return c.ask(op, question)
}

// crowded makes a failure of a conflict that went on until the time was over.
func crowded(err error) error {
	if errors.Is(err, store.ErrConflict) {
		return &StoreError{"apply", errors.New("other requests wrote to the session all the time")}
	}
	return err
}

// rest waits before a retry: longer each time, and at random, so that those
// who were in each other's way do not meet again. It reports whether there is
// time left.
func (c *call) rest() bool {
	c.pause = min(max(2*c.pause, time.Millisecond), 64*time.Millisecond)
	pause := rand.N(c.pause)
	ctx, cancel := c.until(time.Now().Add(pause))
	defer cancel()
	<-ctx.Done()
	return time.Now().Before(c.deadline) && (c.wrote || c.ctx.Err() == nil)
}

// A loaded is a record with its parts read. It is shared between requests and
// never changed.
type loaded struct {
	record    *store.Record
	state     record.State
	verifiers record.Verifiers
}

// wrote reports whether the write v led to l.
func (l *loaded) wrote(v store.Version) bool { return l.record.Version == v || l.state.Wrote(v) }

// load loads a record. A read can be repeated, so it is, once.
func (c *call) load(handle string, room []tagged.Field) (*loaded, error) {
	l := new(loaded)
	question := func(ctx context.Context) (err error) {
		l.record, err = c.store.Load(ctx, handle)
		return err
	}
	err := c.ask("load", question)
	if err != nil && !answer(err) && c.ctx.Err() == nil {
		err = c.ask("load", question)
	}
	if err != nil {
		return nil, err
	}
	if l.verifiers, err = record.ParseVerifiers(l.record.Verifiers); err == nil {
		l.state, err = record.ParseState(l.record.State, room)
	}
	if err != nil {
		return nil, &StoreError{"load", fmt.Errorf("record %s: %w", handle, err)}
	}
	return l, nil
}

// create creates a record, and finds out what happened when the reply is lost.
// replaced is false where that is not known.
func (c *call) create(l *loaded, opts store.CreateOptions) (created store.Created, err error) {
	for {
		err = c.write("create", func(ctx context.Context) (err error) {
			created, err = c.store.Create(ctx, l.record, opts)
			return err
		})
		if err == nil || answer(err) && !errors.Is(err, store.ErrExists) {
			return created, err
		}
		there, lerr := c.load(l.record.Handle, nil)
		switch {
		case lerr == nil && there.wrote(l.record.Version):
			return store.Created{}, nil
		case lerr == nil:
			return store.Created{}, store.ErrExists
		case errors.Is(err, store.ErrFull):
			return store.Created{}, err
		}
		if !c.rest() {
			return store.Created{}, err
		}
	}
}

var errUnknown = errors.New("the reply was lost, and others have written so much since that nobody knows what became of the write")

// apply writes l over the version from. When the reply is lost it finds out by
// the versions what happened: it never writes a second time blindly. It returns
// what is there now: l, or what others have made of it since; with ErrConflict
// what to begin again from, if it knows.
func (c *call) apply(l *loaded, from store.Version, now time.Time) (*loaded, error) {
	var lost error // the last that is not known to have failed: it may arrive at any time
	for {
		err := c.write("apply", func(ctx context.Context) error { return c.store.Apply(ctx, l.record, from, now) })
		switch {
		case err == nil:
			return l, nil
		case errors.Is(err, store.ErrFull), answer(err) && (lost == nil || !errors.Is(err, store.ErrConflict)):
			return nil, err
		case !answer(err):
			lost = err
		} // a conflict may be with an attempt of ours
		for {
			there, lerr := c.load(l.record.Handle, nil)
			if errors.Is(lerr, store.ErrGone) {
				return nil, lerr
			}
			if lerr == nil {
				switch {
				case there.wrote(l.record.Version):
					return there, nil
				case there.record.Version == from:
				case there.wrote(from):
					return there, store.ErrConflict
				default:
					return nil, &StoreError{"apply", errUnknown}
				}
			}
			if !c.rest() {
				return nil, lost
			}
			if lerr == nil {
				break // not there: the same write again, which succeeds once at most
			}
		}
	}
}

// endOwner ends an owner's records. Asking again is harmless too.
func (c *call) endOwner(owner, except string, now time.Time) (n int, err error) {
	end := store.Ending{Mark: store.NewVersion(), Now: now}
	for {
		err = c.write("end", func(ctx context.Context) (err error) {
			n, err = c.store.DeleteOwner(ctx, owner, except, end)
			return err
		})
		if err == nil || !c.rest() {
			return n, err
		}
	}
}

// end ends a record. Its mark makes asking again harmless.
func (c *call) end(handle string, version, mark store.Version, now time.Time) error {
	for {
		err := c.write("end", func(ctx context.Context) error {
			return c.store.Delete(ctx, handle, store.Ending{Version: version, Mark: mark, Now: now})
		})
		if err == nil || answer(err) || !c.rest() {
			return err
		}
	}
}
