package storetest

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// What a store.Notifier does beside. A store that is none passes all of them.
var notifyRules = []rule{
	{"notify-begins", "Notify calls wake first when it has begun to listen.", notifyBegins},
	{"notify-tells-delete", "Notify calls wake soon after something that Changes tells, and then Changes tells it: of Delete.", notifies(tellDelete)},
	{"notify-tells-delete-owner", "Notify calls wake soon after something that Changes tells, and then Changes tells it: of DeleteOwner.", notifies(tellDeleteOwner)},
	{"notify-tells-the-replaced", "Notify calls wake soon after something that Changes tells, and then Changes tells it: of Create that takes the place of another.", notifies(tellReplaced)},
	{"notify-tells-the-oldest", "Notify calls wake soon after something that Changes tells, and then Changes tells it: of Create that ends the oldest.", notifies(tellOldest)},
	{"notify-tells-revocations", "Notify calls wake soon after something that Changes tells, and then Changes tells it: of a record of KindRevocation that was made.", notifies(tellRevocation)},
	{"notify-tells-all-who-listen", "Notify calls wake of each who listens.", notifyAll},
	{"notify-gathers-a-burst", "Calls of wake are not concurrent, and 10 milliseconds or more apart.", notifyBurst},
	{"notify-ends-with-its-context", "Notify goes on until ctx is over, and then returns its error.", notifyEnds},
}

// soon is how long a rule waits for Notify, on a busy machine too. Tests in which
// rules are to fail wait less.
var soon = 5 * time.Second

// A listener is one call of Notify.
type listener struct {
	c       *check
	began   time.Time
	woken   chan struct{} // full if wake was called since it was last looked at
	ended   chan error
	end     context.CancelFunc
	wakes   atomic.Int64
	inside  atomic.Int32
	crowded atomic.Bool // calls of wake were concurrent
}

// listen returns a listener that has begun, or nil if the store is no Notifier.
func (c *check) listen() *listener {
	c.t.Helper()
	l := c.notify(c.ctx)
	if l == nil {
		return nil
	}
	select {
	case <-l.woken:
		return l
	case err := <-l.ended:
		if errors.Is(err, errors.ErrUnsupported) {
			return nil
		}
		c.fail("Notify: %s", said(err))
	case <-time.After(soon):
		c.fail("Notify has not called wake within %s of when it began", soon)
	}
	return nil
}

// notify calls Notify, if the store has it.
func (c *check) notify(ctx context.Context) *listener {
	n, ok := c.s.(store.Notifier)
	if !ok {
		return nil
	}
	l := &listener{c: c, began: time.Now(), woken: make(chan struct{}, 1), ended: make(chan error, 1)}
	ctx, l.end = context.WithCancel(ctx)
	go func() { l.ended <- noPanic(func() error { return n.Notify(ctx, l.wake) }) }()
	return l
}

func (l *listener) wake() {
	if l.inside.Add(1) > 1 {
		l.crowded.Store(true)
	}
	defer l.inside.Add(-1)
	l.wakes.Add(1)
	breathe()
	select {
	case l.woken <- struct{}{}:
	default:
	}
}

// hears asks Changes only when woken, until all of records were told.
func (l *listener) hears(f *follower, ended bool, records []*store.Record) {
	l.c.t.Helper()
	deadline := time.After(soon)
	for {
		missing := 0
		for _, rec := range records {
			if !f.heard(ended, rec) {
				missing++
			}
		}
		if missing == 0 {
			return
		}
		select {
		case <-l.woken:
			l.c.ok(f.poll(), "Changes")
		case err := <-l.ended:
			l.c.fail("Notify ended by itself: %s", said(err))
		case <-deadline:
			l.c.fail("after %s who asks Changes whenever Notify calls wake has not heard of %d changes of %d", soon, missing, len(records))
		}
	}
}

// stop ends the listener and returns Notify's error.
func (l *listener) stop() error {
	l.c.t.Helper()
	l.end()
	select {
	case err := <-l.ended:
		return err
	case <-time.After(soon):
		l.c.fail("Notify has not returned within %s of the end of its context", soon)
		return nil
	}
}

func notifyBegins(c *check) {
	if l := c.listen(); l != nil {
		l.end()
	}
}

// A deed makes what it needs, without a change, and returns a function that
// makes changes, and what Changes then tells.
type deed func(c *check) (do func() error, ended bool, records []*store.Record)

