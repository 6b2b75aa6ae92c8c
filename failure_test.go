package sojourn_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest"
)

// TestUpdateNowEnded: UpdateNow on a session that was ended meanwhile is
// ErrEnded, and the request is answered as its handler meant (promise 3).
func TestUpdateNowEnded(t *testing.T) {
	m, events, _ := newStored(t, nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
	var err error
	res := b.clone().do(func(ctx context.Context) {
		sojourn.Owner(ctx)
		b.do(func(ctx context.Context) { sojourn.End(ctx) })
		_, err = counter.UpdateNow(ctx, func(n int, _ bool) (int, error) { return n + 1, nil })
	})
	if !errors.Is(err, sojourn.ErrEnded) || res.StatusCode != 200 || setCookie(res) != "" {
		t.Errorf("answered %d, %q; UpdateNow: %v; events %q", res.StatusCode, setCookie(res), err, events.kinds())
	}
}

// TestPermanentTouch: the cookie of a permanent session outlives the deadline
// that a read has put off.
func TestPermanentTouch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, _ := newStored(t, nil)
		b := newBrowser(t, m)
		b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice"); sojourn.From(ctx).SetPermanent(true) })
		time.Sleep(29 * time.Minute)
		res := b.do(func(ctx context.Context) { sojourn.Owner(ctx) })
		cookies := res.Cookies()
		if len(cookies) != 1 || time.Until(cookies[0].Expires) < 29*time.Minute {
			t.Errorf("after a touch the browser keeps the cookie for %v more: %q", time.Until(cookies[0].Expires), setCookie(res))
		}
	})
}

// TestGoneBeforeWrite: a client that has gone before anything was written costs
// no time, and nobody who waits for his turn at the same session waits for it.
func TestGoneBeforeWrite(t *testing.T) {
	for name, change := range map[string]func(ctx context.Context){
		"write":   func(ctx context.Context) { color.Set(ctx, "red") },
		"sign-in": func(ctx context.Context) { sojourn.SignIn(ctx, "bob") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, _, faulty := newStored(t, nil)
				b := newBrowser(t, m)
				b.do(func(ctx context.Context) { color.Set(ctx, "blue") })
				r, cancel := newRequest()
				begun := time.Now()
				gone := b.clone()
				done := make(chan struct{})
				go func() {
					defer close(done)
					gone.send(r, func(_ http.ResponseWriter, r *http.Request) {
						sojourn.Owner(r.Context())
						cancel()
						change(r.Context())
					})
				}()
				time.Sleep(100 * time.Millisecond)
				second := time.Now()
				res := b.do(func(ctx context.Context) { color.Set(ctx, "green") })
				if took := time.Since(second); res.StatusCode != 200 || took > 100*time.Millisecond {
					t.Errorf("%s: the next request: %d after %v", name, res.StatusCode, took)
				}
				if n := faulty.Calls(storetest.Apply) + faulty.Calls(storetest.Create); n != 2 {
					t.Errorf("%s: %d writes: something was written for who has gone", name, n)
				}
				<-done
				if took := time.Since(begun); took > 200*time.Millisecond {
					t.Errorf("%s: took %v", name, took)
				}
			})
		})
	}
	t.Run("revoke", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m, _, _ := newStored(t, nil)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			begun := time.Now()
			err := m.Revoke(ctx, store.NewHandle(""))
			_, oerr := m.RevokeOwner(ctx, "alice", "")
			if took := time.Since(begun); took > 200*time.Millisecond || err == nil || oerr == nil {
				t.Errorf("revoking in a context that is over: %v, %v after %v", err, oerr, took)
			}
		})
	})
}

// TestSavedThenFailed: what Save has acknowledged is not lost by an error page:
// the token goes out with it.
func TestSavedThenFailed(t *testing.T) {
	m, _, _ := newStored(t, nil)
	b := newBrowser(t, m)
	b.do(add("a"))
	res := b.do(func(ctx context.Context) {
		sojourn.SignIn(ctx, "alice")
		add("b")(ctx)
		if err := sojourn.From(ctx).Save(); err != nil {
			t.Errorf("Save: %v", err)
		}
		sojourn.From(ctx).Set("bad", func() {})
	})
	if res.StatusCode != 500 || owner(b) != "alice" || items(b) != "a b" {
		t.Errorf("answered %d, then %q with %q", res.StatusCode, owner(b), items(b))
	}
}

