package keys

import (
	"bytes"
	"strings"
	"testing"
)

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "\n", strongA, strongA + "\n" + strongB + "\r\n", "\n" + strongA, strongA + "\n\n" + strongB,
		managedHeader + "\n" + lineA + "\n" + lineB, lineA, "base64:" + strongC, "base64:", "base64:====", "base64:AAAA\nBBBB", "[" + strongA + "]", strongA + "," + strongB,
		"# comment", "\ufeff" + strongA, string(binary), "you-will-never-guess", "dev\ndev",
		`export SECRET_KEY="b'dev123'"`, "((((((((((((((((", "<<<<'''''''\"\"\"\"\"\"\"\"\"", strings.Repeat("ab", 200),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		given := bytes.Clone(text)
		strict, err := Parse(text)
		weak, weakErr := Parse(text, InsecureAllowWeak())
		if !bytes.Equal(given, text) {
			t.Fatal("Parse changed its input")
		}
		if err == nil && (weakErr != nil || len(weak.All()) != len(strict.All())) {
			t.Fatal("what is accepted is refused with InsecureAllowWeak")
		}
		for _, r := range []*Ring{strict, weak} {
			ids := map[string]bool{}
			for _, k := range r.All() {
				if len(k.Bytes()) == 0 || ids[k.ID()] {
					t.Fatal("a ring with an empty key, or two of one id")
				}
				ids[k.ID()] = true
			}
		}
		for _, k := range strict.All() {
			if !Check(k.Bytes()).OK() {
				t.Fatal("a weak key in a ring")
			}
		}
		for _, err := range []error{err, weakErr} {
			if err == nil {
				continue
			}
			for _, line := range bytes.Split(text, []byte("\n")) {
				line = bytes.TrimSpace(line)
				if len(line) >= 8 && strings.Contains(err.Error(), string(line)) && !strings.Contains(everyMessage, string(line)) {
					t.Fatalf("error holds the line %q: %v", line, err)
				}
			}
		}
	})
}

// everyMessage is what errors say whatever the keys are: a line that happens
// to be part of it shows nothing when it appears.
var everyMessage = func() string {
	var all strings.Builder
	for _, text := range []string{
		"", "q7Zp2", "dev", "\n" + strongA, strongA + "\n" + strongA, "# c", "[]", "base64:!", "\x00", "base64:",
		managedHeader, "# sojourn keys 2", lineA, managedHeader + "\n\nx\nstate=next created=x key=x\nstate=next x\nstate=next key=\n" + lineA + "\n" + lineA,
		managedHeader + "\n" + lineB, managedHeader + "\n" + lineA + "\n" + strings.Replace(lineA, strongA, strongB, 1),
		strings.Repeat("z", 20), strings.Repeat("k7", 10), "abcdefghijklmnop", "0110100110010110100101100110100",
	} {
		if _, err := Parse([]byte(text)); err != nil {
			all.WriteString(err.Error() + "\n")
		}
	}
	return all.String()
}()
