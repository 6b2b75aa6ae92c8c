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
	"github.com/sojourn-go/sojourn/store"
)

// blob is a field that can outgrow a cookie.
const blob sojourn.Field[string] = "blob"

var tooMuch = strings.Repeat("too much for a cookie ", 200)

// newSpilling makes a manager on encrypted cookies that spill.
func newSpilling(t testing.TB, spill, list store.Store) (*sojourn.Manager, *log) {
	return newListed(t, sojourn.Encrypted(ring(t)).SpillTo(spill), list, nil)
}

// newSpillingPair makes two processes that share a store and a list, of which each
// hears with a delay of 10 seconds.
func newSpillingPair(t testing.TB) (m, other *sojourn.Manager) {
	list, spill := newMemory(t), newMemory(t)
	set := func(c *sojourn.Config) { c.RevocationDelay = 10 * time.Second }
	m, _ = newListed(t, sojourn.Encrypted(ring(t)).SpillTo(spill), list, set)
	other, _ = newListed(t, sojourn.Encrypted(ring(t)).SpillTo(spill), list, set)
	return m, other
}

// isToken reports whether the browser's cookie is a token.
func isToken(b *browser) bool { return len(b.cookies[tokenCookie]) == 68 }

// TestSpill: a session that outgrows its cookie goes on in the store, with all it
// held, until it ends; and then it is dead.
func TestSpill(t *testing.T) {
	for name, list := range map[string]func() store.Store{"no list": func() store.Store { return nil }, "list": func() store.Store { return newMemory(t) }} {
		t.Run(name, func(t *testing.T) {
			spill := newMemory(t)
			m, events := newSpilling(t, spill, list())
			b := signedIn(t, m)
			if isToken(b) {
				t.Fatal("a token already")
			}
			handle, copied := nameOf(b), b.clone()
			if res := b.do(func(ctx context.Context) {
				blob.Set(ctx, tooMuch)
				counter.Update(ctx, func(n int) int { return n + 1 })
			}); res.StatusCode != 200 {
				t.Fatal(res.Status)
			}
			if !isToken(b) || nameOf(b) != handle {
				t.Errorf("cookie %d bytes, handle %s, was %s", len(b.cookies[tokenCookie]), nameOf(b), handle)
			}
			if _, ok := events.find(sojourn.EventSpilled); !ok {
				t.Errorf("events: %s", events.kinds())
			}
			b.do(func(ctx context.Context) {
				name, _ := sojourn.Owner(ctx)
				if text, _ := blob.Get(ctx); text != tooMuch || name != "alice" || color.GetOr(ctx, "") != "blue" || counter.GetOr(ctx, 0) != 1 {
					t.Errorf("%q, %d bytes", name, len(text))
				}
				blob.Delete(ctx)
			})
			if !isToken(b) || owner(b) != "alice" {
				t.Error("it did not stay in the store")
			}
			if owner(copied) != "alice" { // it is a cookie as any other, until the session ends
				t.Error("a copy of the cookie is refused")
			}
			old := b.clone()
			b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
			if owner(old) != "" || owner(b) != "alice" {
				t.Errorf("after a sign-in: %q, %q", owner(old), owner(b))
			}
			old = b.clone()
			b.do(sojourn.End)
			if len(b.cookies) != 0 || owner(old) != "" {
				t.Errorf("after End: cookies %v, %q", b.cookies, owner(old))
			}
			if list() != nil && owner(copied) != "" {
				t.Error("a copy of the first cookie is alive")
			}
		})
	}
}

// TestSpillAtOnce: a session can outgrow its cookie in the request that begins it,
// in that of a sign-in, and after an End.
func TestSpillAtOnce(t *testing.T) {
	for name, f := range map[string]func(context.Context){
		"new":     func(ctx context.Context) {},
		"sign-in": func(ctx context.Context) { sojourn.SignIn(ctx, "bob") },
		"end":     sojourn.End,
		"regenerate": func(ctx context.Context) {
			sojourn.From(ctx).RegenerateNow()
		},
	} {
		for _, fresh := range []bool{true, false} {
			t.Run(fmt.Sprint(name, fresh), func(t *testing.T) {
				m, _ := newSpilling(t, newMemory(t), newMemory(t))
				b := newBrowser(t, m)
				if !fresh {
					b.do(func(ctx context.Context) { color.Set(ctx, "blue") })
				}
				res := b.do(func(ctx context.Context) { f(ctx); blob.Set(ctx, tooMuch) })
				if res.StatusCode != 200 || !isToken(b) {
					t.Fatalf("%s, cookie %d bytes", res.Status, len(b.cookies[tokenCookie]))
				}
				b.do(func(ctx context.Context) {
					if blob.GetOr(ctx, "") != tooMuch {
						t.Error("the field is lost")
					}
					if _, has := color.Get(ctx); has != (!fresh && name != "end") {
						t.Errorf("color: %v", has)
					}
				})
			})
		}
	}
}

