package interop

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/ncruces/go-sqlite3/driver"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
	"github.com/sojourn-go/sojourn/memstore"
	"github.com/sojourn-go/sojourn/redisstore"
	"github.com/sojourn-go/sojourn/sqlstore"
	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest/engines"
)

// A listHome is where a revocation list is kept, and how Python asks it.
type listHome struct {
	modules string // that Python needs
	variant string // how the block in docs/flask.md begins
	open    func(t *testing.T) (s store.Store, connect string)
}

var listHomes = map[string]listHome{
	"SQLite": {"sqlite3", "# SQLite;", func(t *testing.T) (store.Store, string) {
		path := filepath.Join(t.TempDir(), "list.db")
		return openSQL(t, "sqlite3", sqlstore.SQLiteDSN(path), sqlstore.SQLite),
			fmt.Sprintf("import sqlite3; db = sqlite3.connect(%q, check_same_thread=False)", path)
	}},
	"PostgreSQL": {"psycopg2", "# PostgreSQL;", func(t *testing.T) (store.Store, string) {
		url := "postgres://postgres@" + engines.PostgreSQL(t).Addr() + "/postgres"
		return openSQL(t, "pgx", url, sqlstore.PostgreSQL), fmt.Sprintf("import psycopg2; db = psycopg2.connect(%q); db.autocommit = True", url)
	}},
	"MariaDB": {"pymysql", "# PostgreSQL;", func(t *testing.T) (store.Store, string) {
		addr := engines.MariaDB(t).Addr()
		_, port, _ := strings.Cut(addr, ":")
		return openSQL(t, "mysql", "root@tcp("+addr+")/test", sqlstore.MariaDB),
			fmt.Sprintf(`import pymysql; db = pymysql.connect(host="127.0.0.1", port=%s, user="root", database="test", autocommit=True)`, port)
	}},
	"Redis": {"redis", "# Redis;", func(t *testing.T) (store.Store, string) {
		addr := engines.Redis(t).Addr()
		s, err := redisstore.Open(context.Background(), "redis://"+addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s, fmt.Sprintf(`import redis; db = redis.Redis.from_url("redis://%s")`, addr)
	}},
}

func openSQL(t *testing.T, driver, source string, dialect sqlstore.Dialect) store.Store {
	t.Helper()
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s, err := sqlstore.New(db, dialect)
	if err == nil {
		err = s.CreateTable(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// snippet is what docs/flask.md tells a site to do, for a kind of database.
func snippet(t *testing.T, variant string) string {
	t.Helper()
	text, err := os.ReadFile("../docs/flask.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Asking the revocation list from Flask\n")
	section, _, _ = strings.Cut(section, "\n## ")
	parts := strings.Split(section, "```python\n")
	var blocks []string
	for _, part := range parts[1:] {
		block, _, _ := strings.Cut(part, "```")
		if len(blocks) == 0 || strings.HasPrefix(block, variant) {
			blocks = append(blocks, block)
		}
	}
	if len(blocks) != 2 || strings.Count(blocks[0], "\n") >= 40 {
		t.Fatalf("docs/flask.md has %d blocks for %q, and the first %d lines", len(blocks), variant, strings.Count(blocks[0], "\n"))
	}
	return strings.Join(blocks, "\n")
}

// startAsking starts a Flask application that asks the list.
func startAsking(t *testing.T, modules, code string) *app {
	t.Helper()
	p := start(t, func() (string, error) {
		python, err := interpreter("flask, "+modules, "python3", "/usr/bin/python3")
		if err != nil {
			err = fmt.Errorf("%w python3-psycopg2 python3-pymysql python3-redis", err)
		}
		return python, err
	}, "web")
	var hello struct {
		Port int `json:"port"`
	}
	err := p.send(map[string]any{"config": flaskConfig{"SECRET_KEY": keyA}, "login": false, "ask": code})
	if err == nil {
		err = p.receive(&hello)
	}
	if err != nil {
		t.Fatal(err)
	}
	a := &app{url: fmt.Sprintf("http://127.0.0.1:%d", hello.Port), said: &p.versions}
	a.await(t)
	return a
}

// startListed starts the Go application with a revocation list.
func startListed(t *testing.T, list store.Store, delay time.Duration) (*app, *sojourn.Manager) {
	t.Helper()
	m, err := sojourn.New(sojourn.Config{
		Keep: flask.Signed(ring(t, keyA)), Cookie: sojourn.Cookie{InsecureHTTP: true}, Events: new(log).add,
		Revocations: list, RevocationDelay: delay,
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", goRoutes())
	mux.HandleFunc("POST /step-up", func(_ http.ResponseWriter, r *http.Request) { sojourn.From(r.Context()).RegenerateNow() })
	mux.HandleFunc("GET /handle", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, sojourn.From(r.Context()).Handle())
	})
	server := httptest.NewServer(m.Middleware(mux))
	t.Cleanup(server.Close)
	return &app{url: server.URL, happens: new(log)}, m
}

// signedIn is a browser in which Go has signed somebody in.
func signedIn(t *testing.T, at *app, name string) *browser {
	t.Helper()
	b := newBrowser(t)
	b.post(at, "/login/"+name, "")
	if got := b.owner(at); got != name {
		t.Fatalf("signed in as %q", got)
	}
	return b
}

// TestFlaskAsks: what docs/flask.md gives to a Flask application refuses what Go has
// ended, and nothing else. Without it, Flask accepts both.
func TestFlaskAsks(t *testing.T) {
	t.Parallel()
	for name, home := range listHomes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			list, connect := home.open(t)
			asking := startAsking(t, home.modules, connect+"\n"+snippet(t, home.variant))
			silent := startFlask(t, nil)
			site, m := startListed(t, list, 0)
			must := func(_ int, err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			check := func(what string, b *browser, want string) {
				t.Helper()
				if got := b.copyTo().fetching().owner(site); got != want {
					t.Errorf("%s: Go says %q", what, got)
				}
				if got := b.copyTo().owner(asking); got != want {
					t.Errorf("%s: Flask, which asks, says %q", what, got)
				}
			}
			for how, end := range map[string]func(b *browser, name string){
				"logout":  func(b *browser, _ string) { b.post(site, "/logout", "") },
				"sign-in": func(b *browser, name string) { b.post(site, "/login/"+name, "") },
				"step-up": func(b *browser, _ string) { b.post(site, "/step-up", "") },
				"Revoke":  func(b *browser, _ string) { must(0, m.Revoke(t.Context(), b.get(site, "/handle").body)) },
				"RevokeOwner": func(_ *browser, name string) {
					must(m.RevokeOwner(t.Context(), name, ""))
				},
			} {
				b, other := signedIn(t, site, "é-"+how), signedIn(t, site, "other-"+how)
				copied := b.copyTo()
				check("before "+how, copied, "é-"+how)
				end(b, "é-"+how)
				check(how, copied, "")
				if got := copied.copyTo().owner(silent); got != "é-"+how {
					t.Errorf("%s: Flask, which does not ask, says %q", how, got)
				}
				copied.post(silent, "/cart/add/stamped-anew", "")
				check(how+", stamped anew", copied, "")
				check("somebody else's after "+how, other, "other-"+how)
				if how == "sign-in" || how == "step-up" {
					check("what came after "+how, b, "é-"+how)
				}
			}

			// One goes on, also after it was renamed.
			kept, other := signedIn(t, site, "carol"), signedIn(t, site, "carol")
			must(m.RevokeOwner(t.Context(), "carol", kept.get(site, "/handle").body))
			check("the others", other, "")
			check("the one that goes on", kept, "carol")
			before := kept.copyTo()
			kept.post(site, "/step-up", "")
			kept.post(site, "/step-up", "")
			check("renamed", kept, "carol")
			check("its old name", before, "")

			// What Flask made of a session is a new one.
			b := signedIn(t, site, "dave")
			must(m.RevokeOwner(t.Context(), "erin", ""))
			b.post(asking, "/login/erin", "")
			if got := b.owner(asking); got != "erin" { // Go may refuse it in this second: Flask's stamps have no milliseconds
				t.Errorf("after a sign-in by Flask: %q", got)
			}
			must(m.RevokeOwner(t.Context(), strings.Repeat("long", 100), ""))
			check("somebody else than one with a long name", signedIn(t, site, "short"), "short")
			long := signedIn(t, site, strings.Repeat("long", 100))
			before = long.copyTo()
			check("one with a long name", long, strings.Repeat("long", 100))
			must(m.RevokeOwner(t.Context(), strings.Repeat("long", 100), ""))
			check("one with a long name, ended", before, "")

			anonymous := newBrowser(t)
			anonymous.post(site, "/language/fr", "")
			if got := anonymous.get(asking, "/").body; !strings.Contains(got, "fr") {
				t.Errorf("before all is ended: %s", got)
			}
			frank := signedIn(t, site, "frank")
			must(m.RevokeAll(t.Context(), time.Now()))
			check("everybody", frank, "")
			if got := anonymous.get(asking, "/").body; strings.Contains(got, "fr") {
				t.Errorf("everybody, without an owner: %s", got)
			}
			check("a sign-in afterwards", signedIn(t, site, "frank"), "frank")
		})
	}
}

// TestFlaskFailsShut: while the list cannot be read, or not be understood, Flask
// answers 500.
func TestFlaskFailsShut(t *testing.T) {
	t.Parallel()
	home := listHomes["SQLite"]
	list, connect := home.open(t)
	asking := startAsking(t, home.modules, connect+"\n"+snippet(t, home.variant))
	site, m := startListed(t, list, 0)
	b := signedIn(t, site, "alice")
	status := func() int {
		r, err := http.NewRequest("GET", asking.url+"/private", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.AddCookie(&http.Cookie{Name: "session", Value: b.cookie()})
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	if got := status(); got != http.StatusOK {
		t.Fatalf("before: %d", got)
	}
	if _, err := m.RevokeOwner(t.Context(), "alice", b.get(site, "/handle").body); err != nil {
		t.Fatal(err)
	}
	for page := (store.Page{Limit: 100}); ; {
		listing, err := list.Scan(t.Context(), page)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range listing.Records {
			rec := store.Record{Header: r.Header, Facts: strings.ReplaceAll(r.Facts, `"until"`, `"since":1,"until"`)}
			if rec.Version = store.NewVersion(); r.Kind == store.KindRevocation && r.Owner != "" {
				if err := list.Apply(t.Context(), &rec, r.Version, time.Now()); err != nil {
					t.Fatal(err)
				}
			}
		}
		if page.Cursor = listing.Next; page.Cursor == "" {
			break
		}
	}
	if got := status(); got != http.StatusInternalServerError {
		t.Errorf("what is not understood: %d", got)
	}
}

// TestFlaskStampsAnew: Flask, which does not ask, stamps a copy anew between its end
// and its use. Go refuses it in every process, within the delay.
func TestFlaskStampsAnew(t *testing.T) {
	t.Parallel()
	for _, delay := range []time.Duration{0, 2 * time.Second} {
		t.Run(delay.String(), func(t *testing.T) {
			t.Parallel()
			list, err := memstore.New(memstore.Options{})
			if err != nil {
				t.Fatal(err)
			}
			silent := startFlask(t, nil)
			first, m := startListed(t, list, delay)
			second, _ := startListed(t, list, delay)
			for how, end := range map[string]func(b *browser){
				"logout":      func(b *browser) { b.post(first, "/logout", "") },
				"sign-in":     func(b *browser) { b.post(first, "/login/alice", "") },
				"RevokeOwner": func(*browser) { m.RevokeOwner(context.Background(), "alice", "") },
				"RevokeAll":   func(*browser) { m.RevokeAll(context.Background(), time.Now()) },
			} {
				b := signedIn(t, first, "alice")
				copied := b.copyTo()
				if got := copied.owner(second); got != "alice" {
					t.Errorf("%s: before: %q", how, got)
				}
				end(b)
				since := time.Now()
				copied.post(silent, "/cart/add/anew", "")
				if got := copied.copyTo().owner(first); got != "" {
					t.Errorf("%s: the process that ended it says %q", how, got)
				}
				for {
					asked := time.Now()
					if copied.copyTo().fetching().owner(second) == "" {
						break
					}
					if asked.After(since.Add(delay)) {
						t.Fatalf("%s: the other process accepts it after %v", how, asked.Sub(since))
					}
				}
			}
		})
	}
}
