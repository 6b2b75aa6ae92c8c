package sojourn_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/memstore"
	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest"
)

const (
	cart    sojourn.Field[[]string] = "cart"
	counter sojourn.Field[int]      = "counter"
)

const tokenCookie = "__Host-Http-session"

// newStored makes a manager on a memory store that can be made to fail.
func newStored(t testing.TB, change func(*sojourn.Config)) (*sojourn.Manager, *log, *storetest.FaultyStore) {
	t.Helper()
	memory, err := memstore.New(memstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	faulty := storetest.Faulty(memory, nil)
	m, events := newManager(t, func(c *sojourn.Config) {
		c.Keep = sojourn.InStore(faulty)
		if change != nil {
			change(c)
		}
	})
	return m, events, faulty
}

// process makes another manager on the store, as another process has.
func process(t testing.TB, s store.Store) *sojourn.Manager {
	m, _ := newManager(t, func(c *sojourn.Config) { c.Keep = sojourn.InStore(s) })
	return m
}

// add puts something into the cart, as a shop does.
func add(item string) func(ctx context.Context) {
	return func(ctx context.Context) {
		cart.Update(ctx, func(c []string) []string { return append(c, item) })
	}
}

// items is what the browser's cart holds.
func items(b *browser) (list string) {
	b.do(func(ctx context.Context) { c, _ := cart.Get(ctx); list = strings.Join(c, " ") })
	return list
}

// TestStored: sign-in, fields, flashes and sign-out, kept on the server; the
// cookie holds a token and nothing else.
func TestStored(t *testing.T) {
	m, events, _ := newStored(t, nil)
	b := newBrowser(t, m)
	res := b.do(func(ctx context.Context) { color.Set(ctx, "blue") })
	if line := setCookie(res); !strings.HasSuffix(line, "; Secure; HttpOnly; Path=/; SameSite=Lax") || len(b.cookies[tokenCookie]) != 68 {
		t.Errorf("Set-Cookie: %q", line)
	}
	if got := res.Header.Get("Cache-Control"); got != "private, no-store" {
		t.Errorf("Cache-Control %q", got)
	}
	anonymous := b.cookies[tokenCookie]
	b.do(func(ctx context.Context) {
		sojourn.SignIn(ctx, "alice")
		if name, _ := sojourn.Owner(ctx); name != "alice" {
			t.Errorf("at once: %q", name)
		}
		sojourn.Flash(ctx, "info", "welcome")
		sojourn.SecretField[string]("pin").Set(ctx, "1234")
	})
	if b.cookies[tokenCookie] == anonymous {
		t.Error("the token is that of before the sign-in")
	}
	b.do(func(ctx context.Context) {
		pin, _ := sojourn.SecretField[string]("pin").Get(ctx)
		if f := sojourn.Flashes(ctx); len(f) != 1 || color.GetOr(ctx, "") != "blue" || pin != "1234" {
			t.Errorf("flashes %v, color %q, pin %q", f, color.GetOr(ctx, ""), pin)
		}
	})
	signedIn := b.clone()
	if res := b.do(func(ctx context.Context) { sojourn.End(ctx) }); len(b.cookies) != 0 {
		t.Errorf("after End: %q", setCookie(res))
	}
	if name := owner(signedIn); name != "" {
		t.Errorf("the copied token is still %s's", name)
	}
	planted := newBrowser(t, m)
	planted.cookies[tokenCookie] = anonymous
	if planted.do(func(ctx context.Context) { color.Set(ctx, "red") }); planted.cookies[tokenCookie] == anonymous {
		t.Error("a dead token was adopted")
	}
	if got, want := events.kinds(), "created signed-in ended refused refused created"; got != want {
		t.Errorf("events %q, want %q", got, want)
	}
	if e, _ := events.find(sojourn.EventRefused); e.Reason != sojourn.ReasonUnknown {
		t.Errorf("refused because of %q", e.Reason)
	}
}

// TestCalls: what a request asks the store (promise 10).
func TestCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, faulty := newStored(t, nil)
		b := newBrowser(t, m)
		calls := func(b *browser, f func(ctx context.Context)) string {
			before := map[storetest.Verb]int{}
			verbs := []storetest.Verb{storetest.Load, storetest.Create, storetest.Apply, storetest.Touch, storetest.Delete}
			for _, v := range verbs {
				before[v] = faulty.Calls(v)
			}
			b.do(f)
			var list []string
			for _, v := range verbs {
				for range faulty.Calls(v) - before[v] {
					list = append(list, string(v))
				}
			}
			return strings.Join(list, " ")
		}
		read := func(ctx context.Context) { color.Get(ctx) }
		write := func(ctx context.Context) { color.Update(ctx, func(s string) string { return s + "x" }) }
		strange, copied := newBrowser(t, m), newBrowser(t, m)
		strange.cookies[tokenCookie] = strings.Repeat("x", 68)
		for _, test := range []struct {
			name string
			b    *browser
			f    func(ctx context.Context)
			want string
		}{
			{"no cookie, read", newBrowser(t, m), read, ""},
			{"no cookie, signed out", newBrowser(t, m), func(ctx context.Context) { sojourn.End(ctx) }, ""},
			{"not a token", strange, read, ""},
			{"new", b, write, "Create"},
			{"untouched", b, func(context.Context) {}, ""},
			{"read", b, read, "Load"},
			{"write", b, write, "Load Apply"},
			{"written as it was", b, func(ctx context.Context) { color.Set(ctx, color.GetOr(ctx, "")) }, "Load"},
			{"sign-in", b, func(ctx context.Context) { sojourn.SignIn(ctx, "alice") }, "Load Create Delete"},
			{"sign-in of the same owner", b, func(ctx context.Context) { sojourn.SignIn(ctx, "alice") }, "Load Create"},
			{"regenerate", b, func(ctx context.Context) { sojourn.From(ctx).Regenerate() }, "Load Apply"},
			{"end", b, func(ctx context.Context) { copied.cookies = maps.Clone(b.cookies); sojourn.End(ctx) }, "Load Delete"},
			{"ended", copied, read, "Load"},
		} {
			if got := calls(test.b, test.f); got != test.want {
				t.Errorf("%s: %q, want %q", test.name, got, test.want)
			}
		}
		b = newBrowser(t, m)
		b.do(write)
		before := faulty.Calls(storetest.Touch)
		for range 60 { // an hour of a request a minute, and nine more beside each
			time.Sleep(time.Minute)
			var all sync.WaitGroup
			for range 10 {
				all.Go(func() { b.clone().do(read) })
			}
			all.Wait()
		}
		if n := faulty.Calls(storetest.Touch) - before; n != 60 {
			t.Errorf("%d touches in an hour of 10 requests a minute, want 60", n)
		}
	})
}

