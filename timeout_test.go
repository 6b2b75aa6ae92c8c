package sojourn_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
)

func owner(b *browser) (name string) {
	b.do(func(ctx context.Context) { name, _ = sojourn.Owner(ctx) })
	return name
}

// fetching marks b's requests as a script's: they renew nothing.
func (b *browser) fetching() *browser {
	b = b.clone()
	b.header.Set("Sec-Fetch-Mode", "cors")
	return b
}

// TestIdle: a session that is not used ends, to the second, whatever the
// browser sends (promise 6).
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, events := newManager(t, func(c *sojourn.Config) { c.IdleTimeout = 10 * time.Minute })
		b := newBrowser(t, m)
		b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
		copied := b.clone()
		time.Sleep(10 * time.Minute)
		if owner(copied.fetching()) != "alice" {
			t.Error("ended before its time")
		}
		time.Sleep(time.Second)
		if name := owner(copied.fetching()); name != "" {
			t.Errorf("%s lives on after the idle timeout", name)
		}
		if e, ok := events.find(sojourn.EventExpired); !ok || e.Owner != "alice" || e.Handle == "" {
			t.Errorf("events %q", events.kinds())
		}
	})
}

// TestTouch: use keeps a session alive and sends the cookie at most once an
// interval; nothing extends the absolute timeout.
func TestTouch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := newManager(t, func(c *sojourn.Config) { c.IdleTimeout, c.AbsoluteTimeout = 5*time.Minute, time.Hour })
		b := newBrowser(t, m)
		b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
		touches := 0
		for age := time.Duration(0); age < time.Hour; age += 10 * time.Second {
			res := b.do(func(ctx context.Context) {
				if name, _ := sojourn.Owner(ctx); name != "alice" {
					t.Fatalf("ended after %v", age)
				}
			})
			if setCookie(res) != "" {
				touches++
			}
			time.Sleep(10 * time.Second)
		}
		if touches != 119 { // every 30 seconds, a tenth of 5 minutes
			t.Errorf("%d touches in an hour", touches)
		}
		time.Sleep(time.Second)
		if name := owner(b); name != "" {
			t.Errorf("%s lives on after the absolute timeout", name)
		}
	})
}

// TestNoTouch lists the uses that put nothing off.
func TestNoTouch(t *testing.T) {
	tests := map[string]http.HandlerFunc{
		"not used": func(http.ResponseWriter, *http.Request) {},
		"no activity": func(_ http.ResponseWriter, r *http.Request) {
			sojourn.From(r.Context()).NoActivity()
			sojourn.Owner(r.Context())
		},
		"no activity, said later": func(_ http.ResponseWriter, r *http.Request) {
			sojourn.Owner(r.Context())
			sojourn.From(r.Context()).NoActivity()
		},
		"public": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "public, max-age=60")
			sojourn.Owner(r.Context())
		},
		"shared cache": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "s-maxage=60")
			sojourn.Owner(r.Context())
		},
	}
	for name, handler := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, _ := newManager(t, nil)
				b := newBrowser(t, m)
				b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
				time.Sleep(20 * time.Minute)
				res := b.get(handler)
				if setCookie(res) != "" {
					t.Errorf("sent %q", setCookie(res))
				}
				if strings.HasPrefix(res.Header.Get("Cache-Control"), "private") {
					t.Errorf("Cache-Control %q", res.Header.Get("Cache-Control"))
				}
			})
		})
	}
}

// TestNoActivityWrites: a write that is no activity is saved and puts nothing
// off.
func TestNoActivityWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := newManager(t, nil)
		b := newBrowser(t, m)
		b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
		for range 3 {
			time.Sleep(10 * time.Minute)
			if owner(b.fetching()) == "" {
				t.Fatal("ended early")
			}
			b.do(func(ctx context.Context) {
				sojourn.From(ctx).NoActivity()
				sojourn.Field[int]("polls").Update(ctx, func(n int) int { return n + 1 })
			})
		}
		b.fetching().do(func(ctx context.Context) {
			if n, _ := sojourn.Field[int]("polls").Get(ctx); n != 3 {
				t.Errorf("%d polls saved", n)
			}
		})
		time.Sleep(time.Second)
		if name := owner(b.fetching()); name != "" {
			t.Errorf("%s was kept alive by polling", name)
		}
	})
}

// TestAnonymousIdle: sessions without an owner may have a shorter life.
func TestAnonymousIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := newManager(t, func(c *sojourn.Config) { c.AnonymousIdle = time.Minute })
		anonymous, alice := newBrowser(t, m), newBrowser(t, m)
		anonymous.do(func(ctx context.Context) { color.Set(ctx, "blue") })
		alice.do(func(ctx context.Context) { color.Set(ctx, "blue"); sojourn.SignIn(ctx, "alice") })
		time.Sleep(time.Minute + time.Second)
		for b, want := range map[*browser]bool{anonymous: false, alice: true} {
			b.do(func(ctx context.Context) {
				if _, ok := color.Get(ctx); ok != want {
					t.Errorf("alive: %v, want %v", ok, want)
				}
			})
		}
	})
}

