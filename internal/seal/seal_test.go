package seal

import (
	"bytes"
	"crypto/fips140"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

const purpose, cookieName = "session\x00\x00", "__Host-Http-session"

func newKey(t testing.TB, id, master string) *Key {
	t.Helper()
	k, err := NewKey(id, []byte(master))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

const (
	masterA = "0d1ec2a0c9b34c80d5f3a5d1c7c4e6f9"
	masterB = "b81f0f4f9c1c4f9fb5e2d2c71e0f3a9c"
)

// TestRoundTrip: what is sealed comes back, for the same purpose and cookie and
// under the same key, and for nothing else.
func TestRoundTrip(t *testing.T) {
	a, b := newKey(t, "0a0b0c0d", masterA), newKey(t, "0a0b0c0d", masterB)
	other := newKey(t, "0a0b0c0e", masterA)
	seen := map[string]bool{}
	for size := range 300 {
		plain := strings.Repeat("p", size)
		text, err := a.Seal([]byte(plain), purpose, cookieName)
		if err != nil || len(text) != base64.RawURLEncoding.EncodedLen(size+Overhead) {
			t.Fatalf("%d: %d characters, %v", size, len(text), err)
		}
		if seen[text[:40]] {
			t.Fatal("a salt came twice")
		}
		seen[text[:40]] = true
		if id, err := KeyID(text); err != nil || id != a.ID() || id != (ID{10, 11, 12, 13}) {
			t.Fatalf("key %x, %v", id, err)
		}
		if got, err := a.Open(text, purpose, cookieName); err != nil || got != plain {
			t.Fatalf("%d: %q, %v", size, got, err)
		}
		for i, open := range []func() (string, error){
			func() (string, error) { return a.Open(text, purpose, "session") },
			func() (string, error) { return a.Open(text, purpose, "") },
			func() (string, error) { return a.Open(text, "session\x00shop\x00", cookieName) },
			func() (string, error) { return b.Open(text, purpose, cookieName) },
			func() (string, error) { return other.Open(text, purpose, cookieName) },
		} {
			if got, err := open(); !errors.Is(err, ErrChanged) || got != "" {
				t.Fatalf("%d, way %d: %q, %v", size, i, got, err)
			}
		}
	}
}

// TestHeader: each part of the header is looked at by itself.
func TestHeader(t *testing.T) {
	k := newKey(t, "0a0b0c0d", masterA)
	text, err := k.Seal([]byte("plain"), purpose, cookieName)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := base64url.DecodeString(text)
	with := func(change func(b []byte) []byte) string { return base64url.EncodeToString(change(bytes.Clone(raw))) }
	version2 := with(func(b []byte) []byte { b[0] = 2; return b })
	if _, err := KeyID(version2); !errors.Is(err, ErrVersion) {
		t.Errorf("version 2: %v", err)
	}
	if _, err := k.Open(version2, purpose, cookieName); !errors.Is(err, ErrChanged) {
		t.Errorf("version 2: %v", err)
	}
	header := bytes.Clone(raw[:headerEnd])
	header[0] = 2
	sc := k.scratch.Get().(*scratch)
	key, _ := sc.expand(header[idEnd:saltEnd], purpose, cookieName)
	gcm, err := newGCM(key)
	if err != nil {
		t.Fatal(err)
	}
	written := base64url.EncodeToString(gcm.Seal(header, nil, []byte("plain"), header))
	if _, err := k.Open(written, purpose, cookieName); !errors.Is(err, ErrChanged) {
		t.Errorf("written as version 2: %v", err)
	}
	for _, bad := range []string{
		"", "A", text[:8], text[:base64url.EncodedLen(Overhead)-1], "!" + text[1:], text[:7] + "\n" + text[8:], text[:6] + "\n\n" + text[6:], "\n" + text, text[:86],
	} {
		if id, err := KeyID(bad); err == nil || id != (ID{}) {
			t.Errorf("%q: key %x", bad, id)
		}
	}
	for _, bad := range []string{
		"", text + "=", text + "\n", "\r\n" + text, text[:60] + "\n" + text[60:], strings.Repeat("\n", 200), text[:20], text[:86], " " + text, text + "!",
		base64.StdEncoding.EncodeToString(raw), base64.URLEncoding.EncodeToString(append(raw, 0)),
	} {
		if _, err := k.Open(bad, purpose, cookieName); !errors.Is(err, ErrForm) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestNewKey: an id is eight hexadecimal digits.
func TestNewKey(t *testing.T) {
	for _, id := range []string{"", "0a", "0a0b0c0", "0a0b0c0d0e", "0a0b0c0g", "zzzzzzzz"} {
		if k, err := NewKey(id, []byte(masterA)); err == nil || k != nil {
			t.Errorf("id %q: %v", id, err)
		}
	}
}

// TestExpand: it is HKDF, so that others can do the same, and no two purposes of
// a key share what is derived.
func TestExpand(t *testing.T) {
	k := newKey(t, "0a0b0c0d", masterA)
	prk, err := hkdf.Extract(sha256.New, []byte(masterA), []byte("sojourn encrypted v1"))
	if err != nil {
		t.Fatal(err)
	}
	sc := k.scratch.Get().(*scratch)
	for i := range 3 { // a scratch is used again
		salt := bytes.Repeat([]byte{byte(i)}, 16)
		key, commitment := sc.expand(salt, purpose, cookieName)
		want, err := hkdf.Expand(sha256.New, prk, "seal\x00"+string(salt)+purpose+cookieName, 48)
		if err != nil || !bytes.Equal(append(bytes.Clone(key), commitment...), want) {
			t.Errorf("%x %x, want %x, %v", key, commitment, want, err)
		}
		moved, err := hkdf.Expand(sha256.New, prk, "derive\x00moved token", 32)
		if got := k.Derive("moved token"); err != nil || !bytes.Equal(got, moved) || bytes.Equal(got, key) {
			t.Errorf("%x, want %x, %v", got, moved, err)
		}
	}
	if got := k.Derive(string(make([]byte, 16)) + purpose + cookieName); bytes.Equal(got, sc.derived[:32]) {
		t.Error("Derive gives the key of a text")
	}
}

// TestTogether: a Key is for many at once.
func TestTogether(t *testing.T) {
	k := newKey(t, "0a0b0c0d", masterA)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			plain := strings.Repeat(fmt.Sprint(i), 50*i)
			for range 200 {
				text, err := k.Seal([]byte(plain), purpose, cookieName)
				if err != nil {
					t.Error(err)
				}
				if got, err := k.Open(text, purpose, cookieName); err != nil || got != plain {
					t.Errorf("%q, %v", got, err)
				}
			}
		})
	}
	all.Wait()
}

// TestPrinted: a key prints nothing of itself.
func TestPrinted(t *testing.T) {
	k := newKey(t, "0a0b0c0d", masterA)
	k.Seal(nil, purpose, cookieName) // so that the pool has something
	secrets := []string{masterA, fmt.Sprint([]byte(masterA))[1:40], fmt.Sprintf("%x", masterA)}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		text := fmt.Sprintf(format, k)
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows the key", format)
			}
		}
	}
}

// TestFIPS runs what is here in FIPS 140-only mode, in a process of its own: the
// mode is chosen at the start.
func TestFIPS(t *testing.T) {
	if fips140.Enforced() {
		if _, err := NewKey("0a0b0c0d", []byte("short")); err == nil {
			t.Error("a key of five bytes was taken")
		}
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^(TestFIPS|TestRoundTrip|TestHeader|TestNewKey|TestExpand|TestTogether)$", "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only")
	out, err := cmd.CombinedOutput()
	if passed := strings.Count(string(out), "--- PASS: "); err != nil || passed != 6 {
		t.Errorf("%d tests passed, %v\n%s", passed, err, out)
	}
}
