package sojourn_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest"
)

// TestOperations: lists, revoking and sweeping; without a store they are errors.
func TestOperations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cookie, _ := newManager(t, nil)
		_, lerr := cookie.Sessions(t.Context(), "alice", store.Page{Limit: 1})
		_, oerr := cookie.RevokeOwner(t.Context(), "alice", "")
		if rerr := cookie.Revoke(t.Context(), "x"); lerr == nil || oerr == nil || rerr == nil {
			t.Errorf("in a cookie: %v, %v, %v", lerr, oerr, rerr)
		}
		m, events, faulty := newStored(t, nil)
		signIn := func() (*browser, string) {
			b := newBrowser(t, m)
			b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
			handle, _, _ := strings.Cut(b.cookies[tokenCookie], ".")
			return b, handle
		}
		first, handle := signIn()
		other, _ := signIn()
		events.reset()
		if err := m.Revoke(t.Context(), store.NewHandle("alice")); err != nil || events.kinds() != "" {
			t.Errorf("what is not there: %v, events %q", err, events.kinds())
		}
		faulty.Plan(storetest.Nth(storetest.DeleteOwner, 1, lostReply))
		if _, err := m.RevokeOwner(t.Context(), "alice", handle); err != nil || owner(first) != "alice" || owner(other) != "" {
			t.Errorf("all but one, a lost reply: %v, %q and %q", err, owner(first), owner(other))
		}
		if e, ok := events.find(sojourn.EventRevoked); !ok || e.Owner != "alice" || e.Handle != "" {
			t.Errorf("events %q", events.kinds())
		}
		events.reset()
		if err := m.Revoke(t.Context(), handle); err != nil || owner(first) != "" {
			t.Errorf("revoked: %v, %q", err, owner(first))
		}
		if e, ok := events.find(sojourn.EventRevoked); !ok || e.Handle != handle {
			t.Errorf("events %q", events.kinds())
		}
		for range 501 { // more than a batch
			signIn()
		}
		time.Sleep(31 * time.Minute)
		if listing, err := m.Sessions(t.Context(), "alice", store.Page{Limit: 1000}); err != nil || len(listing.Records) != 0 {
			t.Errorf("%d sessions that have expired are listed, %v", len(listing.Records), err)
		}
		if n, err := m.Sweep(t.Context()); n < 501 || err != nil {
			t.Errorf("swept %d, %v", n, err)
		}
	})
}

// TestTouchesOfMany: one session's touch is never taken for another's.
func TestTouchesOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, faulty := newStored(t, nil)
		var all []*browser
		for range 300 {
			b := newBrowser(t, m)
			b.do(func(ctx context.Context) { color.Set(ctx, "blue") })
			all = append(all, b)
		}
		time.Sleep(2 * time.Minute)
		for _, b := range all {
			b.do(func(ctx context.Context) { color.Get(ctx) })
		}
		if n := faulty.Calls(storetest.Touch); n != len(all) {
			t.Errorf("%d touches of %d sessions", n, len(all))
		}
	})
}

// TestFailuresStick: what could not be saved at once is answered with an error
// page, though the store is back when the response begins.
func TestFailuresStick(t *testing.T) {
	for name, f := range map[string]func(ctx context.Context) error{
		"Save": func(ctx context.Context) error { color.Set(ctx, "red"); return sojourn.From(ctx).Save() },
		"UpdateNow": func(ctx context.Context) error {
			_, err := counter.UpdateNow(ctx, func(int, bool) (int, error) { return 1, nil })
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, _, faulty := newStored(t, nil)
				b := newBrowser(t, m)
				b.do(func(ctx context.Context) { color.Set(ctx, "blue") })
				res := b.do(func(ctx context.Context) {
					faulty.Plan(storetest.Every(storetest.Apply, 1, notMade))
					err := f(ctx)
					faulty.Plan(nil)
					if sojourn.HTTPStatus(err) != 503 {
						t.Errorf("returned %v", err)
					}
				})
				if res.StatusCode != 503 {
					t.Errorf("answered %d", res.StatusCode)
				}
			})
		})
	}
}

