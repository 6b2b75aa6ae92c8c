package tagged

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A parser walks over text once. With build it makes values, without it only
// checks and allocates nothing: this is on the way of every request.
type parser struct {
	text    string
	pos     int
	depth   int
	lenient bool
	build   bool
	plain   bool // JSON without tags
	last    value
}

// kind is what a value is once its tags have been read.
type kind uint8

const (
	isNull kind = iota
	isBool
	isInt
	isFloat
	isString
	isList
	isDict
	isTuple
	isBytes
	isMarkup
	isUUID
	isDate
)

// value is what the parser knows of the value that it passed last. It stays in
// the parser, so that nothing is copied that nobody asks for.
type value struct {
	v    any    // the value itself, with build
	key  string // of a dict: its first key,
	item string // the text of that key's value,
	sole bool   // and whether that is the only one
}

// A member is the only one of an object, which may make the object a tag.
type member struct {
	value
	kind kind
	raw  string
}

func (p *parser) fail(msg string) error { return &SyntaxError{p.pos, msg} }

// peek skips white space and returns the next byte, 0 at the end.
func (p *parser) peek() byte {
	if p.pos < len(p.text) && p.text[p.pos] > ' ' {
		return p.text[p.pos]
	}
	return p.peekSlow()
}

func (p *parser) peekSlow() byte {
	for p.pos < len(p.text) {
		switch c := p.text[p.pos]; c {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return c
		}
	}
	return 0
}

// end checks that nothing follows.
func (p *parser) end() error {
	if p.peek(); p.pos < len(p.text) {
		return p.fail("something follows the value")
	}
	return nil
}

// value passes one value and says what it is; more about it is in p.last.
func (p *parser) value() (kind, error) {
	switch p.peek() {
	case '"':
		s, err := p.string()
		if p.build {
			p.last.v = s
		}
		return isString, err
	case '[':
		return isList, p.list()
	case '{':
		return p.object()
	case 'n':
		return isNull, p.literal("null", nil)
	case 't':
		return isBool, p.literal("true", true)
	case 'f':
		return isBool, p.literal("false", false)
	case 'N':
		return isFloat, p.literal("NaN", notANumber)
	case 'I':
		return isFloat, p.literal("Infinity", infinite)
	}
	return p.number()
}

var notANumber, infinite, negInfinite any = math.NaN(), math.Inf(1), math.Inf(-1)

func (p *parser) literal(text string, means any) error {
	if !strings.HasPrefix(p.text[p.pos:], text) {
		return p.fail("unexpected character")
	}
	p.pos += len(text)
	p.last.v = means
	return nil
}

// number passes an integer of any size or a float: with a point or an exponent
// it is a float, as in Python.
func (p *parser) number() (kind, error) {
	start := p.pos
	if p.at(p.pos) == '-' {
		p.pos++
		if p.at(p.pos) == 'I' {
			return isFloat, p.literal("Infinity", negInfinite)
		}
	}
	first := p.pos
	digits := p.digits()
	if digits == 0 {
		return isInt, p.fail("unexpected character")
	}
	if digits > 1 && p.text[first] == '0' {
		return isInt, p.fail("number with a leading zero")
	}
	k := isInt
	if p.at(p.pos) == '.' && isDigit(p.at(p.pos+1)) {
		k = isFloat
		p.pos++
		p.digits()
	}
	if c := p.at(p.pos); c == 'e' || c == 'E' {
		next := p.pos + 1
		if s := p.at(next); s == '+' || s == '-' {
			next++
		}
		if isDigit(p.at(next)) {
			k = isFloat
			p.pos = next
			p.digits()
		}
	}
	if k == isInt && digits > MaxDigits {
		return k, ErrDigits
	}
	if p.build {
		p.last.v = numberOf(p.text[start:p.pos], k)
	}
	return k, nil
}

