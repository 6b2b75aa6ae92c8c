package revoked

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/sojourn-go/sojourn/internal/handle"
	"github.com/sojourn-go/sojourn/store"
)

// everybody stands for the owner in records that concern everybody.
const everybody = "everybody"

// An entry says, in the facts of a record, which sessions have ended. The end of
// one session has none: its record's handle tells which.
type entry struct {
	Owner string `json:"owner,omitempty"` // "" is everybody
	Ends  []end  `json:"ends"`
}

// An end is that of all sessions that were made up to a moment, but one and those
// that it has become since.
type end struct {
	Until  int64  `json:"until"`            // milliseconds since 1970
	Except string `json:"except,omitempty"` // the handle of the session that goes on
}

func (e end) covers(handle string, created int64) bool {
	return created <= e.Until && (e.Except == "" || !leads(e.Except, handle))
}

// maxNext is how often a session that goes on may get another handle.
const maxNext = 32

// leads reports whether a session has become the one with the other handle.
func leads(from, to string) bool {
	for range maxNext {
		if from == to {
			return true
		}
		from = handle.Next(from)
	}
	return false
}

func (e entry) covers(handle string, created int64) bool {
	return slices.ContainsFunc(e.Ends, func(e end) bool { return e.covers(handle, created) })
}

// newest is the latest moment up to which sessions have ended; 0 for none.
func (e entry) newest() (newest int64) {
	for _, end := range e.Ends {
		newest = max(newest, end.Until)
	}
	return newest
}

// maxEnds is how many ends of one owner are kept apart.
const maxEnds = 32

// with returns the ends and one more, without those that nobody needs since
// some time ago. Where there are too many, the two oldest become one that spares
// nobody.
func (e entry) with(add end, needless int64) entry {
	ends := slices.DeleteFunc(slices.Clone(e.Ends), func(e end) bool { return e.Until <= needless || e == add })
	ends = append(ends, add)
	if len(ends) > maxEnds {
		slices.SortFunc(ends, func(a, b end) int { return int(max(-1, min(1, a.Until-b.Until))) })
		ends = ends[1:]
		ends[0].Except = ""
	}
	return entry{Owner: e.Owner, Ends: ends}
}

func (e entry) text() string {
	text, err := json.Marshal(e)
	if err != nil {
		panic(err) // not of strings and numbers
	}
	return string(text)
}

var errForm = errors.New("of a form that this version does not know; all processes need the newest version of those that write to the list")

// parseEntry reads facts. Something unknown may mean more than is understood, so
// it is an error.
func parseEntry(facts string) (e entry, err error) {
	d := json.NewDecoder(strings.NewReader(facts))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil || len(e.Ends) == 0 {
		return entry{}, errForm
	}
	if _, err := d.Token(); err != io.EOF {
		return entry{}, errForm
	}
	return e, nil
}

// The handles of records follow from what they concern, so that whoever knows a
// cookie can ask for them. That of a session's end can be turned back.

// mask turns a session's handle into that of the record of its end, and back.
var mask = sha256.Sum256([]byte("sojourn revoked session v1"))

// flip returns the handle with the same bucket and the masked seed.
func flip(name string) (string, bool) {
	seed, ok := handle.Seed(name)
	for i := range seed {
		seed[i] ^= mask[i]
	}
	return name[:min(2, len(name))] + handle.Derive("", seed)[2:], ok
}

// ownerRecord is the handle of the record with all ends of an owner, "" for
// everybody.
func ownerRecord(owner string) string {
	sum := sha256.Sum256([]byte("sojourn revoked owner v1\x00" + owner))
	return handle.Derive(recordOwner(owner), [16]byte(sum[:16]))
}

// recordOwner is the owner that such a record has.
func recordOwner(owner string) string {
	if owner == "" {
		return everybody
	}
	return owner
}

// record returns a record of the list that lasts until a time.
func record(name, owner string, facts string, now, until time.Time) *store.Record {
	now, until = millis(now), millis(until)
	return &store.Record{Header: store.Header{
		Kind: store.KindRevocation, Handle: name, Owner: owner, Version: store.NewVersion(),
		Created: now, LastSeen: now, IdleDeadline: until, AbsoluteDeadline: until,
	}, Facts: facts}
}

func millis(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
