package keys

import (
	_ "embed"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// known.txt holds what is published, words.txt what placeholders are made of.
// In both, empty lines and lines that begin with # are comments.
var (
	//go:embed known.txt
	knownText string
	//go:embed words.txt
	wordsText string
)

// known holds every published key in small letters, each also in the other
// forms in which it may arrive, see spellings.
var known = sync.OnceValue(func() map[string]bool {
	set := map[string]bool{}
	for _, entry := range entries(knownText) {
		for _, s := range spellings(entry) {
			set[s] = true
		}
	}
	return set
})

// words holds the words that placeholders are made of.
var words = sync.OnceValue(func() map[string]bool {
	set := map[string]bool{}
	for _, line := range entries(wordsText) {
		for word := range strings.FieldsSeq(line) {
			set[word] = true
		}
	}
	return set
})

func entries(text string) []string {
	var list []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			list = append(list, line)
		}
	}
	return list
}

// spellings returns the forms of a published key, in small letters: as it is
// typed; as the bytes that Python makes of it in b'…'; as the UTF-8 that
// Python makes of it in '…'; and as typed without separators.
func spellings(entry string) []string {
	list := []string{lower([]byte(entry)), squash(lower([]byte(entry)))}
	if strings.Contains(entry, `\`) {
		raw := unescape(entry)
		var text []rune
		for _, c := range raw {
			text = append(text, rune(c))
		}
		list = append(list, lower(raw), lower([]byte(string(text))))
	}
	return list
}

var escape = regexp.MustCompile(`\\(?:x[0-9a-fA-F]{2}|[0-7]{1,3}|[ntr\\'"])`)

// unescape returns the bytes of a Python bytes literal.
func unescape(s string) []byte {
	return escape.ReplaceAllFunc([]byte(s), func(m []byte) []byte {
		switch c := m[1]; c {
		case 'n':
			return []byte{'\n'}
		case 't':
			return []byte{'\t'}
		case 'r':
			return []byte{'\r'}
		case '\\', '\'', '"':
			return m[1:]
		case 'x':
			n, _ := strconv.ParseUint(string(m[2:]), 16, 8)
			return []byte{byte(n)}
		default:
			n, _ := strconv.ParseUint(string(m[1:]), 8, 16)
			return []byte{byte(n)}
		}
	})
}

// isKnown reports whether a secret is published, or is a phrase that people
// put where a key should be, perhaps decorated.
func isKnown(secret []byte) bool {
	return slices.ContainsFunc(undecorate(lower(secret)), func(s string) bool {
		return known()[s] || known()[squash(s)] || isPlaceholder(s) || isPhrase(s) || isSpoken(s)
	})
}

// Bounds of the work on one key, and of what may be taken from its end: a key
// in hex can end in many digits by chance.
const (
	maxForms = 32
	maxTail  = 8
)

// undecorate returns s and what is left of it without the trimmings that
// people add to a key: white space, an assignment, quotes, repetition, and at
// the end digits or an exclamation mark.
func undecorate(s string) []string {
	forms := []string{s}
	for i := 0; i < len(forms) && len(forms) < maxForms; i++ {
		for _, form := range peel(forms[i]) {
			if form != "" && !slices.Contains(forms, form) {
				forms = append(forms, form)
			}
		}
	}
	for _, form := range forms {
		for n := len(form) - 1; n > 0 && n >= len(form)-maxTail && strings.IndexByte("0123456789!?.;,", form[n]) >= 0; n-- {
			forms = append(forms, form[:n])
		}
	}
	return forms
}

var assignment = regexp.MustCompile(`^(?:export\s+|set\s+|app\.)?[a-z_]*(?:secret|key)[a-z_]*\s*[=:]\s*`)

// peel takes off each trimming that s has, one at a time.
func peel(s string) []string {
	forms := []string{
		strings.TrimSpace(s),
		s[len(assignment.FindString(s)):],
		s[:period([]byte(s))],
	}
	for _, quotes := range []string{`""`, "''", "``", "<>", "[]", "()"} {
		for _, prefix := range []string{"", "b", "u", "r"} {
			if inner, ok := between(s, prefix+quotes[:1], quotes[1:]); ok {
				forms = append(forms, inner)
			}
		}
	}
	return forms
}

// between returns what stands between a prefix and a suffix.
func between(s, prefix, suffix string) (string, bool) {
	s, ok := strings.CutPrefix(s, prefix)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(s, suffix)
}

// squash drops what separates words.
func squash(s string) string { return separators.Replace(s) }

var separators = strings.NewReplacer(" ", "", "-", "", "_", "", ".", "", ",", "", "'", "", "!", "", "?", "")

// families are the beginnings of placeholders that go on in many ways.
var families = []string{
	"django-insecure-", "changeme", "changethis", "changeit", "replaceme", "replacethis", "replacewith",
	"your-", "your_", "your ", "insert-", "insert_", "insert ", "put-your", "put_your", "put your",
	"change-me", "change_me", "change me", "change-this", "change_this", "change this",
	"replace-", "replace_", "replace ", "set-me", "set_me", "fill-in", "fill_in",
	"os.urandom(", "os.environ", "os.getenv(", "secrets.token_", "uuid.uuid4", "process.env.",
	"openssl rand ", "sojourn key ",
}

// template matches a template or a shell command that nothing filled in.
var template = regexp.MustCompile(`^(?:\$\{[a-z_][a-z0-9_.:?-]*\}|\$\([a-z]+ .+\)|\{\{.+\}\}|%\([a-z_]+\)s)$`)

func isPlaceholder(s string) bool {
	return template.MatchString(s) || slices.ContainsFunc(families, func(family string) bool {
		return strings.HasPrefix(s, family)
	})
}

// Bounds in bytes of what is looked at as a phrase, and of one word of it.
const (
	minPhrase = 3
	maxPhrase = 128
	maxWord   = 20
)

// isPhrase reports whether s is nothing but words that placeholders are made
// of, with or without something between them.
func isPhrase(s string) bool {
	s = squash(s)
	if len(s) < minPhrase || len(s) > maxPhrase {
		return false
	}
	ends := make([]bool, len(s)+1) // ends[i]: s[:i] is made of words
	ends[0] = true
	for i := range s {
		for j := i + 1; ends[i] && j <= min(len(s), i+maxWord); j++ {
			if words()[s[i:j]] {
				ends[j] = true
			}
		}
	}
	return ends[len(s)]
}

// isSpoken reports whether s says what it is and has no digit: a person chose
// it. A random key behind such a word ("blog-secret-9f86d081…") has digits.
func isSpoken(s string) bool {
	s = squash(s)
	if strings.ContainsAny(s, "0123456789") {
		return false
	}
	for _, word := range []string{"secret", "password", "passphrase", "privatekey"} {
		if strings.Contains(s, word) {
			return true
		}
	}
	return false
}
