// Package sqlstore keeps sessions in one table of an SQL database, through
// database/sql. It brings no driver: the application opens the database.
//
//	db, err := sql.Open("sqlite3", sqlstore.SQLiteDSN("/var/lib/shop/sessions.db"))
//	…
//	records, err := sqlstore.New(db, sqlstore.SQLite)
//	…
//	err = records.CreateTable(ctx)
//
// What a database does in its own way is a [Dialect]: [SQLite], [PostgreSQL],
// [MariaDB]. Every verb is one step and, on a server, one round trip: a statement
// that is prepared on a connection when it is first used there, or a routine in the
// database for what takes several statements: a Create with a limit or in the place
// of another record, DeleteOwner, Sweep (one for each 500 records), Changes. Two are
// for what is rare: a Create under a handle whose end may be forgotten, and on
// PostgreSQL the answers of Apply, Touch, Delete and a plain Create that they have
// done nothing. There the statement looks a second time for why, as a function that
// could say so takes 10 microseconds more each time, and a tenth of the writes a
// second, even where all write one record.
//
// Changes is polled, as database/sql has nothing else. A call tells all that was
// committed before it, but for what another has locked at that moment, which a
// later call tells. One a second for each process is cheap; see below.
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
// # PostgreSQL
//
// Tested with PostgreSQL 15, through pgx (github.com/jackc/pgx/v5/stdlib, "pgx")
// It uses nothing newer than 12. Not lib/pq: after a lost reply database/sql
// repeats a write with it, as the driver cannot tell that it was sent.
//
//		db, err := sql.Open("pgx", "postgres://shop@db.internal/shop")
//
//	  - The driver must prepare statements: pgx does unless default_query_exec_mode
//	    says otherwise. Behind PgBouncer in transaction mode that needs
//	    max_prepared_statements, from version 1.21.
//	  - synchronous_commit is on by default, and what was acknowledged then
//	    outlives a crash. With off the last moments may be undone.
//	  - default_transaction_isolation is "read committed", as it is by default:
//	    [Store.Check] refuses another, and so do the routines that count.
//	  - A program that is stopped holds no lock, as no transaction waits for it, but
//	    for one of [Store.CreateTable]: idle_in_transaction_session_timeout ends
//	    that.
//	  - Autovacuum is to stay on: records change often.
//
// # MariaDB and MySQL
//
// Tested with MariaDB 10.11 through github.com/go-sql-driver/mysql ("mysql"). It
// needs MariaDB 10.6. MySQL 8.0.29 has all that it uses, and is not tested.
//
//		db, err := sql.Open("mysql", "shop:password@tcp(db.internal)/shop")
//
//	  - interpolateParams stays false, as it is: then statements are prepared.
//	    clientFoundRows and parseTime do not matter. A routine is called by one
//	    text with its parameters in it, in hexadecimal digits, and a connection on
//	    which that fails is closed.
//	  - sql_mode is strict by default, and [Store.Check] refuses another.
//	  - innodb_flush_log_at_trx_commit is 1 by default, and what was acknowledged
//	    then outlives a crash. A binary log, if any, is MIXED or ROW.
//	  - A program that is stopped holds no lock, as no transaction waits for it:
//	    idle_transaction_timeout (MariaDB) does not matter.
//	  - A record holds 16 MiB in each of its texts, and max_allowed_packet in all; by
//	    a Create with a limit, or in the place of another, half of that.
//
// # Many writers
//
// PostgreSQL and MariaDB let many write at once. A Create with a limit or in the
// place of another record, and DeleteOwner, wait for each other where they are
// about one owner (on PostgreSQL by an advisory lock; on MariaDB by one of 64
// rows, so now and then about another owner). Nothing else waits but for the same
// record. Sweepers leave each other's rows alone. When the database has rolled
// one back all the same, for a deadlock with somebody else, the store begins
// anew, until the context is over or ten seconds have passed.
//
// A change that was committed has no number at first; the first who asks for
// changes gives one to all there are, in a transaction of its own. So an end that
// is committed late is told late, but not missed, and nobody waits to end a
// session. Asking when nothing has happened is one read.
//
// A program whose connections were cut, by a restart of the server for example,
// meets at most one error on each of them: a write is not repeated when it is not
// known whether it has happened.
//
// # Migrations
//
// [Schema] returns the DDL as text for those who run their own migrations, and
// [Store.CreateTable] runs it. The second table holds the format of the first, and
// the oldest format whose programs can use it. A newer version of this package
// changes an older table in [Store.CreateTable], or by what its [Schema] returns,
// step by step, while programs of the older version go on; [Store.Check] says
// when one is too old for its table.
//
// The routines on a server have their version in their names, such as
// sojourn_records_create_v1, and those of two versions stand side by side. They run
// with the rights of who calls them, who needs those on the two tables and EXECUTE.
// To make them takes CREATE on the schema (PostgreSQL), or CREATE ROUTINE (MariaDB).
// A backup of the tables alone does not have them; [Store.CreateTable] makes them
// again.
package sqlstore
