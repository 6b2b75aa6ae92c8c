// Package header is what sessions read and write in the headers of HTTP: the
// Cookie header as werkzeug reads it, Set-Cookie, Vary and Cache-Control.
package header

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A Cookie is what stands in a Set-Cookie line beside the value. Its parts have
// been checked.
type Cookie struct {
	Name                          string
	Domain, Path, SameSite        string // "" leaves the attribute out
	Secure, HTTPOnly, Partitioned bool
}

// Line is the value of a Set-Cookie header, its attributes in Flask's order.
func (c *Cookie) Line(value string, expires time.Time, deletion bool) string {
	b := make([]byte, 0, len(c.Name)+len(value)+160)
	b = append(append(append(b, c.Name...), '='), value...)
	attribute := func(name, value string) {
		b = append(append(append(b, "; "...), name...), value...)
	}
	if c.Domain != "" {
		attribute("Domain=", c.Domain)
	}
	if !expires.IsZero() {
		b = expires.UTC().AppendFormat(append(b, "; Expires="...), http.TimeFormat)
	}
	if deletion {
		attribute("Max-Age=0", "")
	}
	if c.Secure {
		attribute("Secure", "")
	}
	if c.HTTPOnly {
		attribute("HttpOnly", "")
	}
	attribute("Path=", c.Path)
	if c.SameSite != "" {
		attribute("SameSite=", c.SameSite)
	}
	if c.Partitioned {
		attribute("Partitioned", "")
	}
	return string(b)
}

// MaxCookie is the longest cookie that is looked at, in bytes. It leaves room for
// what Flask sends in spite of its own warning.
const MaxCookie = 16 << 10

// Why a cookie is not looked at.
var (
	ErrDiffer  = errors.New("several cookies of this name, and they differ")
	ErrTooLong = errors.New("longer than 16 KiB")
)

// Find finds the cookie of a name in a request's header. several is true when
// there is more than one. With flask the first of them wins, and a value in quotes
// is what they quote, as for Flask; otherwise differing ones are [ErrDiffer], and
// quotes are part of the value: one spelling for one value.
func Find(h http.Header, name string, flask bool) (value string, found, several bool, err error) {
	for _, line := range h["Cookie"] {
		for line != "" {
			var n, v string
			n, v, line = nextCookie(line)
			if n != name {
				continue
			}
			if found {
				several = true
				if v != value && !flask {
					return "", true, true, ErrDiffer
				}
				continue
			}
			value, found = v, true
		}
	}
	if len(value) > MaxCookie {
		return "", true, several, ErrTooLong
	}
	if flask && len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
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

// QuotePath percent-encodes what may not stand in a Path attribute, as Flask.
func QuotePath(path string) string {
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

// IsToken reports whether name may be a cookie's name (RFC 9110 5.6.2).
func IsToken(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	})
}