// TestAfterwards: UpdateNow counts as a change; nothing ends a session once the
// handler has returned.
func TestAfterwards(t *testing.T) {
	m, _, _ := newStored(t, nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
	var after *sojourn.Session
	b.do(func(ctx context.Context) {
		after = sojourn.From(ctx)
		counter.UpdateNow(ctx, func(int, bool) (int, error) { return 1, nil })
		if !after.Modified() {
			t.Error("UpdateNow is no change")
		}
	})
	after.End()
	if err := after.Err(); !errors.Is(err, sojourn.ErrLate) || owner(b) != "alice" {
		t.Errorf("End after the handler: %v, %q", err, owner(b))
	}
}

// TestMovedToken: the token of a session that has moved from Flask's cookie is
// the one of docs/formats.md, and stays so when keys rotate during the move.
func TestMovedToken(t *testing.T) {
	memory := newMemory(t)
	to := func(keys ...string) *sojourn.Manager {
		m, _ := newManager(t, func(c *sojourn.Config) {
			c.Keep = sojourn.InStore(memory)
			c.AlsoRead = []sojourn.Former{{Keep: flask.Signed(ring(t, keys...))}}
		})
		return m
	}
	from, _ := newManager(t, func(c *sojourn.Config) { c.Keep = flask.Signed(ring(t, anotherKey)) })
	b := newBrowser(t, from)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
	copied := b.clone()
	b.m, copied.m = to(anotherKey), to(testKey, anotherKey)
	if owner(b) != "alice" || owner(copied) != "alice" || b.cookies[tokenCookie] != copied.cookies[tokenCookie] {
		t.Errorf("after a rotation another token")
	}
	sum := func(key []byte, text string) []byte {
		mac := hmac.New(sha256.New, key)
		fmt.Fprint(mac, text)
		return mac.Sum(nil)
	}
	handle, secret, _ := strings.Cut(b.cookies[tokenCookie], ".")
	want := sum(sum([]byte(anotherKey), "sojourn flask session identity"), "sojourn moved token v1\x00"+handle)
	if secret != base64.RawURLEncoding.EncodeToString(want) {
		t.Error("the secret is not that of docs/formats.md")
	}
}

// TestEndOfLost: a session ends that was found ended: nothing is asked, and the
// browser's cookie, which may be a newer one, stays.
func TestEndOfLost(t *testing.T) {
	m, _, faulty := newStored(t, nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
	other := b.clone()
	res := b.get(func(_ http.ResponseWriter, r *http.Request) {
		s := sojourn.From(r.Context())
		s.Owner()
		other.do(func(ctx context.Context) { sojourn.End(ctx) })
		s.Reload()
		n := faulty.TotalCalls()
		if s.End(); faulty.TotalCalls() != n {
			t.Errorf("%d calls", faulty.TotalCalls()-n)
		}
	})
	if res.StatusCode != 200 || setCookie(res) != "" {
		t.Errorf("answered %d, %q", res.StatusCode, setCookie(res))
	}
}

// TestSignInAfterLoss: who signs in after his session has ended is signed in.
func TestSignInAfterLoss(t *testing.T) {
	m, _, _ := newStored(t, nil)
	b := newBrowser(t, m)
	b.do(add("a"))
	other := b.clone()
	res := b.do(func(ctx context.Context) {
		items(other)
		cart.Get(ctx)
		other.do(func(ctx context.Context) { sojourn.End(ctx) })
		sojourn.From(ctx).Reload()
		sojourn.SignIn(ctx, "alice")
		add("own")(ctx)
	})
	if res.StatusCode != 200 || owner(b) != "alice" || !strings.HasSuffix(items(b), "own") {
		t.Errorf("answered %d, %q with %q", res.StatusCode, owner(b), items(b))
	}
}

// TestLongOwner: an owner that no store has to take is the visitor's mistake.
func TestLongOwner(t *testing.T) {
	m, _, faulty := newStored(t, nil)
	b := newBrowser(t, m)
	for n, want := range map[int]int{store.MaxOwner: 200, store.MaxOwner + 1: 400} {
		if res := b.do(func(ctx context.Context) { sojourn.SignIn(ctx, strings.Repeat("x", n)) }); res.StatusCode != want {
			t.Errorf("%d bytes: %d, want %d", n, res.StatusCode, want)
		}
	}
	if n := faulty.Calls(storetest.Create); n != 1 {
		t.Errorf("%d creations", n)
	}
}

// TestSavedThenPanic: the token of what Save has saved is left for whoever
// recovers.
func TestSavedThenPanic(t *testing.T) {
	m, _, _ := newStored(t, nil)
	b := newBrowser(t, m)
	handler := m.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		sojourn.SignIn(r.Context(), "alice")
		sojourn.From(r.Context()).Save()
		panic("later")
	}))
	rec := httptest.NewRecorder()
	func() {
		defer func() { recover() }()
		rec.Header().Set("Cache-Control", "public")
		handler.ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	}()
	for _, c := range rec.Result().Cookies() {
		b.cookies[c.Name] = c.Value
	}
	if got := owner(b); got != "alice" {
		t.Errorf("then %q", got)
	}
}

