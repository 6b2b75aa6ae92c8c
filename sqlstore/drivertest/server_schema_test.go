package drivertest

import (
	"context"
	"fmt"
	"hash/fnv"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/sqlstore"
	"github.com/sojourn-go/sojourn/store"
)

// serverCheck: a server or a connection that the store cannot work with is
// refused.
func serverCheck(t *testing.T, e *engine) {
	e.store(t, e.open(t))
	refused := map[string]string{"?sql_mode=%27%27": "STRICT_TRANS_TABLES"}
	if e.name == "PostgreSQL" {
		refused = map[string]string{
			"&default_transaction_read_only=on":                "primary",
			"&default_transaction_isolation=repeatable%20read": "default_transaction_isolation",
		}
	}
	for setting, want := range refused {
		other := *e
		other.dsn += setting
		s, err := sqlstore.New(other.open(t), e.dialect)
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{s.Check(t.Context()), s.CreateTable(t.Context())} {
			if err == nil || !strings.HasPrefix(err.Error(), "sqlstore: ") || !strings.Contains(err.Error(), want) {
				t.Errorf("the answer is %v, want %s", err, want)
			}
		}
		if !strings.Contains(setting, "isolation") {
			continue
		}
		// One that did not ask is not wrong, but refused.
		_, create := s.Create(t.Context(), newRecord("alice"), store.CreateOptions{Now: now(), Limit: 1, End: store.Ending{Mark: 1, Now: now()}})
		_, end := s.DeleteOwner(t.Context(), "alice", "", store.Ending{Mark: 1, Now: now()})
		for _, err := range []error{create, end} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("what counts on READ COMMITTED says %v, want %s", err, want)
			}
		}
	}
}

