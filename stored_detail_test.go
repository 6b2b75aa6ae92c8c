package sojourn_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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

// when is a plan in which the n-th call of verb from now on has the fault f, and
// the next call after it runs then.
func when(faulty *storetest.FaultyStore, verb storetest.Verb, f storetest.Fault, then func()) {
	n := faulty.Calls(verb) + 1
	fired := false
	faulty.Plan(func(c storetest.Call) storetest.Fault {
		if c.Verb == verb && c.N == n {
			fired = true
			return f
		}
		if fired && then != nil {
			do := then
			then = nil
			faulty.Plan(nil)
			return storetest.Fault{Do: do}
		}
		return storetest.Fault{}
	})
}

var (
	lostReply = storetest.Fault{After: storetest.ErrFault}
	notMade   = storetest.Fault{Before: storetest.ErrFault}
)

// TestTimeShares: one question may take a quarter of StoreTimeout, a read is put
// twice, and all of it three quarters.
func TestTimeShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, faulty := newStored(t, nil)
		b := newBrowser(t, m)
		b.do(func(ctx context.Context) { color.Set(ctx, "blue") })
		for verb, want := range map[storetest.Verb]time.Duration{storetest.Load: 2 * time.Second, storetest.Apply: 3 * time.Second} {
			faulty.Plan(func(c storetest.Call) storetest.Fault {
				if c.Verb == verb || verb == storetest.Apply && c.N > faulty.Calls(c.Verb) {
					return storetest.Fault{Delay: time.Hour}
				}
				return storetest.Fault{}
			})
			begun := time.Now()
			res := b.do(func(ctx context.Context) { counter.Update(ctx, func(n int) int { return n + 1 }) })
			if took := time.Since(begun); res.StatusCode != 503 || took < want || took > want+100*time.Millisecond {
				t.Errorf("%s hangs: %d after %v, want %v", verb, res.StatusCode, took, want)
			}
		}
		faulty.Plan(storetest.Nth(storetest.Load, faulty.Calls(storetest.Load)+1, notMade))
		if res := b.do(func(ctx context.Context) { color.Get(ctx) }); res.StatusCode != 200 {
			t.Errorf("a read that failed once: %d", res.StatusCode)
		}
	})
}

// TestCrowd: a conflict that goes on and on is 503 when the time is over, after
// a bounded number of attempts that do not keep step.
func TestCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, faulty := newStored(t, nil)
		b := newBrowser(t, m)
		b.do(func(ctx context.Context) { color.Set(ctx, "blue") })
		other := b.clone()
		other.m = process(t, faulty)
		inside := false
		var at []time.Time
		faulty.Plan(func(c storetest.Call) storetest.Fault {
			if inside || c.Verb != storetest.Apply {
				return storetest.Fault{}
			}
			at = append(at, time.Now())
			return storetest.Fault{Do: func() {
				inside = true
				other.do(func(ctx context.Context) { counter.Update(ctx, func(n int) int { return n + 1 }) })
				inside = false
			}}
		})
		begun := time.Now()
		res := b.do(func(ctx context.Context) { color.Set(ctx, "red") })
		if took := time.Since(begun); res.StatusCode != 503 || took > 3*time.Second || len(at) > 300 {
			t.Errorf("answered %d after %v and %d attempts", res.StatusCode, took, len(at))
		}
		gaps := map[time.Duration]bool{}
		for i := range at[1:] {
			gaps[at[i+1].Sub(at[i])] = true
		}
		if len(gaps) < 10 {
			t.Errorf("%d attempts after %d different pauses", len(at), len(gaps))
		}
	})
}

// TestLostReplies: what becomes of a write whose reply was lost, by what has
// happened before the writer looks.
func TestLostReplies(t *testing.T) {
	write := func(ctx context.Context) { counter.Update(ctx, func(n int) int { return n + 1 }) }
	three := func(ctx context.Context) {
		for i := range 3 {
			add(fmt.Sprint(i))(ctx)
			sojourn.From(ctx).Save()
		}
	}
	for name, test := range map[string]struct {
		fault  storetest.Fault
		then   func(other *browser)
		status int
		count  int    // afterwards
		cart   string // as the request sees it after Save, and afterwards
	}{
		"done":                     {lostReply, nil, 200, 2, ""},
		"not done":                 {notMade, nil, 200, 2, ""},
		"done, others after it":    {lostReply, func(o *browser) { o.do(three) }, 200, 2, "0 1 2"},
		"not done, others instead": {notMade, func(o *browser) { o.do(three) }, 200, 2, "0 1 2"},
		"done, and out of sight": {lostReply, func(o *browser) {
			for range 6 {
				o.do(three)
			}
		}, 503, 2, strings.TrimSpace(strings.Repeat("0 1 2 ", 6))},
		"not done, and ended": {notMade, func(o *browser) { o.do(func(ctx context.Context) { sojourn.End(ctx) }) }, 200, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, _, faulty := newStored(t, nil)
				b := newBrowser(t, m)
				b.do(write)
				other := b.clone()
				other.m = process(t, faulty)
				then := func() {}
				if test.then != nil {
					then = func() { test.then(other) }
				}
				when(faulty, storetest.Apply, test.fault, then)
				begun := time.Now()
				res := b.do(func(ctx context.Context) {
					write(ctx)
					err := sojourn.From(ctx).Save()
					if c, _ := cart.Get(ctx); err == nil && strings.Join(c, " ") != test.cart {
						t.Errorf("after Save the cart is %q, want %q", c, test.cart)
					}
				})
				if took := time.Since(begun); took > time.Second {
					t.Errorf("took %v", took)
				}
				faulty.Plan(nil)
				n := 0
				b.do(func(ctx context.Context) { n = counter.GetOr(ctx, 0) })
				if res.StatusCode != test.status || n != test.count || items(b) != test.cart {
					t.Errorf("answered %d, counted %d, cart %q", res.StatusCode, n, items(b))
				}
			})
		})
	}
}

