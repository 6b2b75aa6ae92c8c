package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
)

// Where many write, a verb that needs more than one statement is a routine in the
// database: one round trip, and nobody's locks wait for the network. It runs with
// the rights of who calls it. Its name ends with its version: one that a program
// may be using is never changed, so that those of two versions stand side by side.
const routineVersion = "_v1"

type routine struct {
	name string // without the table's before it, and the version behind
	text string // that makes it, and can be run again
}

// routine returns the whole name.
func (s *scribe) routine(name string) string { return s.table + "_" + name + routineVersion }

// missing returns the routines that are not there, or may not be used.
func (s *Store) missing(ctx context.Context, q interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}) ([]routine, error) {
	if len(s.scribe.routines) == 0 {
		return nil, nil
	}
	var names []string
	for _, r := range s.scribe.routines {
		names = append(names, "'"+s.scribe.routine(r.name)+"'")
	}
	rows, err := q.QueryContext(ctx, s.scribe.routinesThere+" ("+strings.Join(names, ", ")+")")
	if err != nil {
		return nil, err
	}
	there := map[string]bool{}
	err = readAll(rows, func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		there[name] = true
		return err
	})
	var missing []routine
	for _, r := range s.scribe.routines {
		if !there[s.scribe.routine(r.name)] {
			missing = append(missing, r)
		}
	}
	return missing, err
}

// call runs a routine, and each for every row that it answers. It calls begin, if
// any, before the first, which may come again.
func (s *Store) call(ctx context.Context, t statement, begin func(), each func(*sql.Rows) error, args ...any) error {
	if begin == nil {
		begin = func() {}
	}
	if !s.scribe.literal {
		return s.rows(ctx, t, begin, each, args...)
	}
	text := t.text + "(" + literals(args) + ")"
	return s.again(func() error { begin(); return s.callAlone(ctx, text, each) })
}

// errNotSent: the connection had been cut before. database/sql tries another one
// then, but not for who holds a connection.
var errNotSent = errors.New("no connection is left")

// callAlone is for routines with a transaction in them. When one was broken off
// from outside, by KILL QUERY or max_statement_time, its transaction may be left
// open, and what others write on that connection would belong to it: so it is
// closed.
func (s *Store) callAlone(ctx context.Context, text string, each func(*sql.Rows) error) error {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	// In the text: prepared for one connection it would take a second round trip.
	rows, err := conn.QueryContext(ctx, text)
	if err == driver.ErrBadConn {
		return errNotSent
	}
	if err == nil {
		err = readAll(rows, each)
	}
	if err != nil && !s.busy(err) { // one that was in the way has rolled back
		conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	return err
}

func readAll(rows *sql.Rows, each func(*sql.Rows) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return rows.Close()
}

// literals writes parameters as SQL. No text can be more than one: it is in
// hexadecimal digits.
func literals(args []any) string {
	var b strings.Builder
	for i, arg := range args {
		if i > 0 {
			b.WriteString(", ")
		}
		switch arg := arg.(type) {
		case nil:
			b.WriteString("NULL")
		case int, int64:
			fmt.Fprintf(&b, "%d", arg)
		case bool:
			fmt.Fprintf(&b, "%t", arg)
		case []byte:
			fmt.Fprintf(&b, "x'%x'", arg)
		default:
			panic(fmt.Sprintf("sqlstore: a parameter of type %T", arg)) // a mistake in this package
		}
	}
	return b.String()
}
