// Package sqlstore keeps sessions in one table of an SQL database, through
// database/sql. It brings no driver: the application opens the database.
//
//	db, err := sql.Open("sqlite3", sqlstore.SQLiteDSN("/var/lib/shop/sessions.db"))
//	…
//	records, err := sqlstore.New(db, sqlstore.SQLite)
//	…
//	err = records.CreateTable(ctx)
//
// What a database does in its own way is a [Dialect]; there is [SQLite] so far.
//
// # SQLite
//
// SQLite 3.37 or newer, in a file. Processes of one machine can share the file;
// on a network file system they cannot. [SQLiteDSN] makes a data source name
// with what matters, for the drivers modernc.org/sqlite ("sqlite") and
// github.com/ncruces/go-sqlite3 ("sqlite3"). Who opens the database in another
// way sets on every connection
//
//   - journal_mode WAL: readers and the writer do not wait for each other. The
//     store refuses other modes in [Store.Check];
//   - synchronous FULL: what was acknowledged is there after a power failure.
//     With NORMAL only after the death of the process;
//   - busy_timeout 100 (milliseconds): how long a connection waits for another
//     process before the store looks at the context, and tries again.
//
// SQLite has one writer at a time. The writes of a [Store] stand in a queue in
// front of it, in order, so one Store for each file is enough and best. It
// helps to keep connections open: db.SetMaxOpenConns and db.SetMaxIdleConns
// with one number, such as 8.
//
// Ended and expired records leave space in the file that is used again; the
// file does not shrink.
//
// # Migrations
//
// [Schema] returns the DDL as text for those who run their own migrations. The
// second table, of one row, holds the format of the first, so that a program
// can tell that it is older than its table: see [Store.Check].
package sqlstore