// TestRegenerateTwice: no grace stays no grace; a late tab that regenerates gets
// its token with a public page too.
func TestRegenerateTwice(t *testing.T) {
	m, _, _ := newStored(t, nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
	before := b.clone()
	b.do(func(ctx context.Context) { sojourn.From(ctx).RegenerateNow(); sojourn.From(ctx).Regenerate() })
	if owner(before) != "" || owner(b) != "alice" {
		t.Errorf("before %q, after %q", owner(before), owner(b))
	}
	late := b.clone()
	b.do(func(ctx context.Context) { sojourn.From(ctx).Regenerate() })
	late.get(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public")
		sojourn.From(r.Context()).Regenerate()
	})
	if late.cookies[tokenCookie] != b.cookies[tokenCookie] {
		t.Error("the late tab did not get the token")
	}
}

// TestSignInAfterSave: what is written after another owner's sign-in is counted
// from there.
func TestSignInAfterSave(t *testing.T) {
	m, _, _ := newStored(t, nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
	b.do(func(ctx context.Context) {
		add("a")(ctx)
		sojourn.From(ctx).Save()
		sojourn.SignIn(ctx, "bob")
		color.Set(ctx, "red")
	})
	b.do(func(ctx context.Context) {
		if got := color.GetOr(ctx, ""); got != "red" {
			t.Errorf("then %q", got)
		}
	})
}

// TestStoreConfig: what New refuses about stores.
func TestStoreConfig(t *testing.T) {
	for want, change := range map[string]func(c *sojourn.Config){
		"only a store can count":     func(c *sojourn.Config) { c.OwnerLimit = 1 },
		"OwnerLimit: -1 is negative": func(c *sojourn.Config) { c.Keep, c.OwnerLimit = sojourn.InStore(newMemory(t)), -1 },
		"EndOldest: set OwnerLimit":  func(c *sojourn.Config) { c.Keep, c.EndOldest = sojourn.InStore(newMemory(t)), true },
		"StoreTimeout: -1s is neg":   func(c *sojourn.Config) { c.Keep, c.StoreTimeout = sojourn.InStore(newMemory(t)), -time.Second },
		"Outage: 2 is neither":       func(c *sojourn.Config) { c.Keep, c.Outage = sojourn.InStore(newMemory(t)), 2 },
	} {
		config := sojourn.Config{Keep: flask.Signed(ring(t))}
		change(&config)
		if _, err := sojourn.New(config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestParallelTouch: of requests that run beside each other one records the use.
func TestParallelTouch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, faulty := newStored(t, nil)
		b := newBrowser(t, m)
		b.do(func(ctx context.Context) { color.Set(ctx, "blue") })
		time.Sleep(2 * time.Minute)
		var all sync.WaitGroup
		for range 10 {
			copied := b.clone()
			all.Go(func() {
				copied.do(func(ctx context.Context) { color.Get(ctx); time.Sleep(time.Second) })
			})
		}
		all.Wait()
		if n := faulty.Calls(storetest.Touch); n != 1 {
			t.Errorf("%d touches of 10 requests at once", n)
		}
	})
}

// TestCarriedAgain: when the fields are carried over once more, that is a write
// of its own on top of the first.
func TestCarriedAgain(t *testing.T) {
	faulty := storetest.Faulty(newMemory(t), nil)
	old := ""
	versions := map[store.Version]bool{}
	m := process(t, watchedStore{faulty, func(rec *store.Record) {
		if rec.Handle == old {
			return
		}
		if versions[rec.Version] {
			t.Error("two writes of one version")
		}
		versions[rec.Version] = true
		if n := int(rec.State[2]); n != len(versions) {
			t.Errorf("write %d knows of %d", len(versions), n)
		}
	}})
	b := newBrowser(t, process(t, faulty))
	b.do(add("a"))
	old, _, _ = strings.Cut(b.cookies[tokenCookie], ".")
	other := b.clone()
	when(faulty, storetest.Delete, storetest.Fault{Do: func() { other.do(add("late")) }}, nil)
	b.m = m
	if b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") }); owner(b) != "alice" || items(b) != "a late" || len(versions) != 2 {
		t.Errorf("%q with %q after %d writes", owner(b), items(b), len(versions))
	}
}
