package keys

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"strings"
	"testing"
)

// codes returns the codes of a report: as they are if refused, in parentheses
// if advice.
func codes(r Report) string {
	var list []string
	for _, p := range r.Problems {
		c := string(p.Code)
		if !p.Refused {
			c = "(" + c + ")"
		}
		list = append(list, c)
	}
	return strings.Join(list, " ")
}

func TestCheck(t *testing.T) {
	tests := []struct{ secret, want string }{
		{"", "empty"},
		{"q", "short"},
		{"q7Zp2", "short"},
		{"dev", "short known"},
		{"\x00", "short"},
		{"zzzz", "short structure"},
		{strongA[:15], "short"},
		{strongA[:16], "(short)"},
		{strongA[:31], "(short)"},
		{strongA, ""},
		{strongA + strongB, ""},

		{strings.Repeat("\x00", 32), "structure"},
		{strings.Repeat("z", 64), "structure"},
		{strings.Repeat("k7", 16), "structure"},
		{strings.Repeat("k7Q_x", 9), "structure"},
		{"k7Q_xk7Q_xk7Q_xk7", "structure"}, // ends within a block
		{strongA[:15] + strongA[:15], "structure"},
		{strongA[:16] + strongA[:16], "(structure)"},
		{"abcdefghijklmnop", "structure"},
		{"ponmlkjihgfedcba", "structure"},
		{"ABCDEFGHIJKLMNOPQRSTUVWXYZ", "structure"},
		{"0123456789012345", "structure"},
		{"9876543210987654", "structure"},
		{"0123456789abcdef", "structure"},
		{"0123456789ABCDEF0123456789ABCDEF", "structure"},
		{"abcdefgh12345678", "structure"},
		{"qwertyuiopasdfgh", "structure"},
		{"1qaz2wsx3edc4rfv5tgb", "structure"},
		{"qazwsxedcrfvtgbyhnujm", "structure"},
		{"aaaaaaaabbbbbbbbcccccccc", "structure"},
		{"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f", "structure"},
		{"\x00\x07\x0e\x15\x1c\x23\x2a\x31\x38\x3f\x46\x4d\x54\x5b\x62\x69", "structure"},
		{"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7\xf6\xf5\xf4\xf3\xf2\xf1\xf0", "structure"},
		{"0110100110010110100101100110100", "structure"},
		{"abcabdabeabaabbabcabdacabeacad", "structure"}, // five letters in thirty bytes
		{"e3b8a1f0-5c2d-4e97-b64a-19d07c8f235b", "(structure)"},
		{"00000000-0000-0000-0000-000000000000", "structure"},

		{"django-insecure-" + strongA, "known"},
		{"DJANGO-INSECURE-" + strongC, "known"},
		{"your-" + strongA, "known"},
		{"change me to " + strongA, "known"},
		{"${SECRET_KEY_FROM_VAULT_7}", "known"},
		{"$(openssl rand -hex 32)", "known"},
		{"{{ vault_flask_key_2 }}", "known"},
		{"os.urandom(24).hex()", "known"},
		{"<replace-with-a-secret-key>", "known"},
		{"this is my very long flask key, please don't tell", "known"},
		{"my-32-character-ultra-secure-key-2024", "known"},
		{"thebestsecretofgranny", "known"},
		{"TheBestPasswordOfGranny1", "known"},
		{"_5#y2L\"F4Q8z\n\xec]/", "known"},
		{`_5#y2L"F4Q8z\n\xec]/`, "known"},
		{`b'_5#y2L"F4Q8z\n\xec]/'`, "known"},
		{"_5#y2L\"F4Q8z\n\u00ec]/", "known"}, // a str, not bytes
		{"\x02\x01thisismyscretkey\x01\x02\\e\\y\\y\\h", "known"},
		{"app.secret_key = 'you-will-never-guess'", "known"},

		{"blog-secret-" + strongA, ""}, // the word does no harm to a random key
		{"correct 4 Battery; staple~Horse", "(short)"},
	}
	for _, tt := range tests {
		r := Check([]byte(tt.secret))
		if got := codes(r); got != tt.want {
			t.Errorf("Check(%q) = %q, want %q", tt.secret, got, tt.want)
		}
		if r.Length != len(tt.secret) {
			t.Errorf("Check(%q).Length = %d", tt.secret, r.Length)
		}
		refused := tt.want != "" && tt.want[0] != '('
		if r.OK() == refused {
			t.Errorf("Check(%q).OK = %v", tt.secret, r.OK())
		}
		for _, p := range r.Problems {
			if p.Text == "" || len(tt.secret) > 5 && strings.Contains(p.Text, tt.secret) {
				t.Errorf("Check(%q): text %q", tt.secret, p.Text)
			}
		}
	}
}

