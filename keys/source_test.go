package keys

import (
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// binary is a strong key whose base64 differs between the alphabets and ends
// in padding.
var binary = []byte("\xfb\xef\xbe\xff\xfe\x01\x92\x5a\x7c\x33\xd8\x10\x4e\xa7\x69\xc5\x88\x2f\xb0\x1d")

func TestParse(t *testing.T) {
	std := "base64:" + base64.StdEncoding.EncodeToString(binary)
	url := "base64:" + base64.URLEncoding.EncodeToString(binary)
	tests := []struct {
		name, text string
		want       []string
	}{
		{"one", strongA, []string{strongA}},
		{"two", strongA + "\n" + strongB, []string{strongA, strongB}},
		{"trailing newline", strongA + "\n" + strongB + "\n", []string{strongA, strongB}},
		{"trailing empty lines", strongA + "\n\n \n", []string{strongA}},
		{"CRLF", strongA + "\r\n" + strongB + "\r\n", []string{strongA, strongB}},
		{"space around", "  " + strongA + "\t\n\t" + strongB + " ", []string{strongA, strongB}},
		{"space and comma within", `A0Zr 98j/3yX R~XHH!j, mN]LWX?RT`, []string{`A0Zr 98j/3yX R~XHH!j, mN]LWX?RT`}},
		{"hash without space", "#" + strongA, []string{"#" + strongA}},
		{"hex stays hex", strongA, []string{strongA}},
		{"base64", std, []string{string(binary)}},
		{"base64 without padding", strings.TrimRight(std, "="), []string{string(binary)}},
		{"base64 URL", url, []string{string(binary)}},
		{"base64 URL without padding", strings.TrimRight(url, "="), []string{string(binary)}},
		{"mixed", strongA + "\n" + std, []string{strongA, string(binary)}},
		{"in brackets on one side", "[" + strongA, []string{"[" + strongA}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Parse([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if len(r.All()) != len(tt.want) {
				t.Fatalf("%d keys, want %d", len(r.All()), len(tt.want))
			}
			for i, k := range r.All() {
				if string(k.Bytes()) != tt.want[i] {
					t.Errorf("key %d = %q, want %q", i, k.Bytes(), tt.want[i])
				}
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"nothing", "", []string{"keys: no key given"}},
		{"white space", " \r\n\n", []string{"keys: no key given"}},
		{"empty line between", strongA + "\n\n" + strongB, []string{"key text, line 2: the line is empty"}},
		{"empty line first", "\n" + strongA, []string{"line 1: the line is empty"}},
		{"same twice", strongA + "\n" + strongB + "\n" + strongA, []string{"line 3: the key is the same as key text, line 1"}},
		{"same in base64", strongA + "\nbase64:" + base64.StdEncoding.EncodeToString([]byte(strongA)), []string{"line 2: the key is the same"}},
		{"JSON list", `["` + strongA + `", "` + strongB + `"]`, []string{"line 1: the line is a list of keys; write one key a line"}},
		{"Python tuple", `('` + strongA + `',)`, []string{"is a list of keys"}},
		{"comma list", strongA + "," + strongB, []string{"is a list of keys"}},
		{"comment", "# current\n" + strongA, []string{"line 1: the line looks like a comment"}},
		{"not base64", "base64:*" + strongA, []string{`line 1: what follows "base64:" is not base64`}},
		{"base64 of nothing", "base64:", []string{"line 1: the key is empty"}},
		{"base64 cut short", "base64:" + strings.Repeat("x", 33), []string{"is not base64"}},
		{"short in base64", "base64:AQIDBAUH", []string{"has only 6 of at least 16 bytes"}},
		{"known in base64", "base64:" + base64.StdEncoding.EncodeToString([]byte("_5#y2L\"F4Q8z\n\xec]/")), []string{"publicly known"}},
		{"binary", string(binary), []string{"not plain text"}},
		{"UTF-16", "\xff\xfe4\x00f\x001\x00c\x00", []string{"not plain text"}},
		{"byte order mark", "\ufeff" + strongA, []string{"byte order mark"}},
		{"all at once", "dev\n\nbase64:!\n" + strongA + "," + strongB, []string{"line 1: ", "line 2: ", "line 3: ", "line 4: "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Parse([]byte(tt.text))
			if r != nil || err == nil {
				t.Fatalf("Parse = %v, %v; want no ring and an error", r, err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error lacks %q:\n%v", want, err)
				}
			}
			if strings.Contains(err.Error(), strongA) || strings.Contains(err.Error(), strongB) {
				t.Errorf("error holds a key:\n%v", err)
			}
		})
	}
}

func TestFromEnv(t *testing.T) {
	const name = "SOJOURN_TEST_KEYS"
	fails := func(name, want string) {
		t.Helper()
		if r, err := FromEnv(name); r != nil || err == nil || err.Error() != want {
			t.Errorf("FromEnv = %v, %v\nwant error %s", r, err, want)
		}
	}
	fails(name, `keys: environment variable SOJOURN_TEST_KEYS is not set; `+
		`make a key with "sojourn key new" (or: openssl rand -hex 32) and set it`)
	t.Setenv(name, " \n")
	fails(name, `keys: environment variable SOJOURN_TEST_KEYS is empty; `+
		`make a key with "sojourn key new" (or: openssl rand -hex 32) and set it`)
	t.Setenv(name, strongA+"\nq7Zp2")
	fails(name, `keys: environment variable SOJOURN_TEST_KEYS, line 2: the key has only 5 of at least 16 bytes; `+
		`make a key with "sojourn key new" (or: openssl rand -hex 32); `+
		`a site that cannot change its key today can pass keys.InsecureAllowWeak()`)
	fails("", `keys: FromEnv needs the name of an environment variable, such as "SECRET_KEY"`)

	t.Setenv(name, strongA+"\n"+strongB+"\n")
	r, err := FromEnv(name)
	if err != nil || len(r.All()) != 2 || string(r.Active().Bytes()) != strongA {
		t.Errorf("FromEnv = %v, %v", r, err)
	}
	t.Setenv(name, "dev")
	if r, err = FromEnv(name, InsecureAllowWeak()); err != nil || len(r.All()) != 1 {
		t.Errorf("FromEnv = %v, %v", r, err)
	}
}

// TestFromEnvGivenTheKey is FromEnv(os.Getenv("SECRET_KEY")): what it names is
// the secret.
func TestFromEnvGivenTheKey(t *testing.T) {
	t.Setenv("SOJOURN_TEST_KEYS", strongA)
	_, err := FromEnv(os.Getenv("SOJOURN_TEST_KEYS"))
	if err == nil || strings.Contains(err.Error(), strongA) || !strings.Contains(err.Error(), "not a key") {
		t.Errorf("error = %v", err)
	}
}

func TestFromFile(t *testing.T) {
	dir := t.TempDir()
	write := func(text string, mode os.FileMode) string {
		t.Helper()
		path := filepath.Join(dir, "my keys")
		os.Remove(path)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	fails := func(path string, want ...string) {
		t.Helper()
		r, err := FromFile(path)
		if r != nil || err == nil {
			t.Fatalf("FromFile = %v, %v; want no ring and an error", r, err)
		}
		for _, w := range append(want, "keys: ") {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("error lacks %q:\n%v", w, err)
			}
		}
	}
	for _, mode := range []os.FileMode{0o600, 0o400, 0o700} {
		r, err := FromFile(write(strongA+"\r\n"+strongB+"\r\n", mode))
		if err != nil || len(r.All()) != 2 {
			t.Errorf("mode %o: FromFile = %v, %v", mode, r, err)
		}
	}
	if modesCount() {
		for _, mode := range []os.FileMode{0o644, 0o640, 0o604, 0o620, 0o602} {
			fails(write(strongA, mode), "is open to other users", "chmod 600 '"+dir)
		}
	}
	path := write("", 0o600)
	fails(path, "is empty; make one with: sojourn key add '"+path+"' (or: (umask 077; openssl rand -hex 32 > '"+path+"'))")
	fails(write("\n"+strongA, 0o600), path+", line 1: the line is empty")
	fails(write("dev", 0o600), path+", line 1: the key has only 3")
	fails(write(strings.Repeat(strongA+"\n", maxText/33+1), 0o600), "too large")
	fails(dir, dir+" is not a regular file; give the path of a key file")
	fails("")

	missing := filepath.Join(dir, "missing")
	fails(missing, "; make one with: sojourn key add "+missing+" (or: (umask 077; openssl rand -hex 32 > "+missing+"))")
	if _, err := FromFile(missing); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the cause is lost")
	}
	if r, err := FromFile(write("dev", 0o600), InsecureAllowWeak()); err != nil || len(r.All()) != 1 {
		t.Errorf("FromFile = %v, %v", r, err)
	}
}

func TestLooksLikeList(t *testing.T) {
	half := strongA[:16]
	for line, want := range map[string]bool{
		"":                               false,
		",":                              false,
		"[":                              false,
		"[]":                             true,
		"()":                             true,
		`["a", "b"]`:                     true,
		` ('a',) `:                       true,
		"[" + strongA + ")":              false,
		"{" + strongA + "}":              false,
		strongA:                          false,
		strongA + ",":                    true,
		"," + strongA:                    false,
		half + "," + half:                true,
		half + ", '" + half + "'":        true,
		half + "," + half[1:]:            false,
		half + " " + half:                false,
		half + ",," + half:               false,
		"A0Zr98j/3yX R~XHH!jmN]LWX/,?RT": false,
	} {
		if got := LooksLikeList(line); got != want {
			t.Errorf("LooksLikeList(%q) = %v", line, got)
		}
	}
}

func TestShellQuote(t *testing.T) {
	for path, want := range map[string]string{
		"/etc/sojourn/keys.txt": "/etc/sojourn/keys.txt",
		"my keys":               "'my keys'",
		"it's; rm -r":           `'it'\''s; rm -r'`,
		"$HOME":                 "'$HOME'",
	} {
		if got := shellQuote(path); got != want {
			t.Errorf("shellQuote(%q) = %s", path, got)
		}
	}
}
