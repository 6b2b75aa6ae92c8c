package sojourn_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest"
)

// newSteps makes managers of the two steps in which a site moves from a cookie to
// a store: the first still writes cookies, the second moves what comes in.
func newSteps(t testing.TB, list, first, second store.Store, delay time.Duration) (one, two *sojourn.Manager) {
	one, _ = newListed(t, sojourn.Encrypted(ring(t)), list, func(c *sojourn.Config) {
		c.RevocationDelay = delay
		c.AlsoRead = []sojourn.Former{{Keep: sojourn.InStore(first), Stay: true}}
	})
	two, _ = newListed(t, sojourn.InStore(second), list, func(c *sojourn.Config) {
		c.RevocationDelay = delay
		c.AlsoRead = []sojourn.Former{{Keep: sojourn.Encrypted(ring(t))}}
	})
	return one, two
}

// meanwhile runs f once, before the next call of verb.
func meanwhile(s *storetest.FaultyStore, verb storetest.Verb, f func()) {
	var once sync.Once
	s.Plan(func(c storetest.Call) storetest.Fault {
		if c.Verb != verb {
			return storetest.Fault{}
		}
		return storetest.Fault{Do: func() { once.Do(f) }}
	})
}

// TestCopyOutgrowsWithinDelay: a process that has not yet heard that a session
// ended gives a copy of its cookie no session in the store that lives on.
func TestCopyOutgrowsWithinDelay(t *testing.T) {
	for how, end := range endings {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, other := newSpillingPair(t)
				b := signedIn(t, m)
				copied := b.clone().on(other)
				if owner(copied) != "alice" {
					t.Fatal("the other process does not know the session")
				}
				time.Sleep(time.Second)
				if err := end(b); err != nil {
					t.Fatal(err)
				}
				copied.do(func(ctx context.Context) { blob.Set(ctx, tooMuch) })
				for range 11 {
					time.Sleep(time.Minute)
					if got := owner(copied.on(m)); got != "" {
						t.Fatalf("alive: %q, token %v", got, isToken(copied))
					}
				}
			})
		})
	}
}

// TestCopyMovesWithinDelay: the same where the other process moves what comes in
// from the cookie into a store.
func TestCopyMovesWithinDelay(t *testing.T) {
	for how, end := range endings {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := newMemory(t)
				one, two := newSteps(t, newMemory(t), st, st, 10*time.Second)
				b := signedIn(t, one)
				copied := b.clone().on(two)
				owner(signedIn(t, one).on(two)) // has the other process read the list
				time.Sleep(time.Second)
				if err := end(b); err != nil {
					t.Fatal(err)
				}
				owner(copied)
				time.Sleep(5 * time.Minute)
				if first, second := owner(copied.on(one)), owner(copied.on(two)); first != "" || second != "" {
					t.Errorf("alive: %q in the process that ended it, %q in the other", first, second)
				}
			})
		})
	}
}

// TestCopyAfterMove: when a session that has moved into a store ends, so do the
// copies of the cookie that it came from, in processes of both steps.
func TestCopyAfterMove(t *testing.T) {
	for how, end := range endings {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := newMemory(t)
				one, two := newSteps(t, newMemory(t), st, st, 0)
				b := signedIn(t, one)
				copied := b.clone()
				b.m = two
				if owner(b) != "alice" || !isToken(b) {
					t.Fatal("it has not moved")
				}
				time.Sleep(time.Second)
				if err := end(b); err != nil {
					t.Fatal(err)
				}
				if first, second := owner(copied.on(one)), owner(copied.on(two)); first != "" || second != "" {
					t.Errorf("alive: %q in step one, %q in step two", first, second)
				}
			})
		})
	}
}

// TestTokenAfterCopyEnds: who ends a session where only its former cookie came in
// ends it in the store too, to which it has moved.
func TestTokenAfterCopyEnds(t *testing.T) {
	for how, end := range endings {
		if how == "step-up" {
			continue // the session has not ended: it goes on in the store
		}
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := newMemory(t)
				one, two := newSteps(t, newMemory(t), st, st, 0)
				b := signedIn(t, one)
				tab := b.clone()
				b.m = two
				if owner(b) != "alice" || !isToken(b) {
					t.Fatal("it has not moved")
				}
				time.Sleep(time.Second)
				if err := end(tab); err != nil {
					t.Fatal(err)
				}
				if got := owner(b); got != "" {
					t.Errorf("the token: %q", got)
				}
			})
		})
	}
}

// TestCopyCookieToCookie: a session that moves from one form of cookie to another
// is one session: when it ends, copies of both end.
func TestCopyCookieToCookie(t *testing.T) {
	for how, end := range endings {
		for from, to := range map[string]string{"sha1": "encrypted", "sha256": "sha1"} {
			for _, stay := range []bool{false, true} {
				name := how + "/" + from
				if stay {
					name += " stays"
				}
				t.Run(name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						p, list := places(t), newMemory(t)
						also := p[from]
						also.Stay = stay
						one, _ := newListed(t, p[from].Keep, list, nil)
						two, _ := newListed(t, p[to].Keep, list, func(c *sojourn.Config) { c.AlsoRead = []sojourn.Former{also} })
						b := signedIn(t, one)
						first := b.clone()
						b.m = two
						b.do(func(ctx context.Context) { color.Set(ctx, "red") })
						second := b.clone()
						time.Sleep(time.Second)
						if err := end(b); err != nil {
							t.Fatal(err)
						}
						for _, c := range []*browser{first, first.on(two), second} {
							if got := owner(c); got != "" {
								t.Errorf("alive: %q", got)
							}
						}
					})
				})
			}
		}
	}
}

