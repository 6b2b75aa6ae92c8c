package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

var brokenWrites = []broken{
	{name: "apply ignores the version", caught: []string{"apply-from-another-version", "apply-has-one-winner"}, others: 6, alter: func(a *altered) {
		a.apply = func(ctx context.Context, rec *store.Record, _ store.Version, now time.Time) error {
			return a.applyToWhatever(ctx, rec, now)
		}
	}},
	{name: "apply tries again from the new version", caught: []string{"apply-from-another-version", "apply-has-one-winner"}, others: 6, alter: func(a *altered) {
		a.apply = func(ctx context.Context, rec *store.Record, from store.Version, now time.Time) error {
			err := a.model.Apply(ctx, rec, from, now)
			if errors.Is(err, store.ErrConflict) {
				return a.applyToWhatever(ctx, rec, now)
			}
			return err
		}
	}},
	{name: "apply compares first and writes later", caught: []string{"apply-has-one-winner"}, others: 5, alter: func(a *altered) {
		a.apply = func(ctx context.Context, rec *store.Record, from store.Version, now time.Time) error {
			got, err := a.model.Load(ctx, rec.Handle)
			if err != nil {
				return err
			}
			if got.Version != from {
				return store.ErrConflict
			}
			breathe()
			return a.applyToWhatever(ctx, rec, now)
		}
	}},
	{name: "apply creates", caught: []string{"apply-never-creates", "apply-after-an-end"}, others: 3, alter: func(a *altered) {
		a.apply = func(ctx context.Context, rec *store.Record, from store.Version, now time.Time) error {
			err := a.model.Apply(ctx, rec, from, now)
			if !errors.Is(err, store.ErrGone) {
				return err
			}
			n := *rec
			a.locked(func() {
				delete(a.ended, rec.Handle)
				a.records[rec.Handle] = &n
			})
			return nil
		}
	}},
	{name: "apply brings back what was just ended", caught: []string{"apply-beside-delete"}, others: 11, alter: func(a *altered) {
		a.apply = func(ctx context.Context, rec *store.Record, from store.Version, now time.Time) error {
			got, err := a.model.Load(ctx, rec.Handle)
			if err != nil {
				return err
			}
			if got.Version != from {
				return store.ErrConflict
			}
			breathe()
			n := *rec
			a.locked(func() { a.records[rec.Handle] = &n })
			return nil
		}
	}},
	{name: "apply changes the whole header", caught: []string{"apply-keeps-what-was-made"}, others: 6, alter: func(a *altered) {
		a.apply = func(ctx context.Context, rec *store.Record, from store.Version, now time.Time) error {
			err := a.model.Apply(ctx, rec, from, now)
			if err == nil {
				n := *rec
				a.locked(func() {
					n.LastSeen, n.IdleDeadline = a.records[rec.Handle].LastSeen, a.records[rec.Handle].IdleDeadline
					a.records[rec.Handle] = &n
				})
			}
			return err
		}
	}},
	{name: "apply sets the clocks", caught: []string{"apply-moves-no-clock-back"}, others: 7, alter: func(a *altered) {
		a.apply = func(ctx context.Context, rec *store.Record, from store.Version, now time.Time) error {
			err := a.model.Apply(ctx, rec, from, now)
			if err == nil {
				a.locked(func() {
					a.records[rec.Handle].LastSeen, a.records[rec.Handle].IdleDeadline = rec.LastSeen, rec.IdleDeadline
				})
			}
			return err
		}
	}},
	{name: "apply leaves the clocks", caught: []string{"apply-moves-clocks-forward"}, others: 5, alter: func(a *altered) {
		a.apply = func(ctx context.Context, rec *store.Record, from store.Version, now time.Time) error {
			n := *rec
			n.LastSeen, n.IdleDeadline = time.Time{}, time.Time{}
			return a.model.Apply(ctx, &n, from, now)
		}
	}},
	{name: "apply forgets facts", caught: []string{"apply-replaces-the-texts"}, others: 15, alter: func(a *altered) {
		a.apply = func(ctx context.Context, rec *store.Record, from store.Version, now time.Time) error {
			n := *rec
			if got, err := a.model.Load(ctx, rec.Handle); err == nil {
				n.Facts = got.Facts
			}
			return a.model.Apply(ctx, &n, from, now)
		}
	}},
	{name: "apply takes an expired one", caught: []string{"apply-to-an-expired-one"}, alter: func(a *altered) {
		a.apply = func(ctx context.Context, rec *store.Record, from store.Version, now time.Time) error {
			return a.model.Apply(ctx, rec, from, time.Time{})
		}
	}},
	{name: "apply looks at the idle deadline only", caught: []string{"apply-to-an-expired-one"}, alter: func(a *altered) {
		a.apply = func(ctx context.Context, rec *store.Record, from store.Version, now time.Time) error {
			if got, err := a.model.Load(ctx, rec.Handle); err == nil && now.Before(got.IdleDeadline) {
				now = time.Time{}
			}
			return a.model.Apply(ctx, rec, from, now)
		}
	}},
	{name: "touch does nothing", caught: []string{"touch-moves-clocks-forward"}, others: 18, alter: func(a *altered) {
		a.touch = func(ctx context.Context, handle string, seen, _ time.Time) error {
			return a.model.Touch(ctx, handle, seen, time.Time{})
		}
	}},
	{name: "touch carries the data", caught: []string{"touch-beside-apply"}, others: 5, alter: func(a *altered) {
		a.touch = func(ctx context.Context, handle string, seen, idle time.Time) error {
			got, err := a.model.Load(ctx, handle)
			if err != nil {
				return err
			}
			breathe()
			if err := a.model.Touch(ctx, handle, seen, idle); err != nil {
				return err
			}
			a.locked(func() {
				if rec := a.records[handle]; rec != nil {
					rec.Version, rec.Facts, rec.Verifiers, rec.State = got.Version, got.Facts, got.Verifiers, got.State
				}
			})
			return nil
		}
	}},
	{name: "touch brings back", caught: []string{"apply-beside-delete"}, others: 5, alter: func(a *altered) {
		a.touch = func(ctx context.Context, handle string, seen, idle time.Time) error {
			got, err := a.model.Load(ctx, handle)
			if err != nil {
				return err
			}
			breathe()
			if err := a.model.Touch(ctx, handle, seen, idle); err != nil {
				got.LastSeen, got.IdleDeadline = later(got.LastSeen, seen), later(got.IdleDeadline, idle)
				if !got.Expired(seen) {
					a.locked(func() { a.records[handle] = got })
					return nil
				}
				return err
			}
			return nil
		}
	}},
	{name: "touch sets the clocks", caught: []string{"touch-moves-no-clock-back"}, others: 6, alter: func(a *altered) {
		a.touch = func(ctx context.Context, handle string, seen, idle time.Time) error {
			err := a.model.Touch(ctx, handle, seen, idle)
			if err == nil {
				a.locked(func() {
					if rec := a.records[handle]; rec != nil {
						rec.LastSeen, rec.IdleDeadline = seen, idle
					}
				})
			}
			return err
		}
	}},
	{name: "touch moves both clocks or none", caught: []string{"touch-moves-no-clock-back"}, alter: func(a *altered) {
		a.touch = func(ctx context.Context, handle string, seen, idle time.Time) error {
			if got, err := a.model.Load(ctx, handle); err == nil && (seen.Before(got.LastSeen) || idle.Before(got.IdleDeadline)) {
				idle, seen = got.IdleDeadline, got.LastSeen
			}
			return a.model.Touch(ctx, handle, seen, idle)
		}
	}},
	{name: "touch makes a new version", caught: []string{"touch-leaves-all-else"}, others: 12, alter: func(a *altered) {
		a.touch = func(ctx context.Context, handle string, seen, idle time.Time) error {
			err := a.model.Touch(ctx, handle, seen, idle)
			a.locked(func() {
				if rec := a.records[handle]; rec != nil && err == nil {
					rec.Version++
				}
			})
			return err
		}
	}},
	{name: "touch says nothing", caught: []string{"touch-of-none-is-gone", "touch-of-an-expired-one"}, others: 3, alter: func(a *altered) {
		a.touch = func(ctx context.Context, handle string, seen, idle time.Time) error {
			err := a.model.Touch(ctx, handle, seen, idle)
			if errors.Is(err, store.ErrGone) {
				return nil
			}
			return err
		}
	}},
	{name: "touch revives an expired one", caught: []string{"touch-of-an-expired-one"}, others: 2, alter: func(a *altered) {
		a.touch = func(ctx context.Context, handle string, seen, idle time.Time) error {
			got, err := a.model.Load(ctx, handle)
			if err != nil {
				return err
			}
			if got.Expired(seen) {
				a.locked(func() { a.records[handle].IdleDeadline = idle })
				return nil
			}
			return a.model.Touch(ctx, handle, seen, idle)
		}
	}},
}

// applyToWhatever applies rec whatever version there is.
func (a *altered) applyToWhatever(ctx context.Context, rec *store.Record, now time.Time) error {
	for {
		got, err := a.model.Load(ctx, rec.Handle)
		if err != nil {
			return err
		}
		if err := a.model.Apply(ctx, rec, got.Version, now); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}
