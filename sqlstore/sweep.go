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

func (s *Store) sweep(ctx context.Context, now int64, batch int) (n int, err error) {
	if s.scribe.oneWriter {
		return s.sweepAlone(ctx, now, batch)
	}
	err = s.call(ctx, s.do.sweep, nil, func(rows *sql.Rows) error { return rows.Scan(&n) }, now, batch)
	if err != nil {
		return 0, err
	}
	return n, nil
}

func (s *Store) sweepAlone(ctx context.Context, now int64, batch int) (int, error) {
	var due int64
	if err := s.query(ctx, s.do.due, []any{&due}, now); err != nil || due == 0 {
		return 0, err
	}
	var removed int64
	err := s.transact(ctx, func(tx *sql.Tx) (err error) {
		if _, err = execTx(ctx, tx, s.do.forgetDue, now, batch); err == nil {
			removed, err = execTx(ctx, tx, s.do.sweep, now, batch)
		}
		return err
	}, s.do.forgetDue, s.do.sweep)
	if err != nil {
		return 0, err
	}
	return int(removed), nil
}
