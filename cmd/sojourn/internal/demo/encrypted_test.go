package demo

import (
	"context"
	"html"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn/cmd/sojourn/internal/anatomy"
	"github.com/sojourn-go/sojourn/keys"
	"github.com/sojourn-go/sojourn/store"
)

// newRing makes a ring of n new keys, and returns them too.
func newRing(t *testing.T, n int) (*keys.Ring, [][]byte) {
	t.Helper()
	var list [][]byte
	for range n {
		list = append(list, []byte(keys.Generate()))
	}
	ring, err := keys.New(list)
	if err != nil {
		t.Fatal(err)
	}
	return ring, list
}

// inCookies is a demo on cookies with a list of ended sessions.
func inCookies(t *testing.T, encrypted bool) Config {
	t.Helper()
	ring, _ := newRing(t, 1)
	s := openStore(t, "memory:")
	return Config{Ring: ring, Encrypted: encrypted, Store: s.Store, StoreName: s.Name, Brief: s.Brief}
}

// TestSealedVisit is a whole visit with sessions in encrypted cookies.
func TestSealedVisit(t *testing.T) {
	config := inCookies(t, true)
	b := visit(t, startDemo(t, config))
	page := b.get()
	b.wants(page, "<h1>Welcome</h1>", "No cookie: a session that holds nothing costs nothing", "Nothing of yours.", "What the server keeps",
		"<code>"+config.Ring.Active().ID()+"</code></dt><dd>active: it writes and reads")
	b.lacks(page, "Refused", "The cookie</h2>", "What is stored", "Sign out everywhere", "Do it yourself", "It has read")
	if b.cookie() != "" {
		t.Error("a visitor who did nothing has a cookie")
	}

	page = b.post("/sign-in", "name", "Ada")
	b.wants(page, "<h1>Welcome, <bdi>Ada</bdi></h1>", "Ada, you are signed in.", "as this answer brings it", "<bdi>Ada</bdi>, who is signed in",
		"Sign out everywhere", "until no copy could be used any more", "memory of this process (it is lost when the demo stops)", "It has read 1 cookie since")
	b.lacks(page, "Your devices", "The fields</h3>")
	b.wants(b.get(), "<bdi>Ada</bdi>, who is signed in")
	b.wants(b.post("/cart/add", "product", "tea"), `"cart": {"tea": 1}`, "the demo’s cart")
	b.wants(b.post("/language", "language", "fr"), `<html lang="fr">`, `"language": "fr"`, "Se déconnecter partout")
	page = b.post("/sign-out")
	b.wants(page, `<html lang="fr">`, "Vous êtes déconnecté.", "nobody is signed in", `"language": "fr"`)
	b.lacks(page, `"cart":`, "Refused")
}

// TestSealedTakenApart: the page says of the cookie what is so, and so does the
// tool, whose command it shows.
func TestSealedTakenApart(t *testing.T) {
	config := inCookies(t, true)
	config.SecretFile = "my key's.txt"
	b := visit(t, startDemo(t, config))
	b.post("/sign-in", "name", "Ada")
	b.post("/cart/add", "product", "tea")
	page := b.get()
	cookie := b.cookie()
	seen, ok := anatomy.OfSealed(cookie)
	if !ok {
		t.Fatalf("not encrypted: %s", cookie)
	}
	inside, err := anatomy.Unseal(config.Ring, CookieName, "", cookie)
	if err != nil {
		t.Fatal(err)
	}
	b.wants(page, `<span class="payload">`+cookie+`</span>`, "<code>"+seen.KeyID+"</code>, the public name of the key: it is active here",
		seen.Salt, seen.Commitment, seen.Nonce, seen.Tag, strconv.Itoa(seen.Ciphertext)+" bytes, as many as", "of 4093 bytes",
		"<code>"+inside.Handle+"</code>", clock(inside.Made), clock(inside.LastUsed.Add(idleTimeout))+" UTC</time> if not used before",
		clock(inside.Made.Add(absoluteTimeout))+" UTC</time> (12 hours", "It has read 4 cookies",
		"sojourn cookie inspect '"+cookie+"'", `sojourn cookie verify --secret-file 'my key'\''s.txt' --name sojourn_demo --show '`+cookie+"'")
	if inside.Owner != "Ada" || inside.JSON != `{"cart":{"tea":1}}` {
		t.Errorf("%+v", inside)
	}
	if size := len((&http.Cookie{Name: CookieName, Value: cookie, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}).String()); !strings.Contains(page, strconv.Itoa(size)+" of 4093 bytes") {
		t.Errorf("the size is not %d\n%s", size, page)
	}
}

