package interop

import (
	"html/template"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
)

// A pair is a Flask application and a Go application that share a key, and
// Flask's serializer to look into cookies with.
type pair struct {
	flask, other *app // other is the Go one
	python       *codec
	exact        bool
}

// pairs runs a test with each of the two ways in which Go can share Flask's
// sessions.
func pairs(t *testing.T, test func(t *testing.T, p pair)) {
	t.Parallel()
	python, web := newCodec(t), startFlask(t, nil)
	signed := startGo(t, func(c *sojourn.Config) {
		c.Keep, c.Cookie.InsecureHTTP, c.Strict = flask.Signed(ring(t, keyA)), true, true
	})
	exact := startGo(t, func(c *sojourn.Config) {
		c.Keep, c.Strict = flask.Exact(ring(t, keyA), flask.Settings{}), true
	})
	t.Run("signed", func(t *testing.T) { test(t, pair{web, signed, python, false}) })
	t.Run("exact", func(t *testing.T) { test(t, pair{web, exact, python, true}) })
}

// both lists the applications in both orders.
func (p *pair) both() map[string][2]*app {
	return map[string][2]*app{"Flask to Go": {p.flask, p.other}, "Go to Flask": {p.other, p.flask}}
}

// TestSignIn: a sign-in on one side is a sign-in on the other, and so is a
// sign-out.
func TestSignIn(t *testing.T) {
	pairs(t, func(t *testing.T, p pair) {
		for name, from := range p.both() {
			t.Run(name, func(t *testing.T) {
				b := newBrowser(t)
				for _, a := range from {
					if b.get(a, "/private").status != 401 {
						t.Error("somebody is signed in before")
					}
				}
				b.post(from[0], "/login/alice", "")
				for _, a := range from {
					if who := b.owner(a); who != "alice" {
						t.Errorf("signed in: %q", who)
					}
				}
				b.post(from[1], "/login/bob", "")
				for _, a := range from {
					if who := b.owner(a); who != "bob" {
						t.Errorf("after another signed in: %q", who)
					}
				}
				b.post(from[0], "/logout", "")
				for _, a := range from {
					if who := b.owner(a); who != "" {
						t.Errorf("after the sign-out: %q", who)
					}
				}
			})
		}
	})
}

// TestPage: a preference and a cart that both sides change are the same page on
// both.
func TestPage(t *testing.T) {
	pairs(t, func(t *testing.T, p pair) {
		for name, from := range p.both() {
			t.Run(name, func(t *testing.T) {
				b := newBrowser(t)
				here, there := from[0], from[1]
				pages := func(want string) {
					t.Helper()
					for _, a := range from {
						if got := b.get(a, "/").body; got != want {
							t.Errorf("page %s\nwant %s", got, want)
						}
					}
				}
				pages("<p>nobody</p><p>en</p><ul></ul>")
				b.post(here, "/language/fr", "")
				pages("<p>nobody</p><p>fr</p><ul></ul>")
				b.post(there, "/login/zo%C3%AB%20%3Cz%3E", "")
				pages("<p>zoë &lt;z&gt;</p><p>fr</p><ul></ul>")
				b.post(here, "/cart/add/tea", "")
				b.post(there, "/cart/add/caf%C3%A9", "")
				b.post(here, "/cart/add/%F0%9F%8D%B0", "")
				pages("<p>zoë &lt;z&gt;</p><p>fr</p><ul><li>tea</li><li>café</li><li>🍰</li></ul>")
				b.post(there, "/cart/remove/tea", "")
				b.post(here, "/cart/remove/%F0%9F%8D%B0", "")
				b.post(there, "/language/de", "")
				pages("<p>zoë &lt;z&gt;</p><p>de</p><ul><li>café</li></ul>")
			})
		}
	})
}

// TestFlash: a message flashed by one side is shown by the other, once, Markup
// as it is and text escaped.
func TestFlash(t *testing.T) {
	pairs(t, func(t *testing.T, p pair) {
		for name, from := range p.both() {
			t.Run(name, func(t *testing.T) {
				b := newBrowser(t)
				b.post(from[0], "/flash/message", `1 < 2 & "so" on`)
				b.post(from[0], "/flash/info/markup", `<b>é 😀</b> &amp;`)
				b.post(from[1], "/flash/error", `it's <i>`)
				b.post(from[0], "/flash/message", `1 < 2 & "so" on`)
				text := `<li class="message">1 &lt; 2 &amp; &#34;so&#34; on</li>`
				want := `<ul>` + text + `<li class="info"><b>é 😀</b> &amp;</li><li class="error">it&#39;s &lt;i&gt;</li>` + text + `</ul>`
				if got := b.get(from[1], "/messages").body; got != want {
					t.Errorf("showed %s\nwant   %s", got, want)
				}
				for _, a := range from {
					if again := b.get(a, "/messages").body; again != "<ul></ul>" {
						t.Errorf("showed again: %s", again)
					}
				}
			})
		}
	})
}

// TestPermanent: a session that one side makes permanent is so on the other,
// whose cookie then outlives the browser.
func TestPermanent(t *testing.T) {
	pairs(t, func(t *testing.T, p pair) {
		for name, from := range p.both() {
			t.Run(name, func(t *testing.T) {
				b := newBrowser(t)
				b.post(from[0], "/permanent/1", "")
				if line := b.post(from[1], "/language/fr", ""); !strings.Contains(line.sent(), "; Expires=") {
					t.Errorf("a permanent session was sent as %q", line.sent())
				}
				b.post(from[1], "/permanent/0", "")
				line := b.post(from[0], "/language/en", "")
				if line.sent() == "" || strings.Contains(line.sent(), "Expires") {
					t.Errorf("a session that is no longer permanent was sent as %q", line.sent())
				}
			})
		}
		// Exact refreshes a permanent session with every response, as Flask.
		b := newBrowser(t)
		b.post(p.flask, "/permanent/1", "")
		for _, a := range []*app{p.flask, p.other} {
			b.pass(p.python, 10*time.Second)
			page := b.get(a, "/plain")
			if refreshed := page.sent() != ""; refreshed != (a == p.flask || p.exact) {
				t.Errorf("a page without a session sent %q", page.sent())
			}
		}
	})
}

