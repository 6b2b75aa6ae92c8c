package interop

import (
	"fmt"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
)

// startKeys starts Flask with several keys, the current one first. A Flask
// that knows no fallbacks (before 3.1) cannot rotate: a second Go application
// then stands in its place, and the test says that it shows less.
func startKeys(t *testing.T, keys ...string) *app {
	t.Helper()
	web := startFlask(t, flaskConfig{"SECRET_KEY": keys[0], "SECRET_KEY_FALLBACKS": keys[1:]})
	if len(keys) > 1 && !web.said.Fallbacks {
		t.Logf("Flask %s knows no SECRET_KEY_FALLBACKS: this checks the Go side only", web.said.Flask)
		return startGoKeys(t, keys...)
	}
	return web
}

// startGoKeys starts Go with several keys, the current one first.
func startGoKeys(t *testing.T, keys ...string) *app {
	t.Helper()
	return startGo(t, func(c *sojourn.Config) {
		c.Keep, c.Cookie.InsecureHTTP = flask.Signed(ring(t, keys...)), true
	})
}

// signedBy checks which key signed the browser's cookie, by Flask's word.
func signedBy(t *testing.T, python *codec, b *browser, key string) {
	t.Helper()
	if r := python.do(t, operation{Do: "load", Keys: secrets(key), Cookie: b.cookie()})[0]; r.Verdict != "session" {
		t.Errorf("not signed with the key that was current (%s)", r.Error)
	}
}

// TestRotation walks through a rotation in both orders, with one browser that
// notices nothing: its session stays the same, with the same absolute clock.
func TestRotation(t *testing.T) {
	t.Parallel()
	both, turned := []string{keyA, keyB}, []string{keyB, keyA}
	old, current := []string{keyA}, []string{keyB}
	type stage struct{ flask, other []string }
	for name, stages := range map[string][]stage{
		"Flask first": {{old, old}, {both, both}, {turned, both}, {turned, turned}, {current, current}},
		"Go first":    {{old, old}, {both, both}, {both, turned}, {turned, turned}, {current, current}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			python, b := newCodec(t), newBrowser(t)
			var stale *browser
			var begun bookkeeping
			want := ""
			for i, keys := range stages {
				web, other := startKeys(t, keys.flask...), startGoKeys(t, keys.other...)
				if i == 0 {
					b.post(other, "/login/alice", "")
					_, begun = clocks(t, python, b.cookie())
					stale = b.copyTo()
				}
				for side, a := range map[string]*app{"Flask": web, "Go": other} {
					if who := b.owner(a); who != "alice" {
						t.Fatalf("stage %d: %s says %q is signed in", i, side, who)
					}
				}
				for _, side := range []struct {
					*app
					key string
				}{{web, keys.flask[0]}, {other, keys.other[0]}, {web, keys.flask[0]}} {
					item := fmt.Sprintf("item%d", len(want))
					want += "<li>" + item + "</li>"
					b.post(side.app, "/cart/add/"+item, "")
					signedBy(t, python, b, side.key)
					for _, a := range []*app{web, other} {
						if got := b.get(a, "/").body; got != "<p>alice</p><p>en</p><ul>"+want+"</ul>" {
							t.Errorf("stage %d: page %s", i, got)
						}
					}
				}
				if _, book := clocks(t, python, b.cookie()); book != begun {
					t.Errorf("stage %d: the session was %v and is %v", i, begun, book)
				}
				accepted := i < len(stages)-1
				for side, a := range map[string]*app{"Flask": web, "Go": other} {
					if got := stale.fetching().owner(a) != ""; got != accepted {
						t.Errorf("stage %d: %s accepts a cookie of the old key: %v", i, side, got)
					}
				}
			}
		})
	}
}

// TestOldKey: Go rewrites what an old key signed with the next page. Whose key is current does not matter to
// the identity that Go gives to a session that Flask made.
func TestOldKey(t *testing.T) {
	t.Parallel()
	python := newCodec(t)
	first, second := startGoKeys(t, keyB, keyA), startGoKeys(t, keyA, keyB)
	session := describe(map[string]any{"_user_id": "alice"})

	b, c := newBrowser(t), newBrowser(t)
	b.setCookie(python.dump(t, session, time.Now().Add(-time.Minute)))
	c.setCookie(b.cookie())
	b.get(first, "/")
	signedBy(t, python, b, keyB)
	c.get(second, "/")
	signedBy(t, python, c, keyA)
	_, book := clocks(t, python, b.cookie())
	if _, other := clocks(t, python, c.cookie()); book != other || book.text == "" {
		t.Errorf("adopted as %v and as %v", book, other)
	}

	b.setCookie(c.cookie()) // signed with the old key this second
	signedBy(t, python, b, keyA)
	b.get(first, "/")
	signedBy(t, python, b, keyB)
	if page := b.get(first, "/"); page.sent() != "" {
		t.Errorf("the next read sent %q", page.sent())
	}
	if who := b.owner(first); who != "alice" {
		t.Errorf("%q is signed in", who)
	}
}
