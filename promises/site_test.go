package promises

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/store"
)

const (
	counter sojourn.Field[int]      = "counter"
	cart    sojourn.Field[[]string] = "cart"
)

// work is how long a handler of the site takes, as one that asks a database.
const work = 20 * time.Millisecond

// A site is a small application. Its handlers look at the session, work, and
// then write.
type site struct {
	manager *sojourn.Manager
	release sync.Map // of held requests, by name: chan struct{}
	arrived sync.Map // the same
}

func newSite(s store.Store, change func(*sojourn.Config)) (*site, error) {
	config := sojourn.Config{
		Keep:   sojourn.InStore(s),
		Cookie: sojourn.Cookie{InsecureHTTP: true},
		Events: func(context.Context, sojourn.Event) {},
		Error: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), sojourn.HTTPStatus(err))
		},
	}
	if change != nil {
		change(&config)
	}
	m, err := sojourn.New(config)
	return &site{manager: m}, err
}

func (s *site) handler() http.Handler {
	mux := http.NewServeMux()
	handle := func(path string, f func(r *http.Request)) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			sojourn.From(r.Context()).Len() // loads it
			if name := r.FormValue("hold"); name != "" {
				s.hold(name)
			} else if path != "/state" {
				time.Sleep(work)
			}
			f(r)
			fmt.Fprintln(w, "done")
		})
	}
	handle("/field", func(r *http.Request) { sojourn.From(r.Context()).Set(r.FormValue("name"), 1) })
	handle("/count", func(r *http.Request) { counter.Update(r.Context(), func(n int) int { return n + 1 }) })
	handle("/regenerate", func(r *http.Request) {
		sojourn.From(r.Context()).Set(r.FormValue("name"), 1)
		sojourn.From(r.Context()).Regenerate()
	})
	handle("/add", func(r *http.Request) {
		cart.Update(r.Context(), func(c []string) []string { return append(c, r.FormValue("item")) })
	})
	handle("/sign-in", func(r *http.Request) { sojourn.SignIn(r.Context(), r.FormValue("owner")) })
	handle("/end", func(r *http.Request) { sojourn.End(r.Context()) })
	handle("/read", func(*http.Request) {})
	handle("/stuff", func(r *http.Request) {
		n, _ := strconv.Atoi(r.FormValue("size"))
		sojourn.From(r.Context()).Set("stuff", strings.Repeat("x", min(n, 900<<10)))
	})
	mux.HandleFunc("/untouched", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "done") })
	mux.HandleFunc("/state", func(w http.ResponseWriter, r *http.Request) {
		s := sojourn.From(r.Context())
		state := state{New: s.IsNew(), Cart: cart.GetOr(r.Context(), nil), Counter: counter.GetOr(r.Context(), 0), Handle: s.Handle()}
		state.Owner, _ = s.Owner()
		for name := range s.All() {
			state.Fields = append(state.Fields, name)
		}
		json.NewEncoder(w).Encode(state)
	})
	// Kept tells whether what a request added was kept: it is saved before the
	// answer, and an ended session is told.
	mux.HandleFunc("/kept", func(w http.ResponseWriter, r *http.Request) {
		cart.Update(r.Context(), func(c []string) []string { return append(c, r.FormValue("item")) })
		time.Sleep(work)
		if err := sojourn.From(r.Context()).Save(); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		fmt.Fprintln(w, "done")
	})
	return s.manager.Middleware(mux)
}

// hold stops a request until let has been called with its name.
func (s *site) hold(name string) {
	arrived, _ := s.arrived.LoadOrStore(name, make(chan struct{}))
	release, _ := s.release.LoadOrStore(name, make(chan struct{}))
	close(arrived.(chan struct{}))
	<-release.(chan struct{})
}

// wait waits until a request is held.
func (s *site) wait(name string) {
	arrived, _ := s.arrived.LoadOrStore(name, make(chan struct{}))
	<-arrived.(chan struct{})
}

// let lets a held request go on.
func (s *site) let(name string) {
	release, _ := s.release.LoadOrStore(name, make(chan struct{}))
	close(release.(chan struct{}))
}

// state is what /state tells of a session.
type state struct {
	New           bool
	Owner, Handle string
	Fields, Cart  []string
	Counter       int
}

// A visitor is a browser: it keeps cookies.
type visitor struct {
	t    testing.TB
	base string
	jar  *cookiejar.Jar
}

// client has connections enough for fifty requests at once.
var client = &http.Client{
	Timeout:   30 * time.Second,
	Transport: &http.Transport{MaxIdleConnsPerHost: 200},
}

func newVisitor(t testing.TB, base string) *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t, base, jar}
}

// token is the visitor's cookie, "" for none.
func (v *visitor) token() string {
	u, _ := url.Parse(v.base)
	for _, c := range v.jar.Cookies(u) {
		if c.Name == "session" {
			return c.Value
		}
	}
	return ""
}

// present has the visitor hold a token that he was not given.
func (v *visitor) present(token string) {
	u, _ := url.Parse(v.base)
	v.jar.SetCookies(u, []*http.Cookie{{Name: "session", Value: token}})
}

// visit sends a request with the visitor's cookies, and keeps those of the
// answer.
func (v *visitor) visit(path string) (status int, body string) {
	v.t.Helper()
	u, _ := url.Parse(v.base + path)
	response, body, err := get(u.String(), v.token())
	if err != nil {
		v.t.Error(err)
		return 0, ""
	}
	v.jar.SetCookies(u, response.Cookies())
	return response.StatusCode, body
}

// must is visit for what has to succeed.
func (v *visitor) must(path string) {
	v.t.Helper()
	if status, body := v.visit(path); status != http.StatusOK {
		v.t.Errorf("%s: %d %s", path, status, body)
	}
}

// state asks the site what it knows.
func (v *visitor) state() (s state) {
	v.t.Helper()
	_, body := v.visit("/state")
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		v.t.Errorf("/state: %s", body)
	}
	return s
}

// get sends one request with a token.
func get(target, token string) (*http.Response, string, error) {
	r, err := http.NewRequest("GET", target, nil)
	if err != nil {
		return nil, "", err
	}
	if token != "" {
		r.Header.Set("Cookie", "session="+token)
	}
	response, err := client.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	var b bytes.Buffer
	_, err = io.Copy(&b, response.Body)
	return response, strings.TrimSpace(b.String()), err
}
