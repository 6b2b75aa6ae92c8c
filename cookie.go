package sojourn

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Cookie holds the attributes of the session's cookie. The zero value is the
// safe one: HttpOnly, Secure, SameSite=Lax, Path=/ and no Domain, whatever the
// request looks like, since a proxy may hide TLS. HttpOnly cannot be switched
// off.
type Cookie struct {
	// Name is the cookie's name; "" is the form's own, session for
	// flask.Signed. Forms without one have __Host-Http-session, or
	// __Http-session when Domain or Path is set, or session with
	// InsecureHTTP. Browsers refuse prefixed names that break their rule,
	// so New does it first (RFC 6265bis, layered cookies).
	Name string

	// Domain shares the cookie with all hosts below it; "" is this host
	// only.
	Domain string

	// Path limits the cookie to a part of the site; "" is /. It separates
	// nothing: scripts of one path can read what another gets.
	Path string

	// SameSite; zero is Lax. None needs Secure and CSRF protection.
	SameSite http.SameSite

	// Partitioned keeps a cookie a top-level site (CHIPS). It needs Secure.
	Partitioned bool

	// InsecureHTTP leaves out Secure and the name's prefix, for development
	// over plain http. Never use it where the network can be listened to.
	InsecureHTTP bool
}

// maxSetCookie is the longest Set-Cookie line that is sent: browsers may drop
// longer ones without a word. It is werkzeug's limit.
const maxSetCookie = 4093

// maxCookieText is the longest cookie that is looked at. It leaves room for
// what Flask sends in spite of its own warning.
const maxCookieText = 16 << 10

// cookieSpec is a Cookie with its defaults filled in, and how to delete it.
type cookieSpec struct {
	name                                string
	domain, path, sameSite              string
	secure, httpOnly, partitioned, bare bool
	first                               bool // the first of several wins
	deletion                            string
}

// resolveCookie fills c in from the form's traits and lists what is wrong.
func resolveCookie(field string, c Cookie, traits *Traits) (cookieSpec, error) {
	d := traits.Cookie
	spec := cookieSpec{
		name: first(c.Name, d.Name), domain: first(c.Domain, d.Domain), path: first(c.Path, d.Path),
		partitioned: c.Partitioned || d.Partitioned, first: traits.FirstCookie,
		secure: !c.InsecureHTTP, httpOnly: true,
	}
	sameSite := c.SameSite
	if sameSite == 0 {
		sameSite = d.SameSite
	}
	if rules := traits.Flask; rules != nil {
		spec.bare, spec.secure, spec.httpOnly = true, rules.Secure || d.Partitioned, !rules.ScriptReadable
		if c != (Cookie{}) {
			return spec, fmt.Errorf("sojourn: %s: flask.Exact takes the cookie from flask.Settings; leave it empty", field)
		}
	} else if sameSite == 0 {
		sameSite = http.SameSiteLaxMode
	}
	if spec.name == "" {
		switch {
		case c.InsecureHTTP:
			spec.name = "session"
		case spec.domain != "" || spec.path != "" && spec.path != "/":
			spec.name = "__Http-session"
		default:
			spec.name = "__Host-Http-session"
		}
	}
	spec.path = quotePath(first(spec.path, "/"))
	if spec.domain = strings.TrimLeft(spec.domain, "."); spec.bare {
		spec.domain, _, _ = strings.Cut(spec.domain, ":")
	}
	var err error
	spec.sameSite, err = sameSiteText(sameSite)
	spec.deletion = spec.line("", time.Unix(0, 0), true)
	return spec, errors.Join(prefixError(field, err), spec.check(field))
}

func prefixError(field string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("sojourn: %s.%w", field, err)
}

func sameSiteText(mode http.SameSite) (string, error) {
	switch mode {
	case 0:
		return "", nil
	case http.SameSiteLaxMode:
		return "Lax", nil
	case http.SameSiteStrictMode:
		return "Strict", nil
	case http.SameSiteNoneMode:
		return "None", nil
	}
	return "", fmt.Errorf("SameSite: %d is none of Lax, Strict and None", mode)
}

