package storetest

import (
	"time"

	"github.com/sojourn-go/sojourn/store"
)

var applyRules = []rule{
	{"apply-replaces-the-texts", "Apply replaces Version, Verifiers, Facts and State of the record by rec's.", applyReplaces},
	{"apply-from-another-version", "Apply replaces if the version is still from: otherwise it is ErrConflict, and nothing was done.", applyConflict},
	{"apply-never-creates", "It never creates: a record that is not there is ErrGone.", applyNeverCreates},
	{"apply-after-an-end", "It never creates: a record that was ended is ErrGone, and stays ended.", applyAfterAnEnd},
	{"apply-to-an-expired-one", "A record that has expired at now is ErrGone.", applyExpired},
	{"apply-moves-clocks-forward", "LastSeen and IdleDeadline move forward to rec's.", applyForward},
	{"apply-moves-no-clock-back", "LastSeen and IdleDeadline never move back.", applyNotBack},
	{"apply-keeps-what-was-made", "Kind, Owner, Created, AbsoluteDeadline and HoldUntil stay as they were made.", applyKeeps},
}

func applyReplaces(c *check) {
	for _, owner := range []string{newOwner(), ""} {
		rec := c.made(owner)
		for range 3 {
			n := next(rec)
			c.ok(c.s.Apply(c.ctx, n, rec.Version, c.now), "Apply")
			c.holds(n, "after Apply")
			rec = n
		}
		n := next(rec)
		n.Facts, n.Verifiers, n.State = "", "", ""
		c.ok(c.s.Apply(c.ctx, n, rec.Version, c.now), "Apply of empty texts")
		c.holds(n, "after Apply of empty texts")
	}
}

func applyConflict(c *check) {
	first := c.made(newOwner())
	second := next(first)
	c.ok(c.s.Apply(c.ctx, second, first.Version, c.now), "Apply")
	late := next(first)
	late.LastSeen, late.IdleDeadline = c.now.Add(time.Minute), c.now.Add(2*time.Hour)
	for _, from := range []store.Version{first.Version, store.NewVersion(), 0, late.Version} {
		c.answers(c.s.Apply(c.ctx, late, from, c.now), store.ErrConflict, "Apply from another version")
		c.holds(second, "after a refused Apply")
	}
	c.answers(c.s.Apply(c.ctx, second, first.Version, c.now), store.ErrConflict, "the same Apply again")
	c.holds(second, "after a refused Apply")
}

func applyNeverCreates(c *check) {
	for _, owner := range []string{newOwner(), ""} {
		rec := c.record(owner)
		for _, from := range []store.Version{rec.Version, 0, store.NewVersion()} {
			c.answers(c.s.Apply(c.ctx, rec, from, c.now), store.ErrGone, "Apply to a record that was never made")
		}
		c.gone(rec.Handle, "after Apply")
		c.lists(owner, "after Apply")
		c.create(rec, c.options())
	}
}

func applyAfterAnEnd(c *check) {
	rec := c.made(newOwner())
	c.ok(c.s.Delete(c.ctx, rec.Handle, c.ending()), "Delete")
	for _, from := range []store.Version{rec.Version, 0, store.NewVersion()} {
		c.answers(c.s.Apply(c.ctx, next(rec), from, c.now), store.ErrGone, "Apply to a record that was ended")
	}
	c.gone(rec.Handle, "ended")
	c.lists(rec.Owner, "ended")
	_, err := c.s.Create(c.ctx, next(rec), c.options())
	c.answers(err, store.ErrGone, "Create of one that was ended, after Apply to it")
}

func applyExpired(c *check) {
	rec := c.made(newOwner())
	n := next(rec)
	n.LastSeen, n.IdleDeadline = c.now.Add(2*time.Hour), c.now.Add(3*time.Hour)
	for _, now := range []time.Time{rec.IdleDeadline, rec.IdleDeadline.Add(time.Minute), rec.AbsoluteDeadline} {
		c.answers(c.s.Apply(c.ctx, n, rec.Version, now), store.ErrGone, "Apply to an expired record")
		c.holds(rec, "after a refused Apply")
	}
	c.ok(c.s.Apply(c.ctx, n, rec.Version, rec.IdleDeadline.Add(-time.Millisecond)), "Apply a millisecond before the deadline")

	absolute := c.record(newOwner())
	absolute.AbsoluteDeadline = c.now.Add(30 * time.Minute)
	c.create(absolute, c.options())
	c.answers(c.s.Apply(c.ctx, next(absolute), absolute.Version, absolute.AbsoluteDeadline), store.ErrGone, "Apply at the AbsoluteDeadline")
	c.holds(absolute, "after a refused Apply")
}

func applyForward(c *check) {
	rec := c.made(newOwner())
	n := next(rec)
	n.LastSeen, n.IdleDeadline = rec.LastSeen.Add(time.Minute), rec.IdleDeadline.Add(time.Hour)
	c.ok(c.s.Apply(c.ctx, n, rec.Version, c.now), "Apply")
	c.holds(n, "after Apply with later clocks")
	c.answers(c.s.Touch(c.ctx, rec.Handle, n.IdleDeadline, n.IdleDeadline), store.ErrGone, "Touch at the deadline that Apply has set")
	c.ok(c.s.Touch(c.ctx, rec.Handle, n.IdleDeadline.Add(-time.Millisecond), n.IdleDeadline), "Touch before the deadline that Apply has set")
}

func applyNotBack(c *check) {
	rec := c.made(newOwner())
	for _, back := range []struct{ seen, idle time.Time }{
		{rec.LastSeen.Add(-time.Minute), rec.IdleDeadline.Add(-time.Minute)},
		{rec.LastSeen.Add(-time.Millisecond), rec.IdleDeadline},
		{rec.LastSeen, rec.IdleDeadline.Add(-time.Millisecond)},
		{rec.LastSeen.Add(time.Minute), rec.IdleDeadline.Add(-time.Minute)}, // each for itself
		{rec.LastSeen.Add(-time.Minute), rec.IdleDeadline.Add(time.Minute)},
		{time.Time{}, time.Time{}},
	} {
		n := next(rec)
		n.LastSeen, n.IdleDeadline = back.seen, back.idle
		c.ok(c.s.Apply(c.ctx, n, rec.Version, c.now), "Apply")
		n.LastSeen, n.IdleDeadline = later(rec.LastSeen, back.seen), later(rec.IdleDeadline, back.idle)
		c.holds(n, "after Apply with earlier clocks")
		rec = n
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func applyKeeps(c *check) {
	alice, bob := newOwner(), newOwner()
	rec := c.record(alice)
	rec.HoldUntil = c.now.Add(20 * time.Hour)
	c.create(rec, c.options())
	for _, owner := range []string{bob, ""} {
		n := next(rec)
		n.Kind, n.Owner, n.Created = store.KindRevocation, owner, c.now.Add(time.Minute)
		n.AbsoluteDeadline, n.HoldUntil = c.now.Add(40*time.Hour), time.Time{}
		c.ok(c.s.Apply(c.ctx, n, rec.Version, c.now), "Apply")
		n.Kind, n.Owner, n.Created, n.AbsoluteDeadline, n.HoldUntil = rec.Kind, alice, rec.Created, rec.AbsoluteDeadline, rec.HoldUntil
		c.holds(n, "after Apply with another header")
		c.lists(alice, "after Apply with another owner", n)
		c.lists(bob, "after Apply with another owner")
		rec = n
	}
	shown := c.listed(alice)[rec.Handle]
	if d := headerDifference(&shown.Header, &rec.Header); len(d) > 0 {
		c.fail("List shows another header after Apply: %v", d)
	}
}
