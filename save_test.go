package sojourn_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest"
)

// TestLateChanges: a stored session can be changed while the response streams:
// it is saved by Save, or else when the handler returns (promise 12). What
// needs a cookie is an error.
func TestLateChanges(t *testing.T) {
	m, events, faulty := newStored(t, func(c *sojourn.Config) { c.StoreTimeout = 200 * time.Millisecond })
	b := newBrowser(t, m)
	res := b.get(func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		color.Set(r.Context(), "blue") // there is no session, and no cookie can be sent
		if err := sojourn.From(r.Context()).Err(); !errors.Is(err, sojourn.ErrLate) {
			t.Errorf("a new session: %v", err)
		}
	})
	if setCookie(res) != "" || faulty.TotalCalls() != 0 {
		t.Errorf("%q, %d calls", setCookie(res), faulty.TotalCalls())
	}
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice"); color.Set(ctx, "blue") })
	b.get(func(w http.ResponseWriter, r *http.Request) {
		s := sojourn.From(r.Context())
		fmt.Fprint(w, "begun")
		color.Set(r.Context(), "red")
		if err := s.Save(); err != nil {
			t.Errorf("Save: %v", err)
		}
		b.clone().do(func(ctx context.Context) {
			if got := color.GetOr(ctx, ""); got != "red" {
				t.Errorf("after Save, another request reads %q", got)
			}
			counter.Set(ctx, 7)
		})
		if n := counter.GetOr(r.Context(), 0); n != 0 {
			t.Errorf("before Reload: %d", n)
		}
		cart.Set(r.Context(), []string{"pending"})
		if err := s.Reload(); err != nil {
			t.Errorf("Reload: %v", err)
		}
		if n := counter.GetOr(r.Context(), 0); n != 7 || len(cart.GetOr(r.Context(), nil)) != 1 {
			t.Errorf("after Reload: %d, cart %v", n, cart.GetOr(r.Context(), nil))
		}
		counter.Update(r.Context(), func(n int) int { return n + 1 })
		if n, err := counter.UpdateNow(r.Context(), func(n int, _ bool) (int, error) { return n + 1, nil }); n != 9 || err != nil {
			t.Errorf("UpdateNow: %d, %v", n, err)
		}
		color.Set(r.Context(), "green")
	})
	b.do(func(ctx context.Context) {
		if color.GetOr(ctx, "") != "green" || counter.GetOr(ctx, 0) != 9 || len(cart.GetOr(ctx, nil)) != 1 {
			t.Errorf("afterwards: %v %v %v", color.GetOr(ctx, ""), counter.GetOr(ctx, 0), cart.GetOr(ctx, nil))
		}
	})
	events.reset()
	for name, f := range map[string]func(ctx context.Context){
		"sign-in":    func(ctx context.Context) { sojourn.SignIn(ctx, "bob") },
		"regenerate": func(ctx context.Context) { sojourn.From(ctx).Regenerate() },
	} {
		b.get(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			f(r.Context())
			if err := sojourn.From(r.Context()).Err(); !errors.Is(err, sojourn.ErrLate) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	if owner(b) != "alice" {
		t.Errorf("then %q", owner(b))
	}
	// A failure that comes too late for an error page is an event, and in Err.
	events.reset()
	b.get(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		color.Set(r.Context(), "lost")
		faulty.Plan(storetest.Every(storetest.Apply, 1, storetest.Fault{Before: storetest.ErrFault}))
		if err := sojourn.From(r.Context()).Save(); sojourn.HTTPStatus(err) != 503 {
			t.Errorf("Save: %v", err)
		}
	})
	faulty.Plan(storetest.Every(storetest.Apply, 1, storetest.Fault{Before: storetest.ErrFault}))
	b.get(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		color.Set(r.Context(), "lost")
	})
	faulty.Plan(nil)
	if _, ok := events.find(sojourn.EventFailed); !ok {
		t.Errorf("events %q", events.kinds())
	}
	// End works at any time; only its response could delete the cookie.
	copied := b.clone()
	b.get(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		sojourn.End(r.Context())
	})
	if owner(copied) != "" {
		t.Error("a late End did not end the session")
	}
	// After the handler nothing can be changed.
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
	var after *sojourn.Session
	b.do(func(ctx context.Context) { after = sojourn.From(ctx); after.Get("x") })
	after.Set("x", 1)
	if err := after.Err(); !errors.Is(err, sojourn.ErrLate) {
		t.Errorf("after the handler: %v", err)
	}
}