// TestStoredClocks: idle and absolute timeout of a stored session (promise 6).
func TestStoredClocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, events, _ := newStored(t, func(c *sojourn.Config) {
			c.IdleTimeout, c.AbsoluteTimeout, c.AnonymousIdle = 10*time.Minute, time.Hour, 5*time.Minute
		})
		alive := func(b *browser) (alive bool) {
			b.do(func(ctx context.Context) { _, alive = color.Get(ctx) })
			return alive
		}
		start := func(owner string) *browser {
			b := newBrowser(t, m)
			b.do(func(ctx context.Context) {
				color.Set(ctx, "blue")
				if owner != "" {
					sojourn.SignIn(ctx, owner)
				}
			})
			return b
		}
		for _, test := range []struct {
			owner string
			idle  time.Duration
		}{{"", 5 * time.Minute}, {"alice", 10 * time.Minute}} {
			early, late := start(test.owner), start(test.owner)
			time.Sleep(test.idle - time.Second)
			if !alive(early) {
				t.Errorf("%q ended before %v", test.owner, test.idle)
			}
			time.Sleep(2 * time.Second)
			if alive(late) {
				t.Errorf("%q lives after %v", test.owner, test.idle)
			}
		}
		if _, ok := events.find(sojourn.EventExpired); !ok {
			t.Errorf("events %q", events.kinds())
		}
		b, polled := start("bob"), start("carol")
		begun := time.Now()
		for time.Since(begun) < time.Hour-time.Minute {
			time.Sleep(time.Minute)
			if !alive(b) {
				t.Fatalf("ended after %v", time.Since(begun))
			}
			if time.Since(begun) == 30*time.Minute { // a new token is no new session
				b.do(func(ctx context.Context) { sojourn.From(ctx).Regenerate() })
			}
			if time.Since(begun) < 9*time.Minute {
				polled.do(func(ctx context.Context) {
					sojourn.From(ctx).NoActivity()
					counter.Update(ctx, func(n int) int { return n + 1 })
				})
			}
			if time.Since(begun) == 11*time.Minute && alive(polled) {
				t.Error("kept alive by what is no activity")
			}
		}
		time.Sleep(time.Minute + time.Second)
		if alive(b) {
			t.Error("lives after the absolute timeout")
		}
		if n, err := m.Sweep(t.Context()); err != nil || n == 0 {
			t.Errorf("swept %d, %v", n, err)
		}
	})
}

