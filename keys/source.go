package keys

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText is the most that is read as keys. Real ones need less than a page;
// the limit is for a path that leads to something else.
const maxText = 1 << 16

// FromEnv reads a ring from the environment variable of the given name: one
// key a line, the current one first; see [Parse] for the form. A variable that
// is absent or empty is an error that says how to make a key.
func FromEnv(name string, opts ...Option) (*Ring, error) {
	if name == "" {
		return nil, errors.New(`keys: FromEnv needs the name of an environment variable, such as "SECRET_KEY"`)
	}
	text, ok := os.LookupEnv(name)
	if !ok && isEnvValue(name) {
		return nil, errors.New(`keys: the environment variable that FromEnv was asked for is not set, and its name is the value of another one; give FromEnv a name, such as "SECRET_KEY", not a key`)
	}
	source := "environment variable " + name
	if !ok {
		return nil, errors.New("keys: " + source + " is not set; " + howToMake + " and set it")
	}
	if strings.TrimSpace(text) == "" {
		return nil, errors.New("keys: " + source + " is empty; " + howToMake + " and set it")
	}
	return build(split([]byte(text), source), newSettings(opts))
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

// FromFile reads a ring from a file: one key a line, the current one first;
// see [Parse] for the form.
//
// On Unix a file that the group or others can read or write is refused. Where
// the platform decides the mode, as for some mounted secrets, mount it with
// mode 0400, or read the file with [os.ReadFile] and give it to Parse.
func FromFile(path string, opts ...Option) (*Ring, error) {
	if path == "" {
		return nil, errors.New("keys: FromFile needs the path of a key file")
	}
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, fmt.Errorf("keys: key file %s is empty; %s", path, howToMakeFile(path))
	}
	return build(split(text, "key file "+path), newSettings(opts))
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil && isEnvValue(path) {
		return nil, errors.New("keys: FromFile was given the value of an environment variable, and there is no such file; give it the name of a file, or use FromEnv with the variable's name")
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("keys: %w; %s", err, howToMakeFile(path))
	}
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	if info.IsDir() {
		return nil, fmt.Errorf("keys: %s is a directory, not a key file; %s", path, howToMakeFile(path))
	}
	if mode := info.Mode().Perm(); modesCount() && mode&0o066 != 0 {
		return nil, fmt.Errorf("keys: key file %s is open to other users (mode %04o); close it with: chmod 600 %s",
			path, mode, shellQuote(path))
	}
	text, err := io.ReadAll(io.LimitReader(f, maxText+1))
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	if len(text) > maxText {
		return nil, fmt.Errorf("keys: %s is too large for a key file", path)
	}
	return text, nil
}

// modesCount reports whether permission bits mean here what they mean on Unix.
func modesCount() bool {
	switch runtime.GOOS {
	case "windows", "plan9", "js", "wasip1":
		return false
	}
	return true
}

func howToMakeFile(path string) string {
	path = shellQuote(path)
	return fmt.Sprintf("make one with: (umask 077; sojourn key new > %s) (or: (umask 077; openssl rand -hex 32 > %s))", path, path)
}

// shellQuote returns s as one word for a POSIX shell.
func shellQuote(s string) string {
	plain := func(r rune) bool {
		return r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("/._-+:@%", r))
	}
	if strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// Parse reads a ring from text: one key a line, the current one first.
//
// White space around a line is dropped, so a trailing newline and CRLF do no
// harm. A key is the bytes of its line; a line that begins with "base64:" is
// decoded, in the standard or the URL alphabet, padded or not. What is likely
// a mistake is refused: an empty line before or between keys (the place of a
// key that something failed to fill in), a comment, a line that is itself a
// list of keys, see [LooksLikeList], and bytes that are not text.
func Parse(text []byte, opts ...Option) (*Ring, error) {
	return build(split(text, "key text"), newSettings(opts))
}

// split makes a candidate of every line. Empty lines at the end are nothing.
func split(text []byte, source string) []candidate {
	text = bytes.TrimRightFunc(text, unicode.IsSpace)
	if len(text) == 0 {
		return nil
	}
	var list []candidate
	for i, line := range bytes.Split(text, []byte("\n")) {
		c := candidate{source: fmt.Sprintf("%s, line %d", source, i+1)}
		c.secret, c.refused = parseLine(bytes.TrimSpace(line))
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
