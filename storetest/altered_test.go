package storetest

import (
	"context"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// An altered store is a model of which some verbs were replaced by wrong ones.
type altered struct {
	*model
	load        func(context.Context, string) (*store.Record, error)
	create      func(context.Context, *store.Record, store.CreateOptions) (store.Created, error)
	apply       func(context.Context, *store.Record, store.Version, time.Time) error
	touch       func(context.Context, string, time.Time, time.Time) error
	delete      func(context.Context, string, store.Ending) error
	deleteOwner func(context.Context, string, string, store.Ending) (int, error)
	list        func(context.Context, string, store.Page) (store.Listing, error)
	scan        func(context.Context, store.Page) (store.Listing, error)
	changes     func(context.Context, string) (store.Changes, error)
	sweep       func(context.Context, time.Time, int) (int, error)
	notify      func(context.Context, func()) error
}

var _ store.Store = (*altered)(nil)

func newAltered() *altered {
	m := newModel()
	return &altered{m, m.Load, m.Create, m.Apply, m.Touch, m.Delete, m.DeleteOwner, m.List, m.Scan, m.Changes, m.Sweep, m.Notify}
}

func (a *altered) Load(ctx context.Context, handle string) (*store.Record, error) {
	return a.load(ctx, handle)
}

func (a *altered) Create(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
	return a.create(ctx, rec, opts)
}

func (a *altered) Apply(ctx context.Context, rec *store.Record, from store.Version, now time.Time) error {
	return a.apply(ctx, rec, from, now)
}

func (a *altered) Touch(ctx context.Context, handle string, seen, idle time.Time) error {
	return a.touch(ctx, handle, seen, idle)
}

func (a *altered) Delete(ctx context.Context, handle string, end store.Ending) error {
	return a.delete(ctx, handle, end)
}

func (a *altered) DeleteOwner(ctx context.Context, owner, except string, end store.Ending) (int, error) {
	return a.deleteOwner(ctx, owner, except, end)
}

func (a *altered) List(ctx context.Context, owner string, page store.Page) (store.Listing, error) {
	return a.list(ctx, owner, page)
}

func (a *altered) Scan(ctx context.Context, page store.Page) (store.Listing, error) {
	return a.scan(ctx, page)
}

func (a *altered) Changes(ctx context.Context, since string) (store.Changes, error) {
	return a.changes(ctx, since)
}

func (a *altered) Sweep(ctx context.Context, now time.Time, limit int) (int, error) {
	return a.sweep(ctx, now, limit)
}

func (a *altered) Notify(ctx context.Context, wake func()) error {
	return a.notify(ctx, wake)
}

// locked runs f with the model's records in hand.
func (a *altered) locked(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

// alterStored lets f change every record as it is stored.
func (a *altered) alterStored(f func(*store.Record)) {
	a.create = func(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
		n := *rec
		f(&n)
		return a.model.Create(ctx, &n, opts)
	}
	a.apply = func(ctx context.Context, rec *store.Record, from store.Version, now time.Time) error {
		n := *rec
		f(&n)
		return a.model.Apply(ctx, &n, from, now)
	}
}

// alterListed lets f change every record as it is listed.
func (a *altered) alterListed(f func(*store.Listed)) {
	a.list = func(ctx context.Context, owner string, page store.Page) (store.Listing, error) {
		listing, err := a.model.List(ctx, owner, page)
		for i := range listing.Records {
			f(&listing.Records[i])
		}
		return listing, err
	}
}
