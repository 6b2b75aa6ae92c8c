package sojourn_test

import (
	"context"
	"errors"
	"net/http"
	"runtime"
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

// grow has a session outgrow its cookie.
func grow(ctx context.Context) { blob.Set(ctx, tooMuch) }

// endingSoon are what a request can do that ends the cookie it came with.
var endingSoon = map[string]func(context.Context){
	"End":     sojourn.End,
	"SignIn":  func(ctx context.Context) { sojourn.SignIn(ctx, "alice") },
	"another": func(ctx context.Context) { sojourn.SignIn(ctx, "bob") },
	"step-up": func(ctx context.Context) { sojourn.From(ctx).RegenerateNow() },
}

// TestEndOfOutgrown: a request that came with the cookie, and ends the session
// after a parallel one has outgrown it, ends both the cookie and the token.
func TestEndOfOutgrown(t *testing.T) {
	for how, f := range endingSoon {
		t.Run(how, func(t *testing.T) {
			m, _ := newSpilling(t, newMemory(t), newMemory(t))
			b := signedIn(t, m)
			copied, big := b.clone(), b.clone()
			b.do(func(ctx context.Context) {
				sojourn.Owner(ctx)
				big.do(grow)
				f(ctx)
			})
			if cookie, token := owner(copied), owner(big); cookie != "" || token != "" || !isToken(big) {
				t.Errorf("alive: the cookie %q, the token %q", cookie, token)
			}
		})
	}
}

// TestEndOfOutgrownElsewhere: the same in another process, which hears of ends with
// a delay.
func TestEndOfOutgrownElsewhere(t *testing.T) {
	for how, f := range endingSoon {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, other := newSpillingPair(t)
				b := signedIn(t, m)
				copied, tab := b.clone(), b.clone().on(other)
				owner(tab)
				b.do(grow)
				tab.do(f)
				time.Sleep(time.Minute)
				if cookie, token := owner(copied), owner(b); cookie != "" || token != "" {
					t.Errorf("alive: the cookie %q, the token %q", cookie, token)
				}
			})
		})
	}
}

// TestEndBesideOutgrow: an End in another goroutine than the response's, while that
// makes the record, ends the record too, or says that it could not.
func TestEndBesideOutgrow(t *testing.T) {
	for range 30 {
		m, _ := newSpilling(t, newMemory(t), newMemory(t))
		b := signedIn(t, m)
		copied := b.clone()
		var err error
		b.get(func(w http.ResponseWriter, r *http.Request) {
			ctx := r.Context()
			var all sync.WaitGroup
			var once sync.Once
			blob.Update(ctx, func(string) string {
				once.Do(func() {
					all.Go(func() { sojourn.End(ctx) })
					for range 100 {
						runtime.Gosched()
					}
				})
				return tooMuch
			})
			w.WriteHeader(200)
			all.Wait()
			err = sojourn.From(ctx).Err()
		})
		if got := owner(b) + owner(copied); err == nil && got != "" {
			t.Fatalf("alive: %q, token %v", got, isToken(b))
		}
	}
}

// TestEndsBesideEachOther: many Ends of one request at once do no harm.
func TestEndsBesideEachOther(t *testing.T) {
	for range 50 {
		m, _ := newSpilling(t, newMemory(t), newMemory(t))
		b := signedIn(t, m)
		b.do(grow)
		copied := b.clone()
		b.do(func(ctx context.Context) {
			sojourn.Owner(ctx)
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() { sojourn.End(ctx) })
			}
			all.Wait()
		})
		if len(b.cookies) != 0 || owner(copied) != "" {
			t.Fatalf("cookies %v, alive %q", b.cookies, owner(copied))
		}
	}
}

// TestEndInUpdateNow: a function of UpdateNow can end the session it works on, in a
// store to which that had spilled: UpdateNow then says that there is none.
func TestEndInUpdateNow(t *testing.T) {
	m, _ := newSpilling(t, newMemory(t), nil)
	b := signedIn(t, m)
	b.do(grow)
	copied := b.clone()
	res := b.do(func(ctx context.Context) {
		_, err := counter.UpdateNow(ctx, func(n int, _ bool) (int, error) { sojourn.End(ctx); return n + 1, nil })
		if !errors.Is(err, sojourn.ErrEnded) {
			t.Errorf("UpdateNow: %v", err)
		}
	})
	if res.StatusCode != 200 || len(b.cookies) != 0 || owner(copied) != "" {
		t.Errorf("%s, cookies %v, the copy %q", res.Status, b.cookies, owner(copied))
	}
}

