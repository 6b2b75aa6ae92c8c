package flask_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
)

// A site is a manager on flask.Signed and a Flask application, of which only
// the signer is needed: what it writes at a given time.
type site struct {
	t      *testing.T
	m      *sojourn.Manager
	signer *flask.Signer
	mu     sync.Mutex
	events []sojourn.Event
}

func newSite(t *testing.T, opts ...flask.Option) *site {
	t.Helper()
	ring := weakRing(t, "key of a site with Flask beside")
	s := &site{t: t}
	var err error
	if s.signer, err = flask.NewSigner(ring); err != nil {
		t.Fatal(err)
	}
	s.m, err = sojourn.New(sojourn.Config{
		Keep: flask.Signed(ring, opts...), IdleTimeout: 30 * time.Minute, AbsoluteTimeout: 2 * time.Hour,
		Events: func(_ context.Context, e sojourn.Event) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.events = append(s.events, e)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// flask is the cookie that Flask writes now with this session.
func (s *site) flask(json string) string {
	s.t.Helper()
	cookie, err := s.signer.Sign(json, time.Now())
	if err != nil {
		s.t.Fatal(err)
	}
	return cookie
}

// get sends a page request with cookie to Go and returns the cookie that the
// browser has after it.
func (s *site) get(cookie string, f func(ctx context.Context)) string {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", "session="+cookie)
	rec := httptest.NewRecorder()
	s.m.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { f(r.Context()) })).ServeHTTP(rec, r)
	for _, c := range rec.Result().Cookies() {
		cookie = c.Value
	}
	return cookie
}

func (s *site) owner(cookie string) (owner, after string) {
	after = s.get(cookie, func(ctx context.Context) { owner, _ = sojourn.Owner(ctx) })
	return owner, after
}

// payload is what a cookie holds.
func (s *site) payload(cookie string) string {
	v, err := s.signer.Verify(cookie, time.Now(), 24*time.Hour)
	if err != nil {
		s.t.Fatal(err)
	}
	return v.Payload
}

// notes is Sojourn's field in a cookie.
func (s *site) notes(cookie string) string {
	_, text, _ := strings.Cut(s.payload(cookie), `"_sojourn":"`)
	text, _, _ = strings.Cut(text, `"`)
	return text
}

// TestAdopt: a session that Flask made gets its notes from the first page, as
// of the time Flask wrote it, and its other fields stay as they are.
func TestAdopt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		const fields = `{"_id":"x","_user_id":"7","cart":{" t":[1,2.0]}}`
		made := time.Now()
		cookie := s.flask(fields)
		time.Sleep(10 * time.Minute)
		owner, adopted := s.owner(cookie)
		if owner != "7" || adopted == cookie {
			t.Fatalf("owner %q, adopted %v", owner, adopted != cookie)
		}
		if _, twin := s.owner(cookie); s.notes(twin) != s.notes(adopted) {
			t.Error("two first requests disagree")
		}
		if got := s.payload(adopted); got != strings.Replace(fields, `"_user_id"`, `"_sojourn":"`+s.notes(adopted)+`","_user_id"`, 1) {
			t.Errorf("the fields have become %s", got)
		}
		if e := s.events[0]; e.Kind != sojourn.EventAdopted || e.Owner != "7" || !strings.Contains(s.notes(adopted), e.Handle) {
			t.Errorf("event %+v", e)
		}
		// Kept in use, it ends two hours after Flask made it.
		for time.Since(made) < 2*time.Hour-10*time.Minute {
			time.Sleep(10 * time.Minute)
			if owner, adopted = s.owner(adopted); owner != "7" {
				t.Fatalf("ended after %v", time.Since(made))
			}
		}
		time.Sleep(10*time.Minute + time.Second)
		if owner, _ = s.owner(adopted); owner != "" {
			t.Error("lives on after the absolute timeout")
		}
	})
}

// TestFlaskRestamps: Flask's writes put the idle timeout off, not the
// absolute one.
func TestFlaskRestamps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		made := time.Now()
		_, cookie := s.owner(s.flask(`{"_user_id":"7"}`))
		for time.Since(made) < 100*time.Minute {
			time.Sleep(25 * time.Minute)
			cookie = s.flask(s.payload(cookie)) // Flask writes, Go sees nothing
		}
		if owner, _ := s.owner(cookie); owner != "7" {
			t.Errorf("ended after %v of Flask's use", time.Since(made))
		}
		time.Sleep(2*time.Hour - time.Since(made) + time.Second)
		if owner, _ := s.owner(s.flask(s.payload(cookie))); owner != "" {
			t.Error("Flask's re-stamping extended the absolute timeout")
		}
	})
}

