package flask

import (
	"encoding/base64"
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestNumber64 compares the reader of timestamps with encoding/base64, whose
// decoder skips newlines and takes leading zeros.
func TestNumber64(t *testing.T) {
	want := func(text string) (uint64, bool) {
		b, err := base64.RawURLEncoding.Strict().DecodeString(text)
		if err != nil || len(b) > 8 || strings.ContainsAny(text, "\r\n") || len(b) > 0 && b[0] == 0 {
			return 0, false
		}
		var n [8]byte
		copy(n[8-len(b):], b)
		return binary.BigEndian.Uint64(n[:]), true
	}
	rng := rand.New(rand.NewPCG(1, 2))
	good := 0
	for range 200000 {
		b := make([]byte, rng.IntN(13))
		for i := range b {
			b[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_AAAQgw+/=\n."[rng.IntN(75)]
		}
		n, ok := want(string(b))
		if ok {
			good++
		}
		if got, gotOK := number64(string(b)); got != n && ok || gotOK != ok {
			t.Fatalf("%q: %d %v, want %d %v", b, got, gotOK, n, ok)
		}
	}
	if good < 1000 {
		t.Errorf("only %d good ones tried", good)
	}
}
