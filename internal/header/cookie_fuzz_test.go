package header

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
	f.Fuzz(func(t *testing.T, one, two string) {
		h := http.Header{"Cookie": {one, two}}
		value, found, several, err := Find(h, "session", true)
		if err != nil || several && !found || !found && value != "" {
			t.Fatalf("%q: %q %v %v %v", h, value, found, several, err)
		}
		if v, _, _, err := Find(h, "session", false); err == nil && v != value && !strings.HasPrefix(v, `"`) || err != nil && (!several || err != ErrDiffer) {
			t.Fatalf("%q: %q and %q, %v", h, value, v, err)
		}
		if strings.ContainsFunc(one+two, func(r rune) bool { return r < ' ' || r > '~' || strings.ContainsRune(`"\,`, r) }) {
			return // net/http passes over what no browser sends
		}
		var theirs []string
		for _, c := range (&http.Request{Header: h}).CookiesNamed("session") {
			theirs = append(theirs, strings.Trim(c.Value, cookieSpace))
		}
		if len(theirs) > 0 && !found || len(theirs) == 1 && !several && theirs[0] != value {
			t.Fatalf("%q: %q %v, net/http has %q", h, value, found, theirs)
		}
		if found && len(theirs) == 0 && value != "" {
			t.Fatalf("%q: %q, net/http has none", h, value)
		}
	})
}
