package storetest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// before lets f change what Create is asked.
func before(f func(a *altered, rec *store.Record, opts *store.CreateOptions)) func(*altered) {
	return func(a *altered) {
		a.create = func(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
			f(a, rec, &opts)
			return a.model.Create(ctx, rec, opts)
		}
	}
}

// after lets f change what Create has done.
func after(f func(a *altered, rec *store.Record, opts store.CreateOptions, created *store.Created)) func(*altered) {
	return func(a *altered) {
		a.create = func(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
			created, err := a.model.Create(ctx, rec, opts)
			if err == nil {
				f(a, rec, opts, &created)
			}
			return created, err
		}
	}
}

var brokenCreations = []broken{
	{name: "create over a tombstone", caught: []string{"ended-handle-is-refused"}, others: 14, alter: before(func(a *altered, rec *store.Record, _ *store.CreateOptions) {
		a.locked(func() { delete(a.ended, rec.Handle) })
	})},
	{name: "create over a record", caught: []string{"create-of-one-that-exists", "create-has-one-winner"}, others: 2, alter: func(a *altered) {
		a.create = func(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
			a.locked(func() { delete(a.records, rec.Handle) })
			return a.model.Create(ctx, rec, opts)
		}
	}},
	{name: "create over an expired record", caught: []string{"create-of-one-that-expired"}, alter: before(func(a *altered, rec *store.Record, opts *store.CreateOptions) {
		a.locked(func() {
			if old := a.records[rec.Handle]; old != nil && old.Expired(opts.Now) {
				delete(a.records, rec.Handle)
			}
		})
	})},
	{name: "create looks first and adds later", caught: []string{"create-has-one-winner"}, alter: func(a *altered) {
		a.create = func(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
			if _, err := a.model.Load(ctx, rec.Handle); err == nil {
				return store.Created{}, store.ErrExists
			}
			breathe()
			a.locked(func() { delete(a.records, rec.Handle) })
			return a.model.Create(ctx, rec, opts)
		}
	}},
	{name: "limit is looked at before", caught: []string{"limit-holds-in-a-crowd"}, alter: func(a *altered) {
		a.create = func(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
			full := false
			a.locked(func() {
				full = !opts.EndOldest && len(a.surplus(rec, a.records[opts.Replaces], opts)) > 0
			})
			if full {
				return a.model.Create(ctx, rec, opts)
			}
			breathe()
			if !opts.EndOldest {
				opts.Limit = 0
			}
			return a.model.Create(ctx, rec, opts)
		}
	}},
	{name: "oldest are ended before", caught: []string{"oldest-end-in-a-crowd"}, alter: func(a *altered) {
		a.create = func(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
			if !opts.EndOldest {
				return a.model.Create(ctx, rec, opts)
			}
			var ended []string
			a.locked(func() {
				old := a.records[opts.Replaces]
				if old != nil && old.Owner != rec.Owner {
					old = nil
				}
				for _, s := range a.surplus(rec, old, opts) {
					a.end(s, opts.End)
					ended = append(ended, s.Handle)
				}
			})
			breathe()
			opts.Limit = 0
			created, err := a.model.Create(ctx, rec, opts)
			created.Ended = ended
			return created, err
		}
	}},
	{name: "limit counts the expired", caught: []string{"limit-counts-no-expired", "limit-ends-no-expired-instead"}, alter: before(func(_ *altered, _ *store.Record, opts *store.CreateOptions) {
		opts.Now = time.Time{}
	})},
	{name: "limit counts all kinds", caught: []string{"limit-counts-kinds-apart"}, others: 1, alter: func(a *altered) {
		a.create = func(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
			if rec.Kind == store.KindSession || opts.Limit == 0 {
				return a.model.Create(ctx, rec, opts)
			}
			kind, n := rec.Kind, *rec
			n.Kind = store.KindSession
			created, err := a.model.Create(ctx, &n, opts)
			a.locked(func() {
				if made := a.records[rec.Handle]; err == nil && made != nil {
					made.Kind = kind
				}
			})
			return created, err
		}
	}},
	{name: "limit counts the replaced", caught: []string{"limit-counts-no-replaced"}, alter: func(a *altered) {
		a.create = func(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
			full := false
			a.locked(func() { full = !opts.EndOldest && len(a.surplus(rec, nil, opts)) > 0 })
			_, err := a.model.Load(ctx, rec.Handle)
			if full && errors.Is(err, store.ErrGone) {
				return store.Created{}, store.ErrLimit
			}
			return a.model.Create(ctx, rec, opts)
		}
	}},
	{name: "limit for nobody", caught: []string{"limit-not-for-nobody"}, alter: func(a *altered) {
		a.create = func(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
			if n := 0; rec.Owner == "" && opts.Limit > 0 {
				a.locked(func() {
					for _, r := range a.records {
						if r.Owner == "" {
							n++
						}
					}
				})
				if n >= opts.Limit {
					return store.Created{}, store.ErrLimit
				}
			}
			return a.model.Create(ctx, rec, opts)
		}
	}},
	{name: "limit is one too many", caught: []string{"limit-refuses"}, others: 14, alter: before(func(_ *altered, _ *store.Record, opts *store.CreateOptions) {
		if opts.Limit > 0 && opts.Limit < 100 {
			opts.Limit++
		}
	})},
	{name: "newest is ended", caught: []string{"limit-ends-the-oldest"}, others: 4, alter: reversed},
	{name: "oldest by use is ended", caught: []string{"limit-ends-the-oldest"}, others: 4, alter: func(a *altered) {
		a.create = func(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
			if !opts.EndOldest {
				return a.model.Create(ctx, rec, opts)
			}
			created := map[string]time.Time{}
			a.locked(func() {
				for _, r := range a.records {
					created[r.Handle], r.Created = r.Created, r.LastSeen
				}
			})
			defer a.locked(func() {
				for _, r := range a.records {
					if c, ok := created[r.Handle]; ok {
						r.Created = c
					}
				}
			})
			return a.model.Create(ctx, rec, opts)
		}
	}},
	{name: "only one is ended", caught: []string{"limit-ends-as-many-as-necessary"}, others: 2, alter: func(a *altered) {
		a.create = func(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
			a.locked(func() {
				if n := len(a.surplus(rec, nil, opts)); opts.EndOldest && n > 1 {
					opts.Limit += n - 1
				}
			})
			return a.model.Create(ctx, rec, opts)
		}
	}},
	{name: "ended ones are not named", caught: []string{"limit-ends-the-oldest"}, others: 7, alter: after(func(_ *altered, _ *store.Record, _ store.CreateOptions, created *store.Created) {
		created.Ended = nil
	})},
	{name: "replaces another owner's", caught: []string{"replaces-not-another-owners"}, others: 2, alter: func(a *altered) {
		a.create = func(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
			created, err := a.model.Create(ctx, rec, opts)
			a.locked(func() {
				if old := a.records[opts.Replaces]; err == nil && old != nil && old.Handle != rec.Handle {
					a.end(old, opts.End)
					created.Replaced = true
				}
			})
			return created, err
		}
	}},
	{name: "replaces whatever version", caught: []string{"replaces-at-another-version"}, others: 1, alter: before(func(_ *altered, _ *store.Record, opts *store.CreateOptions) {
		opts.End.Version = 0
	})},
	{name: "creates though it cannot replace", caught: []string{"replaces-at-another-version"}, others: 1, alter: func(a *altered) {
		a.create = func(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
			created, err := a.model.Create(ctx, rec, opts)
			if errors.Is(err, store.ErrConflict) {
				opts.Replaces = ""
				a.model.Create(ctx, rec, opts)
			}
			return created, err
		}
	}},
	{name: "replaces though it cannot create", caught: []string{"replaces-nothing-when-refused"}, alter: func(a *altered) {
		a.create = func(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
			created, err := a.model.Create(ctx, rec, opts)
			if errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrLimit) || errors.Is(err, store.ErrGone) {
				a.model.Delete(ctx, opts.Replaces, opts.End)
			}
			return created, err
		}
	}},
	{name: "replaces in a second step", caught: []string{"replace-is-one-step"}, others: 5, alter: func(a *altered) {
		a.create = func(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
			old, err := a.model.Load(ctx, opts.Replaces)
			if opts.Replaces == "" || err != nil || old.Owner != rec.Owner || opts.Limit > 0 || old.Handle == rec.Handle ||
				opts.End.Version != 0 && opts.End.Version != old.Version {
				return a.model.Create(ctx, rec, opts)
			}
			second := opts
			second.Replaces = ""
			created, err := a.model.Create(ctx, rec, second)
			if err == nil {
				breathe()
				created.Replaced = a.model.Delete(ctx, opts.Replaces, opts.End) == nil
			}
			return created, err
		}
	}},
	{name: "says that it replaced what was not there", caught: []string{"replaces-none", "replaces-not-another-owners"}, others: 2, alter: after(func(_ *altered, _ *store.Record, opts store.CreateOptions, created *store.Created) {
		created.Replaced = opts.Replaces != ""
	})},
	{name: "keeps what it was given", caught: []string{"keeps-nothing-it-is-given"}, alter: after(func(a *altered, rec *store.Record, opts store.CreateOptions, _ *store.Created) {
		if opts.EndOldest { // only then, lest the race detector sees it first
			a.locked(func() { a.records[rec.Handle] = rec })
		}
	})},
	{name: "changes what it was given", caught: []string{"keeps-nothing-it-is-given"}, others: 3, alter: after(func(_ *altered, rec *store.Record, opts store.CreateOptions, _ *store.Created) {
		if opts.EndOldest {
			rec.LastSeen = rec.LastSeen.Add(time.Millisecond)
		}
	})},
	{name: "creation is silent about revocations", caught: []string{"changes-tell-revocations"}, alter: after(func(a *altered, rec *store.Record, _ store.CreateOptions, _ *store.Created) {
		a.locked(func() {
			a.model.changes = slices.DeleteFunc(a.model.changes, func(c store.Change) bool { return c.Handle == rec.Handle && !c.Ended })
		})
	})},
	{name: "every creation is a change", caught: []string{"changes-tell-nothing-else"}, others: 2, alter: after(func(a *altered, rec *store.Record, _ store.CreateOptions, _ *store.Created) {
		a.locked(func() {
			a.model.changes = append(a.model.changes, store.Change{Kind: rec.Kind, Handle: rec.Handle, Owner: rec.Owner})
		})
	})},
	{name: "error holds the record", caught: []string{"errors-hold-no-secrets"}, alter: func(a *altered) {
		a.create = func(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
			created, err := a.model.Create(ctx, rec, opts)
			if errors.Is(err, store.ErrExists) {
				err = &existing{rec.State}
			}
			return created, err
		}
	}},
}

// An existing error shows its state only to those who look into it.
type existing struct{ state string }

func (*existing) Error() string { return store.ErrExists.Error() }
func (*existing) Unwrap() error { return store.ErrExists }

// reversed turns the order of Created around while the limit is looked at.
func reversed(a *altered) {
	turn := func() {
		for _, r := range a.records {
			r.Created = time.Unix(0, 0).Add(time.Unix(4e9, 0).Sub(r.Created)).UTC()
		}
	}
	a.create = func(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
		if !opts.EndOldest {
			return a.model.Create(ctx, rec, opts)
		}
		a.locked(turn)
		n := *rec
		n.Created = time.Unix(0, 0).Add(time.Unix(4e9, 0).Sub(rec.Created)).UTC()
		created, err := a.model.Create(ctx, &n, opts)
		a.locked(turn)
		return created, err
	}
}
