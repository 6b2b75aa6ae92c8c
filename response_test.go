package sojourn_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn"
)

const color sojourn.Field[string] = "color"

// A behaviour is what a handler may do first.
type behaviour struct {
	name       string
	needs      string // the optional interface it needs: a letter of can
	controller bool   // by http.ResponseController, which looks below
	act        func(w http.ResponseWriter, r *http.Request) error
	status     int
	early      bool // it saves the session before the handler returns
}

var behaviours = []behaviour{
	{name: "no write at all", act: func(http.ResponseWriter, *http.Request) error { return nil }, status: 200},
	{name: "Write", act: func(w http.ResponseWriter, _ *http.Request) error {
		_, err := w.Write([]byte("body"))
		return err
	}, status: 200, early: true},
	{name: "WriteString", act: func(w http.ResponseWriter, _ *http.Request) error {
		_, err := io.WriteString(w, "body")
		return err
	}, status: 200, early: true},
	{name: "WriteHeader", act: status(404), status: 404, early: true},
	{name: "304", act: status(304), status: 304, early: true},
	{name: "103 and then nothing", act: status(103), status: 200},
	{name: "redirect", act: func(w http.ResponseWriter, r *http.Request) error {
		http.Redirect(w, r, "/next", http.StatusSeeOther)
		return nil
	}, status: 303, early: true},
	{name: "Copy", act: func(w http.ResponseWriter, _ *http.Request) error {
		_, err := io.Copy(w, strings.NewReader("body"))
		return err
	}, status: 200, early: true},
	{name: "ReadFrom", needs: "R", act: func(w http.ResponseWriter, _ *http.Request) error {
		_, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader("body"))
		return err
	}, status: 200, early: true},
	{name: "Flush", needs: "F", act: func(w http.ResponseWriter, _ *http.Request) error {
		w.(http.Flusher).Flush()
		return nil
	}, status: 200, early: true},
	{name: "Flush", needs: "F", controller: true, act: func(w http.ResponseWriter, _ *http.Request) error {
		return http.NewResponseController(w).Flush()
	}, status: 200, early: true},
	{name: "Hijack", needs: "H", act: func(w http.ResponseWriter, _ *http.Request) error {
		return upgrade(w, w.(http.Hijacker).Hijack)
	}, status: 101, early: true},
	{name: "Hijack", needs: "H", controller: true, act: func(w http.ResponseWriter, _ *http.Request) error {
		return upgrade(w, http.NewResponseController(w).Hijack)
	}, status: 101, early: true},
}

func status(code int) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(code)
		return nil
	}
}

