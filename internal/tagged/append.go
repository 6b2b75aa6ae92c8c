package tagged

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Append appends the text of v to dst, to the byte as Flask writes it. v can be
// what [Decode] returns and, by reflection, what is like it: all integers, named
// types, slices, arrays, maps, pointers, structs (by their json tags), types
// with MarshalJSON or MarshalText. A nil slice is an empty list and a nil map an
// empty object; a nil pointer and the zero time are null. Times are written in whole
// seconds, UTC.
//
// It is an error to give it text that is not UTF-8, a time outside the years
// 100 to 9999, a function, a channel, or what is nested deeper than [MaxDepth].
func Append(dst []byte, v any) ([]byte, error) { return appendValue(dst, v, 2) }

// appendValue appends v, depth levels deep: a value of a field is in one, the
// session, or in two, if it is the only field and named like a tag. What it
// writes, the parser takes.
func appendValue(dst []byte, v any, depth int) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case string:
		return AppendString(dst, v)
	case int:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case float64:
		return appendFloat(dst, v), nil
	case json.Number:
		return appendNumber(dst, string(v))
	case *big.Int:
		return appendBig(dst, v)
	case big.Int:
		return appendBig(dst, &v)
	case template.HTML:
		return appendTag(dst, tagMarkup, string(v), depth)
	case UUID:
		return appendTag(dst, tagUUID, hex.EncodeToString(v[:]), depth)
	case []byte:
		return appendTag(dst, tagBytes, base64.StdEncoding.EncodeToString(v), depth)
	case time.Time:
		return appendTime(dst, v, depth)
	case Tuple:
		dst, err := appendList(append(dst, `{" t":`...), v, depth+1)
		return append(dst, '}'), err
	case []any:
		return appendList(dst, v, depth)
	case map[string]any:
		return appendMap(dst, v, depth)
	}
	return appendReflect(dst, v, depth)
}

func appendTag(dst []byte, t tag, content string, depth int) ([]byte, error) {
	if depth >= MaxDepth {
		return dst, ErrDepth
	}
	dst = append(append(append(dst, `{"`...), tags[t]...), `":`...)
	dst, err := AppendString(dst, content)
	return append(dst, '}'), err
}

// appendNumber appends a number that is given as text.
func appendNumber(dst []byte, text string) ([]byte, error) {
	p := parser{text: text, build: true}
	if _, err := p.number(); err != nil || p.pos != len(text) {
		return dst, errors.New("sojourn: a json.Number that is not a number")
	}
	return appendValue(dst, p.last.v, 0)
}

func appendBig(dst []byte, n *big.Int) ([]byte, error) {
	if n == nil {
		return append(dst, "null"...), nil
	}
	before := len(dst)
	dst = n.Append(dst, 10)
	if len(dst)-before > MaxDigits && len(strings.TrimPrefix(string(dst[before:]), "-")) > MaxDigits {
		return dst[:before], ErrDigits
	}
	return dst, nil
}

func appendTime(dst []byte, t time.Time, depth int) ([]byte, error) {
	if t.IsZero() {
		return append(dst, "null"...), nil
	}
	if t = t.UTC(); t.Year() < 100 || t.Year() > 9999 {
		return dst, errors.New("sojourn: time outside the years 100 to 9999: Flask would read another year")
	}
	return appendTag(dst, tagDate, t.Format("Mon, 02 Jan 2006 15:04:05 GMT"), depth)
}

func appendList(dst []byte, items []any, depth int) ([]byte, error) {
	if depth >= MaxDepth {
		return dst, ErrDepth
	}
	dst = append(dst, '[')
	for i, item := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendValue(dst, item, depth+1); err != nil {
			return dst, at(err, strconv.Itoa(i))
		}
	}
	return append(dst, ']'), nil
}

// levels is how many levels an object of n members puts between it and the
// value of the member called name.
func levels(name string, n int) int {
	if n == 1 && tagOf(name) != noTag {
		return 2 // {" di":{"name__":value}}
	}
	return 1
}

func appendMap(dst []byte, m map[string]any, depth int) ([]byte, error) {
	if depth >= MaxDepth {
		return dst, ErrDepth
	}
	fields := make([]Field, 0, len(m))
	for name, v := range m {
		raw, err := appendValue(nil, v, depth+levels(name, len(m)))
		if err != nil {
			return dst, at(err, anyKey)
		}
		fields = append(fields, Field{name, string(raw)})
	}
	return appendFields(dst, fields, depth)
}

