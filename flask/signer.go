package flask

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"strings"
	"sync"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/internal/tagged"
	"github.com/sojourn-go/sojourn/keys"
)

// MaxCookie is the longest cookie that is looked at, in bytes.
const MaxCookie = 64 << 10

// A Signer writes and verifies cookies in Flask's form: the payload, tagged
// JSON and perhaps compressed, the time of issue and the signature, each in
// URL-safe base64. It follows its ring when that is reloaded. It is safe for
// concurrent use.
type Signer struct {
	options options
	keys    *keys.Derived[*signingKey]
}

// signingKey is one key of the ring, derived.
type signingKey struct {
	scratch  sync.Pool // of *scratch
	identity []byte    // key for the identity of sessions that Flask made
}

// scratch is what one signature needs: a MAC with its key set, and room.
type scratch struct {
	mac  hash.Hash
	json []byte
	text []byte
	sum  []byte
}

// entry is a key of the ring and what is derived from it.
type entry = keys.Entry[*signingKey]

// NewSigner returns a signer that signs with ring's active key and verifies
// with all that are not retired.
func NewSigner(ring *keys.Ring, opts ...Option) (*Signer, error) {
	return newSigner(ring, newOptions(opts))
}

func newSigner(ring *keys.Ring, o options) (*Signer, error) {
	s := &Signer{options: o}
	if err := o.check(ring); err != nil {
		return nil, err
	}
	s.keys = keys.NewDerived(ring, s.derive)
	return s, nil
}

func (s *Signer) derive(key keys.Key) *signingKey {
	secret := key.Bytes()
	derived := s.options.derive(secret)
	identity := hmac.New(sha256.New, secret)
	identity.Write([]byte("sojourn flask session identity"))
	k := &signingKey{identity: identity.Sum(nil)}
	k.scratch.New = func() any {
		return &scratch{mac: hmac.New(s.options.digest.New, derived)}
	}
	return k
}

// active is the key that signs.
func (s *Signer) active() *signingKey { return s.keys.Entries()[0].Value }

// base64url is Flask's alphabet, read strictly: one text for one value.
var base64url = base64.RawURLEncoding.Strict()

// Verified is what a cookie holds.
type Verified struct {
	Payload    string    // the tagged JSON text, as it stands in the cookie
	IssuedAt   time.Time // whole seconds
	Key        string    // the id of the key that signed it
	Compressed bool
}

// opened is what open finds: besides, the key and the first bytes of the
// signature, which are nobody's business.
type opened struct {
	Verified
	entry     *entry
	signature [16]byte
}

// Sign returns a cookie with payload, the tagged JSON text of one mapping, as
// issued at the given time, in whole seconds from 1970 on. The text is checked
// and written in Flask's spelling; what is not a session is a
// [*sojourn.RefusedError]. How long the cookie becomes is for the caller to
// look at.
func (s *Signer) Sign(payload string, at time.Time) (string, error) {
	text, err := tagged.Canonical(nil, payload, s.options.lenient)
	if err != nil {
		return "", refusePayload(err)
	}
	if len(text) > maxInflated {
		return "", errTooLarge
	}
	return s.sign(text, at), nil
}

// sign signs text, which is as Flask spells it.
func (s *Signer) sign(text []byte, at time.Time) string {
	k := s.active()
	sc := k.scratch.Get().(*scratch)
	defer k.scratch.Put(sc)
	return sc.cookie(text, at)
}

// cookie makes a cookie of text.
func (sc *scratch) cookie(text []byte, at time.Time) string {
	payload, compressed := compress(text)
	b := sc.text[:0]
	if compressed {
		b = append(b, '.')
	}
	b = append(base64url.AppendEncode(b, payload), '.')
	var stamp [8]byte
	binary.BigEndian.PutUint64(stamp[:], uint64(max(at.Unix(), 0)))
	digits := stamp[:]
	for len(digits) > 0 && digits[0] == 0 {
		digits = digits[1:]
	}
	b = base64url.AppendEncode(b, digits)
	sc.sign(b)
	b = base64url.AppendEncode(append(b, '.'), sc.sum)
	sc.text = b
	return string(b)
}

// sign leaves the MAC of text in sc.sum.
func (sc *scratch) sign(text []byte) {
	sc.mac.Reset()
	sc.mac.Write(text)
	sc.sum = sc.mac.Sum(sc.sum[:0])
}

// Verify returns what cookie holds if it was signed with one of the keys that
// are not retired, not later than now and at most maxAge before. It is counted
// as a read of that key, see [keys.Ring.Info]. A refusal is a
// [*sojourn.RefusedError]. Like Flask it makes no allowance for clocks that
// differ. A payload is a mapping in tagged JSON, checked throughout.
//
// A cookie that is refused for its age or its payload was signed with one of
// the keys: Key and IssuedAt are then set, and Payload if it could be read. Of
// one that is refused because its key is retired, Key is set.
func (s *Signer) Verify(cookie string, now time.Time, maxAge time.Duration) (Verified, error) {
	var v opened
	if err := s.open(&v, cookie, now, int64(maxAge/time.Second)); err != nil {
		return v.Verified, err
	}
	if _, err := tagged.Split(nil, v.Payload, s.options.lenient); err != nil {
		return v.Verified, refusePayload(err)
	}
	v.entry.Key.CountRead(now)
	return v.Verified, nil
}

