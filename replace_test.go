package sojourn_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest"
)

// TestSignInFaults: a visitor fills a cart and signs in while something goes
// wrong, or happens, at each of the calls that this makes. Whatever was
// acknowledged is in the cart afterwards, the old token is dead, and there is
// one session (promises 1 to 4).
func TestSignInFaults(t *testing.T) {
	lost := storetest.Fault{After: storetest.ErrFault}
	refused := storetest.Fault{Before: storetest.ErrFault}
	for name, fault := range map[string]func(parallel func()) storetest.Fault{
		"nothing":          func(func()) storetest.Fault { return storetest.Fault{} },
		"refused":          func(func()) storetest.Fault { return refused },
		"lost":             func(func()) storetest.Fault { return lost },
		"parallel":         func(p func()) storetest.Fault { return storetest.Fault{Do: p} },
		"parallel refused": func(p func()) storetest.Fault { return storetest.Fault{Do: p, Before: storetest.ErrFault} },
		"parallel lost":    func(p func()) storetest.Fault { return storetest.Fault{Do: p, After: storetest.ErrFault} },
	} {
		for _, who := range []string{"", "alice"} { // who signs in anew: from nobody, or a step-up
			for k := range 8 {
				t.Run(fmt.Sprintf("%s/%q/%d", name, who, k), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						m, _, faulty := newStored(t, nil)
						b := newBrowser(t, m)
						b.do(func(ctx context.Context) {
							if who != "" {
								sojourn.SignIn(ctx, who)
							}
						})
						b.do(add("a"))
						old, shopper := b.clone(), b.clone()
						shopper.m = process(t, faulty)
						want := "a"
						calls := 0
						inside := false
						parallel := func() {
							inside = true
							defer func() { inside = false }()
							var err error
							res := shopper.do(func(ctx context.Context) {
								add("parallel")(ctx)
								err = sojourn.From(ctx).Save()
							})
							if err == nil && res.StatusCode == 200 {
								want += " parallel"
							} else if !errors.Is(err, sojourn.ErrEnded) && !strings.Contains(fmt.Sprint(sojourn.ReasonOf(err)), "unknown") {
								t.Logf("parallel: %d, %v", res.StatusCode, err)
							}
						}
						faulty.Plan(func(storetest.Call) storetest.Fault {
							if inside {
								return storetest.Fault{}
							}
							if calls++; calls != k+1 {
								return storetest.Fault{}
							}
							return fault(parallel)
						})
						signIn := func(ctx context.Context) { sojourn.SignIn(ctx, "alice"); add("own")(ctx) }
						res := b.do(signIn)
						faulty.Plan(nil)
						if res.StatusCode != 200 { // the visitor tries again
							if setCookie(res) != "" || res.StatusCode != 503 {
								t.Errorf("answered %d, %q", res.StatusCode, setCookie(res))
							}
							if res = b.do(signIn); res.StatusCode != 200 {
								t.Fatalf("tried again: %d", res.StatusCode)
							}
						}
						if got := owner(b); got != "alice" {
							t.Errorf("signed in as %q", got)
						}
						got := items(b)
						for _, item := range strings.Fields(want + " own") {
							if n := len(slices.DeleteFunc(strings.Fields(got), func(s string) bool { return s != item })); n != 1 {
								t.Errorf("the cart holds %q, want %q and own", got, want)
							}
						}
						old.do(func(ctx context.Context) {
							if !sojourn.From(ctx).IsNew() {
								t.Error("the old token is alive")
							}
						})
						listing, err := m.Sessions(t.Context(), "alice", store.Page{Limit: 10})
						if err != nil || len(listing.Records) != 1 {
							t.Errorf("%d sessions of alice, %v", len(listing.Records), err)
						}
					})
				})
			}
		}
	}
}