// TestLateFailures: what fails after the response began is an event.
func TestLateFailures(t *testing.T) {
	for name, f := range map[string]func(ctx context.Context){
		"Save": func(ctx context.Context) { color.Set(ctx, "lost"); sojourn.From(ctx).Save() },
		"End":  func(ctx context.Context) { sojourn.End(ctx) },
		"UpdateNow": func(ctx context.Context) {
			counter.UpdateNow(ctx, func(int, bool) (int, error) { return 1, nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, events, faulty := newStored(t, nil)
				b := newBrowser(t, m)
				b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
				events.reset()
				b.get(func(w http.ResponseWriter, r *http.Request) {
					sojourn.Owner(r.Context())
					w.WriteHeader(200)
					faulty.Plan(func(storetest.Call) storetest.Fault { return storetest.Fault{Before: storetest.ErrFault} })
					f(r.Context())
				})
				if _, ok := events.find(sojourn.EventFailed); !ok {
					t.Errorf("%s: events %q", name, events.kinds())
				}
			})
		})
	}
}

// TestFailedTouch: a touch that failed is tried again by the next request.
func TestFailedTouch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, faulty := newStored(t, func(c *sojourn.Config) { c.TouchInterval = 20 * time.Minute })
		b := newBrowser(t, m)
		b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
		time.Sleep(21 * time.Minute)
		faulty.Plan(storetest.Nth(storetest.Touch, 1, storetest.Fault{Before: storetest.ErrFault}))
		owner(b)
		time.Sleep(time.Minute)
		owner(b)
		time.Sleep(10 * time.Minute)
		if got := owner(b); got != "alice" {
			t.Errorf("in use, and %q after 32 minutes", got)
		}
	})
}

// TestRegenerateNowWins: a request under way with a token that RegenerateNow
// has refused cannot take the session over by a Regenerate of its own.
func TestRegenerateNowWins(t *testing.T) {
	m, _, _ := newStored(t, nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
	thief := b.clone()
	thief.do(func(ctx context.Context) {
		sojourn.Owner(ctx)
		b.do(func(ctx context.Context) { sojourn.From(ctx).RegenerateNow() })
		sojourn.From(ctx).Regenerate()
	})
	if owner(b) != "alice" || owner(thief) != "" {
		t.Errorf("the owner is %q, the thief %q", owner(b), owner(thief))
	}
}

// TestUnknownCreate: a sign-in whose reply was lost, and which could not find
// out, leaves no session that counts against the owner.
func TestUnknownCreate(t *testing.T) {
	for _, who := range []string{"with a session", "without one"} {
		t.Run(who, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, _, faulty := newStored(t, func(c *sojourn.Config) { c.OwnerLimit = 1 })
				b := newBrowser(t, m)
				if who == "with a session" {
					b.do(add("a"))
				}
				dead := false
				faulty.Plan(func(c storetest.Call) storetest.Fault {
					if c.Verb == storetest.Create && !dead {
						dead = true
						return storetest.Fault{After: storetest.ErrFault}
					}
					if dead && c.Verb != storetest.Delete {
						return storetest.Fault{Before: storetest.ErrFault}
					}
					return storetest.Fault{}
				})
				if res := b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") }); res.StatusCode != 503 {
					t.Errorf("answered %d", res.StatusCode)
				}
				faulty.Plan(nil)
				time.Sleep(11 * time.Second)
				if res := b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") }); res.StatusCode != 200 {
					t.Errorf("again: %d", res.StatusCode)
				}
			})
		})
	}
}

// TestSenselessAnswer: an answer that makes no sense where it came is a failure,
// and is not taken for one of another question.
func TestSenselessAnswer(t *testing.T) {
	m, _, faulty := newStored(t, nil)
	b := newBrowser(t, m)
	b.do(add("a"))
	n := faulty.Calls(storetest.Create)
	faulty.Plan(storetest.Every(storetest.Create, 1, storetest.Fault{Before: store.ErrGone}))
	if res := b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") }); res.StatusCode != 503 || faulty.Calls(storetest.Create) != n+1 {
		t.Errorf("answered %d after %d calls", res.StatusCode, faulty.Calls(storetest.Create)-n)
	}
}

