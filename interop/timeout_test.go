package interop

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
)

// The timeouts of these tests. Flask knows none of them: a cookie is good there
// for 31 days.
const (
	idle     = 30 * time.Minute
	absolute = 2 * time.Hour
	step     = 20 * time.Minute // within idle; two are not
)

// A beside is a Go application with timeouts beside a Flask application, and
// one browser that uses both.
type beside struct {
	*testing.T
	pair
	b *browser
}

// eachFlask runs a test beside Flask with hand-made sign-in and beside
// Flask-Login.
func eachFlask(t *testing.T, test func(s beside)) {
	t.Parallel()
	for name, start := range map[string]func(testing.TB, flaskConfig) *app{"by hand": startFlask, "Flask-Login": startFlaskLogin} {
		t.Run(name, func(t *testing.T) { test(newBeside(t, start(t, nil))) })
	}
}

// oneFlask runs a test beside Flask where sign-in does not matter.
func oneFlask(t *testing.T, test func(s beside)) {
	t.Parallel()
	test(newBeside(t, startFlask(t, nil)))
}

func newBeside(t *testing.T, web *app) beside {
	other := startGo(t, func(c *sojourn.Config) {
		c.Keep, c.Cookie.InsecureHTTP = flask.Signed(ring(t, keyA)), true
		c.IdleTimeout, c.AbsoluteTimeout = idle, absolute
	})
	return beside{t, pair{web, other, newCodec(t), false}, newBrowser(t)}
}

// clocks are those in the browser's cookie.
func (s *beside) clocks() (issued time.Time, book bookkeeping) {
	s.Helper()
	return clocks(s, s.python, s.b.cookie())
}

// seen is what Go makes of the session when a script asks, which changes
// nothing: who is signed in, and what happened.
func (s *beside) seen() (owner string, events []sojourn.Event) {
	s.Helper()
	s.other.happens.take()
	owner = s.b.fetching().owner(s.other)
	return owner, s.other.happens.take()
}

// alive checks that Go goes on with the session of an owner.
func (s *beside) alive(owner string) {
	s.Helper()
	if got, events := s.seen(); got != owner || len(events) != 0 {
		s.Errorf("Go sees %q, want %q; events: %s", got, owner, kinds(events))
	}
}

// expired checks that Go says of the session with this handle that its time
// has run out.
func (s *beside) expired(handle string) {
	s.Helper()
	got, events := s.seen()
	if got != "" || len(events) != 1 || events[0].Kind != sojourn.EventExpired || events[0].Handle != handle {
		s.Errorf("Go sees %q, events: %s; want %s expired", got, kinds(events), handle)
	}
}

// begin signs alice in, in Go, and returns the bookkeeping.
func (s *beside) begin() bookkeeping {
	s.Helper()
	s.b.post(s.other, "/login/alice", "")
	issued, book := s.clocks()
	if !near(issued, time.Now()) || !near(book.created, time.Now()) || len(book.handle) != 24 {
		s.Fatalf("a new session is issued %v, made %v, with handle %q", issued, book.created, book.handle)
	}
	return book
}

// adopted lets Go adopt what is in the browser, and checks that it is a session
// other than the one before, whose absolute clock starts at the stamp that
// Flask gave.
func (s *beside) adopted(before bookkeeping, owner string) bookkeeping {
	s.Helper()
	stamp, _ := s.clocks()
	s.other.happens.take()
	s.b.get(s.other, "/")
	events := s.other.happens.take()
	if kinds(events) != "adopted" || events[0].Owner != owner {
		s.Errorf("events %q, want %q adopted", kinds(events), owner)
	}
	_, book := s.clocks()
	if book.handle == before.handle || book.handle == "" {
		s.Errorf("the session has the handle %q, as before", book.handle)
	}
	if len(events) == 1 && events[0].Handle != book.handle {
		s.Errorf("adopted as %q, sent as %q", events[0].Handle, book.handle)
	}
	if !book.created.Equal(stamp) {
		s.Errorf("made %v, but Flask's stamp is %v", book.created, stamp)
	}
	return book
}

