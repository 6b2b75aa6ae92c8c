package sojourn

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"net/http"
	"reflect"
	"slices"
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

var (
	errNoStore = errors.New("sojourn: sessions in a cookie cannot be listed: keep them in a store")
	errNoList  = errors.New("sojourn: sessions in a cookie cannot be revoked without a list: set Config.Revocations, or keep them in a store")
)

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

// setStores finds the stores that hold sessions, each once: those that sessions
// move from before those they move to. What is ended in that order cannot move on
// behind us.
func (m *Manager) setStores() {
	for _, src := range slices.Backward(m.order) {
		if src.store != nil {
			m.stores = addStore(m.stores, src.store)
		}
		if src.spill != nil {
			m.stores = addStore(m.stores, src.spill.store)
		}
	}
	m.stores = slices.Clip(m.stores)
}

// addStore adds s to list if it is not there yet.
func addStore(list []store.Store, s store.Store) []store.Store {
	if reflect.TypeOf(s).Comparable() && slices.ContainsFunc(list, func(other store.Store) bool {
		return reflect.TypeOf(other).Comparable() && other == s
	}) {
		return list
	}
	return append(list, s)
}

// Revoke ends the session with this handle, in every process: at once in stores,
// former ones too, and in cookies by the revocation list. One that is not there is
// no error. Sessions in cookies without a list are an error.
func (m *Manager) Revoke(ctx context.Context, handle string) error {
	now, ended := time.Now(), false
	var failed []error
	if m.revoked != nil {
		err := m.askList(ctx, "write to the revocation list", func(ctx context.Context) error {
			return m.revoked.EndSession(ctx, handle, now)
		})
		ended, failed = err == nil, append(failed, err)
	} else if m.keep.store == nil {
		failed = append(failed, errNoList)
	}
	for _, s := range m.stores {
		c := m.call(ctx, s)
		var rec *store.Record
		err := c.ask("load", func(ctx context.Context) (err error) {
			rec, err = s.Load(ctx, handle)
			return err
		})
		if err == nil && rec.Kind == store.KindRevocation {
			continue // the list may be in the same store, and has names for its records that can be guessed
		}
		err = c.end(handle, 0, store.NewVersion(), now)
		ended = ended || err == nil
		if err != nil && !errors.Is(err, store.ErrGone) {
			failed = append(failed, err)
		}
	}
	if ended {
		m.emit(ctx, []Event{{Kind: EventRevoked, Time: now, Cookie: m.keep.cookie.Name, Handle: handle}})
	}
	return errors.Join(failed...)
}

// RevokeOwner ends all sessions of owner but the one with the handle except, ""
// for none, and returns how many it ended in stores, former ones too: "log out
// everywhere". Sessions in cookies are ended by the revocation list, which does
// not know how many there are; without a list they go on, and where they are what
// Keep is, that is an error. After a lost reply it asks again, so the number is
// then of those that were left. If the request's own session is among those that
// end, what the request writes to it is dropped: call [End] too, and what comes
// after, such as a message, begins a new session.
func (m *Manager) RevokeOwner(ctx context.Context, owner, except string) (int, error) {
	if owner == "" {
		return 0, nil // nobody has no sessions
	}
	now, total := time.Now(), 0
	failed := []error{m.endInCookies(ctx, owner, now, except)}
	for _, s := range m.stores {
		n, err := m.call(ctx, s).endOwner(owner, except, now)
		total += n
		failed = append(failed, err)
	}
	if err := errors.Join(failed...); err != nil {
		return total, err
	}
	m.emit(ctx, []Event{{Kind: EventRevoked, Time: now, Cookie: m.keep.cookie.Name, Owner: owner}})
	return total, nil
}

// endInCookies ends sessions of owner, "" for everybody, that are kept in cookies.
func (m *Manager) endInCookies(ctx context.Context, owner string, until time.Time, except string) error {
	switch {
	case m.revoked != nil:
		return m.askList(ctx, "write to the revocation list", func(ctx context.Context) error {
			newest, err := m.revoked.Newest(ctx, owner)
			if err != nil {
				return err
			}
			if now := time.Now(); newest.After(now) && now.Sub(until) < time.Second { // who has signed in since is a little later than that
				until = newest.Add(time.Millisecond)
			}
			return m.revoked.EndOwner(ctx, owner, until, except)
		})
	case m.keep.store == nil:
		return errNoList
	}
	return nil
}

// RevokeAll ends every session that was made up to a moment, anybody's: after a
// leak, say. In stores, former ones too, it goes through all records, and returns
// how many it ended; in cookies it is as for [Manager.RevokeOwner].
func (m *Manager) RevokeAll(ctx context.Context, until time.Time) (int, error) {
	if time.Until(until) > time.Second {
		return 0, fmt.Errorf("sojourn: RevokeAll: %v is in the future: sessions that are yet to be made cannot be ended", until)
	}
	total := 0
	failed := []error{m.endInCookies(ctx, "", until, "")}
	for _, s := range m.stores {
		n, err := m.endAll(ctx, s, until)
		total += n
		failed = append(failed, err)
	}
	if err := errors.Join(failed...); err != nil {
		return total, err
	}
	m.emit(ctx, []Event{{Kind: EventRevoked, Time: time.Now(), Cookie: m.keep.cookie.Name}})
	return total, nil
}

