package header

import (
	"net/http"
	"strings"
)

// AddVary adds Cookie to the Vary header, once. A cache that keeps a response
// made from a session must not give it to another visitor.
func AddVary(h http.Header) {
	lines := h["Vary"]
	for _, line := range lines {
		for name := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(name), "Cookie") {
				return
			}
		}
	}
	if len(lines) == 0 {
		h["Vary"] = []string{"Cookie"}
		return
	}
	h["Vary"] = []string{strings.Join(lines, ", ") + ", Cookie"}
}

// DeclaredPublic reports whether the application allows shared caches to keep
// the response.
func DeclaredPublic(h http.Header) bool {
	public := false
	for _, line := range h["Cache-Control"] {
		for directive := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(directive)), "=")
			switch name {
			case "private", "no-store":
				return false
			case "public", "s-maxage", "immutable":
				public = true
			case "max-age":
				public = public || strings.Trim(value, `" 0`) != ""
			}
		}
	}
	return public
}

// KeepOutOfCaches forbids every cache to keep a response with a Set-Cookie.
func KeepOutOfCaches(h http.Header) {
	h["Cache-Control"] = []string{"private, no-store"}
	for name := range h { // RFC 9213: a cache that has one of its own obeys that
		if name == "Surrogate-Control" || strings.HasSuffix(strings.ToLower(name), "-cache-control") {
			delete(h, name)
		}
	}
}