// TestSignInRandomFaults: with many faults at once a sign-in may fail, but what
// it answers is true.
func TestSignInRandomFaults(t *testing.T) {
	good := 0
	for seed := range uint64(400) {
		synctest.Test(t, func(t *testing.T) {
			m, _, faulty := newStored(t, nil)
			b := newBrowser(t, m)
			b.do(add("a"))
			old := b.clone()
			random := rand.New(rand.NewPCG(seed, 0))
			faulty.Plan(func(storetest.Call) storetest.Fault {
				switch random.IntN(5) {
				case 0:
					return storetest.Fault{Before: storetest.ErrFault}
				case 1:
					return storetest.Fault{After: storetest.ErrFault}
				}
				return storetest.Fault{}
			})
			res := b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
			faulty.Plan(nil)
			in := owner(b)
			switch res.StatusCode {
			case 200:
				good++
				if in != "alice" || items(b) != "a" || owner(old) != "" || items(old) != "" {
					t.Errorf("seed %d: %q, cart %q, old cart %q", seed, in, items(b), items(old))
				}
			case 503:
				if in != "" || setCookie(res) != "" {
					t.Errorf("seed %d: an error page, but signed in as %q; %q", seed, in, setCookie(res))
				}
			default:
				t.Errorf("seed %d: %d", seed, res.StatusCode)
			}
		})
	}
	if good < 200 {
		t.Errorf("%d of 400 sign-ins succeeded", good)
	}
}

// TestSignInDuringRequest: a request that began before a sign-in is answered
// normally, and does not sign the browser out.
func TestSignInDuringRequest(t *testing.T) {
	m, events, _ := newStored(t, nil)
	b := newBrowser(t, m)
	b.do(add("a"))
	res := b.get(func(w http.ResponseWriter, r *http.Request) {
		add("slow")(r.Context())
		other := b.clone()
		other.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
		b.cookies = other.cookies // one browser, and the sign-in answers first
	})
	if res.StatusCode != 200 || setCookie(res) != "" {
		t.Errorf("answered %d, %q", res.StatusCode, setCookie(res))
	}
	if owner(b) != "alice" || items(b) != "a" {
		t.Errorf("then %q with %q", owner(b), items(b))
	}
	if _, ok := events.find(sojourn.EventDropped); !ok {
		t.Errorf("events %q", events.kinds())
	}
}

// TestDoubleClick: two sign-ins from one session at once, the second at each
// call of the first. Whichever answer the browser keeps, it is signed in, with
// its cart.
func TestDoubleClick(t *testing.T) {
	for k := range 4 {
		for _, who := range []string{"", "alice"} {
			t.Run(fmt.Sprintf("%q/%d", who, k), func(t *testing.T) {
				m, _, faulty := newStored(t, nil)
				first := newBrowser(t, m)
				first.do(func(ctx context.Context) {
					if who != "" {
						sojourn.SignIn(ctx, who)
					}
					add("a")(ctx)
				})
				old, second := first.clone(), first.clone()
				second.m = process(t, faulty)
				signIn := func(ctx context.Context) {
					sojourn.SignIn(ctx, "alice")
					counter.Update(ctx, func(n int) int { return n + 1 })
				}
				var calls atomic.Int32
				faulty.Plan(func(storetest.Call) storetest.Fault {
					if calls.Add(1) != int32(k+1) {
						return storetest.Fault{}
					}
					return storetest.Fault{Do: func() {
						if res := second.do(signIn); res.StatusCode != 200 {
							t.Errorf("the second: %d", res.StatusCode)
						}
					}}
				})
				res := first.do(signIn)
				faulty.Plan(nil)
				if calls.Load() <= int32(k) { // the second comes right after
					if res := second.do(signIn); res.StatusCode != 200 {
						t.Errorf("the second: %d", res.StatusCode)
					}
				}
				if res.StatusCode != 200 {
					t.Fatalf("the first: %d", res.StatusCode)
				}
				if owner(old) != "" || items(old) != "" {
					t.Error("the old token is alive")
				}
				for _, b := range []*browser{first, second} {
					if owner(b) != "alice" || items(b) != "a" {
						t.Errorf("signed in as %q, with %q", owner(b), items(b))
					}
					b.do(func(ctx context.Context) {
						if n := counter.GetOr(ctx, 0); n != 2 {
							t.Errorf("counted %d of 2 sign-ins", n)
						}
					})
				}
				if listing, _ := m.Sessions(t.Context(), "alice", store.Page{Limit: 10}); len(listing.Records) != 1 {
					t.Errorf("%d sessions", len(listing.Records))
				}
			})
		}
	}
}