// TestLostCreate: a creation whose reply was lost, and asked for again, is the
// same session.
func TestLostCreate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, faulty := newStored(t, nil)
		b := newBrowser(t, m)
		faulty.Plan(func(c storetest.Call) storetest.Fault {
			switch {
			case c.Verb == storetest.Create && c.N == 1:
				return lostReply
			case c.Verb == storetest.Load && c.N <= 2:
				return notMade
			}
			return storetest.Fault{}
		})
		res := b.do(func(ctx context.Context) { color.Set(ctx, "blue") })
		b.do(func(ctx context.Context) {
			if got := color.GetOr(ctx, ""); res.StatusCode != 200 || got != "blue" {
				t.Errorf("answered %d, then %q", res.StatusCode, got)
			}
		})
		// An answer that makes no sense there is a failure of the store.
		faulty.Plan(storetest.Every(storetest.Create, 1, storetest.Fault{Before: store.ErrGone}))
		if res := newBrowser(t, m).do(func(ctx context.Context) { color.Set(ctx, "blue") }); res.StatusCode != 503 {
			t.Errorf("a new handle that is gone: %d", res.StatusCode)
		}
		// A limit is an answer: nobody asks again.
		faulty.Plan(storetest.Every(storetest.Create, 1, storetest.Fault{Before: store.ErrLimit}))
		n := faulty.Calls(storetest.Create)
		if res := newBrowser(t, m).do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") }); res.StatusCode != 409 || faulty.Calls(storetest.Create) != n+1 {
			t.Errorf("at the limit: %d after %d calls", res.StatusCode, faulty.Calls(storetest.Create)-n)
		}
	})
}

// TestCrowdedTurns: of requests that have loaded the session and save together,
// each writes once, and one that has nothing left to write does not.
func TestCrowdedTurns(t *testing.T) {
	for name, test := range map[string]struct {
		change func(ctx context.Context)
		want   int // writes
		loads  int
	}{
		"each its own": {func(ctx context.Context) { counter.Update(ctx, func(n int) int { return n + 1 }) }, 20, 20},
		"all the same": {func(ctx context.Context) { color.Set(ctx, "red") }, 1, 39}, // all but the first ask whether it is so
	} {
		synctest.Test(t, func(t *testing.T) {
			m, _, faulty := newStored(t, nil)
			b := newBrowser(t, m)
			b.do(func(ctx context.Context) { color.Set(ctx, "blue") })
			faulty.Plan(storetest.Every(storetest.Apply, 1, storetest.Fault{Delay: time.Millisecond}))
			loads := faulty.Calls(storetest.Load)
			var all sync.WaitGroup
			for range 20 {
				copied := b.clone()
				all.Go(func() {
					copied.do(func(ctx context.Context) {
						color.Get(ctx)
						time.Sleep(time.Second)
						test.change(ctx)
					})
				})
			}
			all.Wait()
			if loads, applies := faulty.Calls(storetest.Load)-loads, faulty.Calls(storetest.Apply); loads != test.loads || applies != test.want {
				t.Errorf("%s: %d loads and %d writes of 20 requests, want %d and %d", name, loads, applies, test.loads, test.want)
			}
		})
	}
}

// TestUpdateHasNoTurn: a function that runs again because another request was
// quicker may make a request on the same session: no turn is held.
func TestUpdateHasNoTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, faulty := newStored(t, nil)
		b := newBrowser(t, m)
		b.do(func(ctx context.Context) { counter.Set(ctx, 0) })
		faulty.Plan(storetest.Nth(storetest.Apply, 1, storetest.Fault{Delay: 100 * time.Millisecond}))
		first, second := b.clone(), b.clone()
		var all sync.WaitGroup
		all.Go(func() {
			first.do(func(ctx context.Context) { counter.Update(ctx, func(n int) int { return n + 1 }) })
		})
		runs := 0
		all.Go(func() {
			res := second.do(func(ctx context.Context) {
				color.Get(ctx)
				time.Sleep(10 * time.Millisecond) // the first has its turn
				counter.Update(ctx, func(n int) int {
					if runs++; runs == 2 {
						begun := time.Now()
						res := b.clone().do(func(ctx context.Context) { color.Set(ctx, "red") })
						if took := time.Since(begun); res.StatusCode != 200 || took > time.Second {
							t.Errorf("inside: %d after %v", res.StatusCode, took)
						}
					}
					return n + 10
				})
			})
			if res.StatusCode != 200 {
				t.Errorf("answered %d", res.StatusCode)
			}
		})
		all.Wait()
		b.do(func(ctx context.Context) {
			if n := counter.GetOr(ctx, 0); n != 11 || runs < 2 || color.GetOr(ctx, "") != "red" {
				t.Errorf("counted %d in %d runs, %q", n, runs, color.GetOr(ctx, ""))
			}
		})
	})
}