// busy lets time pass, while Flask writes to the session every 20 minutes, and
// checks that Sojourn's field is carried along.
func (s *beside) busy(d time.Duration) {
	s.Helper()
	for ; d > 0; d -= step {
		s.b.pass(s.python, min(step, d))
		_, before := s.clocks()
		s.b.post(s.flask, "/language/"+fmt.Sprint(int(d.Minutes())), "")
		issued, after := s.clocks()
		if !near(issued, time.Now()) {
			s.Errorf("Flask's write is stamped %v", issued)
		}
		if before.text != after.text || after.text == "" {
			s.Errorf("Flask made _sojourn %q of %q", after.text, before.text)
		}
	}
}

// TestFlaskWrites: Flask stamps anew what it writes, which is activity. The
// field of Sojourn is carried along, so nothing moves the absolute deadline.
func TestFlaskWrites(t *testing.T) {
	oneFlask(t, func(s beside) {
		book := s.begin()
		idler := s.b.copyTo()
		s.busy(2 * step)
		s.alive("alice")
		s.busy(4*step - time.Minute)
		s.alive("alice")
		s.busy(2 * time.Minute)
		s.expired(book.handle) // though Flask wrote it this second
		if who := s.b.owner(s.flask); who != "alice" {
			s.Errorf("Flask, which has no such timeout, says %q", who)
		}

		s.b = idler
		s.b.pass(s.python, 2*step) // without Flask's writes
		s.expired(book.handle)
	})
}

// TestFlaskClears: clear() takes the bookkeeping along. What is written after
// it is a new session, whose absolute clock starts at that cookie's stamp.
func TestFlaskClears(t *testing.T) {
	oneFlask(t, func(s beside) {
		book := s.begin()
		s.busy(absolute - step)
		s.b.post(s.flask, "/restart/fr", "")
		if _, left := s.clocks(); left.text != "" {
			s.Fatalf("clear left %q", left.text)
		}
		s.alive("")
		s.b.pass(s.python, 10*time.Minute) // until Go looks
		next := s.adopted(book, "")
		if !near(next.created, time.Now().Add(-10*time.Minute)) {
			s.Errorf("made %v", next.created)
		}
		s.busy(absolute - 11*time.Minute)
		s.alive("")
		s.busy(2 * time.Minute)
		s.expired(next.handle)

		// Cleared and left empty, the cookie is deleted, and Go makes a new one.
		s.b = newBrowser(s)
		book = s.begin()
		s.b.post(s.flask, "/clear", "")
		if s.b.cookie() != "" {
			s.Error("Flask kept an empty session")
		}
		s.other.happens.take()
		s.b.post(s.other, "/language/fr", "")
		if events := s.other.happens.take(); kinds(events) != "created" || events[0].Handle == book.handle {
			s.Errorf("after clear: %s", kinds(events))
		}
	})
}

// TestFlaskSignsOut: logout_user and its hand-made sisters pop the owner and
// leave the bookkeeping, which is bound to the owner and counts no longer.
func TestFlaskSignsOut(t *testing.T) {
	eachFlask(t, func(s beside) {
		book := s.begin()
		s.busy(absolute - step)
		s.b.post(s.flask, "/logout", "")
		if _, left := s.clocks(); left.handle != book.handle {
			s.Fatalf("sign-out left %q", left.text)
		}
		if owner, events := s.seen(); owner != "" || len(events) != 0 {
			s.Errorf("after the sign-out Go sees %q, events %s", owner, kinds(events))
		}
		next := s.adopted(book, "")
		s.busy(step + time.Minute) // beyond the first session's absolute deadline
		s.alive("")
		if _, now := s.clocks(); now.handle != next.handle {
			s.Errorf("the session was %v and is %v", next, now)
		}
	})
}

