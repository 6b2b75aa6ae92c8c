package sojourn_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest"
)

// cookieForms are the forms in which a revocation list makes a difference.
func cookieForms(t testing.TB) map[string]func() sojourn.Keeper {
	return map[string]func() sojourn.Keeper{
		"signed":    func() sojourn.Keeper { return flask.Signed(ring(t)) },
		"encrypted": func() sojourn.Keeper { return sojourn.Encrypted(ring(t)) },
	}
}

// newListed makes a manager on a cookie with a revocation list.
func newListed(t testing.TB, keep sojourn.Keeper, list store.Store, change func(*sojourn.Config)) (*sojourn.Manager, *log) {
	return newManager(t, func(c *sojourn.Config) {
		c.Keep, c.Revocations = keep, list
		if change != nil {
			change(c)
		}
	})
}

// on is the browser with its cookies, as it visits another process.
func (b *browser) on(m *sojourn.Manager) *browser {
	other := b.clone()
	other.m = m
	return other
}

// signedIn returns a browser in which alice is signed in.
func signedIn(t testing.TB, m *sojourn.Manager) *browser {
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice"); color.Set(ctx, "blue") })
	if owner(b) != "alice" {
		t.Fatal("nobody is signed in")
	}
	return b
}

// endings are the ways in which a session ends before its time.
var endings = map[string]func(b *browser) error{
	"End":     func(b *browser) error { b.do(sojourn.End); return nil },
	"SignIn":  func(b *browser) error { b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") }); return nil },
	"another": func(b *browser) error { b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "bob") }); return nil },
	"step-up": func(b *browser) error {
		b.do(func(ctx context.Context) { sojourn.From(ctx).RegenerateNow() })
		return nil
	},
	"Revoke":    func(b *browser) error { return b.m.Revoke(context.Background(), nameOf(b)) },
	"owner":     func(b *browser) error { _, err := b.m.RevokeOwner(context.Background(), "alice", ""); return err },
	"everybody": func(b *browser) error { _, err := b.m.RevokeAll(context.Background(), time.Now()); return err },
	"End, then a panic": func(b *browser) error {
		defer func() { _ = recover() }()
		b.do(func(ctx context.Context) { sojourn.End(ctx); panic(http.ErrAbortHandler) })
		return nil
	},
}

// nameOf is the handle of a browser's session.
func nameOf(b *browser) (handle string) {
	b.do(func(ctx context.Context) { handle = sojourn.From(ctx).Handle() })
	return handle
}

// TestReplay: a copy of a cookie that was made before its session ended is
// refused: at once by the process that ended it, and by another within the delay.
func TestReplay(t *testing.T) {
	for form, keep := range cookieForms(t) {
		for how, end := range endings {
			for _, delay := range []time.Duration{0, 10 * time.Second} {
				t.Run(form+"/"+how+"/"+delay.String(), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						list := newMemory(t)
						set := func(c *sojourn.Config) { c.RevocationDelay = delay }
						m, _ := newListed(t, keep(), list, set)
						other, events := newListed(t, keep(), list, set)
						b := signedIn(t, m)
						copied := b.clone()
						if owner(copied.on(other)) != "alice" {
							t.Fatal("the other process does not know the session")
						}
						time.Sleep(time.Second)
						if err := end(b); err != nil {
							t.Fatal(err)
						}
						if got := owner(copied); got != "" {
							t.Errorf("the process that ended it: %q", got)
						}
						time.Sleep(delay)
						events.reset()
						if got := owner(copied.on(other)); got != "" {
							t.Errorf("another process after %v: %q", delay, got)
						}
						if e, _ := events.find(sojourn.EventRefused); e.Reason != sojourn.ReasonRevoked {
							t.Errorf("reason %q", e.Reason)
						}
						time.Sleep(24 * time.Hour)
						if n, err := m.Sweep(t.Context()); n == 0 || err != nil {
							t.Errorf("swept %d, %v", n, err)
						}
					})
				})
			}
		}
	}
}

// TestNoReplayWithoutEnd is the other side: what did not end goes on.
func TestNoReplayWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list := newMemory(t)
		m, _ := newListed(t, sojourn.Encrypted(ring(t)), list, nil)
		alice, again, bob := signedIn(t, m), signedIn(t, m), newBrowser(t, m)
		bob.do(func(ctx context.Context) { sojourn.SignIn(ctx, "bob") })
		time.Sleep(time.Second)
		if _, err := m.RevokeOwner(t.Context(), "alice", nameOf(again)); err != nil {
			t.Fatal(err)
		}
		if owner(alice) != "" || owner(again) != "alice" || owner(bob) != "bob" {
			t.Errorf("%q %q %q", owner(alice), owner(again), owner(bob))
		}
		if owner(signedIn(t, m)) != "alice" { // at the same moment
			t.Error("a sign-in right after does not hold")
		}
		again.do(func(ctx context.Context) { sojourn.From(ctx).Regenerate() })
		if owner(again) != "alice" {
			t.Error("regenerated")
		}
	})
}

