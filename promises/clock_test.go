package promises

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/memstore"
	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest"
)

// skewed is a store as a process sees it whose clock is wrong: every time that
// the process gives is off by that much, and so is every time that it is given.
type skewed struct {
	store.Store
	off func() time.Duration
}

func (s skewed) head(h store.Header, d time.Duration) store.Header {
	for _, t := range []*time.Time{&h.Created, &h.LastSeen, &h.IdleDeadline, &h.AbsoluteDeadline, &h.HoldUntil} {
		if !t.IsZero() {
			*t = t.Add(d)
		}
	}
	return h
}

func (s skewed) Load(ctx context.Context, handle string) (*store.Record, error) {
	r, err := s.Store.Load(ctx, handle)
	if err == nil {
		r.Header = s.head(r.Header, -s.off())
	}
	return r, err
}

func (s skewed) Create(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
	shifted := *rec
	shifted.Header = s.head(rec.Header, s.off())
	opts.Now, opts.End.Now = opts.Now.Add(s.off()), opts.End.Now.Add(s.off())
	return s.Store.Create(ctx, &shifted, opts)
}

func (s skewed) Apply(ctx context.Context, rec *store.Record, from store.Version, now time.Time) error {
	shifted := *rec
	shifted.Header = s.head(rec.Header, s.off())
	return s.Store.Apply(ctx, &shifted, from, now.Add(s.off()))
}

func (s skewed) Touch(ctx context.Context, handle string, seen, idle time.Time) error {
	return s.Store.Touch(ctx, handle, seen.Add(s.off()), idle.Add(s.off()))
}

func (s skewed) Delete(ctx context.Context, handle string, end store.Ending) error {
	end.Now = end.Now.Add(s.off())
	return s.Store.Delete(ctx, handle, end)
}

func (s skewed) DeleteOwner(ctx context.Context, owner, except string, end store.Ending) (int, error) {
	end.Now = end.Now.Add(s.off())
	return s.Store.DeleteOwner(ctx, owner, except, end)
}

func (s skewed) List(ctx context.Context, owner string, page store.Page) (store.Listing, error) {
	return s.shown(s.Store.List(ctx, owner, page))
}

func (s skewed) Scan(ctx context.Context, page store.Page) (store.Listing, error) {
	return s.shown(s.Store.Scan(ctx, page))
}

func (s skewed) shown(listing store.Listing, err error) (store.Listing, error) {
	for i := range listing.Records {
		listing.Records[i].Header = s.head(listing.Records[i].Header, -s.off())
	}
	return listing, err
}

func (s skewed) Sweep(ctx context.Context, now time.Time, limit int) (int, error) {
	return s.Store.Sweep(ctx, now.Add(s.off()), limit)
}

// TestSkewed: who sees the store only through a wrong clock that stands still
// sees nothing wrong: no time is left out.
func TestSkewed(t *testing.T) {
	for _, off := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(off.String(), func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) store.Store {
				memory, err := memstore.New(memstore.Options{})
				if err != nil {
					t.Fatal(err)
				}
				return skewed{memory, func() time.Duration { return off }}
			})
		})
	}
}

// TestClocks: two processes whose clocks differ by an hour, one way, the other,
// or stepping back and forth. No session lives past its deadlines by more than
// the difference, and none dies early by more than that (promise 6).
func TestClocks(t *testing.T) {
	const hour = time.Hour
	for name, off := range map[string]func(since time.Duration) time.Duration{
		"right":   func(time.Duration) time.Duration { return 0 },
		"fast":    func(time.Duration) time.Duration { return hour },
		"slow":    func(time.Duration) time.Duration { return -hour },
		"steps":   func(d time.Duration) time.Duration { return time.Duration(int(d/(10*time.Minute))%2) * hour },
		"back":    func(d time.Duration) time.Duration { return -time.Duration(int(d/(10*time.Minute))%2) * hour },
		"one way": func(d time.Duration) time.Duration { return min(d/4, hour) },
	} {
		for _, creator := range []int{0, 1} {
			t.Run(fmt.Sprint(name, "/", creator), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { clocks(t, off, creator) })
			})
		}
	}
}

func clocks(t *testing.T, off func(time.Duration) time.Duration, creator int) {
	const (
		absolute = 8 * time.Hour
		idle     = 3 * time.Hour
		skew     = time.Hour
		step     = 5 * time.Minute
	)
	begun := time.Now()
	memory, err := memstore.New(memstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var handlers []http.Handler
	var sites []*site
	for _, s := range []store.Store{memory, skewed{memory, func() time.Duration { return off(time.Since(begun)) }}} {
		site, err := newSite(s, func(c *sojourn.Config) { c.IdleTimeout, c.AbsoluteTimeout = idle, absolute })
		if err != nil {
			t.Fatal(err)
		}
		sites = append(sites, site)
		handlers = append(handlers, site.handler())
	}
	ask := func(process int, path, token string) (string, string) {
		r := httptest.NewRequest("GET", path, nil)
		if token != "" {
			r.Header.Set("Cookie", "session="+token)
		}
		w := httptest.NewRecorder()
		handlers[process].ServeHTTP(w, r)
		for _, c := range w.Result().Cookies() {
			token = c.Value
		}
		return w.Body.String(), token
	}
	_, used := ask(creator, "/sign-in?owner=used", "")
	_, left := ask(creator, "/sign-in?owner=left", "")
	alive := func(process int, token string) bool {
		body, _ := ask(process, "/state", token)
		return len(body) > 0 && !strings.Contains(body, `"New":true`)
	}
	diedUsed, diedLeft, looked := time.Duration(0), time.Duration(0), false
	for diedUsed == 0 || diedLeft == 0 {
		time.Sleep(step)
		age := time.Since(begun).Truncate(step) // the sign-ins took a moment
		if age > 2*absolute {
			t.Fatal("a session lives for ever")
		}
		for process := range handlers {
			if _, err := sites[process].manager.Sweep(t.Context()); err != nil {
				t.Error(err)
			}
		}
		// One is used by both processes, and the other by none, until it is
		// looked at once, when it must be dead or may be alive.
		if diedUsed == 0 && !alive(0, used) && !alive(1, used) {
			diedUsed = age
		}
		if age == idle-skew-step {
			if looked = true; !alive(int(age/step)%2, left) {
				t.Errorf("a session that was not used died before %v", age)
			}
		}
		if diedLeft == 0 && age >= idle-skew-step+idle+skew+step {
			if alive(0, left) && alive(1, left) {
				t.Errorf("a session that was not used since %v lives at %v", idle-skew-step, age)
			}
			diedLeft = age
		}
	}
	if !looked {
		t.Error("nobody looked at the session that was not used")
	}
	if diedUsed < absolute-skew-step || diedUsed > absolute+skew+step {
		t.Errorf("a session that was used all the time died after %v, its absolute timeout is %v", diedUsed, absolute)
	}
}
