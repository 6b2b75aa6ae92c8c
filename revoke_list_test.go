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
	"github.com/sojourn-go/sojourn/memstore"
	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest"
)

// flushed sends the response's header, after which no cookie can be sent.
func flushed(w http.ResponseWriter, r *http.Request) context.Context {
	sojourn.Owner(r.Context())
	w.(http.Flusher).Flush()
	return r.Context()
}

// TestEndOfSent: End reaches the cookie that the same request has made and sent.
func TestEndOfSent(t *testing.T) {
	m, events := newListed(t, sojourn.Encrypted(ring(t)), newMemory(t), nil)
	b := newBrowser(t, m)
	var err error
	b.get(func(w http.ResponseWriter, r *http.Request) {
		sojourn.SignIn(r.Context(), "alice")
		sojourn.End(flushed(w, r))
		if _, ok := sojourn.Owner(r.Context()); ok {
			t.Error("somebody is signed in after End")
		}
		err = sojourn.From(r.Context()).Err()
	})
	if e, _ := events.find(sojourn.EventEnded); len(b.cookies) != 1 || owner(b) != "" || err != nil || e.Owner != "alice" {
		t.Errorf("%q, %v, %s", owner(b), err, events.kinds())
	}
}

// TestEndAfterResponseFails: an End after the response that cannot be noted is an
// error, and the session goes on.
func TestEndAfterResponseFails(t *testing.T) {
	for name, begin := range map[string]func(context.Context){
		"came in": func(context.Context) {},
		"sent":    func(ctx context.Context) { sojourn.SignIn(ctx, "alice") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				list := faulty(newMemory(t))
				m, events := newListed(t, sojourn.Encrypted(ring(t)), list, nil)
				b := signedIn(t, m)
				b.get(func(w http.ResponseWriter, r *http.Request) {
					begin(r.Context())
					ctx := flushed(w, r)
					fail(list)
					sojourn.End(ctx)
					if err := sojourn.From(ctx).Err(); sojourn.HTTPStatus(err) != 503 {
						t.Error(err)
					}
					if _, ok := sojourn.Owner(ctx); !ok {
						t.Error("nobody is signed in after an End that failed")
					}
				})
				list.Plan(nil)
				if _, ended := events.find(sojourn.EventEnded); ended || owner(b) != "alice" {
					t.Errorf("%q %s", owner(b), events.kinds())
				}
			})
		})
	}
}

// TestEndAfterHandler: an End after the handler has returned is too late, with a
// list too.
func TestEndAfterHandler(t *testing.T) {
	m, _ := newListed(t, sojourn.Encrypted(ring(t)), newMemory(t), nil)
	b := signedIn(t, m)
	var late context.Context
	b.get(func(w http.ResponseWriter, r *http.Request) { late = flushed(w, r) })
	sojourn.End(late)
	if err := sojourn.From(late).Err(); !errors.Is(err, sojourn.ErrLate) || owner(b) != "alice" {
		t.Errorf("%v, %q", err, owner(b))
	}
}

// TestEndClientGone: the list is written to whatever becomes of the request: who
// leaves before signing out, or as the old session of a sign-in is ended, has left
// no cookie that works.
func TestEndClientGone(t *testing.T) {
	for name, f := range map[string]func(ctx context.Context, list *storetest.FaultyStore, cancel func()){
		"before End": func(ctx context.Context, _ *storetest.FaultyStore, cancel func()) { cancel(); sojourn.End(ctx) },
		"during End": func(ctx context.Context, list *storetest.FaultyStore, cancel func()) {
			meanwhile(list, storetest.Create, cancel)
			sojourn.End(ctx)
		},
		"during a sign-in": func(ctx context.Context, list *storetest.FaultyStore, cancel func()) {
			meanwhile(list, storetest.Create, cancel)
			sojourn.SignIn(ctx, "alice")
		},
	} {
		t.Run(name, func(t *testing.T) {
			list := faulty(newMemory(t))
			m, _ := newListed(t, sojourn.Encrypted(ring(t)), list, nil)
			b := signedIn(t, m)
			copied := b.clone()
			r, cancel := newRequest()
			b.send(r, func(_ http.ResponseWriter, r *http.Request) {
				sojourn.Owner(r.Context())
				f(r.Context(), list, cancel)
			})
			if got := owner(copied); got != "" || r.Context().Err() == nil {
				t.Errorf("the copy is alive: %q", got)
			}
		})
	}
}

