package sqlstore

import (
	"database/sql"
	"errors"
)

// PostgreSQL is the dialect of PostgreSQL 12 and newer. Its settings are in the
// package's documentation.
var PostgreSQL = Dialect{&dialect{
	name:       "PostgreSQL",
	numbered:   true,
	binary:     true, // its texts cannot hold every byte
	busy:       postgresBusy,
	schemaLock: `SELECT pg_advisory_xact_lock(?)`,
	isolation:  sql.LevelReadCommitted,
	answer:     sql.Result.RowsAffected,
	settings: []setting{{
		query:  "SHOW transaction_read_only",
		wanted: []string{"off"},
		remedy: "connect to the primary server, for example with target_session_attrs=read-write",
	}, {
		query:  "SHOW transaction_isolation",
		wanted: []string{"read committed"},
		remedy: "set default_transaction_isolation for its role, or in the URL",
	}},
	texts:    postgresTexts,
	routines: postgresRoutines,
	routinesThere: `SELECT proname FROM pg_catalog.pg_proc WHERE pg_catalog.pg_function_is_visible(oid)
	AND pg_catalog.has_function_privilege(oid, 'EXECUTE') AND proname IN`,
	words: map[string]string{
		"greatest":   "greatest",
		"least":      "least",
		"empty":      "''",
		"change":     "0", // Changes gives the number
		"for update": "FOR UPDATE",
	},
	schema: []string{
		`CREATE TABLE IF NOT EXISTS {table} (
	handle            bytea    NOT NULL PRIMARY KEY,
	kind              smallint NOT NULL,
	version           bigint   NOT NULL,
	created           bigint   NOT NULL,
	last_seen         bigint   NOT NULL,
	idle_deadline     bigint   NOT NULL,
	absolute_deadline bigint   NOT NULL,
	hold_until        bigint,
	deadline          bigint   NOT NULL,
	ended             bigint,
	mark              bigint,
	changed           bigint,
	owner             bytea,
	facts             bytea    NOT NULL,
	verifiers         bytea    NOT NULL,
	state             bytea    NOT NULL
)`,
		`CREATE INDEX IF NOT EXISTS {table}_owner ON {table} (owner, handle) WHERE owner IS NOT NULL AND ended IS NULL`,
		`CREATE INDEX IF NOT EXISTS {table}_deadline ON {table} (deadline)`,
		`CREATE INDEX IF NOT EXISTS {table}_changed ON {table} (changed) WHERE changed IS NOT NULL`,
		`CREATE TABLE IF NOT EXISTS {meta} (
	id        smallint NOT NULL PRIMARY KEY,
	format    integer  NOT NULL,
	oldest    integer  NOT NULL,
	last      bigint   NOT NULL,
	forgotten bigint   NOT NULL
)`,
		// Numbers begin at the time, so that a cursor from a table that was
		// here before is too old in this one.
		`INSERT INTO {meta} (id, format, oldest, last, forgotten)
	SELECT 1, 1, 1, ms, ms FROM (SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint) AS ms) t
	ON CONFLICT (id) DO NOTHING`,
	},
}}

// postgresBusy knows the victim of a deadlock, and of a conflict of two
// transactions, by the code that all drivers pass on.
func postgresBusy(err error) bool {
	var e interface{ SQLState() string }
	if !errors.As(err, &e) {
		return false
	}
	state := e.SQLState()
	return state == "40P01" || state == "40001"
}