// appendFields is AppendObject for names that nobody has looked at, depth
// levels deep.
func appendFields(dst []byte, fields []Field, depth int) ([]byte, error) {
	if len(fields) == 1 && tagOf(fields[0].Name) != noTag {
		depth++ // " di" and the object in it
	}
	if depth >= MaxDepth {
		return dst, ErrDepth
	}
	return AppendObject(dst, fields)
}

// AppendObject appends a whole session: its fields sorted by name, their texts
// as they are. fields stay in their order. A name that is not text is an error.
func AppendObject(dst []byte, fields []Field) ([]byte, error) {
	if !slices.IsSortedFunc(fields, byName) {
		fields = slices.Clone(fields)
		slices.SortFunc(fields, byName)
	}
	if len(fields) == 1 && tagOf(fields[0].Name) != noTag {
		dst = append(append(append(dst, `{" di":{"`...), fields[0].Name...), `__":`...)
		return append(append(dst, fields[0].Raw...), "}}"...), nil
	}
	size := len("{}")
	for i := range fields {
		size += len(fields[i].Name) + len(fields[i].Raw) + len(`"":,`)
	}
	dst = append(slices.Grow(dst, size), '{')
	for i := range fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = AppendString(dst, fields[i].Name); err != nil {
			return dst, err
		}
		dst = append(append(dst, ':'), fields[i].Raw...)
	}
	return append(dst, '}'), nil
}

// byName orders fields by code points, which is the order of UTF-8.
func byName(a, b Field) int { return strings.Compare(a.Name, b.Name) }

// Canonical appends text, a whole session, as Flask would write it.
func Canonical(dst []byte, text string, lenient bool) ([]byte, error) {
	fields, err := Split(nil, text, lenient)
	if err != nil {
		return dst, err
	}
	for i := range fields {
		v, err := Decode(fields[i].Raw, lenient)
		if err != nil {
			return dst, err
		}
		raw, err := Append(nil, v)
		if err != nil {
			return dst, err
		}
		fields[i].Raw = string(raw)
	}
	return AppendObject(dst, fields)
}

// appendFloat writes a float as Python's repr: the shortest digits that mean
// it, plain from 1e-4 up to 1e16.
func appendFloat(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	before := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	if !slices.Contains(dst[before:], '.') {
		dst = append(dst, ".0"...)
	}
	return dst
}

// ErrText is a string that is not text.
var ErrText = errors.New("sojourn: text that is not UTF-8; keep such data in a []byte")

// AppendString appends s as a JSON string in ASCII. A lone surrogate may be in
// s as its three WTF-8 bytes; any other text that is not UTF-8 is an error.
func AppendString(dst []byte, s string) ([]byte, error) {
	const digits = "0123456789abcdef"
	unit := func(r rune) {
		dst = append(dst, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
	}
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		start := i
		for i < len(s) && plain[s[i]] && s[i] != 0x7f {
			i++
		}
		dst = append(dst, s[start:i]...)
		if i == len(s) {
			break
		}
		c := s[i]
		if c < 0x80 {
			i++
			if at := strings.IndexByte("\"\\\b\f\n\r\t", c); at >= 0 {
				dst = append(dst, '\\', `"\bfnrt`[at])
				continue
			}
			unit(rune(c))
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			if !isSurrogate(s[i:]) || s[i+1] < 0xb0 && isSurrogate(s[i+3:]) && s[i+4] >= 0xb0 {
				return dst, ErrText // a pair would come back as another string
			}
			unit(0xd000 | rune(s[i+1]&0x3f)<<6 | rune(s[i+2]&0x3f))
			i += 3
			continue
		case r >= 0x10000:
			unit(0xd800 + (r-0x10000)>>10)
			unit(0xdc00 + (r-0x10000)&0x3ff)
		default:
			unit(r)
		}
		i += size
	}
	return append(dst, '"'), nil
}

// isSurrogate reports whether s begins with a surrogate in WTF-8.
func isSurrogate(s string) bool {
	return len(s) >= 3 && s[0] == 0xed && s[1]&0xe0 == 0xa0 && s[2]&0xc0 == 0x80
}

// anyKey stands for a map's key in what errors say: it may be the visitor's.
const anyKey = "*"

// at says where in a value an error is: by the names of struct fields and the
// places in lists, never by values or by a map's keys.
func at(err error, where string) error {
	var p *pathError
	if errors.As(err, &p) {
		return &pathError{where + "." + p.path, p.err}
	}
	return &pathError{where, err}
}

type pathError struct {
	path string
	err  error
}

func (e *pathError) Error() string { return fmt.Sprintf("%v (at %.80s)", e.err, e.path) }
func (e *pathError) Unwrap() error { return e.err }