// TestGoneAway: a client that goes away stops neither a save that has begun to
// write nor a sign-out.
func TestGoneAway(t *testing.T) {
	m, _, faulty := newStored(t, nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
	r, cancel := newRequest()
	faulty.Plan(storetest.Every(storetest.Apply, 1, storetest.Fault{Do: cancel, After: storetest.ErrFault}))
	res := b.send(r, func(_ http.ResponseWriter, r *http.Request) { color.Set(r.Context(), "blue") })
	faulty.Plan(nil)
	if res.StatusCode != 200 {
		t.Errorf("went away during the write: %d", res.StatusCode)
	}
	r, cancel = newRequest()
	copied := b.clone()
	b.send(r, func(_ http.ResponseWriter, r *http.Request) {
		sojourn.Owner(r.Context())
		cancel()
		sojourn.End(r.Context())
	})
	if owner(copied) != "" {
		t.Error("who leaves while signing out stays signed in")
	}
}

func newRequest() (*http.Request, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	r, _ := http.NewRequestWithContext(ctx, "GET", "/", nil)
	return r, cancel
}

// TestEndSticks: a sign-out that cannot be done is an error page, the cookie
// stays, and the visitor can try again. A panic does not undo one.
func TestEndSticks(t *testing.T) {
	m, _, faulty := newStored(t, func(c *sojourn.Config) { c.StoreTimeout = 200 * time.Millisecond })
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
	faulty.Plan(storetest.Every(storetest.Delete, 1, storetest.Fault{Before: storetest.ErrFault}))
	failed := b.do(func(ctx context.Context) { sojourn.End(ctx); color.Set(ctx, "x") })
	if failed.StatusCode != 503 || setCookie(failed) != "" {
		t.Errorf("answered %d, %q", failed.StatusCode, setCookie(failed))
	}
	faulty.Plan(storetest.Nth(storetest.Delete, faulty.Calls(storetest.Delete)+1, storetest.Fault{After: storetest.ErrFault}))
	copied := b.clone()
	func() {
		defer func() { recover() }()
		b.do(func(ctx context.Context) { sojourn.End(ctx); panic("later") })
	}()
	if owner(copied) != "" {
		t.Error("a panic undid the sign-out")
	}
}

// TestStoredUpdateNow: it decides on what is stored, and what else is pending
// stays so.
func TestStoredUpdateNow(t *testing.T) {
	m, _, _ := newStored(t, nil)
	tooMany := errors.New("too many")
	limited := func(n int, _ bool) (int, error) {
		if n >= 5 {
			return 0, tooMany
		}
		return n + 1, nil
	}
	fresh := newBrowser(t, m)
	fresh.do(func(ctx context.Context) { // the record is created first if there is none
		color.Set(ctx, "pending")
		if n, err := counter.UpdateNow(ctx, limited); n != 1 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		listing, err := m.Sessions(ctx, "", store.Page{Limit: 1})
		if len(listing.Records) != 0 || err != nil {
			t.Errorf("nobody has %d sessions, %v", len(listing.Records), err)
		}
		if color.GetOr(ctx, "") != "pending" || counter.GetOr(ctx, 0) != 1 {
			t.Errorf("reads %q and %d", color.GetOr(ctx, ""), counter.GetOr(ctx, 0))
		}
	})
	fresh.do(func(ctx context.Context) {
		if color.GetOr(ctx, "") != "pending" || counter.GetOr(ctx, 0) != 1 {
			t.Errorf("then %q and %d", color.GetOr(ctx, ""), counter.GetOr(ctx, 0))
		}
	})
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { counter.Set(ctx, 0) })
	second := process(t, m.Store())
	var all sync.WaitGroup
	var mu sync.Mutex
	got := map[int]int{}
	for i := range 20 {
		copied := b.clone()
		if i%2 == 0 {
			copied.m = second
		}
		all.Go(func() {
			copied.do(func(ctx context.Context) {
				sojourn.From(ctx).Set(fmt.Sprint("other", i), true)
				n, err := counter.UpdateNow(ctx, limited)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					got[n]++
				} else if errors.Is(err, tooMany) {
					got[0]++
				} else {
					t.Error(err)
				}
			})
		})
	}
	all.Wait()
	if fmt.Sprint(got) != "map[0:15 1:1 2:1 3:1 4:1 5:1]" {
		t.Errorf("of 20 tries of 5: %v", got)
	}
	b.do(func(ctx context.Context) {
		if n := sojourn.From(ctx).Len(); n != 21 {
			t.Errorf("%d fields, want 21", n)
		}
	})
	// After Clear only what came later stays; a clear is pending like the rest.
	b.do(func(ctx context.Context) {
		sojourn.From(ctx).Clear()
		color.Set(ctx, "after")
		if n, err := counter.UpdateNow(ctx, func(n int, present bool) (int, error) { return n + 100, nil }); n != 100 || err != nil {
			t.Errorf("after Clear: %d, %v", n, err)
		}
	})
	b.do(func(ctx context.Context) {
		if n := sojourn.From(ctx).Len(); n != 2 || counter.GetOr(ctx, 0) != 100 {
			t.Errorf("%d fields, counter %d", n, counter.GetOr(ctx, 0))
		}
	})
	// With a sign-in in the same request it is the new session's.
	b.do(func(ctx context.Context) {
		sojourn.SignIn(ctx, "alice")
		if n, err := counter.UpdateNow(ctx, func(n int, _ bool) (int, error) { return n + 1, nil }); n != 101 || err != nil {
			t.Errorf("with a sign-in: %d, %v", n, err)
		}
	})
	if owner(b) != "alice" {
		t.Errorf("then %q", owner(b))
	}
}

