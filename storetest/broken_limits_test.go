package storetest

import (
	"context"
	"slices"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// silence removes what was told of the ends of these handles.
func (a *altered) silence(handles ...string) {
	a.locked(func() {
		a.model.changes = slices.DeleteFunc(a.model.changes, func(c store.Change) bool { return slices.Contains(handles, c.Handle) })
	})
}

// refuse makes Create answer ErrLimit when full says so, and else creates
// without a limit. With EndOldest it is the model's.
func refuse(full func(a *altered, rec *store.Record, opts store.CreateOptions) bool) func(*altered) {
	return func(a *altered) {
		a.create = func(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
			if opts.Limit == 0 || opts.EndOldest || rec.Owner == "" {
				return a.model.Create(ctx, rec, opts)
			}
			refused := false
			a.locked(func() { refused = full(a, rec, opts) })
			if refused {
				return store.Created{}, store.ErrLimit
			}
			return a.model.Create(ctx, rec, opts)
		}
	}
}

var brokenLimits = []broken{
	{name: "limit goes by the first deadline", caught: []string{"limit-counts-the-touched"}, alter: before(func(a *altered, rec *store.Record, opts *store.CreateOptions) {
		a.locked(func() {
			for _, r := range a.records {
				if first := r.Created.Add(time.Hour); r.Owner == rec.Owner && opts.Limit == 1 && !opts.EndOldest && r.IdleDeadline.After(first) {
					r.IdleDeadline = first
				}
			}
		})
	})},
	{name: "limit counts the ended", caught: []string{"limit-counts-no-ended"}, others: 2, alter: refuse(func(a *altered, rec *store.Record, opts store.CreateOptions) bool {
		n := 0
		for _, c := range a.model.changes {
			if c.Owner == rec.Owner && c.Kind == rec.Kind && c.Ended {
				n++
			}
		}
		return n >= opts.Limit
	})},
	{name: "limit counts everybody's", caught: []string{"limit-is-one-owners"}, others: 2, alter: refuse(func(a *altered, rec *store.Record, opts store.CreateOptions) bool {
		n := 0
		for _, r := range a.records {
			if r.Kind == rec.Kind && !r.Expired(opts.Now) && r.Handle != opts.Replaces {
				n++
			}
		}
		return n >= opts.Limit
	})},
	{name: "limit ends the new one", caught: []string{"limit-ends-not-the-new-one"}, others: 2, alter: after(func(a *altered, rec *store.Record, opts store.CreateOptions, created *store.Created) {
		a.locked(func() {
			made := a.records[rec.Handle]
			for _, r := range a.records {
				if made == nil || r.Owner == rec.Owner && r.Kind == rec.Kind && r.Created.Before(made.Created) {
					return
				}
			}
			if len(created.Ended) > 0 && rec.Created.Before(opts.Now) {
				a.end(made, opts.End)
				created.Ended = append(created.Ended, rec.Handle)
			}
		})
	})},
	{name: "oldest is ended beside the replaced", caught: []string{"limit-ends-and-replaces"}, others: 2, alter: before(func(a *altered, rec *store.Record, opts *store.CreateOptions) {
		a.locked(func() {
			if old := a.records[opts.Replaces]; old != nil && old.Owner == rec.Owner && opts.EndOldest && opts.Limit > 1 {
				opts.Limit--
			}
		})
	})},
	{name: "ends for the limit are silent", caught: []string{"changes-tell-the-oldest"}, alter: after(func(a *altered, _ *store.Record, _ store.CreateOptions, created *store.Created) {
		a.silence(created.Ended...)
	})},
	{name: "says that it replaced what was there before", caught: []string{"replaced-once-in-a-crowd"}, alter: func(a *altered) {
		a.create = func(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
			old, gone := a.model.Load(ctx, opts.Replaces)
			breathe()
			created, err := a.model.Create(ctx, rec, opts)
			created.Replaced = err == nil && gone == nil && old.Owner == rec.Owner
			return created, err
		}
	}},
	{name: "says that it replaced nobody's", caught: []string{"replaces-says-what-it-did"}, alter: func(a *altered) {
		a.create = func(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
			old, gone := a.model.Load(ctx, opts.Replaces)
			nobodys := gone == nil && old.Owner == "" && rec.Owner == ""
			if nobodys {
				opts.Replaces = ""
			}
			created, err := a.model.Create(ctx, rec, opts)
			created.Replaced = created.Replaced || nobodys && err == nil
			return created, err
		}
	}},
	{name: "delete-owner counts before", caught: []string{"delete-owner-beside-create"}, others: 3, alter: func(a *altered) {
		a.deleteOwner = func(ctx context.Context, owner, except string, end store.Ending) (int, error) {
			n := 0
			a.locked(func() {
				for _, r := range a.records {
					if owner != "" && r.Owner == owner && r.Handle != except && r.Kind != store.KindRevocation {
						n++
					}
				}
			})
			breathe()
			if _, err := a.model.DeleteOwner(ctx, owner, except, end); err != nil {
				return 0, err
			}
			return n, nil
		}
	}},
	{name: "delete-owner is silent", caught: []string{"changes-tell-delete-owner"}, alter: func(a *altered) {
		a.deleteOwner = func(ctx context.Context, owner, except string, end store.Ending) (int, error) {
			page, _ := a.model.List(ctx, owner, store.Page{Limit: 1 << 30})
			n, err := a.model.DeleteOwner(ctx, owner, except, end)
			for _, l := range page.Records {
				a.silence(l.Handle)
			}
			return n, err
		}
	}},
}
