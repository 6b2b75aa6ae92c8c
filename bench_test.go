package sojourn_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/sojourn-go/sojourn"
)

// discard is a writer that costs nothing.
type discard struct{ h http.Header }

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

// minimalWriter is the least that a middleware which has to act before the
// first byte must put in the way.
type minimalWriter struct {
	http.ResponseWriter
	wrote bool
}

func (w *minimalWriter) WriteHeader(status int) {
	w.wrote = true
	w.ResponseWriter.WriteHeader(status)
}

func (w *minimalWriter) Write(p []byte) (int, error) {
	w.wrote = true
	return w.ResponseWriter.Write(p)
}

type minimalKey struct{}

// answer is a variable so that no compiler sees through the handler.
var answer http.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("hello")) })

// BenchmarkUntouched is a request whose handler does not use the session.
// Floor is the least that any such middleware does: one context value, one
// copy of the request, one writer.
func BenchmarkUntouched(b *testing.B) {
	m, _ := newManager(b, nil)
	for name, h := range map[string]http.Handler{
		"floor": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx := context.WithValue(r.Context(), minimalKey{}, m)
			answer.ServeHTTP(&minimalWriter{ResponseWriter: w}, r.WithContext(ctx))
		}),
		"sojourn": m.Middleware(answer),
	} {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Cookie", "session=eyJhIjoxfQ.ZVPxAA.paxw2MlCVvrGa8kh-HaEuD6KFKs")
			w := &discard{make(http.Header)}
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
		})
	}
}

// BenchmarkRequest is a request whose handler reads, or writes, one field.
func BenchmarkRequest(b *testing.B) {
	m, _ := newManager(b, nil)
	browser := newBrowser(b, m)
	browser.do(func(ctx context.Context) { color.Set(ctx, "blue"); sojourn.SignIn(ctx, "alice") })
	for name, f := range map[string]func(ctx context.Context){
		"read":  func(ctx context.Context) { color.Get(ctx) },
		"write": func(ctx context.Context) { color.Set(ctx, "red") },
	} {
		b.Run(name, func(b *testing.B) {
			h := m.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f(r.Context()) }))
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Cookie", "session="+browser.cookies["session"])
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(&discard{make(http.Header)}, r)
			}
		})
	}
}

// BenchmarkStored is a whole request on a session in memory: read one field,
// write one.
func BenchmarkStored(b *testing.B) {
	m, _, _ := newStored(b, nil)
	visitor := newBrowser(b, m)
	visitor.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice"); color.Set(ctx, "blue"); counter.Set(ctx, 1) })
	run := func(name string, handler http.HandlerFunc) {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Cookie", tokenCookie+"="+visitor.cookies[tokenCookie])
			h := m.Middleware(handler)
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(&discard{make(http.Header)}, r)
			}
		})
	}
	run("read", func(w http.ResponseWriter, r *http.Request) { color.Get(r.Context()); w.Write(nil) })
	run("write", func(w http.ResponseWriter, r *http.Request) {
		counter.Update(r.Context(), func(n int) int { return n + 1 })
		w.Write(nil)
	})
}
