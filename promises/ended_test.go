package promises

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/store"
)

// TestNoResurrection: a slow request that writes after the session was ended
// is answered as its handler meant, sends no cookie, and brings nothing back
// (promise 3).
func TestNoResurrection(t *testing.T) {
	onEach(t, false, func(t *testing.T, url string) {
		s := openFor(t, url)
		for _, how := range []string{"logout", "revoke", "revoke by owner", "expiry", "sweep", "sign-in"} {
			for _, what := range []string{"/field?name=late", "/count", "/regenerate?name=late", "/read"} {
				t.Run(how+what, func(t *testing.T) { resurrect(t, s, how, what) })
			}
		}
	})
}

// short is the idle timeout where a test waits for it to pass: the engines'
// clocks are real.
const short = 2 * time.Second

func resurrect(t *testing.T, s store.Store, how, what string) {
	owner := "alice " + t.Name()
	site, err := newSite(s, func(c *sojourn.Config) {
		if how == "expiry" || how == "sweep" {
			c.IdleTimeout = short
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	v := newVisitor(t, inProcess(t, site))
	v.must("/sign-in?owner=" + url.QueryEscape(owner))
	before := v.token()
	if got := v.state(); got.Owner != owner {
		t.Fatalf("signed in as %q", got.Owner)
	}
	type answer struct {
		response *http.Response
		body     string
		err      error
	}
	slow := make(chan answer, 1)
	separator := "?"
	if what != "/read" && what != "/count" {
		separator = "&"
	}
	go func() {
		response, body, err := get(v.base+what+separator+"hold=slow", before)
		slow <- answer{response, body, err}
	}()
	site.wait("slow")
	let := sync.OnceFunc(func() { site.let("slow") })
	defer let()
	switch how {
	case "logout":
		v.must("/end")
	case "sign-in":
		v.must("/sign-in?owner=" + url.QueryEscape(owner))
	case "revoke":
		if err := site.manager.Revoke(context.Background(), v.state().Handle); err != nil {
			t.Error(err)
		}
	case "revoke by owner":
		if n, err := site.manager.RevokeOwner(context.Background(), owner, ""); n != 1 || err != nil {
			t.Errorf("revoked %d, %v", n, err)
		}
	case "expiry", "sweep":
		poll(t, "the session's end", func() bool {
			listing, err := site.manager.Sessions(context.Background(), owner, store.Page{Limit: 1})
			return err == nil && len(listing.Records) == 0
		})
		if how == "sweep" {
			if _, err := site.manager.Sweep(context.Background()); err != nil {
				t.Error(err)
			}
		}
	}
	after := v.token()
	let()
	a := <-slow
	if a.err != nil || a.response.StatusCode != http.StatusOK || a.body != "done" || len(a.response.Cookies()) != 0 {
		t.Errorf("the slow request was answered %v, %q, %v", a.err, a.body, a.response)
	}
	if got := stateOf(t, v.base, before); !got.New || got.Owner != "" || len(got.Fields) != 0 {
		t.Errorf("the old token stands for %+v", got)
	}
	if how == "sign-in" {
		if got := stateOf(t, v.base, after); got.Owner != owner || len(got.Fields) != 0 {
			t.Errorf("the new session is %+v", got)
		}
	}
}

// poll waits until a condition holds, and fails if that takes too long.
func poll(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
