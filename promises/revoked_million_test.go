package promises

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/keys"
	"github.com/sojourn-go/sojourn/sqlstore"
)

// TestMillionList measures how long the first request of a process waits that reads a
// list of a million ended sessions from SQLite. Run it with SOJOURN_LONG=1, -v and
// without -race.
func TestMillionList(t *testing.T) {
	if os.Getenv("SOJOURN_LONG") == "" {
		t.Skip("long: set SOJOURN_LONG=1 to run it")
	}
	path := filepath.Join(t.TempDir(), "list.db")
	s := openFor(t, "sqlite:"+path)
	db, err := sql.Open("sqlite3", sqlstore.SQLiteDSN(path))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	now := time.Now().UnixMilli()
	_, err = db.Exec(`
INSERT INTO sojourn_records (handle, kind, version, created, last_seen, idle_deadline, absolute_deadline, deadline, changed, facts, verifiers, state)
WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)
SELECT lower(hex(randomblob(1))) || hex(randomblob(11)), 3, i, ?1, ?1, ?2, ?2, ?2, i, x'', x'', x'' FROM n`, now, now+3_600_000)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keys.New([][]byte{[]byte("a key for the tests of the promises, 0123456789")})
	if err != nil {
		t.Fatal(err)
	}
	serve := func(delay time.Duration) string {
		site, err := newSite(s, func(c *sojourn.Config) {
			c.Keep, c.Revocations, c.RevocationDelay, c.StoreTimeout = sojourn.Encrypted(ring), s, delay, 2*time.Minute
		})
		if err != nil {
			t.Fatal(err)
		}
		return inProcess(t, site)
	}
	cookie := signIn(t, serve(0), "alice").token()
	base := serve(time.Minute)
	for _, what := range []string{"the first request", "the next"} {
		began := time.Now()
		if status, owner, _ := as(t, base, cookie); owner != "alice" {
			t.Fatalf("%d, %q", status, owner)
		}
		t.Logf("%s: %v", what, time.Since(began))
	}
}