// TestStoredResponses: what the response to a request on a stored session
// carries, and what it asks the store.
func TestStoredResponses(t *testing.T) {
	for name, test := range map[string]struct {
		f         func(w http.ResponseWriter, r *http.Request)
		mode      string // Sec-Fetch-Mode
		permanent bool
		after     time.Duration
		want      string // "token", "permanent token" or ""
		calls     int
	}{
		"read":             {f: func(_ http.ResponseWriter, r *http.Request) { color.Get(r.Context()) }, calls: 1},
		"touch":            {f: func(_ http.ResponseWriter, r *http.Request) { color.Get(r.Context()) }, after: 2 * time.Minute, calls: 2},
		"touch, permanent": {f: func(_ http.ResponseWriter, r *http.Request) { color.Get(r.Context()) }, permanent: true, after: 2 * time.Minute, want: "permanent token", calls: 3},
		"touch, permanent, public": {f: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "public")
			color.Get(r.Context())
		}, permanent: true, after: 2 * time.Minute, calls: 1},
		"touch, permanent, fetch": {f: func(_ http.ResponseWriter, r *http.Request) { color.Get(r.Context()) }, mode: "cors", permanent: true, after: 2 * time.Minute, calls: 2},
		"write":                   {f: func(_ http.ResponseWriter, r *http.Request) { color.Set(r.Context(), "red") }, calls: 2},
		"write, permanent":        {f: func(_ http.ResponseWriter, r *http.Request) { color.Set(r.Context(), "red") }, permanent: true, want: "permanent token", calls: 2},
		"write, permanent, public": {f: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "public")
			color.Set(r.Context(), "red")
		}, permanent: true, calls: 2},
		"marked": {f: func(_ http.ResponseWriter, r *http.Request) { sojourn.From(r.Context()).MarkModified() }, want: "token", calls: 3},
		"marked and written": {f: func(_ http.ResponseWriter, r *http.Request) {
			sojourn.From(r.Context()).MarkModified()
			color.Set(r.Context(), "red")
		}, want: "token", calls: 2},
		"made permanent": {f: func(_ http.ResponseWriter, r *http.Request) { sojourn.From(r.Context()).SetPermanent(true) }, mode: "cors", want: "permanent token", calls: 2},
		"no longer so":   {f: func(_ http.ResponseWriter, r *http.Request) { sojourn.From(r.Context()).SetPermanent(false) }, mode: "cors", permanent: true, want: "token", calls: 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			m, _, faulty := newStored(t, nil)
			b := newBrowser(t, m)
			b.do(func(ctx context.Context) { color.Set(ctx, "blue"); sojourn.From(ctx).SetPermanent(test.permanent) })
			time.Sleep(test.after)
			if test.mode != "" {
				b.header.Set("Sec-Fetch-Mode", test.mode)
			}
			calls := faulty.TotalCalls()
			res := b.get(test.f)
			got := ""
			if c := res.Cookies(); len(c) == 1 {
				got = "token"
				if !c[0].Expires.IsZero() {
					got = "permanent token"
					if left := time.Until(c[0].Expires); left > 30*time.Minute || test.after == 0 && left < 29*time.Minute {
						t.Errorf("%s: the browser keeps it for %v", name, left)
					}
				}
			}
			if n := faulty.TotalCalls() - calls; got != test.want || n != test.calls || !strings.Contains(res.Header.Get("Vary"), "Cookie") {
				t.Errorf("%s: %q after %d calls, want %q after %d; Vary %q", name, got, n, test.want, test.calls, res.Header.Get("Vary"))
			}
		})
	}
}

// TestParallelRegenerate: a request that regenerates while another does has that
// one's token.
func TestParallelRegenerate(t *testing.T) {
	m, events, _ := newStored(t, nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
	slow := b.clone()
	slow.do(func(ctx context.Context) {
		sojourn.Owner(ctx)
		b.do(func(ctx context.Context) { sojourn.From(ctx).Regenerate() })
		sojourn.From(ctx).Regenerate()
	})
	if b.cookies[tokenCookie] != slow.cookies[tokenCookie] || owner(b) != "alice" {
		t.Errorf("two tokens, of %q and %q", owner(b), owner(slow))
	}
	if _, ok := events.find(sojourn.EventRegenerated); !ok {
		t.Errorf("events %q", events.kinds())
	}
}

// TestUnconfirmedToken: a request with a token from before a regenerate sends
// the new one only if the session is still there.
func TestUnconfirmedToken(t *testing.T) {
	for name, fault := range map[string]func(end func()) storetest.Fault{
		"ended meanwhile": func(end func()) storetest.Fault { return storetest.Fault{Do: end} },
		"touch fails":     func(func()) storetest.Fault { return notMade },
	} {
		m, events, faulty := newStored(t, nil)
		b := newBrowser(t, m)
		b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
		late := b.clone()
		b.do(func(ctx context.Context) { sojourn.From(ctx).Regenerate() })
		events.reset()
		faulty.Plan(storetest.Nth(storetest.Touch, 1, fault(func() { b.do(func(ctx context.Context) { sojourn.End(ctx) }) })))
		if res := late.do(func(ctx context.Context) { sojourn.Owner(ctx) }); res.StatusCode != 200 || setCookie(res) != "" {
			t.Errorf("%s: %d, %q", name, res.StatusCode, setCookie(res))
		}
		if _, ok := events.find(sojourn.EventDropped); ok {
			t.Errorf("%s: events %q, but nothing was written", name, events.kinds())
		}
		if _, ok := events.find(sojourn.EventStore); ok != (name == "touch fails") {
			t.Errorf("%s: events %q", name, events.kinds())
		}
	}
}

// TestSignInGoesOn: what a request does after it has saved a sign-in is the new
// session's.
func TestSignInGoesOn(t *testing.T) {
	m, events, faulty := newStored(t, nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice"); color.Set(ctx, "blue") })
	b.do(func(ctx context.Context) {
		sojourn.SignIn(ctx, "bob")
		color.Set(ctx, "red")
		sojourn.From(ctx).Save()
		if got := color.GetOr(ctx, ""); got != "red" {
			t.Errorf("after Save: %q", got)
		}
		counter.Set(ctx, 1)
	})
	b.do(func(ctx context.Context) {
		if color.GetOr(ctx, "") != "red" || counter.GetOr(ctx, 0) != 1 {
			t.Errorf("then %q and %d", color.GetOr(ctx, ""), counter.GetOr(ctx, 0))
		}
	})
	// A step-up ends no session of another's, and a double click has its owner.
	events.reset()
	second := b.clone()
	second.m = process(t, faulty)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "bob") })
	if _, ok := events.find(sojourn.EventEnded); ok {
		t.Errorf("events %q", events.kinds())
	}
	second.do(func(ctx context.Context) {
		sojourn.SignIn(ctx, "bob")
		sojourn.From(ctx).Save()
		if name, _ := sojourn.Owner(ctx); name != "bob" {
			t.Errorf("in the joined session: %q", name)
		}
	})
}

