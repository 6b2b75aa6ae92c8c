package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// A Store keeps records in a table. It is a [store.Store], safe for concurrent
// use. Any error that is not one of package store's begins with "sqlstore: "
// and the verb, and wraps the driver's.
type Store struct {
	db     *sql.DB
	scribe *scribe
	do     *statements

	// turn holds a token when nobody writes; nil where writers need no queue.
	turn chan struct{}
}

var _ store.Store = (*Store)(nil)

// New returns a store over db, which stays the caller's: he sets its limits and
// closes it. New does not use it yet; see [Store.CreateTable] and
// [Store.Check].
func New(db *sql.DB, d Dialect, opts ...Option) (*Store, error) {
	if db == nil {
		return nil, errors.New("sqlstore: no database; pass what sql.Open returned")
	}
	scribe, err := newScribe(d, opts)
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, scribe: scribe, do: newStatements(scribe)}
	if scribe.oneWriter {
		s.turn = make(chan struct{}, 1)
		s.turn <- struct{}{}
	}
	return s, nil
}

// patience is how long a write or read that is always in another process's way
// is tried when the context sets no earlier end.
const patience = 10 * time.Second

// again runs f until the database is not busy. That another process was in the
// way is the one failure of which it is known that nothing has happened. When
// f's context is over, f says so, and is not busy.
func (s *Store) again(f func() error) error {
	err := f()
	if err == nil || !s.busy(err) {
		return err
	}
	start, least, pause := time.Now(), time.Duration(0), 100*time.Microsecond
	if !s.scribe.oneWriter {
		// After a deadlock the other one is to go on first, or it comes again.
		least = 10 * time.Millisecond
	}
	for err != nil && s.busy(err) && time.Since(start) < patience {
		time.Sleep(least + rand.N(pause)) // too short to be worth an interruption
		pause = min(2*pause, 4*time.Millisecond)
		err = f()
	}
	return err
}

func (s *Store) busy(err error) bool { return err == errNotSent || s.scribe.busy(err) }

// key is a handle as the database has it.
func (s *Store) key(handle string) any {
	if s.scribe.binary {
		return []byte(handle)
	}
	return handle
}

// write runs f when it is this caller's turn.
func (s *Store) write(ctx context.Context, f func() error) error {
	if s.turn != nil {
		select {
		case <-s.turn:
		case <-ctx.Done():
			return ctx.Err()
		}
		defer func() { s.turn <- struct{}{} }()
	}
	return s.again(f)
}

// exec runs one statement that writes and returns its answer; see dialect.
func (s *Store) exec(ctx context.Context, t statement, args ...any) (n int64, err error) {
	err = s.write(ctx, func() error {
		stmt, err := t.prepare(ctx, s.db)
		if err != nil {
			return err
		}
		result, err := stmt.ExecContext(ctx, args...)
		if err != nil {
			return err
		}
		n, err = s.scribe.answer(result)
		return err
	})
	return n, err
}

// query runs one statement that reads one row.
func (s *Store) query(ctx context.Context, t statement, dest []any, args ...any) error {
	return s.again(func() error {
		stmt, err := t.prepare(ctx, s.db)
		if err != nil {
			return err
		}
		return stmt.QueryRowContext(ctx, args...).Scan(dest...)
	})
}

// transact runs f in a transaction, with the statements that it needs. The
// first of them in f must be one that writes: in SQLite a transaction that
// begins with reading cannot wait for its turn to write, and fails.
func (s *Store) transact(ctx context.Context, f func(tx *sql.Tx) error, uses ...statement) error {
	return s.write(ctx, func() error {
		for _, t := range uses {
			if _, err := t.prepare(ctx, s.db); err != nil {
				return err
			}
		}
		tx, err := s.db.BeginTx(ctx, &sql.TxOptions{Isolation: s.scribe.isolation})
		if err != nil {
			return err
		}
		if err := f(tx); err != nil {
			// When this fails too, the connection is thrown away, and the
			// transaction with it.
			tx.Rollback()
			return err
		}
		return tx.Commit()
	})
}

func execTx(ctx context.Context, tx *sql.Tx, t statement, args ...any) (int64, error) {
	result, err := t.in(ctx, tx).ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// failed returns err, which verb met, as the caller is to see it: an answer as
// it is, and any other as a failure. Drivers have errors of their own for a
// context that is done.
func failed(ctx context.Context, verb string, err error) error {
	if err == nil || isAnswer(err) {
		return err
	}
	if done := ctx.Err(); done != nil && !errors.Is(err, done) {
		return fmt.Errorf("sqlstore: %s: %w (%w)", verb, done, err)
	}
	return fmt.Errorf("sqlstore: %s: %w%s", verb, err, remedy(err))
}

// remedy is what to do about the mistake that most make first, in the words of each
// database.
func remedy(err error) string {
	for _, words := range []string{"no such table", "doesn't exist", "does not exist"} {
		if strings.Contains(err.Error(), words) {
			return "; call CreateTable when the program starts, or see sojourn schema"
		}
	}
	return ""
}

func isAnswer(err error) bool {
	switch err {
	case store.ErrGone, store.ErrConflict, store.ErrExists, store.ErrLimit, store.ErrFull:
		return true
	}
	return false
}

// Close releases the prepared statements. It leaves the database open. Call it
// when the store is no longer used but the database is.
func (s *Store) Close() error {
	var errs []error
	for _, t := range s.do.all {
		if stmt := t.ready.Load(); stmt != nil {
			errs = append(errs, stmt.Close())
		}
	}
	return errors.Join(errs...)
}
