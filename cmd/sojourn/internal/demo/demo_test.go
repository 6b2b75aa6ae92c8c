package demo

import (
	"context"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
	"github.com/sojourn-go/sojourn/keys"
)

// A browser keeps cookies and follows redirects, as a person's does.
type browser struct {
	t      *testing.T
	server *httptest.Server
	client *http.Client
	signer *flask.Signer
}

// newBrowser is at a demo that keeps sessions in signed cookies.
func newBrowser(t *testing.T) *browser {
	t.Helper()
	ring, err := keys.New([][]byte{[]byte(keys.Generate())})
	if err != nil {
		t.Fatal(err)
	}
	signer, err := flask.NewSigner(ring)
	if err != nil {
		t.Fatal(err)
	}
	b := visit(t, startDemo(t, Config{Ring: ring}))
	b.signer = signer
	return b
}

// startDemo serves a demo, which must not lose or misread anything.
func startDemo(t *testing.T, config Config) *httptest.Server {
	t.Helper()
	config.Events = func(_ context.Context, e sojourn.Event) {
		if e.Kind == sojourn.EventFieldType || e.Kind == sojourn.EventLate {
			t.Errorf("event %+v", e)
		}
	}
	app, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(app)
	t.Cleanup(server.Close)
	return server
}

// visit returns a new browser at server.
func visit(t *testing.T, server *httptest.Server) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, server: server, client: &http.Client{Jar: jar}}
}

// do sends a request and returns the answer, redirects followed, and its body
// without the escapes of HTML.
func (b *browser) do(r *http.Request) (*http.Response, string) {
	b.t.Helper()
	response, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return response, html.UnescapeString(string(body))
}

// get returns the page.
func (b *browser) get() string {
	b.t.Helper()
	request, err := http.NewRequest("GET", b.server.URL+"/", nil)
	if err != nil {
		b.t.Fatal(err)
	}
	response, body := b.do(request)
	if response.StatusCode != http.StatusOK {
		b.t.Fatalf("GET /: %s\n%s", response.Status, body)
	}
	return body
}

