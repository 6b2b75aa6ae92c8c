package storetest

import (
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

var changesRules = []rule{
	{"changes-begin", `For "" Changes returns no changes, and the present moment.`, changesBegin},
	{"changes-tell-delete", "Changes returns what was ended: by Delete.", changesTellDelete},
	{"changes-tell-delete-owner", "Changes returns what was ended: by DeleteOwner.", changesTellDeleteOwner},
	{"changes-tell-the-replaced", "Changes returns what was ended: by Create in the same step.", changesTellReplaced},
	{"changes-tell-the-oldest", "Changes returns what was ended: by Create for the limit.", changesTellOldest},
	{"changes-tell-revocations", "Changes returns which records of KindRevocation were made.", changesTellRevocations},
	{"changes-tell-no-expiry", "Changes does not return what expired: deadlines are known.", changesTellNoExpiry},
	{"changes-tell-nothing-else", "Changes returns what was ended and which records of KindRevocation were made, and nothing else.", changesTellNothingElse},
	{"changes-resume", "Changes returns what happened since the moment that since stands for, and the next value for since; it misses none.", changesResume},
	{"changes-miss-none", "Changes misses none, whatever happens beside it.", changesMissNone},
	{"changes-refuse-garbage", "A since that stands for no moment is an error.", changesRefuseGarbage},
}

// A follower reads changes as an application's process does.
type follower struct {
	c     *check
	since string
	told  map[string][]store.Change // by handle
}

func (c *check) follow() *follower {
	c.t.Helper()
	begin, err := c.s.Changes(c.ctx, "")
	c.ok(err, "Changes from the beginning")
	if len(begin.List) > 0 {
		c.fail("Changes from the beginning tells %d changes", len(begin.List))
	}
	if begin.Next == "" {
		c.fail("Changes from the beginning gives no value for since")
	}
	return &follower{c: c, since: begin.Next, told: map[string][]store.Change{}}
}

func (f *follower) poll() error {
	changes, err := f.c.s.Changes(f.c.ctx, f.since)
	if err != nil {
		return err
	}
	if f.since = changes.Next; f.since == "" {
		return fmt.Errorf("Changes gives no value for since")
	}
	for _, change := range changes.List {
		f.told[change.Handle] = append(f.told[change.Handle], change)
	}
	return nil
}

// hears polls until every one of records was told as ended or made. Changes is
// at most a second behind: a call that begins later must have told them.
func (f *follower) hears(ended bool, records ...*store.Record) {
	f.c.t.Helper()
	happened := time.Now()
	for {
		began := time.Now()
		f.c.ok(f.poll(), "Changes")
		missing := 0
		for _, rec := range records {
			if !f.heard(ended, rec) {
				missing++
			}
		}
		if missing == 0 {
			return
		}
		if began.Sub(happened) >= time.Second {
			f.c.fail("after a second Changes has told %d changes of %d", len(records)-missing, len(records))
		}
		time.Sleep(5 * time.Millisecond) // real stores keep real time
	}
}

func (f *follower) heard(ended bool, rec *store.Record) bool {
	f.c.t.Helper()
	for _, change := range f.told[rec.Handle] {
		if change.Kind != rec.Kind || change.Owner != rec.Owner {
			f.c.fail("Changes tells of a record of kind %d and owner %s, which was of kind %d and owner %s",
				change.Kind, brief(change.Owner), rec.Kind, brief(rec.Owner))
		}
		if change.Ended == ended {
			return true
		}
	}
	return false
}

func (f *follower) hasNotHeard(rec *store.Record, what string) {
	f.c.t.Helper()
	if told := f.told[rec.Handle]; len(told) > 0 {
		f.c.fail("Changes tells of a record that %s: Ended %v", what, told[0].Ended)
	}
}

func changesBegin(c *check) {
	before := c.made(newOwner())
	c.ok(c.s.Delete(c.ctx, before.Handle, c.ending()), "Delete")
	f := c.follow()
	rec := c.made(newOwner())
	c.ok(c.s.Delete(c.ctx, rec.Handle, c.ending()), "Delete")
	f.hears(true, rec)
}

func changesTellDelete(c *check) {
	made := append(c.family(newOwner()), c.family("")...)
	f := c.follow()
	for _, rec := range made {
		end := c.ending()
		c.ok(c.s.Delete(c.ctx, rec.Handle, end), "Delete")
	}
	f.hears(true, made...)
}

func changesTellDeleteOwner(c *check) {
	alice := newOwner()
	family, kept, other := c.family(alice), c.made(alice), c.made(newOwner())
	f := c.follow()
	c.deleteOwner(alice, kept.Handle, c.ending(), 2)
	f.hears(true, family[0], family[1])
	f.hasNotHeard(family[2], "is a revocation, and stays")
	f.hasNotHeard(kept, "was the exception")
	f.hasNotHeard(other, "is another owner's")
}

func changesTellReplaced(c *check) {
	owner := newOwner()
	old := c.made(owner)
	f := c.follow()
	opts := c.options()
	opts.Replaces = old.Handle
	c.create(c.record(owner), opts)
	f.hears(true, old)
}

func changesTellOldest(c *check) {
	owner := newOwner()
	old := c.aged(owner, 30, 20, 10)
	f := c.follow()
	c.endedAre(c.create(c.record(owner), c.limit(2, true)), old[0], old[1])
	f.hears(true, old[0], old[1])
	f.hasNotHeard(old[2], "is not the oldest")
}

func changesTellRevocations(c *check) {
	f := c.follow()
	family, nobodys := c.family(newOwner()), c.family("")
	f.hears(false, family[2], nobodys[2])
	for _, rec := range []*store.Record{family[0], family[1], nobodys[0], nobodys[1]} {
		f.hasNotHeard(rec, "was made, and is no revocation")
	}
	c.ok(c.s.Delete(c.ctx, family[2].Handle, c.ending()), "Delete of a revocation")
	f.hears(true, family[2])
}

// beacon ends a record, and waits until that was told: what happened before
// would have been told with it.
func (f *follower) beacon() {
	f.c.t.Helper()
	rec := f.c.made(newOwner())
	f.c.ok(f.c.s.Delete(f.c.ctx, rec.Handle, f.c.ending()), "Delete")
	f.hears(true, rec)
	f.c.ok(f.poll(), "Changes")
}

func changesTellNoExpiry(c *check) {
	f := c.follow()
	expired := c.expired(newOwner(), 3)
	c.sweep(c.now)
	f.beacon()
	for _, rec := range expired {
		f.hasNotHeard(rec, "expired")
	}
}

func changesTellNothingElse(c *check) {
	owner := newOwner()
	f := c.follow()
	rec := c.made(owner)
	n := next(rec)
	c.ok(c.s.Apply(c.ctx, n, rec.Version, c.now), "Apply")
	c.ok(c.s.Touch(c.ctx, rec.Handle, c.now.Add(time.Second), c.now.Add(2*time.Hour)), "Touch")
	end := c.ending()
	end.Version = rec.Version
	c.answers(c.s.Delete(c.ctx, rec.Handle, end), store.ErrConflict, "Delete at another version")
	opts := c.options()
	opts.Replaces, opts.End.Version = rec.Handle, rec.Version
	refused := c.record(owner)
	refused.Kind = store.KindRevocation
	_, err := c.s.Create(c.ctx, refused, opts)
	c.answers(err, store.ErrConflict, "Create in place of another version")
	_, err = c.s.Create(c.ctx, c.record(owner), c.limit(1, false))
	c.answers(err, store.ErrLimit, "Create at the limit")
	opts.End.Version = 0
	other := c.record(newOwner())
	c.create(other, opts)
	f.beacon()
	f.hasNotHeard(rec, "was made, applied to, touched, and not ended")
	f.hasNotHeard(other, "was made, and is no revocation")
	f.hasNotHeard(refused, "was not made")
}

func changesResume(c *check) {
	f := c.follow()
	first := f.since
	var ended []*store.Record
	for range 3 {
		rec := c.made(newOwner())
		c.ok(c.s.Delete(c.ctx, rec.Handle, c.ending()), "Delete")
		f.hears(true, rec)
		c.ok(f.poll(), "Changes, when nothing has happened")
		ended = append(ended, rec)
	}
	again := &follower{c: c, since: first, told: map[string][]store.Change{}}
	again.hears(true, ended...)
}

func changesMissNone(c *check) {
	const writers, each = 8, 12
	var records [writers][each]*store.Record
	var all []*store.Record
	for i := range writers {
		for j := range each {
			records[i][j] = c.made(newOwner())
			all = append(all, records[i][j])
		}
	}
	f := c.follow()
	// The writers go no faster than the one who reads, so that each call of
	// Changes has some of their calls beside it.
	var writing, polls atomic.Int32
	writing.Store(writers)
	errs := together(writers+1, func(i int) error {
		if i == writers {
			defer polls.Add(each)
			for writing.Load() > 0 {
				if err := f.poll(); err != nil {
					return err
				}
				polls.Add(1)
			}
			return nil
		}
		defer writing.Add(-1)
		for j, rec := range records[i] {
			for polls.Load() < int32(j) {
				runtime.Gosched()
			}
			if err := c.s.Delete(c.ctx, rec.Handle, c.ending()); err != nil {
				return err
			}
		}
		return nil
	})
	c.count(errs, "Delete beside Changes", nil)
	f.hears(true, all...)
}

func changesRefuseGarbage(c *check) {
	begin, err := c.s.Changes(c.ctx, "")
	c.ok(err, "Changes")
	for _, garbage := range []string{"no such moment", "\x00", "\xff", "'", strings.Repeat("x", 1<<20), everyByte()} {
		var got store.Changes
		err := noPanic(func() (err error) {
			got, err = c.s.Changes(c.ctx, garbage)
			return err
		})
		if err == nil || strings.HasPrefix(err.Error(), "panicked") {
			c.fail("Changes since %s: %s, with %d changes", brief(garbage), said(err), len(got.List))
		}
	}
	// These may stand for something in one store or another.
	for _, odd := range []string{"0", "-1", "1", "99999999999999999999999", " ", "0-0", "1-1", "$", "+", begin.Next + "x", begin.Next + begin.Next, begin.Next[1:]} {
		err := noPanic(func() error { _, _ = c.s.Changes(c.ctx, odd); return nil })
		c.ok(err, "Changes since "+brief(odd))
	}
	_, err = c.s.Changes(c.ctx, begin.Next)
	c.ok(err, "Changes after garbage")
}