// check lists the combinations that a browser would refuse without a word.
func (s *cookieSpec) check(field string) error {
	var problems []error
	complain := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("sojourn: "+field+"."+format, args...))
	}
	if !isToken(s.name) {
		complain("Name: %q is not a cookie name: letters, digits and !#$%%&'*+-.^_`|~ only", s.name)
	}
	if !strings.HasPrefix(s.path, "/") {
		complain("Path: %q does not begin with /", s.path)
	}
	if strings.ContainsFunc(s.domain, func(r rune) bool {
		return !(r == '.' || r == '-' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z')
	}) {
		complain("Domain: %q is not a host name: no scheme, no port, and international names in their xn-- form", s.domain)
	}
	if s.bare { // Flask sends what it is told
		return errors.Join(problems...)
	}
	name := strings.ToLower(s.name)
	prefixed := func(p string) bool { return strings.HasPrefix(name, p) }
	if !s.secure {
		switch {
		case prefixed("__host-") || prefixed("__secure-") || prefixed("__http-"):
			complain("Name: %q promises Secure, which InsecureHTTP leaves out: browsers refuse it; use another name for development", s.name)
		case s.sameSite == "None":
			complain("SameSite: None needs Secure, which InsecureHTTP leaves out")
		case s.partitioned:
			complain("Partitioned: needs Secure, which InsecureHTTP leaves out")
		}
	}
	if prefixed("__host-") && (s.domain != "" || s.path != "/") {
		complain("Name: %q promises this host and every path: leave Domain and Path empty, or use the prefix __Http-", s.name)
	}
	return errors.Join(problems...)
}

// line is the value of a Set-Cookie header, its attributes in Flask's order.
func (s *cookieSpec) line(value string, expires time.Time, deletion bool) string {
	b := make([]byte, 0, len(s.name)+len(value)+160)
	b = append(append(append(b, s.name...), '='), value...)
	attribute := func(name, value string) {
		b = append(append(append(b, "; "...), name...), value...)
	}
	if s.domain != "" {
		attribute("Domain=", s.domain)
	}
	if !expires.IsZero() {
		b = expires.UTC().AppendFormat(append(b, "; Expires="...), http.TimeFormat)
	}
	if deletion {
		attribute("Max-Age=0", "")
	}
	if s.secure {
		attribute("Secure", "")
	}
	if s.httpOnly {
		attribute("HttpOnly", "")
	}
	attribute("Path=", s.path)
	if s.sameSite != "" {
		attribute("SameSite=", s.sameSite)
	}
	if s.partitioned {
		attribute("Partitioned", "")
	}
	return string(b)
}

// read finds the cookie in a request's header. several is true when there is
// more than one; differing ones are not ok, unless the first is to win.
func (s *cookieSpec) read(h http.Header) (value string, found, several bool, err error) {
	for _, line := range h["Cookie"] {
		for line != "" {
			var name, v string
			name, v, line = nextCookie(line)
			if name != s.name {
				continue
			}
			if found {
				several = true
				if v != value && !s.first {
					return "", true, true, &RefusedError{ReasonDuplicate, "several cookies of this name, and they differ"}
				}
				continue
			}
			value, found = v, true
		}
	}
	if len(value) > maxCookieText {
		return "", true, several, &RefusedError{ReasonTooLarge, "longer than 16 KiB"}
	}
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		value = unquoteCookie(value[1 : len(value)-1])
	}
	return value, found, several, nil
}

// nextCookie cuts the first cookie from a Cookie header as werkzeug does: it
// is like any other reader's on what browsers send, but a semicolon inside a
// quoted value does not end it.
func nextCookie(line string) (name, value, rest string) {
	end := strings.IndexAny(line, "=;")
	if end < 0 {
		return trimCookie(line), "", ""
	}
	if line[end] == ';' {
		return trimCookie(line[:end]), "", line[end+1:]
	}
	name, line = trimCookie(line[:end]), line[end+1:]
	v := strings.TrimLeft(line, cookieSpace)
	if n := quotedLen(v); n > 0 {
		after := strings.TrimLeft(v[n:], cookieSpace)
		if after == "" {
			return name, v[:n], ""
		}
		if after[0] == ';' {
			return name, v[:n], after[1:]
		}
	}
	value, rest, _ = strings.Cut(line, ";")
	return name, trimCookie(value), rest
}

const cookieSpace = " \t\n\r\f\v"

func trimCookie(s string) string { return strings.Trim(s, cookieSpace) }

// quotedLen is the length of the quoted string that s begins with, or 0.
func quotedLen(s string) int {
	if s == "" || s[0] != '"' {
		return 0
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
	return 0
}

// unquoteCookie undoes \" and \ooo.
func unquoteCookie(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			if i+3 < len(s) && s[i+1] <= '3' {
				if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
					b = append(b, byte(n))
					i += 3
					continue
				}
			}
			i++
		}
		b = append(b, s[i])
	}
	return string(b)
}

// quotePath percent-encodes what may not stand in a Path attribute, as Flask.
func quotePath(path string) string {
	const plain = "%!$&'()*+,/:=@-._~"
	var b strings.Builder
	for i := range len(path) {
		c := path[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte(plain, c) >= 0 {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}

// isToken reports whether name may be a cookie's name (RFC 9110 5.6.2).
func isToken(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	})
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