// TestEndFullList: a list that is full is an answer, and not asked again: the
// sign-out is an error page at once, and the cookie stays.
func TestEndFullList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list, err := memstore.New(memstore.Options{Records: 10})
		if err != nil {
			t.Fatal(err)
		}
		m, _ := newListed(t, sojourn.Encrypted(ring(t)), list, nil)
		b := signedIn(t, m)
		for range 10 {
			c := newBrowser(t, m)
			c.do(func(ctx context.Context) { color.Set(ctx, "blue") })
			if res := c.do(sojourn.End); res.StatusCode != 200 {
				t.Fatal(res.Status)
			}
		}
		start := time.Now()
		res := b.do(sojourn.End)
		if res.StatusCode != 503 || setCookie(res) != "" || time.Since(start) >= time.Second {
			t.Errorf("%s %q after %v", res.Status, setCookie(res), time.Since(start))
		}
		if owner(b) != "alice" {
			t.Error("the session is gone")
		}
	})
}

// TestTouchListAway: a touch can wait: while the list cannot be read, the page is
// answered without a cookie.
func TestTouchListAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list := faulty(newMemory(t))
		m, events := newListed(t, sojourn.Encrypted(ring(t)), list, nil)
		b := signedIn(t, m)
		time.Sleep(2 * time.Minute)
		events.reset()
		res := b.do(func(ctx context.Context) { sojourn.Owner(ctx); fail(list) })
		if res.StatusCode != 200 || setCookie(res) != "" || events.kinds() != "store-failed" {
			t.Errorf("%s %q %s", res.Status, setCookie(res), events.kinds())
		}
		list.Plan(nil)
		if res := b.do(func(ctx context.Context) { sojourn.Owner(ctx) }); setCookie(res) == "" {
			t.Error("no touch was due")
		}
	})
}

// TestTouchRevoked: the touch of a session that has ended meanwhile sends nothing.
func TestTouchRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, events := newListed(t, sojourn.Encrypted(ring(t)), newMemory(t), nil)
		b := signedIn(t, m)
		time.Sleep(2 * time.Minute)
		res := b.clone().do(func(ctx context.Context) {
			sojourn.Owner(ctx)
			b.do(sojourn.End)
			events.reset()
		})
		if res.StatusCode != 200 || setCookie(res) != "" || events.kinds() != "" {
			t.Errorf("%s %q %s", res.Status, setCookie(res), events.kinds())
		}
	})
}

// TestOvertakenEvents: that something was dropped is told where there was
// something.
func TestOvertakenEvents(t *testing.T) {
	for want, f := range map[string]func(context.Context){
		"":               func(ctx context.Context) { sojourn.From(ctx).MarkModified() },
		"writes-dropped": func(ctx context.Context) { sojourn.From(ctx).Regenerate() },
	} {
		m, events := newListed(t, sojourn.Encrypted(ring(t)), newMemory(t), nil)
		b := signedIn(t, m)
		b.clone().do(func(ctx context.Context) { f(ctx); b.do(sojourn.End); events.reset() })
		if got := events.kinds(); got != want {
			t.Errorf("events %q, not %q", got, want)
		}
	}
}

// TestRevokeNobody: nobody, who is the owner of all that are not signed in, has no
// sessions that could be ended.
func TestRevokeNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, events := newListed(t, sojourn.Encrypted(ring(t)), newMemory(t), nil)
		b, visitor := signedIn(t, m), newBrowser(t, m)
		visitor.do(func(ctx context.Context) { color.Set(ctx, "blue") })
		time.Sleep(time.Second)
		events.reset()
		if n, err := m.RevokeOwner(t.Context(), "", ""); n != 0 || err != nil || events.kinds() != "" {
			t.Errorf("%d, %v, %s", n, err, events.kinds())
		}
		if owner(b) != "alice" {
			t.Error("alice is signed out")
		}
		visitor.do(func(ctx context.Context) {
			if color.GetOr(ctx, "") != "blue" {
				t.Error("a visitor's session has ended")
			}
		})
	})
}

