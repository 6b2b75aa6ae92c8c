package drivertest

import (
	"database/sql"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sojourn-go/sojourn/sqlstore"
	"github.com/sojourn-go/sojourn/store"
)

// TestCreateTable has many make the table at the same time, in one file.
func TestCreateTable(t *testing.T) {
	path := newFile(t)
	var wait sync.WaitGroup
	for range 6 {
		db := open(t, path)
		wait.Go(func() {
			s, err := sqlstore.New(db, sqlstore.SQLite)
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

// TestSchema runs the DDL as a migration would.
func TestSchema(t *testing.T) {
	ddl, err := sqlstore.Schema(sqlstore.SQLite, sqlstore.Table("shop_sessions"))
	if err != nil {
		t.Fatal(err)
	}
	db := open(t, newFile(t))
	for range 2 {
		for text := range strings.SplitSeq(ddl, ";\n") {
			if _, err := db.Exec(text); err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
		}
	}
	s, err := sqlstore.New(db, sqlstore.SQLite, sqlstore.Table("shop_sessions"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	rec := newRecord("alice")
	if _, err := s.Create(t.Context(), rec, store.CreateOptions{Now: now()}); err != nil {
		t.Fatal(err)
	}
	// Two tables in one file are two stores.
	other := storeOn(t, db)
	if _, err := other.Load(t.Context(), rec.Handle); err != store.ErrGone {
		t.Errorf("the other table: %v", err)
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.Load(t.Context(), rec.Handle); err != nil {
		t.Error(err)
	}
}

// TestCheck has every complaint.
func TestCheck(t *testing.T) {
	complains := func(s *sqlstore.Store, want ...string) {
		t.Helper()
		err := s.Check(t.Context())
		for _, w := range append(want, "sqlstore: ") {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("Check says %v, want %q", err, w)
			}
		}
	}
	db := open(t, newFile(t))
	s, err := sqlstore.New(db, sqlstore.SQLite)
	if err != nil {
		t.Fatal(err)
	}
	complains(s, "CreateTable", "sojourn_records")
	if err := s.CreateTable(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`UPDATE sojourn_records_meta SET format = 2, oldest = 2`); err != nil {
		t.Fatal(err)
	}
	complains(s, "format 2", "newer")
	if err := s.CreateTable(t.Context()); err == nil {
		t.Error("CreateTable takes a table of another format for its own")
	}

	old, err := sql.Open(driverName, "file:"+filepath.Join(t.TempDir(), "old.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { old.Close() })
	if s, err = sqlstore.New(old, sqlstore.SQLite); err != nil {
		t.Fatal(err)
	}
	complains(s, `"delete"`, "SQLiteDSN")
}

// TestDSN opens files with names that are not easy, with the settings.
func TestDSN(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a b.db", "50%.db", "what?.db", "#1.db", "a&b=c.db", "é.db", "x+y.db"} {
		path := filepath.Join(dir, name)
		db := open(t, path)
		storeOn(t, db)
		var file string
		if err := db.QueryRow(`SELECT file FROM pragma_database_list`).Scan(&file); err != nil || file != path {
			t.Errorf("%s is opened as %s, %v", path, file, err)
		}
		var synchronous, timeout int
		err := db.QueryRow(`SELECT synchronous, timeout FROM pragma_synchronous, pragma_busy_timeout`).Scan(&synchronous, &timeout)
		if err != nil || synchronous != 2 || timeout != 100 {
			t.Errorf("synchronous is %d, busy_timeout %d, %v", synchronous, timeout, err)
		}
	}
}

// TestErrors has a failure of every kind of call: it names the verb and is no
// answer.
func TestErrors(t *testing.T) {
	db, err := openFile(newFile(t))
	if err != nil {
		t.Fatal(err)
	}
	s := storeOn(t, db)
	db.Close()
	rec := newRecord("alice")
	rec.State = "state"
	end := store.Ending{Mark: 1, Now: now()}
	_, load := s.Load(t.Context(), rec.Handle)
	_, create := s.Create(t.Context(), rec, store.CreateOptions{Now: now()})
	_, limited := s.Create(t.Context(), rec, store.CreateOptions{Now: now(), Limit: 1, End: end})
	_, owner := s.DeleteOwner(t.Context(), "alice", "", end)
	_, list := s.List(t.Context(), "alice", store.Page{Limit: 1})
	_, scan := s.Scan(t.Context(), store.Page{Limit: 1})
	_, changes := s.Changes(t.Context(), "")
	_, sweep := s.Sweep(t.Context(), now(), 1)
	for _, e := range []struct {
		verb string
		err  error
	}{
		{"load", load}, {"create", create}, {"create", limited}, {"delete owner", owner}, {"list", list}, {"scan", scan},
		{"changes", changes}, {"sweep", sweep},
		{"apply", s.Apply(t.Context(), rec, 1, now())},
		{"touch", s.Touch(t.Context(), rec.Handle, now(), now())},
		{"delete", s.Delete(t.Context(), rec.Handle, end)},
	} {
		if e.err == nil || !strings.HasPrefix(e.err.Error(), "sqlstore: "+e.verb+": ") {
			t.Errorf("%s of a closed database: %v", e.verb, e.err)
		}
	}
}

// TestNoTable: who forgot to make the table is told what to do.
func TestNoTable(t *testing.T) {
	s, err := sqlstore.New(open(t, newFile(t)), sqlstore.SQLite)
	if err != nil {
		t.Fatal(err)
	}
	tableMissing(t, s)
}

func tableMissing(t *testing.T, s *sqlstore.Store) {
	t.Helper()
	_, err := s.Load(t.Context(), store.NewHandle(""))
	if err == nil || !strings.Contains(err.Error(), "call CreateTable") {
		t.Errorf("Load without a table: %v", err)
	}
}
