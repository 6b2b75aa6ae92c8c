package storetest

import (
	"time"

	"github.com/sojourn-go/sojourn/store"
)

var touchRules = []rule{
	{"touch-moves-clocks-forward", "Touch moves LastSeen forward to seen and IdleDeadline forward to idle.", touchForward},
	{"touch-moves-no-clock-back", "Neither LastSeen nor IdleDeadline moves back.", touchNotBack},
	{"touch-leaves-all-else", "Touch leaves all else as it is, the version too.", touchLeaves},
	{"touch-of-none-is-gone", "A record that is not there is ErrGone.", touchOfNone},
	{"touch-of-an-expired-one", "A record that has expired at seen is ErrGone.", touchExpired},
}

func touchForward(c *check) {
	rec := c.made(newOwner())
	for range 3 {
		rec.LastSeen, rec.IdleDeadline = rec.LastSeen.Add(time.Second), rec.IdleDeadline.Add(time.Minute)
		c.ok(c.s.Touch(c.ctx, rec.Handle, rec.LastSeen, rec.IdleDeadline), "Touch")
		c.holds(rec, "after Touch")
	}
	// What was touched lives on past its first deadline.
	seen := c.now.Add(time.Hour + 2*time.Minute)
	c.ok(c.s.Touch(c.ctx, rec.Handle, seen, seen.Add(time.Hour)), "Touch past the first deadline")
}

func touchNotBack(c *check) {
	rec := c.made(newOwner())
	for _, back := range []struct{ seen, idle time.Time }{
		{rec.LastSeen.Add(-time.Minute), rec.IdleDeadline.Add(-time.Minute)},
		{rec.LastSeen.Add(-time.Millisecond), rec.IdleDeadline},
		{rec.LastSeen, rec.IdleDeadline.Add(-time.Millisecond)},
		{rec.LastSeen.Add(time.Minute), rec.IdleDeadline.Add(-time.Minute)}, // each for itself
		{rec.LastSeen.Add(-time.Minute), rec.IdleDeadline.Add(time.Minute)},
	} {
		c.ok(c.s.Touch(c.ctx, rec.Handle, back.seen, back.idle), "Touch")
		rec.LastSeen, rec.IdleDeadline = later(rec.LastSeen, back.seen), later(rec.IdleDeadline, back.idle)
		c.holds(rec, "after Touch with earlier clocks")
	}
}

func touchLeaves(c *check) {
	for _, owner := range []string{newOwner(), ""} {
		rec := c.record(owner)
		rec.HoldUntil = c.now.Add(30 * time.Hour)
		c.create(rec, c.options())
		// Past the absolute deadline too: that one stays.
		rec.LastSeen, rec.IdleDeadline = c.now.Add(time.Minute), c.now.Add(24*time.Hour)
		c.ok(c.s.Touch(c.ctx, rec.Handle, rec.LastSeen, rec.IdleDeadline), "Touch")
		c.holds(rec, "after Touch")
		n := next(rec)
		c.ok(c.s.Apply(c.ctx, n, rec.Version, c.now), "Apply from the version before Touch")
		c.holds(n, "after Touch and Apply")
		c.answers(c.s.Touch(c.ctx, rec.Handle, rec.AbsoluteDeadline, c.now.Add(48*time.Hour)), store.ErrGone, "Touch at the AbsoluteDeadline")
	}
}

func touchOfNone(c *check) {
	for _, owner := range []string{newOwner(), ""} {
		rec := c.record(owner)
		c.answers(c.s.Touch(c.ctx, rec.Handle, c.now, rec.IdleDeadline), store.ErrGone, "Touch of a record that was never made")
		c.gone(rec.Handle, "after Touch")
		c.create(rec, c.options())
		c.ok(c.s.Delete(c.ctx, rec.Handle, c.ending()), "Delete")
		c.answers(c.s.Touch(c.ctx, rec.Handle, c.now, rec.IdleDeadline), store.ErrGone, "Touch of a record that was ended")
		c.gone(rec.Handle, "after Touch")
		c.lists(owner, "after Touch")
	}
}

func touchExpired(c *check) {
	rec := c.made(newOwner())
	for _, seen := range []time.Time{rec.IdleDeadline, rec.IdleDeadline.Add(time.Minute), rec.AbsoluteDeadline} {
		c.answers(c.s.Touch(c.ctx, rec.Handle, seen, seen.Add(time.Hour)), store.ErrGone, "Touch of an expired record")
		c.holds(rec, "after a refused Touch")
	}
	rec.LastSeen, rec.IdleDeadline = rec.IdleDeadline.Add(-time.Millisecond), rec.IdleDeadline.Add(time.Hour)
	c.ok(c.s.Touch(c.ctx, rec.Handle, rec.LastSeen, rec.IdleDeadline), "Touch a millisecond before the deadline")
	c.holds(rec, "after Touch")
}
