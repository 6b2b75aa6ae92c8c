package sqlstore

import (
	"database/sql"
	"fmt"
	"strings"
)

// MariaDB is the dialect of MariaDB 10.6 and newer. Its settings are in the
// package's documentation. It uses nothing that MySQL 8 does not have, but is
// tested with MariaDB only.
var MariaDB = Dialect{&dialect{
	name:     "MariaDB",
	binary:   true,
	busy:     mariaBusy,
	answer:   sql.Result.LastInsertId,
	locks:    mariaLocks,
	tells:    true,
	literal:  true,
	texts:    mariaTexts,
	routines: mariaRoutines,
	routinesThere: `SELECT routine_name FROM information_schema.routines WHERE routine_schema = database()
	AND routine_name IN`,
	delimiter: "//",
	isolation: sql.LevelReadCommitted, // without locks on what is not there
	settings: []setting{{
		query:  "SELECT @@sql_mode LIKE '%STRICT%'",
		wanted: []string{"1"},
		remedy: "take away what removes STRICT_TRANS_TABLES from sql_mode: without it long owners are cut",
	}},
	words: map[string]string{
		"greatest":   "greatest",
		"least":      "least",
		"empty":      "''",
		"change":     "0", // Changes gives the number
		"for update": "FOR UPDATE",
	},
	schema: []string{
		`CREATE TABLE IF NOT EXISTS {table} (
	handle            VARBINARY(255) NOT NULL PRIMARY KEY,
	kind              SMALLINT       NOT NULL,
	version           BIGINT         NOT NULL,
	created           BIGINT         NOT NULL,
	last_seen         BIGINT         NOT NULL,
	idle_deadline     BIGINT         NOT NULL,
	absolute_deadline BIGINT         NOT NULL,
	hold_until        BIGINT,
	deadline          BIGINT         NOT NULL,
	ended             BIGINT,
	mark              BIGINT,
	changed           BIGINT,
	owner             VARBINARY(255),
	facts             MEDIUMBLOB     NOT NULL,
	verifiers         MEDIUMBLOB     NOT NULL,
	state             MEDIUMBLOB     NOT NULL,
	INDEX by_owner (owner, handle),
	INDEX by_deadline (deadline),
	INDEX by_changed (changed)
) ENGINE = InnoDB`,
		`CREATE TABLE IF NOT EXISTS {meta} (
	id        SMALLINT NOT NULL PRIMARY KEY,
	format    INTEGER  NOT NULL,
	oldest    INTEGER  NOT NULL,
	last      BIGINT   NOT NULL,
	forgotten BIGINT   NOT NULL
) ENGINE = InnoDB`,
		// These rows are there to be locked, each for many owners.
		`INSERT IGNORE INTO {meta} (id, format, oldest, last, forgotten) VALUES ` + mariaLockRows(),
		// The first row is the table's. Numbers begin at the time, so that a
		// cursor from a table that was here before is too old in this one. It
		// comes last: whoever finds it takes the table for complete.
		`INSERT INTO {meta} (id, format, oldest, last, forgotten)
	SELECT 1, 1, 1, ms, ms FROM (SELECT CAST(unix_timestamp(now(3)) * 1000 AS SIGNED) AS ms) t
	ON DUPLICATE KEY UPDATE id = 1`,
	},
}}

// mariaLocks is how many owners can be locked at once, when their numbers
// differ.
const mariaLocks = 64

func mariaLockRows() string {
	var rows []string
	for i := range mariaLocks {
		rows = append(rows, fmt.Sprintf("(%d, 0, 0, 0, 0)", 2+i))
	}
	return strings.Join(rows, ", ")
}

// mariaBusy knows the victim of a deadlock (1213), one who has waited for a lock
// too long (1205), one who met a newer row (1020), and one before whom another has
// made the same handle (1062). The driver has no other way to tell than its text.
func mariaBusy(err error) bool {
	for _, number := range []string{"1213", "1205", "1020", "1062"} {
		if strings.HasPrefix(err.Error(), "Error "+number) {
			return true
		}
	}
	return false
}
