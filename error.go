package sojourn

import "errors"

// A Reason says in one stable word why a cookie was refused. Reasons appear in
// events and in the command-line tool; they never reach the visitor, for whom
// all refused cookies look alike (ASVS 11.2.5).
type Reason string

// The reasons for which a cookie is refused.
const (
	ReasonTooLarge  Reason = "too-large" // longer than any cookie of ours, or inflates to more than the limit
	ReasonMalformed Reason = "malformed" // not of the right form: parts, alphabet, timestamp
	ReasonSignature Reason = "signature" // signed by none of the keys, or changed since
	ReasonExpired   Reason = "expired"   // older than it may be
	ReasonFuture    Reason = "future"    // issued later than now
	ReasonPayload   Reason = "payload"   // rightly signed, but the content cannot be a session
	ReasonKey       Reason = "key"       // sealed under a key that is not in the ring
	ReasonDuplicate Reason = "duplicate" // two cookies of one name with differing values
)

// A RefusedError reports why a cookie was not accepted. It never holds the
// cookie or anything from inside it.
type RefusedError struct {
	Reason Reason
	Detail string // for a person; may change
}

func (e *RefusedError) Error() string {
	return "sojourn: cookie refused (" + string(e.Reason) + "): " + e.Detail
}

// ReasonOf returns the reason of a [RefusedError] anywhere in err's tree, or
// the empty reason.
func ReasonOf(err error) Reason {
	if e, ok := errors.AsType[*RefusedError](err); ok {
		return e.Reason
	}
	return ""
}
