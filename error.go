package sojourn

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/sojourn-go/sojourn/internal/tagged"
	"github.com/sojourn-go/sojourn/store"
)

// Errors that an application can meet in [Session.Err], in [Config.Error] and
// in events. Compare with errors.Is.
var (
	// ErrNoOwner is a sign-in without an owner.
	ErrNoOwner = errors.New("sojourn: sign-in with an empty owner")

	// ErrLate is a change that came after the response had begun: the
	// cookie can no longer be sent, so the change is lost.
	ErrLate = errors.New("sojourn: session changed after the response began; change it before the first Write or Flush")

	// ErrReserved is a write to a field that belongs to the session itself.
	ErrReserved = errors.New("sojourn: reserved field name: choose another; SignIn sets the owner, Flash the messages, SetPermanent the lifetime")

	// ErrUnsaved is a value that was read, changed and not set again. Only
	// a manager with [Config.Strict] looks for it.
	ErrUnsaved = errors.New("sojourn: value read from the session was changed but not set again; call Set or Update")

	// ErrNotText is a string that is not UTF-8. Often it came from a visitor:
	// it is answered with 400.
	ErrNotText = tagged.ErrText

	// ErrSecretReadable is a [SecretField] in a session whose cookie the
	// visitor can read.
	ErrSecretReadable = errors.New("sojourn: secret field in a cookie that the visitor can read; keep it on the server")

	// ErrEnded is a session that was ended while the request ran: signed
	// out, signed in anew, or revoked. What the request wrote to it is
	// dropped; the request itself is answered as the handler meant.
	ErrEnded = errors.New("sojourn: the session was ended meanwhile; what this request wrote to it is dropped")

	errLongOwner = fmt.Errorf("sojourn: sign-in with an owner of more than %d bytes", store.MaxOwner)
	errInUpdate  = errors.New("sojourn: an Update function saved or ended the session; it must only compute its result")

	errLateUse = errors.New("sojourn: session first used after the response began, so no Vary header was sent; use it before the first Write or Flush")
)

// A FieldError is a failure that concerns one field. It never holds a value.
type FieldError struct {
	Field string
	Err   error
}

func (e *FieldError) Error() string {
	return fmt.Sprintf("sojourn: field %q: %s", e.Field, strings.TrimPrefix(e.Err.Error(), "sojourn: "))
}

func (e *FieldError) Unwrap() error { return e.Err }

// A TooLargeError reports a Set-Cookie line that browsers would drop, or a
// session of more than 1 MiB. Keep less in the session, or keep it in a store.
type TooLargeError struct {
	Cookie string      // the cookie's name; "" for a session in a store
	Size   int         // bytes of the finished Set-Cookie line, or of the session
	Limit  int         // the most that is sent
	Fields []FieldSize // the largest fields first, at most five
}

// FieldSize is a field's share of a cookie: its encoded bytes before
// compression, signature and base64.
type FieldSize struct {
	Field string
	Size  int
}

func tooLarge(cookie string, size, limit int, fields []EncodedField) *TooLargeError {
	err := &TooLargeError{Cookie: cookie, Size: size, Limit: limit}
	for _, f := range fields {
		err.Fields = append(err.Fields, FieldSize{f.Name, len(f.Name) + len(f.Raw) + len(`"":,`)})
	}
	slices.SortStableFunc(err.Fields, func(a, b FieldSize) int { return b.Size - a.Size })
	err.Fields = err.Fields[:min(len(err.Fields), 5)]
	return err
}

func (e *TooLargeError) Error() string {
	var largest []string
	for _, f := range e.Fields {
		largest = append(largest, fmt.Sprintf("%s %d", f.Field, f.Size))
	}
	if e.Cookie == "" {
		return fmt.Sprintf("sojourn: session would be %d bytes, and a store is given at most %d; keep less in the session; its largest fields, in bytes: %s",
			e.Size, e.Limit, strings.Join(largest, ", "))
	}
	return fmt.Sprintf("sojourn: cookie %q would be %d bytes, and browsers keep %d; keep less in the session, or keep it in a store; its largest fields, in bytes before they are encoded: %s",
		e.Cookie, e.Size, e.Limit, strings.Join(largest, ", "))
}

// A Reason says in one stable word why a cookie was refused. Reasons appear in
// events and in the command-line tool; they never reach the visitor, for whom
// all refused cookies look alike (ASVS 11.2.5).
type Reason string

// The reasons for which a cookie is refused.
const (
	ReasonTooLarge  Reason = "too-large" // longer than any cookie of ours, or inflates to more than the limit
	ReasonMalformed Reason = "malformed" // not of the right form: parts, alphabet, timestamp
	ReasonSignature Reason = "signature" // signed by none of the keys, or changed since
	ReasonKey       Reason = "key"       // written with a key that is retired, or that the ring does not have
	ReasonExpired   Reason = "expired"   // older than it may be
	ReasonFuture    Reason = "future"    // issued later than now
	ReasonPayload   Reason = "payload"   // rightly signed, but the content cannot be a session
	ReasonDuplicate Reason = "duplicate" // several cookies of one name with differing values
	ReasonUnknown   Reason = "unknown"   // a token of a session that has ended, or was never made
	ReasonRevoked   Reason = "revoked"   // a session in a cookie that the revocation list says has ended
	ReasonSecret    Reason = "secret"    // a token whose secret is not the session's: regenerated since, or guessed
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

// HTTPStatus returns the status that the default [Config.Error] answers err
// with: 400 for [ErrNoOwner] and [ErrNotText], 409 for store.ErrLimit, 503 for
// a [StoreError], else 500.
func HTTPStatus(err error) int {
	switch _, failed := errors.AsType[*StoreError](err); {
	case errors.Is(err, ErrNoOwner) || errors.Is(err, ErrNotText) || errors.Is(err, errLongOwner):
		return http.StatusBadRequest
	case errors.Is(err, store.ErrLimit):
		return http.StatusConflict
	case failed:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// retryAfter is how many seconds a client is asked to wait after a 503.
const retryAfter = "5"

// defaultError answers without a word about the cause: that is in the event.
func defaultError(w http.ResponseWriter, _ *http.Request, err error) {
	w.Header().Set("Cache-Control", "no-store")
	status := HTTPStatus(err)
	http.Error(w, http.StatusText(status), status)
}