// TestSealedRefused: what is wrong with a cookie is said, and the visitor can
// begin anew.
func TestSealedRefused(t *testing.T) {
	ring, list := newRing(t, 2)
	retired, err := keys.Parse([]byte("# sojourn keys 1\nstate=active key=" + string(list[1]) + "\nstate=retired key=" + string(list[0]) + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	s := openStore(t, "memory:")
	config := Config{Ring: ring, Encrypted: true, Store: s.Store, StoreName: s.Name, Brief: true}
	author := visit(t, startDemo(t, config))
	author.post("/sign-in", "name", "Ada")
	good := author.cookie()
	config.Ring = retired
	b := visit(t, startDemo(t, config))
	stranger, _ := newRing(t, 1)
	config.Ring = stranger
	other := visit(t, startDemo(t, config))
	flask := newBrowser(t)
	flask.post("/sign-in", "name", "Ada")
	for _, test := range []struct {
		at     *browser
		cookie string
		wants  []string
	}{
		{author, good[:60] + swapped(good[60:61]) + good[61:], []string{"signature: ", "it is active here", "Nothing that counts"}},
		{b, good, []string{"key: ", "it is retired here", "reads nothing any more"}},
		{other, good, []string{"key: ", "this demo does not have it", "A demo that was started anew has a new key"}},
		{b, flask.cookie(), []string{"malformed: ", "Perhaps the cookie is from a demo that kept its sessions elsewhere"}},
		{b, "nonsense", []string{"malformed: "}},
		{b, store.NewHandle("Ada") + "." + strings.Repeat("A", 43), []string{"unknown: ", "What is stored"}},
	} {
		test.at.setCookie(test.cookie)
		page := test.at.get()
		test.at.wants(page, append(test.wants, "<h1>Welcome</h1>", "<strong>Refused</strong> ("+test.wants[0])...)
		test.at.lacks(page, "who is signed in", "outgrown")
		test.at.wants(test.at.post("/cart/add", "product", "tea"), `"cart": {"tea": 1}`, "as this answer brings it")
	}
}

// swapped is another character of base64url.
func swapped(c string) string {
	if c == "A" {
		return "B"
	}
	return "A"
}

// TestSealedExpires: by the server's clock.
func TestSealedExpires(t *testing.T) {
	config := inCookies(t, true)
	synctest.Test(t, func(t *testing.T) {
		config.Store = openStore(t, "memory:").Store
		app, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		cookie := ""
		ask := func(method, path, body string) string {
			r := httptest.NewRequest(method, path, strings.NewReader(body))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if cookie != "" {
				r.AddCookie(&http.Cookie{Name: CookieName, Value: cookie})
			}
			w := httptest.NewRecorder()
			app.ServeHTTP(w, r)
			for _, c := range w.Result().Cookies() {
				cookie = c.Value
			}
			return html.UnescapeString(w.Body.String())
		}
		ask("POST", "/sign-in", "name=Ada")
		time.Sleep(29 * time.Minute)
		if page := ask("GET", "/", ""); !strings.Contains(page, "29 minutes ago") || !strings.Contains(page, "who is signed in") {
			t.Errorf("after 29 minutes:\n%s", page)
		}
		time.Sleep(31 * time.Minute)
		if page := ask("GET", "/", ""); !strings.Contains(page, "<strong>Refused</strong> (expired: ") || strings.Contains(page, "who is signed in") {
			t.Errorf("after 31 minutes more:\n%s", page)
		}
	})
}

// TestCopies: a copy of a cookie is worth nothing after signing out, or signing
// out everywhere, which ends the same owner's other sessions too, and nobody
// else's.
func TestCopies(t *testing.T) {
	for form, encrypted := range map[string]bool{"signed": false, "encrypted": true} {
		for path, message := range map[string]string{"/sign-out": "You are signed out. That session", "/sessions/end-all": "You are signed out, here and everywhere else."} {
			t.Run(form+path, func(t *testing.T) {
				server := startDemo(t, inCookies(t, encrypted))
				b, elsewhere, eve, thief := visit(t, server), visit(t, server), visit(t, server), visit(t, server)
				b.post("/sign-in", "name", "Ada")
				elsewhere.post("/sign-in", "name", "Ada")
				eve.post("/sign-in", "name", "Eve")
				thief.setCookie(b.cookie())
				thief.wants(thief.get(), "<bdi>Ada</bdi>")
				copied := b.cookie()

				page := b.post(path)
				b.wants(page, "<h1>Welcome</h1>", message)
				b.lacks(page, "Refused")
				for _, c := range []string{copied, thief.cookie()} {
					thief.setCookie(c)
					page = thief.get()
					thief.wants(page, "<h1>Welcome</h1>", "<strong>Refused</strong> (revoked: ")
					thief.lacks(page, "<bdi>Ada</bdi>", "a new key")
				}
				if page = elsewhere.get(); strings.Contains(page, "<bdi>Ada</bdi>") == (path == "/sessions/end-all") {
					t.Errorf("the other browser:\n%s", page)
				}
				eve.wants(eve.get(), "<bdi>Eve</bdi>")
				b.wants(b.post("/sign-in", "name", "Ada"), "Ada, you are signed in.", "Welcome, <bdi>Ada</bdi>")
			})
		}
	}
}

// TestEndAllForms: nobody ends what is not his, other sites end nothing, and where
// there is no list there is no such form.
func TestEndAllForms(t *testing.T) {
	server := startDemo(t, inCookies(t, true))
	b := visit(t, server)
	b.post("/sign-in", "name", "Ada")
	request := b.form("/sessions/end-all")
	request.Header.Set("Sec-Fetch-Site", "cross-site")
	if response, _ := b.do(request); response.StatusCode != http.StatusForbidden {
		t.Error(response.Status)
	}
	anonymous := visit(t, server)
	anonymous.wants(anonymous.post("/sessions/end-all"), "Please sign in first.")
	b.wants(b.get(), "<bdi>Ada</bdi>")
	for _, other := range []*browser{newBrowser(t), visit(t, startStored(t, openStore(t, "memory:")))} {
		other.lacks(other.post("/sign-in", "name", "Ada"), "/sessions/end-all", "Sign out everywhere<")
		if response, _ := other.do(other.form("/sessions/end-all")); response.StatusCode != http.StatusNotFound {
			t.Error(response.Status)
		}
	}
	for _, path := range []string{"/sessions/end", "/sessions/end-others"} {
		if response, _ := b.do(b.form(path)); response.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, response.Status)
		}
	}
	signed := newBrowser(t)
	signed.wants(signed.post("/sign-in", "name", "Ada"), "A copy of the cookie can be used until its time runs out")
}

