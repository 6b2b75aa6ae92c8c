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

// Delete changes one record.
func (s *Store) Delete(ctx context.Context, handle string, end store.Ending) error {
	return s.change(ctx, "delete", s.do.end, append(endingArgs(&end), nullBits(end.Version), bits(end.Mark), s.key(handle))...)
}

// DeleteOwner waits, where there are many who write, for whoever is about to put
// one record of the owner in another's place: it would miss the new one.
func (s *Store) DeleteOwner(ctx context.Context, owner, except string, end store.Ending) (int, error) {
	if owner == "" {
		return 0, nil
	}
	args := append(endingArgs(&end), []byte(owner), s.key(except))
	if s.scribe.oneWriter {
		n, err := s.exec(ctx, s.do.endOwner, args...)
		return int(n), failed(ctx, "delete owner", err)
	}
	var n int
	err := s.call(ctx, s.do.endOwner, nil, func(rows *sql.Rows) error { return rows.Scan(&n) }, append(args, s.scribe.number(owner))...)
	if err != nil {
		return 0, failed(ctx, "delete owner", err)
	}
	return n, nil
}