// TestJoinHasAnEnd: ten seconds after a sign-in its old token joins nothing any
// more, and records of another kind are none.
func TestJoinHasAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, _ := newStored(t, nil)
		b := newBrowser(t, m)
		b.do(add("a"))
		late := b.clone()
		b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
		time.Sleep(11 * time.Second)
		late.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
		if b.cookies[tokenCookie] == late.cookies[tokenCookie] || items(late) != "" {
			t.Errorf("joined after 11 seconds, with %q", items(late))
		}
		// A token whose record is no session opens nothing.
		handle, secret, _ := strings.Cut(b.cookies[tokenCookie], ".")
		rec, err := m.Store().Load(t.Context(), handle)
		if err != nil {
			t.Fatal(err)
		}
		rec.Kind, rec.Handle = store.KindRemember, store.NewHandle("alice")
		if _, err := m.Store().Create(t.Context(), rec, store.CreateOptions{Now: time.Now(), End: store.Ending{Mark: 1, Now: time.Now()}}); err != nil {
			t.Fatal(err)
		}
		b.cookies[tokenCookie] = rec.Handle + "." + secret
		if got := owner(b); got != "" {
			t.Errorf("the token of a record of another kind is %q's", got)
		}
		if listing, err := m.Sessions(t.Context(), "alice", store.Page{Limit: 10}); err != nil || len(listing.Records) != 2 {
			t.Errorf("%d sessions, %v", len(listing.Records), err)
		}
	})
}

// TestStoredLimits: what is too large, not set again, or cannot be read.
func TestStoredLimits(t *testing.T) {
	var err error
	m, _, faulty := newStored(t, func(c *sojourn.Config) {
		c.Strict = true
		c.Error = func(_ http.ResponseWriter, _ *http.Request, e error) { err = e }
	})
	b := newBrowser(t, m)
	res := b.do(func(ctx context.Context) { color.Set(ctx, strings.Repeat("x", 1<<20)) })
	large, ok := errors.AsType[*sojourn.TooLargeError](err)
	if !ok || large.Cookie != "" || large.Limit != 1<<20 || res.StatusCode != 500 || len(b.cookies) != 0 {
		t.Errorf("2 MiB: %d, %v", res.StatusCode, err)
	}
	b.do(add("a"))
	if res := b.do(func(ctx context.Context) { c, _ := cart.Get(ctx); c[0] = "changed" }); res.StatusCode != 500 || !errors.Is(err, sojourn.ErrUnsaved) {
		t.Errorf("changed and not set: %d, %v", res.StatusCode, err)
	}
	handle, _, _ := strings.Cut(b.cookies[tokenCookie], ".")
	rec, lerr := faulty.Load(t.Context(), handle)
	if lerr != nil {
		t.Fatal(lerr)
	}
	from := rec.Version
	rec.State, rec.Version = "9"+rec.State[1:], store.NewVersion()
	if err := faulty.Apply(t.Context(), rec, from, time.Now()); err != nil {
		t.Fatal(err)
	}
	if res := b.do(func(ctx context.Context) { color.Get(ctx) }); res.StatusCode != 503 || setCookie(res) != "" {
		t.Errorf("a record of a later version: %d, %q", res.StatusCode, setCookie(res))
	}
}

// TestShorterTimeouts: timeouts that were made shorter hold for the sessions
// that are there.
func TestShorterTimeouts(t *testing.T) {
	for name, change := range map[string]func(c *sojourn.Config){
		"idle":     func(c *sojourn.Config) { c.IdleTimeout = 5 * time.Minute },
		"absolute": func(c *sojourn.Config) { c.AbsoluteTimeout = 5 * time.Minute },
	} {
		synctest.Test(t, func(t *testing.T) {
			m, _, faulty := newStored(t, nil)
			b := newBrowser(t, m)
			b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
			b.m, _ = newManager(t, func(c *sojourn.Config) { c.Keep = sojourn.InStore(faulty); change(c) })
			time.Sleep(6 * time.Minute)
			if got := owner(b); got != "" {
				t.Errorf("%s: %q", name, got)
			}
		})
	}
}

