package anatomy

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	maxInline = 64 // bytes of a list or object that stays on one line
	maxIndent = 20 // levels; deeper ones are not indented further, or a small hostile payload would fill the screen with spaces
)

// Indent lays out JSON text for people. Numbers and strings stay as they are
// written, so that NaN, integers of any size and escapes survive, which
// encoding/json would refuse or change. Characters that a terminal would obey
// instead of show are escaped.
func Indent(json string) string {
	var b strings.Builder
	depth, inline := 0, 0 // inline is where the piece on one line ends
	newline := func() {
		b.WriteByte('\n')
		for range min(depth, maxIndent) {
			b.WriteString("  ")
		}
	}
	for i := 0; i < len(json); i++ {
		flat := i < inline
		switch c := json[i]; c {
		case ' ', '\t', '\r', '\n':
		case '"':
			end := stringEnd(json, i)
			writeString(&b, json[i:end])
			i = end - 1
		case '{', '[':
			b.WriteByte(c)
			if flat {
				break
			}
			if end := shortEnd(json, i); end > 0 && (depth > 0 || end-i <= 2) {
				inline = end
				break
			}
			depth++
			newline()
		case '}', ']':
			if !flat {
				depth = max(depth-1, 0)
				newline()
			}
			b.WriteByte(c)
		case ',':
			b.WriteByte(c)
			if flat {
				b.WriteByte(' ')
			} else {
				newline()
			}
		case ':':
			b.WriteString(": ")
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// shortEnd returns where the list or object that begins at i ends, or 0 if it
// is long.
func shortEnd(json string, i int) int {
	depth := 0
	limit := min(len(json), i+maxInline)
	for ; i < limit; i++ {
		switch json[i] {
		case '"':
			i = stringEnd(json, i) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}

// stringEnd returns the position behind the string that begins at i.
func stringEnd(json string, i int) int {
	for i++; i < len(json); i++ {
		switch json[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(json)
}

// writeString writes a string as it is, but for what cannot be shown.
func writeString(b *strings.Builder, s string) {
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(b, `\x%02x`, s[i]) // not JSON, but neither was this
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(b, `\u%04x`, r)
		}
	}
}
