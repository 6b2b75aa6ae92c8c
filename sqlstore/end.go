package sqlstore

import (
	"context"

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
		n, err := s.exec(ctx, s.do.end, append(endingArgs(&end), handle, nullBits(end.Version))...)
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

// DeleteOwner is one statement.
func (s *Store) DeleteOwner(ctx context.Context, owner, except string, end store.Ending) (int, error) {
	if owner == "" {
		return 0, nil
	}
	n, err := s.exec(ctx, s.do.endOwner, append(endingArgs(&end), []byte(owner), except)...)
	return int(n), failed(ctx, "delete owner", err)
}
