package sqlstore

import (
	"context"
	"database/sql"

	"github.com/sojourn-go/sojourn/store"
)

// endingArgs are the parameters of the SQL in ending.
func endingArgs(end *store.Ending) []any {
	hold := millisUp(end.Now.Add(store.MinHold))
	return []any{millis(end.Now), bits(end.Mark), hold, hold}
}

// Delete is one statement. Only when that did nothing a second one asks why.
func (s *Store) Delete(ctx context.Context, handle string, end store.Ending) error {
	for {
		n, err := s.exec(ctx, s.do.end, append(endingArgs(&end), s.key(handle), nullBits(end.Version))...)
		if err != nil {
			return failed(ctx, "delete", err)
		}
		if n > 0 {
			return nil
		}
		was, err := s.look(ctx, handle)
		if err != nil {
			return failed(ctx, "delete", err)
		}
		switch {
		case !was.there:
			return store.ErrGone
		case was.ended.Valid && was.mark == end.Mark:
			return nil
		case was.ended.Valid:
			return store.ErrGone
		case end.Version != 0 && was.version != end.Version:
			return store.ErrConflict
		}
		// It was made between the two.
	}
}

// DeleteOwner is one statement where there is one writer. Else it waits first for
// whoever is about to put one record of the owner in another's place: it would
// miss the new one.
func (s *Store) DeleteOwner(ctx context.Context, owner, except string, end store.Ending) (int, error) {
	if owner == "" {
		return 0, nil
	}
	args := append(endingArgs(&end), []byte(owner), s.key(except))
	if s.do.lock.none() {
		n, err := s.exec(ctx, s.do.endOwner, args...)
		return int(n), failed(ctx, "delete owner", err)
	}
	var n int64
	err := s.transact(ctx, func(tx *sql.Tx) error {
		err := s.lock(ctx, tx, owner)
		if err == nil {
			n, err = execTx(ctx, tx, s.do.endOwner, args...)
		}
		return err
	}, s.do.lock, s.do.endOwner)
	if err != nil {
		return 0, failed(ctx, "delete owner", err)
	}
	return int(n), nil
}
