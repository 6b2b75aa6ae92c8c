package sojourn

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// An exchange is one request on its way through the middleware: its context,
// its session and its writer in one piece of memory.
type exchange struct {
	context.Context
	session  Session
	response response
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
		x.response.init(w, &x.session)
		returned := false
		defer func() {
			if !returned {
				x.session.abandon(w.Header())
				x.session.vary(w.Header())
			}
		}()
		next.ServeHTTP(x.response.wrap(), r)
		returned = true
		x.response.finish()
	})
}

// Format prints a context as package context does, without the request.
func (x *exchange) Format(f fmt.State, _ rune) {
	fmt.Fprint(f, x.Context)
	io.WriteString(f, ".WithSession")
}

// String is for contexts made from this one, which ask for it.
func (x *exchange) String() string { return fmt.Sprint(x) }
