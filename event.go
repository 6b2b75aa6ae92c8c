package sojourn

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// An EventKind names what happened in one stable word.
type EventKind string

// What happens to sessions. Each state change is one event.
const (
	EventCreated     EventKind = "created"          // a new session is being sent
	EventSignedIn    EventKind = "signed-in"        // a session with an owner is being sent for the first time
	EventRegenerated EventKind = "regenerated"      // same session, new token
	EventEnded       EventKind = "ended"            // the visitor ended it
	EventExpired     EventKind = "expired"          // came in after its idle or absolute deadline
	EventAdopted     EventKind = "adopted"          // another program's session, or a former cookie's, is ours from here on
	EventRefused     EventKind = "refused"          // a cookie was not accepted; Reason says why
	EventDuplicate   EventKind = "duplicate-cookie" // several cookies of the session's name came in
	EventSpilled     EventKind = "spilled"          // it no longer fits into its cookie and goes on in the store that Keeper.SpillTo named
	EventKeys        EventKind = "keys-failed"      // the keys could not be read again, and stay as they were
	EventFieldType   EventKind = "field-type"       // a stored value is not of the field's type and reads as absent
	EventTooLarge    EventKind = "too-large"        // flask.Exact sent a cookie that browsers may drop, or a touch did not fit; a change that does not is commit-failed
	EventLate        EventKind = "late-change"      // a change after the response began was lost
	EventLateUse     EventKind = "late-use"         // first used after the response began: no Vary could be sent
	EventUncached    EventKind = "cache-overridden" // the response was declared public, but carries a Set-Cookie
	EventUnsent      EventKind = "cookie-unsent"    // the connection was hijacked: the hijacker has to send the header
	EventFailed      EventKind = "commit-failed"    // the session could not be saved; Config.Error answered
	EventDropped     EventKind = "writes-dropped"   // the session was ended while a request ran; what that wrote is dropped
	EventRevoked     EventKind = "revoked"          // somebody else ended it, or a newer session of the owner's did
	EventStore       EventKind = "store-failed"     // the store failed, and the request went on without
)

var eventKinds = [...]EventKind{EventCreated, EventSignedIn, EventRegenerated, EventEnded, EventExpired, EventAdopted, EventRefused,
	EventDuplicate, EventFieldType, EventTooLarge, EventLate, EventLateUse, EventUncached, EventUnsent, EventFailed,
	EventDropped, EventRevoked, EventStore, EventSpilled, EventKeys}

// An Event tells an operator what happened to a session. It never holds a
// token, a cookie or a field's value. Which parts are set depends on the kind.
type Event struct {
	Kind   EventKind
	Time   time.Time
	Route  string // the pattern that matched the request, or else its method and path
	Cookie string // the cookie's name
	Handle string // the session's public name, where it has one
	Owner  string // the application's identifier of the signed-in user
	Field  string
	Reason Reason // of EventRefused
	Err    error
}

// Level says how much attention an event deserves: Error for an error page,
// Warn for what an operator or programmer should look into, Info for the
// course of things, Debug for a session that begins.
func (e Event) Level() slog.Level {
	switch e.Kind {
	case EventFailed:
		if HTTPStatus(e.Err) < 500 {
			return slog.LevelWarn // the visitor's doing
		}
		return slog.LevelError
	case EventStore, EventKeys, EventFieldType, EventTooLarge, EventLate, EventLateUse, EventUncached, EventUnsent, EventDuplicate:
		return slog.LevelWarn
	case EventRefused:
		if e.Reason == ReasonPayload || e.Reason == ReasonTooLarge {
			return slog.LevelWarn
		}
	case EventCreated, EventAdopted:
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// LogValue groups what is set, for log/slog.
func (e Event) LogValue() slog.Value {
	attrs := make([]slog.Attr, 0, 8)
	for _, a := range [...]struct{ key, value string }{
		{"kind", string(e.Kind)}, {"route", e.Route}, {"cookie", e.Cookie}, {"handle", e.Handle}, {"owner", e.Owner},
		{"field", e.Field}, {"reason", string(e.Reason)},
	} {
		if a.value != "" {
			attrs = append(attrs, slog.String(a.key, a.value))
		}
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("err", e.Err.Error()))
	}
	return slog.GroupValue(attrs...)
}

// LogEvents returns a function for [Config.Events] that logs to logger, each
// event at its own level.
func LogEvents(logger *slog.Logger) func(context.Context, Event) {
	return func(ctx context.Context, e Event) {
		logger.LogAttrs(ctx, e.Level(), "session", slog.Any("event", e))
	}
}

// eventCounts counts events by kind, in the order of eventKinds.
type eventCounts [len(eventKinds)]atomic.Uint64

func (c *eventCounts) add(kind EventKind) {
	for i, k := range eventKinds {
		if k == kind {
			c[i].Add(1)
		}
	}
}

// Counts returns how many events of each kind this manager has seen since
// [New], for metrics.
func (m *Manager) Counts() map[EventKind]uint64 {
	counts := make(map[EventKind]uint64, len(eventKinds))
	for i, k := range eventKinds {
		counts[k] = m.counts[i].Load()
	}
	return counts
}

// emit is the one place from which events leave. No lock of ours is held.
func (m *Manager) emit(ctx context.Context, events []Event) {
	for _, e := range events {
		m.counts.add(e.Kind)
		m.events(ctx, e)
	}
}
