package sojourn

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/sojourn-go/sojourn/internal/writer"
)

// An exchange is one request on its way through the middleware: its context,
// its session and its writer in one piece of memory.
type exchange struct {
	context.Context
	session Session
	writer  writer.Writer
}

// Value finds the session in the context.
func (x *exchange) Value(key any) any {
	switch key := key.(type) {
	case contextKey:
		return &x.session
	case *Manager:
		if key == x.session.m {
			return &x.session
		}
	}
	return x.Context.Value(key)
}

// Middleware gives every request that passes a session, and saves it before
// the first byte of the response. It reads nothing until the handler uses the
// session. Wrap the whole router once; any router that is an http.Handler
// will do.
//
// When the session cannot be saved, [Config.Error] answers instead of the
// handler. When the handler panics, nothing is saved, but an [End] stays: the
// deletion is left in the header for whoever recovers.
func (m *Manager) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, inside := r.Context().Value(m).(*Session); inside {
			next.ServeHTTP(w, r) // wrapped twice: one session is enough
			return
		}
		x := &exchange{Context: r.Context()}
		r = r.WithContext(x)
		x.session.m, x.session.request, x.session.ctx = m, r, x
		x.writer.Init(w, saver{&x.session})
		returned := false
		defer func() {
			if !returned {
				saver{&x.session}.Spoil(w.Header())
			}
		}()
		next.ServeHTTP(x.writer.Wrap(), r)
		returned = true
		_ = x.writer.Commit() // of a handler that wrote nothing; an error has been answered
		x.session.finish()
	})
}

// Format prints a context as package context does, without the request.
func (x *exchange) Format(f fmt.State, _ rune) {
	fmt.Fprint(f, x.Context)
	io.WriteString(f, ".WithSession")
}

// String is for contexts made from this one, which ask for it.
func (x *exchange) String() string { return fmt.Sprint(x) }

// saver is a session as its writer sees it.
type saver struct{ s *Session }

func (v saver) Save(h http.Header) error { return v.s.commit(h) }
func (v saver) Busy() bool               { return v.s.inUpdate() }

// Answer lets Config.Error answer, and answers itself if that stays silent:
// silence would be a success.
func (v saver) Answer(w http.ResponseWriter, err error) {
	page := errorPage{ResponseWriter: w}
	if HTTPStatus(err) == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", retryAfter)
	}
	v.s.m.onError(&page, v.s.request, err)
	if !page.begun {
		defaultError(w, v.s.request, err)
	}
}

// Spoil ends the request of a handler that panicked, or whose session could
// not be saved: an End that can be kept stays, and the page may tell what was
// read.
func (v saver) Spoil(h http.Header) {
	v.s.abandon(h)
	v.s.vary(h)
}

// Unsent notes that a cookie was left to the hijacker of the connection.
func (v saver) Unsent() {
	v.s.mu.Lock()
	defer v.s.unlock()
	v.s.event(Event{Kind: EventUnsent})
}

// An errorPage knows whether Config.Error has answered.
type errorPage struct {
	http.ResponseWriter
	begun bool
}

func (p *errorPage) WriteHeader(status int) {
	p.begun = p.begun || status >= 200
	p.ResponseWriter.WriteHeader(status)
}

func (p *errorPage) Write(b []byte) (int, error) {
	p.begun = true
	return p.ResponseWriter.Write(b)
}

func (p *errorPage) Unwrap() http.ResponseWriter { return p.ResponseWriter }
