package sojourn_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
	"github.com/sojourn-go/sojourn/memstore"
	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest"
)

func newMemory(t testing.TB) store.Store {
	t.Helper()
	s, err := memstore.New(memstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// movingFrom makes a manager on a store of its own into which sessions move from
// old.
func movingFrom(t testing.TB, old store.Store) *sojourn.Manager {
	t.Helper()
	m, _ := newManager(t, func(c *sojourn.Config) {
		c.Keep, c.AlsoRead = sojourn.InStore(newMemory(t)), []sojourn.Former{{Keep: sojourn.InStore(old)}}
	})
	return m
}

// TestMoving: sessions move alive from a cookie into a store, from a store into
// another, and to another cookie's name. Parallel first requests join in one
// record; after a sign-out the old value is dead, and so is a copy of it.
func TestMoving(t *testing.T) {
	shared, other := newMemory(t), newMemory(t)
	for name, test := range map[string]struct {
		from    func(c *sojourn.Config)
		to      func(c *sojourn.Config)
		records int // that the owner then has in the new store
	}{
		"cookie to store": {
			func(c *sojourn.Config) {},
			func(c *sojourn.Config) {
				c.Keep = sojourn.InStore(newMemory(t))
				c.AlsoRead = []sojourn.Former{{Keep: flask.Signed(ring(t))}}
			}, 1,
		},
		"cookie with an old key to store": {
			func(c *sojourn.Config) { c.Keep = flask.Signed(ring(t, anotherKey)) },
			func(c *sojourn.Config) {
				c.Keep = sojourn.InStore(newMemory(t))
				c.AlsoRead = []sojourn.Former{{Keep: flask.Signed(ring(t, testKey, anotherKey))}}
			}, 1,
		},
		"store to store": {
			func(c *sojourn.Config) { c.Keep, c.Cookie.Name = sojourn.InStore(other), "old" },
			func(c *sojourn.Config) {
				c.Keep = sojourn.InStore(newMemory(t))
				c.AlsoRead = []sojourn.Former{{Keep: sojourn.InStore(other), Cookie: sojourn.Cookie{Name: "old"}}}
			}, 1,
		},
		"store to store, same cookie": {
			func(c *sojourn.Config) { c.Keep = sojourn.InStore(other) },
			func(c *sojourn.Config) {
				c.Keep = sojourn.InStore(newMemory(t))
				c.AlsoRead = []sojourn.Former{{Keep: sojourn.InStore(other)}}
			}, 1,
		},
		"renamed": {
			func(c *sojourn.Config) { c.Keep, c.Cookie.Name = sojourn.InStore(shared), "old" },
			func(c *sojourn.Config) {
				c.Keep = sojourn.InStore(shared)
				c.AlsoRead = []sojourn.Former{{Keep: sojourn.InStore(shared), Cookie: sojourn.Cookie{Name: "old"}}}
			}, 1,
		},
	} {
		for _, ending := range []string{"end", "sign in", "revoke"} {
			t.Run(name+"/"+ending, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					from, _ := newManager(t, test.from)
					to, events := newManager(t, test.to)
					b := newBrowser(t, from)
					b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice"); cart.Set(ctx, []string{"a"}) })
					time.Sleep(2 * time.Minute)
					copied := b.clone()
					copied.m = to
					var browsers []*browser
					var all sync.WaitGroup
					for i := range 20 {
						c := copied.clone()
						browsers = append(browsers, c)
						all.Go(func() {
							c.do(func(ctx context.Context) {
								if name, _ := sojourn.Owner(ctx); name != "alice" {
									t.Errorf("in the first requests: %q", name)
								}
								sojourn.From(ctx).Set(fmt.Sprint("f", i), i)
							})
						})
					}
					all.Wait()
					for _, c := range browsers {
						if c.cookies[tokenCookie] != browsers[0].cookies[tokenCookie] || len(c.cookies) != 1 {
							t.Fatalf("the first requests have different cookies: %v", c.cookies)
						}
					}
					b = browsers[0]
					b.do(func(ctx context.Context) {
						if n := sojourn.From(ctx).Len(); n != 21 {
							t.Errorf("%d fields of 21 after the move", n)
						}
					})
					listing, err := to.Sessions(t.Context(), "alice", store.Page{Limit: 10})
					if err != nil || len(listing.Records) != test.records {
						t.Errorf("%d records, %v", len(listing.Records), err)
					}
					if got := listing.Records[0]; time.Since(got.Created).Round(time.Second) != 2*time.Minute {
						t.Errorf("its clock began %v ago", time.Since(got.Created))
					}
					late := copied.clone()
					if owner(late) != "alice" || late.cookies[tokenCookie] != b.cookies[tokenCookie] {
						t.Error("a later request with the old cookie did not join")
					}
					events.reset()
					switch ending {
					case "end":
						b.do(func(ctx context.Context) { sojourn.End(ctx) })
					case "sign in":
						b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "bob") })
					case "revoke":
						if _, err := to.RevokeOwner(t.Context(), "alice", ""); err != nil {
							t.Error(err)
						}
					}
					for range 2 {
						if who := owner(copied.clone()); who != "" {
							t.Errorf("the old value is %s's again", who)
						}
						if who := owner(late.clone()); who != "" {
							t.Errorf("the new value is %s's again", who)
						}
						time.Sleep(20 * time.Minute)
					}
				})
			})
		}
	}
}

