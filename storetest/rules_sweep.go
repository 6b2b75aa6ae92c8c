package storetest

import (
	"time"

	"github.com/sojourn-go/sojourn/store"
)

var sweepRules = []rule{
	{"sweep-removes-the-expired", "Sweep removes records that have expired at now, and returns how many.", sweepRemoves},
	{"sweep-leaves-the-living", "Sweep removes records that have expired at now, and no others.", sweepLeavesTheLiving},
	{"sweep-leaves-the-touched", "Sweep removes records that have expired at now: one that was touched since has not.", sweepLeavesTheTouched},
	{"sweep-limit", "Sweep removes at most limit of them.", sweepLimit},
	{"sweep-by-many", "Sweep is safe from many processes at once: what one removed, no other counts.", sweepByMany},
}

// expired makes n records of owner that have expired by any clock.
func (c *check) expired(owner string, n int) []*store.Record {
	c.t.Helper()
	var made []*store.Record
	for range n {
		rec := c.recordAt(owner, c.now.Add(-2*time.Hour))
		c.create(rec, store.CreateOptions{Now: rec.Created, End: c.ending()})
		made = append(made, rec)
	}
	return made
}

func sweepRemoves(c *check) {
	for _, owner := range []string{newOwner(), ""} {
		c.sweep(c.now)
		made := c.expired(owner, 10)
		// At the deadline a record has expired; an engine with a clock of its
		// own may see that later, so this one expired a while ago.
		absolute := c.recordAt(owner, c.now.Add(-2*time.Hour))
		absolute.AbsoluteDeadline, absolute.IdleDeadline = c.now.Add(-time.Minute), c.now.Add(time.Hour)
		c.create(absolute, store.CreateOptions{Now: absolute.Created, End: c.ending()})
		made = append(made, absolute)
		if n := c.sweep(c.now); n > len(made) {
			c.fail("Sweep says that it removed %d records of %d", n, len(made))
		}
		c.lists(owner, "swept")
		_, times := c.scanned(100, nil, made...)
		for _, rec := range made {
			c.gone(rec.Handle, "swept")
			if times[rec.Handle] > 0 {
				c.fail("Scan shows a record that was swept")
			}
			c.create(next(c.alive(rec)), c.options()) // expiry is no end: nothing holds the handle
		}
		if owner != "" {
			c.deleteOwner(owner, "", c.ending(), len(made))
		}
	}
}

// alive returns rec with deadlines in the future.
func (c *check) alive(rec *store.Record) *store.Record {
	n := *rec
	n.Header = c.record(rec.Owner).Header
	n.Handle = rec.Handle
	return &n
}

func sweepLeavesTheLiving(c *check) {
	owner := newOwner()
	rec, nobody := c.record(owner), c.record("")
	for _, r := range []*store.Record{rec, nobody} {
		r.IdleDeadline = c.now.Add(15 * time.Minute)
		c.create(r, c.options())
	}
	c.expired(owner, 3)
	for _, now := range []time.Time{c.now, rec.IdleDeadline.Add(-time.Millisecond)} {
		c.sweep(now)
		c.holds(rec, "not expired when swept")
		c.holds(nobody, "not expired when swept")
	}
	c.lists(owner, "after a sweep", rec)
}

func sweepLeavesTheTouched(c *check) {
	owner := newOwner()
	touched, applied := c.record(owner), c.record(owner)
	for _, rec := range []*store.Record{touched, applied} {
		rec.IdleDeadline = c.now.Add(10 * time.Minute)
		c.create(rec, c.options())
	}
	touched.IdleDeadline = c.now.Add(30 * time.Minute)
	c.ok(c.s.Touch(c.ctx, touched.Handle, touched.LastSeen, touched.IdleDeadline), "Touch")
	n := next(applied)
	n.IdleDeadline = c.now.Add(30 * time.Minute)
	c.ok(c.s.Apply(c.ctx, n, applied.Version, c.now), "Apply")
	c.sweep(c.now.Add(15 * time.Minute))
	c.holds(touched, "touched before it expired")
	c.holds(n, "applied to before it expired")
	c.lists(owner, "after a sweep", touched, n)
}

func sweepLimit(c *check) {
	c.sweep(c.now)
	owner := newOwner()
	c.expired(owner, 12)
	total := 0
	for range 100 {
		n, err := c.s.Sweep(c.ctx, c.now, 5)
		c.ok(err, "Sweep")
		if n > 5 {
			c.fail("Sweep with limit 5 removed %d", n)
		}
		if total += n; n == 0 {
			break
		}
	}
	if total > 12 {
		c.fail("Sweep says that it removed %d records of 12", total)
	}
	// What it left, had it removed more than it said, it would not find now.
	if left := c.sweep(c.now); left > 0 {
		c.fail("Sweep returned 0 with %d records left", left)
	}
	c.lists(owner, "swept")
}

func sweepByMany(c *check) {
	c.sweep(c.now)
	owner := newOwner()
	made := c.expired(owner, 120)
	living := c.made(owner)
	counts := make([]int, 8)
	errs := together(8, func(i int) error {
		for {
			n, err := c.s.Sweep(c.ctx, c.now, 10)
			if counts[i] += n; err != nil || n == 0 {
				return err
			}
		}
	})
	c.count(errs, "Sweep", nil)
	total := c.sweep(c.now) // what is left is not wrong
	for _, n := range counts {
		total += n
	}
	if total > len(made) {
		c.fail("eight sweeps at once say that they removed %d records of %d", total, len(made))
	}
	c.lists(owner, "swept", living)
}