func numberOf(text string, k kind) any {
	if k == isFloat {
		f, _ := strconv.ParseFloat(text, 64) // too large is infinite, as in Python
		return f
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	n, _ := new(big.Int).SetString(text, 10)
	return n
}

func (p *parser) at(i int) byte {
	if i < len(p.text) {
		return p.text[i]
	}
	return 0
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func (p *parser) digits() int {
	start := p.pos
	for isDigit(p.at(p.pos)) {
		p.pos++
	}
	return p.pos - start
}

// list passes a list.
func (p *parser) list() error {
	items := []any{}
	more, err := p.open(']')
	for more && err == nil {
		if _, err = p.value(); err != nil {
			break
		}
		if p.build {
			items = append(items, p.last.v)
		}
		more, err = p.next(']')
	}
	if p.depth--; p.build {
		p.last.v = items
	}
	return err
}

// open passes the first byte of a list or object, and reports whether
// anything is in it.
func (p *parser) open(end byte) (bool, error) {
	p.pos++
	if p.depth++; p.depth > MaxDepth {
		return false, ErrDepth
	}
	if p.peek() == end {
		p.pos++
		return false, nil
	}
	return true, nil
}

// next passes what stands between two items, or the end.
func (p *parser) next(end byte) (bool, error) {
	if p.pos < len(p.text) && p.text[p.pos] == ',' {
		p.pos++
		return true, nil
	}
	switch p.peek() {
	case ',':
		p.pos++
		return true, nil
	case end:
		p.pos++
		return false, nil
	}
	return false, p.fail("expected a comma or the end of the list or object")
}

// key passes a member's key and the colon after it.
func (p *parser) key() (string, error) {
	if p.pos < len(p.text) && p.text[p.pos] == '"' { // the usual: nothing escaped, no white space
		rest := p.text[p.pos+1:]
		if n := plainLen(rest); n+1 < len(rest) && rest[n] == '"' && rest[n+1] == ':' {
			p.pos += n + len(`"":`)
			return rest[:n], nil
		}
	}
	if p.peek() != '"' {
		return "", p.fail("expected a key in double quotes")
	}
	key, err := p.string()
	if err != nil {
		return "", err
	}
	if p.peek() != ':' {
		return "", p.fail("expected a colon")
	}
	p.pos++
	return key, nil
}

// object passes an object, and reads it as what its tag says. Of two members
// of one name the last counts, as in Python.
func (p *parser) object() (kind, error) {
	var dict map[string]any
	if p.build {
		dict = map[string]any{}
	}
	var first, item string
	var only member // if it is named like a tag
	var seen uint8
	sole := false
	more, err := p.open('}')
	for n := 0; more && err == nil; n++ {
		var key string
		if key, err = p.key(); err != nil {
			break
		}
		t := tagOf(key)
		if t != noTag && !p.plain {
			if seen&(1<<t) != 0 && !p.lenient {
				err = p.fail("one tag twice in an object")
				break
			}
			seen |= 1 << t
		}
		p.peek()
		start := p.pos
		var k kind
		if k, err = p.value(); err != nil {
			break
		}
		if n == 0 {
			first, sole = key, true
		}
		if key == first {
			if item = p.text[start:p.pos]; t != noTag {
				only = member{p.last, k, item}
			}
		} else {
			sole = false
		}
		if p.build {
			dict[key] = p.last.v
		}
		more, err = p.next('}')
	}
	p.depth--
	if err != nil {
		return isDict, err
	}
	if t := tagOf(first); sole && t != noTag && !p.plain {
		return p.untag(t, only)
	}
	p.last = value{nil, first, item, sole}
	if p.build {
		p.last.v = dict
	}
	return isDict, nil
}

// plain says which bytes stand for themselves in a string.
var plain = func() (table [256]bool) {
	for c := 0x20; c < 0x80; c++ {
		table[c] = c != '"' && c != '\\'
	}
	return table
}()

// string passes a string and returns what it says, cut from the text if
// nothing in it is escaped.
func (p *parser) string() (string, error) {
	p.pos++
	start := p.pos
	if n := plainLen(p.text[start:]); start+n < len(p.text) && p.text[start+n] == '"' {
		p.pos = start + n + 1
		return p.text[start : start+n], nil
	}
	return p.stringSlow(start)
}

// plainLen is the length of what stands for itself at the start of s.
func plainLen(s string) int {
	for i := range len(s) {
		if !plain[s[i]] {
			return i
		}
	}
	return len(s)
}

func (p *parser) stringSlow(start int) (string, error) {
	var escaped []byte
	done := start // up to here the text is in escaped
	for {
		p.pos += plainLen(p.text[p.pos:])
		if p.pos == len(p.text) {
			return "", p.fail("string without an end")
		}
		switch c := p.text[p.pos]; {
		case c == '"':
			p.pos++
			if escaped == nil {
				return p.text[start : p.pos-1], nil
			}
			return string(append(escaped, p.text[done:p.pos-1]...)), nil
		case c == '\\':
			escaped = append(escaped, p.text[done:p.pos]...)
			var err error
			if escaped, err = p.escape(escaped); err != nil {
				return "", err
			}
			done = p.pos
		case c < 0x20:
			return "", p.fail("control character in a string")
		default:
			r, size := utf8.DecodeRuneInString(p.text[p.pos:])
			if r == utf8.RuneError && size == 1 {
				return "", p.fail("text that is not UTF-8")
			}
			p.pos += size
		}
	}
}

// escape passes one escape and appends what it stands for.
func (p *parser) escape(b []byte) ([]byte, error) {
	c := p.at(p.pos + 1)
	if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 && c != 0 {
		p.pos += 2
		return append(b, "\"\\/\b\f\n\r\t"[i]), nil
	}
	r, ok := p.unit(p.pos)
	if !ok {
		return b, p.fail("unknown escape in a string")
	}
	p.pos += len(`\u0000`)
	if r < 0xd800 || r > 0xdfff {
		return utf8.AppendRune(b, r), nil
	}
	if low, ok := p.unit(p.pos); ok && r < 0xdc00 && 0xdc00 <= low && low <= 0xdfff {
		p.pos += len(`\u0000`)
		return utf8.AppendRune(b, 0x10000+(r-0xd800)<<10+(low-0xdc00)), nil
	}
	return append(b, 0xe0|byte(r>>12), 0x80|byte(r>>6)&0x3f, 0x80|byte(r)&0x3f), nil
}

// unit reads a \uXXXX at pos.
func (p *parser) unit(pos int) (rune, bool) {
	if p.at(pos) != '\\' || p.at(pos+1) != 'u' {
		return 0, false
	}
	var r rune
	for i := pos + 2; i < pos+6; i++ {
		switch c := p.at(i); {
		case isDigit(c):
			r = r<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case 'A' <= c && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}
