package sojourn_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/sojourn-go/sojourn"
)

// TestFailedCommit: a session that cannot be saved is answered by Config.Error,
// never by the handler's page (promise 1).
func TestFailedCommit(t *testing.T) {
	tests := []struct {
		name   string
		f      func(ctx context.Context)
		is     error
		status int
	}{
		{"cannot be encoded", func(ctx context.Context) { sojourn.From(ctx).Set("f", func() {}) }, nil, 500},
		{"reserved", func(ctx context.Context) { sojourn.From(ctx).Set("_user_id", "alice") }, sojourn.ErrReserved, 500},
		{"reserved delete", func(ctx context.Context) { sojourn.From(ctx).Delete("_user_id") }, sojourn.ErrReserved, 500},
		{"secret", func(ctx context.Context) { sojourn.SecretField[string]("pin").Set(ctx, "1234") }, sojourn.ErrSecretReadable, 500},
		{"no owner", func(ctx context.Context) { sojourn.SignIn(ctx, "") }, sojourn.ErrNoOwner, 400},
		{"not text", func(ctx context.Context) { color.Set(ctx, "\xff") }, sojourn.ErrNotText, 400},
		{"name that is not text", func(ctx context.Context) { sojourn.From(ctx).Set("\xff", 1) }, sojourn.ErrNotText, 400},
		{"too large", func(ctx context.Context) { color.Set(ctx, incompressible(8000)) }, nil, 500},
		{"update fails", func(ctx context.Context) {
			sojourn.Field[any]("f").Update(ctx, func(any) any { return make(chan int) })
		}, nil, 500},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m, events := newManager(t, nil)
			b := newBrowser(t, m)
			var writeErr error
			res := b.get(func(w http.ResponseWriter, r *http.Request) {
				test.f(r.Context())
				w.Header().Set("Content-Type", "application/pdf")
				w.Header().Set("ETag", `"x"`)
				w.WriteHeader(201)
				_, writeErr = io.WriteString(w, "saved!")
			})
			body, _ := io.ReadAll(res.Body)
			if res.StatusCode != test.status || strings.Contains(string(body), "saved") || res.Header.Get("ETag") != "" ||
				!strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain") {
				t.Errorf("answered %d %q %q", res.StatusCode, body, res.Header)
			}
			if setCookie(res) != "" {
				t.Errorf("sent %q", setCookie(res))
			}
			if writeErr == nil || test.is != nil && !errors.Is(writeErr, test.is) {
				t.Errorf("Write returned %v, want %v", writeErr, test.is)
			}
			if e, ok := events.find(sojourn.EventFailed); !ok || e.Err == nil {
				t.Errorf("events %q", events.kinds())
			}
		})
	}
}

