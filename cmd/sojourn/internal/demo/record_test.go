package demo

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/cmd/sojourn/internal/stores"
	"github.com/sojourn-go/sojourn/keys"
	"github.com/sojourn-go/sojourn/store"
)

// openStore opens a store for one test.
func openStore(t *testing.T, name string) *stores.Store {
	t.Helper()
	s, err := stores.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// startStored serves a demo over s.
func startStored(t *testing.T, s *stores.Store) *httptest.Server {
	t.Helper()
	return startDemo(t, Config{Store: s.Store, StoreName: s.Name, Brief: s.Brief})
}

// token returns the two parts of what the browser keeps.
func (b *browser) token() (handle, secret string) {
	b.t.Helper()
	handle, secret, ok := strings.Cut(b.cookie(), ".")
	if !ok || len(handle) != 24 || len(secret) != 43 {
		b.t.Fatalf("no token: %q", b.cookie())
	}
	return handle, secret
}

// TestStoredVisit is a whole visit with sessions in a store.
func TestStoredVisit(t *testing.T) {
	s := openStore(t, "memory:")
	b := visit(t, startStored(t, s))
	page := b.get()
	b.wants(page, "<h1>Welcome</h1>", "No cookie: a session that holds nothing costs nothing", "memory of this process: it ends when the demo stops",
		"Nothing of yours.")
	b.lacks(page, "The cookie</h2>", "last requests did", "Your devices", "Refused")
	if b.cookie() != "" {
		t.Error("a visitor who did nothing has a cookie")
	}

	page = b.post("/cart/add", "product", "tea")
	b.wants(page, "Added to the cart: Tea.", `"cart": {"tea": 1}`, "nobody is signed in", "POST /cart/add", `<span class="mark note">created</span>`, "Create · Apply")
	before, _ := b.token()
	page = b.post("/sign-in", "name", "Ada")
	after, _ := b.token()
	b.wants(page, "<h1>Welcome, <bdi>Ada</bdi></h1>", `"cart": {"tea": 1}`, "<bdi>Ada</bdi>, who is signed in",
		"POST /sign-in", `<span class="mark note">signed-in</span>`, "Create · Delete <code>"+before[:6]+"…</code>")
	if before == after {
		t.Error("signing in kept the handle")
	}
	if _, err := s.Load(t.Context(), before); !errors.Is(err, store.ErrGone) {
		t.Errorf("the session before the sign-in: %v", err)
	}

	b.wants(b.post("/cart/remove", "product", "tea"), "Taken out of the cart: Tea.", "The cart is empty.")
	b.wants(b.post("/cart/remove", "product", "tea"), "Not in the cart: Tea.")
	b.post("/cart/add", "product", "map")
	b.wants(b.post("/cart/empty"), "The cart is empty now.")
	b.wants(b.post("/language", "language", "es"), "Sus dispositivos", `"language": "es"`)

	page = b.post("/sign-out")
	b.wants(page, "Ha cerrado la sesión", "<h1>Hola</h1>", "nobody is signed in")
	b.lacks(page, "<h1>Hola, ")
	if _, err := s.Load(t.Context(), after); !errors.Is(err, store.ErrGone) {
		t.Errorf("the session that was signed out: %v", err)
	}
}

// TestRecordTakenApart: the page says of the token and the record what is so,
// and nobody else's page says it.
func TestRecordTakenApart(t *testing.T) {
	s := openStore(t, "sqlite:"+t.TempDir()+"/a.db")
	server := startStored(t, s)
	b := visit(t, server)
	b.post("/sign-in", "name", "Ada")
	page := b.get()
	handle, secret := b.token()
	rec, err := s.Load(t.Context(), handle)
	if err != nil {
		t.Fatal(err)
	}
	at := func(at time.Time) string {
		return `<time datetime="` + at.Format(time.RFC3339) + `">` + at.Format("2 Jan 15:04:05") + " UTC</time>"
	}
	b.wants(page, `<span class="handle">`+handle+`</span>.<wbr><span class="whole"><span class="secret">`+secret+`</span>`, "68 bytes, however much",
		s.Name, "<code>"+handle+"</code>", at(rec.Created), at(rec.LastSeen), at(rec.IdleDeadline)+" if not used before", at(rec.AbsoluteDeadline),
		"the hash of your secret is there, <strong>the secret is not</strong>", "never shown", "writes that led to it", `<pre class="state">{}</pre>`)

	bits, err := base64.RawURLEncoding.DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(bits)
	if !strings.Contains(rec.Verifiers, string(sum[:])) {
		t.Error("the page says that the hash is stored, and it is not")
	}
	b.lacks(page, rec.Verifiers, base64.StdEncoding.EncodeToString(sum[:])[:42], base64.RawURLEncoding.EncodeToString(sum[:])[:42])

	other := visit(t, server)
	b.lacks(other.post("/sign-in", "name", "Eve"), handle, secret, "Ada")
}

// TestSecretIsNotHashed: the page does not claim what it has not compared.
func TestSecretIsNotHashed(t *testing.T) {
	secret := base64.RawURLEncoding.EncodeToString([]byte("0123456789abcdefghijklmnopqrstuv"))
	sum := sha256.Sum256([]byte("0123456789abcdefghijklmnopqrstuv"))
	for _, test := range []struct {
		verifiers, state string
		want             bool
	}{
		{"1\x00" + string(sum[:]), "1\x00{}", true},
		{"1\x00" + strings.Repeat("x", 32), "1\x00{}", false},
		{"1\x00" + string(sum[:]) + secret, "1\x00{}", false},
		{"1\x00" + string(sum[:]), `1` + "\x00" + `{"a":"0123456789abcdefghijklmnopqrstuv"}`, false},
	} {
		v := recordView{Secret: secret}
		v.describe(&store.Record{Verifiers: test.verifiers, State: test.state}, time.Now())
		if v.Hashed != test.want {
			t.Errorf("%q %q: %v", test.verifiers, test.state, v.Hashed)
		}
	}
}

// TestOpenState: the envelope comes off, and what is none is not taken for one.
func TestOpenState(t *testing.T) {
	for text, want := range map[string]string{
		"1\x00\x00{}":                    "0 {}",
		"1\x00\x02abcdefghabcdefgh{}":    "2 {}",
		"1\x03xyz\x02abcdefghabcdefgh{}": "2 {}",
		"":                               "",
		"1":                              "",
		"1\x00":                          "",
		"2\x00\x00{}":                    "",
		"1\x09xyz\x00{}":                 "",
		"1\x00\x03abcdefghabcdefgh{}":    "",
	} {
		writes, fields, ok := openState(text)
		if got := string(rune('0'+writes)) + " " + fields; ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q, %v", text, got, ok)
		}
	}
}

