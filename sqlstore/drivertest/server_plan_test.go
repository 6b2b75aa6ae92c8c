package drivertest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

// serverPlans asks the server how it runs each statement of the store, on a
// table of some size: by an index, and never by looking at every row.
func serverPlans(t *testing.T, e *engine) {
	plain := e.open(t)
	connector, err := plain.Driver().(driver.DriverContext).OpenConnector(e.dsn)
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{Connector: connector, texts: map[string]bool{}}
	db := sql.OpenDB(r)
	t.Cleanup(func() { db.Close() })
	seen := e.store(t, db)
	everyVerb(t, seen)

	room := e.room(t)
	room.s, room.table = e.store(t, plain), "sojourn_records"
	room.fill(t, 20_000, now().Add(time.Hour))
	analyze := `ANALYZE ` + room.table
	text := `CAST(substr(CAST(handle AS char(20)), 1, 11) AS char(20))`
	if e.name == "PostgreSQL" {
		text = `substr(handle, 1, 11)`
	} else {
		analyze = `ANALYZE TABLE ` + room.table
	}
	for _, query := range []string{`UPDATE ` + room.table + ` SET owner = ` + text + ` WHERE owner = 'alice'`, analyze} {
		if _, err := plain.Exec(query); err != nil {
			t.Fatal(err)
		}
	}
	statements := 0
	for text := range r.texts {
		if !strings.Contains(text, room.table) || !regexp.MustCompile(`^(SELECT|UPDATE)`).MatchString(text) || strings.Contains(text, "format") {
			continue
		}
		statements++
		if plan, bad := e.plan(t, plain, text); bad {
			t.Errorf("%s\n%s", text, plan)
		}
	}
	if statements < 6 {
		t.Errorf("only %d statements were seen", statements)
	}
	// What is in routines shows in what they read.
	before := e.rowsRead(t, db, room.table)
	db.SetMaxOpenConns(1)
	for range 8 { // PostgreSQL plans without the parameters after five times
		everyVerb(t, seen)
	}
	if n := e.rowsRead(t, db, room.table) - before; n > 10_000 {
		t.Errorf("the verbs have read %d rows of a table of 20,000: not by an index", n)
	}
	if _, err := plain.Exec(`DELETE FROM ` + room.table); err != nil {
		t.Fatal(err)
	}
}

// rowsRead is how many rows have been read so far; on PostgreSQL those by looking at
// every one.
func (e *engine) rowsRead(t *testing.T, db *sql.DB, table string) (n int) {
	t.Helper()
	query := `SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = '` + table + `'`
	if e.name == "MariaDB" {
		query = `SELECT CAST(sum(variable_value) AS INTEGER) FROM information_schema.global_status
			WHERE variable_name IN ('Handler_read_first', 'Handler_read_next', 'Handler_read_prev', 'Handler_read_rnd_next')`
	} else if _, err := db.Exec(`SELECT pg_stat_force_next_flush()`); err != nil {
		t.Fatal(err)
	}
	if err := db.QueryRow(query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// plan returns how the server runs a statement whose parameters it does not know,
// or are like none there is, and whether it looks at every row of the table.
func (e *engine) plan(t *testing.T, db *sql.DB, text string) (plan string, bad bool) {
	t.Helper()
	if e.name == "MariaDB" {
		return mariaPlan(t, db, text)
	}
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	nulls := ""
	if n := len(regexp.MustCompile(`\$\d+`).FindAllString(text, -1)); n > 0 {
		nulls = "(" + strings.Repeat("NULL, ", n-1) + "NULL)"
	}
	for _, query := range []string{`SET plan_cache_mode = force_generic_plan`, `PREPARE planned AS ` + text} {
		if _, err := conn.ExecContext(context.Background(), query); err != nil {
			t.Fatalf("%v\n%s", err, query)
		}
	}
	defer conn.ExecContext(context.Background(), `DEALLOCATE planned`)
	rows, err := conn.QueryContext(context.Background(), `EXPLAIN EXECUTE planned`+nulls)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		plan += line + "\n"
	}
	return plan, regexp.MustCompile(`Seq Scan on sojourn_records( |$)`).MatchString(plan)
}

func mariaPlan(t *testing.T, db *sql.DB, text string) (plan string, bad bool) {
	t.Helper()
	query := "EXPLAIN " + regexp.MustCompile(`(LIMIT|OFFSET) \?`).ReplaceAllString(text, "$1 100")
	query = regexp.MustCompile(`(deadline <=|changed >) \?`).ReplaceAllString(query, "$1 1000")
	query = strings.ReplaceAll(query, "?", "'100'")
	rows, err := db.Query(query)
	if err != nil {
		t.Fatalf("%v\n%s", err, query)
	}
	defer rows.Close()
	for rows.Next() {
		var id, kind, table, access, possible, key, length, ref, n, extra sql.NullString
		if err := rows.Scan(&id, &kind, &table, &access, &possible, &key, &length, &ref, &n, &extra); err != nil {
			t.Fatal(err)
		}
		plan += fmt.Sprintln(table.String, access.String, key.String, n.String, extra.String)
		whole := access.String == "ALL" || access.String == "index"
		bad = bad || whole && (table.String == "r" || table.String == "sojourn_records")
	}
	return plan, bad
}
