package drivertest

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/sqlstore"
)

// A room is a store with an empty table of its own, of any dialect.
type room struct {
	dialect sqlstore.Dialect
	db      *sql.DB
	s       *sqlstore.Store
	table   string
	many    string // SQL that fills the table
	next    func(tb testing.TB) *room
}

// everywhere are the tests that each dialect has to stand.
var everywhere = []struct {
	name string
	run  func(t *testing.T, r *room)
}{
	{"ChangesForgotten", changesForgotten},
	{"ChangesReused", changesReused},
	{"ChangesElsewhere", changesElsewhere},
	{"ChangesOfRevocations", changesOfRevocations},
	{"ChangesBounded", changesBounded},
	{"SweepBatches", sweepBatches},
	{"Pages", pages},
	{"ReplacesItself", replacesItself},
	{"OneConnection", oneConnection},
	{"Upgrades", upgrades},
}

func TestSQLiteRooms(t *testing.T) {
	for _, test := range everywhere {
		t.Run(test.name, func(t *testing.T) { test.run(t, fileRoom(t)) })
	}
}

func fileRoom(tb testing.TB) *room {
	db := open(tb, newFile(tb))
	return &room{dialect: sqlstore.SQLite, db: db, s: storeOn(tb, db), table: "sojourn_records", next: fileRoom, many: fillHead +
		`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
		SELECT 'handle' || i, 1, i, i, i, ?, ?, ?, CAST('alice' AS BLOB), x'', x'', x'' FROM n`}
}

// room is a table on a server.
func (e *engine) room(tb testing.TB) *room {
	db := e.open(tb)
	r := e.filler(db, newTable())
	r.s, r.next = e.store(tb, db, sqlstore.Table(r.table)), e.room
	return r
}

// filler knows how to fill a table.
func (e *engine) filler(db *sql.DB, table string) *room {
	r := &room{dialect: e.dialect, db: db, table: table}
	switch e.name {
	case "PostgreSQL":
		r.many = fillHead + `SELECT CAST('handle' || i AS bytea), 1, i, i, i, $2, $3, $4, 'alice', '', '', ''
			FROM generate_series(1, $1) i`
	case "MariaDB":
		r.many = fillHead + `SELECT concat('handle', i), 1, i, i, i, at, at, at, 'alice', '', '', ''
			FROM (SELECT seq AS i, ? AS n, ? AS at, ? AS b, ? AS c FROM seq_1_to_100000) s WHERE i <= n`
	}
	return r
}

const fillHead = `INSERT INTO {table} (handle, kind, version, created, last_seen, idle_deadline, absolute_deadline,
			deadline, owner, facts, verifiers, state) `

// fill puts n records of alice into the table, that expire at deadline.
func (r *room) fill(tb testing.TB, n int, deadline time.Time) {
	tb.Helper()
	at := deadline.UnixMilli()
	if _, err := r.db.Exec(strings.ReplaceAll(r.many, "{table}", r.table), n, at, at, at); err != nil {
		tb.Fatal(err)
	}
}
