// Package seal encrypts what goes into a cookie. docs/formats.md has the form to
// the byte.
//
// A text is sealed under a key of its own, which HKDF derives from the master
// key, a random salt and the purpose: so no nonces have to be counted, and a text
// that is moved to another cookie or application is noise there. The derivation
// also gives a commitment, so that no text opens under two keys, which AES-GCM by
// itself allows.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"sync"
)

// The form: version, key id, salt, commitment; then, as crypto/cipher joins them,
// nonce, ciphertext and tag.
const (
	version   = 1
	idEnd     = 1 + 4
	saltEnd   = idEnd + 16
	headerEnd = saltEnd + 16

	// Overhead is by how much a sealed text has more bytes than the plain one,
	// before base64.
	Overhead = headerEnd + 12 + 16
)

// What can be wrong with a text.
var (
	ErrForm    = errors.New("not of the form of an encrypted session")
	ErrVersion = errors.New("written by a version that this one does not know")
	ErrChanged = errors.New("changed since it was written, or written for another cookie or application")
)

// An ID is the public name of a key, as it stands in a text.
type ID [4]byte

// A Key seals and opens. It is safe for concurrent use, and prints nothing.
type Key struct {
	id      ID
	derive  func(purpose string) []byte
	scratch sync.Pool // of *scratch
}

// scratch is what one text needs: a MAC with its key set, and room.
type scratch struct {
	mac     hash.Hash
	info    []byte
	derived [2 * sha256.Size]byte // the text's key, and its commitment
	data    []byte
	other   []byte
}

// NewKey derives what seals and opens from a master key whose public name is id,
// eight hexadecimal digits.
func NewKey(id string, master []byte) (*Key, error) {
	digits, err := hex.DecodeString(id)
	if err != nil || len(digits) != len(ID{}) {
		return nil, fmt.Errorf("the key id %q is not eight hexadecimal digits", id)
	}
	prk, err := hkdf.Extract(sha256.New, master, []byte("sojourn encrypted v1"))
	if err != nil {
		return nil, err // FIPS 140 refuses short ones
	}
	k := &Key{id: ID(digits)}
	k.scratch.New = func() any { return &scratch{mac: hmac.New(sha256.New, prk)} }
	k.derive = func(purpose string) []byte {
		key, err := hkdf.Expand(sha256.New, prk, "derive\x00"+purpose, sha256.Size)
		if err != nil {
			panic(err) // only for lengths out of bounds
		}
		return key
	}
	return k, nil
}

// ID is the key's name.
func (k *Key) ID() ID { return k.id }

// Derive returns 32 bytes for a purpose other than sealing.
func (k *Key) Derive(purpose string) []byte { return k.derive(purpose) }

// expand derives the key and the commitment of one text: it is HKDF-Expand (RFC
// 5869), with a MAC that is ready.
func (sc *scratch) expand(salt []byte, purpose, name string) (key, commitment []byte) {
	sc.info = append(append(sc.info[:0], "seal\x00"...), salt...)
	sc.info = append(append(sc.info, purpose...), name...)
	block := sc.derived[:0]
	for i := range byte(2) {
		sc.mac.Reset()
		sc.mac.Write(block)
		sc.mac.Write(append(sc.info, i+1))
		block = sc.mac.Sum(sc.derived[:int(i)*sha256.Size])[int(i)*sha256.Size:]
	}
	return sc.derived[:sha256.Size], sc.derived[sha256.Size : sha256.Size+headerEnd-saltEnd]
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// base64url is read strictly: one text for one value.
var base64url = base64.RawURLEncoding.Strict()

// Seal returns the text of plain, for the cookie of that name and the purpose, and
// no other. Together the two must not mean something else too.
func (k *Key) Seal(plain []byte, purpose, name string) (string, error) {
	sc := k.scratch.Get().(*scratch)
	defer k.scratch.Put(sc)
	header := append(append(sc.data[:0], version), k.id[:]...)
	header = append(header, make([]byte, headerEnd-idEnd)...)
	rand.Read(header[idEnd:saltEnd]) // never fails: crypto/rand ends the program instead
	key, commitment := sc.expand(header[idEnd:saltEnd], purpose, name)
	copy(header[saltEnd:], commitment)
	gcm, err := newGCM(key)
	if err != nil {
		return "", err
	}
	sc.data = gcm.Seal(header, nil, plain, header)
	sc.other = base64url.AppendEncode(sc.other[:0], sc.data)
	return string(sc.other), nil
}

// KeyID returns the name of the key that text says it was sealed with.
func KeyID(text string) (id ID, err error) {
	var head [6]byte // of eight characters
	if len(text) < base64url.EncodedLen(Overhead) {
		return id, ErrForm
	}
	if n, err := base64url.Decode(head[:], []byte(text[:8])); err != nil || n != len(head) {
		return id, ErrForm
	}
	if head[0] != version {
		return id, ErrVersion
	}
	return ID(head[1:idEnd]), nil
}

// Open returns what was sealed with the key, which is the one that text names,
// for the same purpose and cookie.
func (k *Key) Open(text, purpose, name string) (string, error) {
	sc := k.scratch.Get().(*scratch)
	defer k.scratch.Put(sc)
	data, err := base64url.AppendDecode(sc.data[:0], []byte(text))
	sc.data = data
	if err != nil || len(data) < Overhead || base64url.EncodedLen(len(data)) != len(text) { // Go's decoder skips newlines
		return "", ErrForm
	}
	if data[0] != version || ID(data[1:idEnd]) != k.id {
		return "", ErrChanged
	}
	header := data[:headerEnd:headerEnd]
	key, commitment := sc.expand(header[idEnd:saltEnd], purpose, name)
	if subtle.ConstantTimeCompare(commitment, header[saltEnd:]) != 1 {
		return "", ErrChanged
	}
	gcm, err := newGCM(key)
	if err != nil {
		return "", err
	}
	plain, err := gcm.Open(sc.other[:0], nil, data[headerEnd:], header)
	if err != nil {
		return "", ErrChanged
	}
	sc.other = plain
	return string(plain), nil
}
