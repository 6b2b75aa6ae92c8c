package sojourn

import (
	"bufio"
	"io"
	"maps"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// A response is the writer that the handler gets. It saves the session before
// the first byte and is out of the way after that. It has FlushError for
// http.ResponseController; what else it can do, wrap decides by the writer
// below.
type response struct {
	below   http.ResponseWriter
	session *Session
	before  http.Header // the header before the handler
	saving  sync.Mutex  // held while the session is being saved
	state   atomic.Uint32
	err     error       // why the session could not be saved
	waste   http.Header // the handler's header after that
}

// The states of a response.
const (
	notSaved uint32 = iota
	saved
	failed
)

func (w *response) init(below http.ResponseWriter, s *Session) {
	w.below, w.session = below, s
	if h := below.Header(); len(h) > 0 {
		w.before = maps.Clone(h)
	}
}

// commit saves the session once; who comes meanwhile waits. When it fails, Config.Error has answered
// already, and the handler gets the error from whatever it does.
func (w *response) commit() error {
	switch w.state.Load() {
	case saved:
		return nil
	case failed:
		return w.err
	}
	if w.session.updating.Load() {
		return errBusy // an Update function writes the response: waiting for it would take for ever
	}
	w.saving.Lock()
	defer w.saving.Unlock()
	if w.state.Load() != notSaved {
		return w.err // another goroutine was quicker
	}
	w.err = errPanicked // until it is known better
	defer w.settle()
	w.err = w.session.commit(w.below.Header())
	return w.err
}

// settle ends the saving: well, with an error, or with the panic of an Update
// function. Whoever recovers from that must not be able to answer as if all
// were well.
func (w *response) settle() {
	if w.err == nil {
		w.state.Store(saved)
		return
	}
	h := w.below.Header()
	clear(h)
	maps.Copy(h, w.before)
	w.session.abandon(h) // where it was not the session that failed, but an Update
	w.session.vary(h)
	w.waste = make(http.Header)
	w.state.Store(failed)
	answered := false
	defer func() {
		if !answered { // Config.Error panicked: whoever recovers answers
			w.state.Store(saved)
		}
	}()
	page := errorPage{ResponseWriter: w.below}
	w.session.m.onError(&page, w.session.request, w.err)
	if answered = true; !page.begun {
		defaultError(w.below, w.session.request, w.err) // silence would be a success
	}
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

// finish saves the session of a handler that wrote nothing.
func (w *response) finish() { _ = w.commit() } // the error has been answered

func (w *response) Header() http.Header {
	if w.state.Load() == failed {
		return w.waste
	}
	return w.below.Header()
}

func (w *response) WriteHeader(status int) {
	// 1xx are not the response yet, but for 101, which is its last line.
	if 100 <= status && status < 200 && status != http.StatusSwitchingProtocols {
		if w.state.Load() != failed {
			w.below.WriteHeader(status)
		}
		return
	}
	if w.commit() == nil {
		w.below.WriteHeader(status)
	}
}

func (w *response) Write(p []byte) (int, error) {
	if err := w.commit(); err != nil {
		return 0, err
	}
	return w.below.Write(p)
}

func (w *response) WriteString(s string) (int, error) {
	if err := w.commit(); err != nil {
		return 0, err
	}
	return io.WriteString(w.below, s)
}

// FlushError is what http.ResponseController calls first, whatever the writer
// below is.
func (w *response) FlushError() error {
	if !supports[http.Flusher](w.below) {
		return http.ErrNotSupported
	}
	if err := w.commit(); err != nil {
		return err
	}
	return http.NewResponseController(w.below).Flush()
}

func (w *response) flush() {
	if w.commit() == nil {
		w.below.(http.Flusher).Flush()
	}
}

// hijack saves the session and hands the connection over. The header is not
// sent by net/http then: a cookie that has to go out is left in it for the
// hijacker.
func (w *response) hijack() (net.Conn, *bufio.ReadWriter, error) {
	sent := len(w.below.Header()["Set-Cookie"])
	fresh := w.state.Load() == notSaved
	if err := w.commit(); err != nil {
		return nil, nil, err
	}
	if fresh && len(w.below.Header()["Set-Cookie"]) > sent {
		w.session.unsent()
	}
	return http.NewResponseController(w.below).Hijack()
}

// unsent notes that a cookie was left to the hijacker of the connection.
func (s *Session) unsent() {
	s.mu.Lock()
	defer s.unlock()
	s.event(Event{Kind: EventUnsent})
}

func (w *response) readFrom(src io.Reader) (int64, error) {
	if err := w.commit(); err != nil {
		return 0, err
	}
	return w.below.(io.ReaderFrom).ReadFrom(src)
}

func (w *response) push(target string, opts *http.PushOptions) error {
	return w.below.(http.Pusher).Push(target, opts)
}

func (w *response) closeNotify() <-chan bool {
	//lint:ignore SA1019 passed on for those who still call it
	return w.below.(http.CloseNotifier).CloseNotify()
}

// Unwrap lets http.ResponseController reach the writer below without going
// around the commit.
func (w *response) Unwrap() http.ResponseWriter { return beneath{w} }

// beneath is what Unwrap shows: it saves the session before what would send
// the header, and passes everything else on.
type beneath struct{ w *response }

func (b beneath) Header() http.Header                  { return b.w.Header() }
func (b beneath) Write(p []byte) (int, error)          { return b.w.Write(p) }
func (b beneath) WriteHeader(status int)               { b.w.WriteHeader(status) }
func (b beneath) FlushError() error                    { return b.w.FlushError() }
func (b beneath) SetReadDeadline(t time.Time) error    { return b.controller().SetReadDeadline(t) }
func (b beneath) SetWriteDeadline(t time.Time) error   { return b.controller().SetWriteDeadline(t) }
func (b beneath) EnableFullDuplex() error              { return b.controller().EnableFullDuplex() }
func (b beneath) Unwrap() http.ResponseWriter          { return b.w.below }
func (b beneath) controller() *http.ResponseController { return http.NewResponseController(b.w.below) }

// Flush and ReadFrom are for those who look through Unwrap for a writer that
// has them.
func (b beneath) Flush() { _ = b.w.FlushError() }
func (b beneath) ReadFrom(src io.Reader) (int64, error) {
	if err := b.w.commit(); err != nil {
		return 0, err
	}
	return io.Copy(b.w.below, src)
}

func (b beneath) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if !supports[http.Hijacker](b.w.below) {
		return nil, nil, http.ErrNotSupported
	}
	return b.w.hijack()
}

// supports reports whether http.ResponseController would find a T in w.
func supports[T any](w http.ResponseWriter) bool {
	for {
		if b, ok := w.(beneath); ok { // has every method, whether or not they work
			w = b.w.below
			continue
		}
		if _, ok := w.(T); ok {
			return true
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return false
		}
		w = u.Unwrap()
	}
}