// upgrade answers 101 by hand, with the header that the middleware left.
func upgrade(w http.ResponseWriter, hijack func() (net.Conn, *bufio.ReadWriter, error)) error {
	conn, rw, err := hijack()
	if err != nil {
		return err
	}
	defer conn.Close()
	io.WriteString(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: test\r\n")
	w.Header().Write(rw)
	io.WriteString(rw, "\r\n")
	return rw.Flush()
}

// possible reports whether b can be done with w.
func (b *behaviour) possible(w http.ResponseWriter) bool {
	for {
		if strings.Contains(can(w), b.needs) {
			return true
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !b.controller || !ok {
			return false
		}
		w = u.Unwrap()
	}
}

// Writers with fewer capabilities than the server's own.
type bare struct{ http.ResponseWriter }
type flusherOnly struct {
	bare
	http.Flusher
}
type hijackerOnly struct {
	bare
	http.Hijacker
}
type unwrapper struct{ bare }

func (u unwrapper) Unwrap() http.ResponseWriter { return u.ResponseWriter }

var capabilities = []struct {
	name string
	wrap func(http.ResponseWriter) http.ResponseWriter
}{
	{"all of the server's", func(w http.ResponseWriter) http.ResponseWriter { return w }},
	{"none", func(w http.ResponseWriter) http.ResponseWriter { return bare{w} }},
	{"Flusher", func(w http.ResponseWriter) http.ResponseWriter { return flusherOnly{bare{w}, w.(http.Flusher)} }},
	{"Hijacker", func(w http.ResponseWriter) http.ResponseWriter {
		if h, ok := w.(http.Hijacker); ok {
			return hijackerOnly{bare{w}, h}
		}
		return bare{w}
	}},
	{"Unwrap", func(w http.ResponseWriter) http.ResponseWriter { return unwrapper{bare{w}} }},
}

// can lists the optional interfaces of a writer.
func can(w http.ResponseWriter) string {
	s := ""
	if _, ok := w.(http.Flusher); ok {
		s += "F"
	}
	if _, ok := w.(http.Hijacker); ok {
		s += "H"
	}
	if _, ok := w.(io.ReaderFrom); ok {
		s += "R"
	}
	if _, ok := w.(http.Pusher); ok {
		s += "P"
	}
	//lint:ignore SA1019 others still ask for it
	if _, ok := w.(http.CloseNotifier); ok {
		s += "C"
	}
	return s
}

// TestResponse checks, for everything a handler may do first and every kind of
// writer below, that the session is saved exactly once and in time (promises 1
// and 12).
func TestResponse(t *testing.T) {
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		for _, writer := range capabilities {
			for _, b := range behaviours {
				name := b.name
				if b.controller {
					name += " by the controller"
				}
				t.Run(protocol+"/"+writer.name+"/"+name, func(t *testing.T) {
					t.Parallel()
					testResponse(t, protocol, writer.wrap, b)
				})
			}
		}
	}
}

func testResponse(t *testing.T, protocol string, wrap func(http.ResponseWriter) http.ResponseWriter, b behaviour) {
	m, events := newManager(t, nil)
	var possible bool
	var lateErr error
	res := serve(t, protocol, func(below http.ResponseWriter, r *http.Request) {
		below = wrap(below)
		possible = b.possible(below)
		m.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if can(w) != can(below) {
				t.Errorf("the handler's writer can %q, the one below %q", can(w), can(below))
			}
			color.Set(r.Context(), "blue")
			if possible || b.controller {
				if err := b.act(w, r); (err == nil) != possible || err != nil && !errors.Is(err, http.ErrNotSupported) {
					t.Errorf("possible: %v, but the error is %v", possible, err)
				}
			}
			sojourn.Field[int]("late").Set(r.Context(), 1)
			lateErr = sojourn.From(r.Context()).Err()
		})).ServeHTTP(below, r)
	})
	early, status := b.early, b.status
	if !possible {
		early, status = false, 200
	}
	if len(res.Header["Set-Cookie"]) != 1 {
		t.Fatalf("Set-Cookie: %q, want one line", res.Header["Set-Cookie"])
	}
	if res.Header.Get("Vary") != "Cookie" || res.Header.Get("Cache-Control") != "private, no-store" {
		t.Errorf("Vary %q, Cache-Control %q", res.Header.Get("Vary"), res.Header.Get("Cache-Control"))
	}
	if res.StatusCode != status {
		t.Errorf("status %d, want %d", res.StatusCode, status)
	}
	if errors.Is(lateErr, sojourn.ErrLate) != early {
		t.Errorf("a change after it is ErrLate: want %v, got %v", early, lateErr)
	}
	if _, ok := events.find(sojourn.EventUnsent); ok != (possible && b.needs == "H") {
		t.Errorf("a cookie was left to the hijacker: events %q", events.kinds())
	}
	if _, ok := events.find(sojourn.EventLate); ok != early {
		t.Errorf("events %q", events.kinds())
	}
	want := []string{"color", "late"}
	if early {
		want = want[:1]
	}
	if fields := readFields(t, m, res); !slices.Equal(fields, want) {
		t.Errorf("saved the fields %q, want %q", fields, want)
	}
}

// TestHead: an answer without a body still carries the cookie.
func TestHead(t *testing.T) {
	m, _ := newManager(t, nil)
	server := httptest.NewServer(m.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		color.Set(r.Context(), "blue")
		io.WriteString(w, "body")
	})))
	defer server.Close()
	res, err := http.Head(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if fields := readFields(t, m, res); !slices.Equal(fields, []string{"color"}) || res.ContentLength != 4 {
		t.Errorf("saved %q, length %d", fields, res.ContentLength)
	}
}

// serve answers one request by a real server that speaks protocol.
func serve(t *testing.T, protocol string, handler http.HandlerFunc) *http.Response {
	t.Helper()
	done := make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		handler(w, r)
	}))
	server.EnableHTTP2 = protocol == "HTTP/2.0"
	server.StartTLS()
	t.Cleanup(server.Close)
	client := server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	<-done // the response may be here before the handler has returned
	if res.Proto != protocol {
		t.Fatalf("spoke %s, want %s", res.Proto, protocol)
	}
	return res
}

// readFields returns the names of the fields in the cookie of a response.
func readFields(t *testing.T, m *sojourn.Manager, res *http.Response) []string {
	t.Helper()
	r := httptest.NewRequest("GET", "/", nil)
	for _, c := range res.Cookies() {
		r.AddCookie(c)
	}
	var names []string
	m.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for name := range sojourn.From(r.Context()).All() {
			names = append(names, name)
		}
	})).ServeHTTP(httptest.NewRecorder(), r)
	return names
}
