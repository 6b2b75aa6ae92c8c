package record

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/internal/handle"
	"github.com/sojourn-go/sojourn/internal/tagged"
	"github.com/sojourn-go/sojourn/store"
)

// known is a secret that golden texts are made of.
var known = Secret([]byte("0123456789abcdefghijklmnopqrstuv"))

// TestToken: a token reads back as it was written, and nothing else is one.
func TestToken(t *testing.T) {
	token := Token{handle.New("alice"), NewSecret()}
	text := token.Text()
	if got, ok := ParseToken(text); !ok || got != token {
		t.Fatalf("%q reads as %v, %v", text, got, ok)
	}
	for i := range text {
		for bit := range 8 {
			changed := []byte(text)
			changed[i] ^= 1 << bit
			if got, ok := ParseToken(string(changed)); ok && got.Text() != string(changed) {
				t.Errorf("two spellings of one token: %q and %q", changed, got.Text())
			}
		}
		if _, ok := ParseToken(text[:i]); ok {
			t.Errorf("%q is a token", text[:i])
		}
	}
	last := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", text[len(text)-1])
	loose := text[:len(text)-1] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last|1])
	for _, bad := range []string{"", text + "A", text[:30] + "\n" + text[31:], loose, strings.Replace(text, ".", "-", 1), strings.ToUpper(text[:2]) + "!" + text[3:]} {
		if _, ok := ParseToken(bad); ok && bad != text {
			t.Errorf("%q is a token", bad)
		}
	}
	for _, printed := range []string{fmt.Sprint(token), fmt.Sprintf("%+v %#v %s %x", token, token, token.Secret, token.Secret)} {
		if strings.Contains(printed, text[30:]) || strings.Contains(printed, hex.EncodeToString(token.Secret[:8])) {
			t.Errorf("printed: %s", printed)
		}
	}
}

// TestVerifiers: what secrets are accepted, how long, and what they lead to.
func TestVerifiers(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	first, second, third := NewSecret(), NewSecret(), NewSecret()
	plain, renewed, replaced := NewVerifiers(first), Regenerate(second, first, now.Add(10*time.Second)), SignIn(third, first, now.Add(10*time.Second))
	for _, test := range []struct {
		name   string
		v      Verifiers
		secret Secret
		after  time.Duration
		want   Match
		next   Secret // by Next
		heir   Secret // by Successor
	}{
		{"plain", plain, first, 0, Current, Secret{}, Secret{}},
		{"another's", plain, second, 0, Wrong, Secret{}, Secret{}},
		{"regenerated", renewed, second, 0, Current, Secret{}, Secret{}},
		{"within the grace", renewed, first, 9999 * time.Millisecond, Previous, second, Secret{}},
		{"after the grace", renewed, first, 10 * time.Second, Wrong, second, Secret{}},
		{"neither", renewed, third, 0, Wrong, Secret{}, Secret{}},
		{"signed in", replaced, third, 0, Current, Secret{}, Secret{}},
		{"of before the sign-in", replaced, first, 0, Wrong, Secret{}, third},
		{"later", replaced, first, 10 * time.Second, Wrong, Secret{}, Secret{}},
	} {
		v, err := ParseVerifiers(test.v.Encode())
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		at := now.Add(test.after)
		if got := v.Check(test.secret, at); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
		if next, ok := v.Next(test.secret); next != test.next || ok != (test.next != Secret{}) {
			t.Errorf("%s: Next is wrong", test.name)
		}
		if heir, ok := v.Successor(test.secret, at); heir != test.heir || ok != (test.heir != Secret{}) {
			t.Errorf("%s: Successor is wrong", test.name)
		}
		for _, secret := range []Secret{first, second, third} {
			if strings.Contains(test.v.Encode(), string(secret[:])) {
				t.Errorf("%s: holds a secret", test.name)
			}
		}
	}
}

// TestState: fields and versions come back; 16 versions are kept.
func TestState(t *testing.T) {
	fields := []tagged.Field{{Name: "a", Raw: `{" b":"AA=="}`}, {Name: "é", Raw: `[1,"x"]`}}
	before := State{Extension: "of later\x00versions"}
	for v := store.Version(1); v <= 40; v++ {
		next := before.Next(fields, v)
		text, err := next.Encode()
		if err != nil {
			t.Fatal(err)
		}
		s, err := ParseState(text, nil)
		if err != nil || !slices.Equal(s.Fields, fields) || s.Extension != before.Extension || s.Versions[0] != v || len(s.Versions) != min(int(v), 16) {
			t.Fatalf("%v, %v", s, err)
		}
		if s.Wrote(v) != true || s.Wrote(v+1) || s.Wrote(v-15) != (v > 15) || s.Wrote(v-16) {
			t.Errorf("version %d knows %v", v, s.Versions)
		}
		before = s
	}
	for _, bad := range []string{"", "1", "1\x00", "2\x00\x00{}", "1\x00\x11" + strings.Repeat("x", 136) + "{}", "1\x00\x02xxxxxxxx{}", "1\x00\x00", "1\x00\x00{", "1\x03ab", "1\xff{}"} {
		if _, err := ParseState(bad, nil); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// TestGolden: what version 1 wrote, every later version reads (DESIGN 7).
func TestGolden(t *testing.T) {
	const file = "testdata/version1.txt"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	golden := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		raw, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			t.Fatal(err)
		}
		golden[name] = string(raw)
	}
	if len(golden) != 5 {
		t.Fatalf("%d texts", len(golden))
	}
	if token, ok := ParseToken(golden["token"]); !ok || token.Secret != known || token.Handle != "a0AAECAwQFBgcICQoLDA0ODw" {
		t.Errorf("token: %v %v", token, ok)
	}
	now := time.UnixMilli(1_700_000_000_000)
	for name, want := range map[string]Match{"plain": Current, "regenerated": Previous, "signed-in": Wrong} {
		v, err := ParseVerifiers(golden[name])
		if err != nil || v.Check(known, now) != want {
			t.Errorf("%s: %v, %v", name, v.Check(known, now), err)
		}
		if next, ok := v.Next(known); name == "regenerated" && (!ok || next != known.Derive()) {
			t.Errorf("%s: does not lead to the next", name)
		}
		if next, ok := v.Successor(known, now); name == "signed-in" && (!ok || next != known.Derive()) {
			t.Errorf("%s: does not lead to the successor", name)
		}
	}
	s, err := ParseState(golden["state"], nil)
	if err != nil || fmt.Sprint(s) != `{[3 2 1] [{a "é"} {b {" t":[1,2]}}] }` {
		t.Errorf("state: %v, %v", s, err)
	}
}

// FuzzParse: nothing that a store returns makes reading panic.
func FuzzParse(f *testing.F) {
	f.Add(Token{"a0AAECAwQFBgcICQoLDA0ODw", known}.Text())
	plain, renewed := NewVerifiers(known), Regenerate(known.Derive(), known, time.UnixMilli(1))
	f.Add(plain.Encode())
	f.Add(renewed.Encode())
	state := State{Versions: []store.Version{7}, Fields: []tagged.Field{{Name: "a", Raw: "1"}}, Extension: "x"}
	text, _ := state.Encode()
	f.Add(text)
	f.Fuzz(func(t *testing.T, text string) {
		if token, ok := ParseToken(text); ok && token.Text() != text {
			t.Errorf("%q has another spelling", text)
		}
		if v, err := ParseVerifiers(text); err == nil && v.Encode() != text {
			t.Errorf("%q is encoded as %q", text, v.Encode())
		}
		ParseState(text, nil)
	})
}