func TestKnownList(t *testing.T) {
	list := entries(knownText)
	if len(list) < 150 {
		t.Fatalf("only %d published keys", len(list))
	}
	seen := map[string]bool{}
	for _, e := range list {
		if seen[strings.ToLower(e)] {
			t.Errorf("%q stands in known.txt twice", e)
		}
		seen[strings.ToLower(e)] = true
		for _, form := range []string{
			e, strings.ToUpper(e), strings.ToLower(e), " " + e + "\n", `"` + e + `"`, "'" + e + "'", "b'" + e + "'", "<" + e + ">",
			e + e, e + e + e, e + "123", e + "!", e + "2024", "SECRET_KEY=" + e, `export SECRET_KEY="` + e + `"`,
			string(unescape(e)), string(unescape(e)) + "1",
		} {
			if !isKnown([]byte(form)) {
				t.Errorf("%q is not recognised (from %q)", form, e)
			}
			if Check([]byte(form)).OK() {
				t.Errorf("%q is accepted", form)
			}
		}
	}
}

func TestGenerate(t *testing.T) {
	seen := map[string]bool{}
	for range 10_000 {
		key := Generate()
		if raw, err := hex.DecodeString(key); err != nil || len(raw) != 32 || seen[key] {
			t.Fatal("Generate does not give 32 fresh bytes in hex")
		}
		seen[key] = true
		if r := Check([]byte(key)); len(r.Problems) > 0 {
			t.Fatalf("a generated key is not good enough: %+v", r)
		}
	}
}

// TestRandomKeysPass looks for false alarms: no random key of 16 bytes or more
// is refused, however it is written.
func TestRandomKeysPass(t *testing.T) {
	const printable = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~"
	const django = "abcdefghijklmnopqrstuvwxyz0123456789!@#$%^&*(-_=+)"
	encodings := map[string]func([]byte) string{
		"raw":         func(b []byte) string { return string(b) },
		"hex":         hex.EncodeToString,
		"HEX":         func(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) },
		"half of hex": func(b []byte) string { return hex.EncodeToString(b)[:len(b)] },
		"base64":      base64.StdEncoding.EncodeToString,
		"urlsafe":     base64.RawURLEncoding.EncodeToString,
		"base32":      base32.StdEncoding.EncodeToString,
		"decimal":     func(b []byte) string { return new(big.Int).SetBytes(b).String() },
		"letters":     func(b []byte) string { return spell(b, printable[:52]) },
		"printable":   func(b []byte) string { return spell(b, printable) },
		"Django's":    func(b []byte) string { return spell(b, django) },
	}
	for name, encode := range encodings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n := 16; n <= 64; n += 4 {
				for range 300 {
					raw := make([]byte, n)
					rand.Read(raw)
					key := encode(raw)
					if r := Check([]byte(key)); !r.OK() {
						t.Fatalf("random key %q is refused: %+v", key, r)
					}
				}
			}
		})
	}
}

func spell(b []byte, alphabet string) string {
	out := make([]byte, len(b))
	for i, c := range b {
		out[i] = alphabet[int(c)%len(alphabet)]
	}
	return string(out)
}

func TestUnescape(t *testing.T) {
	if got, want := string(unescape(`\x41\n\t\r\\\'\"\101\e\2z`)), "A\n\t\r\\'\"A\\e\x02z"; got != want {
		t.Errorf("unescape = %q, want %q", got, want)
	}
}
