package storetest

import (
	"time"

	"github.com/sojourn-go/sojourn/store"
)

var endRules = []rule{
	{"delete-ends", "Delete ends the record.", deleteEnds},
	{"delete-of-none-is-gone", "If it is not there, it is ErrGone.", deleteOfNone},
	{"delete-again", "If it is not there, it is ErrGone, unless this same end (by its Mark) has ended it before: then all is well.", deleteAgain},
	{"delete-at-another-version", "If end.Version is set and the record has another one, it is ErrConflict, and nothing was done.", deleteConflict},
	{"delete-owner-ends-all", "DeleteOwner ends all records of owner, whatever their versions, and returns how many it ended.", deleteOwnerEndsAll},
	{"delete-owner-but-one", "DeleteOwner ends all but the one with the handle except.", deleteOwnerButOne},
	{"delete-owner-leaves-revocations", "DeleteOwner ends all but those of KindRevocation.", deleteOwnerLeavesRevocations},
	{"delete-owner-of-nobody", "An empty owner has no records.", deleteOwnerOfNobody},
}

func deleteEnds(c *check) {
	for _, owner := range []string{newOwner(), ""} {
		rec, other := c.made(owner), c.made(owner)
		end := c.ending()
		end.Version = rec.Version
		c.ok(c.s.Delete(c.ctx, rec.Handle, end), "Delete")
		c.gone(rec.Handle, "ended")
		c.holds(other, "not ended")
		c.ok(c.s.Delete(c.ctx, other.Handle, c.ending()), "Delete of whatever version")
		c.gone(other.Handle, "ended")
		c.lists(owner, "all ended")
	}
}

func deleteOfNone(c *check) {
	owner := newOwner()
	for _, end := range []store.Ending{c.ending(), {Version: store.NewVersion(), Mark: store.NewVersion(), Now: c.now}} {
		rec := c.record(owner)
		c.answers(c.s.Delete(c.ctx, rec.Handle, end), store.ErrGone, "Delete of a record that was never made")
		// It was not ended, so it may still be made.
		c.create(rec, c.options())
	}
}

func deleteAgain(c *check) {
	rec := c.made(newOwner())
	end := c.ending()
	end.Version = rec.Version
	for range 3 {
		c.ok(c.s.Delete(c.ctx, rec.Handle, end), "Delete with the same Mark")
	}
	end.Now = c.now.Add(time.Minute)
	c.ok(c.s.Delete(c.ctx, rec.Handle, end), "Delete with the same Mark, later")
	for _, version := range []store.Version{0, rec.Version, store.NewVersion()} {
		other := store.Ending{Version: version, Mark: store.NewVersion(), Now: c.now}
		c.answers(c.s.Delete(c.ctx, rec.Handle, other), store.ErrGone, "Delete of an ended record with another Mark")
	}
	c.ok(c.s.Delete(c.ctx, rec.Handle, end), "Delete with the same Mark, after others")
}

func deleteConflict(c *check) {
	rec := c.made(newOwner())
	n := next(rec)
	c.ok(c.s.Apply(c.ctx, n, rec.Version, c.now), "Apply")
	end := c.ending()
	for _, version := range []store.Version{rec.Version, store.NewVersion()} {
		end.Version = version
		c.answers(c.s.Delete(c.ctx, rec.Handle, end), store.ErrConflict, "Delete at another version")
		c.holds(n, "after a refused Delete")
	}
	c.lists(rec.Owner, "after a refused Delete", n)
	end.Version = n.Version
	c.ok(c.s.Delete(c.ctx, rec.Handle, end), "Delete at its version")
	c.gone(rec.Handle, "ended")
}

func (c *check) deleteOwner(owner, except string, end store.Ending, want int) {
	c.t.Helper()
	n, err := c.s.DeleteOwner(c.ctx, owner, except, end)
	c.ok(err, "DeleteOwner")
	if n != want {
		c.fail("DeleteOwner says that it ended %d records, want %d", n, want)
	}
}