// endAll ends the sessions in one store that were made up to a moment.
func (m *Manager) endAll(ctx context.Context, s store.Store, until time.Time) (total int, err error) {
	page := store.Page{Limit: sweepBatch}
	for {
		var listing store.Listing
		c := m.call(ctx, s)
		err := c.ask("scan", func(ctx context.Context) (err error) {
			listing, err = s.Scan(ctx, page)
			return err
		})
		if err != nil {
			return total, err
		}
		for _, r := range listing.Records {
			if r.Kind == store.KindRevocation || r.Created.After(until) {
				continue
			}
			err := m.call(ctx, s).end(r.Handle, 0, store.NewVersion(), time.Now())
			switch {
			case err == nil:
				total++
			case !errors.Is(err, store.ErrGone):
				return total, err
			}
		}
		if page.Cursor = listing.Next; page.Cursor == "" {
			return total, nil
		}
	}
}

const (
	sweepInterval  = time.Minute
	reloadInterval = 30 * time.Second
	wakeInterval   = 100 * time.Millisecond
	sweepBatch     = 500
)

// Run does what has to be done beside the requests, until ctx ends: about once
// a minute it sweeps, twice a minute it reads the keys again, and it keeps what is
// known of the revocation list younger than [Config.RevocationDelay], so that no
// request waits for it. Start it once a process, in a goroutine of its own. It
// returns the error of ctx; failures are events, and it goes on.
func (m *Manager) Run(ctx context.Context) error {
	var all sync.WaitGroup
	regularly := func(interval time.Duration, wake <-chan struct{}, kind EventKind, do func(context.Context) error) {
		all.Go(func() {
			for {
				// At random, so that the processes of a fleet do not ask at once.
				timer := time.NewTimer(interval*3/4 + rand.N(interval/2))
				select {
				case <-ctx.Done():
				case <-timer.C:
				case <-wake:
				}
				if timer.Stop(); ctx.Err() != nil {
					return
				}
				if err := do(ctx); err != nil && ctx.Err() == nil {
					m.emit(ctx, []Event{{Kind: kind, Time: time.Now(), Cookie: m.keep.cookie.Name, Err: err}})
				}
				if wake != nil { // what comes in a burst is asked for once
					wait(ctx, wakeInterval)
				}
			}
		})
	}
	regularly(sweepInterval, nil, EventStore, func(ctx context.Context) error { _, err := m.Sweep(ctx); return err })
	regularly(reloadInterval, nil, EventKeys, m.reload)
	if m.revoked != nil && m.revoked.Delay() > 0 {
		wake := make(chan struct{}, 1)
		wake <- struct{}{} // the whole of it, before the first request needs it
		if n, ok := m.revoked.Store().(store.Notifier); ok {
			all.Go(func() {
				_ = n.Notify(ctx, func() { // if it cannot, there is the interval
					select {
					case wake <- struct{}{}:
					default:
					}
				})
			})
		}
		regularly(m.revoked.Delay()/2, wake, EventStore, m.revoked.Refresh)
	}
	all.Wait()
	return ctx.Err()
}

// wait waits for d, or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// reload reads the keys of all forms again.
func (m *Manager) reload(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reloadInterval)
	defer cancel()
	var failed []error
	answers, n := make(chan error, len(m.order)), 0
	for _, src := range m.order {
		if src.traits.Reload != nil {
			n++
			go func() { answers <- src.traits.Reload(ctx) }()
		}
	}
	for range n {
		select {
		case err := <-answers:
			failed = append(failed, err)
		case <-ctx.Done(): // of a provider that does not look at it
			return errors.Join(append(failed, fmt.Errorf("sojourn: the keys could not be read again: %w", ctx.Err()))...)
		}
	}
	return errors.Join(failed...)
}

// Sweep removes expired sessions from the stores, and entries of the revocation
// list that no cookie needs any more, in batches, and returns how many. They are
// refused without it: sweeping only saves room. [Manager.Run] does it regularly. It
// is safe from many processes.
func (m *Manager) Sweep(ctx context.Context) (int, error) {
	total := 0
	var failed []error
	stores := m.stores
	if m.revoked != nil {
		stores = addStore(stores, m.revoked.Store())
	}
	for _, s := range stores {
		n, err := m.sweep(ctx, s)
		total += n
		failed = append(failed, err)
	}
	return total, errors.Join(failed...)
}

func (m *Manager) sweep(ctx context.Context, s store.Store) (total int, err error) {
	now := time.Now()
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