// TestSpillParallel: parallel requests that each outgrow the same cookie join in
// one session and lose nothing, and one that was under way when the session had
// outgrown the cookie goes on in the store.
func TestSpillParallel(t *testing.T) {
	m, _ := newSpilling(t, newMemory(t), newMemory(t))
	b := signedIn(t, m)
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range 20 {
		c := b.clone()
		all.Go(func() {
			res := c.do(func(ctx context.Context) {
				sojourn.Owner(ctx) // loaded
				<-start
				sojourn.Field[int](fmt.Sprint("f", i)).Set(ctx, i)
				cart.Update(ctx, func(list []string) []string { return append(list, fmt.Sprint(i)) })
				if i%2 == 0 {
					blob.Set(ctx, tooMuch)
				}
			})
			if res.StatusCode != 200 {
				t.Error(res.Status)
			}
			if i == 0 {
				b.cookies = c.cookies
			}
		})
	}
	close(start)
	all.Wait()
	b.do(func(ctx context.Context) {
		list, _ := cart.Get(ctx)
		t.Logf("%d items", len(list))
		for i := 0; i < 20; i += 2 { // the others may have had their cookie sent before anybody had outgrown it
			if _, ok := (sojourn.Field[int](fmt.Sprint("f", i))).Get(ctx); !ok {
				t.Errorf("field %d is lost", i)
			}
		}
	})
}

// TestSpillAway: when the store cannot be reached, the request that needs it is an
// error page, and the session stays as it was.
func TestSpillAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spill := faulty(newMemory(t))
		m, _ := newSpilling(t, spill, newMemory(t))
		b := signedIn(t, m)
		fail(spill)
		if res := b.do(func(ctx context.Context) { blob.Set(ctx, tooMuch) }); res.StatusCode != http.StatusServiceUnavailable || setCookie(res) != "" {
			t.Errorf("%s %q", res.Status, setCookie(res))
		}
		if owner(b) != "alice" || isToken(b) {
			t.Error("the session is gone")
		}
		spill.Plan(nil)
		b.do(func(ctx context.Context) { blob.Set(ctx, tooMuch) })
		fail(spill)
		if res := b.do(func(ctx context.Context) { sojourn.Owner(ctx) }); res.StatusCode != http.StatusServiceUnavailable {
			t.Error(res.Status)
		}
	})
}

// TestTooLargeWithoutSpill: without a store to spill to it is an error that names
// the largest fields.
func TestTooLargeWithoutSpill(t *testing.T) {
	m, events := newManager(t, func(c *sojourn.Config) { c.Keep = sojourn.Encrypted(ring(t)) })
	b := newBrowser(t, m)
	if res := b.do(func(ctx context.Context) { blob.Set(ctx, tooMuch) }); res.StatusCode != http.StatusInternalServerError {
		t.Error(res.Status)
	}
	e, _ := events.find(sojourn.EventFailed)
	if large, ok := errors.AsType[*sojourn.TooLargeError](e.Err); !ok || large.Fields[0].Field != "blob" {
		t.Errorf("%v", e.Err)
	}
}

// TestEndBeginsAnew: what is written after an End begins where new sessions do,
// wherever the one before was.
func TestEndBeginsAnew(t *testing.T) {
	p := places(t)
	spilling, _ := newSpilling(t, newMemory(t), nil)
	for name, test := range map[string]struct {
		m     *sojourn.Manager
		begin *sojourn.Manager
		first func(context.Context)
		form  *sojourn.Manager // that reads what Keep writes, and nothing else
	}{
		"spilled":                {spilling, spilling, func(ctx context.Context) { blob.Set(ctx, tooMuch) }, at(t, p["encrypted"])},
		"stays in a store":       {at(t, p["encrypted"], staying(p["store"])), at(t, p["store"]), func(ctx context.Context) { color.Set(ctx, "blue") }, at(t, p["encrypted"])},
		"stays in a cookie":      {at(t, p["encrypted"], staying(p["sha1"])), at(t, p["sha1"]), func(ctx context.Context) { color.Set(ctx, "blue") }, at(t, p["encrypted"])},
		"stays, Keep is a store": {at(t, p["store"], staying(p["encrypted"])), at(t, p["encrypted"]), func(ctx context.Context) { color.Set(ctx, "blue") }, at(t, p["store"])},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBrowser(t, test.begin)
			b.do(test.first)
			b.m = test.m
			gone := b.clone()
			gone.do(sojourn.End)
			if len(gone.cookies) != 0 {
				t.Errorf("cookies after End alone: %v", gone.cookies)
			}
			b.m = test.begin
			b.cookies = map[string]string{}
			b.do(test.first)
			b.m = test.m
			b.do(func(ctx context.Context) { sojourn.End(ctx); sojourn.Flash(ctx, "info", "goodbye") })
			b.m = test.form
			b.do(func(ctx context.Context) {
				if f := sojourn.Flashes(ctx); len(f) != 1 || len(b.cookies) != 1 {
					t.Errorf("flashes %v, cookies %v", f, b.cookies)
				}
			})
		})
	}
}
