package revoked

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/sojourn-go/sojourn/internal/handle"
	"github.com/sojourn-go/sojourn/store"
)

var errHandle = errors.New("what was given is not the handle of a session") // it may be a token

// EndSession ends one session, which was made at that time at the latest.
func (l *List) EndSession(ctx context.Context, handle string, created time.Time) error {
	name, ok := flip(handle)
	if !ok {
		return errHandle
	}
	until := created.Add(l.keep)
	if !until.After(time.Now()) {
		return nil // it has ended by itself
	}
	err := l.create(ctx, record(name, "", "", time.Now(), until))
	if err == nil && l.delay > 0 {
		l.table.add(handle, until)
	}
	return err
}

// EndOwner ends all sessions of owner, "" for everybody, that were made up to a
// moment, but the one with the handle except.
//
// The owner's own record has all his ends, so that it can be asked for; of another,
// made for this end alone, the store tells those who follow its changes.
func (l *List) EndOwner(ctx context.Context, owner string, until time.Time, except string) error {
	e := end{Until: until.UnixMilli()}
	if handle.Valid(except) { // else it is nobody's
		e.Except = except
	}
	needless := l.needless()
	if e.Until <= needless {
		return nil // they have ended by themselves
	}
	if err := persist(ctx, func() error { return l.extend(ctx, owner, e, needless) }); err != nil {
		return err
	}
	facts := entry{[]byte(owner), ends{e}}.text()
	name := store.NewHandle(recordOwner(owner))
	err := l.create(ctx, record(name, recordOwner(owner), facts, time.Now(), until.Add(l.keep)))
	if err == nil && l.delay > 0 {
		l.table.addEnds(owner, ends{e}, needless)
	}
	return err
}

// create makes a record, if it is not there yet: so it can be asked for again.
func (l *List) create(ctx context.Context, rec *store.Record) error {
	return persist(ctx, func() error {
		err := l.tryCreate(ctx, rec)
		if errors.Is(err, store.ErrExists) {
			return nil
		}
		return err
	})
}

func (l *List) tryCreate(ctx context.Context, rec *store.Record) error {
	return l.ask(ctx, func(ctx context.Context) error {
		now := time.Now()
		_, err := l.store.Create(ctx, rec, store.CreateOptions{Now: now, End: store.Ending{Mark: store.NewVersion(), Now: now}})
		return err
	})
}

// maxPause is the longest that is waited before another attempt.
const maxPause = 100 * time.Millisecond

// persist makes attempts until one succeeds, ctx is over, or there is no hope. An
// attempt can be repeated, whatever became of it.
func persist(ctx context.Context, attempt func() error) error {
	for pause := time.Millisecond; ; pause = min(2*pause, maxPause) {
		err := attempt()
		if err == nil || errors.Is(err, errForm) || errors.Is(err, store.ErrFull) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(rand.N(pause)):
		}
	}
}

// forever is how long the record of an owner may go on, as long as it is
// extended.
const forever = 100 * 365 * 24 * time.Hour

// extend puts one more end into the owner's record. It is one attempt.
func (l *List) extend(ctx context.Context, owner string, add end, needless int64) error {
	was, list, err := l.loadOwner(ctx, owner)
	if err != nil {
		return err
	}
	facts := entry{[]byte(owner), list.with(add, needless)}.text()
	now, until := time.Now(), millis(time.UnixMilli(add.Until).Add(l.keep))
	if was == nil {
		rec := record(ownerRecord(owner), recordOwner(owner), facts, now, until)
		rec.AbsoluteDeadline = millis(now.Add(forever))
		err := l.tryCreate(ctx, rec)
		if errors.Is(err, store.ErrExists) { // another was quicker, or it has expired: a store may hide it then
			_ = l.ask(ctx, func(ctx context.Context) error { _, err := l.store.Sweep(ctx, now, pageSize); return err })
		}
		return err
	}
	rec := *was
	rec.Version, rec.Facts, rec.IdleDeadline = store.NewVersion(), facts, until
	if was.Expired(now) { // and not swept yet: it goes on
		now = was.Deadline().Add(-time.Millisecond)
	}
	return l.ask(ctx, func(ctx context.Context) error { return l.store.Apply(ctx, &rec, was.Version, now) })
}
