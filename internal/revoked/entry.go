package revoked

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"time"

	"github.com/sojourn-go/sojourn/internal/handle"
	"github.com/sojourn-go/sojourn/store"
)

// An entry says, in the facts of a record, which of an owner's sessions have ended.
// The end of one session has no facts: its record's handle tells which it is.
type entry struct {
	Owner []byte `json:"owner,omitempty"` // none is everybody; in base64, since it may be of any bytes
	Ends  ends   `json:"ends"`
}

func (e entry) text() string {
	text, err := json.Marshal(e)
	if err != nil {
		panic(err) // not of texts and numbers
	}
	return string(text)
}

var errForm = errors.New("of a form that this version does not know; give all processes the newest version of those that write to the list")

// parseEntry reads facts. Something unknown may mean more than is understood, so
// whatever is not exactly what this version writes is an error.
func parseEntry(facts string) (e entry, err error) {
	if json.Unmarshal([]byte(facts), &e) != nil || len(e.Ends) == 0 || e.text() != facts {
		return entry{}, errForm
	}
	for _, end := range e.Ends {
		if end.Until <= 0 || end.Except != "" && !handle.Valid(end.Except) {
			return entry{}, errForm
		}
	}
	return e, nil
}

// The handles of records follow from what they concern, so that whoever knows a
// cookie can ask for them. That of a session's end can be turned back.

// mask turns a session's handle into that of the record of its end, and back. So
// the two can be in one store.
var mask = sha256.Sum256([]byte("sojourn revoked session v1"))

// flip returns the handle with the same bucket and the masked seed.
func flip(name string) (string, bool) {
	seed, ok := handle.Seed(name)
	if !ok {
		return "", false
	}
	for i := range seed {
		seed[i] ^= mask[i]
	}
	return name[:2] + handle.Derive("", seed)[2:], true
}

// ownerRecord is the handle of the record with all ends of an owner, "" for
// everybody.
func ownerRecord(owner string) string {
	sum := sha256.Sum256([]byte("sojourn revoked owner v1\x00" + owner))
	return handle.Derive(recordOwner(owner), [16]byte(sum[:16]))
}

// everybody is the owner of records that concern everybody.
const everybody = "everybody"

// recordOwner is the owner that a record about an owner has: never "", which tells
// the end of one session.
func recordOwner(owner string) string {
	if owner == "" || len(owner) > store.MaxOwner { // in a cookie he can be longer
		return everybody
	}
	return owner
}

// record returns a record of the list that lasts until a time.
func record(name, owner, facts string, now, until time.Time) *store.Record {
	now, until = millis(now), millis(until)
	return &store.Record{Header: store.Header{
		Kind: store.KindRevocation, Handle: name, Owner: owner, Version: store.NewVersion(),
		Created: now, LastSeen: now, IdleDeadline: until, AbsoluteDeadline: until,
	}, Facts: facts}
}

func millis(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
