package writer

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// Wrap returns the writer for the handler: w with exactly those of the five
// optional interfaces that the writer below has, so that a handler which asks
// gets the same answer as without the middleware.
//
// Each type below adds one method to the one it embeds and is a single
// pointer, so choosing one costs no memory.
func (w *Writer) Wrap() http.ResponseWriter {
	can := 0
	if _, ok := w.below.(http.Flusher); ok {
		can |= 1
	}
	if _, ok := w.below.(http.Hijacker); ok {
		can |= 2
	}
	if _, ok := w.below.(io.ReaderFrom); ok {
		can |= 4
	}
	if _, ok := w.below.(http.Pusher); ok {
		can |= 8
	}
	//lint:ignore SA1019 others still ask for it
	if _, ok := w.below.(http.CloseNotifier); ok {
		can |= 16
	}
	return w.wrapAs(can)
}

func (w *Writer) wrapAs(can int) http.ResponseWriter {
	switch can {
	case 1:
		return withF{w}
	case 2:
		return withH{w}
	case 3:
		return withFH{withF{w}}
	case 4:
		return withR{w}
	case 5:
		return withFR{withF{w}}
	case 6:
		return withHR{withH{w}}
	case 7:
		return withFHR{withFH{withF{w}}}
	case 8:
		return withP{w}
	case 9:
		return withFP{withF{w}}
	case 10:
		return withHP{withH{w}}
	case 11:
		return withFHP{withFH{withF{w}}}
	case 12:
		return withRP{withR{w}}
	case 13:
		return withFRP{withFR{withF{w}}}
	case 14:
		return withHRP{withHR{withH{w}}}
	case 15:
		return withFHRP{withFHR{withFH{withF{w}}}}
	case 16:
		return withC{w}
	case 17:
		return withFC{withF{w}}
	case 18:
		return withHC{withH{w}}
	case 19:
		return withFHC{withFH{withF{w}}}
	case 20:
		return withRC{withR{w}}
	case 21:
		return withFRC{withFR{withF{w}}}
	case 22:
		return withHRC{withHR{withH{w}}}
	case 23:
		return withFHRC{withFHR{withFH{withF{w}}}}
	case 24:
		return withPC{withP{w}}
	case 25:
		return withFPC{withFP{withF{w}}}
	case 26:
		return withHPC{withHP{withH{w}}}
	case 27:
		return withFHPC{withFHP{withFH{withF{w}}}}
	case 28:
		return withRPC{withRP{withR{w}}}
	case 29:
		return withFRPC{withFRP{withFR{withF{w}}}}
	case 30:
		return withHRPC{withHRP{withHR{withH{w}}}}
	case 31:
		return withFHRPC{withFHRP{withFHR{withFH{withF{w}}}}}
	}
	return w
}

// F Flusher, H Hijacker, R ReaderFrom, P Pusher, C CloseNotifier.
type (
	withF     struct{ *Writer }
	withH     struct{ *Writer }
	withFH    struct{ withF }
	withR     struct{ *Writer }
	withFR    struct{ withF }
	withHR    struct{ withH }
	withFHR   struct{ withFH }
	withP     struct{ *Writer }
	withFP    struct{ withF }
	withHP    struct{ withH }
	withFHP   struct{ withFH }
	withRP    struct{ withR }
	withFRP   struct{ withFR }
	withHRP   struct{ withHR }
	withFHRP  struct{ withFHR }
	withC     struct{ *Writer }
	withFC    struct{ withF }
	withHC    struct{ withH }
	withFHC   struct{ withFH }
	withRC    struct{ withR }
	withFRC   struct{ withFR }
	withHRC   struct{ withHR }
	withFHRC  struct{ withFHR }
	withPC    struct{ withP }
	withFPC   struct{ withFP }
	withHPC   struct{ withHP }
	withFHPC  struct{ withFHP }
	withRPC   struct{ withRP }
	withFRPC  struct{ withFRP }
	withHRPC  struct{ withHRP }
	withFHRPC struct{ withFHRP }
)

func (w withF) Flush()                                              { w.flush() }
func (w withH) Hijack() (net.Conn, *bufio.ReadWriter, error)        { return w.hijack() }
func (w withFH) Hijack() (net.Conn, *bufio.ReadWriter, error)       { return w.hijack() }
func (w withR) ReadFrom(src io.Reader) (int64, error)               { return w.readFrom(src) }
func (w withFR) ReadFrom(src io.Reader) (int64, error)              { return w.readFrom(src) }
func (w withHR) ReadFrom(src io.Reader) (int64, error)              { return w.readFrom(src) }
func (w withFHR) ReadFrom(src io.Reader) (int64, error)             { return w.readFrom(src) }
func (w withP) Push(target string, opts *http.PushOptions) error    { return w.push(target, opts) }
func (w withFP) Push(target string, opts *http.PushOptions) error   { return w.push(target, opts) }
func (w withHP) Push(target string, opts *http.PushOptions) error   { return w.push(target, opts) }
func (w withFHP) Push(target string, opts *http.PushOptions) error  { return w.push(target, opts) }
func (w withRP) Push(target string, opts *http.PushOptions) error   { return w.push(target, opts) }
func (w withFRP) Push(target string, opts *http.PushOptions) error  { return w.push(target, opts) }
func (w withHRP) Push(target string, opts *http.PushOptions) error  { return w.push(target, opts) }
func (w withFHRP) Push(target string, opts *http.PushOptions) error { return w.push(target, opts) }
func (w withC) CloseNotify() <-chan bool                            { return w.closeNotify() }
func (w withFC) CloseNotify() <-chan bool                           { return w.closeNotify() }
func (w withHC) CloseNotify() <-chan bool                           { return w.closeNotify() }
func (w withFHC) CloseNotify() <-chan bool                          { return w.closeNotify() }
func (w withRC) CloseNotify() <-chan bool                           { return w.closeNotify() }
func (w withFRC) CloseNotify() <-chan bool                          { return w.closeNotify() }
func (w withHRC) CloseNotify() <-chan bool                          { return w.closeNotify() }
func (w withFHRC) CloseNotify() <-chan bool                         { return w.closeNotify() }
func (w withPC) CloseNotify() <-chan bool                           { return w.closeNotify() }
func (w withFPC) CloseNotify() <-chan bool                          { return w.closeNotify() }
func (w withHPC) CloseNotify() <-chan bool                          { return w.closeNotify() }
func (w withFHPC) CloseNotify() <-chan bool                         { return w.closeNotify() }
func (w withRPC) CloseNotify() <-chan bool                          { return w.closeNotify() }
func (w withFRPC) CloseNotify() <-chan bool                         { return w.closeNotify() }
func (w withHRPC) CloseNotify() <-chan bool                         { return w.closeNotify() }
func (w withFHRPC) CloseNotify() <-chan bool                        { return w.closeNotify() }
