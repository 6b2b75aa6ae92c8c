package sojourn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sojourn-go/sojourn/internal/handle"
	"github.com/sojourn-go/sojourn/internal/tagged"
)

// A Session is one visitor's session within one request. Take it with [From].
// Nothing is read before the first method that needs it. It is safe for
// concurrent use, also after the handler has returned: reads then see what
// the request saw, changes are [ErrLate].
//
// Values that are read are private copies: changing one changes nothing until
// it is set again.
type Session struct {
	m       *Manager
	request *http.Request
	ctx     context.Context

	persisting sync.Mutex // held while the session is being saved; taken before mu
	mu         sync.Mutex
	phase      phase
	saving     bool // somebody has persisting
	used       bool // a method was called: the response depends on the session
	idle       bool // NoActivity was called
	err        error
	outage     error        // why the session could not be loaded
	events     []Event      // to be emitted once no lock is held
	updating   atomic.Int32 // how many Update functions run while the session is being saved
	*contents               // nil until the cookie has been looked at
}

// contents is what is known of a session once its cookie has been looked at.
type contents struct {
	// What came in.
	home    *source  // where it is kept
	from    *source  // where it came from; nil if nothing came in
	base    Snapshot // as it was loaded; its zero value is a session that does not exist yet
	present bool     // base came from a valid cookie
	adopt   bool     // base has to be rewritten in our form
	rewrite bool     // base was written with a key that is read-only by now

	// What it has become: ops[:settled] have been applied to view.
	id       identity
	view     []EncodedField
	ops      []op
	settled  int
	settling bool
	round    int  // counts how often ops began anew
	modified bool // as Flask counts it: changed, or written again
	forced   bool // to be sent even if nothing changed
	lost     bool // it was ended meanwhile: what this request writes is dropped
	abrupt   bool // RegenerateNow was called: no grace
	signedAt int  // ops[:signedAt] were made before the sign-in
	ended    bool // End was called
	signedIn bool // SignIn was called, and no End after it
	renewed  bool // Regenerate was called
	flashed  bool // the flash messages were taken:
	flashes  []FlashMessage
	tracked  []trackedValue
	room     [6]EncodedField // of base.State, where that is enough
	*stored                  // there if home is a store, or was
}

// identity is what a session is apart from its fields.
type identity struct {
	handle  string
	owner   string
	created time.Time
}

// identity is what rec says of it.
func (rec *Snapshot) identity() identity { return identity{rec.Handle, rec.Owner, rec.Created} }

type phase uint8

const (
	open       phase = iota
	committing       // deciding what to send; changes are late
	committed        // the header has gone
	finished         // the handler is done
)

type contextKey struct{}

// From returns the session of the innermost manager around the handler. It
// panics when there is none: that is a mistake in the program, not in the
// request.
func From(ctx context.Context) *Session {
	if s, ok := ctx.Value(contextKey{}).(*Session); ok {
		return s
	}
	panic("sojourn: no session in this context: wrap the handler with Manager.Middleware, and use the context of the request it passes on")
}

// Session returns m's session in ctx, where several managers wrap one
// handler. It panics like [From].
func (m *Manager) Session(ctx context.Context) *Session {
	if s, ok := ctx.Value(m).(*Session); ok {
		return s
	}
	panic("sojourn: no session of this manager in this context: wrap the handler with its Middleware")
}

// use locks s and makes sure that it is loaded.
func (s *Session) use() {
	s.mu.Lock()
	if !s.used {
		s.used = true
		if s.phase != open {
			s.event(Event{Kind: EventLateUse, Err: errLateUse})
		}
	}
	s.load()
}

// unlock unlocks s and then emits what happened meanwhile.
func (s *Session) unlock() {
	events := s.events
	s.events = nil
	s.mu.Unlock()
	if events != nil {
		s.m.emit(s.ctx, events)
	}
}

// event notes e, to be emitted by unlock.
func (s *Session) event(e Event) {
	e.Time = time.Now()
	if e.Cookie == "" {
		e.Cookie = s.m.keep.cookie.Name
		if s.contents != nil {
			e.Cookie = s.home.cookie.Name
		}
	}
	if e.Route = s.request.Pattern; e.Route == "" {
		e.Route = s.request.Method + " " + s.request.URL.Path
	}
	if e.Handle == "" && s.contents != nil {
		e.Handle, e.Owner = s.id.handle, s.id.owner
	}
	s.events = append(s.events, e)
}

// fail notes the first error that keeps the session from being saved.
func (s *Session) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// IsNew reports whether the request brought no session: no cookie, or none
// that was accepted, or one that has expired.
func (s *Session) IsNew() bool {
	s.use()
	defer s.unlock()
	return !s.present
}

// Modified reports whether this request wrote to the session. As in Flask,
// writing the value that was there counts, deleting what is not there does
// not, and changing a value that was read does not either.
func (s *Session) Modified() bool {
	s.use()
	defer s.unlock()
	return s.modified
}

// MarkModified has the session sent with this response, changed or not: what
// `session.modified = True` does in Flask.
func (s *Session) MarkModified() {
	s.use()
	defer s.unlock()
	if s.writable("") {
		s.modified, s.forced = true, true
	}
}

// Permanent reports whether the cookie outlives the browser (Flask's word).
// It changes nothing about the timeouts, which the server enforces.
func (s *Session) Permanent() bool {
	s.use()
	defer s.unlock()
	s.settle()
	return s.permanent()
}

