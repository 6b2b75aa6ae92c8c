package interop

import (
	"testing"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
)

// TestFlaskLogin: Flask-Login's login_user, logout_user and login_required are
// SignIn, a sign-out and Owner in Go, and the reverse.
func TestFlaskLogin(t *testing.T) {
	t.Parallel()
	web := startFlaskLogin(t, nil)
	if web.said.FlaskLogin == "" {
		t.Fatal(install)
	}
	t.Logf("Flask-Login %s on Flask %s", web.said.FlaskLogin, web.said.Flask)
	keepers := map[string]func(*sojourn.Config){
		"signed": func(c *sojourn.Config) { c.Keep, c.Cookie.InsecureHTTP = flask.Signed(ring(t, keyA)), true },
		"exact":  func(c *sojourn.Config) { c.Keep = flask.Exact(ring(t, keyA), flask.Settings{}) },
	}
	for name, keep := range keepers {
		t.Run(name, func(t *testing.T) {
			other := startGo(t, keep)
			who := func(b *browser, want string) {
				t.Helper()
				for side, a := range map[string]*app{"login_required": web, "Owner": other} {
					if got := b.owner(a); got != want {
						t.Errorf("%s says %q, want %q", side, got, want)
					}
				}
			}
			b := newBrowser(t)
			who(b, "")
			b.post(other, "/language/fr", "")
			b.post(web, "/login/alice", "")
			who(b, "alice")
			for _, key := range []string{"_id", "_fresh"} {
				if field(b.show(other), key) == nil {
					t.Errorf("Go does not see %s", key)
				}
			}
			fresh := field(b.show(web), "_fresh")
			b.post(other, "/cart/add/tea", "") // a change in Go leaves the sign-in fresh
			who(b, "alice")
			same(t, "_fresh is", field(b.show(web), "_fresh"), fresh)
			b.post(web, "/logout", "")
			who(b, "")
			if b.get(web, "/").body != b.get(other, "/").body {
				t.Error("the pages differ after logout_user")
			}

			b.post(other, "/login/bob", "")
			who(b, "bob")
			b.post(web, "/cart/add/tea", "")
			who(b, "bob")
			b.post(other, "/logout", "")
			who(b, "")

			b.post(other, "/login/carol", "")
			b.post(web, "/logout", "")
			who(b, "")
			b.post(web, "/login/carol", "")
			b.post(other, "/logout", "")
			who(b, "")
			if b.cookie() != "" {
				t.Error("End left a cookie")
			}

			b.post(web, "/login/dave", "")
			b.post(other, "/login/erin", "") // of his session nothing is hers
			same(t, "erin's session is", b.show(other), describe(map[string]any{"_user_id": "erin"}))
			who(b, "erin")
			b.post(web, "/login/4711", "")
			who(b, "4711")
		})
	}
}
