package demo

import (
	"html"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/flask"
	"github.com/sojourn-go/sojourn/keys"
)

// TestCookieTakenApart: the page says of the cookie what is so.
func TestCookieTakenApart(t *testing.T) {
	b := newBrowser(t)
	issued := time.Now().Add(-10 * time.Minute).Truncate(time.Second)
	text := `{"cart":{"tea":3},"other":1}`
	cookie, err := b.signer.Sign(text, issued)
	if err != nil {
		t.Fatal(err)
	}
	b.setCookie(cookie)
	page := b.get()
	parts := strings.Split(cookie, ".")
	b.wants(page,
		`<span class="payload">`+parts[0]+`</span>.<span class="time">`+parts[1]+`</span>.<span class="signature">`+parts[2]+`</span>`,
		"10 minutes ago", issued.UTC().Format("2 Jan 15:04:05")+" UTC</time>",
		issued.Add(idleTimeout).UTC().Format("2 Jan 15:04:05")+" UTC</time> if not used before",
		"of 4093 bytes", "no: it is too short", `"other": 1`, "a field that another program wrote", "just verified",
		"sojourn cookie inspect '"+cookie+"'", "sojourn demo --keep flask --secret-file demo.key\n", "sojourn cookie verify --secret-file demo.key COOKIE")

	page = b.post("/cart/empty")
	b.wants(page, "12 hours after it was made", "Sojourn’s own field", "<code>"+handleOf(t, b, b.cookie())+"</code>")

	long, err := b.signer.Sign(`{"noise":"`+strings.Repeat("sojourn ", 300)+`"}`, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	b.setCookie(long)
	b.wants(b.get(), "compressed with zlib, then base64", "yes: the value begins with a dot")
}

func TestCookieRefused(t *testing.T) {
	b := newBrowser(t)
	sign := func(text string, age time.Duration) string {
		cookie, err := b.signer.Sign(text, time.Now().Add(-age))
		if err != nil {
			t.Fatal(err)
		}
		return cookie
	}
	good := sign(`{"cart":{"tea":3}}`, 0)
	for name, test := range map[string]struct{ cookie, want string }{
		"changed": {"f" + good[1:], "signature: "},
		"other":   {"nonsense", "malformed: "},
		"idle":    {sign(`{"cart":{"tea":3}}`, 31*time.Minute), "expired: not used for 30 minutes"},
		"old":     {sign(`{"cart":{"tea":3}}`, 13*time.Hour), "expired: "},
		"future":  {sign(`{"cart":{"tea":3}}`, -time.Hour), "future: "},
	} {
		b.setCookie(test.cookie)
		page := b.get()
		b.wants(page, "<strong>Refused</strong> ("+test.want, "The cart is empty.")
		b.lacks(page, "just verified")
		b.wants(b.post("/cart/add", "product", "tea"), `"cart": {"tea": 1}`) // it can begin anew
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

// handleOf returns the handle in a cookie's bookkeeping.
func handleOf(t *testing.T, b *browser, cookie string) string {
	t.Helper()
	v, err := b.signer.Verify(cookie, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	fields, err := flask.Decode(v.Payload)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := fields["_sojourn"].(string)
	book := parseBookkeeping(text)
	if book == nil {
		t.Fatalf("bookkeeping %q", text)
	}
	return book.Handle
}

// TestTooLarge: a session that does not fit is answered with an explanation,
// instead of a cookie that the browser would drop.
func TestTooLarge(t *testing.T) {
	b := newBrowser(t)
	var noise strings.Builder // does not compress well
	for noise.Len() < 6000 {
		noise.WriteString(keys.Generate())
	}
	cookie := ""
	for text := noise.String(); cookie == "" || len(cookie) > 4030; text = text[4:] {
		var err error
		if cookie, err = b.signer.Sign(`{"noise":"`+text+`"}`, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	b.setCookie(cookie)
	response, body := b.do(b.form("/sign-in", "name", "Ada"))
	if response.StatusCode != http.StatusInternalServerError || !strings.Contains(body, "largest fields, in bytes before they are encoded: noise ") {
		t.Errorf("%s\n%s", response.Status, body)
	}
	if b.cookie() != cookie {
		t.Error("the cookie was replaced")
	}
	b.wants(b.post("/sign-out"), "You are signed out.") // there is a way out
}

// TestVerifyCommand: with a key of the visitor's own the page shows the command
// that verifies, quoted for a shell.
func TestVerifyCommand(t *testing.T) {
	ring, err := keys.New([][]byte{[]byte(keys.Generate())})
	if err != nil {
		t.Fatal(err)
	}
	handler, err := New(Config{Ring: ring, SecretFile: "my key's.txt"})
	if err != nil {
		t.Fatal(err)
	}
	signer, err := flask.NewSigner(ring)
	if err != nil {
		t.Fatal(err)
	}
	cookie, err := signer.Sign(`{"cart":{"tea":3}}`, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequest("GET", "/", nil)
	request.AddCookie(&http.Cookie{Name: CookieName, Value: cookie})
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	if want := `sojourn cookie verify --secret-file 'my key'\''s.txt' '` + cookie + `'`; !strings.Contains(html.UnescapeString(recorder.Body.String()), want) {
		t.Errorf("%q is not on the page\n%s", want, recorder.Body)
	}
}

// TestCommandToCopyIsOneWord: a cookie that somebody planted does not turn the
// command that the page offers to copy into another one.
func TestCommandToCopyIsOneWord(t *testing.T) {
	const planted = "eyJhIjoxfQ.ZVPxAA.x'$(id)'"
	b := newBrowser(t)
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", CookieName+"="+planted)
	rec := httptest.NewRecorder()
	b.server.Config.Handler.ServeHTTP(rec, r)
	body := html.UnescapeString(rec.Body.String())
	if strings.Contains(body, "inspect '"+planted) || !strings.Contains(body, "cookie inspect "+shellQuote(planted)) {
		t.Error("the command is not one word a part")
	}
}
