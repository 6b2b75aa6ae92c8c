package sojourn_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn"
)

func handleOf(events *log) string {
	e, _ := events.find(sojourn.EventSignedIn)
	return e.Handle
}

// TestSignIn: a new identity each time, with the visitor's own fields and
// nobody else's (promise 4).
func TestSignIn(t *testing.T) {
	m, events := newManager(t, nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { color.Set(ctx, "blue") })
	anonymous, _ := events.find(sojourn.EventCreated)
	b.do(func(ctx context.Context) {
		if name, ok := sojourn.Owner(ctx); ok {
			t.Errorf("%q is signed in", name)
		}
		sojourn.SignIn(ctx, "alice")
		if name, ok := sojourn.Owner(ctx); name != "alice" || !ok {
			t.Errorf("the owner at once is %q", name)
		}
	})
	first := handleOf(events)
	if first == "" || first == anonymous.Handle {
		t.Errorf("signing in kept the identity %q", first)
	}
	for _, test := range []struct {
		owner, color string
	}{{"alice", "blue"}, {"bob", ""}} {
		events.reset()
		b.do(func(ctx context.Context) { sojourn.SignIn(ctx, test.owner) })
		b.do(func(ctx context.Context) {
			if got := color.GetOr(ctx, ""); got != test.color {
				t.Errorf("%s's color is %q, want %q", test.owner, got, test.color)
			}
		})
		if next := handleOf(events); next == "" || next == first {
			t.Errorf("%s: identity %q after %q", test.owner, next, first)
		} else {
			first = next
		}
	}
	events.reset()
	b.do(func(ctx context.Context) { // two in one request: the last counts
		sojourn.SignIn(ctx, "carol")
		color.Set(ctx, "carol's")
		sojourn.SignIn(ctx, "dave")
	})
	if strings.Count(events.kinds(), "signed-in") != 1 || owner(b) != "dave" {
		t.Errorf("events %q, owner %q", events.kinds(), owner(b))
	}
	b.do(func(ctx context.Context) {
		if v, ok := color.Get(ctx); ok {
			t.Errorf("dave got %q", v)
		}
	})
}

// TestEnd: the session is gone, the cookie deleted, and what follows begins
// anew.
func TestEnd(t *testing.T) {
	m, events := newManager(t, nil)
	b := newBrowser(t, m)
	begin := func() {
		b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice"); color.Set(ctx, "blue") })
		events.reset()
	}
	begin()
	res := b.do(func(ctx context.Context) {
		sojourn.End(ctx)
		if name, ok := sojourn.Owner(ctx); ok {
			t.Errorf("%q is still signed in", name)
		}
		if _, ok := color.Get(ctx); ok {
			t.Error("a field is still there")
		}
	})
	if !strings.HasPrefix(setCookie(res), "session=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Secure; HttpOnly; Path=/") {
		t.Errorf("sent %q", setCookie(res))
	}
	if e, ok := events.find(sojourn.EventEnded); !ok || e.Owner != "alice" || e.Handle == "" {
		t.Errorf("events %q", events.kinds())
	}
	begin()
	b.do(func(ctx context.Context) { sojourn.End(ctx); sojourn.Flash(ctx, "info", "goodbye") })
	b.do(func(ctx context.Context) {
		if f := sojourn.Flashes(ctx); len(f) != 1 || f[0].Message != "goodbye" {
			t.Errorf("flashes %v", f)
		}
		if s := sojourn.From(ctx); s.Len() != 0 {
			t.Errorf("%d fields survived", s.Len())
		}
	})
	begin()
	b.do(func(ctx context.Context) { sojourn.End(ctx); sojourn.SignIn(ctx, "bob") })
	if owner(b) != "bob" {
		t.Errorf("after End and SignIn: %q", owner(b))
	}
	events.reset()
	none := newBrowser(t, m)
	if res := none.do(func(ctx context.Context) { sojourn.End(ctx) }); setCookie(res) != "" || events.kinds() != "" {
		t.Errorf("ending nothing: %q, events %q", setCookie(res), events.kinds())
	}
	none.cookies["session"] = "garbage"
	if res := none.do(func(ctx context.Context) { sojourn.End(ctx) }); setCookie(res) == "" {
		t.Error("ending left a cookie that is not a session")
	}
}

