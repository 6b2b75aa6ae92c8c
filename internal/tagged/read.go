package tagged

import (
	"errors"
	"html/template"
	"strings"
)

// Split checks text, one session in tagged JSON, as a whole and appends its
// fields to dst, in the order of the text. Of two fields of one name the last
// counts. The fields are cut from text; unless names are escaped, nothing is
// allocated but room in dst.
//
// What is not a mapping is [ErrNotMapping]; a lenient reader takes what
// Python's dict() takes: nothing, or a list of pairs.
func Split(dst []Field, text string, lenient bool) ([]Field, error) {
	p := parser{text: text, lenient: lenient}
	if p.peek() != '{' {
		return splitOther(dst, text, lenient)
	}
	before := len(dst)
	var names map[string]int // where many fields are
	more, err := p.open('}')
	for more && err == nil {
		var name string
		if name, err = p.key(); err != nil {
			break
		}
		p.peek()
		start := p.pos
		if _, err = p.value(); err != nil {
			break
		}
		raw := p.text[start:p.pos]
		if names == nil && len(dst)-before == 32 {
			names = indexOf(dst[before:])
		}
		if i := find(dst[before:], names, name); i < 0 {
			if names != nil {
				names[name] = len(dst) - before
			}
			dst = append(dst, Field{name, raw})
		} else if tagOf(name) != noTag && !lenient {
			err = p.fail("one tag twice in an object")
			break
		} else {
			dst[before+i].Raw = raw
		}
		more, err = p.next('}')
	}
	if err == nil {
		err = p.end()
	}
	if err != nil {
		return dst[:before], err
	}
	if fields := dst[before:]; len(fields) == 1 && tagOf(fields[0].Name) != noTag {
		return splitOther(dst[:before], text, lenient)
	}
	return dst, nil
}

func indexOf(fields []Field) map[string]int {
	names := make(map[string]int, 2*len(fields))
	for i := range fields {
		names[fields[i].Name] = i
	}
	return names
}

// find returns where the field is, or -1: by looking, or by names if given.
func find(fields []Field, names map[string]int, name string) int {
	if names != nil {
		if i, ok := names[name]; ok {
			return i
		}
		return -1
	}
	for i := range fields {
		if fields[i].Name == name {
			return i
		}
	}
	return -1
}

// splitOther splits a session that is not a plain object: one whose only field
// is named like a tag, or what only dict() makes a mapping of.
func splitOther(dst []Field, text string, lenient bool) ([]Field, error) {
	p := parser{text: text, lenient: lenient, build: lenient}
	k, err := p.value()
	if err == nil {
		err = p.end()
	}
	switch {
	case err != nil:
		return dst, err
	case k == isDict:
		return append(dst, Field{p.last.key, p.last.item}), nil
	case lenient:
		return pythonDict(dst, p.last.v)
	}
	return dst, ErrNotMapping
}

// pythonDict is dict(v) for what is not a mapping.
func pythonDict(dst []Field, v any) ([]Field, error) {
	before, names := len(dst), map[string]int{}
	items, ok := sequence(v)
	if !ok && v != nil {
		return dst, ErrNotMapping
	}
	for _, item := range items {
		pair, ok := sequence(item)
		if !ok || len(pair) != 2 {
			return dst[:before], ErrNotMapping
		}
		name, ok := pair[0].(string)
		if !ok {
			return dst[:before], ErrNotMapping
		}
		raw, err := Append(nil, pair[1])
		if err != nil {
			return dst[:before], err
		}
		if i, ok := names[name]; ok {
			dst[before+i].Raw = string(raw)
			continue
		}
		names[name] = len(dst) - before
		dst = append(dst, Field{name, string(raw)})
	}
	return dst, nil
}

// sequence is what Python iterates over.
func sequence(v any) ([]any, bool) {
	switch v := v.(type) {
	case []any:
		return v, true
	case Tuple:
		return v, true
	case string:
		return characters(v), true
	case template.HTML:
		return characters(string(v)), true
	case []byte:
		return make([]any, len(v)), true // numbers: none is a pair
	}
	return nil, false
}

// Decode returns the value that raw stands for: nil, bool, int64 or, where
// that is too small, *big.Int, float64, string (a lone surrogate as its three
// WTF-8 bytes), []any, map[string]any, [Tuple], []byte, template.HTML, [UUID] or
// time.Time. A date that cannot be read is nil, as in Flask.
func Decode(raw string, lenient bool) (any, error) {
	p := parser{text: raw, lenient: lenient, build: true}
	_, err := p.value()
	if err == nil {
		err = p.end()
	}
	if err != nil {
		return nil, err
	}
	return p.last.v, nil
}

// String returns the string that raw stands for. It is false when raw is
// something else.
func String(raw string) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' || raw[len(raw)-1] != '"' {
		return "", false
	}
	if s := raw[1 : len(raw)-1]; strings.IndexByte(s, '\\') < 0 && strings.IndexByte(s, '"') < 0 {
		return s, true
	}
	p := parser{text: raw}
	s, err := p.string()
	return s, err == nil && p.pos == len(raw)
}

var errNotList = errors.New("sojourn: not a list")

// Elements returns the texts of a list's items.
func Elements(raw string) ([]string, error) {
	p := parser{text: raw, lenient: true}
	if p.peek() != '[' {
		return nil, errNotList
	}
	var elements []string
	more, err := p.open(']')
	for more && err == nil {
		p.peek()
		start := p.pos
		if _, err = p.value(); err != nil {
			break
		}
		raw := p.text[start:p.pos]
		elements = append(elements, raw)
		more, err = p.next(']')
	}
	if err == nil {
		err = p.end()
	}
	if err != nil {
		return nil, err
	}
	return elements, nil
}
