// Package revoked is the list of sessions in cookies that have ended. A cookie
// that was copied before the sign-out says nothing of it; the list does.
//
// It is kept as records of store.KindRevocation in any store, and held in memory
// by each process. docs/formats.md has the records to the byte, for programs in
// other languages that ask them; docs/design/0006 says why.
package revoked

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// Behind is by how much what a store tells as changed may be late.
const Behind = time.Second

// skew is by how much the clocks of processes may differ. Entries are kept for so
// much longer.
const skew = 10 * time.Minute

// A List is safe for concurrent use.
type List struct {
	store store.Store
	delay time.Duration // how long after it was read what is known may be used; 0 asks the store each time
	keep  time.Duration // how long after a session was made its cookie may be used
	each  time.Duration // how long one question to the store may take

	table  table
	base   time.Time
	readAt atomic.Int64 // when the reading began of what is known, in nanoseconds since base
	mu     sync.Mutex
	flight *flight // the refresh that is under way

	// These belong to the refresh.
	since  string          // where the next changes begin
	told   map[string]bool // records of owners that the changes before told
	pruned time.Time       // when the table was
}

// New returns a list that is kept in s. Nothing is asked before it is used. What
// the store said is used for delay; it may have been late by Behind, so that an end
// is unknown to others for the sum of both. If delay is 0, the store is asked each
// time. An entry is kept for as long as a session may last, which is keep, and one
// question to the store takes at most each.
func New(s store.Store, delay, keep, each time.Duration) *List {
	l := &List{store: s, delay: delay, keep: keep + skew, each: each, base: time.Now()}
	l.readAt.Store(math.MinInt64)
	return l
}

// Store is where the list is kept, and Delay for how long what it said is used.
func (l *List) Store() store.Store   { return l.store }
func (l *List) Delay() time.Duration { return l.delay }

// needless is the moment up to which sessions have ended by themselves.
func (l *List) needless() int64 { return time.Now().Add(-l.keep).UnixMilli() }

// ask puts one question to the store.
func (l *List) ask(ctx context.Context, question func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, l.each)
	defer cancel()
	return question(ctx)
}

// Has reports whether the session with this handle, which was made for owner at
// that time, has ended. An error means that it is not known.
func (l *List) Has(ctx context.Context, handle, owner string, created time.Time) (bool, error) {
	if l.delay == 0 {
		return l.askFor(ctx, handle, owner, created.UnixMilli())
	}
	oldest := int64(time.Since(l.base) - l.delay)
	for {
		known := l.readAt.Load() >= oldest // before looking: what is found by an old list counts too
		if ended := l.table.has(handle, owner, created.UnixMilli()); ended || known {
			return ended, nil
		}
		if err := l.Refresh(ctx); err != nil {
			return false, err
		}
	}
}

// Ask is Has by the store itself, however young what is known may be.
func (l *List) Ask(ctx context.Context, handle, owner string, created time.Time) (bool, error) {
	return l.askFor(ctx, handle, owner, created.UnixMilli())
}

var errEnded = errors.New("ended")

// askFor asks the store itself for what concerns a session, all at once.
func (l *List) askFor(ctx context.Context, handle, owner string, created int64) (bool, error) {
	questions := []func() error{func() error { return l.askForOwner(ctx, "", handle, created) }}
	if owner != "" {
		questions = append(questions, func() error { return l.askForOwner(ctx, owner, handle, created) })
	}
	if name, ok := flip(handle); ok {
		questions = append(questions, func() error {
			rec, err := l.load(ctx, name)
			if rec != nil {
				return errEnded
			}
			return err
		})
	}
	answers := make(chan error, len(questions)) // errEnded: it has ended
	for _, question := range questions {
		go func() { answers <- question() }()
	}
	var failed error
	for range questions {
		switch err := <-answers; {
		case err == errEnded:
			return true, nil
		case err != nil:
			failed = err
		}
	}
	return false, failed
}

func (l *List) askForOwner(ctx context.Context, owner, handle string, created int64) error {
	_, e, err := l.loadOwner(ctx, owner)
	if err == nil && e.covers(handle, created) {
		return errEnded
	}
	return err
}

// load returns a record of the list, nil if there is none.
func (l *List) load(ctx context.Context, name string) (rec *store.Record, err error) {
	err = l.ask(ctx, func(ctx context.Context) (err error) {
		rec, err = l.store.Load(ctx, name)
		return err
	})
	switch {
	case errors.Is(err, store.ErrGone):
		return nil, nil
	case err != nil:
		return nil, err
	case rec.Kind != store.KindRevocation:
		return nil, fmt.Errorf("record %s is not one of the revocation list, but in its place", name)
	}
	return rec, nil
}

// loadOwner returns the record with all ends of an owner, nil if there is none.
func (l *List) loadOwner(ctx context.Context, owner string) (*store.Record, ends, error) {
	name := ownerRecord(owner)
	rec, err := l.load(ctx, name)
	if rec == nil || err != nil {
		return nil, nil, err
	}
	e, err := parseEntry(rec.Facts)
	if err != nil {
		return nil, nil, fmt.Errorf("record %s is %w", name, err)
	}
	return rec, e.Ends, nil
}

// Newest returns the latest moment up to which sessions of owner, or everybody's,
// have been ended: a new one has to be made after it. It asks the store.
func (l *List) Newest(ctx context.Context, owner string) (time.Time, error) {
	_, all, err := l.loadOwner(ctx, "")
	if err != nil {
		return time.Time{}, err
	}
	_, own, err := l.loadOwner(ctx, owner)
	if err != nil {
		return time.Time{}, err
	}
	return time.UnixMilli(max(all.newest(), own.newest())), nil
}