// TestLateThenSignIn: a Regenerate after a sign-in that came with a token of
// before is a Regenerate.
func TestLateThenSignIn(t *testing.T) {
	m, _, _ := newStored(t, nil)
	b := newBrowser(t, m)
	b.do(add("a"))
	late := b.clone()
	b.do(func(ctx context.Context) { sojourn.From(ctx).Regenerate() })
	late.get(func(w http.ResponseWriter, r *http.Request) {
		s := sojourn.From(r.Context())
		s.SignIn("alice")
		s.Save()
		rec, _ := m.Store().Load(r.Context(), s.Handle())
		s.Regenerate()
		s.Save()
		if now, _ := m.Store().Load(r.Context(), s.Handle()); now.Verifiers == rec.Verifiers {
			t.Error("the token is the same")
		}
	})
}

// TestReloadOutage: a session that could not be loaded is not reloaded as
// nobody's.
func TestReloadOutage(t *testing.T) {
	m, _, faulty := newStored(t, func(c *sojourn.Config) { c.Outage = sojourn.OutageAnonymous })
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
	faulty.Plan(storetest.Every(storetest.Load, 1, storetest.Fault{Before: storetest.ErrFault}))
	b.do(func(ctx context.Context) {
		sojourn.Owner(ctx)
		if err := sojourn.From(ctx).Reload(); sojourn.HTTPStatus(err) != 503 || err == nil {
			t.Errorf("Reload: %v", err)
		}
	})
}

// A meddler is encoded while Save looks for what was changed and not set: what
// another goroutine of the request does meanwhile is saved too.
type meddler struct{ m map[string]int }

var meddle func()

func (v meddler) MarshalJSON() ([]byte, error) {
	if meddle != nil {
		f := meddle
		meddle = nil
		f()
	}
	return json.Marshal(v.m)
}
func (v *meddler) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &v.m) }

func TestUpdateDuringSave(t *testing.T) {
	m, _, _ := newStored(t, func(c *sojourn.Config) { c.Strict = true })
	b := newBrowser(t, m)
	const odd sojourn.Field[*meddler] = "odd"
	b.do(func(ctx context.Context) {
		odd.Set(ctx, &meddler{map[string]int{"a": 1}})
		odd.Get(ctx)
		meddle = func() { counter.Update(ctx, func(n int) int { return n + 1 }) }
		if err := sojourn.From(ctx).Save(); err != nil {
			t.Error(err)
		}
		if meddle != nil {
			t.Error("not encoded")
		}
	})
	b.do(func(ctx context.Context) {
		if n := counter.GetOr(ctx, 0); n != 1 {
			t.Errorf("counted %d", n)
		}
	})
}

// TestSharedStoreTimeout: a move from one store to another waits no longer than
// StoreTimeout in all.
func TestSharedStoreTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, _, slowOld := newStored(t, func(c *sojourn.Config) { c.Cookie.Name = "old" })
		to, _, faulty := newStored(t, func(c *sojourn.Config) {
			c.AlsoRead = []sojourn.Former{{Keep: sojourn.InStore(slowOld), Cookie: sojourn.Cookie{Name: "old"}}}
		})
		b := newBrowser(t, old)
		b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
		b.m = to
		n := 0
		faulty.Plan(func(c storetest.Call) storetest.Fault {
			if n++; n == 1 {
				return storetest.Fault{Delay: 990 * time.Millisecond, Before: storetest.ErrFault}
			}
			if n == 2 {
				return storetest.Fault{Delay: 990 * time.Millisecond}
			}
			return storetest.Fault{Delay: time.Hour}
		})
		k := 0
		slowOld.Plan(func(c storetest.Call) storetest.Fault {
			if k++; k == 1 {
				return storetest.Fault{Delay: 990 * time.Millisecond, Before: storetest.ErrFault}
			}
			return storetest.Fault{Delay: 990 * time.Millisecond}
		})
		begun := time.Now()
		res := b.do(func(ctx context.Context) { sojourn.Owner(ctx) })
		if took := time.Since(begun); took > 4*time.Second {
			t.Errorf("answered %d after %v, StoreTimeout is 4s", res.StatusCode, took)
		}
	})
}

// TestNothingOfWhatEnded: who signs in after his session has ended is signed in,
// with nothing of what was in it.
func TestNothingOfWhatEnded(t *testing.T) {
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
	if res.StatusCode != 200 || owner(b) != "alice" || items(b) != "own" {
		t.Errorf("answered %d, %q with %q", res.StatusCode, owner(b), items(b))
	}
}