// TestClockAhead: a sign-in holds though the process that said "log out
// everywhere" had a clock that is ahead.
func TestClockAhead(t *testing.T) {
	for form, keep := range cookieForms(t) {
		t.Run(form, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				list := newMemory(t)
				m, _ := newListed(t, keep(), list, nil)
				time.Sleep(500 * time.Millisecond)
				if _, err := m.RevokeAll(t.Context(), time.Now().Add(time.Second)); err != nil {
					t.Fatal(err)
				}
				b := signedIn(t, m)
				time.Sleep(time.Minute)
				if owner(b) != "alice" {
					t.Error("the sign-in does not hold")
				}
			})
		})
	}
}

// fail makes every call fail.
func fail(s *storetest.FaultyStore) {
	s.Plan(func(storetest.Call) storetest.Fault { return storetest.Fault{Before: storetest.ErrFault} })
}

// TestListAway: while the list cannot be read, no cookie is accepted that might
// have been revoked: it is an outage. A sign-out and a sign-in that cannot be
// noted are error pages, and the cookie stays.
func TestListAway(t *testing.T) {
	for _, delay := range []time.Duration{0, 10 * time.Second} {
		t.Run(delay.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				list := storetest.Faulty(newMemory(t), nil)
				m, events := newListed(t, sojourn.Encrypted(ring(t)), list, func(c *sojourn.Config) { c.RevocationDelay = delay })
				b := signedIn(t, m)
				before := b.cookies[tokenCookie]
				fail(list)
				time.Sleep(delay + time.Second)
				res := b.do(func(ctx context.Context) { sojourn.Owner(ctx) })
				if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" || setCookie(res) != "" {
					t.Errorf("status %d, Set-Cookie %q", res.StatusCode, setCookie(res))
				}
				for name, f := range map[string]func(context.Context){
					"End": sojourn.End, "SignIn": func(ctx context.Context) { sojourn.SignIn(ctx, "bob") },
					"write": func(ctx context.Context) { color.Set(ctx, "red") },
				} {
					if res := b.do(f); res.StatusCode != http.StatusServiceUnavailable || setCookie(res) != "" {
						t.Errorf("%s: status %d, Set-Cookie %q", name, res.StatusCode, setCookie(res))
					}
				}
				if _, failed := events.find(sojourn.EventFailed); !failed {
					t.Errorf("events: %s", events.kinds())
				}
				if _, err := m.RevokeOwner(t.Context(), "alice", ""); err == nil {
					t.Error("RevokeOwner: no error")
				}
				list.Plan(nil)
				if b.cookies[tokenCookie] != before || owner(b) != "alice" {
					t.Error("the session did not survive")
				}
			})
		})
	}
}

// TestListAwayAnonymous: with OutageAnonymous pages can be read as by nobody, and
// nothing is written.
func TestListAwayAnonymous(t *testing.T) {
	list := storetest.Faulty(newMemory(t), nil)
	m, _ := newListed(t, sojourn.Encrypted(ring(t)), list, func(c *sojourn.Config) {
		c.Outage = sojourn.OutageAnonymous
		c.StoreTimeout = 4 * time.Millisecond
	})
	b := signedIn(t, m)
	fail(list)
	res := b.do(func(ctx context.Context) {
		if name, ok := sojourn.Owner(ctx); ok {
			t.Errorf("signed in as %q", name)
		}
	})
	if res.StatusCode != 200 || setCookie(res) != "" || !strings.Contains(res.Header.Get("Vary"), "Cookie") {
		t.Errorf("%d %q", res.StatusCode, setCookie(res))
	}
	if res := b.do(func(ctx context.Context) { color.Set(ctx, "red") }); res.StatusCode != 503 {
		t.Errorf("a write: %d", res.StatusCode)
	}
	if res := b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "eve") }); res.StatusCode != 503 {
		t.Errorf("a sign-in: %d", res.StatusCode)
	}
	res = b.get(m.Preload(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the handler ran") })).ServeHTTP)
	if res.StatusCode != 503 {
		t.Errorf("Preload: %d", res.StatusCode)
	}
}

// TestOvertaken: a request that is slow while its session ends elsewhere is
// answered normally. What it wrote is dropped, and it sends no cookie that could
// take the place of a newer one.
func TestOvertaken(t *testing.T) {
	for form, keep := range cookieForms(t) {
		for how, end := range endings {
			t.Run(form+"/"+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m, events := newListed(t, keep(), newMemory(t), nil)
					b := signedIn(t, m)
					slow := b.clone()
					time.Sleep(time.Second)
					var err error
					res := slow.get(func(w http.ResponseWriter, r *http.Request) {
						color.Set(r.Context(), "red")
						if err := end(b); err != nil {
							t.Error(err)
						}
						w.Write([]byte("done"))
						err = sojourn.From(r.Context()).Err()
					})
					if res.StatusCode != 200 || setCookie(res) != "" || !errors.Is(err, sojourn.ErrEnded) {
						t.Errorf("%d, %q, %v", res.StatusCode, setCookie(res), err)
					}
					if _, ok := events.find(sojourn.EventDropped); !ok {
						t.Errorf("events: %s", events.kinds())
					}
				})
			})
		}
	}
}

