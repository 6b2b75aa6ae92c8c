package drivertest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/sojourn-go/sojourn/sqlstore"
	"github.com/sojourn-go/sojourn/store"
)

// A recorder keeps the text of every statement that is prepared.
type recorder struct {
	driver.Connector
	mu    sync.Mutex
	texts map[string]bool
}

func (r *recorder) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := r.Connector.Connect(ctx)
	return &recordedConn{conn, r}, err
}

type recordedConn struct {
	driver.Conn
	r *recorder
}

func (c *recordedConn) Prepare(text string) (driver.Stmt, error) {
	c.r.mu.Lock()
	c.r.texts[text] = true
	c.r.mu.Unlock()
	return c.Conn.Prepare(text)
}

// BeginTx is here because a connection that does not have it takes no isolation.
func (c *recordedConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts)
}

// TestPlans asks SQLite how it runs each statement of the store: always by an
// index, and never by sorting more than an owner's records or looking at every row.
func TestPlans(t *testing.T) {
	path := newFile(t)
	plain := open(t, path)
	connector, err := plain.Driver().(driver.DriverContext).OpenConnector(sqlstore.SQLiteDSN(path))
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{Connector: connector, texts: map[string]bool{}}
	db := sql.OpenDB(r)
	t.Cleanup(func() { db.Close() })
	everyVerb(t, storeOn(t, db))

	statements := 0
	for text := range r.texts {
		if strings.HasPrefix(text, "CREATE") || strings.HasPrefix(text, "PRAGMA") || strings.HasPrefix(text, "INSERT INTO sojourn_records_meta") {
			continue
		}
		statements++
		plan := planOf(t, plain, text)
		for step := range strings.Lines(plan) {
			sorts := strings.HasPrefix(step, "USE TEMP B-TREE") && !strings.Contains(text, "ORDER BY created DESC")
			if sorts || !allowedStep.MatchString(step) {
				t.Errorf("%s\n%s", text, plan)
				break
			}
		}
	}
	if statements < 17 {
		t.Errorf("only %d statements were seen", statements)
	}
}

// What a plan may hold: a look-up by an index, the scan of pages in the order
// of the key, and small things on top. Only the records of one owner are
// sorted.
var allowedStep = regexp.MustCompile(`^(SEARCH (sojourn_records|r) USING (COVERING )?(INDEX|INTEGER PRIMARY KEY)` +
	`|SEARCH sojourn_records_meta USING INTEGER PRIMARY KEY` +
	`|(MATERIALIZE|CO-ROUTINE|SCALAR SUBQUERY|LIST SUBQUERY|CORRELATED SCALAR SUBQUERY) ` +
	`|(SCAN|SEARCH) (h|s|d)\b|USE TEMP B-TREE FOR ORDER BY|LEFT-MOST|REUSE LIST)`)

func planOf(t *testing.T, db *sql.DB, text string) string {
	rows, err := db.Query("EXPLAIN QUERY PLAN "+text, make([]any, strings.Count(text, "?")-strings.Count(text, "?2"))...)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	defer rows.Close()
	var plan strings.Builder
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		plan.WriteString(detail + "\n")
	}
	return plan.String()
}

// everyVerb brings every statement of the store to use.
func everyVerb(t *testing.T, s *sqlstore.Store) {
	t.Helper()
	if err := hammer(t.Context(), s, madeOne(t, s), 1); err != nil {
		t.Fatal(err)
	}
	_, rec := oneEnded(t, s)
	if _, err := s.Create(t.Context(), rec, store.CreateOptions{Now: now().Add(2 * store.MinHold), Replaces: "none"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Scan(t.Context(), store.Page{Limit: 1}); err != nil {
		t.Fatal(err)
	}
	firstOf(t, s, "alice")
	if _, err := s.DeleteOwner(t.Context(), "alice", "", store.Ending{Mark: 1, Now: now()}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Changes(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Sweep(t.Context(), now().Add(24*store.MinHold), 100); n == 0 || err != nil {
		t.Fatal(n, err)
	}
}

func madeOne(t *testing.T, s *sqlstore.Store) (handle string) {
	rec := newRecord("alice")
	if _, err := s.Create(t.Context(), rec, store.CreateOptions{Now: now()}); err != nil {
		t.Fatal(err)
	}
	return rec.Handle
}
