package storetest

import (
	"slices"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

var limitRules = []rule{
	{"limit-refuses", "At the limit it is ErrLimit, and nothing was done; this one is included.", limitRefuses},
	{"limit-counts-kinds-apart", "Limit is how many records of rec's kind the owner may have.", limitCountsKindsApart},
	{"limit-counts-no-expired", "Expired ones do not count.", limitCountsNoExpired},
	{"limit-counts-the-touched", "Expired ones do not count: one that was touched since is not expired.", limitCountsTheTouched},
	{"limit-counts-no-ended", "Limit is how many records the owner may have: those ended are none.", limitCountsNoEnded},
	{"limit-counts-no-replaced", "Nor does the one that is replaced count.", limitCountsNoReplaced},
	{"limit-is-one-owners", "Limit is how many records the owner may have: others' do not count.", limitIsOneOwners},
	{"limit-not-for-nobody", `Nobody ("") has no limit.`, limitNotForNobody},
	{"limit-ends-the-oldest", "With EndOldest those with the earliest Created are ended first, and named.", limitEndsTheOldest},
	{"limit-ends-as-many-as-necessary", "With EndOldest as many as necessary are ended.", limitEndsMany},
	{"limit-ends-no-expired-instead", "With EndOldest as many as necessary are ended, and expired ones do not count: ending them frees no place.", limitEndsNoExpired},
	{"limit-ends-not-the-new-one", "With EndOldest others are ended, not the one created, however old it says it is.", limitEndsNotTheNew},
	{"limit-ends-and-replaces", "The one that is replaced does not count: with EndOldest none is ended in its stead.", limitEndsAndReplaces},
}

func (c *check) limit(n int, endOldest bool) store.CreateOptions {
	opts := c.options()
	opts.Limit, opts.EndOldest = n, endOldest
	return opts
}

func limitRefuses(c *check) {
	owner := newOwner()
	var made []*store.Record
	for range 3 {
		rec := c.record(owner)
		c.create(rec, c.limit(3, false))
		made = append(made, rec)
	}
	for _, limit := range []int{3, 2, 1} {
		refused := c.record(owner)
		created, err := c.s.Create(c.ctx, refused, c.limit(limit, false))
		c.answers(err, store.ErrLimit, "Create at the limit")
		if created.Replaced || len(created.Ended) > 0 {
			c.fail("a refused Create says that it ended something")
		}
		c.gone(refused.Handle, "not created")
	}
	c.lists(owner, "at the limit", made...)
	rec := c.record(owner)
	c.create(rec, c.limit(0, false))
	c.create(c.record(owner), c.limit(5, false))
	c.holds(rec, "Limit 0 is no limit")
}

func limitCountsKindsApart(c *check) {
	owner := newOwner()
	for _, kind := range []store.Kind{store.KindSession, store.KindRemember, store.KindRevocation} {
		for range 2 {
			rec := c.record(owner)
			rec.Kind = kind
			created := c.create(rec, c.limit(2, kind == store.KindRemember))
			if len(created.Ended) > 0 {
				c.fail("records of another kind were ended for the limit")
			}
		}
	}
	rec := c.record(owner)
	rec.Kind = store.KindRemember
	_, err := c.s.Create(c.ctx, rec, c.limit(2, false))
	c.answers(err, store.ErrLimit, "Create of a third one of a kind")
}

func limitCountsNoExpired(c *check) {
	owner := newOwner()
	a := c.made(owner)
	c.made(owner)
	at := a.IdleDeadline // "at the deadline it has expired"
	rec, opts := c.recordAt(owner, at), c.limit(1, false)
	opts.Now = at.Add(-time.Millisecond)
	_, err := c.s.Create(c.ctx, rec, opts)
	c.answers(err, store.ErrLimit, "Create a millisecond before the others expire")
	opts.Now = at
	c.create(rec, opts)
	c.holds(rec, "made beside expired ones")

	short := c.record(newOwner())
	short.AbsoluteDeadline = c.now.Add(50 * time.Minute) // before the idle one
	c.create(short, c.options())
	rec = c.record(short.Owner)
	opts.Now = short.AbsoluteDeadline
	c.create(rec, opts)
}

func limitCountsTheTouched(c *check) {
	touched, applied := c.made(newOwner()), c.made(newOwner())
	later := c.now.Add(4 * time.Hour)
	c.ok(c.s.Touch(c.ctx, touched.Handle, c.now, later), "Touch")
	n := next(applied)
	n.IdleDeadline = later
	c.ok(c.s.Apply(c.ctx, n, applied.Version, c.now), "Apply")
	for _, owner := range []string{touched.Owner, applied.Owner} {
		opts := c.limit(1, false)
		opts.Now = c.now.Add(3 * time.Hour)
		_, err := c.s.Create(c.ctx, c.recordAt(owner, opts.Now), opts)
		c.answers(err, store.ErrLimit, "Create beside one whose IdleDeadline has moved")
	}
}

func limitCountsNoEnded(c *check) {
	owner := newOwner()
	for range 3 {
		rec := c.record(owner)
		c.create(rec, c.limit(1, false))
		c.ok(c.s.Delete(c.ctx, rec.Handle, c.ending()), "Delete")
	}
	c.create(c.record(owner), c.limit(1, false))
	_, err := c.s.DeleteOwner(c.ctx, owner, "", c.ending())
	c.ok(err, "DeleteOwner")
	c.create(c.record(owner), c.limit(1, false))
}

func limitCountsNoReplaced(c *check) {
	owner := newOwner()
	old, other := c.made(owner), c.made(owner)
	rec, opts := c.record(owner), c.limit(2, false)
	opts.Replaces, opts.End.Version = old.Handle, old.Version
	if created := c.create(rec, opts); !created.Replaced || len(created.Ended) > 0 {
		c.fail("Create at the limit, in place of one: Replaced %v, Ended %d", created.Replaced, len(created.Ended))
	}
	c.lists(owner, "after a replacement at the limit", rec, other)
	opts.Replaces = store.NewHandle(owner)
	_, err := c.s.Create(c.ctx, c.record(owner), opts)
	c.answers(err, store.ErrLimit, "Create at the limit, in place of none")
}

func limitIsOneOwners(c *check) {
	alice, bob := newOwner(), newOwner()
	a, a2 := c.made(alice), c.made(alice)
	for _, endOldest := range []bool{false, true} {
		opts := c.limit(1, endOldest)
		opts.Replaces = a.Handle // another owner's
		rec := c.record(bob)
		c.create(rec, opts)
		c.holds(a, "another owner's")
		c.holds(a2, "another owner's")
		c.ok(c.s.Delete(c.ctx, rec.Handle, c.ending()), "Delete")
	}
}

func limitNotForNobody(c *check) {
	var made []*store.Record
	for i := range 6 {
		rec := c.record("")
		created := c.create(rec, c.limit(1, i >= 3))
		if len(created.Ended) > 0 {
			c.fail("a record of nobody was ended for the limit")
		}
		made = append(made, rec)
	}
	for _, rec := range made {
		c.holds(rec, "of nobody")
	}
}

// aged makes records of owner whose Created is so many minutes ago.
func (c *check) aged(owner string, minutes ...int) []*store.Record {
	c.t.Helper()
	var made []*store.Record
	for _, m := range minutes {
		rec := c.record(owner)
		rec.Created = c.now.Add(-time.Duration(m) * time.Minute)
		c.create(rec, c.options())
		made = append(made, rec)
	}
	return made
}

func (c *check) endedAre(created store.Created, want ...*store.Record) {
	c.t.Helper()
	var handles []string
	for _, rec := range want {
		handles = append(handles, rec.Handle)
	}
	slices.Sort(handles)
	if got := slices.Sorted(slices.Values(created.Ended)); !slices.Equal(got, handles) {
		c.fail("Create names %d records as ended, %q; want %d, %q", len(got), got, len(handles), handles)
	}
}

func limitEndsTheOldest(c *check) {
	owner := newOwner()
	old := c.aged(owner, 20, 40, 10, 30)
	// The oldest is the one used last: it is Created that counts.
	c.ok(c.s.Touch(c.ctx, old[1].Handle, c.now.Add(time.Minute), c.now.Add(2*time.Hour)), "Touch")
	rec, opts := c.record(owner), c.limit(4, true)
	c.endedAre(c.create(rec, opts), old[1])
	c.gone(old[1].Handle, "ended for the limit")
	c.lists(owner, "after one was ended for the limit", rec, old[0], old[2], old[3])
	c.ok(c.s.Delete(c.ctx, old[1].Handle, store.Ending{Mark: opts.End.Mark, Now: c.now}), "Delete with the Mark that ended it")
	c.answers(c.s.Delete(c.ctx, old[1].Handle, c.ending()), store.ErrGone, "Delete with another Mark")
	_, err := c.s.Create(c.ctx, next(old[1]), c.options())
	c.answers(err, store.ErrGone, "Create of one that was ended for the limit")
	// End.Version is about the one that is replaced only.
	opts.End = c.ending()
	opts.End.Version = store.NewVersion()
	c.endedAre(c.create(c.record(owner), opts), old[3])
}

func limitEndsMany(c *check) {
	owner := newOwner()
	old := c.aged(owner, 50, 10, 40, 20, 30)
	rec := c.record(owner)
	c.endedAre(c.create(rec, c.limit(3, true)), old[0], old[2], old[4])
	c.lists(owner, "after three were ended for the limit", rec, old[1], old[3])
	last := c.record(owner)
	c.endedAre(c.create(last, c.limit(1, true)), rec, old[1], old[3])
	c.lists(owner, "at the limit of one", last)
	c.endedAre(c.create(c.record(owner), c.limit(2, true)))
}

func limitEndsNoExpired(c *check) {
	owner := newOwner()
	expired := c.aged(owner, 50, 40)
	at := expired[0].IdleDeadline
	var alive []*store.Record
	for i := range 2 {
		rec := c.record(owner)
		rec.Created = c.now.Add(time.Duration(i) * time.Minute)
		rec.IdleDeadline = at.Add(time.Hour)
		c.create(rec, c.options())
		alive = append(alive, rec)
	}
	opts := c.limit(3, true)
	opts.Now = at
	third := c.recordAt(owner, at)
	c.endedAre(c.create(third, opts))
	c.endedAre(c.create(c.recordAt(owner, at), opts), alive[0])
	c.holds(alive[1], "not the oldest")
	c.holds(third, "not the oldest")
}

func limitEndsNotTheNew(c *check) {
	owner := newOwner()
	old := c.aged(owner, 20, 10)
	rec := c.record(owner)
	rec.Created = c.now.Add(-time.Hour)
	c.endedAre(c.create(rec, c.limit(2, true)), old[0])
	c.holds(rec, "created at the limit")
	c.holds(old[1], "not the oldest")
}

func limitEndsAndReplaces(c *check) {
	owner := newOwner()
	old := c.aged(owner, 30, 20, 10)
	rec, opts := c.record(owner), c.limit(3, true)
	opts.Replaces, opts.End.Version = old[2].Handle, old[2].Version
	created := c.create(rec, opts)
	if !created.Replaced {
		c.fail("Create did not replace")
	}
	c.endedAre(created)
	c.lists(owner, "after a replacement at the limit", rec, old[0], old[1])
}