// TestCrashedSignIn: a process that dies between the two writes of a sign-in
// leaves the visitor as he was; nobody has the new token.
func TestCrashedSignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, faulty := newStored(t, nil)
		b := newBrowser(t, m)
		b.do(add("a"))
		dead := false
		faulty.Plan(func(c storetest.Call) storetest.Fault {
			if dead = dead || c.Verb == storetest.Delete; dead {
				return storetest.Fault{Before: storetest.ErrFault}
			}
			return storetest.Fault{}
		})
		if res := b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") }); res.StatusCode != 503 || setCookie(res) != "" {
			t.Errorf("answered %d, %q", res.StatusCode, setCookie(res))
		}
		faulty.Plan(nil)
		if owner(b) != "" || items(b) != "a" {
			t.Errorf("then %q with %q", owner(b), items(b))
		}
		if b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") }); owner(b) != "alice" || items(b) != "a" {
			t.Errorf("again: %q with %q", owner(b), items(b))
		}
		time.Sleep(31 * time.Minute) // what nobody has expires
		if n, err := m.Sweep(t.Context()); n < 2 || err != nil {
			t.Errorf("swept %d, %v", n, err)
		}
	})
}

// TestSignInOther: another owner gets none of the fields of the one before.
func TestSignInOther(t *testing.T) {
	m, events, faulty := newStored(t, nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
	b.do(add("a"))
	shopper := b.clone()
	shopper.m = process(t, faulty)
	once := true
	faulty.Plan(func(c storetest.Call) storetest.Fault {
		if c.Verb == storetest.Delete && once { // a late write, so that the fields are carried again
			once = false
			return storetest.Fault{Do: func() { shopper.do(add("late")) }}
		}
		return storetest.Fault{}
	})
	b.do(func(ctx context.Context) { add("before")(ctx); sojourn.SignIn(ctx, "bob"); add("after")(ctx) })
	if owner(b) != "bob" || items(b) != "after" {
		t.Errorf("%q with %q", owner(b), items(b))
	}
	if e, ok := events.find(sojourn.EventEnded); !ok || e.Owner != "alice" {
		t.Errorf("events %q", events.kinds())
	}
}

// TestSignInAndEnd: in one request, in every order.
func TestSignInAndEnd(t *testing.T) {
	m, _, _ := newStored(t, nil)
	for name, test := range map[string]struct {
		f    func(ctx context.Context)
		want string
	}{
		"sign-in, end":       {func(ctx context.Context) { sojourn.SignIn(ctx, "bob"); sojourn.End(ctx) }, ""},
		"end, sign-in":       {func(ctx context.Context) { sojourn.End(ctx); sojourn.SignIn(ctx, "bob") }, "bob"},
		"saved sign-in, end": {func(ctx context.Context) { sojourn.SignIn(ctx, "bob"); sojourn.From(ctx).Save(); sojourn.End(ctx) }, ""},
		"two sign-ins":       {func(ctx context.Context) { sojourn.SignIn(ctx, "bob"); sojourn.SignIn(ctx, "carol") }, "carol"},
		"saved sign-in, other": {func(ctx context.Context) {
			sojourn.SignIn(ctx, "bob")
			sojourn.From(ctx).Save()
			sojourn.SignIn(ctx, "carol")
		}, "carol"},
		"sign-in, regenerate": {func(ctx context.Context) { sojourn.SignIn(ctx, "bob"); sojourn.From(ctx).Regenerate() }, "bob"},
		"regenerate, sign-in": {func(ctx context.Context) { sojourn.From(ctx).Regenerate(); sojourn.SignIn(ctx, "bob") }, "bob"},
		"sign-in, clear":      {func(ctx context.Context) { sojourn.SignIn(ctx, "bob"); sojourn.From(ctx).Clear() }, "bob"},
		"saved sign-in, regen.": {func(ctx context.Context) {
			sojourn.SignIn(ctx, "bob")
			sojourn.From(ctx).Save()
			sojourn.From(ctx).RegenerateNow()
		}, "bob"},
		"end, write": {func(ctx context.Context) { sojourn.End(ctx); color.Set(ctx, "x") }, ""},
	} {
		b := newBrowser(t, m)
		b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice"); color.Set(ctx, "blue") })
		old := b.clone()
		if res := b.do(test.f); res.StatusCode != 200 {
			t.Errorf("%s: answered %d", name, res.StatusCode)
		}
		if owner(b) != test.want || owner(old) != "" {
			t.Errorf("%s: %q, old %q", name, owner(b), owner(old))
		}
		b.do(func(ctx context.Context) {
			if got := color.GetOr(ctx, ""); got == "blue" {
				t.Errorf("%s: alice's field is still there", name)
			}
		})
	}
	for _, who := range []string{"alice", "bob", "carol"} {
		listing, _ := m.Sessions(t.Context(), who, store.Page{Limit: 100})
		if who == "alice" && len(listing.Records) != 0 {
			t.Errorf("%d sessions of alice are left", len(listing.Records))
		}
	}
}