func (b *browser) form(path string, values ...string) *http.Request {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i < len(values); i += 2 {
		form.Set(values[i], values[i+1])
	}
	request, err := http.NewRequest("POST", b.server.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Sec-Fetch-Site", "same-origin")
	return request
}

// post sends a form and returns the page that follows.
func (b *browser) post(path string, values ...string) string {
	b.t.Helper()
	response, body := b.do(b.form(path, values...))
	if response.StatusCode != http.StatusOK || response.Request.Method != "GET" || response.Request.URL.Path != "/" {
		b.t.Fatalf("POST %s: %s %s\n%s", path, response.Status, response.Request.URL, body)
	}
	return body
}

// cookie returns what the browser keeps.
func (b *browser) cookie() string {
	u, err := url.Parse(b.server.URL)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range b.client.Jar.Cookies(u) {
		if c.Name == CookieName {
			return c.Value
		}
	}
	return ""
}

func (b *browser) setCookie(value string) {
	u, err := url.Parse(b.server.URL)
	if err != nil {
		b.t.Fatal(err)
	}
	b.client.Jar.SetCookies(u, []*http.Cookie{{Name: CookieName, Value: value, Path: "/"}})
}

func (b *browser) wants(page string, texts ...string) {
	b.t.Helper()
	for _, text := range texts {
		if !strings.Contains(page, text) {
			b.t.Errorf("%q is not on the page\n%s", text, page)
		}
	}
}

func (b *browser) lacks(page string, texts ...string) {
	b.t.Helper()
	for _, text := range texts {
		if strings.Contains(page, text) {
			b.t.Errorf("%q is on the page\n%s", text, page)
		}
	}
}

// TestVisit is a whole visit.
func TestVisit(t *testing.T) {
	b := newBrowser(t)
	page := b.get()
	b.wants(page, `<html lang="en">`, "<h1>Welcome</h1>", "The cart is empty.", "Your browser sent none")
	if b.cookie() != "" {
		t.Error("a visitor who did nothing has a cookie")
	}

	page = b.post("/sign-in", "name", " Ada ")
	b.wants(page, "<h1>Welcome, <bdi>Ada</bdi></h1>", "Ada, you are signed in.", "Sign out",
		`"_user_id": "Ada"`, `"_flashes": [{" t": ["success", "Ada, you are signed in."]}]`, "brought a newer one")
	page = b.get()
	b.wants(page, "<bdi>Ada</bdi>")
	b.lacks(page, "you are signed in", "_flashes", "brought a newer one")

	page = b.post("/language", "language", "de")
	b.wants(page, `<html lang="de">`, "<h1>Willkommen, <bdi>Ada</bdi></h1>", "Diese Seite spricht jetzt Deutsch.",
		`<option value="de" lang="de" selected>`, `"language": "de"`)
	b.post("/language", "language", "en")

	b.post("/cart/add", "product", "tea")
	b.post("/cart/add", "product", "tea")
	page = b.post("/cart/add", "product", "compass")
	b.wants(page, "Added to the cart: Compass.", "36.90 €", `"cart": {"compass": 1, "tea": 2}`)
	page = b.post("/cart/remove", "product", "tea")
	b.wants(page, "Taken out of the cart: Tea.", "30.70 €", `"cart": {"compass": 1, "tea": 1}`)
	page = b.post("/cart/remove", "product", "tea")
	b.wants(page, `"cart": {"compass": 1}`)
	page = b.post("/cart/remove", "product", "tea")
	b.wants(page, "Not in the cart: Tea.", `"cart": {"compass": 1}`)
	page = b.post("/cart/empty")
	b.wants(page, "The cart is empty now.", "The cart is empty.")
	b.lacks(page, `"cart":`)

	b.post("/cart/add", "product", "map")
	b.post("/language", "language", "fr")
	before := b.cookie()
	page = b.post("/sign-out")
	b.wants(page, `<html lang="fr">`, "<h1>Bienvenue</h1>", "Vous êtes déconnecté.", "Le panier est vide.")
	b.lacks(page, `"_user_id"`, `"cart":`)
	if handleOf(t, b, before) == handleOf(t, b, b.cookie()) {
		t.Error("the session after signing out is the one before")
	}
}

// TestSetCookie: HttpOnly and SameSite always; Secure not, since this is plain
// http, and a name of its own.
func TestSetCookie(t *testing.T) {
	b := newBrowser(t)
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, _ := b.do(b.form("/sign-in", "name", "Ada"))
	if response.StatusCode != http.StatusSeeOther || response.Header.Get("Location") != "/" {
		t.Errorf("%s to %q", response.Status, response.Header.Get("Location"))
	}
	cookies := response.Cookies()
	if len(cookies) != 1 {
		t.Fatalf("cookies %v", cookies)
	}
	c := cookies[0]
	if c.Name != "sojourn_demo" || !c.HttpOnly || c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
		t.Errorf("cookie %s", c.Raw)
	}
	if got := response.Header.Get("Cache-Control"); got != "private, no-store" {
		t.Errorf("Cache-Control %q", got)
	}
}

