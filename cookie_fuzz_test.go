package sojourn

import (
	"net/http"
	"strings"
	"testing"
)

// FuzzCookieHeader compares our reading of the Cookie header with net/http's.
// They differ on purpose about quotes, where we do as werkzeug does, and about
// what net/http drops because no browser sends it; on the rest they agree.
func FuzzCookieHeader(f *testing.F) {
	for _, header := range []string{
		"session=abc", "a=b; session=abc.def-_; c=d", "session=; session=x", "session = abc ", ";;session=abc;", "session", "=session", "session=a=b", "Session=a; session=b",
		`session="abc"`, `session="a\"b"`, `session="a\145b"`, `a="x; session=abc"; session=d`, `a="x; session=abc`, `session="a" b; c=d`, "\tsession=abc\t;x=y", "session=é; x=\x80",
	} {
		f.Add(header, "")
	}
	f.Add("session=a", "session=b")
	f.Add(`a="x`, `y"; session=b`)
	strict, loose := cookieSpec{name: "session"}, cookieSpec{name: "session", first: true}
	f.Fuzz(func(t *testing.T, one, two string) {
		h := http.Header{"Cookie": {one, two}}
		value, found, several, err := loose.read(h)
		if err != nil || several && !found || !found && value != "" {
			t.Fatalf("%q: %q %v %v %v", h, value, found, several, err)
		}
		if v, _, _, err := strict.read(h); err == nil && v != value || err != nil && (!several || ReasonOf(err) != ReasonDuplicate) {
			t.Fatalf("%q: %q and %q, %v", h, value, v, err)
		}
		if strings.ContainsAny(one+two, "\"\r\n\f\v\\,") || !isASCII(one+two) {
			return
		}
		var theirs []string
		for _, c := range (&http.Request{Header: h}).CookiesNamed("session") {
			theirs = append(theirs, strings.Trim(c.Value, cookieSpace))
		}
		// net/http passes over values with bytes that no browser sends, and names without a value.
		if len(theirs) > 0 && !found || len(theirs) == 1 && !several && theirs[0] != value {
			t.Fatalf("%q: %q %v, net/http has %q", h, value, found, theirs)
		}
		if found && len(theirs) == 0 && value != "" && !strings.ContainsAny(value, "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x7f") && !strings.Contains(value, ";") {
			t.Fatalf("%q: %q, net/http has none", h, value)
		}
	})
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
