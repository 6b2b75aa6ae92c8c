// Package handle makes the public names of sessions.
//
// A handle is two hexadecimal digits, the bucket, and 128 random or derived
// bits in URL-safe base64: 24 characters. The bucket is taken from the owner
// (random for the anonymous), so that a store which spreads its records over
// machines can keep one owner's records together and find them by the handle
// alone.
package handle

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
)

// New returns a fresh handle for a session of owner, "" for nobody.
func New(owner string) string {
	var random [16]byte
	rand.Read(random[:]) // never fails: crypto/rand ends the program instead
	return Derive(owner, random)
}

// Derive returns the handle that seed stands for: the same one for the same
// seed and owner, wherever it is computed.
func Derive(owner string, seed [16]byte) string {
	bucket := seed[0]
	if owner != "" {
		bucket = bucketOf(owner)
	}
	text := hex.AppendEncode(make([]byte, 0, 24), []byte{bucket})
	return string(base64.RawURLEncoding.AppendEncode(text, seed[:]))
}

// Seed returns the 16 bytes in a handle; ok is false for what is no handle.
func Seed(handle string) (seed [16]byte, ok bool) {
	if !Valid(handle) {
		return seed, false
	}
	n, err := base64.RawURLEncoding.Decode(seed[:], []byte(handle[2:]))
	return seed, err == nil && n == len(seed)
}

// Next returns the handle that a session in a cookie gets in place of its own,
// when the one before is to be worth nothing. It follows from that, so that what
// was said of the one before can be found to concern it.
func Next(handle string) string {
	sum := sha256.Sum256([]byte("sojourn next handle v1\x00" + handle))
	return handle[:min(2, len(handle))] + Derive("", [16]byte(sum[:16]))[2:]
}

// Bucket returns the digits with which the handles of owner's sessions begin.
// owner is not "".
func Bucket(owner string) string { return hex.EncodeToString([]byte{bucketOf(owner)}) }

func bucketOf(owner string) byte { return sha256.Sum256([]byte("sojourn bucket\x00" + owner))[0] }

// Valid reports whether text has the form of a handle.
func Valid(text string) bool {
	if len(text) != 24 {
		return false
	}
	for i := range len(text) {
		if !base64Digit[text[i]] {
			return false
		}
	}
	return hexDigit(text[0]) && hexDigit(text[1])
}

func hexDigit(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' }

var base64Digit = func() (table [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
		table[c] = true
	}
	return table
}()