// TestUntouched: values of every type survive changes elsewhere by the other
// side, as the same text.
func TestUntouched(t *testing.T) {
	pairs(t, func(t *testing.T, p pair) {
		for name, from := range p.both() {
			t.Run(name, func(t *testing.T) {
				b := newBrowser(t)
				want := samples()
				for sample := range want {
					b.setSample(from[0], sample, sample)
				}
				before := payload(t, b.cookie())
				for _, path := range []string{"/language/fr", "/cart/add/tea", "/flash/info", "/delete/cart", "/delete/language"} {
					b.post(from[1], path, "text")
				}
				b.get(from[1], "/messages")
				for _, a := range from {
					same(t, "the session is", b.show(a), describe(want))
				}
				same(t, "Flask's reader says", without(p.python.load(t, b.cookie()).Session, "_sojourn"), describe(want))
				if after := payload(t, b.cookie()); before != after {
					t.Errorf("the text was %s\nand became   %s", before, after)
				}
			})
		}
	})
}

// payload is the text in a cookie, but for the field that Sojourn adds.
func payload(t *testing.T, cookie string) string {
	t.Helper()
	v, err := signer(t, keyA).Verify(cookie, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`"_sojourn":"[^"]*",?`).ReplaceAllString(v.Payload, "")
}

// TestAlternating: whatever the two sides do to one session in turn, both see
// what a dictionary would hold, and its text is spelt as Flask does.
func TestAlternating(t *testing.T) {
	pairs(t, func(t *testing.T, p pair) {
		rapid.Check(t, func(rt *rapid.T) {
			b, m := newBrowser(rt), model{exact: p.exact, fields: map[string]any{}}
			for range rapid.IntRange(1, 15).Draw(rt, "steps") {
				a := p.flask
				if rapid.Bool().Draw(rt, "in Go") {
					a = p.other
				}
				m.step(rt, b, a)
			}
			for _, a := range []*app{p.flask, p.other} {
				same(rt, "the session is", b.show(a), describe(m.fields))
			}
			if cookie := b.cookie(); cookie != "" {
				v, err := signer(rt, keyA).Verify(cookie, time.Now(), time.Hour)
				if want := p.python.load(rt, cookie).JSON; err != nil || v.Payload != want {
					rt.Fatalf("the text is %s\nFlask spells %s (%v)", v.Payload, want, err)
				}
			}
		})
	})
}

// A model is what the shared session should hold.
type model struct {
	exact  bool
	fields map[string]any
}

// step does one random thing to the session and to the model.
func (m *model) step(t *rapid.T, b *browser, a *app) {
	inGo := a.said == nil
	word := rapid.SampledFrom([]string{"one", "two", "é😀"}).Draw(t, "word")
	items, _ := m.fields["cart"].([]any)
	owner, _ := m.fields["_user_id"].(string)
	switch rapid.SampledFrom([]string{"language", "add", "remove", "sample", "delete", "flash", "markup", "messages", "permanent", "login", "logout", "clear"}).Draw(t, "step") {
	case "language":
		b.post(a, "/language/"+word, "")
		m.fields["language"] = word
	case "add":
		b.post(a, "/cart/add/"+word, "")
		m.fields["cart"] = append(slices.Clone(items), word)
	case "remove":
		if items != nil {
			b.post(a, "/cart/remove/"+word, "")
			m.fields["cart"] = slices.DeleteFunc(slices.Clone(items), func(i any) bool { return i == word })
		}
	case "sample":
		sample := rapid.SampledFrom(slices.Sorted(maps.Keys(samples()))).Draw(t, "sample")
		b.setSample(a, "sample", sample)
		m.fields["sample"] = samples()[sample]
	case "delete":
		b.post(a, "/delete/sample", "")
		delete(m.fields, "sample")
	case "flash":
		b.post(a, "/flash/info", word)
		m.flash(sojourn.Tuple{"info", word})
	case "markup":
		b.post(a, "/flash/info/markup", word)
		m.flash(sojourn.Tuple{"info", template.HTML(word)})
	case "messages":
		b.get(a, "/messages")
		delete(m.fields, "_flashes")
	case "permanent":
		b.post(a, "/permanent/1", "")
		m.fields["_permanent"] = true
	case "login":
		b.post(a, "/login/"+word, "")
		if inGo && owner != "" && owner != word { // another's fields are not carried along
			clear(m.fields)
		}
		m.fields["_user_id"] = word
	case "logout": // by hand in Flask, which leaves the rest; the end in Go
		b.post(a, "/logout", "")
		if delete(m.fields, "_user_id"); inGo {
			clear(m.fields)
		}
	case "clear": // Signed leaves who is signed in
		b.post(a, "/clear", "")
		if clear(m.fields); inGo && !m.exact && owner != "" {
			m.fields["_user_id"] = owner
		}
	}
}

func (m *model) flash(message any) {
	list, _ := m.fields["_flashes"].([]any)
	m.fields["_flashes"] = append(slices.Clone(list), message)
}
