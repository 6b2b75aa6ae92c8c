package sojourn_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
)

// plainCodec is somebody else's form: everything in base64, sealed by nobody.
// It shows what the manager does by itself, without Flask's traits.
type plainCodec struct{}

func (plainCodec) Traits() sojourn.Traits { return sojourn.Traits{Sealed: true} }

func (plainCodec) Encode(rec *sojourn.Snapshot, _ sojourn.Use) (string, error) {
	text, err := json.Marshal(rec)
	return base64.RawURLEncoding.EncodeToString(text), err
}

func (plainCodec) Decode(text string, _ sojourn.Use) (sojourn.Decoded, error) {
	var d sojourn.Decoded
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(b, &d.Snapshot)
	}
	if err != nil {
		return d, &sojourn.RefusedError{Reason: sojourn.ReasonMalformed, Detail: "not ours"}
	}
	return d, nil
}

func plainManager(t *testing.T, change func(*sojourn.Config)) (*sojourn.Manager, *log) {
	return newManager(t, func(c *sojourn.Config) {
		c.Keep = sojourn.InCookie(plainCodec{})
		if change != nil {
			change(c)
		}
	})
}

// TestOtherForm: names, duplicates and secrets in a form that is not Flask's.
func TestOtherForm(t *testing.T) {
	for want, cookie := range map[string]sojourn.Cookie{
		"__Host-Http-session=": {}, "__Http-session=": {Domain: "example.com"}, "__Http-session= ": {Path: "/app"}, "session=": {InsecureHTTP: true}, "mine=": {Name: "mine"},
	} {
		m, _ := plainManager(t, func(c *sojourn.Config) { c.Cookie = cookie })
		if got := setCookie(newBrowser(t, m).do(func(ctx context.Context) { color.Set(ctx, "blue") })); !strings.HasPrefix(got, strings.TrimSpace(want)) {
			t.Errorf("%+v: %s", cookie, got)
		}
	}
	m, events := plainManager(t, nil)
	b := newBrowser(t, m)
	const pin = sojourn.SecretField[string]("pin")
	b.do(func(ctx context.Context) { pin.Set(ctx, "1234"); sojourn.SignIn(ctx, "alice") })
	b.do(func(ctx context.Context) {
		if v, ok := pin.Get(ctx); !ok || v != "1234" {
			t.Errorf("the secret is %q", v)
		}
	})
	const name = "__Host-Http-session"
	good := b.cookies[name]
	for header, want := range map[string]string{name + "=" + good + "; " + name + "=" + good: "alice", name + "=" + good + "; " + name + "=x": "", name + "=x; " + name + "=" + good: ""} {
		twice := newBrowser(t, m)
		twice.header.Set("Cookie", header)
		if got := owner(twice); got != want {
			t.Errorf("two cookies: %q, want %q", got, want)
		}
	}
	if e, ok := events.find(sojourn.EventRefused); !ok || e.Reason != sojourn.ReasonDuplicate {
		t.Errorf("events %q", events.kinds())
	}
	if _, err := sojourn.New(sojourn.Config{Keep: sojourn.InCookie(plainCodec{}), Cookie: sojourn.Cookie{Name: "__http-x", InsecureHTTP: true}}); err == nil {
		t.Error("__http-x over plain http")
	}
}

// TestToOtherForm: a session moves from Flask's form to another, with its
// owner and fields, under the same cookie name, and nothing is refused.
func TestToOtherForm(t *testing.T) {
	before, _ := newManager(t, nil)
	after, events := plainManager(t, func(c *sojourn.Config) {
		c.Cookie.Name = "session"
		c.AlsoRead = []sojourn.Former{{Keep: flask.Signed(ring(t))}}
	})
	b := newBrowser(t, before)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice"); color.Set(ctx, "blue") })
	b.m = after
	res := b.get(func(_ http.ResponseWriter, r *http.Request) { color.Get(r.Context()) })
	if len(res.Header["Set-Cookie"]) != 1 || events.kinds() != "adopted" {
		t.Errorf("sent %q, events %q", res.Header["Set-Cookie"], events.kinds())
	}
	b.m, _ = plainManager(t, func(c *sojourn.Config) { c.Cookie.Name = "session" })
	b.do(func(ctx context.Context) {
		if name, _ := sojourn.Owner(ctx); name != "alice" || color.GetOr(ctx, "") != "blue" {
			t.Errorf("moved: %q %q", name, color.GetOr(ctx, ""))
		}
	})
}

// TestForced: what is marked, or regenerated, is sent though nothing changed.
func TestForced(t *testing.T) {
	m, events := newManager(t, nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { color.Set(ctx, "blue") })
	for name, f := range map[string]func(*sojourn.Session){
		"MarkModified": func(s *sojourn.Session) { s.MarkModified() },
		"Regenerate":   func(s *sojourn.Session) { s.Regenerate() },
	} {
		if res := b.do(func(ctx context.Context) { f(sojourn.From(ctx)) }); setCookie(res) == "" {
			t.Errorf("%s sent nothing", name)
		}
	}
	if res := b.do(func(ctx context.Context) { color.Set(ctx, "blue") }); setCookie(res) != "" {
		t.Error("the same value was sent again")
	}
	counts := m.Counts()
	if counts[sojourn.EventCreated] != 1 || counts[sojourn.EventRegenerated] != 1 || counts[sojourn.EventEnded] != 0 || !strings.Contains(events.kinds(), "regenerated") {
		t.Errorf("counts %v", counts)
	}
}

// TestEventsAreTrue: events tell what has happened, not what was tried.
func TestEventsAreTrue(t *testing.T) {
	m, events := newManager(t, nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice"); color.Set(ctx, incompressible(9000)) })
	if got := events.kinds(); got != "commit-failed" {
		t.Errorf("a sign-in that failed: %q", got)
	}
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
	events.reset()
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "bob") })
	if e, ok := events.find(sojourn.EventEnded); !ok || e.Owner != "alice" || events.kinds() != "ended signed-in" {
		t.Errorf("bob over alice: %q %q", events.kinds(), e.Owner)
	}
	events.reset()
	b.do(func(ctx context.Context) { sojourn.End(ctx); sojourn.End(ctx) })
	if e, _ := events.find(sojourn.EventEnded); e.Owner != "bob" || events.kinds() != "ended" {
		t.Errorf("two Ends: %q", events.kinds())
	}
}