// notifies is the rule that a deed is told. Who listens asks Changes while it
// happens, so that it is of no use to be told beforehand.
func notifies(d deed) func(*check) {
	return func(c *check) {
		do, ended, records := d(c)
		l := c.listen()
		if l == nil {
			return
		}
		defer l.end()
		f := c.follow()
		doing := make(chan error, 1)
		go func() { doing <- noPanic(do) }()
		l.hears(f, ended, records)
		c.ok(<-doing, "what makes the change")
	}
}

func tellDelete(c *check) (func() error, bool, []*store.Record) {
	rec := c.made(newOwner())
	return func() error { return c.s.Delete(c.ctx, rec.Handle, c.ending()) }, true, []*store.Record{rec}
}

func tellDeleteOwner(c *check) (func() error, bool, []*store.Record) {
	owner := newOwner()
	made := []*store.Record{c.made(owner), c.made(owner), c.made(owner)}
	do := func() error { _, err := c.s.DeleteOwner(c.ctx, owner, "", c.ending()); return err }
	return do, true, made
}

func tellReplaced(c *check) (func() error, bool, []*store.Record) {
	owner := newOwner()
	old, opts := c.made(owner), c.options()
	opts.Replaces = old.Handle
	return func() error { _, err := c.s.Create(c.ctx, c.record(owner), opts); return err }, true, []*store.Record{old}
}

func tellOldest(c *check) (func() error, bool, []*store.Record) {
	owner := newOwner()
	old := c.aged(owner, 30, 20)
	return func() error { _, err := c.s.Create(c.ctx, c.record(owner), c.limit(1, true)); return err }, true, old
}

func tellRevocation(c *check) (func() error, bool, []*store.Record) {
	rec := c.record("")
	rec.Kind = store.KindRevocation
	return func() error { _, err := c.s.Create(c.ctx, rec, c.options()); return err }, false, []*store.Record{rec}
}

func notifyAll(c *check) {
	rec := c.made(newOwner())
	var all []*listener
	for range 3 {
		l := c.listen()
		if l == nil {
			return
		}
		defer l.end()
		all = append(all, l)
	}
	f := c.follow()
	c.ok(c.s.Delete(c.ctx, rec.Handle, c.ending()), "Delete")
	for _, l := range all {
		own := &follower{c: c, since: f.since, told: map[string][]store.Change{}}
		l.hears(own, true, []*store.Record{rec})
	}
}

func notifyBurst(c *check) {
	owner := newOwner()
	made := make([]*store.Record, 300)
	for i := range made {
		made[i] = c.made(owner)
	}
	l := c.listen()
	if l == nil {
		return
	}
	defer l.end()
	f := c.follow()
	errs := together(len(made), func(i int) error { return c.s.Delete(c.ctx, made[i].Handle, c.ending()) })
	c.count(errs, "Delete", nil)
	l.hears(f, true, made)
	n := l.wakes.Load()
	took := time.Since(l.began)
	if n > 1+took.Milliseconds()/10 {
		c.fail("%d changes in %s are %d calls of wake, which are less than 10 ms apart", len(made), took, n)
	}
	if l.crowded.Load() {
		c.fail("calls of wake are concurrent")
	}
}

func notifyEnds(c *check) {
	over, cancel := context.WithCancel(c.ctx)
	cancel()
	late, cancel := context.WithTimeout(c.ctx, 20*time.Millisecond)
	defer cancel()
	rec := c.made(newOwner())
	ends := c.listen()
	if ends == nil {
		return
	}
	other := c.listen()
	defer other.end()
	for _, ctx := range []context.Context{over, late} {
		l := c.notify(ctx)
		select {
		case err := <-l.ended:
			if !errors.Is(err, ctx.Err()) {
				c.fail("Notify with a context that is over: %s, want %q", said(err), ctx.Err())
			}
		case <-time.After(soon):
			c.fail("Notify has not returned within %s of the end of its context", soon)
		}
	}
	if err := ends.stop(); !errors.Is(err, context.Canceled) {
		c.fail("Notify with a context that was cancelled: %s, want %q", said(err), context.Canceled)
	}
	n := ends.wakes.Load()
	f := c.follow()
	c.ok(c.s.Delete(c.ctx, rec.Handle, c.ending()), "Delete")
	other.hears(f, true, []*store.Record{rec})
	if more := ends.wakes.Load() - n; more > 0 {
		c.fail("Notify has returned, and calls wake")
	}
}
