package sojourn

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/sojourn-go/sojourn/internal/handle"
	"github.com/sojourn-go/sojourn/internal/header"
	"github.com/sojourn-go/sojourn/internal/record"
	"github.com/sojourn-go/sojourn/internal/seal"
	"github.com/sojourn-go/sojourn/internal/tagged"
	"github.com/sojourn-go/sojourn/keys"
)

// Encrypted keeps sessions in the cookie, encrypted: the server keeps nothing, and
// the visitor reads nothing. It is AES-256-GCM under a key of each cookie's own,
// which HKDF derives from ring's active key; docs/formats.md has it to the byte.
// It works in FIPS 140-3 mode. Every key of the ring but the retired ones reads, and
// what another than the active one wrote is written anew, so keys change without
// anybody noticing.
//
// A cookie holds about 2.5 KiB of fields. They are not compressed: the length
// would tell what is in them (docs/design/0005). What does not fit is a
// [TooLargeError], or goes on in a store with [Keeper.SpillTo]. A copy of a cookie
// is valid until its timeout, unless there is a list: see [Config.Revocations].
func Encrypted(ring *keys.Ring, opts ...EncryptedOption) Keeper {
	c := &encrypted{purpose: purpose("")}
	for _, option := range opts {
		if option != nil {
			option(c)
		}
	}
	c.traits = Traits{Sealed: true, SignInFields: storeTraits.SignInFields, Reload: ring.Reload}
	c.keys = keys.NewDerived(ring, newSealing)
	entries := c.keys.Entries()
	if len(entries) == 0 {
		c.traits.Err = errors.New("no key to encrypt with: the ring is nil or empty; make one with keys.FromEnv")
	}
	for _, e := range entries {
		c.traits.Err = errors.Join(c.traits.Err, e.Value.err)
	}
	return InCookie(c)
}

// An EncryptedOption changes what [Encrypted] does.
type EncryptedOption func(*encrypted)

// Application keeps the cookies of two applications apart that have the same key
// and the same cookie name: each refuses the other's. Changing it ends every
// session.
func Application(name string) EncryptedOption {
	return func(c *encrypted) { c.purpose = purpose(name) }
}

// purpose is what a text is sealed for. No cookie's name holds a zero byte, so the
// name after it can be nothing else.
func purpose(application string) string { return "session\x00" + application + "\x00" }

// encrypted is the form of encrypted cookies.
type encrypted struct {
	keys    *keys.Derived[sealing]
	purpose string
	traits  Traits
}

// sealing is what comes from one key.
type sealing struct {
	key   *seal.Key
	id    seal.ID
	moved []byte // what secrets of sessions that move into a store are derived from
	err   error  // why the key cannot be used
}

func newSealing(k keys.Key) sealing {
	key, err := seal.NewKey(k.ID(), k.Bytes())
	if err != nil {
		return sealing{err: fmt.Errorf("key %s: %w", k.ID(), err)}
	}
	return sealing{key: key, id: key.ID(), moved: key.Derive("moved token")}
}

// Traits implements [Codec].
func (c *encrypted) Traits() Traits { return c.traits }

// Encode implements [Codec].
func (c *encrypted) Encode(rec *Snapshot, use Use) (string, error) {
	active := c.keys.Entries()[0].Value
	if active.err != nil {
		return "", active.err
	}
	var room [1024]byte
	plain, err := appendSnapshot(room[:0], rec)
	if err != nil {
		return "", err
	}
	return active.key.Seal(plain, c.purpose, use.Cookie)
}

