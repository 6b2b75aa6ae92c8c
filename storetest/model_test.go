package storetest

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// A model is a store that is plainly right: everything under one lock, nothing
// clever. The suite is green on it, and red on it once it is broken.
type model struct {
	mu      sync.Mutex
	records map[string]*store.Record
	ended   map[string]tombstone
	changes []store.Change
}

type tombstone struct {
	mark  store.Version
	until time.Time
}

func newModel() *model {
	return &model{records: map[string]*store.Record{}, ended: map[string]tombstone{}}
}

// begin is how every verb begins: it fails if ctx is over, else takes the lock.
func (m *model) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	return nil
}

func (m *model) Load(ctx context.Context, handle string) (*store.Record, error) {
	if err := m.begin(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	rec, ok := m.records[handle]
	if !ok {
		return nil, store.ErrGone
	}
	found := *rec
	return &found, nil
}

func (m *model) Create(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
	if err := m.begin(ctx); err != nil {
		return store.Created{}, err
	}
	defer m.mu.Unlock()
	if _, ok := m.records[rec.Handle]; ok {
		return store.Created{}, store.ErrExists
	}
	if _, ok := m.ended[rec.Handle]; ok {
		return store.Created{}, store.ErrGone
	}
	old := m.records[opts.Replaces]
	if old != nil && old.Owner != rec.Owner {
		old = nil
	}
	if old != nil && opts.End.Version != 0 && opts.End.Version != old.Version {
		return store.Created{}, store.ErrConflict
	}
	surplus := m.surplus(rec, old, opts)
	if len(surplus) > 0 && !opts.EndOldest {
		return store.Created{}, store.ErrLimit
	}
	created := store.Created{Replaced: old != nil}
	if old != nil {
		m.end(old, opts.End)
	}
	for _, s := range surplus {
		m.end(s, opts.End)
		created.Ended = append(created.Ended, s.Handle)
	}
	added := *rec
	m.records[rec.Handle] = &added
	if rec.Kind == store.KindRevocation {
		m.changes = append(m.changes, store.Change{Kind: rec.Kind, Handle: rec.Handle, Owner: rec.Owner})
	}
	return created, nil
}

// surplus returns the oldest records that have to go so that rec has a place.
func (m *model) surplus(rec, old *store.Record, opts store.CreateOptions) []*store.Record {
	if opts.Limit == 0 || rec.Owner == "" {
		return nil
	}
	var counted []*store.Record
	for _, r := range m.records {
		if r.Owner == rec.Owner && r.Kind == rec.Kind && r != old && !r.Expired(opts.Now) {
			counted = append(counted, r)
		}
	}
	slices.SortFunc(counted, func(a, b *store.Record) int { return a.Created.Compare(b.Created) })
	return counted[:max(0, len(counted)-(opts.Limit-1))]
}

func (m *model) end(rec *store.Record, end store.Ending) {
	delete(m.records, rec.Handle)
	m.ended[rec.Handle] = tombstone{end.Mark, end.HoldUntil(&rec.Header)}
	m.changes = append(m.changes, store.Change{Kind: rec.Kind, Handle: rec.Handle, Owner: rec.Owner, Ended: true})
}

func (m *model) Apply(ctx context.Context, rec *store.Record, from store.Version, now time.Time) error {
	if err := m.begin(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	old, ok := m.records[rec.Handle]
	switch {
	case !ok || old.Expired(now):
		return store.ErrGone
	case old.Version != from:
		return store.ErrConflict
	}
	old.Version, old.Facts, old.Verifiers, old.State = rec.Version, rec.Facts, rec.Verifiers, rec.State
	old.LastSeen, old.IdleDeadline = later(old.LastSeen, rec.LastSeen), later(old.IdleDeadline, rec.IdleDeadline)
	return nil
}

func (m *model) Touch(ctx context.Context, handle string, seen, idle time.Time) error {
	if err := m.begin(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	rec, ok := m.records[handle]
	if !ok || rec.Expired(seen) {
		return store.ErrGone
	}
	rec.LastSeen, rec.IdleDeadline = later(rec.LastSeen, seen), later(rec.IdleDeadline, idle)
	return nil
}

func (m *model) Delete(ctx context.Context, handle string, end store.Ending) error {
	if err := m.begin(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	rec, ok := m.records[handle]
	switch {
	case !ok && m.ended[handle].mark == end.Mark && end.Mark != 0:
		return nil
	case !ok:
		return store.ErrGone
	case end.Version != 0 && end.Version != rec.Version:
		return store.ErrConflict
	}
	m.end(rec, end)
	return nil
}

func (m *model) DeleteOwner(ctx context.Context, owner, except string, end store.Ending) (int, error) {
	if err := m.begin(ctx); err != nil {
		return 0, err
	}
	defer m.mu.Unlock()
	n := 0
	for _, rec := range m.records {
		if owner != "" && rec.Owner == owner && rec.Handle != except && rec.Kind != store.KindRevocation {
			m.end(rec, end)
			n++
		}
	}
	return n, nil
}

func (m *model) List(ctx context.Context, owner string, page store.Page) (store.Listing, error) {
	return m.list(ctx, page, func(rec *store.Record) bool { return owner != "" && rec.Owner == owner })
}

func (m *model) Scan(ctx context.Context, page store.Page) (store.Listing, error) {
	return m.list(ctx, page, func(*store.Record) bool { return true })
}

// list goes by handle: the cursor is the last one shown.
func (m *model) list(ctx context.Context, page store.Page, shown func(*store.Record) bool) (store.Listing, error) {
	if err := m.begin(ctx); err != nil {
		return store.Listing{}, err
	}
	defer m.mu.Unlock()
	if page.Limit <= 0 {
		return store.Listing{}, errors.New("model: a page's limit is positive")
	}
	var listing store.Listing
	for _, rec := range m.records {
		if shown(rec) && rec.Handle > page.Cursor {
			listing.Records = append(listing.Records, store.Listed{Header: rec.Header, Facts: rec.Facts})
		}
	}
	slices.SortFunc(listing.Records, func(a, b store.Listed) int { return cmp.Compare(a.Handle, b.Handle) })
	if len(listing.Records) > page.Limit {
		listing.Records = listing.Records[:page.Limit]
		listing.Next = listing.Records[page.Limit-1].Handle
	}
	return listing, nil
}

// Changes counts: since is how many there have been.
func (m *model) Changes(ctx context.Context, since string) (store.Changes, error) {
	if err := m.begin(ctx); err != nil {
		return store.Changes{}, err
	}
	defer m.mu.Unlock()
	from := len(m.changes)
	if since != "" {
		n, err := strconv.Atoi(since)
		if err != nil || n < 0 || n > len(m.changes) {
			return store.Changes{}, errors.New("model: since is not what Changes returned; begin anew")
		}
		from = n
	}
	return store.Changes{List: slices.Clone(m.changes[from:]), Next: strconv.Itoa(len(m.changes))}, nil
}

func (m *model) Sweep(ctx context.Context, now time.Time, limit int) (int, error) {
	if err := m.begin(ctx); err != nil {
		return 0, err
	}
	defer m.mu.Unlock()
	before := len(m.records) + len(m.ended)
	left := limit
	take := func() bool { left--; return left >= 0 }
	maps.DeleteFunc(m.records, func(_ string, rec *store.Record) bool { return rec.Expired(now) && take() })
	maps.DeleteFunc(m.ended, func(_ string, t tombstone) bool { return !now.Before(t.until) && take() })
	return before - len(m.records) - len(m.ended), nil
}

// Notify looks, again and again, whether there are more changes.
func (m *model) Notify(ctx context.Context, wake func()) error {
	seen := -1
	for {
		if err := m.begin(ctx); err != nil {
			return err
		}
		n := len(m.changes)
		m.mu.Unlock()
		if n != seen {
			seen = n
			wake()
		}
		if err := wait(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}