func TestHeaders(t *testing.T) {
	b := newBrowser(t)
	for _, path := range []string{"/", "/style.css", "/icon.svg", "/nowhere"} {
		request, err := http.NewRequest("GET", b.server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, body := b.do(request)
		csp := response.Header.Get("Content-Security-Policy")
		for _, rule := range []string{"default-src 'none'", "style-src 'self'", "form-action 'self'", "frame-ancestors 'none'"} {
			if !strings.Contains(csp, rule) {
				t.Errorf("%s: %q is not in %q", path, rule, csp)
			}
		}
		if response.Header.Get("X-Content-Type-Options") != "nosniff" || response.Header.Get("Referrer-Policy") != "same-origin" {
			t.Errorf("%s: %v", path, response.Header)
		}
		if (response.StatusCode == http.StatusOK) == (path == "/nowhere") {
			t.Errorf("%s: %s", path, response.Status)
		}
		b.lacks(body, "<script", " style=", "<style>", " onclick")
		if path == "/" && (response.Header.Get("Vary") != "Cookie" || response.Header.Get("Cache-Control") != "no-store") {
			t.Errorf("%s: %v", path, response.Header)
		}
	}
}

// TestForgedForms: what another site sends is refused before anything is done.
func TestForgedForms(t *testing.T) {
	b := newBrowser(t)
	b.post("/sign-in", "name", "Ada")
	before := b.cookie()
	for name, forge := range map[string]func(http.Header){
		"modern browser": func(h http.Header) { h.Set("Sec-Fetch-Site", "cross-site") },
		"older browser":  func(h http.Header) { h.Del("Sec-Fetch-Site"); h.Set("Origin", "https://evil.example") },
	} {
		for _, path := range []string{"/sign-in", "/sign-out", "/language", "/cart/add", "/cart/remove", "/cart/empty"} {
			request := b.form(path, "name", "Eve", "language", "fr", "product", "tea")
			forge(request.Header)
			if response, _ := b.do(request); response.StatusCode != http.StatusForbidden {
				t.Errorf("%s: POST %s: %s", name, path, response.Status)
			}
		}
	}
	if b.cookie() != before {
		t.Error("a forged form changed the session")
	}
}

// TestMistakes: a form that this page does not send is answered with a clear
// text, and changes nothing.
func TestMistakes(t *testing.T) {
	b := newBrowser(t)
	b.post("/sign-in", "name", "Ada")
	before := b.cookie()
	for _, test := range []struct {
		request *http.Request
		status  int
		text    string
	}{
		{b.form("/language", "language", "tlh"), 400, `There is no language "tlh" here.`},
		{b.form("/language"), 400, `There is no language "" here.`},
		{b.form("/cart/add", "product", "boat"), 400, `There is no product "boat" here.`},
		{b.form("/cart/remove", "product", "boat"), 400, `There is no product "boat" here.`},
		{b.form("/cart/add?product=tea"), 400, `There is no product "" here.`},
		{b.form("/sign-in", "name", "  "), 400, "Please give a name."},
		{b.form("/sign-in", "name", strings.Repeat("é", maxName+1)), 400, "at most 40 characters"},
		{b.form("/sign-in", "name", "A\x00da"), 400, "plain text"},
		{b.form("/sign-in", "name", "A\xffda"), 400, "plain text"},
		{b.form("/sign-in", "name", strings.Repeat("x", maxBody)), 413, "larger than 4096 bytes"},
		{b.form("/nowhere"), 404, ""},
	} {
		response, body := b.do(test.request)
		if response.StatusCode != test.status || !strings.Contains(body, test.text) {
			t.Errorf("%s: %s %q, want %d %q", test.request.URL.Path, response.Status, body, test.status, test.text)
		}
	}
	request, err := http.NewRequest("GET", b.server.URL+"/cart/empty", nil)
	if err != nil {
		t.Fatal(err)
	}
	if response, _ := b.do(request); response.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET /cart/empty: %s", response.Status)
	}
	if b.cookie() != before {
		t.Error("a mistake changed the session")
	}
}

// TestHostileName: what a visitor types is text, wherever it is shown.
func TestHostileName(t *testing.T) {
	b := newBrowser(t)
	b.post("/sign-in", "name", `<b>"'&`)
	response, err := b.client.Get(b.server.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(raw), "<b>") {
		t.Errorf("the name is HTML\n%s", raw)
	}
}

// TestCartIsBounded: so is the number of one product.
func TestCartIsBounded(t *testing.T) {
	b := newBrowser(t)
	cookie, err := b.signer.Sign(`{"cart":{"tea":99}}`, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	b.setCookie(cookie)
	b.wants(b.post("/cart/add", "product", "tea"), "More than that do not fit", `"cart": {"tea": 99}`)
}
