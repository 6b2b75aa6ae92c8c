package sojourn

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sojourn-go/sojourn/internal/header"
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

// cookieSpec is a Cookie with its defaults filled in, and how to delete it.
type cookieSpec struct {
	header.Cookie
	bare     bool // no attribute that was not set, as Flask
	first    bool // the first of several wins
	deletion string
}

// resolveCookie fills c in from the form's traits and lists what is wrong.
func resolveCookie(field string, c Cookie, traits *Traits) (cookieSpec, error) {
	d := traits.Cookie
	spec := cookieSpec{first: traits.FirstCookie, Cookie: header.Cookie{
		Name: first(c.Name, d.Name), Domain: first(c.Domain, d.Domain), Path: first(c.Path, d.Path),
		Partitioned: c.Partitioned || d.Partitioned, Secure: !c.InsecureHTTP, HTTPOnly: true,
	}}
	sameSite := c.SameSite
	if sameSite == 0 {
		sameSite = d.SameSite
	}
	if rules := traits.Flask; rules != nil {
		spec.bare, spec.Secure, spec.HTTPOnly = true, rules.Secure || d.Partitioned, !rules.ScriptReadable
		if c != (Cookie{}) {
			return spec, fmt.Errorf("sojourn: %s: flask.Exact takes the cookie from flask.Settings; leave it empty", field)
		}
	} else if sameSite == 0 {
		sameSite = http.SameSiteLaxMode
	}
	if spec.Name == "" {
		switch {
		case c.InsecureHTTP:
			spec.Name = "session"
		case spec.Domain != "" || spec.Path != "" && spec.Path != "/":
			spec.Name = "__Http-session"
		default:
			spec.Name = "__Host-Http-session"
		}
	}
	spec.Path = header.QuotePath(first(spec.Path, "/"))
	if spec.Domain = strings.TrimLeft(spec.Domain, "."); spec.bare {
		spec.Domain, _, _ = strings.Cut(spec.Domain, ":")
	}
	var err error
	spec.SameSite, err = sameSiteText(sameSite)
	spec.deletion = spec.Line("", time.Unix(0, 0), true)
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
	if !header.IsToken(s.Name) {
		complain("Name: %q is not a cookie name: letters, digits and !#$%%&'*+-.^_`|~ only", s.Name)
	}
	if !strings.HasPrefix(s.Path, "/") {
		complain("Path: %q does not begin with /", s.Path)
	}
	if strings.ContainsFunc(s.Domain, func(r rune) bool {
		return !(r == '.' || r == '-' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z')
	}) {
		complain("Domain: %q is not a host name: no scheme, no port, and international names in their xn-- form", s.Domain)
	}
	if s.bare { // Flask sends what it is told
		return errors.Join(problems...)
	}
	name := strings.ToLower(s.Name)
	prefixed := func(p string) bool { return strings.HasPrefix(name, p) }
	if !s.Secure {
		switch {
		case prefixed("__host-") || prefixed("__secure-") || prefixed("__http-"):
			complain("Name: %q promises Secure, which InsecureHTTP leaves out: browsers refuse it; use another name for development", s.Name)
		case s.SameSite == "None":
			complain("SameSite: None needs Secure, which InsecureHTTP leaves out")
		case s.Partitioned:
			complain("Partitioned: needs Secure, which InsecureHTTP leaves out")
		}
	}
	if prefixed("__host-") && (s.Domain != "" || s.Path != "/") {
		complain("Name: %q promises this host and every path: leave Domain and Path empty, or use the prefix __Http-", s.Name)
	}
	return errors.Join(problems...)
}

// read finds the cookie in a request's header.
func (s *cookieSpec) read(h http.Header) (value string, found, several bool, err error) {
	value, found, several, err = header.Find(h, s.Name, s.first)
	switch err {
	case header.ErrDiffer:
		err = &RefusedError{ReasonDuplicate, err.Error()}
	case header.ErrTooLong:
		err = &RefusedError{ReasonTooLarge, err.Error()}
	}
	return value, found, several, err
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
