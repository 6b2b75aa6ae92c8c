package sqlstore

import (
	"context"
	"database/sql"
	"time"
)

// sweepBatch is how many records one transaction removes: others wait for it.
const sweepBatch = 500

// Sweep removes records in short transactions, and writes nothing when there
// are none to remove. It returns how many it removed even with an error.
func (s *Store) Sweep(ctx context.Context, now time.Time, limit int) (int, error) {
	removed := 0
	for removed < limit {
		batch := min(limit-removed, sweepBatch)
		n, err := s.sweep(ctx, millis(now), batch)
		removed += n
		if err != nil || n < batch {
			return removed, failed(ctx, "sweep", err)
		}
	}
	return removed, nil
}

func (s *Store) sweep(ctx context.Context, now int64, batch int) (int, error) {
	var due int64
	if err := s.query(ctx, s.do.due, []any{&due}, now); err != nil || due == 0 {
		return 0, err
	}
	run := s.sweepMany
	if s.scribe.oneWriter {
		run = s.sweepAlone
	}
	var removed int64
	err := s.transact(ctx, func(tx *sql.Tx) (err error) {
		removed, err = run(ctx, tx, now, batch)
		return err
	}, s.do.forgetDue, s.do.sweep, s.do.pickDue, s.do.last, s.do.advance, s.do.forget, s.do.removeDue)
	if err != nil {
		return 0, err
	}
	return int(removed), nil
}

func (s *Store) sweepAlone(ctx context.Context, tx *sql.Tx, now int64, batch int) (int64, error) {
	if _, err := execTx(ctx, tx, s.do.forgetDue, now, batch); err != nil {
		return 0, err
	}
	return execTx(ctx, tx, s.do.sweep, now, batch)
}

// sweepMany is for many at once.
func (s *Store) sweepMany(ctx context.Context, tx *sql.Tx, now int64, batch int) (int64, error) {
	due, err := s.pick(ctx, tx, s.do.pickDue, batch, now)
	if err != nil || due.n == 0 {
		return 0, err
	}
	if err := s.forget(ctx, tx, due.upTo, due.unnumbered); err != nil {
		return 0, err
	}
	return execTx(ctx, tx, s.do.removeDue, due.arg())
}