func deleteOwnerEndsAll(c *check) {
	alice, bob := newOwner(), newOwner()
	others := []*store.Record{c.made(bob), c.made("")}
	var ended []*store.Record
	for i := range 120 {
		rec := c.record(alice)
		if i%3 == 0 {
			rec.Kind = store.KindRemember
		}
		c.create(rec, c.options())
		ended = append(ended, rec)
	}
	end := c.ending()
	end.Version = store.NewVersion() // means nothing here
	c.deleteOwner(alice, "", end, len(ended))
	for _, rec := range ended {
		c.gone(rec.Handle, "ended with the owner's others")
	}
	for _, rec := range others {
		c.holds(rec, "not of that owner")
	}
	c.lists(alice, "all ended")
	c.deleteOwner(alice, "", c.ending(), 0)
	c.deleteOwner(newOwner(), "", c.ending(), 0)
	c.ok(c.s.Delete(c.ctx, ended[7].Handle, end), "Delete with the Mark of DeleteOwner")
	c.answers(c.s.Delete(c.ctx, ended[7].Handle, c.ending()), store.ErrGone, "Delete with another Mark")
	_, err := c.s.Create(c.ctx, next(ended[7]), c.options())
	c.answers(err, store.ErrGone, "Create of one that DeleteOwner ended")
}

func deleteOwnerButOne(c *check) {
	alice, bob := newOwner(), newOwner()
	kept, a, b := c.made(alice), c.made(alice), c.made(bob)
	c.deleteOwner(alice, kept.Handle, c.ending(), 1)
	c.holds(kept, "the exception")
	c.gone(a.Handle, "not the exception")
	c.lists(alice, "but one ended", kept)
	c.deleteOwner(alice, kept.Handle, c.ending(), 0)
	// An exception that is another's, or is not there, is none.
	c.deleteOwner(alice, b.Handle, c.ending(), 1)
	c.gone(kept.Handle, "not the exception")
	c.deleteOwner(bob, store.NewHandle(bob), c.ending(), 1)
	c.gone(b.Handle, "not the exception")
}

func deleteOwnerLeavesRevocations(c *check) {
	owner := newOwner()
	revocation, session, remember := c.record(owner), c.record(owner), c.record(owner)
	revocation.Kind, remember.Kind = store.KindRevocation, store.KindRemember
	for _, rec := range []*store.Record{revocation, session, remember} {
		c.create(rec, c.options())
	}
	c.deleteOwner(owner, "", c.ending(), 2)
	c.holds(revocation, "a revocation")
	c.gone(session.Handle, "ended")
	c.gone(remember.Handle, "ended")
	c.lists(owner, "with a revocation left", revocation)
	c.ok(c.s.Delete(c.ctx, revocation.Handle, c.ending()), "Delete of a revocation")
	c.gone(revocation.Handle, "ended by itself")
}

func deleteOwnerOfNobody(c *check) {
	rec := c.made("")
	c.deleteOwner("", "", c.ending(), 0)
	c.deleteOwner("", store.NewHandle(""), c.ending(), 0)
	c.holds(rec, "of nobody")
	c.lists("", "nobody has no list")
}

var tombstoneRules = []rule{
	{"ended-handle-is-refused", "Create is ErrGone if there was one that was ended and is still remembered.", endedHandleIsRefused},
	{"held-for-min-hold", "An ended handle is remembered until MinHold from Now, whatever its deadlines were.", heldForMinHold},
	{"held-until-hold-until", "An ended handle is remembered until the record's HoldUntil if that is later.", heldUntilHoldUntil},
	{"held-no-longer-than-said", "An ended handle is remembered until MinHold or HoldUntil: once that has passed and was swept, it may be used again.", heldNoLonger},
}

