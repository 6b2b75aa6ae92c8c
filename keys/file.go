package keys

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"unicode"
	"unicode/utf8"
)

// readFile returns the text of a key file. In errors it was who that was given
// the path.
func readFile(who, path string) ([]byte, error) {
	// Before it is opened: that could wait for whoever writes into a pipe.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, notRegular(path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, openError(who, path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	if !info.Mode().IsRegular() { // since a moment ago
		return nil, notRegular(path)
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
	if bytes.HasPrefix(text, []byte(managedPrefix)) && text[len(text)-1] != '\n' { // a part of a key is a key
		return nil, fmt.Errorf("keys: key file %s does not end with a line break: it may have been cut off; put back the whole file, or end its last line", path)
	}
	return text, nil
}

func notRegular(path string) error {
	return fmt.Errorf("keys: %s is not a regular file; give the path of a key file", path)
}

// openError says why a key file could not be opened. What may be a key that
// was given in place of a path is not repeated, but on a reload: then there was
// such a file, so it is none.
func openError(who, path string, err error) error {
	again := func() error { return fmt.Errorf("keys: %w; %s", err, putBack+unchanged) }
	switch {
	case mayBeKey(path):
		return &lack{fmt.Errorf("keys: %s was given what may be a key and not the path of a file; give the path of a key file, with ./ in front if it looks like a key: %w",
			who, causeOf(err)), again}
	case isEnvValue(path) && !inDirectory(path):
		return &lack{fmt.Errorf("keys: the name of a key file is the value of an environment variable, and there is no such file; give the name of a file, or use FromEnv with the variable's name: %w",
			causeOf(err)), again}
	case errors.Is(err, fs.ErrNotExist):
		return &lack{fmt.Errorf("keys: %w; %s", err, howToMakeFile(path)), again}
	}
	return fmt.Errorf("keys: %w", err)
}

// causeOf returns what an error of a file says without the file's name.
func causeOf(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// mayBeKey reports whether what should be the path of a file, and is none,
// could be a key, or the text of a key file.
func mayBeKey(path string) bool {
	switch {
	case strings.ContainsAny(path, "\r\n"):
		return true
	case strings.ContainsAny(path, ".\\"), inDirectory(path):
		return false
	case !strings.Contains(path, "/"):
		return Check([]byte(path)).OK()
	}
	// Base64 may hold a slash, as paths do.
	path = strings.TrimPrefix(path, "base64:")
	has := func(is func(rune) bool) bool { return strings.ContainsFunc(path, is) }
	switch {
	case len(path) < MinLength || has(notWord):
		return false
	case strings.HasSuffix(path, "="):
		return true
	}
	return path[0] != '/' && len(path) >= RecommendedLength && has(unicode.IsUpper) && has(unicode.IsLower) && has(unicode.IsDigit)
}

// inDirectory reports whether path leads into a directory that there is, which
// makes it no key. What begins with the only slash may be one all the same.
func inDirectory(path string) bool {
	dir := filepath.Dir(path)
	if dir == "." || dir == "/" {
		return false
	}
	info, err := os.Stat(dir)
	return err == nil && info.IsDir()
}

// A lack is the error of a source that has no key at all. Who begins needs one;
// but a ring that has keys must not be told to make another, which would sign
// everybody out.
type lack struct {
	first error        // when the ring is made, or a file edited
	again func() error // when the ring is read again; nobody can look for a key in a function
}

func (l *lack) Error() string { return l.first.Error() }
func (l *lack) Unwrap() error { return l.first }

func newLack(what, remedy, putBack string) error {
	return &lack{errors.New(what + "; " + remedy), func() error { return errors.New(what + "; " + putBack + unchanged) }}
}

const (
	putBack   = "put back the file as it was"
	unchanged = "; the keys in use are unchanged"
)

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
	return fmt.Sprintf("make one with: sojourn key add %s (or: (umask 077; openssl rand -hex 32 > %s))", path, path)
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