// TestStreamGone: what a stream has changed is saved when it ends, though the
// visitor has gone.
func TestStreamGone(t *testing.T) {
	m, _, _ := newStored(t, nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { color.Set(ctx, "blue") })
	r, cancel := newRequest()
	b.clone().send(r, func(w http.ResponseWriter, r *http.Request) {
		color.Get(r.Context())
		w.WriteHeader(200)
		color.Set(r.Context(), "red")
		cancel()
	})
	b.do(func(ctx context.Context) {
		if got := color.GetOr(ctx, ""); got != "red" {
			t.Errorf("then %q", got)
		}
	})
}

// TestLostSession: a session that Reload has found ended asks the store nothing
// more, and nothing that is written to it later is kept.
func TestLostSession(t *testing.T) {
	m, events, faulty := newStored(t, nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
	other := b.clone()
	res := b.do(func(ctx context.Context) {
		sojourn.Owner(ctx)
		other.do(func(ctx context.Context) { sojourn.End(ctx) })
		s := sojourn.From(ctx)
		if err := s.Reload(); !errors.Is(err, sojourn.ErrEnded) {
			t.Errorf("Reload: %v", err)
		}
		calls := faulty.TotalCalls()
		color.Set(ctx, "red")
		for name, f := range map[string]func() error{
			"Save":   s.Save,
			"Reload": s.Reload,
			"UpdateNow": func() error {
				_, err := counter.UpdateNow(ctx, func(int, bool) (int, error) { return 1, nil })
				return err
			},
			"End": func() error { s.End(); return sojourn.ErrEnded },
		} {
			if name == "End" {
				continue // begins anew: last
			}
			if err := f(); !errors.Is(err, sojourn.ErrEnded) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n := faulty.TotalCalls() - calls; n != 0 {
			t.Errorf("%d calls for what has ended", n)
		}
	})
	if res.StatusCode != 200 || setCookie(res) != "" {
		t.Errorf("answered %d, %q", res.StatusCode, setCookie(res))
	}
	n := 0
	for kind := range strings.FieldsSeq(events.kinds()) {
		if kind == string(sojourn.EventDropped) {
			n++
		}
	}
	if n != 1 {
		t.Errorf("dropped %d times: %q", n, events.kinds())
	}
}

// TestMarkedOutage: a session that is marked as modified and was not loaded
// cannot be saved.
func TestMarkedOutage(t *testing.T) {
	m, _, faulty := newStored(t, func(c *sojourn.Config) { c.Outage = sojourn.OutageAnonymous })
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { color.Set(ctx, "blue") })
	faulty.Plan(storetest.Every(storetest.Load, 1, notMade))
	if res := b.do(func(ctx context.Context) { sojourn.From(ctx).MarkModified() }); res.StatusCode != 503 {
		t.Errorf("answered %d", res.StatusCode)
	}
}

// A fixedForm is a form of cookies in which every text is the same session.
type fixedForm struct{ d sojourn.Decoded }

func (f fixedForm) Traits() sojourn.Traits {
	return sojourn.Traits{Cookie: sojourn.Cookie{Name: "fixed"}}
}
func (f fixedForm) Decode(string, sojourn.Use) (sojourn.Decoded, error) {
	return f.d, nil
}
func (f fixedForm) Encode(*sojourn.Snapshot, sojourn.Use) (string, error) { return "fixed", nil }

// TestMovingForms: what moves into a store, and what does not.
func TestMovingForms(t *testing.T) {
	handle, hour := store.NewHandle("alice"), time.Hour
	for name, test := range map[string]struct {
		handle        string
		owner         string
		created, idle time.Duration // how long ago
		alive         bool
		records       int // after two requests that have the old cookie
	}{
		"a session":        {handle, "alice", hour, 0, true, 1},
		"without identity": {"", "alice", hour, 0, true, 2},
		"of nothing":       {handle, "", 0, 0, false, 0},
		"idle for long":    {handle, "alice", hour, 31 * time.Minute, false, 0},
		"old":              {handle, "alice", 12 * hour, 0, false, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			now := time.Now()
			d := sojourn.Decoded{Snapshot: sojourn.Snapshot{Handle: test.handle, Owner: test.owner, Created: now.Add(-test.created), LastSeen: now.Add(-test.idle)}}
			if test.owner != "" {
				d.State = []sojourn.EncodedField{{Name: "color", Raw: `"blue"`}}
			}
			if test.handle != "" {
				d.Secrets = append(d.Secrets, [32]byte{1})
			}
			until := now.Add(2 * hour)
			m, events, faulty := newStored(t, func(c *sojourn.Config) {
				c.AlsoRead = []sojourn.Former{{Keep: sojourn.InCookie(fixedForm{d}), Until: until}}
			})
			var b *browser
			for range 2 {
				b = newBrowser(t, m)
				b.cookies["fixed"] = "fixed"
				b.do(func(ctx context.Context) {
					if got := color.GetOr(ctx, ""); (got == "blue") != test.alive {
						t.Errorf("%s: %q", name, got)
					}
				})
			}
			listing, err := faulty.Scan(t.Context(), store.Page{Limit: 10})
			if err != nil || len(listing.Records) != test.records {
				t.Errorf("%s: %d records, %v", name, len(listing.Records), err)
			}
			for _, r := range listing.Records {
				if want := now.Add(11 * hour); !r.AbsoluteDeadline.Equal(want) || !r.HoldUntil.Equal(until) {
					t.Errorf("%s: ends at %v, held until %v", name, r.AbsoluteDeadline, r.HoldUntil)
				}
			}
			if _, ok := events.find(sojourn.EventAdopted); ok != test.alive {
				t.Errorf("%s: events %q", name, events.kinds())
			}
			if name != "a session" {
				return
			}
			b.do(func(ctx context.Context) { sojourn.End(ctx) })
			events.reset()
			b.cookies["fixed"] = "fixed"
			res := b.do(func(ctx context.Context) { color.Get(ctx) })
			if e, _ := events.find(sojourn.EventRefused); res.StatusCode != 200 || e.Reason != sojourn.ReasonUnknown {
				t.Errorf("a copy after the end: %d, events %q", res.StatusCode, events.kinds())
			}
			b.cookies["fixed"] = "fixed"
			time.Sleep(2 * hour)
			events.reset()
			if b.do(func(ctx context.Context) { color.Get(ctx) }); events.kinds() != "" {
				t.Errorf("after Until: events %q", events.kinds())
			}
		})
	}
}

