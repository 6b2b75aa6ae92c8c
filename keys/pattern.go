package keys

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// findPattern describes the pattern that a secret follows, or returns "".
func findPattern(secret []byte) string {
	n := len(secret)
	if n < 2 {
		return ""
	}
	switch p := period(secret); {
	case p == 1:
		return "one byte repeated"
	case p < MinLength && 2*p <= n:
		return fmt.Sprintf("a block of %d bytes repeated", p)
	}
	if steady(secret) || 2*countPieces(secret) < n {
		return "made of sequences, such as abcdef, 123456 or qwerty"
	}
	// The bounds leave room for chance: of random keys in hex, fewer than one
	// in ten million have fewer different bytes; there are only ten digits.
	least := min(8, n/4)
	if len(bytes.Trim(secret, "0123456789")) == 0 {
		least = min(5, n/4)
	}
	if d := distinct(secret); d < least {
		return fmt.Sprintf("made of only %d different bytes", d)
	}
	return ""
}

// period returns the smallest p, at most half the length, for which every byte
// equals the one p before it, or the length if there is none.
func period(b []byte) int {
	for p := 1; 2*p <= len(b); p++ {
		if slices.Equal(b[p:], b[:len(b)-p]) {
			return p
		}
	}
	return len(b)
}

// steady reports whether every byte differs from the one before it by the same
// amount.
func steady(b []byte) bool {
	for i := 2; i < len(b); i++ {
		if b[i]-b[i-1] != b[1]-b[0] {
			return false
		}
	}
	return len(b) > 2
}

func distinct(b []byte) int {
	seen := map[byte]bool{}
	for _, c := range b {
		seen[c] = true
	}
	return len(seen)
}

// rows are what fingers and minds run along, in both directions.
var rows = both(
	"abcdefghijklmnopqrstuvwxyzabc",
	"01234567890123",
	"0123456789abcdef0123",
	"qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./", // three rows of keys
	"qwertzuiop", "yxcvbnm", "azertyuiop", "qsdfghjklm", "wxcvbn",
	"qwertyuiopasdfghjklzxcvbnm",
	"1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/", "qazwsxedcrfvtgbyhnujmikolp",
	"!@#$%^&*()_+",
)

func both(forward ...string) []string {
	all := slices.Clone(forward)
	for _, row := range forward {
		back := []byte(row)
		slices.Reverse(back)
		all = append(all, string(back))
	}
	return all
}

// countPieces returns how many pieces a guesser must put together: a run of
// four or more bytes along a row, or up, down or on the same byte, is one
// piece; any other byte is one as well.
func countPieces(secret []byte) int {
	s := lower(secret)
	pieces := 0
	for i := 0; i < len(s); pieces++ {
		if n := run(s[i:]); n >= 4 {
			i += n
		} else {
			i++
		}
	}
	return pieces
}

// run returns the length of the longest run that s begins with.
func run(s string) int {
	longest := 1
	for _, step := range []byte{0, 1, 255} {
		n := 1
		for n < len(s) && s[n] == s[n-1]+step {
			n++
		}
		longest = max(longest, n)
	}
	for _, row := range rows {
		for longest < len(s) && strings.Contains(row, s[:longest+1]) {
			longest++
		}
	}
	return longest
}

// lower is strings.ToLower for the letters a to z, and leaves other bytes as
// they are: a key need not be text.
func lower(b []byte) string {
	out := slices.Clone(b)
	for i, c := range out {
		if 'A' <= c && c <= 'Z' {
			out[i] = c + 'a' - 'A'
		}
	}
	return string(out)
}