// TestOvertakenSignIn: a sign-in in a session that has ended meanwhile stands, and
// carries nothing of it over.
func TestOvertakenSignIn(t *testing.T) {
	m, _ := newListed(t, sojourn.Encrypted(ring(t)), newMemory(t), nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { color.Set(ctx, "blue") })
	slow := b.clone()
	slow.do(func(ctx context.Context) {
		counter.Set(ctx, 1)
		sojourn.SignIn(ctx, "alice")
		cart.Set(ctx, []string{"tea"})
		b.do(sojourn.End)
	})
	slow.do(func(ctx context.Context) {
		name, _ := sojourn.Owner(ctx)
		_, before := color.Get(ctx)
		_, early := counter.Get(ctx)
		list, _ := cart.Get(ctx)
		if name != "alice" || before || early || len(list) != 1 {
			t.Errorf("%q, color %v, counter %v, cart %q", name, before, early, list)
		}
	})
}

// TestEndAfterResponse: with a list, End works as long as the handler runs.
func TestEndAfterResponse(t *testing.T) {
	m, _ := newListed(t, sojourn.Encrypted(ring(t)), newMemory(t), nil)
	b := signedIn(t, m)
	b.get(func(w http.ResponseWriter, r *http.Request) {
		sojourn.Owner(r.Context())
		w.(http.Flusher).Flush()
		sojourn.End(r.Context())
		if err := sojourn.From(r.Context()).Err(); err != nil {
			t.Error(err)
		}
	})
	if got := owner(b); got != "" {
		t.Errorf("still signed in as %q", got)
	}
}

// TestWithoutList: what cannot be done is an error and not silence.
func TestWithoutList(t *testing.T) {
	m, _ := newManager(t, func(c *sojourn.Config) { c.Keep = sojourn.Encrypted(ring(t)) })
	for name, err := range map[string]error{
		"Revoke":      m.Revoke(t.Context(), store.NewHandle("alice")),
		"RevokeOwner": second(m.RevokeOwner(t.Context(), "alice", "")),
		"RevokeAll":   second(m.RevokeAll(t.Context(), time.Now())),
	} {
		if err == nil || !strings.Contains(err.Error(), "Config.Revocations") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// TestListConfig: what is wrong with the configuration is said.
func TestListConfig(t *testing.T) {
	for want, change := range map[string]func(*sojourn.Config){
		"set Revocations too":            func(c *sojourn.Config) { c.RevocationDelay = time.Minute },
		"is less than 2s":                func(c *sojourn.Config) { c.Revocations, c.RevocationDelay = newMemory(t), time.Second },
		"is not less than Abs":           func(c *sojourn.Config) { c.Revocations, c.RevocationDelay = newMemory(t), 12*time.Hour },
		"is less than 2s, ":              func(c *sojourn.Config) { c.Revocations, c.RevocationDelay = newMemory(t), -time.Minute },
		"keeps no identity":              func(c *sojourn.Config) { c.Keep, c.Revocations = flask.Exact(ring(t), flask.Settings{}), newMemory(t) },
		"that other programs":            func(c *sojourn.Config) { c.Keep = flask.Signed(ring(t)).SpillTo(newMemory(t)) },
		"given a nil store":              func(c *sojourn.Config) { c.Keep = sojourn.Encrypted(ring(t)).SpillTo(nil) },
		"no key to encrypt":              func(c *sojourn.Config) { c.Keep = sojourn.Encrypted(nil) },
		"show what was secret; set Stay": func(c *sojourn.Config) { c.AlsoRead = []sojourn.Former{{Keep: sojourn.Encrypted(ring(t))}} },
		"or set Stay to leave":           func(c *sojourn.Config) { c.AlsoRead = []sojourn.Former{{Keep: sojourn.InStore(newMemory(t))}} },
	} {
		config := sojourn.Config{Keep: flask.Signed(ring(t))}
		change(&config)
		if _, err := sojourn.New(config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

// TestRunRefreshes: Run keeps the list fresh, so that requests find it so.
func TestRunRefreshes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list := storetest.Faulty(newMemory(t), nil)
		set := func(c *sojourn.Config) { c.RevocationDelay = 10 * time.Second }
		m, _ := newListed(t, sojourn.Encrypted(ring(t)), list, set)
		ctx, stop := context.WithCancel(t.Context())
		ran := make(chan error)
		go func() { ran <- m.Run(ctx) }()
		b := signedIn(t, m)
		for range 20 {
			time.Sleep(30 * time.Second)
			synctest.Wait()
			before := list.TotalCalls()
			if owner(b) != "alice" {
				t.Fatal("signed out")
			}
			if n := list.TotalCalls() - before; n != 0 {
				t.Fatalf("the request asked the store %d times", n)
			}
		}
		stop()
		if err := <-ran; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}
