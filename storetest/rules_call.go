package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

var callRules = []rule{
	{"keeps-nothing-it-is-given", "Stores neither change nor keep what they are given.", keepsNothing},
	{"what-it-returns-is-the-callers", "What stores return is the caller's.", returnedIsTheCallers},
	{"obeys-the-context", "Stores obey the context's deadline: a call whose context is over is a failure and no answer, and a write has happened as a whole or not at all.", obeysTheContext},
	{"errors-hold-no-secrets", "Errors hold no verifier and no state.", errorsHoldNoSecrets},
	{"odd-handles-do-no-harm", "There is no record under text that is no handle: that is ErrGone, or a failure of Create.", oddHandles},
	{"odd-numbers-do-no-harm", "Limits and cursors that make no sense are an error, or make some sense: nothing else.", oddNumbers},
}

func keepsNothing(c *check) {
	owner := newOwner()
	rec, opts := c.record(owner), c.options()
	given := *rec
	opts.Replaces, opts.Limit, opts.EndOldest = c.made(owner).Handle, 1, true
	asked := opts
	c.create(rec, opts)
	if *rec != given || opts != asked {
		c.fail("Create changed what it was given")
	}
	*rec = *c.record(newOwner())
	c.holds(&given, "after what Create was given has changed")

	n := next(&given)
	n.Owner, n.LastSeen = "", c.now.Add(-time.Minute) // which Apply does not take
	applied := *n
	c.ok(c.s.Apply(c.ctx, n, given.Version, c.now), "Apply")
	if *n != applied {
		c.fail("Apply changed what it was given")
	}
	*n = *c.record(newOwner())
	applied.Owner, applied.LastSeen = given.Owner, given.LastSeen
	c.holds(&applied, "after what Apply was given has changed")
}

func returnedIsTheCallers(c *check) {
	rec := c.made(newOwner())
	want := *rec
	for range 2 {
		got, err := c.s.Load(c.ctx, rec.Handle)
		c.ok(err, "Load")
		*got = *c.record("")
		c.holds(&want, "after what Load returned has changed")
	}
	for range 2 {
		listing, err := c.s.List(c.ctx, rec.Owner, store.Page{Limit: 10})
		c.ok(err, "List")
		c.shown(c.listed(rec.Owner), &want, "List")
		for i := range listing.Records {
			listing.Records[i] = store.Listed{}
		}
		_ = append(listing.Records, store.Listed{})
		c.shown(c.listed(rec.Owner), &want, "after what List returned has changed: List")
	}
	f := c.follow()
	c.ok(c.s.Delete(c.ctx, rec.Handle, c.ending()), "Delete")
	f.hears(true, rec)
	begin := f.since
	c.made(rec.Owner)
	other := c.made(rec.Owner)
	c.ok(c.s.Delete(c.ctx, other.Handle, c.ending()), "Delete")
	f.hears(true, other)
	changes, err := c.s.Changes(c.ctx, begin)
	c.ok(err, "Changes")
	for i := range changes.List {
		changes.List[i] = store.Change{}
	}
	again := &follower{c: c, since: begin, told: map[string][]store.Change{}}
	again.hears(true, other)
}

func answer(err error) bool {
	return slices.ContainsFunc([]error{store.ErrGone, store.ErrConflict, store.ErrExists, store.ErrLimit, store.ErrFull},
		func(a error) bool { return errors.Is(err, a) })
}

// calls are all the verbs, on records that are there and are not.
func (c *check) calls(there, other, absent *store.Record, end store.Ending, since string) map[Verb]func(context.Context) error {
	opts := c.options()
	opts.Replaces, opts.End = other.Handle, end
	return map[Verb]func(context.Context) error{
		Load:   func(ctx context.Context) error { _, err := c.s.Load(ctx, there.Handle); return err },
		Create: func(ctx context.Context) error { _, err := c.s.Create(ctx, absent, opts); return err },
		Apply: func(ctx context.Context) error {
			n := next(there)
			n.State = there.State
			return c.s.Apply(ctx, n, there.Version, c.now)
		},
		Touch: func(ctx context.Context) error {
			return c.s.Touch(ctx, there.Handle, there.LastSeen.Add(time.Minute), there.IdleDeadline.Add(time.Minute))
		},
		Delete:      func(ctx context.Context) error { return c.s.Delete(ctx, there.Handle, end) },
		DeleteOwner: func(ctx context.Context) error { _, err := c.s.DeleteOwner(ctx, there.Owner, "", end); return err },
		List: func(ctx context.Context) error {
			_, err := c.s.List(ctx, there.Owner, store.Page{Limit: 10})
			return err
		},
		Scan:    func(ctx context.Context) error { _, err := c.s.Scan(ctx, store.Page{Limit: 10}); return err },
		Changes: func(ctx context.Context) error { _, err := c.s.Changes(ctx, since); return err },
		Sweep:   func(ctx context.Context) error { _, err := c.s.Sweep(ctx, c.now, 10); return err },
	}
}