// outgrow clicks without looking at the page, whose messages then wait for it,
// until the session does not fit into its cookie.
func outgrow(t *testing.T, b *browser) {
	t.Helper()
	follow := b.client.CheckRedirect
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	defer func() { b.client.CheckRedirect = follow }()
	for range 90 {
		if response, body := b.do(b.form("/cart/add", "product", "tea")); response.StatusCode != http.StatusSeeOther {
			t.Fatalf("%s %s", response.Status, body)
		}
		if isToken(b.cookie()) {
			return
		}
	}
	t.Fatal("the session still fits")
}

// TestSpilled: a session that has outgrown its cookie is shown as what it is, a
// stored one, and a copy of the cookie from before leads to it until it ends.
func TestSpilled(t *testing.T) {
	config := inCookies(t, true)
	server := startDemo(t, config)
	b, thief := visit(t, server), visit(t, server)
	b.post("/sign-in", "name", "Ada")
	thief.setCookie(b.cookie())
	outgrow(t, b)
	handle, secret := b.token()
	page := b.get()
	b.wants(page, "has outgrown its encrypted cookie", "What is stored", `<span class="handle">`+handle+`</span>`, secret, "<bdi>Ada</bdi>, who is signed in",
		"Added to the cart: Tea.", "What the last requests did", `<span class="mark note">spilled</span>`, "Sign out everywhere")
	b.lacks(page, "Refused", "What is inside", "Your devices")
	b.wants(b.post("/cart/empty"), "The cart is empty now.", "outgrown")
	thief.wants(thief.get(), "<bdi>Ada</bdi>") // a cookie as any other, until the session ends
	token := b.cookie()
	page = b.post("/sessions/end-all")
	thief.wants(thief.get(), "<h1>Welcome</h1>", "<strong>Refused</strong> (revoked: ")
	b.wants(page, "<h1>Welcome</h1>", "here and everywhere else", "nobody is signed in")
	b.lacks(page, "Refused", handle)
	thief.setCookie(token)
	thief.wants(thief.get(), "<h1>Welcome</h1>", "<strong>Refused</strong> (unknown: ")
	if _, err := config.Store.Load(t.Context(), handle); err == nil {
		t.Error("the record is there still")
	}
}

// TestRunReadsKeys: whoever changes the file changes the keys of a running demo.
func TestRunReadsKeys(t *testing.T) {
	file := keys.File(t.TempDir() + "/demo.key")
	if _, err := file.Add(time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, encrypted := range []bool{false, true} {
		ring, err := keys.FromFile(string(file))
		if err != nil {
			t.Fatal(err)
		}
		added, err := file.Add(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.Activate(added.ID, time.Now()); err != nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) {
			app, err := New(Config{Ring: ring, Encrypted: encrypted, Store: openStore(t, "memory:").Store})
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- app.Run(ctx) }()
			time.Sleep(time.Minute)
			if ring.Active().ID() != added.ID {
				t.Error("the keys are those from before")
			}
			stop()
			<-done
		})
	}
}
