package flask_test

import (
	"crypto"
	"crypto/fips140"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
	"github.com/sojourn-go/sojourn/keys"
)

// TestFIPS runs itself in FIPS 140-only mode, where SHA-1 and short keys would
// panic, in a process of its own: the mode is chosen at the start.
func TestFIPS(t *testing.T) {
	if fips140.Enforced() {
		inFIPS(t)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestFIPS$", "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestFIPS") {
		t.Errorf("%v\n%s", err, out)
	}
}

func inFIPS(t *testing.T) {
	shelf, ring := shelfRing(t, "active "+keyA, "read-only "+keyB)
	for _, opts := range [][]flask.Option{nil, {flask.Digest(crypto.SHA1)}} {
		_, err := flask.NewSigner(ring, opts...)
		_, err2 := sojourn.New(sojourn.Config{Keep: flask.Signed(ring, opts...)})
		for _, err := range []error{err, err2} {
			if err == nil || !strings.Contains(err.Error(), "flask.Digest(crypto.SHA256) here, and in Flask") {
				t.Errorf("SHA-1: %v", err)
			}
		}
	}
	for _, digest := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		for _, d := range []flask.Derivation{flask.DeriveHMAC, flask.DeriveConcat, flask.DeriveDjangoConcat, flask.DeriveNone} {
			s, err := flask.NewSigner(ring, flask.Digest(digest), flask.KeyDerivation(d))
			if err != nil {
				t.Fatal(err)
			}
			at := time.Unix(1700000000, 0)
			cookie, err := s.Sign(`{"a":1}`, at)
			if err != nil {
				t.Fatal(err)
			}
			if v, err := s.Verify(cookie, at, 0); err != nil || v.Payload != `{"a":1}` {
				t.Error(err)
			}
		}
	}
	codec := flask.CodecOf(ring, flask.Digest(crypto.SHA256))
	now := time.Unix(1700000000, 0)
	use := sojourn.Use{Cookie: "session", Now: now, Moving: true}
	cookie, err := codec.Encode(&sojourn.Snapshot{Handle: "a3AAAAAAAAAAAAAAAAAAAAAA", Owner: "7", Created: now, LastSeen: now}, use)
	if err != nil {
		t.Fatal(err)
	}
	if d, err := codec.Decode(cookie, use); err != nil || d.Owner != "7" || len(d.Secrets) != 2 {
		t.Errorf("%+v, %v", d, err)
	}
	// HMAC would panic with a key of less than 14 bytes; package keys lets none
	// into a ring, at a reload neither.
	if _, err := keys.New([][]byte{[]byte(keyA[:13])}, keys.InsecureAllowWeak()); err == nil || !strings.Contains(err.Error(), "FIPS 140-only mode") {
		t.Errorf("a short key: %v", err)
	}
	shelf.put("active "+keyA, "retired dev")
	if err := ring.Reload(t.Context()); err == nil {
		t.Error("a reload lets a short key in")
	}
	if _, err := codec.Decode(cookie, use); err != nil {
		t.Error(err)
	}
}