var verbs = []Verb{Load, Create, Apply, Touch, Delete, DeleteOwner, List, Scan, Changes, Sweep}

func obeysTheContext(c *check) {
	cancelled, cancel := context.WithCancel(c.ctx)
	cancel()
	late, cancel := context.WithDeadline(c.ctx, c.now.Add(-time.Second))
	defer cancel()
	since := c.follow().since
	for _, ctx := range []context.Context{cancelled, late} {
		for _, verb := range verbs {
			owner := newOwner()
			there, other, absent := c.made(owner), c.made(owner), c.record(owner)
			end := c.ending()
			err := c.calls(there, other, absent, end, since)[verb](ctx)
			if err == nil {
				c.fail("%s with a context that is over (%v) has no error", verb, ctx.Err())
			}
			if answer(err) {
				c.fail("%s with a context that is over (%v) answers %q", verb, ctx.Err(), err)
			}
			c.wholeOrNot(verb, there, other, absent)
		}
	}
}

// wholeOrNot requires that a call of verb has done all that calls would have it
// do, or nothing.
func (c *check) wholeOrNot(verb Verb, there, other, absent *store.Record) {
	c.t.Helper()
	alive := func(rec *store.Record) bool {
		_, err := c.s.Load(c.ctx, rec.Handle)
		if err != nil && !errors.Is(err, store.ErrGone) {
			c.fail("Load: %v", err)
		}
		return err == nil
	}
	a, b, n := alive(there), alive(other), alive(absent)
	nothing := a && b && !n
	all := nothing
	switch verb {
	case Create:
		all = a && !b && n
	case Delete:
		all = !a && b && !n
	case DeleteOwner:
		all = !a && !b && !n
	}
	if !nothing && !all {
		c.fail("%s has happened in part: the record is there %v, the other %v, the one to be made %v", verb, a, b, n)
	}
	if !a {
		return
	}
	got, err := c.s.Load(c.ctx, there.Handle)
	c.ok(err, "Load")
	if got.State != there.State || got.Owner != there.Owner {
		c.fail("%s has changed what it should not have", verb)
	}
	if changed := got.Version != there.Version; changed != (got.Facts != there.Facts) || changed != (got.Verifiers != there.Verifiers) {
		c.fail("%s has happened in part: a new version %v, new facts %v, new verifiers %v", verb, changed, got.Facts != there.Facts, got.Verifiers != there.Verifiers)
	}
}

func errorsHoldNoSecrets(c *check) {
	const marker = "b4f7-no-error-holds-this"
	secret := func(rec *store.Record) *store.Record {
		n := next(rec)
		n.Verifiers, n.State = marker+"-verifier", marker+"-state"
		return n
	}
	discreet := func(err error, what string) {
		c.t.Helper()
		if err != nil && strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), marker) {
			c.fail("the error of %s holds verifiers or state", what)
		}
	}
	rec := secret(c.record(newOwner()))
	c.create(rec, c.options())
	_, err := c.s.Create(c.ctx, secret(rec), c.options())
	discreet(err, "Create of one that exists")
	_, err = c.s.Create(c.ctx, secret(c.record(rec.Owner)), c.limit(1, false))
	discreet(err, "Create at the limit")
	discreet(c.s.Apply(c.ctx, secret(rec), store.NewVersion(), c.now), "Apply from another version")
	discreet(c.s.Apply(c.ctx, secret(c.record("")), rec.Version, c.now), "Apply to none")
	over, cancel := context.WithCancel(c.ctx)
	cancel()
	_, err = c.s.Create(over, secret(c.record("")), c.options())
	discreet(err, "Create with a context that is over")
	discreet(c.s.Apply(over, secret(rec), rec.Version, c.now), "Apply with a context that is over")
	_, err = c.s.Load(over, rec.Handle)
	discreet(err, "Load with a context that is over")
	odd := secret(c.record(strings.Repeat("o", 1<<16)))
	_, err = c.s.Create(c.ctx, odd, c.options())
	discreet(err, "Create for an owner of 64 KiB")
	odd = secret(c.record(""))
	odd.Handle = "\x00" + strings.Repeat("h", 1<<16)
	_, err = c.s.Create(c.ctx, odd, c.options())
	discreet(err, "Create of a handle of 64 KiB")
}

