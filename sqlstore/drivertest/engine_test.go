package drivertest

import (
	"context"
	"database/sql"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"

	"github.com/sojourn-go/sojourn/sqlstore"
	"github.com/sojourn-go/sojourn/storetest/engines"
)

// An engine is a database server that a test has started, and how a program
// reaches it.
type engine struct {
	*engines.Server
	name    string // of the test, and of a child's dialect
	dialect sqlstore.Dialect
	driver  string // the one that was measured best, see the package's README
	dsn     string
}

func postgreSQL(tb testing.TB, opts ...engines.Option) *engine {
	tb.Helper()
	server := engines.PostgreSQL(tb, opts...)
	return &engine{server, "PostgreSQL", sqlstore.PostgreSQL, "pgx",
		fmt.Sprintf("postgres://postgres@%s/postgres?sslmode=disable", server.Addr())}
}

func mariaDB(tb testing.TB, opts ...engines.Option) *engine {
	tb.Helper()
	mysql.SetLogger(&mysql.NopLogger{}) // it tells of every connection that a restart has cut
	server := engines.MariaDB(tb, opts...)
	return &engine{server, "MariaDB", sqlstore.MariaDB, "mysql", fmt.Sprintf("root@tcp(%s)/test", server.Addr())}
}

// TestServers runs all tests of a server on one of each kind.
func TestServers(t *testing.T) {
	for _, kind := range []struct {
		name  string
		start func(testing.TB, ...engines.Option) *engine
	}{{"PostgreSQL", postgreSQL}, {"MariaDB", mariaDB}} {
		t.Run(kind.name, func(t *testing.T) {
			e := kind.start(t)
			for _, test := range everywhere {
				t.Run(test.name, func(t *testing.T) { test.run(t, e.room(t)) })
			}
			for _, test := range onServers {
				t.Run(test.name, func(t *testing.T) { test.run(t, e) })
			}
		})
	}
}

// onServers are the tests for servers only.
var onServers = []struct {
	name string
	run  func(t *testing.T, e *engine)
}{
	{"Contract", contract},
	{"Processes", serverProcesses},
	{"SweepProcesses", sweepProcesses},
	{"ChangesLate", changesLate},
	{"ChangesUnread", changesUnread},
	{"Locked", serverLocked},
	{"Deadlock", serverDeadlock},
	{"Cancelled", serverCancelled},
	{"CreateTable", serverCreateTable},
	{"Schema", serverSchema},
	{"RoutinesMissing", routinesMissing},
	{"RoutinesBeside", routinesBeside},
	{"FewRights", fewRights},
	{"BrokenOff", brokenOff},
	{"BrokenOffAnywhere", brokenOffAnywhere},
	{"RoundTrips", roundTrips},
	{"Check", serverCheck},
	{"OtherDriver", otherDriver},
	{"Plans", serverPlans},
	{"Restart", serverRestart}, // at the end: it closes all connections
}

// open opens the server's database as an application should.
func (e *engine) open(tb testing.TB) *sql.DB {
	tb.Helper()
	db, err := openServer(e.driver, e.dsn)
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

func openServer(driver, dsn string) (*sql.DB, error) {
	db, err := sql.Open(driver, dsn)
	if err == nil {
		db.SetMaxOpenConns(8)
		db.SetMaxIdleConns(8)
	}
	return db, err
}

// store returns a store over db with its table.
func (e *engine) store(tb testing.TB, db *sql.DB, opts ...sqlstore.Option) *sqlstore.Store {
	tb.Helper()
	s, err := sqlstore.New(db, e.dialect, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	if err := s.CreateTable(context.Background()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

var tables atomic.Int32

// newTable is the name of a table that is not there yet.
func newTable() string { return fmt.Sprintf("test_%d", tables.Add(1)) }
