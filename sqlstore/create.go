package sqlstore

import (
	"context"
	"database/sql"
	"slices"

	"github.com/sojourn-go/sojourn/store"
)

// Create is one statement when there is no limit and nothing to replace, and
// else a transaction.
func (s *Store) Create(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
	if !limited(rec, &opts) && !replaces(rec, &opts) {
		n, err := s.inserted(s.exec(ctx, s.do.insert, s.insertArgs(rec)...))
		if err != nil || n > 0 {
			return store.Created{}, failed(ctx, "create", err)
		}
	}
	c := creation{Store: s, rec: rec, opts: &opts}
	err := s.transact(ctx, func(tx *sql.Tx) error { return c.run(ctx, tx) },
		s.do.lock, s.do.insert, s.do.lookTx, s.do.last, s.do.advance, s.do.forget, s.do.remove, s.do.replace, s.do.excess, s.do.end)
	if err != nil {
		return store.Created{}, failed(ctx, "create", err)
	}
	return c.created, nil
}

// limited and replaces say what there is to do beside adding the record. Nobody
// has no limit.
func limited(rec *store.Record, opts *store.CreateOptions) bool {
	return opts.Limit > 0 && rec.Owner != ""
}

func replaces(rec *store.Record, opts *store.CreateOptions) bool {
	return opts.Replaces != "" && opts.Replaces != rec.Handle
}

// insertArgs are the parameters of insertText.
func (s *Store) insertArgs(rec *store.Record) []any {
	return []any{
		s.key(rec.Handle), int64(rec.Kind), bits(rec.Version), millis(rec.Created), millis(rec.LastSeen),
		millis(rec.IdleDeadline), millis(rec.AbsoluteDeadline), nullMillis(rec.HoldUntil),
		nullOwner(rec.Owner), []byte(rec.Facts), []byte(rec.Verifiers), []byte(rec.State),
		millis(rec.Deadline()), int64(rec.Kind),
	}
}

// A creation is one Create with all that belongs to the step.
type creation struct {
	*Store
	rec     *store.Record
	opts    *store.CreateOptions
	created store.Created
}

func (c *creation) run(ctx context.Context, tx *sql.Tx) error {
	c.created = store.Created{}
	if err := c.lock(ctx, tx, c.rec.Owner); err != nil {
		return err
	}
	if err := c.insert(ctx, tx); err != nil {
		return err
	}
	if replaces(c.rec, c.opts) {
		if err := c.replace(ctx, tx); err != nil {
			return err
		}
	}
	if limited(c.rec, c.opts) {
		return c.limit(ctx, tx)
	}
	return nil
}

func (c *creation) insert(ctx context.Context, tx *sql.Tx) error {
	n, err := c.inserted(execTx(ctx, tx, c.do.insert, c.insertArgs(c.rec)...))
	if err != nil || n > 0 {
		return err
	}
	was, err := c.lookTx(ctx, tx, c.rec.Handle)
	switch {
	case err != nil:
		return err
	case was.live():
		return store.ErrExists
	case was.there && was.deadline > millis(c.opts.Now):
		return store.ErrGone
	}
	// It was ended so long ago that it may be forgotten, and is in the way.
	if err = c.forget(ctx, tx, was.changed.Int64, was.changed.Valid && was.changed.Int64 == 0); err != nil {
		return err
	}
	if _, err = execTx(ctx, tx, c.do.remove, c.key(c.rec.Handle), millis(c.opts.Now)); err != nil {
		return err
	}
	n, err = c.inserted(execTx(ctx, tx, c.do.insert, c.insertArgs(c.rec)...))
	if err == nil && n == 0 {
		return errMeanwhile
	}
	return err
}

// replace ends the record that this one takes the place of.
func (c *creation) replace(ctx context.Context, tx *sql.Tx) error {
	end := &c.opts.End
	n, err := execTx(ctx, tx, c.do.replace, append(endingArgs(end), c.key(c.opts.Replaces), nullBits(end.Version), nullOwner(c.rec.Owner))...)
	if err != nil || n > 0 {
		c.created.Replaced = n > 0
		return err
	}
	was, err := c.lookTx(ctx, tx, c.opts.Replaces)
	switch {
	case err != nil || !was.live() || was.owner != c.rec.Owner:
		return err
	case end.Version != 0 && was.version != end.Version:
		return store.ErrConflict
	}
	return errMeanwhile // it was made between the two
}

// limit refuses the record, or ends the owner's oldest.
func (c *creation) limit(ctx context.Context, tx *sql.Tx) error {
	excess, err := c.excess(ctx, tx)
	if err != nil || len(excess) == 0 {
		return err
	}
	if !c.opts.EndOldest {
		return store.ErrLimit
	}
	for _, handle := range excess {
		n, err := execTx(ctx, tx, c.do.end, append(endingArgs(&c.opts.End), c.key(handle), nil)...)
		if err != nil {
			return err
		}
		if n > 0 { // else another has ended it
			c.created.Ended = append(c.created.Ended, handle)
		}
	}
	return nil
}

// excess returns the records that would have to go, the oldest first.
func (c *creation) excess(ctx context.Context, tx *sql.Tx) ([]string, error) {
	rows, err := c.do.excess.in(ctx, tx).QueryContext(ctx,
		[]byte(c.rec.Owner), int64(c.rec.Kind), c.key(c.rec.Handle), millis(c.opts.Now), c.opts.Limit-1)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var handles []string
	for rows.Next() {
		var handle string
		if err := rows.Scan((*text)(&handle)); err != nil {
			return nil, err
		}
		handles = append(handles, handle)
	}
	slices.Reverse(handles)
	return handles, rows.Err()
}
