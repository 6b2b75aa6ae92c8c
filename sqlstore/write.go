package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// Load is one read by the primary key.
func (s *Store) Load(ctx context.Context, handle string) (*store.Record, error) {
	rec := &store.Record{Header: store.Header{Handle: handle}}
	dest := append(into(make([]any, 0, 11), &rec.Header, &rec.Facts), (*text)(&rec.Verifiers), (*text)(&rec.State))
	err := s.query(ctx, s.do.load, dest, s.key(handle))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, store.ErrGone
	}
	if err != nil {
		return nil, failed(ctx, "load", err)
	}
	return rec, nil
}

// Apply is one statement. Only when that did nothing a second one asks why.
func (s *Store) Apply(ctx context.Context, rec *store.Record, from store.Version, now time.Time) error {
	seen, idle := millis(rec.LastSeen), millis(rec.IdleDeadline)
	for {
		n, err := s.exec(ctx, s.do.apply,
			bits(rec.Version), []byte(rec.Facts), []byte(rec.Verifiers), []byte(rec.State), seen, idle, idle,
			s.key(rec.Handle), bits(from), millis(now))
		if err != nil {
			return failed(ctx, "apply", err)
		}
		if n > 0 {
			return nil
		}
		was, err := s.look(ctx, rec.Handle)
		if err != nil {
			return failed(ctx, "apply", err)
		}
		if !was.live() || was.deadline <= millis(now) {
			return store.ErrGone
		}
		if was.version != from {
			return store.ErrConflict
		}
		// It was made between the two.
	}
}

// Touch is one statement. Only when that did nothing a second one asks why: some
// databases count no row that stays as it was.
func (s *Store) Touch(ctx context.Context, handle string, seen, idle time.Time) error {
	n, err := s.exec(ctx, s.do.touch, millis(seen), millis(idle), millis(idle), s.key(handle), millis(seen))
	if err != nil || n > 0 {
		return failed(ctx, "touch", err)
	}
	was, err := s.look(ctx, handle)
	if err != nil {
		return failed(ctx, "touch", err)
	}
	if !was.live() || was.deadline <= millis(seen) {
		return store.ErrGone
	}
	return nil
}

// A row is what tells why a statement did nothing.
type row struct {
	owner    string
	version  store.Version
	deadline int64
	ended    sql.NullInt64
	mark     store.Version
	changed  sql.NullInt64
	there    bool
}

func (r *row) live() bool { return r.there && !r.ended.Valid }

func (r *row) dest() []any {
	return []any{(*text)(&r.owner), (*version)(&r.version), &r.deadline, &r.ended, (*version)(&r.mark), &r.changed}
}

// look reads a row, which need not be there.
func (s *Store) look(ctx context.Context, handle string) (row, error) {
	var r row
	err := s.query(ctx, s.do.look, r.dest(), s.key(handle))
	return r.found(err)
}

// lookTx does it in a transaction.
func (s *Store) lookTx(ctx context.Context, tx *sql.Tx, handle string) (row, error) {
	var r row
	err := s.do.lookTx.in(ctx, tx).QueryRowContext(ctx, s.key(handle)).Scan(r.dest()...)
	return r.found(err)
}

func (r row) found(err error) (row, error) {
	if errors.Is(err, sql.ErrNoRows) {
		return row{}, nil
	}
	r.there = err == nil
	return r, err
}