// TestMovingTogether: two first requests, the second at each call of the first:
// one record, and each sees what the other has written.
func TestMovingTogether(t *testing.T) {
	for _, verb := range []storetest.Verb{storetest.Load, storetest.Create, storetest.Touch} {
		from, _ := newManager(t, nil)
		to, _, faulty := newStored(t, func(c *sojourn.Config) { c.AlsoRead = []sojourn.Former{{Keep: flask.Signed(ring(t))}} })
		b := newBrowser(t, from)
		b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
		b.m = to
		second := b.clone()
		faulty.Plan(storetest.Nth(verb, 1, storetest.Fault{Do: func() { second.do(func(ctx context.Context) { counter.Set(ctx, 7) }) }}))
		b.do(func(ctx context.Context) {
			if n := counter.GetOr(ctx, 0); n != 7 && verb != storetest.Touch {
				t.Errorf("%s: reads %d", verb, n)
			}
		})
		if b.cookies[tokenCookie] != second.cookies[tokenCookie] || owner(b) != "alice" {
			t.Errorf("%s: two tokens", verb)
		}
	}
}

// TestMovingStores: a record that moves to another store takes its facts along,
// has another token there, and is dead in the store it came from; a public page
// does not carry the token.
func TestMovingStores(t *testing.T) {
	old := newMemory(t)
	from, _ := newManager(t, func(c *sojourn.Config) { c.Keep = sojourn.InStore(old) })
	to, _, faulty := newStored(t, func(c *sojourn.Config) { c.AlsoRead = []sojourn.Former{{Keep: sojourn.InStore(old)}} })
	b := newBrowser(t, from)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
	before := b.clone()
	handle, _, _ := strings.Cut(b.cookies[tokenCookie], ".")
	rec, err := old.Load(t.Context(), handle)
	if err != nil {
		t.Fatal(err)
	}
	version := rec.Version
	rec.Facts, rec.Version = "facts", store.NewVersion()
	if err := old.Apply(t.Context(), rec, version, time.Now()); err != nil {
		t.Fatal(err)
	}
	b.m = to
	res := b.get(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public")
		if name, _ := sojourn.Owner(r.Context()); name != "alice" {
			t.Errorf("moved: %q", name)
		}
	})
	if setCookie(res) != "" {
		t.Errorf("a public page sets %q", setCookie(res))
	}
	if got := owner(b); got != "alice" || b.cookies[tokenCookie] == before.cookies[tokenCookie] {
		t.Errorf("then %q; the token is another: %v", got, b.cookies[tokenCookie] != before.cookies[tokenCookie])
	}
	if got := owner(before); got != "" {
		t.Errorf("in the former store it is still %q's", got)
	}
	if got, err := faulty.Load(t.Context(), handle); err != nil || got.Facts != "facts" {
		t.Errorf("facts: %v, %v", got, err)
	}
}

// A watchedStore shows the records it is given.
type watchedStore struct {
	store.Store
	seen func(rec *store.Record)
}

func (w watchedStore) Create(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
	w.seen(rec)
	return w.Store.Create(ctx, rec, opts)
}

func (w watchedStore) Apply(ctx context.Context, rec *store.Record, from store.Version, now time.Time) error {
	w.seen(rec)
	return w.Store.Apply(ctx, rec, from, now)
}

// TestGivenRecords: a store is given whole milliseconds, in UTC.
func TestGivenRecords(t *testing.T) {
	n := 0
	m := process(t, watchedStore{newMemory(t), func(rec *store.Record) {
		n++
		for _, at := range []time.Time{rec.Created, rec.LastSeen, rec.IdleDeadline, rec.AbsoluteDeadline} {
			if at.Location() != time.UTC || !at.Equal(at.Truncate(time.Millisecond)) {
				t.Errorf("given %v", at)
			}
		}
	}})
	b := newBrowser(t, m)
	for range 3 {
		b.do(func(ctx context.Context) { counter.Update(ctx, func(n int) int { return n + 1 }) })
	}
	if b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") }); n != 4 {
		t.Errorf("%d records", n)
	}
}

// An emptyFirst gives an empty first page of every list, as a store may.
type emptyFirst struct{ store.Store }