// TestPermanent: the cookie of a permanent session outlives the browser, until
// the session's own deadline.
func TestPermanent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := newManager(t, func(c *sojourn.Config) { c.IdleTimeout, c.AbsoluteTimeout = time.Hour, 90*time.Minute })
		b := newBrowser(t, m)
		expires := func(f func(*sojourn.Session)) string {
			res := b.do(func(ctx context.Context) { f(sojourn.From(ctx)) })
			for _, c := range res.Cookies() {
				if c.MaxAge == 0 && !c.Expires.IsZero() {
					return time.Until(c.Expires).String()
				}
			}
			return ""
		}
		if got := expires(func(s *sojourn.Session) { s.Set("a", 1) }); got != "" {
			t.Errorf("a browser session expires in %s", got)
		}
		if got := expires(func(s *sojourn.Session) { s.SetPermanent(true) }); got != "1h0m0s" {
			t.Errorf("expires in %s", got)
		}
		time.Sleep(40 * time.Minute)
		if got := expires(func(s *sojourn.Session) {
			if !s.Permanent() {
				t.Error("not permanent")
			}
		}); got != "50m0s" {
			t.Errorf("touched, it expires in %s", got)
		}
		if got := expires(func(s *sojourn.Session) { s.SetPermanent(false) }); got != "" {
			t.Errorf("no longer permanent, it expires in %s", got)
		}
	})
}

// TestRenamed: a cookie gets a new name without a logout, and the old name is
// deleted by the response that does it.
func TestRenamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, _ := newManager(t, nil)
		renamed, events := newManager(t, func(c *sojourn.Config) {
			c.Cookie.Name = "__Host-session"
			c.AlsoRead = []sojourn.Former{{Keep: flask.Signed(ring(t)), Until: time.Now().Add(24 * time.Hour)}}
		})
		b := newBrowser(t, old)
		b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice"); color.Set(ctx, "blue") })
		time.Sleep(15 * time.Minute)
		b.m = renamed
		if res := b.fetching().do(func(ctx context.Context) { color.Get(ctx) }); setCookie(res) != "" {
			t.Errorf("moved by a fetch: %q", setCookie(res))
		}
		res := b.do(func(ctx context.Context) { color.Get(ctx) })
		if lines := res.Header["Set-Cookie"]; len(lines) != 2 || !strings.HasPrefix(lines[0], "session=; Expires=Thu, 01 Jan 1970") ||
			!strings.HasPrefix(lines[1], "__Host-session=") {
			t.Fatalf("Set-Cookie: %q", lines)
		}
		if e, ok := events.find(sojourn.EventAdopted); !ok || e.Owner != "alice" {
			t.Errorf("events %q", events.kinds())
		}
		if len(b.cookies) != 1 || owner(b) != "alice" {
			t.Errorf("after the move: %q, cookies %v", owner(b), len(b.cookies))
		}
		// With both present the new one wins; End deletes both.
		b.cookies["session"] = "x"
		res = b.do(func(ctx context.Context) { sojourn.End(ctx) })
		if len(b.cookies) != 0 || len(res.Header["Set-Cookie"]) != 2 {
			t.Errorf("End sent %q", res.Header["Set-Cookie"])
		}
		// The absolute deadline moved along; after Until the old name is not read.
		stale := newBrowser(t, old)
		stale.do(func(ctx context.Context) { sojourn.SignIn(ctx, "bob") })
		time.Sleep(24 * time.Hour)
		stale.m = old
		stale.do(func(ctx context.Context) { sojourn.SignIn(ctx, "bob") })
		stale.m = renamed
		if owner(stale) != "" {
			t.Error("read a former cookie after Until")
		}
	})
}

// TestSignInRestartsAbsolute: the absolute timeout counts from the sign-in.
func TestSignInRestartsAbsolute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := newManager(t, func(c *sojourn.Config) { c.IdleTimeout, c.AbsoluteTimeout = time.Hour, time.Hour })
		b := newBrowser(t, m)
		b.do(func(ctx context.Context) { color.Set(ctx, "blue") })
		time.Sleep(50 * time.Minute)
		b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
		time.Sleep(50 * time.Minute)
		if owner(b) != "alice" {
			t.Error("the sign-in did not begin a new absolute timeout")
		}
		b.do(func(ctx context.Context) { sojourn.From(ctx).Regenerate() })
		time.Sleep(11 * time.Minute)
		if owner(b) != "" {
			t.Error("Regenerate did")
		}
	})
}

// TestNoActivitySignIn: a session that begins now is not as old as the one
// before it.
func TestNoActivitySignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := newManager(t, nil)
		b := newBrowser(t, m)
		b.do(func(ctx context.Context) { color.Set(ctx, "blue") })
		time.Sleep(29 * time.Minute)
		b.do(func(ctx context.Context) { sojourn.From(ctx).NoActivity(); sojourn.SignIn(ctx, "alice") })
		time.Sleep(20 * time.Minute)
		if owner(b) != "alice" {
			t.Error("died of the age of the session before")
		}
	})
}

// TestTouchIsRare: a touch a minute is enough, however long the timeout, and an
// anonymous session with a short one is touched in time.
func TestTouchIsRare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := newManager(t, func(c *sojourn.Config) { c.IdleTimeout = 10 * time.Hour })
		b := newBrowser(t, m)
		b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
		time.Sleep(59 * time.Second)
		if res := b.do(func(ctx context.Context) { sojourn.Owner(ctx) }); setCookie(res) != "" {
			t.Error("touched after 59 seconds")
		}
		time.Sleep(time.Second)
		if res := b.do(func(ctx context.Context) { sojourn.Owner(ctx) }); setCookie(res) == "" {
			t.Error("not touched after a minute")
		}
		b.m, _ = newManager(t, func(c *sojourn.Config) { c.IdleTimeout, c.AnonymousIdle = 10*time.Hour, 20*time.Second })
		b.do(func(ctx context.Context) { sojourn.End(ctx); color.Set(ctx, "blue") })
		for range 20 {
			time.Sleep(9 * time.Second)
			b.do(func(ctx context.Context) {
				if _, ok := color.Get(ctx); !ok {
					t.Fatal("an anonymous session in use has ended")
				}
			})
		}
	})
}
