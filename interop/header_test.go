package interop

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
)

// none is what a request has whose session is empty.
const none = -1

// numbered returns cookies that are all rightly signed and hold their own
// number, so that a test can see which of them was used.
func numbered(t testing.TB, n int) []string {
	t.Helper()
	s, list := signer(t, keyA), make([]string, n)
	for i := range list {
		var err error
		if list[i], err = s.Sign(fmt.Sprintf(`{"n":%d}`, i), time.Now().Add(-time.Duration(i+1)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	return list
}

// numberSeen is the number of the cookie that a Go application uses when a
// request has this Cookie header.
func numberSeen(t rapid.TB, m *sojourn.Manager, header string) int {
	t.Helper()
	seen := none
	r := httptest.NewRequest("GET", "/", nil)
	r.Header["Cookie"] = []string{header}
	m.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen = sojourn.Field[int]("n").GetOr(r.Context(), none)
	})).ServeHTTP(httptest.NewRecorder(), r)
	return seen
}

// numberSent is the number of the cookie that Flask sees, if that is one as it
// was signed. Flask forgives other spellings in base64, which Go does not: that
// is not the header's matter.
func numberSent(r *result, cookies []string) int {
	for i, c := range cookies {
		if r.Found && r.Value == c {
			return i
		}
	}
	return none
}

// spell writes a cookie's value as a header may: bare, quoted, with escapes, or
// broken.
func spell(t *rapid.T, value string) string {
	switch rapid.IntRange(0, 9).Draw(t, "spelling") {
	case 0:
		return `"` + value + `"`
	case 1, 2:
		return `"` + escape(t, value) + `"`
	case 3:
		return escape(t, value)
	case 4:
		return `"` + value
	case 5:
		return `"` + value + `" ` + rapid.SampledFrom([]string{"x", `"`, `""`, "=", `"y;"`}).Draw(t, "after")
	}
	return value
}

// escape writes some characters as \ooo or with a backslash before them.
func escape(t *rapid.T, value string) string {
	var b strings.Builder
	every := rapid.IntRange(1, 30).Draw(t, "every")
	for i := range len(value) {
		switch {
		case i%every != 0:
			b.WriteByte(value[i])
		case i%2 == 0:
			fmt.Fprintf(&b, `\%03o`, value[i])
		default:
			b.WriteString(`\` + value[i:i+1])
		}
	}
	return b.String()
}

// headerSpace and headerNoise are what may stand around and in place of
// cookies: what net/http lets through. White space beyond ASCII is left out:
// Flask's releases differ about it.
var (
	headerSpace = rapid.SampledFrom([]string{"", "", "", " ", "  ", "\t", " \t "})
	headerNoise = rapid.OneOf(
		rapid.StringMatching(`[ -~]{0,8}`),
		rapid.StringMatching(`[ab=;"\\ ,07é😀]{0,12}`),
		rapid.SampledFrom([]string{`"`, `\`, `\"`, `"a;b"`, `";"`, `"\";"`, `"session=`, `"; session=`, `\073`, "=", "==", ""}))
	cookieName = rapid.OneOf(
		rapid.Just("session"), rapid.Just("session"), rapid.Just("session"),
		rapid.SampledFrom([]string{"Session", "SESSION", "sessio", "sessions", "xsession", "session session", `"session"`, `\163ession`, "session,", "a", "", "__Host-session", "é"}))
)

// cookieHeader generates a Cookie header: mostly several cookies named session
// and others, now and then anything.
func cookieHeader(t *rapid.T, cookies []string) string {
	var b strings.Builder
	for range rapid.IntRange(1, 5).Draw(t, "parts") {
		b.WriteString(headerSpace.Draw(t, "space"))
		switch rapid.IntRange(0, 5).Draw(t, "part") {
		case 0:
			b.WriteString(headerNoise.Draw(t, "noise"))
		case 1:
			b.WriteString(cookieName.Draw(t, "name")) // without a value
		case 2:
			b.WriteString(cookieName.Draw(t, "name") + "=" + headerNoise.Draw(t, "noise"))
		default:
			value := spell(t, rapid.SampledFrom(cookies).Draw(t, "cookie"))
			b.WriteString(cookieName.Draw(t, "name") + headerSpace.Draw(t, "space") + "=" + headerSpace.Draw(t, "space") + value)
		}
		b.WriteString(headerSpace.Draw(t, "space") + rapid.SampledFrom([]string{";", ";", ";", ";", "; ", ";;", ",", ""}).Draw(t, "end"))
	}
	return b.String()
}

// TestCookieHeader: of a Cookie header with several cookies, quotes and
// escapes, Go takes the one that Flask takes.
func TestCookieHeader(t *testing.T) {
	t.Parallel()
	python, cookies := newCodec(t), numbered(t, 4)
	m, err := sojourn.New(sojourn.Config{Keep: flask.Signed(ring(t, keyA)), Events: new(log).add})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]int{}
	rapid.Check(t, func(t *rapid.T) {
		ops := make([]operation, batch)
		for i := range ops {
			ops[i] = operation{Do: "header", Header: cookieHeader(t, cookies)}
		}
		for i, r := range python.do(t, ops...) {
			if r.Verdict != "session" {
				t.Fatalf("Flask: %s on %q", r.Error, ops[i].Header)
			}
			sent, got := numberSent(&r, cookies), numberSeen(t, m, ops[i].Header)
			if got != sent {
				t.Fatalf("Cookie: %s\nFlask sees %q\nwhich is number %d; Go used %d", ops[i].Header, r.Value, sent, got)
			}
			if n := field(r.Session, "n"); sent != none && (n == nil || text(n) != fmt.Sprint(sent)) {
				t.Fatalf("Flask sees cookie %d and reads %v", sent, n)
			}
			seen[got]++
		}
	})
	t.Logf("cookies used (%d is none): %v", none, seen)
	for i := none; i < len(cookies) && !t.Failed(); i++ {
		if seen[i] == 0 {
			t.Errorf("cookie %d was never used", i)
		}
	}
}
