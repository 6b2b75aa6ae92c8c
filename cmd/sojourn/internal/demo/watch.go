package demo

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/store"
)

// A trace is what one request did: what it asked the store, and what became of
// sessions. Only the request's own goroutine writes it.
type trace struct {
	What   string // method and path
	At     time.Time
	Calls  []storeCall
	Events []sojourn.Event
}

// A storeCall is one question to the store.
type storeCall struct {
	Verb   string
	Handle string // of the record, if it was about one
	Answer string // "" if all was well
	Took   time.Duration
}

type traceKey struct{}

func traceOf(ctx context.Context) *trace {
	t, _ := ctx.Value(traceKey{}).(*trace)
	return t
}

// eventsOf is what has become of sessions in the request so far.
func eventsOf(ctx context.Context) []sojourn.Event {
	if t := traceOf(ctx); t != nil {
		return t.Events
	}
	return nil
}

// noteEvent adds e to the trace of the request in which it happened.
func noteEvent(ctx context.Context, e sojourn.Event) {
	if t := traceOf(ctx); t != nil {
		t.Events = append(t.Events, e)
	}
}

// of reports whether the request asked about the record with this handle.
func (t *trace) of(handle string) bool {
	for i := range t.Calls {
		if t.Calls[i].Handle == handle {
			return true
		}
	}
	return false
}

// A journal holds the traces of the last requests of this process.
type journal struct {
	mu   sync.Mutex
	ring [1024]*trace
	next int // where the next one goes
}

// watch keeps a trace of every request that asks the store something. It is in
// the journal before the answer has reached the browser.
func (j *journal) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t := &trace{What: r.Method + " " + r.URL.Path, At: time.Now()}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), traceKey{}, t)))
		if len(t.Calls) == 0 {
			return
		}
		j.mu.Lock()
		defer j.mu.Unlock()
		j.ring[j.next] = t
		j.next = (j.next + 1) % len(j.ring)
	})
}

// last returns the traces of the last n requests that had to do with a record,
// the latest first.
func (j *journal) last(handle string, n int) []*trace {
	j.mu.Lock()
	defer j.mu.Unlock()
	var found []*trace
	for i := 1; i <= len(j.ring) && len(found) < n; i++ {
		t := j.ring[(j.next-i+len(j.ring))%len(j.ring)]
		if t == nil {
			break
		}
		if t.of(handle) {
			found = append(found, t)
		}
	}
	return found
}

// watched is a store that notes in the request's trace what it is asked.
type watched struct{ store.Store }

// note takes down a question that has been answered with *err.
func note(ctx context.Context, verb, handle string, start time.Time, err *error) {
	t := traceOf(ctx)
	if t == nil {
		return
	}
	c := storeCall{Verb: verb, Handle: handle, Took: time.Since(start)}
	switch *err {
	case nil:
	case store.ErrGone:
		c.Answer = "gone"
	case store.ErrConflict:
		c.Answer = "conflict"
	case store.ErrExists:
		c.Answer = "exists"
	case store.ErrLimit:
		c.Answer = "limit"
	default:
		c.Answer = "failed"
	}
	t.Calls = append(t.Calls, c)
}

func (w watched) Load(ctx context.Context, handle string) (rec *store.Record, err error) {
	defer note(ctx, "Load", handle, time.Now(), &err)
	return w.Store.Load(ctx, handle)
}

func (w watched) Create(ctx context.Context, rec *store.Record, opts store.CreateOptions) (c store.Created, err error) {
	defer note(ctx, "Create", rec.Handle, time.Now(), &err)
	return w.Store.Create(ctx, rec, opts)
}

func (w watched) Apply(ctx context.Context, rec *store.Record, from store.Version, now time.Time) (err error) {
	defer note(ctx, "Apply", rec.Handle, time.Now(), &err)
	return w.Store.Apply(ctx, rec, from, now)
}

func (w watched) Touch(ctx context.Context, handle string, seen, idle time.Time) (err error) {
	defer note(ctx, "Touch", handle, time.Now(), &err)
	return w.Store.Touch(ctx, handle, seen, idle)
}

func (w watched) Delete(ctx context.Context, handle string, end store.Ending) (err error) {
	defer note(ctx, "Delete", handle, time.Now(), &err)
	return w.Store.Delete(ctx, handle, end)
}

func (w watched) DeleteOwner(ctx context.Context, owner, except string, end store.Ending) (n int, err error) {
	defer note(ctx, "DeleteOwner", "", time.Now(), &err)
	return w.Store.DeleteOwner(ctx, owner, except, end)
}

func (w watched) List(ctx context.Context, owner string, page store.Page) (l store.Listing, err error) {
	defer note(ctx, "List", "", time.Now(), &err)
	return w.Store.List(ctx, owner, page)
}
