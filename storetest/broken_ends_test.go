package storetest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// afterEnds lets f look after every end, whichever verb it came from.
func (a *altered) afterEnds(f func()) {
	create, remove, removeOwner := a.create, a.delete, a.deleteOwner
	a.create = func(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
		created, err := create(ctx, rec, opts)
		a.locked(f)
		return created, err
	}
	a.delete = func(ctx context.Context, handle string, end store.Ending) error {
		err := remove(ctx, handle, end)
		a.locked(f)
		return err
	}
	a.deleteOwner = func(ctx context.Context, owner, except string, end store.Ending) (int, error) {
		n, err := removeOwner(ctx, owner, except, end)
		a.locked(f)
		return n, err
	}
}

var brokenEnds = []broken{
	{name: "delete ignores the version", caught: []string{"delete-at-another-version"}, others: 1, alter: func(a *altered) {
		a.delete = func(ctx context.Context, handle string, end store.Ending) error {
			end.Version = 0
			return a.model.Delete(ctx, handle, end)
		}
	}},
	{name: "delete is well whatever there is", caught: []string{"delete-of-none-is-gone", "delete-again"}, others: 14, alter: func(a *altered) {
		a.delete = func(ctx context.Context, handle string, end store.Ending) error {
			err := a.model.Delete(ctx, handle, end)
			if errors.Is(err, store.ErrGone) {
				return nil
			}
			return err
		}
	}},
	{name: "delete of an ended one is well with any mark", caught: []string{"delete-again", "delete-has-one-winner"}, others: 12, alter: func(a *altered) {
		a.delete = func(ctx context.Context, handle string, end store.Ending) error {
			err := a.model.Delete(ctx, handle, end)
			a.locked(func() {
				if _, ended := a.ended[handle]; ended && errors.Is(err, store.ErrGone) {
					err = nil
				}
			})
			return err
		}
	}},
	{name: "mark is not kept", caught: []string{"delete-again", "faults-before", "faults-lost-reply", "faults-delay", "faults-cancelled", "faults-of-every-kind"}, others: 10, alter: func(a *altered) {
		a.delete = func(ctx context.Context, handle string, end store.Ending) error {
			end.Mark = store.NewVersion()
			return a.model.Delete(ctx, handle, end)
		}
	}},
	{name: "mark of a replacement is not kept", caught: []string{"replaces-ends-in-the-same-step"}, others: 7, alter: func(a *altered) {
		a.create = func(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
			opts.End.Mark = 0
			return a.model.Create(ctx, rec, opts)
		}
	}},
	{name: "delete of none leaves a tombstone", caught: []string{"delete-of-none-is-gone"}, others: 1, alter: func(a *altered) {
		a.delete = func(ctx context.Context, handle string, end store.Ending) error {
			err := a.model.Delete(ctx, handle, end)
			a.locked(func() {
				if _, ended := a.ended[handle]; !ended && errors.Is(err, store.ErrGone) {
					a.ended[handle] = tombstone{end.Mark, end.Now.Add(store.MinHold)}
				}
			})
			return err
		}
	}},
	{name: "hold forgets MinHold", caught: []string{"held-for-min-hold"}, alter: func(a *altered) {
		a.afterEnds(func() {
			for handle, t := range a.ended {
				if hold := t.until.Add(-time.Second); time.Until(hold) < store.MinHold {
					a.ended[handle] = tombstone{t.mark, hold}
				}
			}
		})
	}},
	{name: "hold forgets HoldUntil", caught: []string{"held-until-hold-until"}, alter: func(a *altered) {
		a.afterEnds(func() {
			for handle, t := range a.ended {
				if most := time.Now().Add(store.MinHold); t.until.After(most) {
					a.ended[handle] = tombstone{t.mark, most}
				}
			}
		})
	}},
	{name: "hold lasts for ever", caught: []string{"held-no-longer-than-said"}, alter: func(a *altered) {
		a.afterEnds(func() {
			for handle, t := range a.ended {
				a.ended[handle] = tombstone{t.mark, time.Now().AddDate(1, 0, 0)}
			}
		})
	}},
	{name: "delete-owner ends revocations", caught: []string{"delete-owner-leaves-revocations"}, others: 1, alter: func(a *altered) {
		a.deleteOwner = func(ctx context.Context, owner, except string, end store.Ending) (int, error) {
			n, err := a.model.DeleteOwner(ctx, owner, except, end)
			a.locked(func() {
				for _, rec := range a.records {
					if owner != "" && rec.Owner == owner && rec.Kind == store.KindRevocation && err == nil {
						a.end(rec, end)
						n++
					}
				}
			})
			return n, err
		}
	}},
	{name: "delete-owner ends the exception", caught: []string{"delete-owner-but-one"}, others: 2, alter: func(a *altered) {
		a.deleteOwner = func(ctx context.Context, owner, _ string, end store.Ending) (int, error) {
			return a.model.DeleteOwner(ctx, owner, "", end)
		}
	}},
	{name: "delete-owner goes by the version", caught: []string{"delete-owner-ends-all"}, alter: func(a *altered) {
		a.deleteOwner = func(ctx context.Context, owner, except string, end store.Ending) (int, error) {
			if end.Version != 0 {
				return 0, nil
			}
			return a.model.DeleteOwner(ctx, owner, except, end)
		}
	}},
	{name: "delete-owner ends nobody's", caught: []string{"delete-owner-of-nobody"}, alter: func(a *altered) {
		a.deleteOwner = func(ctx context.Context, owner, except string, end store.Ending) (int, error) {
			n, err := a.model.DeleteOwner(ctx, owner, except, end)
			a.locked(func() {
				for _, rec := range a.records {
					if owner == "" && rec.Owner == "" {
						a.end(rec, end)
						n++
					}
				}
			})
			return n, err
		}
	}},
	{name: "delete-owner ends a page", caught: []string{"delete-owner-ends-all"}, alter: func(a *altered) {
		a.deleteOwner = func(ctx context.Context, owner, except string, end store.Ending) (int, error) {
			n := 0
			page, err := a.model.List(ctx, owner, store.Page{Limit: 100})
			for _, l := range page.Records {
				if l.Handle != except && l.Kind != store.KindRevocation && a.model.Delete(ctx, l.Handle, end) == nil {
					n++
				}
			}
			return n, err
		}
	}},
	{name: "delete-owner counts what it found", caught: []string{"delete-owner-but-one"}, others: 4, alter: func(a *altered) {
		a.deleteOwner = func(ctx context.Context, owner, except string, end store.Ending) (int, error) {
			page, err := a.model.List(ctx, owner, store.Page{Limit: 1 << 30})
			if err == nil {
				_, err = a.model.DeleteOwner(ctx, owner, except, end)
			}
			return len(page.Records), err
		}
	}},
	{name: "delete-owner leaves no tombstone", caught: []string{"delete-owner-ends-all", "held-until-hold-until"}, others: 6, alter: func(a *altered) {
		a.deleteOwner = func(ctx context.Context, owner, except string, end store.Ending) (int, error) {
			page, _ := a.model.List(ctx, owner, store.Page{Limit: 1 << 30})
			n, err := a.model.DeleteOwner(ctx, owner, except, end)
			a.locked(func() {
				for _, l := range page.Records {
					delete(a.ended, l.Handle)
				}
			})
			return n, err
		}
	}},
	{name: "ends of a creation are silent", caught: []string{"changes-tell-the-replaced"}, alter: func(a *altered) {
		a.create = func(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
			created, err := a.model.Create(ctx, rec, opts)
			a.locked(func() {
				a.model.changes = slices.DeleteFunc(a.model.changes, func(c store.Change) bool {
					return created.Replaced && c.Handle == opts.Replaces
				})
			})
			return created, err
		}
	}},
	{name: "changes of the past", caught: []string{"changes-begin"}, others: 2, alter: func(a *altered) {
		a.changes = func(ctx context.Context, since string) (store.Changes, error) {
			if since == "" {
				since = "0"
			}
			return a.model.Changes(ctx, since)
		}
	}},
	{name: "changes begin anew at garbage", caught: []string{"changes-refuse-garbage"}, alter: func(a *altered) {
		a.changes = func(ctx context.Context, since string) (store.Changes, error) {
			changes, err := a.model.Changes(ctx, since)
			if err != nil && ctx.Err() == nil {
				return a.model.Changes(ctx, "")
			}
			return changes, err
		}
	}},
	{name: "changes are told once", caught: []string{"changes-resume"}, others: 1, alter: func(a *altered) {
		a.changes = func(ctx context.Context, since string) (store.Changes, error) {
			changes, err := a.model.Changes(ctx, since)
			if err == nil && since != "" {
				a.locked(func() {
					for i := range a.model.changes {
						a.model.changes[i] = store.Change{}
					}
				})
			}
			return changes, err
		}
	}},
	{name: "changes skip what came meanwhile", caught: []string{"changes-miss-none"}, alter: func(a *altered) {
		a.changes = func(ctx context.Context, since string) (store.Changes, error) {
			changes, err := a.model.Changes(ctx, since)
			if err == nil && since != "" {
				later := changes
				for i := 0; i < 100 && later.Next == changes.Next; i++ {
					breathe()
					later, _ = a.model.Changes(ctx, "")
				}
				changes.Next = later.Next
			}
			return changes, err
		}
	}},
	{name: "changes are late when there are many", caught: []string{"changes-tell-delete"}, alter: func(a *altered) {
		made := time.Now()
		a.changes = func(ctx context.Context, since string) (store.Changes, error) {
			changes, err := a.model.Changes(ctx, since)
			if len(changes.List) > 5 && time.Since(made) < 3*time.Second {
				return store.Changes{Next: since}, nil
			}
			return changes, err
		}
	}},
	{name: "changes tell no owner", caught: []string{"changes-tell-delete"}, others: 17, alter: func(a *altered) {
		a.changes = func(ctx context.Context, since string) (store.Changes, error) {
			changes, err := a.model.Changes(ctx, since)
			for i := range changes.List {
				changes.List[i].Owner = ""
			}
			return changes, err
		}
	}},
	{name: "expiry is a change", caught: []string{"changes-tell-no-expiry"}, alter: func(a *altered) {
		a.sweep = func(ctx context.Context, now time.Time, limit int) (int, error) {
			a.locked(func() {
				for _, rec := range a.records {
					if rec.Expired(now) {
						a.model.changes = append(a.model.changes, store.Change{Kind: rec.Kind, Handle: rec.Handle, Owner: rec.Owner, Ended: true})
					}
				}
			})
			return a.model.Sweep(ctx, now, limit)
		}
	}},
	{name: "refused ends are changes", caught: []string{"changes-tell-nothing-else"}, alter: func(a *altered) {
		a.delete = func(ctx context.Context, handle string, end store.Ending) error {
			err := a.model.Delete(ctx, handle, end)
			if errors.Is(err, store.ErrConflict) {
				a.locked(func() {
					rec := a.records[handle]
					a.model.changes = append(a.model.changes, store.Change{Kind: rec.Kind, Handle: handle, Owner: rec.Owner, Ended: true})
				})
			}
			return err
		}
	}},
	{name: "sweep has no limit", caught: []string{"sweep-limit"}, alter: func(a *altered) {
		a.sweep = func(ctx context.Context, now time.Time, _ int) (int, error) { return a.model.Sweep(ctx, now, 1<<30) }
	}},
	{name: "sweep leaves some", caught: []string{"sweep-removes-the-expired"}, others: 4, alter: func(a *altered) {
		a.sweep = func(ctx context.Context, now time.Time, limit int) (int, error) {
			return a.model.Sweep(ctx, now.Add(-3*time.Hour), limit)
		}
	}},
	{name: "sweep takes the living", caught: []string{"sweep-leaves-the-living"}, others: 2, alter: func(a *altered) {
		a.sweep = func(ctx context.Context, now time.Time, limit int) (int, error) {
			return a.model.Sweep(ctx, now.Add(time.Minute), limit)
		}
	}},
	{name: "sweep goes by the first deadline", caught: []string{"sweep-leaves-the-touched"}, alter: func(a *altered) {
		a.sweep = func(ctx context.Context, now time.Time, limit int) (int, error) {
			a.locked(func() {
				for _, rec := range a.records {
					if first := rec.Created.Add(10 * time.Minute); !rec.Expired(now) && rec.IdleDeadline.Equal(rec.Created.Add(30*time.Minute)) && !now.Before(first) {
						delete(a.records, rec.Handle)
					}
				}
			})
			return a.model.Sweep(ctx, now, limit)
		}
	}},
	{name: "sweep counts what others removed", caught: []string{"sweep-by-many"}, alter: func(a *altered) {
		a.sweep = func(ctx context.Context, now time.Time, limit int) (int, error) {
			n := 0
			a.locked(func() {
				for _, rec := range a.records {
					if rec.Expired(now) && n < limit {
						n++
					}
				}
			})
			breathe()
			if _, err := a.model.Sweep(ctx, now, limit); err != nil {
				return 0, err
			}
			return n, nil
		}
	}},
	{name: "sweep ends", caught: []string{"sweep-removes-the-expired"}, alter: func(a *altered) {
		a.sweep = func(ctx context.Context, now time.Time, limit int) (int, error) {
			if err := ctx.Err(); err != nil {
				return 0, err
			}
			n := 0
			a.locked(func() {
				for _, rec := range a.records {
					if rec.Expired(now) && n < limit {
						delete(a.records, rec.Handle)
						a.ended[rec.Handle] = tombstone{1, now.Add(store.MinHold)}
						n++
					}
				}
			})
			more, err := a.model.Sweep(ctx, now, limit-n)
			return n + more, err
		}
	}},
}
