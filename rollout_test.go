package sojourn_test

import (
	"context"
	"crypto"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest"
)

func faulty(s store.Store) *storetest.FaultyStore { return storetest.Faulty(s, nil) }

// places are keepers that a site may move from and to.
func places(t testing.TB) map[string]sojourn.Former {
	return map[string]sojourn.Former{
		"sha1":      {Keep: flask.Signed(ring(t))},
		"sha256":    {Keep: flask.Signed(ring(t), flask.Digest(crypto.SHA256))},
		"encrypted": {Keep: sojourn.Encrypted(ring(t))},
		"store":     {Keep: sojourn.InStore(newMemory(t)), Cookie: sojourn.Cookie{Name: "__Host-token"}},
		"other":     {Keep: sojourn.InStore(newMemory(t))},
	}
}

func at(t testing.TB, place sojourn.Former, also ...sojourn.Former) *sojourn.Manager {
	m, _ := newManager(t, func(c *sojourn.Config) { c.Keep, c.Cookie, c.AlsoRead = place.Keep, place.Cookie, also })
	return m
}

func staying(f sojourn.Former) sojourn.Former {
	f.Stay = true
	return f
}

// TestTwoSteps: the two-step roll-out from each place to each other. While
// processes of two steps run side by side, and visitors go from one to the other
// with each request, nobody is signed out and no field is lost.
func TestTwoSteps(t *testing.T) {
	for from := range places(t) {
		for to := range places(t) {
			if from == to || (from == "store" || from == "other") && to != "store" && to != "other" {
				continue // from a store into a cookie no session moves,
			}
			if from == "encrypted" && (to == "sha1" || to == "sha256") {
				continue // and from where nothing can be read into where it can
			}
			t.Run(from+" to "+to, func(t *testing.T) {
				p := places(t)
				before := at(t, p[from])
				first := at(t, p[from], staying(p[to]))
				second := at(t, p[to], p[from])
				last := at(t, p[to])
				b := newBrowser(t, before)
				n := 0
				visit := func(m *sojourn.Manager) {
					t.Helper()
					b.m = m
					n++
					b.do(func(ctx context.Context) {
						if name, _ := sojourn.Owner(ctx); n > 1 && name != "alice" {
							t.Errorf("visit %d: signed in as %q", n, name)
						}
						counter.Update(ctx, func(n int) int { return n + 1 })
					})
					if got := len(b.cookies); got != 1 {
						t.Errorf("visit %d: %d cookies", n, got)
					}
				}
				b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice"); color.Set(ctx, "blue") })
				n++
				for _, m := range []*sojourn.Manager{before, first, before, first, first, second, first, second, second, first, second, first, last} {
					visit(m)
				}
				b.do(func(ctx context.Context) {
					if counter.GetOr(ctx, 0) != n-1 || color.GetOr(ctx, "") != "blue" {
						t.Errorf("counter %d of %d, color %q", counter.GetOr(ctx, 0), n-1, color.GetOr(ctx, ""))
					}
				})
				for _, m := range []*sojourn.Manager{first, second} { // a sign-out holds on both sides
					c := b.clone()
					c.m = m
					c.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
					c.do(sojourn.End)
					if len(c.cookies) != 0 || owner(c) != "" {
						t.Errorf("after End: %v", c.cookies)
					}
				}
			})
		}
	}
}

// TestStayWins: where a browser has both cookies, that of the place to come is the
// newer one.
func TestStayWins(t *testing.T) {
	p := places(t)
	from, to := p["encrypted"], p["store"]
	first, second := at(t, from, staying(to)), at(t, to, from)
	b := newBrowser(t, first)
	b.do(func(ctx context.Context) { color.Set(ctx, "blue") })
	late := b.cookies[tokenCookie]
	b.m = second
	b.do(func(ctx context.Context) { color.Set(ctx, "red") })
	b.cookies[tokenCookie] = late // of a slow answer by a process of step one
	b.m = first
	res := b.do(func(ctx context.Context) {
		if got := color.GetOr(ctx, ""); got != "red" {
			t.Errorf("color %q", got)
		}
		counter.Set(ctx, 1)
	})
	if lines := setCookie(res); len(b.cookies) != 1 && strings.Contains(lines, tokenCookie) {
		t.Errorf("cookies %v after %q", b.cookies, lines)
	}
}

// TestStayParallel: requests to both kinds of processes at once, on one session
// that has moved to the store, lose nothing.
func TestStayParallel(t *testing.T) {
	p := places(t)
	first, second := at(t, p["sha1"], staying(p["store"])), at(t, p["store"], p["sha1"])
	b := newBrowser(t, second)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
	var all sync.WaitGroup
	for i := range 40 {
		c := b.clone()
		if i%2 == 0 {
			c.m = first
		}
		all.Go(func() { c.do(add(fmt.Sprint(i))) })
	}
	all.Wait()
	if n := len(strings.Fields(items(b))); n != 40 {
		t.Errorf("%d of 40 items", n)
	}
}

// TestOneRefusal: of a cookie that several forms refuse there is one event, with
// the reason of the form that it is of.
func TestOneRefusal(t *testing.T) {
	gone := at(t, sojourn.Former{Keep: sojourn.Encrypted(ring(t, anotherKey)), Cookie: sojourn.Cookie{Name: "session"}})
	b := newBrowser(t, gone)
	b.do(func(ctx context.Context) { color.Set(ctx, "blue") })
	m, events := newManager(t, func(c *sojourn.Config) {
		c.AlsoRead = []sojourn.Former{
			{Keep: flask.Signed(ring(t), flask.Digest(crypto.SHA256))},
			{Keep: sojourn.Encrypted(ring(t)), Cookie: sojourn.Cookie{Name: "session"}, Stay: true},
			{Keep: sojourn.InStore(newMemory(t)), Cookie: sojourn.Cookie{Name: "session"}, Stay: true},
		}
	})
	b.m = m
	b.do(func(ctx context.Context) { color.Get(ctx) })
	if e, _ := events.find(sojourn.EventRefused); events.kinds() != "refused" || e.Reason != sojourn.ReasonKey {
		t.Errorf("events %q, reason %q", events.kinds(), e.Reason)
	}
}