// TestRegenerate: owner, fields and absolute deadline stay. The handle stays too,
// but with RegenerateNow, after which a revocation list knows the one before.
func TestRegenerate(t *testing.T) {
	m, events := newManager(t, nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice"); color.Set(ctx, "blue") })
	before := handleOf(events)
	created := strings.Split(bookkeeping(t, b), ".")[1]
	for _, now := range []bool{false, true} {
		events.reset()
		res := b.do(func(ctx context.Context) {
			if now {
				sojourn.From(ctx).RegenerateNow()
			} else {
				sojourn.From(ctx).Regenerate()
			}
		})
		e, ok := events.find(sojourn.EventRegenerated)
		if !ok || (e.Handle == before) == now || e.Owner != "alice" || setCookie(res) == "" {
			t.Errorf("now %v: events %q: %q after %q", now, events.kinds(), e.Handle, before)
		}
	}
	if after := strings.Split(bookkeeping(t, b), ".")[1]; after != created {
		t.Errorf("made at %s, regenerated at %s", created, after)
	}
	if owner(b) != "alice" {
		t.Error("signed out by Regenerate")
	}
	if res := newBrowser(t, m).do(func(ctx context.Context) { sojourn.From(ctx).Regenerate() }); setCookie(res) != "" {
		t.Errorf("regenerating nothing sent %q", setCookie(res))
	}
}

// TestUnknownOwnerFixation: a cookie that the server did not make is never
// taken over.
func TestPlantedCookie(t *testing.T) {
	m, events := newManager(t, nil)
	b := newBrowser(t, m)
	b.cookies["session"] = "eyJhIjoxfQ.ZVPxAA.paxw2MlCVvrGa8kh-HaEuD6KFKs"
	res := b.do(func(ctx context.Context) {
		if s := sojourn.From(ctx); !s.IsNew() || s.Len() != 0 {
			t.Error("took a planted cookie")
		}
	})
	if setCookie(res) != "" { // as Flask: left to be overwritten
		t.Errorf("sent %q", setCookie(res))
	}
	if e, ok := events.find(sojourn.EventRefused); !ok || e.Reason != sojourn.ReasonSignature {
		t.Errorf("events %q %v", events.kinds(), e.Reason)
	}
}

// TestTwoManagers: fields take the innermost, In names another.
func TestTwoManagers(t *testing.T) {
	site, _ := newManager(t, nil)
	admin, _ := newManager(t, func(c *sojourn.Config) { c.Cookie.Name = "admin" })
	b := newBrowser(t, site)
	handler := func(f func(ctx context.Context)) http.HandlerFunc {
		return admin.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { f(r.Context()) })).ServeHTTP
	}
	res := b.get(handler(func(ctx context.Context) {
		color.Set(ctx, "inner")
		color.In(site.Session(ctx)).Set("outer")
	}))
	if len(res.Header["Set-Cookie"]) != 2 || len(b.cookies) != 2 {
		t.Errorf("Set-Cookie: %q", res.Header["Set-Cookie"])
	}
	b.get(handler(func(ctx context.Context) {
		inner, outer := color.GetOr(ctx, ""), color.In(site.Session(ctx)).GetOr("")
		if inner != "inner" || outer != "outer" || admin.Session(ctx) != sojourn.From(ctx) {
			t.Errorf("inner %q, outer %q", inner, outer)
		}
	}))
}

// TestNoMiddleware: the one panic, and it says what to do.
func TestNoMiddleware(t *testing.T) {
	m, _ := newManager(t, nil)
	for name, f := range map[string]func(){
		"From":    func() { color.Get(t.Context()) },
		"Session": func() { m.Session(t.Context()) },
	} {
		func() {
			defer func() {
				if p, _ := recover().(string); !strings.Contains(p, "wrap the handler") {
					t.Errorf("%s: panic %q", name, p)
				}
			}()
			f()
		}()
	}
}
