// Package revoked is the list of sessions in cookies that have ended. A cookie
// that was copied before the sign-out says nothing of it; the list does.
//
// It is kept as records of store.KindRevocation in any store, and held in memory
// by each process. docs/formats.md has the records to the byte, for programs in
// other languages that ask them.
package revoked

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// Behind is by how much what a store tells as changed may be late.
const Behind = time.Second

// A List is safe for concurrent use.
type List struct {
	store store.Store
	delay time.Duration // how old what is known may be; 0 asks the store each time
	keep  time.Duration // how long after a session was made its cookie may be used
	each  time.Duration // how long one question to the store may take

	table  table
	base   time.Time
	asOf   atomic.Int64 // what is known is of that moment, in nanoseconds since base; 0: nothing is
	mu     sync.Mutex
	flight *flight // the refresh that is under way

	since  string    // where the next changes begin
	pruned time.Time // when the table was
}

// New returns a list that is kept in s. Nothing is asked before it is used. What
// it knows is at most delay old, or, if that is 0, not older than the question. An
// entry is kept for as long as a session may last, and one question to the store
// takes at most each.
func New(s store.Store, delay, keep, each time.Duration) *List {
	return &List{store: s, delay: delay, keep: keep, each: each, base: time.Now().Add(-2 * Behind)}
}

// Store is where the list is kept, and Delay how old what is known may be.
func (l *List) Store() store.Store   { return l.store }
func (l *List) Delay() time.Duration { return l.delay }

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
	for {
		fresh := l.fresh() // before looking: what is found by an old list counts too
		if ended := l.table.has(handle, owner, created.UnixMilli()); ended || fresh {
			return ended, nil
		}
		if err := l.wait(ctx, l.refresh(ctx)); err != nil {
			return false, err
		}
	}
}

// fresh reports whether what is known is not too old.
func (l *List) fresh() bool {
	asOf := l.asOf.Load()
	return asOf > 0 && time.Since(l.base)-time.Duration(asOf) <= l.delay
}

// askFor asks the store itself for what concerns a session.
func (l *List) askFor(ctx context.Context, handle, owner string, created int64) (bool, error) {
	names := []string{ownerRecord("")}
	if owner != "" {
		names = append(names, ownerRecord(owner))
	}
	own, ok := flip(handle)
	if ok {
		names = append(names, own)
	}
	answers := make(chan error, len(names)) // errEnded: it has ended
	for _, name := range names {
		go func() {
			rec, err := l.load(ctx, name)
			switch {
			case err != nil || rec == nil:
			case name == own:
				err = errEnded
			default:
				var e entry
				if e, err = parseEntry(rec.Facts); err == nil && e.covers(handle, created) {
					err = errEnded
				}
			}
			answers <- err
		}()
	}
	var failed error
	for range names {
		switch err := <-answers; {
		case err == errEnded:
			return true, nil
		case err != nil:
			failed = err
		}
	}
	return false, failed
}

var errEnded = errors.New("ended")

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

// Newest returns the latest moment up to which sessions of owner, or everybody's,
// have been ended: a new one has to be made after it. It asks the store.
func (l *List) Newest(ctx context.Context, owner string) (time.Time, error) {
	var newest int64
	for _, name := range []string{ownerRecord(""), ownerRecord(owner)} {
		rec, err := l.load(ctx, name)
		if err != nil {
			return time.Time{}, err
		}
		if rec == nil {
			continue
		}
		e, err := parseEntry(rec.Facts)
		if err != nil {
			return time.Time{}, fmt.Errorf("record %s is %w", name, err)
		}
		newest = max(newest, e.newest())
	}
	return time.UnixMilli(newest), nil
}

// EndSession ends one session, which was made at that time at the latest.
func (l *List) EndSession(ctx context.Context, handle string, created time.Time) error {
	name, ok := flip(handle)
	if !ok {
		return fmt.Errorf("%q is not the handle of a session", handle)
	}
	until := created.Add(l.keep)
	err := l.create(ctx, record(name, "", "", time.Now(), until))
	if err == nil && l.delay > 0 {
		l.table.add(handle, until)
	}
	return err
}

