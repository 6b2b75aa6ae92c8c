package promises

import (
	"context"
	"encoding/json"
	"net/http"
	neturl "net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/keys"
	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest/engines"
)

// newListed serves a site whose sessions are in encrypted cookies, and their ends in
// a list in s.
func newListed(t *testing.T, s store.Store, delay time.Duration, outage sojourn.Outage) (base string, m *sojourn.Manager) {
	t.Helper()
	ring, err := keys.New([][]byte{[]byte("a key for the tests of the promises, 0123456789")})
	if err != nil {
		t.Fatal(err)
	}
	site, err := newSite(s, func(c *sojourn.Config) {
		c.Keep, c.Revocations, c.RevocationDelay = sojourn.Encrypted(ring), s, delay
		c.StoreTimeout, c.Outage = storeTimeout, outage
	})
	if err != nil {
		t.Fatal(err)
	}
	return inProcess(t, site), site.manager
}

// twice opens the store at url for two processes. One in memory they can only share.
func twice(t *testing.T, url string) (a, b store.Store) {
	a = openFor(t, url)
	if url == "memory:" {
		return a, a
	}
	return a, openFor(t, url)
}

// as is what a site answers to whoever holds a cookie: the status, and who is signed
// in; and when it was asked.
func as(t *testing.T, base, cookie string) (status int, owner string, asked time.Time) {
	t.Helper()
	asked = time.Now()
	response, body, err := get(base+"/state", cookie)
	if err != nil {
		t.Fatal(err)
	}
	var s state
	if response.StatusCode == http.StatusOK {
		if err := json.Unmarshal([]byte(body), &s); err != nil {
			t.Fatal(body)
		}
	}
	return response.StatusCode, s.Owner, asked
}

func signIn(t *testing.T, base, owner string) *visitor {
	v := newVisitor(t, base)
	v.must("/sign-in?owner=" + neturl.QueryEscape(owner))
	if _, got, _ := as(t, base, v.token()); got != owner {
		t.Fatalf("signed in as %q", got)
	}
	return v
}

// cookieEndings are the ways in which a session in a cookie ends.
var cookieEndings = map[string]func(t *testing.T, v *visitor, m *sojourn.Manager, owner string){
	"logout":  func(_ *testing.T, v *visitor, _ *sojourn.Manager, _ string) { v.must("/end") },
	"sign-in": func(_ *testing.T, v *visitor, _ *sojourn.Manager, owner string) { v.must("/sign-in?owner=" + owner) },
	"another": func(_ *testing.T, v *visitor, _ *sojourn.Manager, owner string) {
		v.must("/sign-in?owner=not-" + owner)
	},
	"Revoke": func(t *testing.T, v *visitor, m *sojourn.Manager, _ string) {
		if err := m.Revoke(context.Background(), v.state().Handle); err != nil {
			t.Error(err)
		}
	},
	"RevokeOwner": func(t *testing.T, _ *visitor, m *sojourn.Manager, owner string) {
		if _, err := m.RevokeOwner(context.Background(), owner, ""); err != nil {
			t.Error(err)
		}
	},
	"RevokeAll": func(t *testing.T, _ *visitor, m *sojourn.Manager, _ string) {
		if _, err := m.RevokeAll(context.Background(), time.Now()); err != nil {
			t.Error(err)
		}
	},
}

// shortDelay is the shortest RevocationDelay that there is, but for none.
const shortDelay = 2 * time.Second

