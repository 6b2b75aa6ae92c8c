package store

import (
	"math/rand/v2"
	"time"

	"github.com/sojourn-go/sojourn/internal/handle"
)

// A Kind says what a record is. Its numbers are stored and do not change.
type Kind uint8

// The kinds of records. A store treats them alike, except where a verb says
// otherwise.
const (
	KindSession    Kind = 1 // a session
	KindRemember   Kind = 2 // a "remember me" token
	KindRevocation Kind = 3 // an entry of a revocation list
)

// A Version names one state of a record. Whoever writes chooses it at random,
// so that after a lost reply he can recognise his own write. 0 is no version.
type Version uint64

// NewVersion returns a new version, which is not 0.
func NewVersion() Version {
	for {
		if v := Version(rand.Uint64()); v != 0 {
			return v
		}
	}
}

// A Header is what everybody who runs the application may see of a record.
// Times are whole milliseconds, in UTC; the zero time is none.
type Header struct {
	Kind    Kind
	Handle  string // the record's public name and key; see [NewHandle]
	Owner   string // the application's identifier of the signed-in user, at most [MaxOwner] bytes; "" for nobody
	Version Version

	Created  time.Time // when it was made
	LastSeen time.Time // its last use

	// IdleDeadline and AbsoluteDeadline end the record: whichever comes
	// first. At the deadline it has expired.
	IdleDeadline     time.Time
	AbsoluteDeadline time.Time

	// HoldUntil keeps the handle from being used again once the record has
	// been ended, in any case until then; see [Ending].
	HoldUntil time.Time
}

// Deadline is when the record expires if nothing happens before.
func (h *Header) Deadline() time.Time {
	if h.AbsoluteDeadline.Before(h.IdleDeadline) {
		return h.AbsoluteDeadline
	}
	return h.IdleDeadline
}

// Expired reports whether the record's time has run out.
func (h *Header) Expired(now time.Time) bool { return !now.Before(h.Deadline()) }

// A Record is what a store keeps under a handle. The three texts are opaque to
// it, and may hold any bytes.
type Record struct {
	Header
	Facts     string // of authentication and device; lists show it
	Verifiers string // what tokens are checked against; only Load gives it
	State     string // the fields; only Load gives it
}

// Listed is a record as lists show it.
type Listed struct {
	Header
	Facts string
}

// MaxOwner is the longest owner that a store has to take, in bytes.
const MaxOwner = 255

// NewHandle returns a new random handle for a record of owner, "" for nobody:
// 24 characters of which the first two are [Bucket]'s.
func NewHandle(owner string) string { return handle.New(owner) }

// Bucket returns the two hexadecimal digits with which the handle of every
// record of owner begins: one of 256, so that a store which spreads records
// over machines finds all records of an owner in one place, and the place by
// the handle alone. For the anonymous, whose handles begin with random digits,
// it returns "".
func Bucket(owner string) string {
	if owner == "" {
		return ""
	}
	return handle.Bucket(owner)
}
