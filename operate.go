package sojourn

import (
	"context"
	"errors"
	"hash/maphash"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// Preload returns a middleware, to stand within [Manager.Middleware], that
// loads the session before the handler runs. If it cannot be loaded,
// [Config.Error] answers (with 503 by default) whatever [Config.Outage] says,
// so that a store that is down is never taken for a visitor who is not signed
// in.
func (m *Manager) Preload(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := m.Session(r.Context())
		s.use()
		if s.outage != nil {
			s.fail(s.outage) // the writer answers with it
		}
		failed := s.outage != nil
		s.unlock()
		if !failed {
			next.ServeHTTP(w, r)
		}
	})
}

var errNoStore = errors.New("sojourn: sessions in a cookie cannot be listed or revoked: keep them in a store")

// Sessions returns the live sessions of owner, a page at a time, for a page on
// which a visitor sees his devices; [Session.Handle] tells which is this one. It
// shows handles and never tokens. A page.Limit of zero is 100. Sessions that
// are still in a former store or cookie are not among them. Without a store it
// is an error.
func (m *Manager) Sessions(ctx context.Context, owner string, page store.Page) (store.Listing, error) {
	if page.Limit == 0 {
		page.Limit = 100
	}
	s := m.keep.store
	if s == nil {
		return store.Listing{}, errNoStore
	}
	var listing store.Listing
	c := m.call(ctx, s)
	err := c.ask("list", func(ctx context.Context) (err error) {
		listing, err = s.List(ctx, owner, page)
		return err
	})
	now, live := time.Now(), listing.Records[:0]
	for _, r := range listing.Records {
		if r.Kind == store.KindSession && !r.Expired(now) {
			live = append(live, r)
		}
	}
	listing.Records = live
	return listing, err
}

// stores are the former stores and then Keep's: what is ended in that order
// cannot move on behind us.
func (m *Manager) stores() (list []store.Store, err error) {
	if m.keep.store == nil {
		return nil, errNoStore
	}
	for _, f := range m.former {
		if f.store != nil {
			list = append(list, f.store)
		}
	}
	return append(list, m.keep.store), nil
}

// Revoke ends the session with this handle, in every process at once, also in
// former stores. One that is not there is no error. Without a store it is an
// error.
func (m *Manager) Revoke(ctx context.Context, handle string) error {
	stores, err := m.stores()
	now, ended := time.Now(), false
	var failed []error
	for _, s := range stores {
		err := m.call(ctx, s).end(handle, 0, store.NewVersion(), now)
		ended = ended || err == nil
		if err != nil && !errors.Is(err, store.ErrGone) {
			failed = append(failed, err)
		}
	}
	if ended {
		m.emit(ctx, []Event{{Kind: EventRevoked, Time: now, Cookie: m.keep.cookie.name, Handle: handle}})
	}
	return errors.Join(append(failed, err)...)
}

// RevokeOwner ends all sessions of owner but the one with the handle except, ""
// for none, also in former stores, and returns how many it ended: "log out
// everywhere". After a lost reply it asks again, so the number is then of those
// that were left. Sessions in former cookies cannot be found, and go on. If the
// request's own session is among those that end, what the request writes to it
// is dropped: call [End] too, and what comes after, such as a message, begins a
// new session. Without a store it is an error.
func (m *Manager) RevokeOwner(ctx context.Context, owner, except string) (int, error) {
	stores, err := m.stores()
	now, total := time.Now(), 0
	failed := []error{err}
	for _, s := range stores {
		n, err := m.call(ctx, s).endOwner(owner, except, now)
		total += n
		failed = append(failed, err)
	}
	if err := errors.Join(failed...); err != nil {
		return total, err
	}
	m.emit(ctx, []Event{{Kind: EventRevoked, Time: now, Cookie: m.keep.cookie.name, Owner: owner}})
	return total, nil
}

const (
	sweepInterval = time.Minute
	sweepBatch    = 500
)

// Run does what has to be done beside the requests, until ctx ends: about once
// a minute it sweeps. Start it once a process, in a goroutine of its own. It
// returns the error of ctx; failures of the store are events, and it goes on.
// Without a store there is nothing to do but wait.
func (m *Manager) Run(ctx context.Context) error {
	for {
		// At random, so that the processes of a fleet do not sweep at once.
		timer := time.NewTimer(sweepInterval*3/4 + rand.N(sweepInterval/2))
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
		if _, err := m.Sweep(ctx); err != nil && ctx.Err() == nil {
			m.emit(ctx, []Event{{Kind: EventStore, Time: time.Now(), Cookie: m.keep.cookie.name, Err: err}})
		}
	}
}

// Sweep removes expired sessions from the store, in batches, and returns how
// many. They are refused without it: sweeping only saves room. [Manager.Run]
// does it regularly. It is safe from many processes.
func (m *Manager) Sweep(ctx context.Context) (int, error) {
	s := m.keep.store
	if s == nil {
		return 0, nil
	}
	total, now := 0, time.Now()
	for {
		n := 0
		c := m.call(ctx, s)
		err := c.ask("sweep", func(ctx context.Context) (err error) {
			n, err = s.Sweep(ctx, now, sweepBatch)
			return err
		})
		total += n
		if err != nil || n < sweepBatch {
			return total, err
		}
	}
}

// recent remembers a bounded number of touches, so that requests which run in
// parallel touch once.
type recent struct {
	mu    sync.Mutex
	slots [1024]struct {
		handle uint64
		at     time.Time
	}
}

var recentSeed = maphash.MakeSeed()

// first reports whether handle was not touched within the interval before now,
// as far as is remembered, and remembers that it is now.
func (r *recent) first(handle string, now time.Time, interval time.Duration) bool {
	h := maphash.String(recentSeed, handle)
	r.mu.Lock()
	defer r.mu.Unlock()
	slot := &r.slots[h%uint64(len(r.slots))]
	if slot.handle == h && now.Sub(slot.at) < interval {
		return false
	}
	slot.handle, slot.at = h, now
	return true
}

// forget has the next touch of handle be a first one.
func (r *recent) forget(handle string) {
	h := maphash.String(recentSeed, handle)
	r.mu.Lock()
	defer r.mu.Unlock()
	if slot := &r.slots[h%uint64(len(r.slots))]; slot.handle == h {
		slot.at = time.Time{}
	}
}

// Store returns the store in which sessions are kept, or nil.
func (m *Manager) Store() store.Store { return m.keep.store }