// TestNoResurrection: a slow request cannot bring back what has ended while it
// ran, sends no cookie, and is answered as its handler meant (promise 3).
func TestNoResurrection(t *testing.T) {
	ends := map[string]func(m *sojourn.Manager, b *browser) error{
		"logout": func(_ *sojourn.Manager, b *browser) error {
			b.do(func(ctx context.Context) { sojourn.End(ctx) })
			return nil
		},
		"revoke": func(m *sojourn.Manager, b *browser) (err error) {
			b.do(func(ctx context.Context) { err = m.Revoke(ctx, sojourn.From(ctx).Handle()) })
			return err
		},
		"revoke by owner": func(m *sojourn.Manager, b *browser) error {
			if n, err := m.RevokeOwner(context.Background(), "alice", ""); n != 1 || err != nil {
				return fmt.Errorf("revoked %d, %v", n, err)
			}
			return nil
		},
		"sign-in": func(_ *sojourn.Manager, b *browser) error {
			b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
			return nil
		},
		"sign-in of another": func(_ *sojourn.Manager, b *browser) error {
			b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "bob") })
			return nil
		},
		"expiry": func(*sojourn.Manager, *browser) error { time.Sleep(31 * time.Minute); return nil },
		"sweep": func(m *sojourn.Manager, b *browser) error {
			time.Sleep(31 * time.Minute)
			_, err := m.Sweep(context.Background())
			return err
		},
	}
	slow := map[string]func(ctx context.Context){
		"read":       func(ctx context.Context) { color.Get(ctx) },
		"write":      func(ctx context.Context) { color.Set(ctx, "red") },
		"update":     func(ctx context.Context) { counter.Update(ctx, func(n int) int { return n + 1 }) },
		"regenerate": func(ctx context.Context) { sojourn.From(ctx).Regenerate() },
		"permanent":  func(ctx context.Context) { sojourn.From(ctx).SetPermanent(true) },
	}
	for how, end := range ends {
		for what, change := range slow {
			t.Run(how+"/"+what, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m, events, _ := newStored(t, nil)
					b := newBrowser(t, m)
					b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice"); color.Set(ctx, "blue") })
					before := b.clone()
					time.Sleep(2 * time.Minute) // a touch is due
					events.reset()
					res := b.clone().get(func(w http.ResponseWriter, r *http.Request) {
						color.Get(r.Context())
						if err := end(m, b); err != nil {
							t.Error(err)
						}
						change(r.Context())
						fmt.Fprint(w, "as meant")
						if err := sojourn.From(r.Context()).Err(); !errors.Is(err, sojourn.ErrEnded) && !(what == "read" && err == nil) {
							t.Errorf("Err: %v", err)
						}
					})
					if res.StatusCode != 200 || setCookie(res) != "" {
						t.Errorf("answered %d, %q", res.StatusCode, setCookie(res))
					}
					if _, ok := events.find(sojourn.EventDropped); ok != (what != "read") {
						t.Errorf("events %q", events.kinds())
					}
					before.do(func(ctx context.Context) {
						if name, in := sojourn.Owner(ctx); in || !sojourn.From(ctx).IsNew() {
							t.Errorf("the old token is %q's again", name)
						}
					})
				})
			})
		}
	}
}

// TestStoredUpdates: parallel requests on one session lose nothing (promise
// 2), here within one process and without a handler's delay.
func TestStoredUpdates(t *testing.T) {
	m, _, _ := newStored(t, nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { color.Set(ctx, "blue") })
	const n = 50
	var all sync.WaitGroup
	for i := range n {
		copied := b.clone()
		all.Go(func() {
			res := copied.do(func(ctx context.Context) {
				sojourn.From(ctx).Set(fmt.Sprint("field", i), i)
				counter.Update(ctx, func(n int) int { return n + 1 })
				sojourn.Flash(ctx, "info", fmt.Sprint(i))
				if i == n/2 {
					sojourn.From(ctx).Regenerate()
				}
			})
			if res.StatusCode != 200 {
				t.Errorf("answered %d", res.StatusCode)
			}
		})
	}
	all.Wait()
	b.do(func(ctx context.Context) {
		if got := sojourn.From(ctx).Len(); got != n+3 {
			t.Errorf("%d fields, want %d", got, n+3)
		}
		if got := counter.GetOr(ctx, 0); got != n {
			t.Errorf("counted %d of %d", got, n)
		}
		if got := len(sojourn.Flashes(ctx)); got != n {
			t.Errorf("%d flashes of %d", got, n)
		}
	})
}

