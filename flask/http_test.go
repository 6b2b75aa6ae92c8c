package flask_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
	"github.com/sojourn-go/sojourn/keys"
)

// An exchange is a request that real Flask answered: what the view did, and
// the headers that came of it.
type exchange struct {
	Config      map[string]any
	Cookie      *string
	Ops         [][]any
	Path        string
	Status      int
	SetCookie   []string `json:"set_cookie"`
	Vary        *string
	Results     []any
	SizeWarning bool `json:"size_warning"`
}

// TestExact answers Flask's requests with flask.Exact and compares every
// header byte by byte, but for compressed payloads, which are compared by
// content (promise 8).
func TestExact(t *testing.T) {
	data, err := os.ReadFile("../testdata/flask-http.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Meta struct {
			Now int64
			Key string `json:"secret_key"`
		}
		HTTP []exchange
	}
	if err := json.Unmarshal(data, &file); err != nil || len(file.HTTP) < 80 {
		t.Fatalf("%d exchanges: %v", len(file.HTTP), err)
	}
	for i, e := range file.HTTP {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Until(time.Unix(file.Meta.Now, 0)))
			e.check(t, i, file.Meta.Key)
		})
	}
}

func (e *exchange) check(t *testing.T, i int, key string) {
	ring, err := keys.New([][]byte{[]byte(key)}, keys.InsecureAllowWeak())
	if err != nil {
		t.Fatal(err)
	}
	warned := false
	m, err := sojourn.New(sojourn.Config{Keep: flask.Exact(ring, e.settings()), Events: func(_ context.Context, ev sojourn.Event) {
		warned = warned || ev.Kind == sojourn.EventTooLarge
	}})
	if e.Config["SESSION_COOKIE_SAMESITE"] == "bogus" { // Flask answers 500, we refuse to start
		if err == nil {
			t.Errorf("%d: New accepted SameSite=bogus", i)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "http://localhost"+e.Path, nil)
	if e.Cookie != nil {
		name, _ := e.Config["SESSION_COOKIE_NAME"].(string)
		if name == "" {
			name = "session"
		}
		r.Header.Set("Cookie", name+"="+*e.Cookie)
	}
	rec := httptest.NewRecorder()
	var results []any
	m.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/missing" {
			http.NotFound(w, r)
			return
		}
		results = e.view(t, w, r)
	})).ServeHTTP(rec, r)
	vary := ""
	if e.Vary != nil {
		vary = *e.Vary
	}
	if got := rec.Header().Get("Set-Cookie"); len(e.SetCookie) == 1 && len(got) != len(e.SetCookie[0]) {
		e.SizeWarning = len(got) > 4093 // compressed by another zlib: the limit is the same, the size is not
	}
	if rec.Code != e.Status || strings.Join(rec.Header()["Vary"], ", ") != vary || warned != e.SizeWarning {
		t.Errorf("%d %.60v: status %d Vary %q warned %v; want %d %q %v", i, e.Ops, rec.Code, rec.Header()["Vary"], warned, e.Status, vary, e.SizeWarning)
	}
	if !slices.EqualFunc(rec.Header()["Set-Cookie"], e.SetCookie, func(got, want string) bool { return sameSetCookie(t, key, got, want) }) {
		t.Errorf("%d %v %.60v: Set-Cookie\n%q, want\n%q", i, e.Config, e.Ops, rec.Header()["Set-Cookie"], e.SetCookie)
	}
	if got, want := asJSON(t, results), asJSON(t, e.Results); got != want && e.Status != 500 {
		t.Errorf("%d %v: results %s, want %s", i, e.Ops, got, want)
	}
}