// Decode implements [Codec].
func (c *encrypted) Decode(text string, use Use) (Decoded, error) {
	if len(text) > header.MaxCookie {
		return Decoded{}, &RefusedError{ReasonTooLarge, "longer than 16 KiB"}
	}
	id, err := seal.KeyID(text)
	if err != nil {
		return Decoded{}, &RefusedError{ReasonMalformed, err.Error()}
	}
	entries := c.keys.Entries()
	for i := range entries {
		e := &entries[i]
		if e.Value.id != id || e.Value.key == nil || e.State == keys.Retired {
			continue
		}
		plain, err := e.Value.key.Open(text, c.purpose, use.Cookie)
		if errors.Is(err, seal.ErrForm) {
			return Decoded{}, &RefusedError{ReasonMalformed, err.Error()}
		}
		if err != nil {
			return Decoded{}, &RefusedError{ReasonSignature, err.Error()}
		}
		d := Decoded{Rewrite: e.State == keys.ReadOnly} // one that is next is ahead of this process
		if err := parseSnapshot(&d.Snapshot, plain, use.Room); err != nil {
			return Decoded{}, &RefusedError{ReasonPayload, err.Error()}
		}
		e.Key.CountRead(use.Now)
		if use.Moving {
			d.Secrets = secretsOf(entries, d.Handle)
		}
		return d, nil
	}
	return Decoded{}, &RefusedError{ReasonKey, fmt.Sprintf("encrypted with key %x, which is retired or not in the ring", id)}
}

// secretsOf are what a token is made of when its session moves into a store. They
// come from the handle, which stays as long as the session, and from each key.
func secretsOf(entries []keys.Entry[sealing], handle string) []record.Secret {
	var secrets []record.Secret
	for _, e := range entries {
		if e.State != keys.Retired && e.Value.err == nil {
			secrets = append(secrets, record.DeriveSecret(e.Value.moved, handle))
		}
	}
	return secrets
}

// appendSnapshot writes a session: when it was made, and how long after that it was
// last used, both in milliseconds; its handle in binary; its owner; its fields.
func appendSnapshot(b []byte, rec *Snapshot) ([]byte, error) {
	seed, ok := handle.Seed(rec.Handle)
	if !ok {
		return nil, errors.New("sojourn: a session to be encrypted has no handle")
	}
	created := max(rec.Created.UnixMilli(), 0)
	b = binary.AppendUvarint(b, uint64(created))
	b = binary.AppendVarint(b, rec.LastSeen.UnixMilli()-created)
	b, _ = hex.AppendDecode(b, []byte(rec.Handle[:2])) // Seed has looked
	b = append(b, seed[:]...)
	b = binary.AppendUvarint(b, uint64(len(rec.Owner)))
	b = append(b, rec.Owner...)
	return tagged.AppendObject(b, rec.State)
}

var errSnapshot = errors.New("not a session, though encrypted with the right key")

// parseSnapshot reads what appendSnapshot wrote. The fields are appended to room.
func parseSnapshot(rec *Snapshot, text string, room []EncodedField) (err error) {
	p := snapshotParser{rest: text}
	created := int64(p.uvarint())
	seen := created + p.varint()
	name := p.take(1 + 16)
	rec.Owner = p.take(p.uvarint())
	if p.bad || created < 0 {
		return errSnapshot
	}
	rec.Created, rec.LastSeen = time.UnixMilli(created), time.UnixMilli(seen)
	rec.Handle = hex.EncodeToString([]byte(name[:1])) + handle.Derive("", [16]byte([]byte(name[1:])))[2:]
	rec.State, err = tagged.Split(room, p.rest, true)
	return err
}

// A snapshotParser cuts parts from a text. What is not there is empty, and bad.
type snapshotParser struct {
	rest string
	bad  bool
}

func (p *snapshotParser) uvarint() uint64 {
	var head [binary.MaxVarintLen64]byte
	v, n := binary.Uvarint(head[:copy(head[:], p.rest)])
	p.skip(n)
	return v
}

func (p *snapshotParser) varint() int64 {
	var head [binary.MaxVarintLen64]byte
	v, n := binary.Varint(head[:copy(head[:], p.rest)])
	p.skip(n)
	return v
}

func (p *snapshotParser) skip(n int) {
	if n <= 0 {
		p.bad, p.rest = true, ""
		return
	}
	p.rest = p.rest[n:]
}

func (p *snapshotParser) take(n uint64) string {
	if n > uint64(len(p.rest)) {
		p.bad, p.rest = true, ""
		return ""
	}
	part := p.rest[:n]
	p.rest = p.rest[n:]
	return part
}