// TestOtherOwner: notes written for one owner are not another's.
func TestOtherOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		_, cookie := s.owner(s.flask(`{"_user_id":"7","a":1}`))
		notes := s.notes(cookie)
		time.Sleep(time.Minute)
		for _, after := range []string{`"_user_id":"8",`, ``, `"_user_id":7,`} { // signed in as another, out, and the same as a number
			rewritten := s.flask(strings.Replace(s.payload(cookie), `"_user_id":"7",`, after, 1))
			kept := after == `"_user_id":7,`
			if _, adopted := s.owner(rewritten); adopted == rewritten && !kept || (s.notes(adopted) == notes) != kept {
				t.Errorf("%q: notes %s, before %s", after, s.notes(adopted), notes)
			}
		}
		for _, damaged := range []string{"", "1", "2." + notes[2:], notes + ".", "1.zzzzzzzzzzzzzzzz." + notes[11:], strings.ToUpper(notes)} {
			rewritten := s.flask(strings.Replace(s.payload(cookie), notes, damaged, 1))
			if _, adopted := s.owner(rewritten); adopted == rewritten || s.notes(adopted) == damaged {
				t.Errorf("took the notes %q", damaged)
			}
		}
	})
}

// TestOnlyNotes: what Flask leaves when it takes all its fields is no session.
func TestOnlyNotes(t *testing.T) {
	s := newSite(t)
	_, cookie := s.owner(s.flask(`{"a":1}`))
	left := s.flask(`{"_sojourn":"` + s.notes(cookie) + `"}`)
	s.get(left, func(ctx context.Context) {
		if session := sojourn.From(ctx); !session.IsNew() || session.Len() != 0 {
			t.Error("bookkeeping alone is a session")
		}
	})
}

// TestOwnerIn: sites without Flask-Login keep the owner in a field of theirs.
func TestOwnerIn(t *testing.T) {
	s := newSite(t, flask.OwnerIn("username"))
	cookie := s.get(s.flask(`{"username":"alice","a":1}`), func(ctx context.Context) {
		if name, _ := sojourn.Owner(ctx); name != "alice" {
			t.Errorf("owner %q", name)
		}
		sojourn.SignIn(ctx, "bob")
	})
	if p := s.payload(cookie); !strings.Contains(p, `"username":"bob"`) || strings.Contains(p, `"a"`) {
		t.Errorf("signed in as %s", p)
	}
	s.get(cookie, func(ctx context.Context) {
		session := sojourn.From(ctx)
		session.Set("username", "mallory")
		if session.Err() == nil {
			t.Error("the owner's field can be set")
		}
	})
}

// TestOwnerMustBeText: an owner that cannot be written is an error page, not a
// session without an owner.
func TestOwnerMustBeText(t *testing.T) {
	s := newSite(t)
	if after := s.get("", func(ctx context.Context) { sojourn.SignIn(ctx, "\xff") }); after != "" {
		t.Errorf("sent %q", after)
	}
	if last := s.events[len(s.events)-1]; last.Kind != sojourn.EventFailed {
		t.Errorf("event %+v", last)
	}
}

// noise is n characters that zlib cannot shrink.
func noise(n int) string {
	b := make([]byte, n)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[rng.IntN(64)]
	}
	return string(b)
}

// TestSizes: rightly signed or not, a cookie beyond the limit is not looked at;
// one below it is.
func TestSizes(t *testing.T) {
	s := newSite(t)
	for n, want := range map[int]sojourn.Reason{11000: "", 17000: sojourn.ReasonTooLarge} {
		s.events = nil
		s.get(s.flask(`{"_user_id":"7","a":"`+noise(n)+`"}`), func(ctx context.Context) { sojourn.Owner(ctx) })
		if got := s.events; (len(got) > 0 && got[0].Kind == sojourn.EventRefused) != (want != "") || want != "" && got[0].Reason != want {
			t.Errorf("%d bytes in a request: %+v", n, got)
		}
	}
	for n, want := range map[int]sojourn.Reason{45000: "", 70000: sojourn.ReasonTooLarge} {
		_, err := s.signer.Verify(s.flask(`{"a":"`+noise(n)+`"}`), time.Now(), time.Hour)
		if sojourn.ReasonOf(err) != want {
			t.Errorf("%d bytes for the signer: %v", n, err)
		}
	}
}

// TestClearKeepsSignIn: clearing the fields leaves whoever Flask-Login has
// signed in, with all that it keeps of a sign-in.
func TestClearKeepsSignIn(t *testing.T) {
	s := newSite(t)
	cookie := s.get(s.flask(`{"_fresh":true,"_id":"x","_user_id":"7","a":1}`), func(ctx context.Context) { sojourn.From(ctx).Clear() })
	if p := s.payload(cookie); !strings.HasPrefix(p, `{"_fresh":true,"_id":"x","_sojourn":`) || !strings.HasSuffix(p, `"_user_id":"7"}`) {
		t.Errorf("after Clear: %s", p)
	}
}
