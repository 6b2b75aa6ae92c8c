package sqlstore

import (
	"context"
	"database/sql"
	"math"
	"strconv"

	"github.com/sojourn-go/sojourn/store"
)

// maxChanges is how far behind a reader may be: he who has missed more is
// quicker when he begins anew.
const maxChanges = 10_000

// Changes is one statement, and where changes have no number yet they get it
// first. Every change has a number, in the order in which they were committed;
// since is the last one seen. What Sweep and Create have
// removed of ended records is known by the greatest number among it: whoever
// is not as far as that may have missed something.
func (s *Store) Changes(ctx context.Context, since string) (store.Changes, error) {
	last := int64(math.MaxInt64) // nothing, but the row with the horizon
	if since != "" {
		var err error
		if last, err = strconv.ParseInt(since, 10, 64); err != nil {
			return store.Changes{}, store.ErrGone // not ours: another store's, before a move
		}
	}
	r, err := s.changesAfter(ctx, last)
	if err == nil && r.unnumbered != 0 {
		if err = s.number(ctx); err == nil {
			r, err = s.changesAfter(ctx, last)
		}
	}
	if err != nil {
		return store.Changes{}, failed(ctx, "changes", err)
	}
	next := store.Changes{List: r.list, Next: strconv.FormatInt(r.horizon, 10)}
	if since == "" {
		return next, nil
	}
	if last < r.forgotten || last > r.horizon || r.rows > maxChanges {
		return store.Changes{}, store.ErrGone
	}
	return next, nil
}

func (s *Store) changesAfter(ctx context.Context, last int64) (r changeReader, err error) {
	err = s.rows(ctx, s.do.changes, func() { r = changeReader{} }, r.read, last, maxChanges+1)
	return r, err
}

type changeReader struct {
	horizon, forgotten int64
	unnumbered         int64 // not 0 when there are changes without a number
	rows               int
	list               []store.Change
}

func (r *changeReader) read(rows *sql.Rows) error {
	var c store.Change
	var handle sql.Null[text]
	var ended sql.NullInt64
	err := rows.Scan(&r.horizon, &r.forgotten, &r.unnumbered, (*kind)(&c.Kind), &handle, (*text)(&c.Owner), &ended)
	if err != nil || !handle.Valid {
		return err
	}
	r.rows++
	c.Handle = string(handle.V)
	if c.Kind == store.KindRevocation {
		// That it was made may not have been told before it was ended.
		r.list = append(r.list, c)
	}
	if ended.Valid {
		c.Ended = true
		r.list = append(r.list, c)
	}
	return nil
}