// TestReplay: a copy of a cookie that was made before its session ended is refused:
// at once by the process that ended it, and by another one within the delay
// (promises 3, 4 and 14).
func TestReplay(t *testing.T) {
	onEach(t, false, func(t *testing.T, url string) {
		first, second := twice(t, url)
		for _, delay := range []time.Duration{0, shortDelay} {
			for how, end := range cookieEndings {
				t.Run(delay.String()+"/"+how, func(t *testing.T) {
					a, manager := newListed(t, first, delay, sojourn.OutageRefuse)
					b, _ := newListed(t, second, delay, sojourn.OutageRefuse)
					owner := "alice-" + how + delay.String()
					v := signIn(t, a, owner)
					copied := v.token()
					if _, got, _ := as(t, b, copied); got != owner {
						t.Fatalf("the other process knows %q", got)
					}
					end(t, v, manager, owner)
					since := time.Now()
					if status, got, _ := as(t, a, copied); got != "" || status != http.StatusOK {
						t.Errorf("the process that ended it: %d, %q", status, got)
					}
					poll(t, "the other process to refuse the copy", func() bool {
						status, got, asked := as(t, b, copied)
						if got != "" && asked.After(since.Add(delay)) {
							t.Fatalf("the other process accepts it after %v", asked.Sub(since))
						}
						return got == "" && status == http.StatusOK
					})
					again := signIn(t, a, owner) // at the same moment, as it may be
					if _, got, _ := as(t, b, again.token()); got != owner {
						t.Errorf("a sign-in afterwards is %q for the other process", got)
					}
				})
			}
		}
	})
}

// TestListRestart: the engine that has the list is killed, and started again. What
// had ended stays so; and while the list cannot be read, no cookie is accepted for
// longer than the delay (promise 15).
func TestListRestart(t *testing.T) {
	type engine struct {
		url           string
		kill, restart func()
	}
	of := func(s *engines.Server, url string) engine { return engine{url, s.Kill, s.Restart} }
	for name, start := range map[string]func() engine{
		"redis": func() engine {
			s := engines.Redis(t, engines.AppendOnly("always"))
			return of(s, "redis://"+s.Addr())
		},
		"postgresql": func() engine { s := engines.PostgreSQL(t); return of(s, postgresURL(s.Addr())) },
		"mariadb":    func() engine { s := engines.MariaDB(t); return of(s, mariaURL(s.Addr())) },
		"sqlite": func() engine {
			return engine{"sqlite:" + filepath.Join(t.TempDir(), "sessions.db"), nil, nil}
		},
	} {
		for _, delay := range []time.Duration{0, shortDelay} {
			t.Run(name+"/"+delay.String(), func(t *testing.T) {
				e := start()
				first, second := twice(t, e.url)
				a, manager := newListed(t, first, delay, sojourn.OutageRefuse)
				b, _ := newListed(t, second, delay, sojourn.OutageRefuse)
				reading, _ := newListed(t, second, delay, sojourn.OutageAnonymous)
				ends := []string{"logout", "RevokeOwner", "Revoke"}
				var ended []string
				for _, how := range ends {
					v := signIn(t, a, "alice-"+how)
					ended = append(ended, v.token())
					cookieEndings[how](t, v, manager, "alice-"+how)
				}
				live := signIn(t, a, "bob").token()
				for _, base := range []string{b, reading} {
					if _, got, _ := as(t, base, live); got != "bob" {
						t.Fatalf("%q", got)
					}
				}
				if e.kill != nil {
					e.kill()
					since := time.Now()
					away(t, a, live, since.Add(delay), http.StatusServiceUnavailable)
					away(t, b, live, since.Add(delay), http.StatusServiceUnavailable)
					away(t, reading, live, since.Add(delay), http.StatusOK)
					for i, how := range ends {
						if status, got, _ := as(t, a, ended[i]); got != "" || delay > 0 && status != http.StatusOK {
							t.Errorf("%s: while the list is away: %d, %q", how, status, got)
						}
					}
					e.restart()
				}
				third, _ := newListed(t, openFor(t, e.url), delay, sojourn.OutageRefuse)
				for process, base := range map[string]string{"the first": a, "the second": b, "a new": third} {
					poll(t, process+" process to serve again", func() bool {
						_, got, _ := as(t, base, live)
						return got == "bob"
					})
					for i, how := range ends {
						if status, got, _ := as(t, base, ended[i]); got != "" || status != http.StatusOK {
							t.Errorf("%s: for %s process: %d, %q", how, process, status, got)
						}
					}
				}
			})
		}
	}
}

// away waits until a site answers with a status to a cookie, of which it cannot know
// whether it was revoked, and holds it to never accept it after a time.
func away(t *testing.T, base, cookie string, until time.Time, want int) {
	t.Helper()
	poll(t, "the outage", func() bool {
		status, got, asked := as(t, base, cookie)
		if got != "" && asked.After(until) {
			t.Fatalf("accepted %v after the bound", asked.Sub(until))
		}
		return got == "" && status == want
	})
}

