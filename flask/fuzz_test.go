package flask_test

import (
	"testing"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
	"github.com/sojourn-go/sojourn/keys"
)

// FuzzVerify gives the decoder cookies. Whatever they are, it says yes or a
// reason, and what it accepts strictly it accepts leniently, with the same
// content. Every input is tried as it is and, as a payload, rightly signed.
func FuzzVerify(f *testing.F) {
	all := vectors(f)
	key := []byte("http-vectors-key")
	ring, err := keys.New([][]byte{key}, keys.InsecureAllowWeak())
	if err != nil {
		f.Fatal(err)
	}
	strict, err1 := flask.NewSigner(ring)
	lenient, err2 := flask.NewSigner(ring, flask.Lenient())
	if err1 != nil || err2 != nil {
		f.Fatal(err1, err2)
	}
	for _, v := range all {
		if len(v.Cookie) < 4096 {
			f.Add(v.Cookie)
		}
	}
	f.Add("eyJhIjoxfQ.ZVPwnA.O1mykZhtZKmK0xp47IaSvPaHaMQ") // rightly signed
	now := time.Unix(1700000060, 0)
	f.Fuzz(func(t *testing.T, text string) {
		for _, cookie := range []string{text, flask.SignRaw(strict, text, time.Unix(1700000000, 0))} {
			v, err := strict.Verify(cookie, now, time.Hour)
			if err != nil {
				if sojourn.ReasonOf(err) == "" {
					t.Fatalf("%v", err)
				}
				lenient.Verify(cookie, now, time.Hour)
				continue
			}
			w, err := lenient.Verify(cookie, now, time.Hour)
			if err != nil || v.Payload != w.Payload || !v.IssuedAt.Equal(w.IssuedAt) {
				t.Fatalf("lenient: %v", err)
			}
			content, err := flask.Decode(v.Payload)
			if err != nil {
				t.Fatalf("verified, but %v", err)
			}
			again, err := flask.Encode(content)
			if err != nil {
				continue // deeper than may be written
			}
			second, err := flask.Decode(again)
			if err != nil || !same(second, content) {
				t.Fatalf("%s has become %s, %v", v.Payload, again, err)
			}
		}
	})
}
