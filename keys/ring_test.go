package keys

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// Strong keys for tests.
const (
	strongA = "4f1c0e6b9a7d82355be0c4f79d1a6e83"
	strongB = "c81e7f2a6d3b905414af8e2b7c6d09f5"
	strongC = "Zm9-vQ2xKc_7RtY0hWnB4uLsEaPd8GjX"
)

func mustNew(t *testing.T, secrets ...string) *Ring {
	t.Helper()
	var list [][]byte
	for _, s := range secrets {
		list = append(list, []byte(s))
	}
	ring, err := New(list)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func TestRingWithoutKeys(t *testing.T) {
	for name, r := range map[string]*Ring{"nil": nil, "zero": {}} {
		if len(r.All()) != 0 {
			t.Errorf("%s ring: %d keys", name, len(r.All()))
		}
		for range r.All() {
			t.Errorf("%s ring: All yields a key", name)
		}
		if got := fmt.Sprint(r); got != "keys.Ring()" {
			t.Errorf("%s ring prints as %s", name, got)
		}
		if r.Active() != (Key{}) || r.Info() != nil || len(NewDerived(r, Key.ID).Entries()) != 0 {
			t.Errorf("%s ring has a key", name)
		}
		if err := r.Reload(t.Context()); err != nil {
			t.Errorf("%s ring: Reload: %v", name, err)
		}
	}
	var k Key
	if k.ID() != "" || k.Bytes() != nil || k.String() != "keys.Key(none)" {
		t.Errorf("zero key: %q %q %s", k.ID(), k.Bytes(), k)
	}
}

func TestRingOrder(t *testing.T) {
	r := mustNew(t, strongA, strongB, strongC)
	want := []string{strongA, strongB, strongC}
	if len(r.All()) != len(want) {
		t.Fatalf("%d keys", len(r.All()))
	}
	for i, k := range r.All() {
		if string(k.Bytes()) != want[i] || k != r.All()[i] {
			t.Errorf("key %d is not the one given", i)
		}
	}
	if all := r.All(); all[0] != r.Active() {
		t.Error("the first key is not active")
	}
	r.All()[0] = Key{}
	if r.Active() == (Key{}) {
		t.Error("a caller can change a ring by the slice of All")
	}
}

func TestRingIsImmutable(t *testing.T) {
	given := []byte(strongA)
	r, err := New([][]byte{given})
	if err != nil {
		t.Fatal(err)
	}
	clear(given)
	clear(r.Active().Bytes())
	if string(r.Active().Bytes()) != strongA {
		t.Error("a caller can change the key of a ring")
	}
}

func TestRingConcurrent(t *testing.T) {
	r := mustNew(t, strongA, strongB)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for _, k := range r.All() {
				clear(k.Bytes())
				_ = k.ID() + fmt.Sprint(r)
			}
		})
	}
	wg.Wait()
}

func TestIDIsOfTheKeyAlone(t *testing.T) {
	a := mustNew(t, strongA, strongB)
	b := mustNew(t, strongB, strongA)
	if a.Active().ID() != b.All()[1].ID() || a.All()[1].ID() != b.Active().ID() {
		t.Error("the id depends on the position")
	}
	if a.Active().ID() == a.All()[1].ID() {
		t.Error("different keys, same id")
	}
	// Stored values name the key by id, so the derivation can never change.
	if got, want := a.Active().ID(), "cba4abc2"; got != want {
		t.Errorf("ID = %s, want %s", got, want)
	}
	plain := fmt.Sprintf("%x", sha256.Sum256([]byte(strongA)))
	if strings.HasPrefix(plain, a.Active().ID()) {
		t.Error("the id is a plain hash of the key: not separated from other uses")
	}
}

func TestNewRefuses(t *testing.T) {
	tests := []struct {
		name    string
		secrets []string
		want    []string
	}{
		{"none", nil, []string{"keys: no key given", "sojourn key new", "openssl rand -hex 32"}},
		{"empty", []string{""}, []string{"keys: key 1: the key is empty", "sojourn key new"}},
		{"short", []string{"q7Zp2"}, []string{"key 1: the key has only 5 of at least 16 bytes", "sojourn key new", "InsecureAllowWeak"}},
		{"known", []string{strongA, "you-will-never-guess"}, []string{"key 2: the key is publicly known", "InsecureAllowWeak"}},
		{"pattern", []string{"xyxyxyxyxyxyxyxyxyxy"}, []string{"key 1: the key is a block of 2 bytes repeated"}},
		{"two reasons", []string{"dev"}, []string{"only 3 of at least 16 bytes, and the key is publicly known"}},
		{"same", []string{strongA, strongB, strongA}, []string{"key 3: the key is the same as key 1"}},
		{"all at once", []string{"q7Zp2", "", strongA, strongA}, []string{"key 1: ", "key 2: ", "key 4: "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var list [][]byte
			for _, s := range tt.secrets {
				list = append(list, []byte(s))
			}
			ring, err := New(list)
			if ring != nil || err == nil {
				t.Fatalf("New = %v, %v; want no ring and an error", ring, err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error lacks %q:\n%v", want, err)
				}
			}
			for line := range strings.Lines(err.Error()) {
				if !strings.HasPrefix(line, "keys: ") || strings.Count(line, "keys: ") != 1 {
					t.Errorf("not one prefix a complaint: %q", line)
				}
			}
			for _, s := range tt.secrets {
				if len(s) > 4 && strings.Contains(err.Error(), s) {
					t.Errorf("error holds a key:\n%v", err)
				}
			}
		})
	}
}

func TestNamed(t *testing.T) {
	_, err := New([][]byte{[]byte(strongA), []byte("short"), []byte("short")},
		Named("SECRET_KEY", "SECRET_KEY_FALLBACKS, line 1"))
	for _, want := range []string{"keys: SECRET_KEY_FALLBACKS, line 1: the key has only", "keys: key 3: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q: %v", want, err)
		}
	}
}

func TestInsecureAllowWeak(t *testing.T) {
	r, err := New([][]byte{[]byte("dev"), []byte("aaaaaaaaaaaaaaaaaaaa"), []byte("x")}, InsecureAllowWeak(), nil)
	if err != nil || len(r.All()) != 3 {
		t.Fatalf("weak keys are refused in spite of the option: %v", err)
	}
	if _, err := New([][]byte{{}}, InsecureAllowWeak()); err == nil {
		t.Error("an empty key is accepted")
	}
	if _, err := New([][]byte{[]byte("dev"), []byte("dev")}, InsecureAllowWeak()); err == nil {
		t.Error("two equal keys are accepted")
	}
}

// TestSameID finds two keys with one id. A reader that picks a key by its id
// could not tell them apart, so they cannot be in one ring.
func TestSameID(t *testing.T) {
	byID := map[string][]byte{}
	for i := 0; ; i++ {
		sum := sha256.Sum256(fmt.Append(nil, "same id ", i))
		secret := sum[:]
		id := newKey(secret).ID()
		if other, ok := byID[id]; ok {
			_, err := New([][]byte{other, secret})
			if err == nil || !strings.Contains(err.Error(), "key 2: the key is not the same as key 1 but has the same id") {
				t.Errorf("error = %v", err)
			}
			return
		}
		byID[id] = bytes.Clone(secret)
	}
}