// TestEndInUpdateNowOfSecret: what UpdateNow was to keep in an encrypted cookie
// gets into none that can be read, though its function ends the session.
func TestEndInUpdateNowOfSecret(t *testing.T) {
	const token sojourn.SecretField[string] = "token"
	encrypted := sojourn.Former{Keep: sojourn.Encrypted(ring(t)), Cookie: sojourn.Cookie{Name: "encrypted"}}
	b := newBrowser(t, at(t, encrypted))
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
	signed := sojourn.Former{Keep: flask.Signed(ring(t))}
	b.m = at(t, signed, staying(encrypted))
	b.do(func(ctx context.Context) {
		_, err := token.UpdateNow(ctx, func(string, bool) (string, error) { sojourn.End(ctx); return "a secret", nil })
		if err == nil {
			t.Error("UpdateNow: no error")
		}
	})
	b.m = at(t, signed)
	b.do(func(ctx context.Context) {
		if v, ok := sojourn.From(ctx).Get("token"); ok {
			t.Errorf("readable: %v", v)
		}
	})
}

// TestOutgrowListAway: while the list or the store cannot be written to as a
// session outgrows its cookie, an error page sends no token, what came in goes on,
// and its later End holds.
func TestOutgrowListAway(t *testing.T) {
	for away, verb := range map[string]storetest.Verb{"list": storetest.Create, "create": storetest.Create, "apply": storetest.Apply} {
		for how, f := range map[string]func(context.Context){
			"change":  func(context.Context) {},
			"sign-in": func(ctx context.Context) { sojourn.SignIn(ctx, "alice") },
			"another": func(ctx context.Context) { sojourn.SignIn(ctx, "bob") },
			"step-up": func(ctx context.Context) { sojourn.From(ctx).RegenerateNow() },
		} {
			t.Run(away+"/"+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					list, spill := faulty(newMemory(t)), faulty(newMemory(t))
					m, _ := newSpilling(t, spill, list)
					b := signedIn(t, m)
					copied := b.clone()
					failing := spill
					if away == "list" {
						failing = list
					}
					failing.Plan(storetest.Every(verb, 1, storetest.Fault{Before: storetest.ErrFault}))
					res := b.do(func(ctx context.Context) { f(ctx); grow(ctx) })
					failing.Plan(nil)
					needed := away == "create" || away == "list" && how != "change" || away == "apply" && (how == "change" || how == "step-up")
					if (res.StatusCode == 503) != needed {
						t.Error(res.Status)
					}
					if res.StatusCode == 503 && (setCookie(res) != "" || owner(b) != "alice" && how != "step-up") {
						t.Errorf("the error page sent %q, %q", setCookie(res), owner(b))
					}
					left, err := spill.Scan(t.Context(), store.Page{Limit: 10})
					if err != nil || away == "list" && needed && how != "step-up" && len(left.Records) != 0 {
						t.Errorf("%d records are left, %v", len(left.Records), err)
					}
					if res.StatusCode == 200 && !isToken(b) {
						t.Error("no token")
					}
					b.do(sojourn.End)
					if got := owner(copied) + owner(b); got != "" {
						t.Errorf("after %s and an End: %q", res.Status, got)
					}
				})
			})
		}
	}
}

// TestOutgrowEnded: what would go on in a record that has ended, or expired, is
// dropped, which is an event; nothing is said to have spilled.
func TestOutgrowEnded(t *testing.T) {
	for name, gone := range map[string]func(copied, b *browser){
		"ended": func(_, b *browser) { b.do(sojourn.End) },
		"expired": func(copied, _ *browser) {
			for range 5 { // the copy is in use, the record is not
				time.Sleep(10 * time.Minute)
				owner(copied)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, events := newSpilling(t, newMemory(t), nil)
				b := signedIn(t, m)
				copied := b.clone()
				b.do(grow)
				gone(copied, b)
				events.reset()
				res := copied.do(grow)
				_, dropped := events.find(sojourn.EventDropped)
				_, spilled := events.find(sojourn.EventSpilled)
				if res.StatusCode != 200 || setCookie(res) != "" || !dropped || spilled {
					t.Errorf("%s %q %s", res.Status, setCookie(res), events.kinds())
				}
			})
		})
	}
}

