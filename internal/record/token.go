// Package record is what sessions put into the opaque parts of a store's
// record: the token's verifiers and the envelope around the fields.
// docs/formats.md has both to the byte.
package record

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/sojourn-go/sojourn/internal/handle"
	"github.com/sojourn-go/sojourn/store"
)

// A Secret is the secret half of a token. However it is printed, it shows
// nothing.
type Secret [32]byte

// NewSecret returns a random secret.
func NewSecret() (s Secret) {
	rand.Read(s[:]) // never fails: crypto/rand ends the program instead
	return s
}

// DeriveSecret returns the secret of the token that a session of a cookie gets
// when it moves into a store. It comes from the handle, which does not change when
// the cookie is written anew, and from a key.
func DeriveSecret(key []byte, handle string) Secret {
	mac := hmac.New(sha256.New, key)
	io.WriteString(mac, "sojourn moved token v1\x00"+handle)
	return Secret(mac.Sum(nil))
}

// Derive returns the secret that stands for s when its session moves to
// another store: the same one wherever it is computed.
func (s Secret) Derive() Secret { return Secret(s.expand("sojourn moved token v1", 32)) }

// MoveMark is the mark with which whoever moves the session of s into another
// store ends it where it was.
func (s Secret) MoveMark() store.Version {
	return store.Version(binary.BigEndian.Uint64(s.expand("sojourn move mark v1", 8)) | 1)
}

func (s Secret) expand(purpose string, length int) []byte {
	key, err := hkdf.Key(sha256.New, s[:], nil, purpose, length)
	if err != nil {
		panic(err) // only for lengths out of bounds
	}
	return key
}

// MarshalText returns what Format writes.
func (s Secret) MarshalText() ([]byte, error) { return []byte("record.Secret(…)"), nil }

// Format writes no more than what it is.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, "record.Secret(…)") }

// A Token is what the cookie of a stored session holds.
type Token struct {
	Handle string
	Secret Secret
}

const (
	handleLen = 24
	secretLen = 43
	tokenLen  = handleLen + len(".") + secretLen
)

// base64url is read strictly: one text for one value.
var base64url = base64.RawURLEncoding.Strict()

// Text is the token as it stands in the cookie.
func (t Token) Text() string {
	b := make([]byte, 0, tokenLen)
	b = append(append(b, t.Handle...), '.')
	return string(base64url.AppendEncode(b, t.Secret[:]))
}

// ParseToken reads a token; ok is false for what cannot be one.
func ParseToken(text string) (t Token, ok bool) {
	if len(text) != tokenLen || text[handleLen] != '.' || !handle.Valid(text[:handleLen]) || strings.ContainsAny(text, "\r\n") {
		return Token{}, false
	}
	n, err := base64url.Decode(t.Secret[:], []byte(text[handleLen+1:]))
	t.Handle = text[:handleLen]
	return t, err == nil && n == len(t.Secret)
}

// Format writes no more than what it is.
func (t Token) Format(f fmt.State, _ rune) { io.WriteString(f, "record.Token("+t.Handle+")") }
