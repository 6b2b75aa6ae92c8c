package sqlstore

import (
	"database/sql"
	"net/url"
	"strings"
)

// SQLite is the dialect of SQLite 3.37 and newer.
var SQLite = Dialect{&dialect{
	name:      "SQLite",
	oneWriter: true,
	busy:      sqliteBusy,
	answer:    sql.Result.RowsAffected,
	texts: texts{
		apply:    applying.update(applying.why),
		touch:    touching.update(touching.why),
		end:      deleting.update(deleting.why),
		add:      insertHead + `?, CASE WHEN ?2 = 3 THEN ` + sqliteChange + ` END) ON CONFLICT (handle) DO NOTHING`,
		endOwner: endOwnerText,
		sweep:    sweepText,
		changes:  changesText,
	},
	settings: []setting{{
		query:  "PRAGMA journal_mode",
		wanted: []string{"wal", "memory"}, // memory: a database without a file
		remedy: "open the database with sqlstore.SQLiteDSN, or run PRAGMA journal_mode = WAL",
	}},
	words: map[string]string{
		"greatest": "max",
		"least":    "min",
		"empty":    "x''",

		// Writers come one after the other, so a plain number is enough to put
		// changes in order: one more than the last, which is in the table or,
		// when it has been swept from there, what is forgotten.
		"change": sqliteChange,

		// A writer has the database for himself.
		"for update": "",
	},
	schema: []string{
		// Small columns first, then what lists show: a list need not read
		// the rest of a long row. The owner is NULL for nobody, an index then
		// leaves the row out. WITHOUT ROWID is no better for short rows, and
		// for those of a kilobyte takes twice the time and space.
		`CREATE TABLE IF NOT EXISTS {table} (
	handle            TEXT    NOT NULL PRIMARY KEY,
	kind              INTEGER NOT NULL,
	version           INTEGER NOT NULL,
	created           INTEGER NOT NULL,
	last_seen         INTEGER NOT NULL,
	idle_deadline     INTEGER NOT NULL,
	absolute_deadline INTEGER NOT NULL,
	hold_until        INTEGER,
	deadline          INTEGER NOT NULL,
	ended             INTEGER,
	mark              INTEGER,
	changed           INTEGER,
	owner             BLOB,
	facts             BLOB    NOT NULL,
	verifiers         BLOB    NOT NULL,
	state             BLOB    NOT NULL
) STRICT`,
		`CREATE INDEX IF NOT EXISTS {table}_owner ON {table} (owner, handle) WHERE owner IS NOT NULL AND ended IS NULL`,
		`CREATE INDEX IF NOT EXISTS {table}_deadline ON {table} (deadline)`,
		`CREATE INDEX IF NOT EXISTS {table}_changed ON {table} (changed) WHERE changed IS NOT NULL`,
		`CREATE TABLE IF NOT EXISTS {meta} (
	id        INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
	format    INTEGER NOT NULL,
	oldest    INTEGER NOT NULL,
	forgotten INTEGER NOT NULL
) STRICT`,
		// Numbers begin at the time, so that a cursor from a table that was
		// here before is too old in this one.
		`INSERT INTO {meta} (id, format, oldest, forgotten)
	VALUES (1, 1, 1, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER))
	ON CONFLICT (id) DO NOTHING`,
	},
}}

const sqliteChange = `1 + max(coalesce((SELECT max(changed) FROM {table} WHERE changed IS NOT NULL), 0), (SELECT forgotten FROM {meta} WHERE id = 1))`

// sqliteBusy knows SQLITE_BUSY by SQLite's own words for it, which all drivers
// pass on.
func sqliteBusy(err error) bool { return strings.Contains(err.Error(), "database is locked") }

// SQLiteDSN returns a data source name for the file at path with the settings
// that the store wants, see the package's documentation. The file holds what
// the fields say: make it, or its directory, so that only the program can read
// it. Drivers:
// modernc.org/sqlite and github.com/ncruces/go-sqlite3.
func SQLiteDSN(path string) string {
	name := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}
	// The first of them is in force when the others need the file.
	name.RawQuery = "_pragma=busy_timeout(100)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate"
	return name.String()
}
