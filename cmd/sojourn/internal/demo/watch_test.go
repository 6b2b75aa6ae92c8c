package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// TestJournal: it has the last requests of a record, the latest first, and
// forgets what is older than its ring.
func TestJournal(t *testing.T) {
	var j journal
	ask := func(path, handle string) {
		h := j.watch(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if handle != "" {
				var err error
				note(r.Context(), "Load", handle, time.Now(), &err)
			}
		}))
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
	}
	ask("/none", "")
	for i := range 5 {
		ask(fmt.Sprint("/", i), "mine")
		ask("/other", "other")
	}
	var got []string
	for _, tr := range j.last("mine", 3) {
		got = append(got, tr.What)
	}
	if fmt.Sprint(got) != "[GET /4 GET /3 GET /2]" {
		t.Error(got)
	}
	for range len(j.ring) - 3 {
		ask("/other", "other")
	}
	if n := len(j.last("mine", 8)); n != 1 {
		t.Errorf("%d of the old requests are there, want 1", n)
	}
}

// answers is a store that answers every question with one error.
type answers struct {
	store.Store
	err error
}

func (a answers) Load(context.Context, string) (*store.Record, error) { return nil, a.err }
func (a answers) Create(context.Context, *store.Record, store.CreateOptions) (store.Created, error) {
	return store.Created{}, a.err
}
func (a answers) Apply(context.Context, *store.Record, store.Version, time.Time) error { return a.err }
func (a answers) Touch(context.Context, string, time.Time, time.Time) error            { return a.err }
func (a answers) Delete(context.Context, string, store.Ending) error                   { return a.err }
func (a answers) DeleteOwner(context.Context, string, string, store.Ending) (int, error) {
	return 0, a.err
}
func (a answers) List(context.Context, string, store.Page) (store.Listing, error) {
	return store.Listing{}, a.err
}

// TestWatched: every question is noted with its answer, passed on as it is.
func TestWatched(t *testing.T) {
	for err, want := range map[error]string{
		nil: "", store.ErrGone: "gone", store.ErrConflict: "conflict", store.ErrExists: "exists", store.ErrLimit: "limit",
		errors.New("dial redis://:s3cret@host"): "failed",
	} {
		tr := &trace{}
		ctx := context.WithValue(t.Context(), traceKey{}, tr)
		w, rec := watched{answers{err: err}}, &store.Record{Header: store.Header{Handle: "h"}}
		_, e1 := w.Load(ctx, "h")
		_, e2 := w.Create(ctx, rec, store.CreateOptions{})
		e3 := w.Apply(ctx, rec, 1, time.Time{})
		e4 := w.Touch(ctx, "h", time.Time{}, time.Time{})
		e5 := w.Delete(ctx, "h", store.Ending{})
		_, e6 := w.DeleteOwner(ctx, "o", "", store.Ending{})
		_, e7 := w.List(ctx, "o", store.Page{})
		for i, e := range []error{e1, e2, e3, e4, e5, e6, e7} {
			if e != err {
				t.Errorf("question %d: %v, want %v", i, e, err)
			}
		}
		var verbs []string
		for _, c := range tr.Calls {
			if c.Answer != want {
				t.Errorf("%s: %q, want %q", c.Verb, c.Answer, want)
			}
			verbs = append(verbs, c.Verb)
		}
		if got := strings.Join(verbs, " "); got != "Load Create Apply Touch Delete DeleteOwner List" {
			t.Error(got)
		}
		if _, e := w.Load(t.Context(), "h"); e != err { // outside a request
			t.Error(e)
		}
	}
}
