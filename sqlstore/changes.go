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

// Changes is one statement, or routine. Every change has a number, in the order in
// which they were committed; since is the last one seen. What Sweep and Create have
// removed of ended records is known by the greatest number among it: whoever
// is not as far as that may have missed something.
//
// Where writers work side by side, a number that a change took beforehand would
// say nothing of the order in which they commit, and to take one in order all
// would have to wait for each other. So a change is committed without a number
// (with 0), and gets it from the first who asks for changes: he sees those only
// that are there. The last number given is in {meta}.
func (s *Store) Changes(ctx context.Context, since string) (store.Changes, error) {
	last := int64(math.MaxInt64) // nothing, but the row with the horizon
	if since != "" {
		var err error
		if last, err = strconv.ParseInt(since, 10, 64); err != nil {
			return store.Changes{}, store.ErrGone // not ours: another store's, before a move
		}
	}
	var r changeReader
	run := s.call
	if s.scribe.oneWriter {
		run = s.rows
	}
	err := run(ctx, s.do.changes, func() { r = changeReader{} }, r.read, last, maxChanges+1)
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

type changeReader struct {
	horizon, forgotten int64
	rows               int
	list               []store.Change
}

func (r *changeReader) read(rows *sql.Rows) error {
	var c store.Change
	var handle sql.Null[text]
	var ended sql.NullInt64
	err := rows.Scan(&r.horizon, &r.forgotten, (*kind)(&c.Kind), &handle, (*text)(&c.Owner), &ended)
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