// TestEndWhileMoved: a session that ends between the question to the list and the
// making of its record is dead: one of the two sees the other.
func TestEndWhileMoved(t *testing.T) {
	for how, end := range endings {
		for _, form := range []string{"outgrows", "moves"} {
			t.Run(how+"/"+form, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					inner := newMemory(t)
					st := faulty(inner)
					m, _ := newSpilling(t, st, newMemory(t))
					other := m
					if form == "moves" {
						m, other = newSteps(t, newMemory(t), inner, st, 0)
					}
					b := signedIn(t, m)
					copied := b.clone().on(other)
					time.Sleep(time.Second)
					meanwhile(st, storetest.Create, func() {
						if err := end(b); err != nil {
							t.Error(err)
						}
					})
					copied.do(func(ctx context.Context) { blob.Set(ctx, tooMuch) })
					st.Plan(nil)
					if got := owner(copied); got != "" {
						t.Errorf("alive: %q", got)
					}
				})
			})
		}
	}
}

// TestRevokeOwnerWhileMoving: a session that moves from a store that has been gone
// through already into one that has not is ended there.
func TestRevokeOwnerWhileMoving(t *testing.T) {
	p, from := places(t), faulty(newMemory(t))
	former := sojourn.Former{Keep: sojourn.InStore(from), Cookie: sojourn.Cookie{Name: "__Host-former"}}
	b := signedIn(t, at(t, former))
	m := at(t, p["other"], former, staying(p["store"]))
	b.m = m
	meanwhile(from, storetest.DeleteOwner, func() { owner(b) })
	n, err := m.RevokeOwner(t.Context(), "alice", "")
	from.Plan(nil)
	if got := owner(b); got != "" || err != nil {
		t.Errorf("alive: %q; %d ended, %v", got, n, err)
	}
}

// TestCopyOfEmptied: RegenerateNow ends the old cookie though nothing is left in
// the session that could go on under a new one.
func TestCopyOfEmptied(t *testing.T) {
	for form, keep := range cookieForms(t) {
		t.Run(form, func(t *testing.T) {
			m, _ := newListed(t, keep(), newMemory(t), nil)
			b := newBrowser(t, m)
			b.do(func(ctx context.Context) { color.Set(ctx, "blue") })
			copied := b.clone()
			b.do(func(ctx context.Context) { sojourn.From(ctx).RegenerateNow(); color.Delete(ctx) })
			copied.do(func(ctx context.Context) {
				if v, ok := color.Get(ctx); ok {
					t.Errorf("the copy is alive: %s", v)
				}
			})
		})
	}
}

// TestEmptiedOvertaken: a slow request that empties a session deletes no newer
// cookie that the browser has got meanwhile.
func TestEmptiedOvertaken(t *testing.T) {
	m, _ := newListed(t, sojourn.Encrypted(ring(t)), newMemory(t), nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { sojourn.Flash(ctx, "info", "hello") })
	res := b.clone().do(func(ctx context.Context) {
		if len(sojourn.Flashes(ctx)) != 1 {
			t.Error("no message")
		}
		b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
	})
	if res.StatusCode != 200 || setCookie(res) != "" {
		t.Errorf("%s %q", res.Status, setCookie(res))
	}
}

// TestEndBesideRegenerate: End and RegenerateNow of one request at once end the
// cookie that came in, in whatever order.
func TestEndBesideRegenerate(t *testing.T) {
	for range 100 {
		m, _ := newListed(t, sojourn.Encrypted(ring(t)), newMemory(t), nil)
		b := signedIn(t, m)
		copied := b.clone()
		b.do(func(ctx context.Context) {
			var all sync.WaitGroup
			all.Go(func() { sojourn.From(ctx).RegenerateNow() })
			sojourn.End(ctx)
			all.Wait()
			color.Set(ctx, "red")
		})
		if got := owner(copied); got != "" {
			t.Fatalf("alive: %q", got)
		}
	}
}

// TestMoveListAway: when the list fails while a session moves into a store, that
// request is a 503, and the next one finds the session.
func TestMoveListAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list := faulty(newMemory(t))
		former := sojourn.Former{Keep: sojourn.Encrypted(ring(t)), Cookie: sojourn.Cookie{Name: "former"}}
		b := signedIn(t, at(t, former))
		m, _ := newListed(t, sojourn.InStore(newMemory(t)), list, func(c *sojourn.Config) {
			c.AlsoRead, c.RevocationDelay = []sojourn.Former{former}, time.Minute
		})
		b.m = m
		newBrowser(t, m).do(func(ctx context.Context) { sojourn.Owner(ctx) })
		if err := m.Revoke(t.Context(), store.NewHandle("")); err != nil { // the list is known
			t.Fatal(err)
		}
		list.Plan(storetest.Every(storetest.Load, 1, storetest.Fault{Before: storetest.ErrFault}))
		if res := b.do(func(ctx context.Context) { sojourn.Owner(ctx) }); res.StatusCode != 503 || setCookie(res) != "" {
			t.Errorf("%s %q", res.Status, setCookie(res))
		}
		list.Plan(nil)
		if owner(b) != "alice" {
			t.Error("signed out")
		}
	})
}