// TestRegenerateGrace: the token before is good for ten seconds and leads to
// the new one; with RegenerateNow it is not.
func TestRegenerateGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, events, _ := newStored(t, nil)
		b := newBrowser(t, m)
		b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
		late, later := b.clone(), b.clone()
		handle := ""
		b.do(func(ctx context.Context) { handle = sojourn.From(ctx).Handle(); sojourn.From(ctx).Regenerate() })
		if b.cookies[tokenCookie] == late.cookies[tokenCookie] {
			t.Fatal("the token is the same")
		}
		b.do(func(ctx context.Context) {
			if got := sojourn.From(ctx).Handle(); got != handle {
				t.Errorf("the handle changed from %s to %s", handle, got)
			}
		})
		time.Sleep(9 * time.Second)
		if owner(late) != "alice" || late.cookies[tokenCookie] != b.cookies[tokenCookie] {
			t.Error("within the grace the token before did not lead to the new one")
		}
		// A late tab that regenerates too gets the same token, and leaves the
		// others their grace.
		again := later.clone()
		again.do(func(ctx context.Context) { sojourn.From(ctx).Regenerate() })
		if again.cookies[tokenCookie] != b.cookies[tokenCookie] {
			t.Error("a second regenerate from the same token made another one")
		}
		time.Sleep(2 * time.Second)
		events.reset()
		if name := owner(later); name != "" {
			t.Errorf("after the grace the token before is still %s's", name)
		}
		if e, _ := events.find(sojourn.EventRefused); e.Reason != sojourn.ReasonSecret {
			t.Errorf("events %q, reason %q", events.kinds(), e.Reason)
		}
		before := b.clone()
		b.do(func(ctx context.Context) { sojourn.From(ctx).RegenerateNow() })
		if owner(before) != "" || owner(b) != "alice" {
			t.Errorf("RegenerateNow: before %q, after %q", owner(before), owner(b))
		}
	})
}

// TestOutage: a store that is down is never an empty session that can be
// written, and its cookie stays (promise 15).
func TestOutage(t *testing.T) {
	down := func(storetest.Call) storetest.Fault { return storetest.Fault{Before: storetest.ErrFault} }
	handlers := map[string]struct {
		f              func(ctx context.Context)
		refuse, follow int // the answers by policy
	}{
		"untouched": {func(context.Context) {}, 200, 200},
		"read":      {func(ctx context.Context) { color.Get(ctx) }, 503, 200},
		"write":     {func(ctx context.Context) { color.Set(ctx, "red") }, 503, 503},
		"sign-in":   {func(ctx context.Context) { sojourn.SignIn(ctx, "bob") }, 503, 503},
		"end":       {func(ctx context.Context) { sojourn.End(ctx) }, 503, 503},
		"now":       {func(ctx context.Context) { counter.UpdateNow(ctx, func(int, bool) (int, error) { return 1, nil }) }, 503, 503},
		"save":      {func(ctx context.Context) { color.Set(ctx, "red"); sojourn.From(ctx).Save() }, 503, 503},
		"renew":     {func(ctx context.Context) { sojourn.From(ctx).Regenerate() }, 503, 503},
	}
	for name, test := range handlers {
		for _, policy := range []sojourn.Outage{sojourn.OutageRefuse, sojourn.OutageAnonymous} {
			synctest.Test(t, func(t *testing.T) {
				m, events, faulty := newStored(t, func(c *sojourn.Config) { c.Outage = policy })
				b := newBrowser(t, m)
				b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice"); color.Set(ctx, "blue") })
				token := b.cookies[tokenCookie]
				events.reset()
				faulty.Plan(down)
				res := b.do(test.f)
				want := test.refuse
				if policy == sojourn.OutageAnonymous {
					want = test.follow
				}
				if res.StatusCode != want || setCookie(res) != "" || b.cookies[tokenCookie] != token {
					t.Errorf("%s, policy %d: answered %d, want %d; cookie %q", name, policy, res.StatusCode, want, setCookie(res))
				}
				if (res.Header.Get("Retry-After") != "") != (want == 503) {
					t.Errorf("%s, policy %d: Retry-After %q", name, policy, res.Header.Get("Retry-After"))
				}
				if name != "untouched" && events.kinds() == "" {
					t.Errorf("%s, policy %d: no event", name, policy)
				}
				faulty.Plan(nil)
				if owner(b) != "alice" {
					t.Errorf("%s, policy %d: signed out by an outage", name, policy)
				}
				b.do(func(ctx context.Context) {
					if got := color.GetOr(ctx, ""); got != "blue" {
						t.Errorf("%s, policy %d: written over what was not read: %q", name, policy, got)
					}
				})
			})
		}
	}
}

