package sojourn_test

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
	"github.com/sojourn-go/sojourn/keys"
)

const testKey = "4a7933030149743868b478b9d23f956b01be010f257341083c515d19691699c2"

const anotherKey = "192c0b59fc4b1ea4ee7b6bdf3d7f4da9f6de0b04cc50d6f55b1b7ee4f0f1a1ab"

func ring(t testing.TB, secrets ...string) *keys.Ring {
	t.Helper()
	if len(secrets) == 0 {
		secrets = []string{testKey}
	}
	var list [][]byte
	for _, s := range secrets {
		list = append(list, []byte(s))
	}
	r, err := keys.New(list)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A log collects the events of a manager.
type log struct {
	mu     sync.Mutex
	events []sojourn.Event
}

func (l *log) add(_ context.Context, e sojourn.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

func (l *log) kinds() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var kinds []string
	for _, e := range l.events {
		kinds = append(kinds, string(e.Kind))
	}
	return strings.Join(kinds, " ")
}

func (l *log) find(kind sojourn.EventKind) (sojourn.Event, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.events {
		if e.Kind == kind {
			return e, true
		}
	}
	return sojourn.Event{}, false
}

func (l *log) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = nil
}

// newManager makes a manager on Flask's signed cookie; change may alter the
// configuration.
func newManager(t testing.TB, change func(*sojourn.Config)) (*sojourn.Manager, *log) {
	t.Helper()
	events := new(log)
	config := sojourn.Config{Keep: flask.Signed(ring(t)), Events: events.add}
	if change != nil {
		change(&config)
	}
	m, err := sojourn.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return m, events
}

// A browser keeps cookies between requests to a handler in the same process,
// so that time can be a test's own.
type browser struct {
	t       testing.TB
	m       *sojourn.Manager
	cookies map[string]string
	header  http.Header // sent with every request
}

func newBrowser(t testing.TB, m *sojourn.Manager) *browser {
	return &browser{t: t, m: m, cookies: map[string]string{}, header: http.Header{}}
}

// clone is a second browser with copies of the same cookies.
func (b *browser) clone() *browser {
	return &browser{b.t, b.m, maps.Clone(b.cookies), b.header.Clone()}
}

// get sends one request that handler answers within the middleware.
func (b *browser) get(handler http.HandlerFunc) *http.Response {
	return b.send(httptest.NewRequest("GET", "/", nil), handler)
}

func (b *browser) send(r *http.Request, handler http.HandlerFunc) *http.Response {
	for name, value := range b.header {
		r.Header[name] = value
	}
	for name, value := range b.cookies {
		r.Header.Add("Cookie", name+"="+value)
	}
	rec := httptest.NewRecorder()
	b.m.Middleware(handler).ServeHTTP(rec, r)
	res := rec.Result()
	for _, c := range res.Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	return res
}

// do is get for a handler that needs the session only.
func (b *browser) do(f func(ctx context.Context)) *http.Response {
	return b.get(func(_ http.ResponseWriter, r *http.Request) { f(r.Context()) })
}

func setCookie(res *http.Response) string { return strings.Join(res.Header["Set-Cookie"], "\n") }
