// Package writer is the http.ResponseWriter that saves a session before the
// first byte of the response, whatever the handler does first, and is out of
// the way after that.
package writer

import (
	"bufio"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// A Saver is what is saved before the first byte.
type Saver interface {
	// Save saves, and puts what the response has to carry into h.
	Save(h http.Header) error

	// Busy reports whether Save is running a function of the application's.
	// If that writes the response, waiting for Save would take for ever.
	Busy() bool

	// Answer answers with err in place of the handler.
	Answer(w http.ResponseWriter, err error)

	// Spoil marks the header h of a page that is not the handler's.
	Spoil(h http.Header)

	// Unsent notes that h carries a cookie which whoever hijacked the
	// connection has to send.
	Unsent()
}

var (
	errBusy     = errors.New("sojourn: an Update function wrote the response")
	errPanicked = errors.New("sojourn: an Update function panicked while the session was being saved")
)

// A Writer is the writer that the handler gets. It has FlushError for
// http.ResponseController; what else it can do, Wrap decides by the writer
// below.
type Writer struct {
	below  http.ResponseWriter
	saver  Saver
	before http.Header // the header before the handler
	saving sync.Mutex  // held while the session is being saved
	state  atomic.Uint32
	err    error       // why the session could not be saved
	waste  http.Header // the handler's header after that
}

// The states of a Writer.
const (
	notSaved uint32 = iota
	saved
	failed
)

// Init prepares w to stand before below.
func (w *Writer) Init(below http.ResponseWriter, saver Saver) {
	w.below, w.saver = below, saver
	if h := below.Header(); len(h) > 0 {
		w.before = maps.Clone(h)
	}
}

// Commit saves the session once; who comes meanwhile waits. When it fails, the
// saver has answered already, and the handler gets the error from whatever it
// does.
func (w *Writer) Commit() error {
	switch w.state.Load() {
	case saved:
		return nil
	case failed:
		return w.err
	}
	if w.saver.Busy() {
		return errBusy
	}
	w.saving.Lock()
	defer w.saving.Unlock()
	if w.state.Load() != notSaved {
		return w.err // another goroutine was quicker
	}
	w.err = errPanicked // until it is known better
	defer w.settle()
	w.err = w.saver.Save(w.below.Header())
	return w.err
}

// settle ends the saving: well, with an error, or with the panic of an Update
// function. Whoever recovers from that must not be able to answer as if all
// were well.
func (w *Writer) settle() {
	if w.err == nil {
		w.state.Store(saved)
		return
	}
	h := w.below.Header()
	clear(h)
	maps.Copy(h, w.before)
	w.saver.Spoil(h)
	w.waste = make(http.Header)
	w.state.Store(failed)
	answered := false
	defer func() {
		if !answered { // the answer panicked: whoever recovers answers
			w.state.Store(saved)
		}
	}()
	w.saver.Answer(w.below, w.err)
	answered = true
}

func (w *Writer) Header() http.Header {
	if w.state.Load() == failed {
		return w.waste
	}
	return w.below.Header()
}

func (w *Writer) WriteHeader(status int) {
	// 1xx are not the response yet, but for 101, which is its last line.
	if 100 <= status && status < 200 && status != http.StatusSwitchingProtocols {
		if w.state.Load() != failed {
			w.below.WriteHeader(status)
		}
		return
	}
	if w.Commit() == nil {
		w.below.WriteHeader(status)
	}
}

func (w *Writer) Write(p []byte) (int, error) {
	if err := w.Commit(); err != nil {
		return 0, err
	}
	return w.below.Write(p)
}

func (w *Writer) WriteString(s string) (int, error) {
	if err := w.Commit(); err != nil {
		return 0, err
	}
	return io.WriteString(w.below, s)
}

// FlushError is what http.ResponseController calls first, whatever the writer
// below is.
func (w *Writer) FlushError() error {
	if !supports[http.Flusher](w.below) {
		return http.ErrNotSupported
	}
	if err := w.Commit(); err != nil {
		return err
	}
	return http.NewResponseController(w.below).Flush()
}

func (w *Writer) flush() {
	if w.Commit() == nil {
		w.below.(http.Flusher).Flush()
	}
}

// hijack saves the session and hands the connection over. The header is not
// sent by net/http then: a cookie that has to go out is left in it for the
// hijacker.
func (w *Writer) hijack() (net.Conn, *bufio.ReadWriter, error) {
	sent := len(w.below.Header()["Set-Cookie"])
	fresh := w.state.Load() == notSaved
	if err := w.Commit(); err != nil {
		return nil, nil, err
	}
	if fresh && len(w.below.Header()["Set-Cookie"]) > sent {
		w.saver.Unsent()
	}
	return http.NewResponseController(w.below).Hijack()
}

func (w *Writer) readFrom(src io.Reader) (int64, error) {
	if err := w.Commit(); err != nil {
		return 0, err
	}
	return w.below.(io.ReaderFrom).ReadFrom(src)
}

func (w *Writer) push(target string, opts *http.PushOptions) error {
	return w.below.(http.Pusher).Push(target, opts)
}

func (w *Writer) closeNotify() <-chan bool {
	//lint:ignore SA1019 passed on for those who still call it
	return w.below.(http.CloseNotifier).CloseNotify()
}

// Unwrap lets http.ResponseController reach the writer below without going
// around the commit.
func (w *Writer) Unwrap() http.ResponseWriter { return beneath{w} }

// beneath is what Unwrap shows: it saves the session before what would send
// the header, and passes everything else on.
type beneath struct{ w *Writer }

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
	if err := b.w.Commit(); err != nil {
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