// TestPreload: loads before the handler runs, and answers in its place.
func TestPreload(t *testing.T) {
	m, _, faulty := newStored(t, func(c *sojourn.Config) { c.Outage = sojourn.OutageAnonymous })
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
	ran := false
	handler := m.Preload(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		name, _ := sojourn.Owner(r.Context())
		ran = name == "alice"
	}))
	if res := b.get(handler.ServeHTTP); res.StatusCode != 200 || !ran {
		t.Errorf("answered %d, ran %v", res.StatusCode, ran)
	}
	ran = false
	faulty.Plan(storetest.Every(storetest.Load, 1, storetest.Fault{Before: storetest.ErrFault}))
	if res := b.get(handler.ServeHTTP); res.StatusCode != 503 || ran {
		t.Errorf("store down: answered %d, ran %v", res.StatusCode, ran)
	}
	if res := newBrowser(t, m).get(m.Preload(http.NotFoundHandler()).ServeHTTP); res.StatusCode != 404 {
		t.Errorf("without a cookie: %d", res.StatusCode)
	}
}

// TestSlowStore: a store that hangs is waited for no longer than StoreTimeout,
// also by those who queue behind.
func TestSlowStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, faulty := newStored(t, func(c *sojourn.Config) { c.StoreTimeout = 2 * time.Second })
		b := newBrowser(t, m)
		b.do(func(ctx context.Context) { color.Set(ctx, "blue") })
		for _, verb := range []storetest.Verb{storetest.Load, storetest.Apply} {
			faulty.Plan(storetest.Every(verb, 1, storetest.Fault{Delay: time.Hour}))
			var all sync.WaitGroup
			for range 50 {
				copied := b.clone()
				all.Go(func() {
					begun := time.Now()
					res := copied.do(func(ctx context.Context) { counter.Update(ctx, func(n int) int { return n + 1 }) })
					if took := time.Since(begun); res.StatusCode != 503 || took > 2*time.Second {
						t.Errorf("%s hangs: answered %d after %v", verb, res.StatusCode, took)
					}
				})
			}
			all.Wait()
		}
	})
}

// TestOwnerLimit: how many sessions an owner may have (ASVS 7.1.2).
func TestOwnerLimit(t *testing.T) {
	for _, oldest := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			m, events, _ := newStored(t, func(c *sojourn.Config) { c.OwnerLimit, c.EndOldest = 2, oldest })
			var browsers []*browser
			var last *http.Response
			for range 3 {
				b := newBrowser(t, m)
				last = b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
				browsers = append(browsers, b)
				time.Sleep(time.Second)
			}
			in := fmt.Sprint(owner(browsers[0]), ",", owner(browsers[1]), ",", owner(browsers[2]))
			if oldest && (last.StatusCode != 200 || in != ",alice,alice") {
				t.Errorf("the oldest was to end: answered %d, signed in %s", last.StatusCode, in)
			}
			if !oldest && (last.StatusCode != 409 || in != "alice,alice,") {
				t.Errorf("answered %d, signed in %s", last.StatusCode, in)
			}
			if _, ok := events.find(sojourn.EventRevoked); ok != oldest {
				t.Errorf("events %q", events.kinds())
			}
			// Signing in again replaces, and does not count.
			if res := browsers[1].do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") }); res.StatusCode != 200 || owner(browsers[1]) != "alice" {
				t.Errorf("again: %d", res.StatusCode)
			}
			listing, err := m.Sessions(t.Context(), "alice", store.Page{Limit: 10})
			if err != nil || len(listing.Records) != 2 {
				t.Errorf("%d sessions, %v", len(listing.Records), err)
			}
		})
	}
}