// TestOutgrowOvertaken: a request whose session has ended meanwhile needs no store
// to spill to, which may be away.
func TestOutgrowOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spill := faulty(newMemory(t))
		m, events := newSpilling(t, spill, newMemory(t))
		b := signedIn(t, m)
		res := b.clone().do(func(ctx context.Context) {
			grow(ctx)
			b.do(sojourn.End)
			fail(spill)
		})
		if _, dropped := events.find(sojourn.EventDropped); res.StatusCode != 200 || setCookie(res) != "" || !dropped {
			t.Errorf("%s %q %s", res.Status, setCookie(res), events.kinds())
		}
	})
}

// TestOutgrownUnderWay: a request with the old cookie is not moved into the record
// that a parallel one has made: it sees what it came with.
func TestOutgrownUnderWay(t *testing.T) {
	m, events := newSpilling(t, newMemory(t), newMemory(t))
	b := signedIn(t, m)
	res := b.clone().get(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		sojourn.From(ctx).MarkModified()
		b.do(grow)
		b.do(func(ctx context.Context) { sojourn.From(ctx).Regenerate(); color.Set(ctx, "red") })
		w.Write([]byte("hello"))
		if got := color.GetOr(ctx, ""); got != "blue" {
			t.Errorf("it sees what others wrote: %q", got)
		}
	})
	if _, failed := events.find(sojourn.EventFailed); res.StatusCode != 200 || failed {
		t.Errorf("%s %s", res.Status, events.kinds())
	}
}

// TestOutgrowSignInEnds: a sign-in that outgrows the cookie ends the other owner's
// session that came in, by name.
func TestOutgrowSignInEnds(t *testing.T) {
	m, events := newSpilling(t, newMemory(t), nil)
	b := signedIn(t, m)
	handle := nameOf(b)
	events.reset()
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "bob"); grow(ctx) })
	if e, _ := events.find(sojourn.EventEnded); e.Handle != handle || e.Owner != "alice" || strings.Count(events.kinds(), "ended") != 1 {
		t.Errorf("%s: %s %s", events.kinds(), e.Handle, e.Owner)
	}
	events.reset()
	b.do(sojourn.End)
	if got := events.kinds(); got != "ended" {
		t.Errorf("End in the store: events %q", got)
	}
}

// TestOutgrowPlanted: neither a token nor a cookie that somebody else has planted
// leads him to the session that outgrows it, or signs in by it.
func TestOutgrowPlanted(t *testing.T) {
	signIn := func(ctx context.Context) { sojourn.SignIn(ctx, "alice") }
	for name, test := range map[string]struct{ plant, f func(context.Context) }{
		"token":                {grow, signIn},
		"token, big":           {grow, func(ctx context.Context) { signIn(ctx); grow(ctx) }},
		"cookie":               {func(ctx context.Context) { color.Set(ctx, "blue") }, func(ctx context.Context) { grow(ctx); signIn(ctx) }},
		"cookie, sign-in then": {func(ctx context.Context) { color.Set(ctx, "blue") }, func(ctx context.Context) { signIn(ctx); grow(ctx) }},
	} {
		t.Run(name, func(t *testing.T) {
			m, _ := newSpilling(t, newMemory(t), nil)
			attacker := newBrowser(t, m)
			attacker.do(test.plant)
			b := attacker.clone()
			b.do(test.f)
			attacker.do(grow)
			if got := owner(attacker); got != "" || owner(b) != "alice" || attacker.cookies[tokenCookie] == b.cookies[tokenCookie] {
				t.Errorf("who planted it is %q, the visitor %q", got, owner(b))
			}
		})
	}
	elsewhere, _ := newManager(t, func(c *sojourn.Config) { c.Keep = sojourn.InStore(newMemory(t)) })
	b := signedIn(t, elsewhere)
	before := b.cookies[tokenCookie]
	b.m, _ = newSpilling(t, newMemory(t), nil)
	if got := owner(b); got != "" {
		t.Errorf("a token of another store: %q", got)
	}
	b.do(func(ctx context.Context) { signIn(ctx); grow(ctx) })
	if owner(b) != "alice" || b.cookies[tokenCookie] == before {
		t.Error("a token of another store was taken over")
	}
}