// TestListBesideSessions: the list is in the store of the sessions themselves, as is
// usual for a site that is moving. Its entries are not an owner's sessions.
func TestListBesideSessions(t *testing.T) {
	onEach(t, false, func(t *testing.T, url string) {
		s := openFor(t, url)
		_, cookies := newListed(t, s, 0, sojourn.OutageRefuse)
		stored, err := newSite(s, func(c *sojourn.Config) { c.OwnerLimit = 2 })
		if err != nil {
			t.Fatal(err)
		}
		base := inProcess(t, stored)
		const owner = "alice"
		v := signIn(t, base, owner)
		for range 5 {
			if err := cookies.Revoke(context.Background(), store.NewHandle(owner)); err != nil {
				t.Fatal(err)
			}
		}
		// As RevokeOwner does, but for the sessions in the store, which it would end too.
		kept := v.state().Handle
		for range 5 {
			if _, err := cookies.RevokeOwner(context.Background(), owner, kept); err != nil {
				t.Fatal(err)
			}
		}
		if got := v.state(); got.Owner != owner {
			t.Fatalf("%+v", got)
		}
		signIn(t, base, owner) // the second of two
		if status, body := newVisitor(t, base).visit("/sign-in?owner=" + owner); status != http.StatusConflict {
			t.Errorf("the third: %d %s", status, body)
		}
		sessions, page := 0, store.Page{Limit: 1}
		for {
			listing, err := stored.manager.Sessions(context.Background(), owner, page)
			if err != nil {
				t.Fatal(err)
			}
			sessions += len(listing.Records)
			if page.Cursor = listing.Next; page.Cursor == "" {
				break
			}
		}
		if sessions != 2 {
			t.Errorf("%d sessions", sessions)
		}
		n, err := s.DeleteOwner(context.Background(), owner, "", store.Ending{Mark: store.NewVersion(), Now: time.Now()})
		if n != 2 || err != nil {
			t.Errorf("ended %d, %v", n, err)
		}
		if left := entries(t, s); left != 5+5+1 {
			t.Errorf("%d entries are left", left)
		}
	})
}

// entries counts the records of the list, and looks at their form.
func entries(t *testing.T, s store.Store) (n int) {
	seen := map[string]bool{}
	for page := (store.Page{Limit: 100}); ; {
		listing, err := s.Scan(context.Background(), page)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range listing.Records {
			if r.Kind == store.KindRevocation && !seen[r.Handle] {
				seen[r.Handle] = true
				if (r.Owner == "") != (r.Facts == "") || strings.Contains(r.Facts, r.Handle) {
					t.Errorf("%+v", r)
				}
			}
		}
		if page.Cursor = listing.Next; page.Cursor == "" {
			return len(seen)
		}
	}
}

// TestListChanges: every store tells of each entry what those need who follow the
// list: its kind, its handle, and whether it has an owner.
func TestListChanges(t *testing.T) {
	onEach(t, false, func(t *testing.T, url string) {
		s := openFor(t, url)
		_, m := newListed(t, s, 0, sojourn.OutageRefuse)
		begin, err := s.Changes(context.Background(), "")
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Revoke(context.Background(), store.NewHandle("alice")); err != nil {
			t.Fatal(err)
		}
		if _, err := m.RevokeOwner(context.Background(), "alice", ""); err != nil {
			t.Fatal(err)
		}
		poll(t, "the changes", func() bool {
			changes, err := s.Changes(context.Background(), begin.Next)
			if err != nil {
				t.Fatal(err)
			}
			told := map[string]string{}
			for _, c := range changes.List {
				if c.Kind != store.KindRevocation || c.Ended || len(c.Handle) != 24 {
					t.Fatalf("%+v", c)
				}
				told[c.Handle] = c.Owner
			}
			sessions, owners := 0, 0
			for handle, owner := range told {
				rec, err := s.Load(context.Background(), handle)
				if err != nil || rec.Owner != owner {
					t.Fatalf("%+v, %v; told was owner %q", rec, err, owner)
				}
				if owner == "" {
					sessions++
				} else {
					owners++
				}
			}
			return sessions == 1 && owners == 2
		})
	})
}
