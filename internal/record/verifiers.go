package record

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"time"
)

// Verifiers are what tokens of one record are checked against: a hash of the
// current secret and, for a short grace after it was regenerated, of the one
// before.
type Verifiers struct {
	current  [32]byte
	previous [32]byte  // as long as kind is regenerated
	kind     byte      // what sealed is for
	until    time.Time // how long it is
	sealed   string    // the current secret, readable by who has another one
}

const (
	verifiersVersion = '1'
	sealedLen        = 12 + 32 + 16 // nonce, secret, tag

	plain       = 0 // nothing is sealed
	regenerated = 1 // for the secret before, which is accepted too
	signedIn    = 2 // for the secret of the record before, which is not
)

// NewVerifiers returns the verifiers of a token with this secret alone.
func NewVerifiers(secret Secret) Verifiers { return Verifiers{current: sha256.Sum256(secret[:])} }

// Regenerate returns the verifiers of next. Until then previous is accepted
// too, and leads to next.
func Regenerate(next, previous Secret, until time.Time) Verifiers {
	v := NewVerifiers(next)
	v.kind, v.previous, v.until = regenerated, sha256.Sum256(previous[:]), until
	v.sealed = string(sealer(previous, regenerated).Seal(nil, nil, next[:], nil))
	return v
}

// SignIn returns the verifiers of next, a record that took the place of one
// with the secret previous. That is accepted no more; but until then it shows
// the way to who signs in the same owner once more, as a double click does.
func SignIn(next, previous Secret, until time.Time) Verifiers {
	v := NewVerifiers(next)
	v.kind, v.until = signedIn, until
	v.sealed = string(sealer(previous, signedIn).Seal(nil, nil, next[:], nil))
	return v
}

// sealer encrypts under a key that only this secret yields.
func sealer(secret Secret, kind byte) cipher.AEAD {
	purpose := "sojourn grace v1"
	if kind == signedIn {
		purpose = "sojourn sign-in v1"
	}
	block, err := aes.NewCipher(secret.expand(purpose, 32))
	if err != nil {
		panic(err) // only for keys of another length
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // only for blocks of another length
	}
	return aead
}

// Match is what Check found a secret to be.
type Match uint8

// What a secret can be.
const (
	Wrong Match = iota
	Current
	Previous // the one before, within the grace
)

// Check compares secret in constant time.
func (v *Verifiers) Check(secret Secret, now time.Time) Match {
	sum := sha256.Sum256(secret[:])
	if subtle.ConstantTimeCompare(sum[:], v.current[:]) == 1 {
		return Current
	}
	if v.kind == regenerated && now.Before(v.until) && subtle.ConstantTimeCompare(sum[:], v.previous[:]) == 1 {
		return Previous
	}
	return Wrong
}

// Next returns the current secret to who has the previous one.
func (v *Verifiers) Next(previous Secret) (next Secret, ok bool) {
	return v.open(previous, regenerated)
}

// Successor returns the current secret to who has that of the record which
// this one took the place of, for as long as SignIn said.
func (v *Verifiers) Successor(previous Secret, now time.Time) (next Secret, ok bool) {
	if !now.Before(v.until) {
		return Secret{}, false
	}
	return v.open(previous, signedIn)
}

func (v *Verifiers) open(previous Secret, kind byte) (next Secret, ok bool) {
	if v.kind != kind {
		return Secret{}, false
	}
	secret, err := sealer(previous, kind).Open(nil, nil, []byte(v.sealed), nil)
	if err != nil || len(secret) != len(next) {
		return Secret{}, false
	}
	return Secret(secret), true
}

// Encode returns v as it is stored.
func (v *Verifiers) Encode() string {
	b := append(make([]byte, 0, 2+32+32+8+sealedLen), verifiersVersion, v.kind)
	b = append(b, v.current[:]...)
	if v.kind == plain {
		return string(b)
	}
	if v.kind == regenerated {
		b = append(b, v.previous[:]...)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(v.until.UnixMilli()))
	return string(append(b, v.sealed...))
}

var errVerifiers = errors.New("verifiers of a form that this version does not know")

// ParseVerifiers reads what Encode wrote.
func ParseVerifiers(text string) (v Verifiers, err error) {
	if len(text) < 2+32 || text[0] != verifiersVersion {
		return Verifiers{}, errVerifiers
	}
	v.kind = text[1]
	copy(v.current[:], text[2:])
	rest := text[2+32:]
	if v.kind == regenerated && len(rest) > 32 {
		copy(v.previous[:], rest)
		rest = rest[32:]
	}
	switch {
	case v.kind == plain && rest == "":
	case (v.kind == regenerated || v.kind == signedIn) && len(rest) == 8+sealedLen:
		v.until = time.UnixMilli(int64(binary.BigEndian.Uint64([]byte(rest[:8]))))
		v.sealed = rest[8:]
	default:
		return Verifiers{}, errVerifiers
	}
	return v, nil
}