func oddHandles(c *check) {
	proper := c.made(newOwner())
	same := store.NewHandle(proper.Owner)
	for _, odd := range []string{
		"", " ", "\x00", "\n", "'", `"`, "`", `\`, "*", "?", "%", "_", "{}", "{", "}", "{a}b", "[a-z]", ":", "/", "..", "../../x", "a b", "\xff\xfe",
		"é", "'; drop table sojourn; --", "%s%d", "$1", "0", "-1", "null", same[:23], same + "A", same[:23] + "\x00", same[:23] + "*",
		"zz" + same[2:], strings.Repeat("h", 300), strings.Repeat("\x00", 1000), everyByte(), strings.Repeat("h", 1<<20),
	} {
		what := "with the handle " + brief(odd)
		err := noPanic(func() error { return c.useOdd(odd, proper.Owner) })
		if err != nil {
			c.fail("%s: %v", what, err)
		}
		c.holds(proper, "after calls "+what)
		c.lists(proper.Owner, "after calls "+what, proper)
	}
}

func (c *check) useOdd(odd, owner string) error {
	rec := c.record("")
	rec.Handle = odd
	for range 2 { // before Create, and after it was taken and ended
		_, err := c.s.Load(c.ctx, odd)
		none := []error{
			err,
			c.s.Apply(c.ctx, rec, rec.Version, c.now),
			c.s.Touch(c.ctx, odd, c.now, rec.IdleDeadline),
			c.s.Delete(c.ctx, odd, c.ending()),
		}
		for i, err := range none {
			if !errors.Is(err, store.ErrGone) {
				return fmt.Errorf("%s: the answer is %s, want %q", []Verb{Load, Apply, Touch, Delete}[i], said(err), store.ErrGone)
			}
		}
		if n, err := c.s.DeleteOwner(c.ctx, newOwner(), odd, c.ending()); err == nil && n != 0 {
			return fmt.Errorf("DeleteOwner that spares it ended %d records of none", n)
		}
		beside, opts := c.record(newOwner()), c.options()
		opts.Replaces = odd
		if created, err := c.s.Create(c.ctx, beside, opts); err == nil && created.Replaced {
			return fmt.Errorf("Create says that it replaced it")
		}
		if _, err := c.s.Create(c.ctx, rec, c.options()); err != nil {
			return nil
		}
		got, err := c.s.Load(c.ctx, odd)
		if err != nil {
			return fmt.Errorf("Create took it, and Load: %w", err)
		}
		if d := difference(got, rec); d != "" {
			return fmt.Errorf("Create took it, and Load returns another record: %s", d)
		}
		if err := c.s.Delete(c.ctx, odd, c.ending()); err != nil {
			return fmt.Errorf("Create took it, and Delete: %w", err)
		}
	}
	return nil
}

func oddNumbers(c *check) {
	rec := c.made(newOwner())
	for _, limit := range []int{math.MaxInt, math.MaxInt32, math.MaxInt32 + 1} {
		err := noPanic(func() error {
			listing, err := c.s.List(c.ctx, rec.Owner, store.Page{Limit: limit})
			if err == nil && len(listing.Records) != 1 && listing.Next == "" {
				return fmt.Errorf("%d records of 1", len(listing.Records))
			}
			return err
		})
		c.ok(err, fmt.Sprintf("List with limit %d", limit))
		err = noPanic(func() error { _, err := c.s.Scan(c.ctx, store.Page{Limit: limit}); return err })
		c.ok(err, fmt.Sprintf("Scan with limit %d", limit))
		err = noPanic(func() error { _, err := c.s.Sweep(c.ctx, c.now, limit); return err })
		c.ok(err, fmt.Sprintf("Sweep with limit %d", limit))
		opts := c.limit(limit, true)
		c.endedAre(c.create(c.record(newOwner()), opts))
	}
	// What these mean is not said, but they do no harm.
	for _, page := range []store.Page{
		{}, {Limit: -1}, {Limit: math.MinInt}, {Limit: 10, Cursor: "no such cursor"}, {Limit: 10, Cursor: "\x00"}, {Limit: 10, Cursor: "\xff'\""},
		{Limit: 10, Cursor: "-1"}, {Limit: 10, Cursor: "99999999999999999999999"}, {Limit: 10, Cursor: everyByte()}, {Limit: 10, Cursor: strings.Repeat("x", 1<<20)},
	} {
		err := noPanic(func() error {
			_, _ = c.s.List(c.ctx, rec.Owner, page)
			_, _ = c.s.Scan(c.ctx, page)
			_, _ = c.s.Sweep(c.ctx, c.now, min(page.Limit, 0))
			return nil
		})
		c.ok(err, fmt.Sprintf("a page with limit %d and cursor %s", page.Limit, brief(page.Cursor)))
	}
	c.holds(rec, "after odd calls")
	long := strings.Repeat("o", 1<<20)
	err := noPanic(func() error {
		_, _ = c.s.List(c.ctx, long, store.Page{Limit: 10})
		_, _ = c.s.DeleteOwner(c.ctx, long, "", c.ending())
		return nil
	})
	c.ok(err, "an owner of 1 MiB")
}
