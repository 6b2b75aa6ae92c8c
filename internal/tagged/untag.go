package tagged

import (
	"encoding/base64"
	"html/template"
	"strings"
	"unicode/utf8"
)

// untag reads the only member of an object as what tag t says. Children have
// been read before their parents, as Flask does.
func (p *parser) untag(t tag, m member) (kind, error) {
	switch t {
	case tagTuple:
		return p.tuple(m)
	case tagBytes:
		return p.bytes(m)
	case tagMarkup:
		return p.markup(m)
	case tagUUID:
		return p.uuid(m)
	case tagDate:
		return p.date(m)
	}
	return p.dict(m)
}

// dict reads " di": a dict whose only key had to be told from a tag. Flask cuts
// the last two characters off the first key, whatever they are.
func (p *parser) dict(m member) (kind, error) {
	if m.kind != isDict || m.key == "" {
		return isDict, p.fail(`" di" without a mapping`)
	}
	key, found := strings.CutSuffix(m.key, "__")
	if !m.sole || !found {
		if !p.lenient {
			return isDict, p.fail(`" di" without a key to shorten`)
		}
		key = cutTwo(m.key)
	}
	p.last = value{nil, key, m.item, true}
	if p.build {
		p.last.v = map[string]any{key: m.v.(map[string]any)[m.key]}
	}
	return isDict, nil
}

// cutTwo cuts the last two characters. A lone surrogate is one of three bytes.
func cutTwo(s string) string {
	for range 2 {
		if len(s) >= 3 && s[len(s)-3] == 0xed && s[len(s)-2] >= 0xa0 {
			s = s[:len(s)-3]
			continue
		}
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return s
}

// tuple reads " t". Python makes a tuple of whatever can be iterated over.
func (p *parser) tuple(m member) (kind, error) {
	if m.kind != isList && (!p.lenient || m.kind != isTuple && m.kind != isString && m.kind != isMarkup && m.kind != isDict && m.kind != isBytes) {
		return isTuple, p.fail(`" t" without a list`)
	}
	if !p.build {
		return isTuple, nil
	}
	items := Tuple{}
	switch list := m.v.(type) {
	case []any:
		items = list
	case Tuple:
		items = list
	case string:
		items = characters(list)
	case template.HTML:
		items = characters(string(list))
	case map[string]any:
		items = keysOf(list, m.raw)
	case []byte:
		for _, b := range list {
			items = append(items, int64(b))
		}
	}
	p.last.v = items
	return isTuple, nil
}

// characters are a string's, a lone surrogate being one.
func characters(s string) Tuple {
	items := Tuple{}
	for s != "" {
		_, size := utf8.DecodeRuneInString(s)
		if size == 1 && s[0] >= 0x80 && len(s) >= 3 {
			size = 3
		}
		items = append(items, s[:size])
		s = s[size:]
	}
	return items
}

// keysOf are a dict's keys, in the order of its text.
func keysOf(dict map[string]any, raw string) Tuple {
	items := Tuple{}
	fields, err := Split(nil, raw, true)
	if err != nil {
		for key := range dict { // it came out of a tag: there is one
			items = append(items, key)
		}
	}
	for _, f := range fields {
		items = append(items, f.Name)
	}
	return items
}

// bytes reads " b": standard base64 with its padding.
func (p *parser) bytes(m member) (kind, error) {
	if m.kind != isString {
		return isBytes, p.fail(`" b" without a string`)
	}
	text := content(m)
	var decoded []byte
	var err error
	if p.lenient {
		if strings.ContainsFunc(text, func(r rune) bool { return r >= 0x80 }) {
			return isBytes, p.fail(`" b" that is not ASCII`)
		}
		decoded, err = PythonBase64(text, false)
	} else {
		if strings.ContainsAny(text, "\r\n") { // Go's decoder would skip them
			return isBytes, p.fail(`" b" that is not base64`)
		}
		var room [256]byte
		decoded, err = base64.StdEncoding.Strict().AppendDecode(room[:0], []byte(text))
	}
	if err != nil {
		return isBytes, p.fail(`" b" that is not base64`)
	}
	if p.build {
		p.last.v = append([]byte{}, decoded...)
	}
	return isBytes, nil
}

// markup reads " m". Python takes str() of anything.
func (p *parser) markup(m member) (kind, error) {
	var text string
	switch m.kind {
	case isString, isMarkup:
		text = content(m)
	case isInt, isFloat, isBool, isNull:
		if !p.lenient {
			return isMarkup, p.fail(`" m" without a string`)
		}
		if p.build {
			text = pythonString(m.v)
		}
	default:
		return isMarkup, p.fail(`" m" without a string`)
	}
	if m.kind == isMarkup && !p.lenient {
		return isMarkup, p.fail(`" m" without a string`)
	}
	if p.build {
		p.last.v = template.HTML(text)
	}
	return isMarkup, nil
}

// pythonString is str(v) of a scalar.
func pythonString(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case float64:
		switch text := string(appendFloat(nil, v)); text {
		case "NaN":
			return "nan"
		case "Infinity":
			return "inf"
		case "-Infinity":
			return "-inf"
		default:
			return text
		}
	}
	text, _ := Append(nil, v)
	return string(text)
}

// uuid reads " u": 32 hex digits, dashes anywhere. Python also strips braces and
// prefixes.
func (p *parser) uuid(m member) (kind, error) {
	if m.kind != isString {
		return isUUID, p.fail(`" u" without a string`)
	}
	text := content(m)
	if p.lenient {
		text = strings.ReplaceAll(strings.ReplaceAll(text, "urn:", ""), "uuid:", "")
		text = strings.Trim(text, "{}")
	}
	var u UUID
	n := 0
	for i := range len(text) {
		c := text[i] | 0x20
		var digit byte
		switch {
		case text[i] == '-':
			continue
		case isDigit(text[i]):
			digit = text[i] - '0'
		case 'a' <= c && c <= 'f':
			digit = c - 'a' + 10
		default:
			return isUUID, p.fail(`" u" that is not a UUID`)
		}
		if n == 32 {
			return isUUID, p.fail(`" u" that is not a UUID`)
		}
		u[n/2] |= digit << (4 * (1 - n%2))
		n++
	}
	if n != 32 {
		return isUUID, p.fail(`" u" that is not a UUID`)
	}
	if p.build {
		p.last.v = u
	}
	return isUUID, nil
}

// date reads " d". What is not a date becomes None, as in Flask.
func (p *parser) date(m member) (kind, error) {
	switch m.kind {
	case isNull:
		return isNull, nil
	case isString:
	default:
		return isDate, p.fail(`" d" without a string`)
	}
	t, ok := parseDate(content(m))
	if !ok {
		p.last.v = nil
		return isNull, nil
	}
	if p.build {
		p.last.v = t
	}
	return isDate, nil
}

// content is what a string says, whether or not it was built.
func content(m member) string {
	switch s := m.v.(type) {
	case string:
		return s
	case template.HTML:
		return string(s)
	}
	if m.kind != isString {
		return ""
	}
	p := parser{text: m.raw}
	s, _ := p.string()
	return s
}