// TestRevokeBoth: Revoke, RevokeOwner and RevokeAll end sessions in cookies and
// those that have outgrown them, and count the latter; the list may be in the same
// store.
func TestRevokeBoth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		both := newMemory(t)
		m, events := newSpilling(t, both, both)
		big := func() *browser {
			b := signedIn(t, m)
			b.do(func(ctx context.Context) { blob.Set(ctx, tooMuch) })
			return b
		}
		b, cookie := big(), signedIn(t, m)
		if n, err := m.RevokeOwner(t.Context(), "alice", ""); n != 1 || err != nil || owner(b)+owner(cookie) != "" {
			t.Errorf("RevokeOwner: %d, %v, %q %q", n, err, owner(b), owner(cookie))
		}
		time.Sleep(time.Second)
		for _, b := range []*browser{big(), signedIn(t, m)} {
			name := nameOf(b)
			events.reset()
			if err := m.Revoke(t.Context(), name); err != nil || owner(b) != "" {
				t.Errorf("Revoke: %v, %q", err, owner(b))
			}
			if e, _ := events.find(sojourn.EventRevoked); e.Handle != name {
				t.Errorf("events %s", events.kinds())
			}
		}
		old, oldCookie := big(), signedIn(t, m)
		time.Sleep(time.Second)
		until := time.Now()
		time.Sleep(time.Second)
		young, youngCookie := big(), signedIn(t, m)
		events.reset()
		if n, err := m.RevokeAll(t.Context(), until); n != 1 || err != nil || events.kinds() != "revoked" {
			t.Errorf("RevokeAll: %d, %v, %s", n, err, events.kinds())
		}
		if owner(old)+owner(oldCookie) != "" || owner(young) != "alice" || owner(youngCookie) != "alice" {
			t.Errorf("old %q %q, young %q %q", owner(old), owner(oldCookie), owner(young), owner(youngCookie))
		}
	})
}

// TestRevokeAllFuture: sessions that are yet to be made cannot be ended, and
// whoever signs in after the attempt can be signed out.
func TestRevokeAllFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := newListed(t, sojourn.Encrypted(ring(t)), newMemory(t), nil)
		before := signedIn(t, m)
		if _, err := m.RevokeAll(t.Context(), time.Now().Add(time.Hour)); err == nil || !strings.Contains(err.Error(), "in the future") {
			t.Errorf("an hour: %v", err)
		}
		if owner(before) != "alice" {
			t.Error("it has ended something")
		}
		if _, err := m.RevokeAll(t.Context(), time.Now().Add(time.Second)); err != nil { // a clock that is ahead
			t.Error(err)
		}
		b := signedIn(t, m)
		if _, err := m.RevokeOwner(t.Context(), "alice", ""); err != nil || owner(b) != "" {
			t.Errorf("after RevokeOwner: %v, %q", err, owner(b))
		}
	})
}

// TestRevokeAllPages: RevokeAll goes through all pages of a store.
func TestRevokeAllPages(t *testing.T) {
	st := newMemory(t)
	m, _ := newManager(t, func(c *sojourn.Config) { c.Keep = sojourn.InStore(st) })
	const many = 1100
	for range many {
		newBrowser(t, m).do(func(ctx context.Context) { color.Set(ctx, "blue") })
	}
	if n, err := m.RevokeAll(t.Context(), time.Now()); n != many || err != nil {
		t.Errorf("%d of %d, %v", n, many, err)
	}
}

// TestRevokeLeavesList: Revoke with the handle of one of the list's own records
// does not bring back what that ended.
func TestRevokeLeavesList(t *testing.T) {
	st := newMemory(t)
	m, _ := newListed(t, sojourn.Encrypted(ring(t)).SpillTo(st), st, nil)
	b := signedIn(t, m)
	copied := b.clone()
	b.do(sojourn.End)
	listing, err := st.Scan(t.Context(), store.Page{Limit: 10})
	if err != nil || len(listing.Records) != 1 {
		t.Fatal(listing, err)
	}
	if err := m.Revoke(t.Context(), listing.Records[0].Handle); err != nil || owner(copied) != "" {
		t.Errorf("%v, %q", err, owner(copied))
	}
}