func (s emptyFirst) List(ctx context.Context, owner string, page store.Page) (store.Listing, error) {
	if page.Cursor == "" {
		return store.Listing{Next: "begin"}, nil
	}
	if page.Cursor == "begin" {
		page.Cursor = ""
	}
	return s.Store.List(ctx, owner, page)
}

// TestJoin: the second of two sign-ins finds the first one's session by any page
// of the list, at the owner's limit too, and does again only what it did after
// its sign-in.
func TestJoin(t *testing.T) {
	m, _ := newManager(t, func(c *sojourn.Config) { c.Keep, c.OwnerLimit = sojourn.InStore(emptyFirst{newMemory(t)}), 1 })
	first := newBrowser(t, m)
	first.do(add("a"))
	second := first.clone()
	signIn := func(ctx context.Context) {
		counter.Update(ctx, func(n int) int { return n + 1 })
		sojourn.SignIn(ctx, "alice")
		add("own")(ctx)
	}
	res := second.get(func(_ http.ResponseWriter, r *http.Request) {
		color.Get(r.Context()) // has loaded the session
		first.do(signIn)
		signIn(r.Context())
	})
	if res.StatusCode != 200 || first.cookies[tokenCookie] != second.cookies[tokenCookie] || items(first) != "a own own" {
		t.Errorf("answered %d, cart %q", res.StatusCode, items(first))
	}
	first.do(func(ctx context.Context) {
		if n := counter.GetOr(ctx, 0); n != 1 {
			t.Errorf("counted %d: what came before the second sign-in has been dropped with the session that it was in", n)
		}
	})
}

// TestJoinEnded: a session that ends while it is being looked for is no failure.
func TestJoinEnded(t *testing.T) {
	m, _, faulty := newStored(t, nil)
	b := newBrowser(t, m)
	b.do(add("a"))
	late := b.clone()
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
	handle, _, _ := strings.Cut(b.cookies[tokenCookie], ".")
	once := true
	faulty.Plan(func(c storetest.Call) storetest.Fault {
		if c.Verb == storetest.Load && c.Handle == handle && once {
			once = false
			return storetest.Fault{Do: func() { b.do(func(ctx context.Context) { sojourn.End(ctx) }) }}
		}
		return storetest.Fault{}
	})
	if res := late.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") }); res.StatusCode != 200 || owner(late) != "alice" || once {
		t.Errorf("answered %d, %q", res.StatusCode, owner(late))
	}
}

// TestSignInCorners: what else can happen between the calls of a sign-in.
func TestSignInCorners(t *testing.T) {
	setup := func(t *testing.T, who string, change func(*sojourn.Config)) (*sojourn.Manager, *browser, *log, *storetest.FaultyStore) {
		m, events, faulty := newStored(t, change)
		b := newBrowser(t, m)
		b.do(func(ctx context.Context) {
			add("a")(ctx)
			if who != "" {
				sojourn.SignIn(ctx, who)
			}
		})
		events.reset()
		return m, b, events, faulty
	}
	signIn := func(ctx context.Context) { sojourn.SignIn(ctx, "alice") }
	t.Run("changed, then ended", func(t *testing.T) { // before the new record is there
		_, b, _, faulty := setup(t, "alice", nil)
		other := b.clone()
		other.m = process(t, faulty)
		plan := 0
		faulty.Plan(func(c storetest.Call) storetest.Fault {
			switch {
			case c.Verb == storetest.Create && plan == 0:
				plan = 1
				return storetest.Fault{Do: func() { other.do(add("late")); plan = 2 }}
			case c.Verb == storetest.Load && plan == 2:
				plan = 3
				return storetest.Fault{Do: func() { other.do(func(ctx context.Context) { sojourn.End(ctx) }) }}
			}
			return storetest.Fault{}
		})
		if res := b.do(signIn); res.StatusCode != 200 || owner(b) != "alice" || items(b) != "" || plan != 3 {
			t.Errorf("answered %d, %q with %q", res.StatusCode, owner(b), items(b))
		}
	})
	t.Run("cannot be ended", func(t *testing.T) { // what was placed is taken back after the deadline too
		synctest.Test(t, func(t *testing.T) {
			m, b, events, faulty := setup(t, "", nil)
			old, _, _ := strings.Cut(b.cookies[tokenCookie], ".")
			faulty.Plan(func(c storetest.Call) storetest.Fault {
				if c.Verb == storetest.Delete && c.Handle == old {
					return notMade
				}
				return storetest.Fault{}
			})
			res := b.do(signIn)
			listing, err := m.Sessions(t.Context(), "alice", store.Page{Limit: 10})
			if res.StatusCode != 503 || err != nil || len(listing.Records) != 0 {
				t.Errorf("answered %d, %d sessions are left", res.StatusCode, len(listing.Records))
			}
			events.reset()
			faulty.Plan(storetest.Every(storetest.Delete, 1, notMade))
			b.do(signIn)
			if e, ok := events.find(sojourn.EventStore); !ok || e.Owner != "alice" {
				t.Errorf("what could not be taken back: events %q", events.kinds())
			}
		})
	})
	t.Run("answers without sense", func(t *testing.T) {
		_, b, _, faulty := setup(t, "", nil)
		faulty.Plan(storetest.Every(storetest.Create, 1, storetest.Fault{Before: store.ErrGone}))
		if res := b.do(signIn); res.StatusCode != 503 {
			t.Errorf("answered %d", res.StatusCode)
		}
	})
	t.Run("revoked meanwhile", func(t *testing.T) {
		m, b, _, faulty := setup(t, "", nil)
		other := b.clone()
		other.m = process(t, faulty)
		when(faulty, storetest.Delete, storetest.Fault{Do: func() {
			other.do(add("late"))
			if n, err := m.RevokeOwner(context.Background(), "alice", ""); n != 1 || err != nil {
				t.Errorf("revoked %d, %v", n, err)
			}
		}}, nil)
		if res := b.do(signIn); res.StatusCode != 503 || owner(b) != "" || items(b) != "a late" {
			t.Errorf("answered %d, %q with %q", res.StatusCode, owner(b), items(b))
		}
	})
	t.Run("over the limit", func(t *testing.T) {
		m, b, events, _ := setup(t, "", func(c *sojourn.Config) { c.OwnerLimit, c.EndOldest = 1, true })
		elsewhere := newBrowser(t, m)
		elsewhere.do(signIn)
		events.reset()
		b.do(signIn)
		if e, ok := events.find(sojourn.EventRevoked); !ok || e.Owner != "alice" || owner(elsewhere) != "" {
			t.Errorf("events %q, elsewhere %q", events.kinds(), owner(elsewhere))
		}
	})
}

