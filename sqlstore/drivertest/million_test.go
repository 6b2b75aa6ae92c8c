package drivertest

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/sqlstore"
	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest/engines"
)

// TestMillion makes a million sessions, each with an owner, with SOJOURN_LONG=1,
// and otherwise a hundredth of that. It prints what a session takes on the disk,
// table and indexes, once it was made, and once it has been changed twice.
func TestMillion(t *testing.T) {
	million := 10_000
	if os.Getenv("SOJOURN_LONG") != "" {
		million = 1_000_000
	}
	t.Run("SQLite", func(t *testing.T) {
		path := newFile(t)
		db, err := sql.Open(driverName, strings.Replace(sqlstore.SQLiteDSN(path), "synchronous(FULL)", "synchronous(OFF)", 1))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		fillMillion(t, storeOn(t, db), million, 400, func() (size int64) {
			query(t, db, &size, `SELECT page_count * page_size FROM pragma_page_count, pragma_page_size`)
			return size
		})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		e := postgreSQL(t, engines.Args("-c", "synchronous_commit=off", "-c", "max_wal_size=4GB"))
		db := e.open(t)
		fillMillion(t, e.store(t, db), million, 800, func() (size int64) {
			query(t, db, &size, `SELECT pg_total_relation_size('sojourn_records')`)
			return size
		})
	})
	t.Run("MariaDB", func(t *testing.T) {
		e := mariaDB(t, engines.Args("--innodb-flush-log-at-trx-commit=0", "--innodb-log-file-size=512M", "--innodb-buffer-pool-size=512M"))
		db := e.open(t)
		fillMillion(t, e.store(t, db), million, 800, func() (size int64) {
			query(t, db, &size, `SELECT file_size FROM information_schema.innodb_sys_tablespaces WHERE name = 'test/sojourn_records'`)
			return size
		})
	})
}

func query(t *testing.T, db *sql.DB, dest any, text string) {
	t.Helper()
	if err := db.QueryRow(text).Scan(dest); err != nil {
		t.Fatal(err)
	}
}

func fillMillion(t *testing.T, s store.Store, sessions int, most float64, size func() int64) {
	t.Helper()
	records := make([]*store.Record, sessions)
	each := func(what string, f func(i int) error) {
		t.Helper()
		began := time.Now()
		errs := make([]error, 8)
		var all sync.WaitGroup
		for w := range errs {
			all.Go(func() {
				for i := w; i < sessions && errs[w] == nil; i += len(errs) {
					errs[w] = f(i)
				}
			})
		}
		all.Wait()
		for _, err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
		took, now := time.Since(began), float64(size())/float64(sessions)
		t.Logf("%d sessions %s: %.0f bytes each, in %s, %.0f a second", sessions, what, now, took.Round(time.Millisecond), float64(sessions)/took.Seconds())
		if now > most && sessions >= 1_000_000 {
			t.Errorf("a session takes %.0f bytes, more than %.0f", now, most)
		}
	}
	ctx := context.Background()
	each("made", func(i int) error {
		rec := newRecord(fmt.Sprintf("owner-%07d", i))
		rec.Verifiers, rec.State = strings.Repeat("v", 44), strings.Repeat("s", 113)
		records[i] = rec
		_, err := s.Create(ctx, rec, store.CreateOptions{Now: rec.Created})
		return err
	})
	for n := range 2 {
		each(fmt.Sprint("changed, ", n+1), func(i int) error {
			from := records[i].Version
			records[i].Version = store.NewVersion()
			return s.Apply(ctx, records[i], from, records[i].Created)
		})
	}
}