// serverCreateTable has many make the table at the same time.
func serverCreateTable(t *testing.T, e *engine) {
	table := newTable()
	var wait sync.WaitGroup
	for range 6 {
		db := e.open(t)
		wait.Go(func() {
			s, err := sqlstore.New(db, e.dialect, sqlstore.Table(table))
			if err != nil {
				t.Error(err)
				return
			}
			for range 3 {
				if err := s.CreateTable(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
}

// client runs the server's own client, which reads text, and returns what it says.
func (e *engine) client(t *testing.T, text string) (string, error) {
	t.Helper()
	host, port, err := net.SplitHostPort(e.Addr())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	program, remedy, args := "psql", "postgresql-client", []string{"-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-", e.dsn}
	if e.name == "MariaDB" {
		program, remedy = "mariadb", "mariadb-client"
		args = []string{"--no-defaults", "--host=" + host, "--port=" + port, "--user=root", "--skip-ssl", "test"}
	}
	if _, err := exec.LookPath(program); err != nil {
		t.Fatalf("%s is not installed: apt-get install %s", program, remedy)
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// serverSchema has the server's client run the DDL, as a migration would.
func serverSchema(t *testing.T, e *engine) {
	table := newTable()
	ddl, err := sqlstore.Schema(e.dialect, sqlstore.Table(table))
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlstore.New(e.open(t), e.dialect, sqlstore.Table(table))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "CreateTable") {
		t.Errorf("Check before there is a table: %v", err)
	}
	for range 2 {
		if out, err := e.client(t, ddl); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.CreateTable(t.Context()); err != nil {
		t.Error(err)
	}
	everyVerb(t, s)
}

// routinesMissing: Check says which routine is not there, and what to do.
func routinesMissing(t *testing.T, e *engine) {
	none, err := sqlstore.New(e.open(t), e.dialect, sqlstore.Table(newTable()))
	if err != nil {
		t.Fatal(err)
	}
	tableMissing(t, none)
	r := e.room(t)
	kind := "FUNCTION"
	if e.name == "MariaDB" {
		kind = "PROCEDURE"
	}
	for _, name := range []string{"create", "end_owner", "sweep", "changes"} {
		routine := r.table + "_" + name + "_v1"
		if _, err := r.db.Exec(`DROP ` + kind + ` ` + routine); err != nil {
			t.Fatal(err)
		}
		err := r.s.Check(t.Context())
		for _, want := range []string{"sqlstore: ", routine, "CreateTable", "Schema"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("Check without %s says %v, want %q", routine, err, want)
			}
		}
		if err := r.s.CreateTable(t.Context()); err != nil {
			t.Errorf("CreateTable without %s: %v", routine, err)
		}
	}
	everyVerb(t, r.s)
}

// routinesBeside: a table that a program without routines has made gets them, and
// such a program, which counts under the owner's lock in a transaction of its own,
// goes on beside.
func routinesBeside(t *testing.T, e *engine) {
	table := newTable()
	ddl, err := sqlstore.Schema(e.dialect, sqlstore.Table(table))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(strings.ReplaceAll(ddl, "DELIMITER", "CREATE OR REPLACE FUNCTION"), "CREATE OR REPLACE FUNCTION")
	if out, err := e.client(t, first); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r := e.filler(e.open(t), table)
	r.s, err = sqlstore.New(r.db, e.dialect, sqlstore.Table(table))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.s.Close() })
	if err := r.s.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "CreateTable") {
		t.Errorf("Check of a table without routines: %v", err)
	}
	if err := r.s.CreateTable(t.Context()); err != nil {
		t.Fatal(err)
	}
	former := r.future(t) // knows no steps, as the program before did
	if err := former.Check(t.Context()); err != nil {
		t.Error(err)
	}
	everyVerb(t, r.s)

	// What a Create with a limit was: it holds the owner, and adds one.
	owner := "rolling"
	tx, err := r.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	hash := fnv.New64a()
	hash.Write([]byte(table + "\x00" + owner))
	query, number := `SELECT pg_advisory_xact_lock($1)`, int64(hash.Sum64())
	if e.name == "MariaDB" {
		query, number = `SELECT id FROM `+table+`_meta WHERE id = 2 + ? FOR UPDATE`, int64(hash.Sum64()%64)
	}
	var held any
	if err := tx.QueryRow(query, number).Scan(&held); err != nil {
		t.Fatal(err)
	}
	opts := store.CreateOptions{Now: now(), Limit: 1, End: store.Ending{Mark: 1, Now: now()}}
	answer := make(chan error)
	go func() {
		_, err := r.s.Create(t.Context(), newRecord(owner), opts)
		answer <- err
	}()
	awaitWaiting(t, e)
	insert := fmt.Sprintf(`INSERT INTO %s (handle, kind, version, created, last_seen, idle_deadline, absolute_deadline, deadline, owner, facts, verifiers, state)
		VALUES ('former', 1, 1, 1, 1, %[2]d, %[2]d, %[2]d, '%[3]s', '', '', '')`, table, now().Add(time.Hour).UnixMilli(), owner)
	if _, err := tx.Exec(insert); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-answer:
		t.Fatalf("a new program did not wait for one of the former version: %v", err)
	default:
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-answer; err != store.ErrLimit {
		t.Errorf("beside a program of the former version: %v, want %v", err, store.ErrLimit)
	}
}

// fewRights: a program needs no more than rights on rows, and to execute; and
// routines give no right to those who have none.
func fewRights(t *testing.T, e *engine) {
	r := e.room(t)
	run := func(texts ...string) {
		t.Helper()
		for _, text := range texts {
			if _, err := r.db.Exec(text); err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
		}
	}
	as := func(user string) *sqlstore.Store {
		t.Helper()
		other := *e
		for _, before := range []string{"postgres@", "root@"} {
			other.dsn = strings.Replace(other.dsn, before, user+"@", 1)
		}
		s, err := sqlstore.New(other.open(t), e.dialect, sqlstore.Table(r.table))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	const rights = `GRANT SELECT, INSERT, UPDATE, DELETE ON `
	if e.name == "PostgreSQL" {
		run(`CREATE ROLE shop LOGIN`, `CREATE ROLE nobody LOGIN`, rights+r.table+`, `+r.table+`_meta TO shop`)
	} else {
		run(`CREATE USER shop@'127.0.0.1'`, `CREATE USER nobody@'127.0.0.1'`,
			rights+`test.`+r.table+` TO shop@'127.0.0.1'`, rights+`test.`+r.table+`_meta TO shop@'127.0.0.1'`,
			`GRANT EXECUTE ON test.* TO shop@'127.0.0.1'`, `GRANT EXECUTE ON test.* TO nobody@'127.0.0.1'`)
	}
	s := as("shop")
	if err := s.CreateTable(t.Context()); err != nil {
		t.Fatal(err)
	}
	everyVerb(t, s)
	n, err := as("nobody").DeleteOwner(t.Context(), "alice", "", store.Ending{Mark: 1, Now: now()})
	if err == nil || !strings.Contains(err.Error(), "denied") {
		t.Errorf("without a right DeleteOwner says %d, %v", n, err)
	}
}

// awaitWaiting waits until somebody waits for a lock.
func awaitWaiting(t *testing.T, e *engine) {
	t.Helper()
	db := e.open(t)
	query := `SELECT count(*) FROM pg_locks WHERE NOT granted`
	if e.name == "MariaDB" {
		query = `SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'Innodb_row_lock_current_waits'`
	}
	for until := time.Now().Add(patience); time.Now().Before(until); time.Sleep(2 * time.Millisecond) {
		var n int
		if err := db.QueryRow(query).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			return
		}
	}
	t.Fatal("nobody waits for a lock")
}
