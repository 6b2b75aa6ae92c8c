package storetest

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// Each verb is one step, whatever happens beside it. These rules let many do the
// same at once, a few times over, since a race that is lost once is lost.
var crowdRules = []rule{
	{"apply-has-one-winner", "Of many that Apply from the same version, one replaces the record; for the others it is ErrConflict.", applyHasOneWinner},
	{"create-has-one-winner", "Of many that Create the same handle, one adds it; for the others it is ErrExists.", createHasOneWinner},
	{"delete-has-one-winner", "Of many that Delete a record, each with a Mark of his own, one ends it; for the others it is ErrGone.", deleteHasOneWinner},
	{"limit-holds-in-a-crowd", "The limit is one step with the creation: at no time has the owner more records than that.", limitHolds},
	{"oldest-end-in-a-crowd", "The limit is one step with the creation: with EndOldest too, and each record is ended once.", oldestEnd},
	{"replaced-once-in-a-crowd", "Of many that take the place of one record, one has ended it.", replacedOnce},
	{"replace-is-one-step", "The replaced record is ended in the same step: nobody sees both, and nobody sees neither.", replaceIsOneStep},
	{"apply-beside-delete", "Apply never creates: what is ended beside it does not come back.", applyBesideDelete},
	{"touch-beside-apply", "Touch leaves all else as it is: what is applied beside it stays, and the clocks move forward.", touchBesideApply},
	{"delete-owner-beside-create", "DeleteOwner ends all records of owner: each that is made beside it is there as a whole or has been ended and counted.", deleteOwnerBesideCreate},
}

func applyHasOneWinner(c *check) {
	for range 2 {
		rec := c.made(newOwner())
		mine := make([]*store.Record, 64)
		for i := range mine {
			mine[i] = next(rec)
		}
		errs := together(len(mine), func(i int) error { return c.s.Apply(c.ctx, mine[i], rec.Version, c.now) })
		c.oneWinner(errs, mine, "Apply", store.ErrConflict)
	}
}

// oneWinner requires that one of errs is nil, that the others are loser, and
// that the record is the winner's.
func (c *check) oneWinner(errs []error, mine []*store.Record, what string, loser error) {
	c.t.Helper()
	if n := c.count(errs, what, nil, loser); n[0] != 1 {
		c.fail("of %d calls of %s at once %d succeeded, want 1", len(errs), what, n[0])
	}
	for i, err := range errs {
		if err == nil {
			c.holds(mine[i], "after "+what+", the winner's")
		}
	}
}

func createHasOneWinner(c *check) {
	for round := range 4 {
		owner := newOwner()
		if round%2 == 1 {
			owner = ""
		}
		rec := c.record(owner)
		mine := make([]*store.Record, 32)
		for i := range mine {
			mine[i] = next(rec)
		}
		errs := together(len(mine), func(i int) error {
			_, err := c.s.Create(c.ctx, mine[i], c.options())
			return err
		})
		c.oneWinner(errs, mine, "Create", store.ErrExists)
	}
}

func deleteHasOneWinner(c *check) {
	for range 5 {
		rec, again := c.made(newOwner()), c.made(newOwner())
		same := c.ending()
		errs := together(16, func(int) error { return c.s.Delete(c.ctx, rec.Handle, c.ending()) })
		if n := c.count(errs, "Delete", nil, store.ErrGone); n[0] != 1 {
			c.fail("of 16 calls of Delete at once %d succeeded, want 1", n[0])
		}
		errs = together(16, func(int) error { return c.s.Delete(c.ctx, again.Handle, same) })
		c.count(errs, "Delete with the same Mark, many at once", nil)
		c.gone(rec.Handle, "ended")
		c.gone(again.Handle, "ended")
	}
}

func limitHolds(c *check) {
	const limit = 5
	for range 3 {
		owner := newOwner()
		errs := together(24, func(int) error {
			_, err := c.s.Create(c.ctx, c.record(owner), c.limit(limit, false))
			return err
		})
		n := c.count(errs, "Create at the limit", nil, store.ErrLimit)
		if there := len(c.listed(owner)); n[0] != limit || there != limit {
			c.fail("of 24 creations at once with limit %d, %d succeeded, and List shows %d", limit, n[0], there)
		}
	}
}

func oldestEnd(c *check) {
	const limit, creations = 5, 24
	for range 3 {
		owner := newOwner()
		created := make([]store.Created, creations)
		errs := together(creations, func(i int) (err error) {
			created[i], err = c.s.Create(c.ctx, c.record(owner), c.limit(limit, true))
			return err
		})
		c.count(errs, "Create at the limit, with EndOldest", nil)
		ended := map[string]bool{}
		for _, made := range created {
			for _, handle := range made.Ended {
				if ended[handle] {
					c.fail("two creations say that they ended the same record")
				}
				ended[handle] = true
				c.gone(handle, "ended for the limit")
			}
		}
		if there := len(c.listed(owner)); there != limit || len(ended) != creations-limit {
			c.fail("of %d creations at once with limit %d, %d were ended, and List shows %d", creations, limit, len(ended), there)
		}
	}
}

func replacedOnce(c *check) {
	for range 4 {
		owner := newOwner()
		old := c.made(owner)
		var replaced atomic.Int32
		errs := together(16, func(i int) error {
			opts := c.options()
			if opts.Replaces = old.Handle; i%2 == 0 {
				opts.End.Version = old.Version
			}
			created, err := c.s.Create(c.ctx, c.record(owner), opts)
			if created.Replaced {
				replaced.Add(1)
			}
			return err
		})
		c.count(errs, "Create in place of another", nil)
		if n, there := replaced.Load(), len(c.listed(owner)); n != 1 || there != 16 {
			c.fail("%d creations of 16 say that they ended the record, and List shows %d records", n, there)
		}
		c.gone(old.Handle, "replaced")
	}
}