// TestTokenRefused: the page says why, shows no part of it, and can begin anew.
func TestTokenRefused(t *testing.T) {
	s := openStore(t, "memory:")
	b := visit(t, startStored(t, s))
	b.post("/cart/add", "product", "tea")
	good := b.cookie()
	handle, secret := b.token()
	ring, err := keys.New([][]byte{[]byte(keys.Generate())})
	if err != nil {
		t.Fatal(err)
	}
	flask := visit(t, startDemo(t, Config{Ring: ring}))
	flask.post("/cart/add", "product", "tea")
	end := func() {
		if err := s.Delete(t.Context(), handle, store.Ending{Mark: 1, Now: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		cookie, want string
		before       func()
	}{
		{flask.cookie(), "<strong>Refused</strong> (malformed: ", nil},
		{"nonsense", "in signed cookies for one", nil},
		{good[:len(good)-1], "<strong>Refused</strong> (malformed: ", nil},
		{handle + "." + strings.Repeat("A", 43), "<strong>Refused</strong> (secret: ", nil},
		{store.NewHandle("") + "." + secret, "<strong>Refused</strong> (unknown: ", nil},
		{good, "one in memory forgets everything", end},
	} {
		if test.before != nil {
			test.before()
		}
		b.setCookie(test.cookie)
		page := b.get()
		b.wants(page, test.want, "The cart is empty.", "Nothing of yours.")
		b.lacks(page, `class="handle">`+handle, secret)
		page = b.post("/cart/add", "product", "tea")
		b.wants(page, `"cart": {"tea": 1}`)
		b.lacks(page, "Refused")
	}

	// The other way round, a token says nothing to a demo with cookies.
	flask.setCookie(good)
	flask.wants(flask.get(), "<strong>Refused</strong> (malformed: ", "in a store for one", "The cart is empty.")
	flask.wants(flask.post("/cart/add", "product", "tea"), `"cart": {"tea": 1}`)
}

// TestStoreDown: nobody is told that he is not signed in, or that something was
// done which was not.
func TestStoreDown(t *testing.T) {
	s := openStore(t, "sqlite:"+t.TempDir()+"/a.db")
	b := visit(t, startStored(t, s))
	b.post("/sign-in", "name", "Ada")
	before := b.cookie()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, request := range []*http.Request{b.form("/cart/add", "product", "tea"), b.form("/sign-out"), b.form("/sessions/end-others")} {
		response, body := b.do(request)
		if response.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "nothing was done") {
			t.Errorf("%s: %s %s", request.URL.Path, response.Status, body)
		}
	}
	if b.cookie() != before {
		t.Error("the cookie was replaced")
	}
}

// TestStoredHeaders: a page with a token on it is kept by nobody.
func TestStoredHeaders(t *testing.T) {
	b := visit(t, startStored(t, openStore(t, "memory:")))
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, _ := b.do(b.form("/sign-in", "name", "Ada"))
	cookies := response.Cookies()
	if len(cookies) != 1 {
		t.Fatalf("cookies %v", cookies)
	}
	c := cookies[0]
	if c.Name != "sojourn_demo" || !c.HttpOnly || c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
		t.Errorf("cookie %s", c.Raw)
	}
	response, body := b.do(mustGet(t, b.server.URL+"/"))
	if response.Header.Get("Cache-Control") != "no-store" || response.Header.Get("Vary") != "Cookie" {
		t.Errorf("%v", response.Header)
	}
	b.lacks(body, "<script", " style=", "<style>", " onclick")
}

func mustGet(t *testing.T, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