// TestSaveOutage: Save says that a session could not be loaded, also when
// nothing was written.
func TestSaveOutage(t *testing.T) {
	m, _, faulty := newStored(t, func(c *sojourn.Config) { c.Outage = sojourn.OutageAnonymous })
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { color.Set(ctx, "blue") })
	faulty.Plan(storetest.Every(storetest.Load, 1, notMade))
	b.do(func(ctx context.Context) {
		if err := sojourn.From(ctx).Save(); err == nil || sojourn.HTTPStatus(err) != 503 {
			t.Errorf("Save: %v", err)
		}
	})
}

// TestReloadExpired: a session that has expired is ended for Reload.
func TestReloadExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, _ := newStored(t, nil)
		b := newBrowser(t, m)
		b.do(func(ctx context.Context) { color.Set(ctx, "blue") })
		b.do(func(ctx context.Context) {
			color.Get(ctx)
			time.Sleep(31 * time.Minute)
			if err := sojourn.From(ctx).Reload(); !errors.Is(err, sojourn.ErrEnded) {
				t.Errorf("Reload: %v", err)
			}
		})
	})
}

// TestUpdateNowFirst: a sign-in or a regenerate in the same request is saved
// with, or before, UpdateNow.
func TestUpdateNowFirst(t *testing.T) {
	now := func(ctx context.Context) {
		if _, err := counter.UpdateNow(ctx, func(n int, _ bool) (int, error) { return n + 1, nil }); err != nil {
			t.Error(err)
		}
	}
	m, _, _ := newStored(t, nil)
	b := newBrowser(t, m)
	b.do(add("a"))
	old := b.clone()
	b.do(func(ctx context.Context) {
		sojourn.SignIn(ctx, "alice")
		now(ctx)
		if items(old) != "" {
			t.Error("the old token is alive after UpdateNow")
		}
	})
	before := b.cookies[tokenCookie]
	b.do(func(ctx context.Context) { sojourn.From(ctx).Regenerate(); now(ctx) })
	if b.cookies[tokenCookie] == before || owner(b) != "alice" {
		t.Errorf("the regenerate was lost; %q", owner(b))
	}
}

// A newer store is a store as a later version of this program uses it: it keeps
// something of its own in the envelope of the state.
type newer struct {
	store.Store
	t testing.TB
}

const extension = "of a later version"

func (n newer) write(rec *store.Record) *store.Record {
	copied := *rec
	if strings.HasPrefix(rec.State, "1\x00") {
		copied.State = "1" + string(rune(len(extension))) + extension + rec.State[2:]
	}
	return &copied
}

func (n newer) Create(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
	return n.Store.Create(ctx, n.write(rec), opts)
}

func (n newer) Apply(ctx context.Context, rec *store.Record, from store.Version, now time.Time) error {
	return n.Store.Apply(ctx, n.write(rec), from, now)
}

func (n newer) Load(ctx context.Context, handle string) (*store.Record, error) {
	rec, err := n.Store.Load(ctx, handle)
	if err == nil && !strings.Contains(rec.State, extension) {
		n.t.Errorf("what a later version kept is gone: %q", rec.State)
	}
	return rec, err
}

// TestTwoVersions: a later version of the program, which keeps more in the
// envelope, and this one write one session at once: nothing of either is lost.
func TestTwoVersions(t *testing.T) {
	memory := newMemory(t)
	this, later := process(t, memory), process(t, newer{memory, t})
	b := newBrowser(t, later)
	b.do(func(ctx context.Context) { counter.Set(ctx, 0) })
	var all sync.WaitGroup
	for i := range 40 {
		copied := b.clone()
		if i%2 == 1 {
			copied.m = this
		}
		all.Go(func() {
			copied.do(func(ctx context.Context) {
				counter.Update(ctx, func(n int) int { return n + 1 })
				if i == 21 {
					sojourn.From(ctx).Regenerate()
				}
			})
		})
	}
	all.Wait()
	b.do(func(ctx context.Context) {
		if n := counter.GetOr(ctx, 0); n != 40 {
			t.Errorf("counted %d of 40", n)
		}
	})
}
