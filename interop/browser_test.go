package interop

import (
	"encoding/json"
	"html/template"
	"io"
	"math/big"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strconv"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/sojourn-go/sojourn"
)

// A browser is one jar for both applications: cookies ignore ports.
type browser struct {
	t      rapid.TB
	client http.Client
	mode   string // the Sec-Fetch-Mode of its requests; "" is a browser that sends none
}

func newBrowser(t rapid.TB) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, client: http.Client{Jar: jar, Timeout: patience}, mode: "navigate"}
}

// A page is a response, read to its end.
type page struct {
	status int
	header http.Header
	body   string
}

// sent is the Set-Cookie of the session, "" if the page left it alone.
func (p *page) sent() string {
	for _, line := range p.header["Set-Cookie"] {
		if strings.HasPrefix(line, "session=") {
			return line
		}
	}
	return ""
}

func (b *browser) get(a *app, path string) page { return b.do("GET", a, path, "", "") }
func (b *browser) post(a *app, path, body string) page {
	return b.do("POST", a, path, "text/plain", body)
}
func (b *browser) postJSON(a *app, path string, v any) {
	b.do("POST", a, path, "application/json", toJSON(b.t, v))
}

// do sends one request. Anything but success and 401 is a failure of the test:
// an error page would look like an empty session.
func (b *browser) do(method string, a *app, path, kind, body string) page {
	b.t.Helper()
	r, err := http.NewRequest(method, a.url+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	r.Header.Set("User-Agent", "one browser")
	if b.mode != "" {
		r.Header.Set("Sec-Fetch-Mode", b.mode)
	}
	res, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK && res.StatusCode != http.StatusUnauthorized {
		b.t.Fatalf("%s %s: %s %v\n%s", method, path, res.Status, err, text)
	}
	return page{res.StatusCode, res.Header, string(text)}
}

// fetching is the same browser, its requests made by a script: Go renews and
// adopts nothing with them.
func (b *browser) fetching() *browser {
	return &browser{t: b.t, client: b.client, mode: "cors"}
}

// copyTo is another browser with the same cookie.
func (b *browser) copyTo() *browser {
	c := newBrowser(b.t)
	c.setCookie(b.cookie())
	return c
}

var host = &url.URL{Scheme: "http", Host: "127.0.0.1", Path: "/"}

// cookie is the session's cookie in the jar, "" if there is none.
func (b *browser) cookie() string {
	for _, c := range b.client.Jar.Cookies(host) {
		if c.Name == "session" {
			return c.Value
		}
	}
	return ""
}

func (b *browser) setCookie(value string) {
	b.client.Jar.SetCookies(host, []*http.Cookie{{Name: "session", Value: value, Path: "/"}})
}

// show is the session as an application sees it, annotated, but for the field
// that Sojourn adds.
func (b *browser) show(a *app) any {
	b.t.Helper()
	var session any
	if err := json.Unmarshal([]byte(b.get(a, "/show").body), &session); err != nil {
		b.t.Fatal(err)
	}
	return without(session, "_sojourn")
}

// owner is who an application says is signed in.
func (b *browser) owner(a *app) string {
	b.t.Helper()
	page := b.get(a, "/private")
	if page.status == http.StatusUnauthorized {
		return ""
	}
	return strings.TrimPrefix(page.body, "for ")
}

// setSample has an application set a field to one of the samples.
func (b *browser) setSample(a *app, name, sample string) {
	b.t.Helper()
	if a.said == nil { // the Go one knows the samples
		b.post(a, "/set/"+name, sample)
		return
	}
	b.postJSON(a, "/set/"+name, describe(samples()[sample]))
}

func toJSON(t rapid.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A bookkeeping is what Sojourn's field says; docs/formats.md describes it.
type bookkeeping struct {
	created time.Time
	handle  string
	text    string
}

// clocks are the clocks in a cookie as Flask carries it: its stamp, and
// Sojourn's field, whose text is "" if there is none.
func clocks(t rapid.TB, python *codec, cookie string) (issued time.Time, book bookkeeping) {
	t.Helper()
	r := python.load(t, cookie)
	return time.Unix(r.At, 0), parseBook(t, text(field(r.Session, "_sojourn")))
}

func parseBook(t rapid.TB, text string) bookkeeping {
	t.Helper()
	if text == "" {
		return bookkeeping{}
	}
	parts := strings.Split(text, ".")
	if len(parts) != 4 || parts[0] != "1" {
		t.Fatalf("_sojourn is %q", text)
	}
	millis, err := strconv.ParseInt(parts[1], 36, 64)
	if err != nil {
		t.Fatalf("_sojourn is %q", text)
	}
	return bookkeeping{time.UnixMilli(millis), parts[2], text}
}

// pass lets time pass for the browser's session: both clocks in its cookie go
// back, and Flask signs it anew. Waiting would show the same.
func (b *browser) pass(python *codec, d time.Duration) {
	b.t.Helper()
	r := python.load(b.t, b.cookie())
	session := r.Session
	if book := parseBook(b.t, text(field(session, "_sojourn"))); book.text != "" {
		parts := strings.Split(book.text, ".")
		parts[1] = strconv.FormatInt(book.created.Add(-d).UnixMilli(), 36)
		field(session, "_sojourn").(map[string]any)["value"] = strings.Join(parts, ".")
	}
	b.setCookie(python.dump(b.t, session, time.Unix(r.At, 0).Add(-d)))
}

// near reports whether two times are the same but for what a test itself takes.
func near(a, b time.Time) bool { return a.Sub(b).Abs() < 20*time.Second }

// samples are values of all types that Flask's form keeps apart, by name.
func samples() map[string]any {
	huge, _ := new(big.Int).SetString("123456789012345678901234567890", 10)
	return map[string]any{
		"tuple":    sojourn.Tuple{int64(1), "two", sojourn.Tuple{}, []any{sojourn.Tuple{nil}}},
		"bytes":    []byte{0, 255, 16, 'x'},
		"datetime": time.Date(2024, 2, 29, 12, 34, 56, 0, time.UTC),
		"uuid":     sojourn.UUID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
		"markup":   template.HTML("<b>é & \"😀\"</b>"),
		"huge":     huge,
		"int":      int64(42),
		"float":    42.0,
		"tag-like": map[string]any{" t": map[string]any{" di": []any{int64(1)}}},
		"text":     "é <&> 😀 \x00\x7f \xed\xa0\x80",
		"null":     nil,
		"mapping":  map[string]any{"b": true, "a": []any{}, "": map[string]any{}},
	}
}