// TestFlaskSignsIn: after a sign-in by Flask the session is another, be it over
// somebody else's or over nobody's. The same owner's goes on.
func TestFlaskSignsIn(t *testing.T) {
	eachFlask(t, func(s beside) {
		book := s.begin()
		s.busy(absolute - step)
		s.b.post(s.flask, "/login/bob", "")
		bob := s.adopted(book, "bob")
		s.busy(step + time.Minute)
		s.alive("bob")

		s.b.post(s.flask, "/login/bob", "") // again
		if _, again := s.clocks(); again.handle != bob.handle {
			s.Errorf("the session was %v and is %v", bob, again)
		}
		s.alive("bob")
		s.busy(absolute - step)
		s.expired(bob.handle)

		s.b = newBrowser(s)
		s.b.post(s.other, "/language/fr", "")
		_, nobody := s.clocks()
		s.b.post(s.flask, "/login/carol", "")
		s.adopted(nobody, "carol")
		s.alive("carol")
	})
}

// TestFlaskRefreshes: Flask stamps a permanent session anew with every
// response. The idle clock follows, the absolute one does not.
func TestFlaskRefreshes(t *testing.T) {
	oneFlask(t, func(s beside) {
		book := s.begin()
		s.b.post(s.flask, "/permanent/1", "")
		for passed := step; passed <= absolute+step; passed += step {
			s.b.pass(s.python, step)
			_, before := s.clocks()
			if page := s.b.get(s.flask, "/plain"); page.sent() == "" {
				s.Fatal("Flask did not refresh a permanent session")
			}
			issued, after := s.clocks()
			if !near(issued, time.Now()) || after.text != before.text {
				s.Errorf("refreshed: issued %v, _sojourn %q was %q", issued, after.text, before.text)
			}
			if passed < absolute {
				s.alive("alice")
			} else {
				s.expired(book.handle)
			}
		}
	})
}

// TestFlaskReads: reading, Flask stamps nothing: the idle clock runs on.
func TestFlaskReads(t *testing.T) {
	eachFlask(t, func(s beside) {
		s.begin()
		s.b.get(s.flask, "/private") // Flask-Login notes that Go's sign-in is not fresh
		_, book := s.clocks()
		s.b.pass(s.python, step)
		before := s.b.cookie()
		for _, path := range []string{"/show", "/", "/private", "/plain", "/messages"} {
			if page := s.b.get(s.flask, path); page.sent() != "" {
				s.Errorf("%s sent %q", path, page.sent())
			}
		}
		if s.b.cookie() != before {
			s.Fatal("reading changed the cookie")
		}
		s.alive("alice")
		s.b.pass(s.python, 11*time.Minute)
		s.b.get(s.flask, "/show")
		s.expired(book.handle)
	})
}

// TestGoAdopts: Go takes over a session that Flask made when it loads a page,
// and not for a script, which could overwrite a newer cookie. The identity is
// the same whoever looks, and a copy from before begins no other.
func TestGoAdopts(t *testing.T) {
	oneFlask(t, func(s beside) {
		s.b.post(s.flask, "/login/alice", "")
		s.b.pass(s.python, step)
		stamp, none := s.clocks()
		if none.text != "" {
			s.Fatalf("Flask made %q", none.text)
		}
		copied := s.b.copyTo()
		if page := s.b.fetching().get(s.other, "/private"); page.sent() != "" || page.status != 200 {
			s.Errorf("a script's read sent %q", page.sent())
		}
		if page := s.b.get(s.other, "/plain"); page.sent() != "" {
			s.Errorf("a page without a session sent %q", page.sent())
		}
		first := s.adopted(none, "alice")
		if issued, _ := s.clocks(); !near(issued, time.Now()) {
			s.Errorf("adopted, it is stamped %v", issued)
		}
		s.alive("alice")

		adopter := s.b
		s.b, copied.mode = copied, "" // a browser that does not say what it loads
		if second := s.adopted(none, "alice"); second != first || !second.created.Equal(stamp) {
			s.Errorf("adopted as %v and, the same cookie again, as %v", first, second)
		}
		s.b = newBrowser(s)
		s.b.post(s.flask, "/login/alice", "")
		s.b.fetching().post(s.other, "/language/fr", "") // a write adopts, script or not
		if _, third := s.clocks(); third.text == "" {
			s.Error("a script's write adopted nothing")
		}
		s.b = adopter
		s.busy(absolute - step - time.Minute)
		s.alive("alice")
		s.busy(2 * time.Minute)
		s.expired(first.handle)
	})
}