// TestRevokeOfToken: what is no handle is refused without being repeated, since it
// may be a token.
func TestRevokeOfToken(t *testing.T) {
	m, _ := newListed(t, sojourn.InStore(newMemory(t)), newMemory(t), nil)
	b := signedIn(t, m)
	token := b.cookies[tokenCookie]
	if err := m.Revoke(t.Context(), token); err == nil || strings.Contains(err.Error(), token) || strings.Contains(err.Error(), token[25:]) {
		t.Errorf("%v", err)
	}
}

// TestEndNotedBeforeFailure: what End has noted stays so, though the response
// becomes an error page.
func TestEndNotedBeforeFailure(t *testing.T) {
	m, _ := newListed(t, sojourn.Encrypted(ring(t)), newMemory(t), nil)
	b := signedIn(t, m)
	copied := b.clone()
	res := b.do(func(ctx context.Context) { sojourn.End(ctx); sojourn.Field[chan int]("x").Set(ctx, nil) })
	if res.StatusCode != 500 || owner(copied) != "" {
		t.Errorf("%s, the copy %q", res.Status, owner(copied))
	}
}

// TestEndedOnce: of each End there is one event, and none where there was nothing.
func TestEndedOnce(t *testing.T) {
	p := places(t)
	listed := func(c *sojourn.Config) { c.Revocations = newMemory(t) }
	move := func(c *sojourn.Config) {
		c.Keep, c.Cookie, c.AlsoRead = p["store"].Keep, p["store"].Cookie, []sojourn.Former{staying(p["encrypted"])}
	}
	end := func(ctx context.Context) { sojourn.End(ctx) }
	endAndFlash := func(ctx context.Context) { sojourn.End(ctx); sojourn.Flash(ctx, "info", "goodbye") }
	for name, test := range map[string]struct {
		config func(*sojourn.Config)
		f      func(context.Context)
		want   string
	}{
		"stays":                {move, end, "ended"},
		"stays, flash":         {move, endAndFlash, "ended created"},
		"stays, list":          {func(c *sojourn.Config) { move(c); listed(c) }, end, "ended"},
		"stays, list, flash":   {func(c *sojourn.Config) { move(c); listed(c) }, endAndFlash, "ended created"},
		"list":                 {listed, end, "ended"},
		"twice":                {listed, func(ctx context.Context) { sojourn.End(ctx); sojourn.End(ctx) }, "ended"},
		"regenerate and flash": {func(*sojourn.Config) {}, func(ctx context.Context) { sojourn.From(ctx).Regenerate(); endAndFlash(ctx) }, "ended created"},
	} {
		t.Run(name, func(t *testing.T) {
			b := signedIn(t, at(t, p["encrypted"]))
			m, events := newManager(t, func(c *sojourn.Config) {
				c.Keep = p["encrypted"].Keep
				test.config(c)
			})
			b.m = m
			b.do(test.f)
			if got := events.kinds(); got != test.want {
				t.Errorf("events %q, not %q", got, test.want)
			}
			events.reset()
			newBrowser(t, m).get(func(w http.ResponseWriter, r *http.Request) { sojourn.End(r.Context()) })
			if got := events.kinds(); got != "" {
				t.Errorf("of nothing: events %q", got)
			}
		})
	}
	m, events := newListed(t, sojourn.Encrypted(ring(t)), newMemory(t), nil)
	b := signedIn(t, m)
	events.reset()
	b.get(func(w http.ResponseWriter, r *http.Request) {
		ctx := flushed(w, r)
		sojourn.End(ctx)
		sojourn.End(ctx)
	})
	newBrowser(t, m).get(func(w http.ResponseWriter, r *http.Request) { sojourn.End(flushed(w, r)) })
	if got := events.kinds(); got != "ended" {
		t.Errorf("after the response: events %q", got)
	}
}