// TestUpdateFunctions: an update may read the session, use another one, and
// take its time; no lock of ours is held. It may not end or save its own.
func TestUpdateFunctions(t *testing.T) {
	m, _, _ := newStored(t, nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { counter.Set(ctx, 1) })
	res := b.do(func(ctx context.Context) {
		once := false
		counter.Update(ctx, func(n int) int {
			color.Get(ctx)
			if !once { // a request of its own on the same session, as a call to oneself would make
				once = true
				if res := b.clone().do(func(ctx context.Context) { counter.Update(ctx, func(n int) int { return n + 10 }) }); res.StatusCode != 200 {
					t.Errorf("inside: %d", res.StatusCode)
				}
			}
			return n * 2
		})
	})
	b.do(func(ctx context.Context) {
		if n := counter.GetOr(ctx, 0); res.StatusCode != 200 || n != 22 {
			t.Errorf("answered %d, then %d, want 22", res.StatusCode, n)
		}
	})
	for name, f := range map[string]func(s *sojourn.Session){
		"Save":   func(s *sojourn.Session) { s.Save() },
		"Reload": func(s *sojourn.Session) { s.Reload() },
		"End":    func(s *sojourn.Session) { s.End() },
		"UpdateNow": func(s *sojourn.Session) {
			counter.In(s).UpdateNow(func(int, bool) (int, error) { return 0, nil })
		},
	} {
		synctest.Test(t, func(t *testing.T) { // which fails if it hangs
			b.do(func(ctx context.Context) {
				counter.Update(ctx, func(n int) int { f(sojourn.From(ctx)); return n })
			})
			if got := owner(b); got != "" {
				t.Errorf("%s: %q", name, got)
			}
		})
	}
	panicked := func() (v any) {
		defer func() { v = recover() }()
		b.do(func(ctx context.Context) { counter.Update(ctx, func(int) int { panic("mine") }) })
		return nil
	}()
	if panicked != "mine" {
		t.Errorf("recovered %v", panicked)
	}
	if res := b.do(func(ctx context.Context) { counter.Set(ctx, 5) }); res.StatusCode != 200 {
		t.Errorf("after a panic: %d", res.StatusCode)
	}
}

// TestRun: sweeps about once a minute until its context ends, and starts nothing.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, events, faulty := newStored(t, nil)
		b := newBrowser(t, m)
		b.do(func(ctx context.Context) { color.Set(ctx, "blue") })
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
		defer cancel()
		faulty.Plan(storetest.Nth(storetest.Sweep, 1, storetest.Fault{Before: storetest.ErrFault}))
		if err := m.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Run: %v", err)
		}
		if n := faulty.Calls(storetest.Sweep); n < 90 || n > 160 {
			t.Errorf("%d sweeps in two hours", n)
		}
		if _, ok := events.find(sojourn.EventStore); !ok {
			t.Errorf("a sweep that failed: events %q", events.kinds())
		}
		if listing, err := m.Store().Scan(t.Context(), store.Page{Limit: 10}); err != nil || len(listing.Records) != 0 {
			t.Errorf("%d records left, %v", len(listing.Records), err)
		}
	})
}
