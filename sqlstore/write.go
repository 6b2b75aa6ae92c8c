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

// Apply changes one record.
func (s *Store) Apply(ctx context.Context, rec *store.Record, from store.Version, now time.Time) error {
	seen, idle := millis(rec.LastSeen), millis(rec.IdleDeadline)
	return s.change(ctx, "apply", s.do.apply,
		bits(rec.Version), []byte(rec.Facts), []byte(rec.Verifiers), []byte(rec.State), seen, idle, idle,
		millis(now), bits(from), s.key(rec.Handle))
}

// Touch changes one record.
func (s *Store) Touch(ctx context.Context, handle string, seen, idle time.Time) error {
	return s.change(ctx, "touch", s.do.touch, millis(seen), millis(idle), millis(idle), millis(seen), s.key(handle))
}