// create makes a record, if it is not there yet: so it can be asked for again.
func (l *List) create(ctx context.Context, rec *store.Record) error {
	for pause := time.Millisecond; ; pause = min(2*pause, maxPause) {
		err := l.ask(ctx, func(ctx context.Context) error {
			_, err := l.store.Create(ctx, rec, store.CreateOptions{Now: time.Now(), End: store.Ending{Mark: store.NewVersion(), Now: time.Now()}})
			return err
		})
		if err == nil || errors.Is(err, store.ErrExists) {
			return nil
		}
		if certain(err) || !rest(ctx, pause) {
			return err
		}
	}
}

// maxPause is the longest that is waited before another attempt.
const maxPause = 100 * time.Millisecond

// certain reports whether err will be the same the next time.
func certain(err error) bool {
	return errors.Is(err, store.ErrGone) || errors.Is(err, store.ErrLimit)
}

// rest waits before another attempt, and reports whether there is time for one.
func rest(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(rand.N(pause))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// EndOwner ends all sessions of owner, "" for everybody, that were made up to a
// moment, but the one with the handle except.
//
// The owner's own record has all his ends, so that it can be asked for; of another,
// made for this end alone, the store tells those who follow its changes.
func (l *List) EndOwner(ctx context.Context, owner string, until time.Time, except string) error {
	e := end{Until: until.UnixMilli(), Except: except}
	if err := l.extend(ctx, owner, e); err != nil {
		return err
	}
	own := entry{Owner: owner, Ends: []end{e}}
	name := store.NewHandle(recordOwner(owner))
	err := l.create(ctx, record(name, recordOwner(owner), own.text(), time.Now(), until.Add(l.keep)))
	if err == nil && l.delay > 0 {
		l.table.addEnds(own, l.needless())
	}
	return err
}

// needless is the moment up to which sessions have ended by themselves.
func (l *List) needless() int64 { return time.Now().Add(-l.keep).UnixMilli() }

// forever is how long the record of an owner may go on, as long as it is
// extended.
const forever = 100 * 365 * 24 * time.Hour

// extend puts one more end into the owner's record.
func (l *List) extend(ctx context.Context, owner string, add end) error {
	name := ownerRecord(owner)
	for pause := time.Millisecond; ; pause = min(2*pause, maxPause) {
		err := l.tryExtend(ctx, name, owner, add)
		if err == nil || errors.Is(err, errForm) || !rest(ctx, pause) {
			return err
		}
	}
}

// tryExtend makes one attempt. It can be repeated, whatever became of it.
func (l *List) tryExtend(ctx context.Context, name, owner string, add end) error {
	was, err := l.load(ctx, name)
	if err != nil {
		return err
	}
	now := time.Now()
	until := time.UnixMilli(add.Until).Add(l.keep)
	if was == nil {
		rec := record(name, recordOwner(owner), entry{owner, []end{add}}.text(), now, until)
		rec.AbsoluteDeadline = millis(now.Add(forever))
		return l.ask(ctx, func(ctx context.Context) error {
			_, err := l.store.Create(ctx, rec, store.CreateOptions{Now: now, End: store.Ending{Mark: store.NewVersion(), Now: now}})
			return err
		})
	}
	e, err := parseEntry(was.Facts)
	if err != nil {
		return fmt.Errorf("record %s is %w", name, err)
	}
	rec := *was
	rec.Version, rec.Facts = store.NewVersion(), e.with(add, l.needless()).text()
	rec.IdleDeadline = millis(until)
	if was.Expired(now) { // and not swept yet: it goes on
		now = was.Deadline().Add(-time.Millisecond)
	}
	return l.ask(ctx, func(ctx context.Context) error { return l.store.Apply(ctx, &rec, was.Version, now) })
}
