package keys

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"
)

// A Key is one secret of a [Ring]. However it is printed, logged or encoded,
// it shows its id and nothing else. The zero Key is no key.
//
// Copies of a Key are one key, and equal: they share its count of reads, also
// over [Ring.Reload].
type Key struct {
	m *material
}

// material hides the secret twice. It is behind a pointer because fmt does not
// ask the methods of a Key in an unexported field, but does not follow a
// pointer there either. It is in a closure because other printers do follow
// pointers, and none can look into a function.
type material struct {
	id       string
	secret   func() []byte
	reads    atomic.Uint64
	lastRead atomic.Int64 // in seconds since 1970
}

func newKey(secret []byte) Key {
	own := bytes.Clone(secret)
	h := sha256.New()
	io.WriteString(h, "sojourn key id v1\x00")
	h.Write(own)
	return Key{&material{
		id:     hex.EncodeToString(h.Sum(nil)[:4]),
		secret: func() []byte { return own },
	}}
}

// ID returns the key's public name: 8 hex digits of a hash of the key. It
// depends on nothing but the key, so it is the same in every process and at
// every position. The zero Key has no id: "".
func (k Key) ID() string {
	if k.m == nil {
		return ""
	}
	return k.m.id
}

// Bytes returns a copy of the secret, nil for the zero Key. It is for code
// that derives from it, as a codec does: never print, log or store it.
func (k Key) Bytes() []byte {
	if k.m == nil {
		return nil
	}
	return bytes.Clone(k.m.secret())
}

// has reports whether the key is this secret.
func (k Key) has(secret []byte) bool { return bytes.Equal(k.m.secret(), secret) }

// CountRead notes that a cookie which was written with this key was accepted
// at the given time, for [Ring.Info]. A form calls it once for each; it takes
// a few nanoseconds. The count is this process's own and begins at 0.
func (k Key) CountRead(at time.Time) {
	if k.m == nil {
		return
	}
	k.m.reads.Add(1)
	now := at.Unix()
	for last := k.m.lastRead.Load(); now > last; last = k.m.lastRead.Load() {
		if k.m.lastRead.CompareAndSwap(last, now) {
			return
		}
	}
}

// Generate returns a strong new key: 32 random bytes as 64 hex digits. It fits
// one line of the text form, and Flask's SECRET_KEY.
func Generate() string {
	secret := make([]byte, 32)
	rand.Read(secret) // never fails
	return hex.EncodeToString(secret)
}

// String returns the id in the form keys.Key(3f2a9c01).
func (k Key) String() string {
	if k.m == nil {
		return "keys.Key(none)"
	}
	return "keys.Key(" + k.m.id + ")"
}

// GoString returns what String returns.
func (k Key) GoString() string { return k.String() }

// Format writes what String returns, whatever the verb.
func (k Key) Format(f fmt.State, _ rune) { io.WriteString(f, k.String()) }

// MarshalText returns what String returns.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// MarshalJSON returns what String returns, as a JSON string.
func (k Key) MarshalJSON() ([]byte, error) { return []byte(`"` + k.String() + `"`), nil }

// LogValue returns what String returns.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// String returns the ids of the keys that read, the active one first, in the
// form keys.Ring(3f2a9c01, 8d70e1f4).
func (r *Ring) String() string {
	var ids []string
	for _, k := range r.All() {
		ids = append(ids, k.ID())
	}
	return "keys.Ring(" + strings.Join(ids, ", ") + ")"
}

// GoString returns what String returns.
func (r *Ring) GoString() string { return r.String() }

// Format writes what String returns, whatever the verb.
func (r *Ring) Format(f fmt.State, _ rune) { io.WriteString(f, r.String()) }

// MarshalText returns what String returns.
func (r *Ring) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// MarshalJSON returns what String returns, as a JSON string.
func (r *Ring) MarshalJSON() ([]byte, error) { return []byte(`"` + r.String() + `"`), nil }

// LogValue returns what String returns.
func (r *Ring) LogValue() slog.Value { return slog.StringValue(r.String()) }
