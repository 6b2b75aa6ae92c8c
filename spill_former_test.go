package sojourn_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
)

// TestFormerOutgrows: a session from a former cookie can outgrow the one that it
// moves into, in the same request.
func TestFormerOutgrows(t *testing.T) {
	for name, cookie := range map[string]sojourn.Cookie{"own name": {}, "same name": {Name: "session"}} {
		t.Run(name, func(t *testing.T) {
			old, _ := newManager(t, nil)
			b := signedIn(t, old)
			m, events := newManager(t, func(c *sojourn.Config) {
				c.Keep, c.Cookie = sojourn.Encrypted(ring(t)).SpillTo(newMemory(t)), cookie
				c.AlsoRead = []sojourn.Former{{Keep: flask.Signed(ring(t))}}
			})
			b.m = m
			if res := b.do(grow); res.StatusCode != 200 || len(b.cookies) != 1 {
				t.Errorf("%s, %d cookies", res.Status, len(b.cookies))
			}
			if _, ok := events.find(sojourn.EventSpilled); !ok {
				t.Errorf("events %s", events.kinds())
			}
			b.do(func(ctx context.Context) {
				if owner, _ := sojourn.Owner(ctx); owner != "alice" || color.GetOr(ctx, "") != "blue" || blob.GetOr(ctx, "") != tooMuch {
					t.Errorf("%q, color %q", owner, color.GetOr(ctx, ""))
				}
			})
		})
	}
}

// TestFormerTouchOutgrows: a session that does not fit into the cookie it moves
// into spills when it is touched, and does not time out in use.
func TestFormerTouchOutgrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, _ := newManager(t, nil)
		b := signedIn(t, old)
		b.do(grow)
		m, events := newManager(t, func(c *sojourn.Config) {
			c.Keep = sojourn.Encrypted(ring(t)).SpillTo(newMemory(t))
			c.AlsoRead = []sojourn.Former{{Keep: flask.Signed(ring(t))}}
		})
		b.m = m
		for range 6 {
			time.Sleep(10 * time.Minute)
			if got := owner(b); got != "alice" || len(b.cookies) != 1 {
				t.Fatalf("%q, %d cookies, events %s", got, len(b.cookies), events.kinds())
			}
		}
		if got := events.kinds(); got != "spilled" {
			t.Errorf("events %q", got)
		}
	})
}

// TestFormerSpilled: the tokens of a former keeper that spilled are still read:
// where Keep is a cookie the session stays where it is, where it is a store it
// moves; and from Until on they are read no more.
func TestFormerSpilled(t *testing.T) {
	for name, moves := range map[string]bool{"cookie": false, "store": true} {
		for _, until := range []time.Duration{0, time.Hour, -time.Hour} {
			t.Run(name+"/"+until.String(), func(t *testing.T) {
				spill := newMemory(t)
				former := sojourn.Former{Keep: sojourn.Encrypted(ring(t)).SpillTo(spill)}
				old := at(t, former)
				b := signedIn(t, old)
				b.do(grow)
				copied := b.clone()
				if until != 0 {
					former.Until = time.Now().Add(until)
				}
				place := sojourn.Former{Keep: sojourn.Encrypted(ring(t)), Cookie: sojourn.Cookie{Name: "__Host-new"}}
				if moves {
					place.Keep = sojourn.InStore(newMemory(t))
				}
				b.m = at(t, place, former)
				if until < 0 {
					if got := owner(b); got != "" {
						t.Errorf("read after Until: %q", got)
					}
					if got := owner(copied); got != "alice" {
						t.Errorf("the former place: %q", got)
					}
					return
				}
				b.do(func(ctx context.Context) { color.Set(ctx, "red") })
				b.do(func(ctx context.Context) {
					if owner, _ := sojourn.Owner(ctx); owner != "alice" || color.GetOr(ctx, "") != "red" || blob.GetOr(ctx, "") != tooMuch {
						t.Errorf("%q, color %q", owner, color.GetOr(ctx, ""))
					}
				})
				if _, new := b.cookies["__Host-new"]; new != moves || len(b.cookies) != 1 {
					t.Errorf("cookies %v", b.cookies)
				}
				if got := owner(copied); (got == "alice") == moves {
					t.Errorf("in the former place: %q", got)
				}
				again := b.clone()
				b.do(sojourn.End)
				if got := owner(again) + owner(copied); got != "" || len(b.cookies) != 0 {
					t.Errorf("after End: %q, cookies %v", got, b.cookies)
				}
			})
		}
	}
}

// TestSpillOfStore: a session in a store does not spill, which New says.
func TestSpillOfStore(t *testing.T) {
	for name, keep := range map[string]sojourn.Keeper{
		"a store": sojourn.InStore(newMemory(t)).SpillTo(newMemory(t)),
		"nil":     sojourn.InStore(newMemory(t)).SpillTo(nil),
	} {
		if _, err := sojourn.New(sojourn.Config{Keep: keep}); err == nil || !strings.Contains(err.Error(), "SpillTo is for cookies") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOneNameTwoForms: of two cookies of one name that differ none is taken, though
// only one is of Keep's form: who planted the other does not choose.
func TestOneNameTwoForms(t *testing.T) {
	signed := sojourn.Former{Keep: flask.Signed(ring(t))}
	encrypted := sojourn.Former{Keep: sojourn.Encrypted(ring(t)), Cookie: sojourn.Cookie{Name: "session"}}
	planted, alice := signedIn(t, at(t, signed)), signedIn(t, at(t, encrypted))
	for _, m := range []*sojourn.Manager{at(t, encrypted), at(t, encrypted, signed)} {
		b := newBrowser(t, m)
		b.header["Cookie"] = []string{"session=" + planted.cookies["session"] + "; session=" + alice.cookies["session"]}
		if got := owner(b); got != "" {
			t.Errorf("signed in as %q", got)
		}
	}
}