// TestMovingEnds: a request may sign in, or end, a session that it moves.
func TestMovingEnds(t *testing.T) {
	for name, f := range map[string]func(ctx context.Context){
		"end":     func(ctx context.Context) { sojourn.End(ctx) },
		"sign in": func(ctx context.Context) { sojourn.SignIn(ctx, "bob") },
	} {
		from, _ := newManager(t, nil)
		to, _, _ := newStored(t, func(c *sojourn.Config) { c.AlsoRead = []sojourn.Former{{Keep: flask.Signed(ring(t))}} })
		b := newBrowser(t, from)
		b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
		b.m = to
		copied := b.clone()
		b.do(f)
		if owner(copied) != "" || b.cookies["session"] != "" {
			t.Errorf("%s: the old value is %q's, cookies %v", name, owner(copied), b.cookies)
		}
	}
}

// TestMovingOutage: a session whose new store is down is not read from the old
// cookie in its stead.
func TestMovingOutage(t *testing.T) {
	from, _ := newManager(t, nil)
	to, _, faulty := newStored(t, func(c *sojourn.Config) { c.AlsoRead = []sojourn.Former{{Keep: flask.Signed(ring(t))}} })
	b := newBrowser(t, from)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
	b.m = to
	for _, verb := range []storetest.Verb{storetest.Load, storetest.Create} {
		to2, _ := newManager(t, func(c *sojourn.Config) {
			c.Keep, c.StoreTimeout = sojourn.InStore(faulty), 100*time.Millisecond
			c.AlsoRead = []sojourn.Former{{Keep: flask.Signed(ring(t))}}
		})
		b.m = to2
		faulty.Plan(storetest.Every(verb, 1, storetest.Fault{Before: storetest.ErrFault}))
		if res := b.do(func(ctx context.Context) { sojourn.Owner(ctx) }); res.StatusCode != 503 || setCookie(res) != "" {
			t.Errorf("%s is down: %d, %q", verb, res.StatusCode, setCookie(res))
		}
	}
	faulty.Plan(storetest.Nth(storetest.Create, faulty.Calls(storetest.Create)+1, storetest.Fault{After: storetest.ErrFault}))
	if owner(b) != "alice" {
		t.Error("a lost reply lost the session")
	}
}

// TestStoreToCookie: the way back is refused: it could show secrets, and would
// leave a record behind that no sign-out reaches.
func TestStoreToCookie(t *testing.T) {
	_, err := sojourn.New(sojourn.Config{Keep: flask.Signed(ring(t)), AlsoRead: []sojourn.Former{{Keep: sojourn.InStore(newMemory(t))}}})
	if err == nil || !strings.Contains(err.Error(), "Config.AlsoRead[0].Keep") {
		t.Errorf("got %v", err)
	}
}

// TestMovingMeanwhile: another request moves the session at each moment of the
// move.
func TestMovingMeanwhile(t *testing.T) {
	for k := range 6 {
		old, next := storetest.Faulty(newMemory(t), nil), storetest.Faulty(newMemory(t), nil)
		from, _ := newManager(t, func(c *sojourn.Config) { c.Keep = sojourn.InStore(old) })
		to := func() *sojourn.Manager {
			m, _ := newManager(t, func(c *sojourn.Config) {
				c.Keep, c.AlsoRead = sojourn.InStore(next), []sojourn.Former{{Keep: sojourn.InStore(old)}}
			})
			return m
		}
		first := newBrowser(t, from)
		first.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
		second := first.clone()
		first.m, second.m = to(), to()
		calls, inside := 0, false
		plan := func(storetest.Call) storetest.Fault {
			if inside {
				return storetest.Fault{}
			}
			if calls++; calls != k+1 {
				return storetest.Fault{}
			}
			return storetest.Fault{Do: func() {
				inside = true
				defer func() { inside = false }()
				if owner(second) != "alice" {
					t.Errorf("call %d: the second request is %q's", k, owner(second))
				}
			}}
		}
		old.Plan(plan)
		next.Plan(plan)
		if owner(first) != "alice" {
			t.Errorf("call %d: the first request is nobody's", k)
		}
		if owner(second) != "alice" || first.cookies[tokenCookie] != second.cookies[tokenCookie] {
			t.Errorf("call %d: two sessions of one", k)
		}
	}
}
