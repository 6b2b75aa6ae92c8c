package keys

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText is the most that is read as keys. Real ones need less than a page;
// the limit is for a path that leads to something else.
const maxText = 1 << 16

// A source is where a ring is read from, once more at every reload.
type source struct {
	read     func(context.Context) ([]candidate, error)
	settings settings
	turn     chan struct{} // has room for the one that reads
}

// fromSource makes a ring by reading it for the first time.
func fromSource(ctx context.Context, opts []Option, read func(context.Context) ([]candidate, error)) (*Ring, error) {
	r := &Ring{&live{from: &source{read, newSettings(opts), make(chan struct{}, 1)}}}
	if err := r.Reload(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// FromEnv reads a ring from the environment variable of the given name: one
// key a line, the current one first, or the managed form; see [Parse]. A
// variable that is absent or empty is an error that says how to make a key.
//
// A process's environment changes only if the program changes it, so to rotate
// keys that are kept there, restart.
func FromEnv(name string, opts ...Option) (*Ring, error) {
	if name == "" {
		return nil, errors.New(`keys: FromEnv needs the name of an environment variable, such as "SECRET_KEY"`)
	}
	return fromSource(context.Background(), opts, func(context.Context) ([]candidate, error) { return readEnv(name) })
}

func readEnv(name string) ([]candidate, error) {
	text, ok := os.LookupEnv(name)
	if !ok && isEnvValue(name) {
		return nil, errors.New(`keys: the environment variable that FromEnv was asked for is not set, and its name is the value of another one; give FromEnv a name, such as "SECRET_KEY", not a key`)
	}
	source := "environment variable " + name
	if !ok {
		return nil, newLack("keys: "+source+" is not set", howToMake+" and set it", "set it as it was")
	}
	if strings.TrimSpace(text) == "" {
		return nil, newLack("keys: "+source+" is empty", howToMake+" and set it", "set it as it was")
	}
	return split([]byte(text), source), nil
}

// isEnvValue reports whether s is the value of a variable. Then it may be the
// key itself, passed in place of its name, and must not appear in an error.
func isEnvValue(s string) bool {
	for _, entry := range os.Environ() {
		if _, value, _ := strings.Cut(entry, "="); strings.TrimSpace(value) == strings.TrimSpace(s) {
			return true
		}
	}
	return false
}

// FromFile reads a ring from a file: one key a line, the current one first, or
// the managed form, which [File] edits; see [Parse].
//
// The file is read again about twice a minute by the Run of a sojourn.Manager
// that uses the ring, and at once by [Ring.Reload]. Without either it is read
// this once, and what is edited in it later has no effect.
//
// It must be a regular file: a pipe could not be read again. On Unix a file
// that the group or others can read or write is refused. Where the platform
// decides the mode, as for some mounted secrets, mount it with mode 0400, or
// read it with [FromProvider].
//
// A name of 16 or more characters without a dot or a slash may be a key by
// mistake. If there is no such file the error does not repeat it; ./ in front
// makes a path of it.
func FromFile(path string, opts ...Option) (*Ring, error) {
	return fromFile("FromFile", path, opts)
}

// fromFile is FromFile, called by the name who.
func fromFile(who, path string, opts []Option) (*Ring, error) {
	if path == "" {
		return nil, fmt.Errorf("keys: %s needs the path of a key file", who)
	}
	return fromSource(context.Background(), opts, func(context.Context) ([]candidate, error) {
		text, err := readFile(who, path)
		if err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(text)) == 0 {
			return nil, newLack("keys: key file "+path+" is empty", howToMakeFile(path), putBack)
		}
		return split(text, "key file "+path), nil
	})
}

// A Provider gives the keys as text, see [Parse], from a secret manager or
// wherever they are kept. Keys is called by [FromProvider] and then by each
// [Ring.Reload], never twice at a time for one ring. It must return when ctx
// ends, and its error must not hold a key.
type Provider interface {
	Keys(ctx context.Context) ([]byte, error)
}

// ProviderFunc makes a [Provider] of a function.
type ProviderFunc func(ctx context.Context) ([]byte, error)

// Keys calls f.
func (f ProviderFunc) Keys(ctx context.Context) ([]byte, error) { return f(ctx) }

// FromProvider reads a ring from p. Errors call it by name, which is not
// secret: "vault", "the key file".
func FromProvider(ctx context.Context, name string, p Provider, opts ...Option) (*Ring, error) {
	if f, ok := p.(ProviderFunc); p == nil || ok && f == nil {
		return nil, errors.New("keys: FromProvider needs a provider; this one is nil")
	}
	return fromSource(ctx, opts, func(ctx context.Context) ([]candidate, error) {
		text, err := p.Keys(ctx)
		switch {
		case err != nil:
			return nil, fmt.Errorf("keys: provider %s: %w", name, err)
		case len(text) > maxText:
			return nil, fmt.Errorf("keys: provider %s gives more than %d KiB, which is too large to be keys", name, maxText>>10)
		case len(bytes.TrimSpace(text)) == 0:
			return nil, newLack("keys: provider "+name+" gives no key", howToMake+" and store it there", "store there what was there before")
		}
		return split(text, "provider "+name), nil
	})
}

// Parse reads a ring from text, which is in one of two forms.
//
// The plain form is one key a line. The first is active, the others are
// read-only. White space around a line is dropped, so a trailing newline and
// CRLF do no harm. A key is the bytes of its line; a line that begins with
// "base64:" is decoded, in the standard or the URL alphabet, padded or not.
// What is likely a mistake is refused: an empty line before or between keys
// (the place of a key that something failed to fill in), a comment, a line that
// is itself a list of keys, see [LooksLikeList], and bytes that are not text.
//
// The managed form, which [File] writes, begins with the line
//
//	# sojourn keys 1
//
// and says on every other line what state a key is in, and if that is known
// when it was made and when it came into that state, in RFC 3339. Exactly one
// key is active. The key is written as in the plain form:
//
//	state=active created=2026-03-01T09:00:00Z since=2026-03-02T09:00:00Z key=9f86…
func Parse(text []byte, opts ...Option) (*Ring, error) {
	return newRing(split(text, "key text"), newSettings(opts))
}

// split makes a candidate of every line. Empty lines at the end are nothing.
func split(text []byte, source string) []candidate {
	text = bytes.TrimRightFunc(text, unicode.IsSpace)
	if len(text) == 0 {
		return nil
	}
	lines := bytes.Split(text, []byte("\n"))
	if bytes.HasPrefix(lines[0], []byte(managedPrefix)) {
		return splitManaged(lines, source)
	}
	var list []candidate
	for i, line := range lines {
		c := candidate{source: fmt.Sprintf("%s, line %d", source, i+1), state: plainState(i)}
		line = bytes.TrimSpace(line)
		if c.secret, c.refused = parseLine(line); bytes.HasPrefix(line, []byte("state=")) && bytes.Contains(line, []byte(" key=")) {
			c.refused = fmt.Sprintf("the line belongs to the managed form, whose first line is missing: %q", managedHeader)
		}
		list = append(list, c)
	}
	return list
}

// parseLine returns the secret of one trimmed line, or why there is none.
func parseLine(line []byte) (secret []byte, refused string) {
	isControl := func(r rune) bool { return r == '\ufeff' || unicode.IsControl(r) && r != '\t' }
	switch {
	case len(line) == 0:
		return nil, "the line is empty; put one key on every line, the current one first"
	case !utf8.Valid(line) || bytes.ContainsFunc(line, isControl):
		return nil, `the line is not plain text (it may be binary, UTF-16, or begin with a byte order mark); write a binary key as "base64:" and its base64`
	case bytes.HasPrefix(line, []byte("# ")):
		return nil, "the line looks like a comment; keys have none, remove it"
	case LooksLikeList(string(line)):
		return nil, "the line is a list of keys; write one key a line, without brackets, quotes or commas"
	}
	encoded, ok := bytes.CutPrefix(line, []byte("base64:"))
	if !ok {
		return line, ""
	}
	secret, err := decodeBase64(string(encoded))
	if err != nil {
		return nil, `what follows "base64:" is not base64`
	}
	return secret, ""
}

func decodeBase64(s string) ([]byte, error) {
	encoding := base64.RawStdEncoding
	if strings.ContainsAny(s, "-_") {
		encoding = base64.RawURLEncoding
	}
	return encoding.Strict().DecodeString(strings.TrimRight(s, "="))
}

// LooksLikeList reports whether a line that should be one key is a list of
// keys: in brackets or parentheses, as JSON and Python write one, or separated
// by commas into parts that are each long enough to be a key.
func LooksLikeList(line string) bool {
	line = strings.TrimSpace(line)
	if len(line) >= 2 {
		first, last := line[0], line[len(line)-1]
		if first == '[' && last == ']' || first == '(' && last == ')' {
			return true
		}
	}
	parts := strings.Split(line, ",")
	if len(parts) > 1 && strings.TrimSpace(parts[len(parts)-1]) == "" {
		parts = parts[:len(parts)-1] // a comma after the last one
	}
	for _, part := range parts {
		part = strings.Trim(part, " \t'\"")
		if len(part) < MinLength || strings.ContainsFunc(part, notWord) {
			return false
		}
	}
	return strings.Contains(line, ",")
}

// notWord reports what does not occur in a key in hex, base64 or letters.
func notWord(r rune) bool {
	return r >= utf8.RuneSelf || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_-+/=", r)
}