func (c *check) refused(rec *store.Record, when string) {
	c.t.Helper()
	again := next(rec)
	_, err := c.s.Create(c.ctx, again, c.options())
	c.answers(err, store.ErrGone, "Create "+when)
	c.gone(rec.Handle, when)
	c.lists(rec.Owner, when)
}

func endedHandleIsRefused(c *check) {
	for _, owner := range []string{newOwner(), ""} {
		rec := c.made(owner)
		end := c.ending()
		c.ok(c.s.Delete(c.ctx, rec.Handle, end), "Delete")
		for range 2 {
			c.refused(rec, "of a handle that was ended")
		}
		c.ok(c.s.Delete(c.ctx, rec.Handle, end), "Delete with the same Mark, after Create was refused")
		// Not for another owner either, where the handle's form allows it.
		other := next(rec)
		other.Owner = ""
		_, err := c.s.Create(c.ctx, other, c.options())
		c.answers(err, store.ErrGone, "Create of a handle that was ended, for nobody")
	}
}

// remembered sweeps at a moment before the hold is over, and sees that nothing
// was forgotten.
func (c *check) remembered(rec *store.Record, end store.Ending, until time.Time) {
	c.t.Helper()
	c.sweep(until.Add(-time.Millisecond))
	c.refused(rec, "a millisecond before it is forgotten")
	c.ok(c.s.Delete(c.ctx, rec.Handle, end), "Delete with the same Mark, a millisecond before it is forgotten")
	c.answers(c.s.Delete(c.ctx, rec.Handle, c.ending()), store.ErrGone, "Delete with another Mark")
}

func heldForMinHold(c *check) {
	for _, hold := range []time.Time{{}, c.now.Add(store.MinHold - time.Minute)} {
		rec := c.record(newOwner())
		rec.IdleDeadline = c.now.Add(store.MinHold / 2) // passes before
		rec.HoldUntil = hold
		c.create(rec, c.options())
		end := c.ending()
		c.ok(c.s.Delete(c.ctx, rec.Handle, end), "Delete")
		c.remembered(rec, end, c.now.Add(store.MinHold))
	}
}

func heldUntilHoldUntil(c *check) {
	until := c.now.Add(15 * time.Minute)
	owner := newOwner()
	held := func() *store.Record {
		rec := c.record(owner)
		rec.IdleDeadline, rec.HoldUntil = c.now.Add(10*time.Minute), until
		return rec
	}
	// However it is ended.
	end := c.ending()
	deleted, replaced, oldest, all := held(), held(), held(), held()
	for _, rec := range []*store.Record{deleted, replaced, oldest} {
		c.create(rec, c.options())
	}
	c.ok(c.s.Delete(c.ctx, deleted.Handle, end), "Delete")
	opts := c.options()
	opts.End, opts.Replaces, opts.Limit, opts.EndOldest = end, replaced.Handle, 1, true
	c.endedAre(c.create(all, opts), oldest)
	c.deleteOwner(owner, "", end, 1)
	for _, rec := range []*store.Record{deleted, replaced, oldest, all} {
		c.remembered(rec, end, until)
	}
}

// The hold lies in the past here, so that it is over by any clock.
func heldNoLonger(c *check) {
	for _, hold := range []time.Time{{}, c.now.Add(-time.Minute)} {
		began := c.now.Add(-time.Hour)
		rec := c.record(newOwner())
		rec.HoldUntil = hold
		c.create(rec, store.CreateOptions{Now: began, End: c.ending()})
		c.ok(c.s.Delete(c.ctx, rec.Handle, store.Ending{Mark: store.NewVersion(), Now: began}), "Delete")
		c.gone(rec.Handle, "ended")
		c.sweep(c.now)
		again := next(rec)
		c.create(again, c.options())
		c.holds(again, "made under a handle that was ended long ago")
		c.lists(rec.Owner, "made under a handle that was ended long ago", again)
		c.ok(c.s.Delete(c.ctx, rec.Handle, c.ending()), "Delete of the new one")
		c.refused(rec, "of a handle that was ended twice")
	}
}
