package promises

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/ncruces/go-sqlite3/driver"

	"github.com/sojourn-go/sojourn/memstore"
	"github.com/sojourn-go/sojourn/redisstore"
	"github.com/sojourn-go/sojourn/sqlstore"
	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest"
	"github.com/sojourn-go/sojourn/storetest/engines"
)

// An engine is something that keeps sessions, started anew for each test.
type engine struct {
	name   string
	shared bool // by several processes
	start  func(t testing.TB) (url string)
}

var all = []engine{
	{"memory", false, func(testing.TB) string { return "memory:" }},
	{"sqlite", true, func(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "sessions.db") }},
	{"redis", true, func(t testing.TB) string { return "redis://" + engines.Redis(t).Addr() }},
	{"postgresql", true, func(t testing.TB) string { return postgresURL(engines.PostgreSQL(t).Addr()) }},
	{"mariadb", true, func(t testing.TB) string { return mariaURL(engines.MariaDB(t).Addr()) }},
	{"redis cluster", true, func(t testing.TB) string {
		return "redis+cluster://" + strings.Join(engines.RedisCluster(t).Addrs(), ",")
	}},
}

func postgresURL(addr string) string { return "postgres://postgres@" + addr + "/postgres" }
func mariaURL(addr string) string    { return "mysql:root@tcp(" + addr + ")/test" }

// onEach runs a test on every engine; on those that processes can share only,
// if it needs that.
func onEach(t *testing.T, shared bool, test func(t *testing.T, url string)) {
	for _, e := range all {
		if e.shared || !shared {
			t.Run(e.name, func(t *testing.T) { test(t, e.start(t)) })
		}
	}
}

// open opens the store at url.
func open(url string) (s store.Store, shut func() error, err error) {
	scheme, rest, _ := strings.Cut(url, ":")
	switch scheme {
	case "memory":
		s, err = memstore.New(memstore.Options{})
		return s, func() error { return nil }, err
	case "sqlite":
		return openSQL("sqlite3", sqlstore.SQLiteDSN(rest), sqlstore.SQLite)
	case "postgres":
		return openSQL("pgx", url, sqlstore.PostgreSQL)
	case "mysql":
		return openSQL("mysql", rest, sqlstore.MariaDB)
	case "redis", "redis+cluster":
		s, err := redisstore.Open(context.Background(), url)
		if err != nil {
			return nil, nil, err
		}
		return s, s.Close, nil
	}
	return nil, nil, fmt.Errorf("no engine for %q", scheme)
}

func openSQL(driver, source string, dialect sqlstore.Dialect) (store.Store, func() error, error) {
	db, err := sql.Open(driver, source)
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(16)
	s, err := sqlstore.New(db, dialect)
	if err == nil {
		err = s.CreateTable(context.Background())
	}
	return s, func() error { return errors.Join(s.Close(), db.Close()) }, err
}

// openFor is open for a test.
func openFor(t testing.TB, url string) store.Store {
	t.Helper()
	s, shut, err := open(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut() })
	return s
}

// TestContract: every rule of the store contract, on every engine.
func TestContract(t *testing.T) {
	onEach(t, false, func(t *testing.T, url string) {
		s := openFor(t, url)
		storetest.Run(t, func(*testing.T) store.Store { return s })
	})
}
