package drivertest

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// A pair is two stores of the same records; calls go to each in turn.
type pair struct {
	stores [2]store.Store
	calls  atomic.Uint32
}

func (p *pair) next() store.Store { return p.stores[p.calls.Add(1)%2] }

func (p *pair) Load(ctx context.Context, handle string) (*store.Record, error) {
	return p.next().Load(ctx, handle)
}

func (p *pair) Create(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
	return p.next().Create(ctx, rec, opts)
}

func (p *pair) Apply(ctx context.Context, rec *store.Record, from store.Version, now time.Time) error {
	return p.next().Apply(ctx, rec, from, now)
}

func (p *pair) Touch(ctx context.Context, handle string, seen, idle time.Time) error {
	return p.next().Touch(ctx, handle, seen, idle)
}

func (p *pair) Delete(ctx context.Context, handle string, end store.Ending) error {
	return p.next().Delete(ctx, handle, end)
}

func (p *pair) DeleteOwner(ctx context.Context, owner, except string, end store.Ending) (int, error) {
	return p.next().DeleteOwner(ctx, owner, except, end)
}

func (p *pair) List(ctx context.Context, owner string, page store.Page) (store.Listing, error) {
	return p.next().List(ctx, owner, page)
}

func (p *pair) Scan(ctx context.Context, page store.Page) (store.Listing, error) {
	return p.next().Scan(ctx, page)
}

func (p *pair) Changes(ctx context.Context, since string) (store.Changes, error) {
	return p.next().Changes(ctx, since)
}

func (p *pair) Sweep(ctx context.Context, now time.Time, limit int) (int, error) {
	return p.next().Sweep(ctx, now, limit)
}