func (s *Session) permanent() bool { return permanent(s.view) }

func permanent(fields []EncodedField) bool {
	raw, ok := lookup(fields, "_permanent")
	return ok && truthy(raw)
}

// truthy is Python's idea of a value that counts as true.
func truthy(raw string) bool {
	v, err := tagged.Decode(raw, true)
	if err != nil {
		return false
	}
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	case Tuple:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	case []byte:
		return len(v) > 0
	}
	return true
}

// SetPermanent says whether the cookie outlives the browser. The browser then
// keeps it until the session's deadline; as long as the session is used, the
// deadline moves, but never beyond the absolute timeout.
func (s *Session) SetPermanent(permanent bool) {
	raw := "false"
	if permanent {
		raw = "true"
	}
	s.write(op{kind: opSet, name: "_permanent", raw: raw})
}

// NoActivity marks this request as no use of the session, such as a page that
// polls: it does not put off the idle timeout, not even by writing.
func (s *Session) NoActivity() {
	s.mu.Lock()
	defer s.unlock()
	s.idle = true
}

// Regenerate gives the session a new token and keeps its handle, its owner, its
// fields and its absolute deadline. In a store the token before is accepted for 10
// seconds more, so that requests under way do not lose the session; see
// [Session.RegenerateNow]. In a cookie it sends the cookie anew, and the one before
// stays valid.
func (s *Session) Regenerate() {
	s.use()
	defer s.unlock()
	s.regenerated(false)
}

// RegenerateNow is Regenerate without the grace: in a store the token before is
// refused from this moment on, also in requests that are under way. In a cookie the
// handle changes, and the cookie before is refused if there is a list: see
// [Config.Revocations].
func (s *Session) RegenerateNow() {
	s.use()
	defer s.unlock()
	s.regenerated(true)
}

func (s *Session) regenerated(now bool) {
	if !s.writable("") {
		return
	}
	s.modified = true
	if s.inStore() && s.late && !now { // another request has done it to the same token
		s.optional = false
		return
	}
	s.renewed, s.abrupt = true, s.abrupt || now
	if s.inStore() {
		return
	}
	s.forced = true
	if now && s.id.handle != "" {
		s.id.handle = handle.Next(s.id.handle)
	}
}

// Err returns what keeps the session from being saved, or what was lost: nil
// if all is well. It starts with the first failure and keeps it; a change
// after the response began is [ErrLate].
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failure()
}

func (s *Session) failure() error {
	if s.err == nil && s.contents != nil && s.lost {
		return ErrEnded
	}
	return s.err
}

// Handle returns the session's public name, by which it can be found in lists
// and revoked; "" while there is none. It is no secret, and no proof of
// anything.
func (s *Session) Handle() string {
	s.use()
	defer s.unlock()
	return s.id.handle
}

// writable reports whether a change of the cookie can still be sent, and notes
// when it can not.
func (s *Session) writable(field string) bool {
	if s.phase == open {
		return true
	}
	err := error(ErrLate)
	if field != "" {
		err = &FieldError{field, ErrLate}
	}
	s.fail(err)
	s.event(Event{Kind: EventLate, Field: field, Err: err})
	return false
}

// fieldWritable reports whether a change of a field can still be saved. In a
// store that has the session already, it can until the handler returns.
func (s *Session) fieldWritable(field string) bool {
	if s.phase == committed && s.inStore() && s.now != nil {
		return true
	}
	return s.writable(field)
}

// fieldError notes what went wrong with one field.
func (s *Session) fieldError(field string, err error) error {
	s.mu.Lock()
	defer s.unlock()
	err = &FieldError{field, err}
	s.fail(err)
	return err
}

// mismatch notes that a stored value is not what the program expects.
func (s *Session) mismatch(field string, err error) {
	s.mu.Lock()
	defer s.unlock()
	s.event(Event{Kind: EventFieldType, Field: field, Err: err})
}

// checkName notes a write to a field that is not the application's, or whose
// name is not text.
func (s *Session) checkName(field string) error {
	if s.m.reserved(field) {
		return s.fieldError(field, ErrReserved)
	}
	if _, err := tagged.AppendString(nil, field); err != nil {
		return s.fieldError(field, err)
	}
	return nil
}

// A trackedValue is a value that Strict watches.
type trackedValue struct {
	field   string
	value   any
	encoded string
	ops     int // how many changes the request had made before
}

// track remembers a value that the handler got, to see later whether it was
// changed without being set.
func (s *Session) track(field string, value any) {
	encoded, err := tagged.Append(nil, value)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tracked = append(s.tracked, trackedValue{field, value, string(encoded), len(s.ops)})
}

// unsaved returns the values that were changed and not set again.
func (s *Session) unsaved() error {
	watched := slices.DeleteFunc(slices.Clone(s.tracked), func(t trackedValue) bool { return s.wroteSince(t.ops, t.field) })
	s.mu.Unlock() // encoding may run the application's code
	defer s.mu.Lock()
	var problems []error
	for _, t := range watched {
		if now, err := tagged.Append(nil, t.value); err != nil || string(now) != t.encoded {
			problems = append(problems, &FieldError{t.field, ErrUnsaved})
		}
	}
	return errors.Join(problems...)
}

// Format writes no more than what it is: a Session holds the request's header.
func (s *Session) Format(f fmt.State, _ rune) { io.WriteString(f, "sojourn.Session") }