// TestParallelFirst: requests that come at once, before any answer, adopt one
// session and not several, in one process or in two.
func TestParallelFirst(t *testing.T) {
	oneFlask(t, func(s beside) {
		second := newBeside(s.T, s.flask)
		for _, begin := range []string{"/login/alice", "/language/fr"} {
			s.b = newBrowser(s)
			s.b.post(s.flask, begin, "")
			copies := make([]*browser, 16)
			var wg sync.WaitGroup
			for i := range copies {
				b, to := s.b.copyTo(), s.other
				copies[i] = b
				if i%2 == 1 {
					to = second.other
				}
				wg.Go(func() {
					if i%3 == 0 {
						b.post(to, "/cart/add/tea", "")
					} else {
						b.get(to, "/")
					}
				})
			}
			wg.Wait()
			_, first := clocks(s, s.python, copies[0].cookie())
			for _, b := range copies {
				if _, book := clocks(s, s.python, b.cookie()); book != first || book.text == "" {
					s.Errorf("%s: one request adopted %v, another %v", begin, first, book)
				}
			}
		}
	})
}

// TestNothingLeft: a session that holds nothing but Sojourn's field is none.
func TestNothingLeft(t *testing.T) {
	oneFlask(t, func(s beside) {
		s.b.post(s.other, "/language/fr", "")
		_, book := s.clocks()
		s.b.post(s.flask, "/delete/language", "")
		if _, left := s.clocks(); left != book {
			s.Fatalf("Flask left %v", left)
		}
		s.other.happens.take()
		s.b.post(s.other, "/language/de", "")
		if events := s.other.happens.take(); kinds(events) != "created" || events[0].Handle == book.handle {
			s.Errorf("the next write: %s", kinds(events))
		}
		if _, next := s.clocks(); next.handle == book.handle || !near(next.created, time.Now()) {
			s.Errorf("the next session is %v", next)
		}
	})
}

// TestRealClock: the same with clocks that really run. A session that Flask
// only reads ends by itself; one that it writes goes on, to the absolute limit.
func TestRealClock(t *testing.T) {
	t.Parallel()
	const idle, absolute = 3 * time.Second, 6 * time.Second
	web, python := startFlask(t, nil), newCodec(t)
	other := startGo(t, func(c *sojourn.Config) {
		c.Keep, c.Cookie.InsecureHTTP = flask.Signed(ring(t, keyA)), true
		c.IdleTimeout, c.AbsoluteTimeout = idle, absolute
	})
	// until lets Flask do something again and again until the session has ended
	// in Go. To the moment, no sooner and no later, it may end when one of the
	// two limits is over.
	until := func(b *browser, visit func()) (byIdle bool) {
		for stop := time.Now().Add(patience); time.Now().Before(stop); time.Sleep(20 * time.Millisecond) {
			visit()
			stamp, book := clocks(t, python, b.cookie())
			end := stamp.Add(idle)
			if byIdle = true; book.created.Add(absolute).Before(end) {
				end, byIdle = book.created.Add(absolute), false
			}
			before := time.Now()
			owner := b.fetching().owner(other)
			after := time.Now()
			switch {
			case owner != "" && before.After(end):
				t.Fatalf("alive %v after its end", before.Sub(end))
			case owner == "" && after.Before(end):
				t.Fatalf("ended %v before its time", end.Sub(after))
			case owner == "":
				return byIdle
			}
		}
		t.Fatal("the session does not end")
		return
	}
	t.Run("reads", func(t *testing.T) {
		b := newBrowser(t)
		b.post(other, "/login/alice", "")
		if byIdle := until(b, func() { b.get(web, "/show") }); !byIdle {
			t.Error("ended by the absolute timeout")
		}
	})
	t.Run("writes", func(t *testing.T) {
		for range 5 { // a machine that stands still for seconds makes it idle
			b := newBrowser(t)
			b.post(other, "/login/alice", "")
			if byIdle := until(b, func() { b.post(web, "/language/fr", "") }); !byIdle {
				return
			}
		}
		t.Error("never lived until the absolute timeout")
	})
}