func replaceIsOneStep(c *check) {
	for range 8 {
		owner := newOwner()
		old, rec := c.made(owner), c.record(owner)
		opts := c.options()
		opts.Replaces = old.Handle
		var done atomic.Bool
		there := func(handle string) (bool, error) {
			_, err := c.s.Load(c.ctx, handle)
			if errors.Is(err, store.ErrGone) {
				return false, nil
			}
			return err == nil, err
		}
		errs := together(3, func(i int) error {
			if i == 0 {
				defer done.Store(true)
				_, err := c.s.Create(c.ctx, rec, opts)
				return err
			}
			for {
				last := done.Load()
				// One looks for the new one first, one for the old.
				first, then := rec.Handle, old.Handle
				if i == 2 {
					first, then = then, first
				}
				was, err := there(first)
				if err != nil {
					return err
				}
				if changed := was == (i == 1); changed {
					is, err := there(then)
					if err == nil && is == was {
						return fmt.Errorf("the new record is there %v, and the replaced one %v", is, is)
					}
					return err
				}
				if last {
					return errors.New("after Create the replaced record is there, or the new one is not")
				}
			}
		})
		c.count(errs, "Create in place of another, seen from beside", nil)
	}
}

func applyBesideDelete(c *check) {
	for range 10 {
		rec := c.made(newOwner())
		end := c.ending()
		errs := together(5, func(i int) error {
			if i == 0 {
				return c.s.Delete(c.ctx, rec.Handle, end)
			}
			for range 5 {
				from := rec.Version
				if got, err := c.s.Load(c.ctx, rec.Handle); err == nil {
					from = got.Version
				}
				err := c.s.Apply(c.ctx, next(rec), from, c.now)
				if err != nil && !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrGone) {
					return err
				}
			}
			err := c.s.Touch(c.ctx, rec.Handle, c.now.Add(time.Second), c.now.Add(2*time.Hour))
			if errors.Is(err, store.ErrGone) {
				return nil
			}
			return err
		})
		c.count(errs, "Apply, Touch and Delete at once", nil)
		c.gone(rec.Handle, "ended beside Apply and Touch")
		c.lists(rec.Owner, "ended beside Apply and Touch")
		c.ok(c.s.Delete(c.ctx, rec.Handle, end), "Delete with the same Mark")
	}
}

func touchBesideApply(c *check) {
	for range 6 {
		rec := c.made(newOwner())
		last := rec
		const touchers, touches = 3, 10
		errs := together(touchers+1, func(i int) error {
			if i == touchers {
				for range touches {
					n := next(last)
					if err := c.s.Apply(c.ctx, n, last.Version, c.now); err != nil {
						return err
					}
					last = n
				}
				return nil
			}
			for j := 1; j <= touches; j++ {
				seen := c.now.Add(time.Duration(j*touchers-i) * time.Second)
				if err := c.s.Touch(c.ctx, rec.Handle, seen, seen.Add(time.Hour)); err != nil {
					return err
				}
			}
			return nil
		})
		c.count(errs, "Touch and Apply at once", nil)
		last.LastSeen = c.now.Add(touchers * touches * time.Second)
		last.IdleDeadline = last.LastSeen.Add(time.Hour)
		c.holds(last, "after Touch and Apply at once")
	}
}

func deleteOwnerBesideCreate(c *check) {
	for range 2 {
		owner := newOwner()
		const creators, each, enders = 6, 6, 2
		var made [creators][each]*store.Record
		// Who creates goes no faster than who ends, so that they meet.
		var ended, calls, creating atomic.Int32
		creating.Store(creators)
		errs := together(creators+enders, func(i int) error {
			if i >= creators {
				defer calls.Add(each)
				for creating.Load() > 0 {
					n, err := c.s.DeleteOwner(c.ctx, owner, "", c.ending())
					if ended.Add(int32(n)); err != nil {
						return err
					}
					calls.Add(1)
				}
				return nil
			}
			defer creating.Add(-1)
			for j := range each {
				for calls.Load() < int32(j) {
					runtime.Gosched()
				}
				rec := c.record(owner)
				if _, err := c.s.Create(c.ctx, rec, c.options()); err != nil {
					return err
				}
				made[i][j] = rec
			}
			return nil
		})
		c.count(errs, "Create and DeleteOwner at once", nil)
		left := c.listed(owner)
		for _, records := range made {
			for _, rec := range records {
				if _, there := left[rec.Handle]; there {
					c.holds(rec, "made beside DeleteOwner")
				} else {
					c.wasEnded(rec)
				}
			}
		}
		if n := int(ended.Load()); n+len(left) != creators*each {
			c.fail("of %d records DeleteOwner ended %d, and %d are left", creators*each, n, len(left))
		}
		c.deleteOwner(owner, "", c.ending(), len(left))
		c.lists(owner, "all ended")
	}
}

// wasEnded requires that rec was ended, while others of its owner may be there.
func (c *check) wasEnded(rec *store.Record) {
	c.t.Helper()
	c.gone(rec.Handle, "ended by DeleteOwner")
	_, err := c.s.Create(c.ctx, next(rec), c.options())
	c.answers(err, store.ErrGone, "Create of one that DeleteOwner ended")
}
