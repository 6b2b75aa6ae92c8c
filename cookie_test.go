package sojourn_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
)

// bookkeeping returns the text of _sojourn in b's cookie.
func bookkeeping(t *testing.T, b *browser) string {
	t.Helper()
	s, err := flask.NewSigner(ring(t))
	if err != nil {
		t.Fatal(err)
	}
	v, err := s.Verify(b.cookies["session"], time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	fields, err := flask.Decode(v.Payload)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := fields["_sojourn"].(string)
	return text
}

// TestSetCookie lists configurations and the attributes they make.
func TestSetCookie(t *testing.T) {
	tests := []struct {
		cookie sojourn.Cookie
		want   string // after name=value
	}{
		{sojourn.Cookie{}, "session; Secure; HttpOnly; Path=/; SameSite=Lax"},
		{sojourn.Cookie{Name: "__Host-Http-s"}, "__Host-Http-s; Secure; HttpOnly; Path=/; SameSite=Lax"},
		{sojourn.Cookie{InsecureHTTP: true}, "session; HttpOnly; Path=/; SameSite=Lax"},
		{sojourn.Cookie{SameSite: http.SameSiteStrictMode, Path: "/app"}, "session; Secure; HttpOnly; Path=/app; SameSite=Strict"},
		{sojourn.Cookie{SameSite: http.SameSiteNoneMode, Partitioned: true}, "session; Secure; HttpOnly; Path=/; SameSite=None; Partitioned"},
		{sojourn.Cookie{Domain: "example.com"}, "session; Domain=example.com; Secure; HttpOnly; Path=/; SameSite=Lax"},
	}
	for _, test := range tests {
		m, _ := newManager(t, func(c *sojourn.Config) { c.Cookie = test.cookie })
		got := setCookie(newBrowser(t, m).do(func(ctx context.Context) { color.Set(ctx, "blue") }))
		name, attributes, _ := strings.Cut(test.want, ";")
		if !strings.HasPrefix(got, name+"=ey") || !strings.HasSuffix(got, ";"+attributes) {
			t.Errorf("%+v: %s", test.cookie, got)
		}
	}
}

// TestNewRefuses: what a browser would drop, or what makes no sense, is an
// error of New that names the setting.
func TestNewRefuses(t *testing.T) {
	signed, exact := flask.Signed(ring(t)), flask.Exact(ring(t), flask.Settings{})
	tests := map[string]sojourn.Config{
		"Config.Keep is not set":                   {},
		"no secret key":                            {Keep: flask.Signed(nil)},
		"AlsoRead[0].Keep is not set":              {Keep: signed, AlsoRead: []sojourn.Former{{}}},
		"AlsoRead[0].Keep: flask.Exact":            {Keep: signed, AlsoRead: []sojourn.Former{{Keep: exact}}},
		"IdleTimeout: -1s is negative":             {Keep: signed, IdleTimeout: -time.Second},
		"IdleTimeout: 1.5s is not whole":           {Keep: signed, IdleTimeout: 1500 * time.Millisecond},
		"AbsoluteTimeout: 9601h0m0s is more":       {Keep: signed, AbsoluteTimeout: 9601 * time.Hour},
		"Config.IdleTimeout: 13h0m0s is more than": {Keep: signed, IdleTimeout: 13 * time.Hour},
		"IdleTimeout: flask.Exact has only":        {Keep: exact, IdleTimeout: time.Minute},
		"AbsoluteTimeout: flask.Exact has on":      {Keep: exact, AbsoluteTimeout: time.Minute},
		"flask.Exact takes the cookie from":        {Keep: exact, Cookie: sojourn.Cookie{Name: "x"}},
		`Cookie.Name: "a b" is not`:                {Keep: signed, Cookie: sojourn.Cookie{Name: "a b"}},
		`"__Host-x" promises this host`:            {Keep: signed, Cookie: sojourn.Cookie{Name: "__Host-x", Domain: "example.com"}},
		`"__host-http-x" promises this host`:       {Keep: signed, Cookie: sojourn.Cookie{Name: "__host-http-x", Path: "/a"}},
		`"__Secure-x" promises Secure`:             {Keep: signed, Cookie: sojourn.Cookie{Name: "__Secure-x", InsecureHTTP: true}},
		"SameSite: None needs Secure":              {Keep: signed, Cookie: sojourn.Cookie{SameSite: http.SameSiteNoneMode, InsecureHTTP: true}},
		"Partitioned: needs Secure":                {Keep: signed, Cookie: sojourn.Cookie{Partitioned: true, InsecureHTTP: true}},
		"SameSite: 1 is none of":                   {Keep: signed, Cookie: sojourn.Cookie{SameSite: http.SameSiteDefaultMode}},
		`Path: "app" does not begin`:               {Keep: signed, Cookie: sojourn.Cookie{Path: "app"}},
		`Domain: "https://example.com" is`:         {Keep: signed, Cookie: sojourn.Cookie{Domain: "https://example.com"}},
		`Domain: "localhost:8080" is not`:          {Keep: signed, Cookie: sojourn.Cookie{Domain: "localhost:8080"}},
		"Config.Cookie.Path":                       {Cookie: sojourn.Cookie{Path: "x"}},
		"Config.AnonymousIdle: 24h0m0s is":         {Keep: signed, AnonymousIdle: 24 * time.Hour},
		`Domain: "ex ample" is not a host`:         {Keep: signed, Cookie: sojourn.Cookie{Domain: "ex ample"}},
		`SameSite: "bogus" is none`:                {Keep: flask.Exact(ring(t), flask.Settings{CookieSameSite: "bogus"})},
		"Settings.Lifetime is negative":            {Keep: flask.Exact(ring(t), flask.Settings{Lifetime: -1})},
		`OwnerIn("_sojourn")`:                      {Keep: flask.Signed(ring(t), flask.OwnerIn("_sojourn"))},
		`OwnerIn("")`:                              {Keep: flask.Signed(ring(t), flask.OwnerIn(""))},
		`OwnerIn("_permanent")`:                    {Keep: flask.Signed(ring(t), flask.OwnerIn("_permanent"))},
		"digest unknown hash value 0 is not":       {Keep: flask.Signed(ring(t), flask.Digest(0))},
	}
	for want, config := range tests {
		_, err := sojourn.New(config)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	_, err := sojourn.New(sojourn.Config{Keep: signed, IdleTimeout: -1, AbsoluteTimeout: -1, Cookie: sojourn.Cookie{Name: "a;b", Path: "x"}})
	if n := strings.Count(err.Error(), "\n") + 1; n != 4 {
		t.Errorf("%d complaints, want all 4: %v", n, err)
	}
}

// TestCookieHeader reads headers as werkzeug does.
func TestCookieHeader(t *testing.T) {
	m, events := newManager(t, nil)
	made := newBrowser(t, m)
	made.do(func(ctx context.Context) { color.Set(ctx, "blue") })
	good := made.cookies["session"]
	other := newBrowser(t, m)
	other.do(func(ctx context.Context) { color.Set(ctx, "red") })
	bad := other.cookies["session"]
	for header, want := range map[string]string{
		"session=" + good:                               "blue",
		"a=b; session=" + good + "; c=d":                "blue",
		"  session =  " + good + "  ;x":                 "blue",
		"session=\"" + good + "\"":                      "blue",
		"session=\"\\145" + good[1:] + "\"":             "blue", // \145 is e
		"session=" + good + "; session=" + bad:          "blue", // the first, as Flask
		"session=" + bad + "; session=" + good:          "red",
		"Session=" + good:                               "",
		"session=":                                      "",
		"session=; session=" + good:                     "",
		"xsession=" + good:                              "",
		"a=\"x; session=" + bad + "\"; session=" + good: "blue", // quoted
		"a=\"x; session=" + good:                        "blue",
	} {
		b := newBrowser(t, m)
		b.header.Set("Cookie", header)
		b.do(func(ctx context.Context) {
			if got := color.GetOr(ctx, ""); got != want {
				t.Errorf("%s: %q, want %q", strings.NewReplacer(good, "GOOD", bad, "BAD").Replace(header), got, want)
			}
		})
	}
	if _, ok := events.find(sojourn.EventDuplicate); !ok {
		t.Error("no event for two cookies of one name")
	}
}

// TestCaching: Vary is merged, and a Set-Cookie keeps the response out of
// caches whatever the handler declared (promise 11).
func TestCaching(t *testing.T) {
	tests := []struct {
		vary, cache, wantVary string
		overridden            bool
	}{
		{"", "", "Cookie", false},
		{"Accept-Encoding", "max-age=0", "Accept-Encoding, Cookie", false},
		{"Accept, cookie", "private", "Accept, cookie", false},
		{"*", "public, max-age=600", "*, Cookie", true},
		{"", "max-age=60", "Cookie", true},
		{"", "no-store, public", "Cookie", false},
	}
	for _, test := range tests {
		m, events := newManager(t, nil)
		res := newBrowser(t, m).get(func(w http.ResponseWriter, r *http.Request) {
			if test.vary != "" {
				w.Header().Set("Vary", test.vary)
			}
			if test.cache != "" {
				w.Header().Set("Cache-Control", test.cache)
			}
			color.Set(r.Context(), "blue")
		})
		if got := strings.Join(res.Header["Vary"], "|"); got != test.wantVary {
			t.Errorf("Vary %q and a session: %q, want %q", test.vary, got, test.wantVary)
		}
		if got := res.Header["Cache-Control"]; len(got) != 1 || got[0] != "private, no-store" {
			t.Errorf("Cache-Control %q and a cookie: %q", test.cache, got)
		}
		if _, ok := events.find(sojourn.EventUncached); ok != test.overridden {
			t.Errorf("Cache-Control %q: events %q", test.cache, events.kinds())
		}
	}
}

// TestHandlersOwnCookie: one response sets one cookie once.
func TestHandlersOwnCookie(t *testing.T) {
	m, _ := newManager(t, nil)
	res := newBrowser(t, m).get(func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "mine"})
		http.SetCookie(w, &http.Cookie{Name: "theme", Value: "dark"})
		color.Set(r.Context(), "blue")
	})
	if lines := res.Header["Set-Cookie"]; len(lines) != 2 || lines[0] != "theme=dark" || !strings.HasPrefix(lines[1], "session=ey") {
		t.Errorf("Set-Cookie: %q", lines)
	}
}

// TestRotation: an old key reads, the new one writes, and nobody is logged out
// (promise 9).
func TestRotation(t *testing.T) {
	const next = "192c0b59fc4b1ea4ee7b6bdf3d7f4da9f6de0b04cc50d6f55b1b7ee4f0f1a1ab"
	before, _ := newManager(t, nil)
	during, _ := newManager(t, func(c *sojourn.Config) { c.Keep = flask.Signed(ring(t, next, testKey)) })
	after, events := newManager(t, func(c *sojourn.Config) { c.Keep = flask.Signed(ring(t, next)) })
	moved, left := newBrowser(t, before), newBrowser(t, before)
	for _, b := range []*browser{moved, left} {
		b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
	}
	moved.m = during
	if owner(moved) != "alice" {
		t.Error("logged out by a new key")
	}
	moved.do(func(ctx context.Context) { color.Set(ctx, "blue") })
	moved.m, left.m = after, after
	if owner(moved) != "alice" {
		t.Error("the value read with the old key was not rewritten")
	}
	if owner(left) != "" {
		t.Error("a retired key still reads")
	}
	if e, ok := events.find(sojourn.EventRefused); !ok || e.Reason != sojourn.ReasonSignature {
		t.Errorf("events %q", events.kinds())
	}
}