// incompressible returns n bytes of text that zlib hardly shrinks.
func incompressible(n int) string {
	b := make([]byte, n)
	x := uint64(88172645463325252)
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = '!' + byte(x>>32%93)
	}
	return strings.NewReplacer(`"`, "a", `\`, "b").Replace(string(b))
}

// TestTooLarge: the finished line is measured, and the error names the largest
// fields.
func TestTooLarge(t *testing.T) {
	m, _ := newManager(t, func(c *sojourn.Config) {
		c.Error = func(w http.ResponseWriter, r *http.Request, err error) {
			var large *sojourn.TooLargeError
			if !errors.As(err, &large) {
				t.Fatalf("the error is %v", err)
			}
			http.Error(w, err.Error(), http.StatusInsufficientStorage)
		}
	})
	b := newBrowser(t, m)
	res := b.do(func(ctx context.Context) {
		s := sojourn.From(ctx)
		s.Set("small", 1)
		s.Set("notes", incompressible(1000))
		s.Set("cart", incompressible(5000))
	})
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != 507 || !strings.Contains(string(body), "cart 5010, notes 1011, small 10") || strings.Contains(string(body), incompressible(40)) {
		t.Errorf("answered %d %s", res.StatusCode, body)
	}
	// Up to the limit it is sent.
	longest, refused := 0, 0
	for n := 3500; n < 3600; n++ {
		res := newBrowser(t, m).do(func(ctx context.Context) { color.Set(ctx, incompressible(n)) })
		if longest = max(longest, len(setCookie(res))); res.StatusCode != 200 {
			body, _ := io.ReadAll(res.Body)
			var size int
			fmt.Sscanf(string(body), `sojourn: cookie "session" would be %d`, &size)
			if refused == 0 || size < refused {
				refused = size
			}
		}
	}
	if longest > 4093 || longest < 4090 || refused < 4094 || refused > 4097 {
		t.Errorf("the longest line sent has %d bytes, the shortest refused %d; the limit is 4093", longest, refused)
	}
}

// TestErrorHeader: the header that stood before the handler stands in the
// error page, the handler's does not.
func TestErrorHeader(t *testing.T) {
	m, _ := newManager(t, nil)
	rec := httptest.NewRecorder()
	rec.Header().Set("X-Frame-Options", "DENY")
	rec.Header()["X-Many"] = append(make([]string, 0, 4), "outer")
	m.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sojourn.SignIn(r.Context(), "")
		w.Header().Add("X-Many", "inner")
		w.Header().Set("X-Frame-Options", "ALLOW")
		w.Header().Set("Content-Length", "3")
		w.Write([]byte("yes"))
		w.Header().Set("X-Late", "1")
		w.WriteHeader(200)
		w.WriteHeader(103)
	})).ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	if h := rec.Header(); h.Get("X-Frame-Options") != "DENY" || len(h["X-Many"]) != 1 || h.Get("X-Late") != "" || rec.Code != 400 {
		t.Errorf("answered %d %v", rec.Code, h)
	}
}

// TestPanic: nothing is saved, but an End is not taken back.
func TestPanic(t *testing.T) {
	m, _ := newManager(t, nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { color.Set(ctx, "blue"); sojourn.SignIn(ctx, "alice") })
	panicking := func(f func(ctx context.Context), first bool) http.Header {
		r := httptest.NewRequest("GET", "/", nil)
		for name, value := range b.cookies {
			r.Header.Add("Cookie", name+"="+value)
		}
		rec := httptest.NewRecorder()
		func() {
			defer func() {
				if p := recover(); p != "oops" {
					t.Errorf("recovered %v", p)
				}
			}()
			m.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				f(r.Context())
				if first {
					w.Write([]byte("x"))
				}
				panic("oops")
			})).ServeHTTP(rec, r)
		}()
		return rec.Header()
	}
	if h := panicking(func(ctx context.Context) { color.Set(ctx, "red") }, false); len(h) != 1 || h.Get("Vary") != "Cookie" {
		t.Errorf("a panic after Set left %v", h)
	}
	h := panicking(func(ctx context.Context) { sojourn.End(ctx); color.Set(ctx, "red") }, false)
	if len(h["Set-Cookie"]) != 1 || !strings.Contains(h.Get("Set-Cookie"), "session=; Expires=Thu, 01 Jan 1970") || h.Get("Cache-Control") != "private, no-store" {
		t.Errorf("a panic after End left %v", h)
	}
	if h := panicking(func(ctx context.Context) { color.Set(ctx, "red") }, true); len(h["Set-Cookie"]) != 1 {
		t.Errorf("a panic after the first byte left %v", h)
	}
}

// TestLate: a change after the first byte is an error that the application
// sees, also from another goroutine and after the handler has returned; reads
// go on.
func TestLate(t *testing.T) {
	m, events := newManager(t, nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { color.Set(ctx, "blue") })
	var s *sojourn.Session
	b.get(func(w http.ResponseWriter, r *http.Request) {
		s = sojourn.From(r.Context())
		if s.Err() != nil {
			t.Error(s.Err())
		}
		w.WriteHeader(200)
		if v, ok := color.Get(r.Context()); v != "blue" || !ok {
			t.Errorf("late read: %q", v)
		}
		if sojourn.Field[int]("none").Delete(r.Context()); s.Err() != nil {
			t.Errorf("deleting what is not there: %v", s.Err())
		}
	})
	if _, ok := events.find(sojourn.EventLateUse); !ok {
		t.Error("no event for a first use after the header")
	}
	changes := map[string]func(){
		"Set":          func() { s.Set("a", 1) },
		"Pop":          func() { s.Pop("color") },
		"Clear":        func() { s.Clear() },
		"SignIn":       func() { s.SignIn("alice") },
		"End":          func() { s.End() },
		"Regenerate":   func() { s.Regenerate() },
		"SetPermanent": func() { s.SetPermanent(true) },
		"MarkModified": func() { s.MarkModified() },
		"Update":       func() { color.In(s).Update(func(string) string { t.Error("ran"); return "" }) },
		"SetDefault":   func() { s.SetDefault("new", 1) },
	}
	var wg sync.WaitGroup
	for _, change := range changes {
		wg.Go(change)
	}
	wg.Wait()
	events.mu.Lock()
	defer events.mu.Unlock()
	late := 0
	for _, e := range events.events {
		if e.Kind == sojourn.EventLate {
			late++
		}
	}
	if late != len(changes) || !errors.Is(s.Err(), sojourn.ErrLate) {
		t.Errorf("%d events for %d late changes; Err is %v", late, len(changes), s.Err())
	}
	if v, _ := color.In(s).Get(); v != "blue" {
		t.Errorf("a late change shows: %q", v)
	}
}

// TestManyGoroutines uses one session and one response from several goroutines
// at once; the race detector watches.
func TestManyGoroutines(t *testing.T) {
	m, _ := newManager(t, nil)
	b := newBrowser(t, m)
	const count = sojourn.Field[int]("count")
	res := b.get(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				sojourn.Field[int](fmt.Sprint("f", i)).Set(ctx, i)
				count.Update(ctx, func(n int) int { return n + 1 })
				count.Get(ctx)
				sojourn.From(ctx).Len()
			})
		}
		wg.Wait()
		if n, _ := count.Get(ctx); n != 20 {
			t.Errorf("counted %d", n)
		}
	})
	if n := len(readFields(t, m, res)); n != 21 {
		t.Errorf("%d fields", n)
	}
}

// TestWriteInsideUpdate: a change function that writes the response is wrong,
// but must not hang.
func TestWriteInsideUpdate(t *testing.T) {
	m, _ := newManager(t, nil)
	res := newBrowser(t, m).get(func(w http.ResponseWriter, r *http.Request) {
		color.Update(r.Context(), func(string) string {
			if _, err := io.WriteString(w, "x"); err == nil && w.Header().Get("Set-Cookie") == "" {
				t.Error("wrote before the session was saved")
			}
			return "blue"
		})
		color.Get(r.Context())
	})
	if res.StatusCode != 200 || setCookie(res) == "" {
		t.Errorf("answered %d with %q", res.StatusCode, setCookie(res))
	}
}

// TestPanickingUpdate: a handler that recovers from a panic of its Update
// function cannot answer as if the session were saved.
func TestPanickingUpdate(t *testing.T) {
	m, _ := newManager(t, nil)
	res := newBrowser(t, m).get(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != "oops" {
				t.Errorf("recovered %v", p)
			}
			io.WriteString(w, "saved!")
		}()
		color.Update(r.Context(), func(string) string { panic("oops") })
		io.WriteString(w, "saved!")
	})
	if body, _ := io.ReadAll(res.Body); res.StatusCode != 500 || strings.Contains(string(body), "saved") || setCookie(res) != "" {
		t.Errorf("answered %d %s %q", res.StatusCode, body, setCookie(res))
	}
}

// loud is a writer that can do everything and notes what it was asked.
type loud struct {
	*httptest.ResponseRecorder
	did   []string
	begun bool
}

func (l *loud) WriteHeader(status int) {
	if l.begun {
		l.note("WriteHeader")
	}
	l.begun = true
	l.ResponseRecorder.WriteHeader(status)
}

func (l *loud) note(what string)                             { l.did = append(l.did, what) }
func (l *loud) Flush()                                       { l.note("Flush") }
func (l *loud) Hijack() (net.Conn, *bufio.ReadWriter, error) { l.note("Hijack"); return nil, nil, nil }
func (l *loud) ReadFrom(io.Reader) (int64, error)            { l.note("ReadFrom"); return 0, nil }
func (l *loud) WriteString(s string) (int, error)            { l.note("WriteString"); return len(s), nil }

// TestAfterFailure: once saving has failed, nothing of the handler's reaches
// the visitor, by no way.
func TestAfterFailure(t *testing.T) {
	ways := map[string]func(w http.ResponseWriter) error{
		"Write":       func(w http.ResponseWriter) error { _, err := w.Write([]byte("x")); return err },
		"WriteString": func(w http.ResponseWriter) error { _, err := io.WriteString(w, "x"); return err },
		"ReadFrom": func(w http.ResponseWriter) error {
			_, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader("x"))
			return err
		},
		"Hijack":      func(w http.ResponseWriter) error { _, _, err := w.(http.Hijacker).Hijack(); return err },
		"Flush":       func(w http.ResponseWriter) error { return http.NewResponseController(w).Flush() },
		"Flusher":     func(w http.ResponseWriter) error { w.(http.Flusher).Flush(); return sojourn.ErrNoOwner },
		"WriteHeader": func(w http.ResponseWriter) error { w.WriteHeader(200); return sojourn.ErrNoOwner },
		"101":         func(w http.ResponseWriter) error { w.WriteHeader(101); return sojourn.ErrNoOwner },
		"103":         func(w http.ResponseWriter) error { w.WriteHeader(200); w.WriteHeader(103); return sojourn.ErrNoOwner },
	}
	for first, do := range ways {
		m, _ := newManager(t, nil)
		below := &loud{ResponseRecorder: httptest.NewRecorder()}
		m.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			sojourn.SignIn(r.Context(), "")
			for _, way := range []func(http.ResponseWriter) error{do, ways["Write"], ways["WriteString"], ways["ReadFrom"], ways["Hijack"], ways["Flush"], ways["Flusher"]} {
				if err := way(w); !errors.Is(err, sojourn.ErrNoOwner) {
					t.Errorf("%s first: %v", first, err)
				}
			}
		})).ServeHTTP(below, httptest.NewRequest("GET", "/", nil))
		if len(below.did) != 0 || below.Code != 400 || below.Body.String() != "Bad Request\n" {
			t.Errorf("%s first: %d %q, and did %q", first, below.Code, below.Body, below.did)
		}
	}
}

// TestSwitchingProtocols: 101 is the last line of the response, so the session
// goes out with it; 103 is not.
func TestSwitchingProtocols(t *testing.T) {
	for status, want := range map[int]int{101: 1, 103: 0, 100: 0} {
		m, _ := newManager(t, nil)
		rec := httptest.NewRecorder()
		m.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			color.Set(r.Context(), "blue")
			w.WriteHeader(status)
			if got := len(w.Header()["Set-Cookie"]); got != want {
				t.Errorf("after %d: %d cookies", status, got)
			}
		})).ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	}
}

// locked is a recorder for writers that do not wait for each other.
type locked struct {
	mu sync.Mutex
	*httptest.ResponseRecorder
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ResponseRecorder.Write(p)
}

func (l *locked) WriteString(s string) (int, error) { return l.Write([]byte(s)) }

func (l *locked) Flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ResponseRecorder.Flush()
}

// TestWritersWait: who writes while another goroutine's commit runs waits for
// it, and nothing is lost.
func TestWritersWait(t *testing.T) {
	var once sync.Once
	entered, release := make(chan bool), make(chan bool)
	m, _ := newManager(t, func(c *sojourn.Config) {
		c.Events = func(context.Context, sojourn.Event) {
			once.Do(func() { close(entered); <-release })
		}
	})
	below := &locked{ResponseRecorder: httptest.NewRecorder()}
	m.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		color.Set(r.Context(), "blue")
		flushed := make(chan error)
		go func() { flushed <- http.NewResponseController(w).Flush() }()
		<-entered
		go func() { runtime.Gosched(); close(release) }()
		_, err := io.WriteString(w, "body")
		if err := errors.Join(err, <-flushed); err != nil {
			t.Error(err)
		}
	})).ServeHTTP(below, httptest.NewRequest("GET", "/", nil))
	if below.Body.String() != "body" {
		t.Errorf("answered %q", below.Body)
	}
}