// noMaxAge lets open accept a cookie of any age.
const noMaxAge = 1<<63 - 1

// open verifies cookie without looking into the payload's JSON.
func (s *Signer) open(v *opened, cookie string, now time.Time, maxAge int64) error {
	if len(cookie) > MaxCookie {
		return refuse(sojourn.ReasonTooLarge, "longer than 64 KiB")
	}
	end := strings.LastIndexByte(cookie, '.')
	if end < 0 {
		return refuse(sojourn.ReasonMalformed, "has no dots: payload.timestamp.signature was expected")
	}
	middle := strings.LastIndexByte(cookie[:end], '.')
	if middle < 0 {
		return refuse(sojourn.ReasonMalformed, "has one dot only: the timestamp is missing")
	}
	e, sc := s.authenticate(cookie[:end], cookie[end+1:])
	if sc == nil {
		return refuse(sojourn.ReasonSignature, "signed with none of the keys, or changed since")
	}
	defer e.Value.scratch.Put(sc)
	v.Key, v.entry = e.Key.ID(), e
	if e.State == keys.Retired {
		return refuse(sojourn.ReasonKey, "signed with a key that is retired")
	}
	copy(v.signature[:], sc.sum)
	issued, ok := s.timestamp(cookie[middle+1 : end])
	if !ok {
		return refuse(sojourn.ReasonMalformed, "the timestamp is not a number in base64")
	}
	v.IssuedAt = time.Unix(int64(min(issued, 1<<62)), 0)
	if err := checkAge(issued, now.Unix(), maxAge); err != nil {
		return err
	}
	payload := cookie[:middle]
	if v.Compressed = strings.HasPrefix(payload, "."); v.Compressed {
		payload = payload[1:]
	}
	var err error
	v.Payload, err = s.payload(sc, payload, v.Compressed)
	return err
}

// authenticate finds the key that signed text, which may be a retired one: they
// come last, so that they cost a good cookie nothing. The scratch that it
// returns is the caller's to put back; it is nil when no key did.
func (s *Signer) authenticate(text, signature string) (*entry, *scratch) {
	var decoded []byte
	if s.options.lenient {
		var err error
		if decoded, err = pythonBase64(signature); err != nil {
			return nil, nil
		}
	}
	entries := s.keys.Entries()
	for i := range entries {
		e := &entries[i]
		if e.State == keys.Retired && len(text) > maxForReason {
			break // too much work for a reason that only an operator reads
		}
		sc := e.Value.scratch.Get().(*scratch)
		sc.text = append(sc.text[:0], text...)
		sc.sign(sc.text)
		if s.options.lenient {
			if subtle.ConstantTimeCompare(sc.sum, decoded) == 1 {
				return e, sc
			}
		} else {
			// Comparing the text accepts one spelling of the signature only.
			sc.text = base64url.AppendEncode(sc.text[:0], sc.sum)
			if subtle.ConstantTimeCompare(sc.text, []byte(signature)) == 1 {
				return e, sc
			}
		}
		e.Value.scratch.Put(sc)
	}
	return nil, nil
}

// maxForReason is the longest cookie for which retired keys are tried: no longer
// one was ever kept by a browser.
const maxForReason = 4096

// timestamp reads a time of issue: the bytes of a number, the highest first,
// without leading zeros. Nothing is 0, as in Flask.
func (s *Signer) timestamp(text string) (issued uint64, ok bool) {
	if !s.options.lenient {
		return number64(text)
	}
	digits, err := pythonBase64(text)
	if err != nil || len(digits) > 8 {
		return 0, false
	}
	for _, d := range digits {
		issued = issued<<8 | uint64(d)
	}
	return issued, true
}

func checkAge(issued uint64, now, maxAge int64) error {
	switch {
	case now < 0 || issued > uint64(now):
		return refuse(sojourn.ReasonFuture, "issued later than now: the clocks of two servers differ, or the stamp is wrong")
	case now-int64(issued) > maxAge:
		return refuse(sojourn.ReasonExpired, "older than it may be")
	}
	return nil
}

// payload decodes the first part of a cookie into its JSON text.
func (s *Signer) payload(sc *scratch, text string, compressed bool) (string, error) {
	var err error
	if s.options.lenient {
		sc.text, err = pythonBase64(text)
	} else {
		sc.text, err = base64url.AppendDecode(sc.text[:0], []byte(text))
	}
	if err != nil || !s.options.lenient && base64url.EncodedLen(len(sc.text)) != len(text) { // Go's decoder has skipped newlines
		return "", refuse(sojourn.ReasonPayload, "the payload is not base64")
	}
	if compressed {
		return inflate(sc.text, s.options.lenient)
	}
	return string(sc.text), nil
}

// refusePayload says why a payload is none.
func refusePayload(err error) error {
	return refuse(sojourn.ReasonPayload, strings.TrimPrefix(err.Error(), "sojourn: "))
}

func refuse(reason sojourn.Reason, detail string) error {
	return &sojourn.RefusedError{Reason: reason, Detail: detail}
}
