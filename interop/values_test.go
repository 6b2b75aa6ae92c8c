package interop

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html/template"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/sojourn-go/sojourn"
)

// describe is the annotated form of a value, as testdata/annotate.py makes it:
// types are compared, not text. It returns what decoding its JSON would give,
// so that it compares with what Python sent.
func describe(v any) any {
	switch v := v.(type) {
	case nil:
		return map[string]any{"type": "null"}
	case bool:
		return map[string]any{"type": "bool", "value": v}
	case int64:
		return map[string]any{"type": "int", "value": strconv.FormatInt(v, 10)}
	case *big.Int:
		return map[string]any{"type": "int", "value": v.String()}
	case float64:
		bits := fmt.Sprintf("%016x", math.Float64bits(v))
		if math.IsNaN(v) {
			bits = "nan"
		}
		return map[string]any{"type": "float", "bits": bits}
	case string:
		return map[string]any{"type": "str", "value": describeText(v)}
	case template.HTML:
		return map[string]any{"type": "markup", "value": describeText(string(v))}
	case []byte:
		return map[string]any{"type": "bytes", "base64": base64.StdEncoding.EncodeToString(v)}
	case sojourn.UUID:
		h := hex.EncodeToString(v[:])
		return map[string]any{"type": "uuid", "value": h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]}
	case time.Time:
		return map[string]any{"type": "datetime", "utc": v.UTC().Format("2006-01-02T15:04:05.999999999Z")}
	case []any:
		return map[string]any{"type": "list", "items": describeAll(v)}
	case sojourn.Tuple:
		return map[string]any{"type": "tuple", "items": describeAll(v)}
	case map[string]any:
		items := make([]any, 0, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) { // Flask sorts by code points: the order of UTF-8
			items = append(items, []any{describeText(k), describe(v[k])})
		}
		return map[string]any{"type": "dict", "items": items}
	}
	return map[string]any{"type": fmt.Sprintf("%T", v)}
}

func describeAll(list []any) []any {
	items := make([]any, 0, len(list))
	for _, v := range list {
		items = append(items, describe(v))
	}
	return items
}

// describeText is a string as it is, or in hex when it has lone surrogates,
// which Go holds as three bytes each.
func describeText(s string) any {
	if utf8.ValidString(s) {
		return s
	}
	var units []byte
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			if i+3 > len(s) || s[i] != 0xed || s[i+1] < 0xa0 {
				return "not text: " + strconv.Quote(s)
			}
			r, n = rune(s[i]&0xf)<<12|rune(s[i+1]&0x3f)<<6|rune(s[i+2]&0x3f), 3
		}
		if r >= 0x10000 {
			r -= 0x10000
			units = append(units, unit(0xd800+r>>10)...)
			r = 0xdc00 + r&0x3ff
		}
		units = append(units, unit(r)...)
		i += n
	}
	return map[string]any{"utf16be_hex": hex.EncodeToString(units)}
}

func unit(r rune) []byte { return []byte{byte(r >> 8), byte(r)} }

// encodeText makes a string of code points. Lone surrogates become three bytes
// each; a low one right after a high one is left out, since together they would
// be one character and lone no more.
func encodeText(points []rune) string {
	var b []byte
	var last rune
	for _, r := range points {
		if isLow(r) && isHigh(last) {
			continue
		}
		if isLow(r) || isHigh(r) {
			b = append(b, 0xe0|byte(r>>12), 0x80|byte(r>>6)&0xbf, 0x80|byte(r)&0xbf)
		} else {
			b = utf8.AppendRune(b, r)
		}
		last = r
	}
	return string(b)
}

func isHigh(r rune) bool { return 0xd800 <= r && r < 0xdc00 }
func isLow(r rune) bool  { return 0xdc00 <= r && r < 0xe000 }

// field returns a field of an annotated session, or nil.
func field(session any, name string) any {
	for _, item := range itemsOf(session) {
		if pair := item.([]any); pair[0] == name {
			return pair[1]
		}
	}
	return nil
}

// without returns an annotated session without one field.
func without(session any, name string) any {
	kept := []any{}
	for _, item := range itemsOf(session) {
		if item.([]any)[0] != name {
			kept = append(kept, item)
		}
	}
	return map[string]any{"type": "dict", "items": kept}
}

func itemsOf(session any) []any {
	m, _ := session.(map[string]any)
	items, _ := m["items"].([]any)
	return items
}

// text is the value of an annotated string, "" for what is none.
func text(annotated any) string {
	m, _ := annotated.(map[string]any)
	s, _ := m["value"].(string)
	return s
}
