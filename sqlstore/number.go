package sqlstore

import (
	"context"
	"database/sql"
)

// Where writers work side by side, a number that a change took beforehand would
// say nothing of the order in which they commit, and to take one in order all
// would have to wait for each other. So a change is committed without a number
// (with 0), and gets it from the first who asks for changes: he sees those only
// that are there. The last number given is in {meta}.

// numberBatch is how many changes get their number at once, and the same one.
const numberBatch = 500

// number gives all changes that are there a number.
func (s *Store) number(ctx context.Context) error {
	for done := 0; done <= maxChanges; done += numberBatch {
		n := 0
		err := s.transact(ctx, func(tx *sql.Tx) error {
			last, err := s.last(ctx, tx) // the others who want to number wait here
			if err != nil {
				return err
			}
			b, err := s.pick(ctx, tx, s.do.pickChanged, numberBatch)
			if err != nil {
				return err
			}
			if n = b.n; n == 0 {
				return nil
			}
			if _, err = execTx(ctx, tx, s.do.number, b.arg(), last+1); err != nil {
				return err
			}
			_, err = execTx(ctx, tx, s.do.advance, last+1)
			return err
		}, s.do.last, s.do.pickChanged, s.do.number, s.do.advance)
		if err != nil || n < numberBatch {
			return err
		}
	}
	return nil
}

// last returns the last number given, which stays so until the end of tx.
func (s *Store) last(ctx context.Context, tx *sql.Tx) (last int64, err error) {
	err = s.do.last.in(ctx, tx).QueryRowContext(ctx).Scan(&last)
	return last, err
}

// forget is for changes that are removed, the greatest number of which is upTo:
// whoever has not come as far is told to begin anew. That is everybody when there
// is one among them that nobody has given a number.
func (s *Store) forget(ctx context.Context, tx *sql.Tx, upTo int64, unnumbered bool) error {
	if unnumbered {
		last, err := s.last(ctx, tx)
		if err != nil {
			return err
		}
		upTo = last + 1
		if _, err := execTx(ctx, tx, s.do.advance, upTo); err != nil {
			return err
		}
	}
	if upTo == 0 {
		return nil
	}
	_, err := execTx(ctx, tx, s.do.forget, upTo)
	return err
}
