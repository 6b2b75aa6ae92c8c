package sojourn

import (
	"encoding/base64"
	"errors"
	"testing"

	"github.com/sojourn-go/sojourn/keys"
)

// TestEncryptedUnusable: a key that nothing can be derived from writes nothing and
// reads nothing, whatever id a text names. No ring holds such a key today.
func TestEncryptedUnusable(t *testing.T) {
	ring, err := keys.New([][]byte{[]byte("4a7933030149743868b478b9d23f956b01be010f257341083c515d19691699c2")})
	if err != nil {
		t.Fatal(err)
	}
	unusable := errors.New("unusable")
	c := &encrypted{keys: keys.NewDerived(ring, func(keys.Key) sealing { return sealing{err: unusable} })}
	rec := &Snapshot{Handle: "a3AAECAwQFBgcICQoLDA0ODw"}
	if text, err := c.Encode(rec, Use{}); !errors.Is(err, unusable) || text != "" {
		t.Errorf("written: %q, %v", text, err)
	}
	ofNoKey := make([]byte, 100)
	ofNoKey[0] = 1
	if _, err := c.Decode(base64.RawURLEncoding.EncodeToString(ofNoKey), Use{}); ReasonOf(err) != ReasonKey {
		t.Errorf("read: %v", err)
	}
	if secrets := secretsOf(c.keys.Entries(), rec.Handle); secrets != nil {
		t.Errorf("%d secrets", len(secrets))
	}
}
