package drivertest

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"

	_ "github.com/ncruces/go-sqlite3/driver"

	"github.com/sojourn-go/sojourn/sqlstore"
)

// The driver that was measured best, see the package's README.
const driverName = "sqlite3"

// open opens the file at path as an application should.
func open(tb testing.TB, path string) *sql.DB {
	tb.Helper()
	db, err := openFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Error(err)
		}
	})
	return db
}

func openFile(path string) (*sql.DB, error) {
	db, err := sql.Open(driverName, sqlstore.SQLiteDSN(path))
	if err == nil {
		db.SetMaxOpenConns(8)
		db.SetMaxIdleConns(8)
	}
	return db, err
}

// storeOn returns a store over db with its table.
func storeOn(tb testing.TB, db *sql.DB, opts ...sqlstore.Option) *sqlstore.Store {
	tb.Helper()
	s, err := sqlstore.New(db, sqlstore.SQLite, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	if err := s.CreateTable(context.Background()); err != nil {
		tb.Fatal(err)
	}
	return s
}

// newFile returns the name of a file that is not there yet.
func newFile(tb testing.TB) string { return filepath.Join(tb.TempDir(), "sessions.db") }

// newStore returns a store over a file of its own.
func newStore(tb testing.TB) *sqlstore.Store { return storeOn(tb, open(tb, newFile(tb))) }