func asJSON(t *testing.T, v []any) string {
	if v == nil {
		v = []any{}
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sameSetCookie compares two lines; compressed payloads by what they hold.
func sameSetCookie(t *testing.T, key, got, want string) bool {
	if got == want {
		return true
	}
	value := func(line string) (string, string) {
		_, v, _ := strings.Cut(line, "=")
		v, attributes, _ := strings.Cut(v, ";")
		return v, attributes
	}
	gotValue, gotRest := value(got)
	wantValue, wantRest := value(want)
	if gotRest != wantRest || !strings.HasPrefix(wantValue, ".") {
		return false
	}
	v := vector{Key: []byte(key)}
	a, err1 := v.signer(t).Verify(gotValue, time.Now(), time.Hour)
	b, err2 := v.signer(t).Verify(wantValue, time.Now(), time.Hour)
	return errors.Join(err1, err2) == nil && a.Payload == b.Payload && a.IssuedAt.Equal(b.IssuedAt)
}

// settings translates Flask's configuration.
func (e *exchange) settings() flask.Settings {
	text := func(name string) string { s, _ := e.Config[name].(string); return s }
	flag := func(name string) bool { b, _ := e.Config[name].(bool); return b }
	s := flask.Settings{
		CookieName: text("SESSION_COOKIE_NAME"), CookieDomain: text("SESSION_COOKIE_DOMAIN"), CookiePath: text("SESSION_COOKIE_PATH"),
		CookieSecure: flag("SESSION_COOKIE_SECURE"), CookieSameSite: text("SESSION_COOKIE_SAMESITE"), CookiePartitioned: flag("SESSION_COOKIE_PARTITIONED"),
	}
	if only, set := e.Config["SESSION_COOKIE_HTTPONLY"].(bool); set {
		s.CookieScripts = !only
	}
	if refresh, set := e.Config["SESSION_REFRESH_EACH_REQUEST"].(bool); set {
		s.NoRefresh = !refresh
	}
	if limit, set := e.Config["MAX_COOKIE_SIZE"].(float64); set {
		if s.MaxCookieSize = int(limit); limit == 0 {
			s.MaxCookieSize = -1
		}
	}
	if seconds, set := e.Config["PERMANENT_SESSION_LIFETIME"].(float64); set {
		s.Lifetime = time.Duration(seconds) * time.Second
	}
	return s
}

// view does to the session what the Flask view did.
func (e *exchange) view(t *testing.T, w http.ResponseWriter, r *http.Request) []any {
	s := sojourn.From(r.Context())
	results := []any{}
	number := func(v any) any {
		if f, ok := v.(float64); ok && f == float64(int(f)) {
			return int(f) // JSON cannot say which numbers were ints; all were
		}
		return v
	}
	for _, op := range e.Ops {
		text := func(i int) string { v, _ := op[i].(string); return v }
		var result any
		switch op[0] {
		case "set":
			s.Set(text(1), number(op[2]))
		case "get":
			result, _ = s.Get(text(1))
		case "len":
			result = s.Len()
		case "pop", "pop_default":
			result, _ = s.Pop(text(1))
		case "setdefault":
			result = s.SetDefault(text(1), number(op[2]))
		case "clear":
			s.Clear()
		case "update":
			s.MarkModified()
			for name, v := range op[1].(map[string]any) {
				s.Set(name, number(v))
			}
		case "modified":
			s.MarkModified()
		case "permanent":
			s.SetPermanent(op[1].(bool))
		case "nested_set":
			v, _ := s.Get(text(1))
			v.(map[string]any)[text(2)] = number(op[3])
			s.Set(text(1), v)
		case "nested_append":
			v, _ := s.Get(text(1))
			s.Set(text(1), append(v.([]any), number(op[2])))
		case "flash":
			category := "message"
			if len(op) > 2 {
				category = text(2)
			}
			sojourn.Flash(r.Context(), category, text(1))
		case "flashes":
			var filter []string
			if len(op) > 1 {
				for _, c := range op[1].([]any) {
					filter = append(filter, c.(string))
				}
			}
			pairs := []any{}
			for _, f := range sojourn.Flashes(r.Context(), filter...) {
				pairs = append(pairs, []any{f.Category, f.Message})
			}
			result = pairs
		case "abort":
			w.WriteHeader(int(op[1].(float64)))
			return results
		case "raise":
			w.WriteHeader(http.StatusInternalServerError)
			return results
		default:
			t.Fatalf("operation %v", op)
		}
		results = append(results, result)
	}
	return results
}
