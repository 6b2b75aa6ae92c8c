package tagged

import (
	"encoding/base64"
	"html/template"
	"strings"
	"unicode/utf8"
)

// untag reads the only member of an object as what tag t says. Children have
// been read before their parents, as Flask does.
func (p *parser) untag(t tag, v value) (value, error) {
	switch t {
	case tagTuple:
		return p.tuple(v)
	case tagBytes:
		return p.bytes(v)
	case tagMarkup:
		return p.markup(v)
	case tagUUID:
		return p.uuid(v)
	case tagDate:
		return p.date(v)
	}
	return p.dict(v)
}

// dict reads " di": a dict whose only key had to be told from a tag. Flask cuts
// the last two characters off the first key, whatever they are.
func (p *parser) dict(v value) (value, error) {
	if v.kind != isDict || v.key == "" {
		return v, p.fail(`" di" without a mapping`)
	}
	key, found := strings.CutSuffix(v.key, "__")
	if !v.sole || !found || tagOf(key) == noTag {
		if !p.lenient {
			return v, p.fail(`" di" that stands for no tag`)
		}
		key = cutTwo(v.key)
	}
	out := value{kind: isDict, key: key, item: v.item, sole: true}
	if p.build {
		out.v = map[string]any{key: v.v.(map[string]any)[v.key]}
	}
	return out, nil
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
func (p *parser) tuple(v value) (value, error) {
	out := value{kind: isTuple}
	if v.kind != isList && (!p.lenient || v.kind != isTuple && v.kind != isString && v.kind != isMarkup && v.kind != isDict) {
		return v, p.fail(`" t" without a list`)
	}
	if !p.build {
		return out, nil
	}
	items := Tuple{}
	switch list := v.v.(type) {
	case []any:
		items = list
	case Tuple:
		items = list
	case string:
		items = characters(list)
	case template.HTML:
		items = characters(string(list))
	case map[string]any:
		items = p.keys(v)
	}
	out.v = items
	return out, nil
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

// keys are a dict's, in the order of its text.
func (p *parser) keys(v value) Tuple {
	items := Tuple{}
	fields, err := Split(nil, v.raw, true)
	if err != nil || len(fields) != len(v.v.(map[string]any)) {
		for key := range v.v.(map[string]any) { // its keys came out of a tag: there is one
			items = append(items, key)
		}
		return items
	}
	for _, f := range fields {
		items = append(items, f.Name)
	}
	return items
}

// bytes reads " b": standard base64 with its padding.
func (p *parser) bytes(v value) (value, error) {
	out := value{kind: isBytes}
	if v.kind != isString {
		return v, p.fail(`" b" without a string`)
	}
	text := p.content(v)
	if p.lenient {
		text = onlyBase64(text)
	}
	if strings.ContainsAny(text, "\r\n") { // Go's decoder would skip them
		return v, p.fail(`" b" that is not base64`)
	}
	var room [256]byte
	decoded, err := base64.StdEncoding.Strict().AppendDecode(room[:0], []byte(text))
	if err != nil && p.lenient {
		decoded, err = base64.StdEncoding.AppendDecode(room[:0], []byte(text))
	}
	if err != nil {
		return v, p.fail(`" b" that is not base64`)
	}
	if p.build {
		out.v = append([]byte{}, decoded...)
	}
	return out, nil
}

// onlyBase64 drops what Python's decoder skips: everything outside the
// alphabet, and all that follows a full padding.
func onlyBase64(s string) string {
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		c := s[i]
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', isDigit(c), c == '+', c == '/':
			b = append(b, c)
		case c == '=':
			// Padding counts only where it can end a group of four.
			if n := len(b) % 4; n == 2 && strings.IndexByte(s[i+1:], '=') >= 0 || n == 3 {
				for len(b)%4 != 0 {
					b = append(b, '=')
				}
				return string(b)
			}
		}
	}
	return string(b)
}

// markup reads " m". Python takes str() of anything.
func (p *parser) markup(v value) (value, error) {
	out := value{kind: isMarkup}
	var text string
	switch v.kind {
	case isString, isMarkup:
		text = p.content(v)
	case isInt, isFloat, isBool, isNull:
		if !p.lenient {
			return v, p.fail(`" m" without a string`)
		}
		if p.build {
			text = pythonString(v.v)
		}
	default:
		return v, p.fail(`" m" without a string`)
	}
	if v.kind == isMarkup && !p.lenient {
		return v, p.fail(`" m" without a string`)
	}
	if p.build {
		out.v = template.HTML(text)
	}
	return out, nil
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
func (p *parser) uuid(v value) (value, error) {
	out := value{kind: isUUID}
	if v.kind != isString {
		return v, p.fail(`" u" without a string`)
	}
	text := p.content(v)
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
			return v, p.fail(`" u" that is not a UUID`)
		}
		if n == 32 {
			return v, p.fail(`" u" that is not a UUID`)
		}
		u[n/2] |= digit << (4 * (1 - n%2))
		n++
	}
	if n != 32 {
		return v, p.fail(`" u" that is not a UUID`)
	}
	if p.build {
		out.v = u
	}
	return out, nil
}

// date reads " d". What is not a date becomes None, as in Flask.
func (p *parser) date(v value) (value, error) {
	switch v.kind {
	case isNull:
		return value{kind: isNull}, nil
	case isString:
	default:
		return v, p.fail(`" d" without a string`)
	}
	t, ok := parseDate(p.content(v))
	if !ok {
		return value{kind: isNull}, nil
	}
	out := value{kind: isDate}
	if p.build {
		out.v = t
	}
	return out, nil
}

// content is what a string says, whether or not it was built.
func (p *parser) content(v value) string {
	switch s := v.v.(type) {
	case string:
		return s
	case template.HTML:
		return string(s)
	}
	if v.kind != isString {
		return ""
	}
	inner := parser{text: v.raw}
	s, _ := inner.string()
	return s
}
