package sqlstore

import (
	"context"
	"database/sql"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/sojourn-go/sojourn/store"
)

// Create is one statement when there is no limit and nothing to replace. Else it
// is a transaction, in the database where many write.
func (s *Store) Create(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
	if !limited(rec, &opts) && !replaces(rec, &opts) {
		args := s.recordArgs(rec)
		if s.scribe.tells {
			args = append(args, millis(opts.Now))
		}
		n, err := s.exec(ctx, s.do.add, args...)
		if err != nil {
			return store.Created{}, failed(ctx, "create", err)
		}
		if n != 0 { // else it is in the way, or was ended and may be forgotten by now
			return store.Created{}, answer(n)
		}
	}
	var created store.Created
	var err error
	if s.scribe.oneWriter {
		c := creation{Store: s, rec: rec, opts: &opts}
		err = s.transact(ctx, func(tx *sql.Tx) error { return c.run(ctx, tx) },
			s.do.add, s.do.look, s.do.forget, s.do.remove, s.do.replace, s.do.excess, s.do.endOne)
		created = c.created
	} else {
		created, err = s.create(ctx, rec, &opts)
	}
	if err != nil {
		return store.Created{}, failed(ctx, "create", err)
	}
	return created, nil
}

// limited and replaces say what there is to do beside adding the record. Nobody
// has no limit.
func limited(rec *store.Record, opts *store.CreateOptions) bool {
	return opts.Limit > 0 && rec.Owner != ""
}

func replaces(rec *store.Record, opts *store.CreateOptions) bool {
	return opts.Replaces != "" && opts.Replaces != rec.Handle
}

// recordArgs are the parameters of insertHead, and the deadline.
func (s *Store) recordArgs(rec *store.Record) []any {
	return []any{
		s.key(rec.Handle), int64(rec.Kind), bits(rec.Version), millis(rec.Created), millis(rec.LastSeen),
		millis(rec.IdleDeadline), millis(rec.AbsoluteDeadline), nullMillis(rec.HoldUntil),
		nullOwner(rec.Owner), []byte(rec.Facts), []byte(rec.Verifiers), []byte(rec.State),
		millis(rec.Deadline()),
	}
}

// create is by a routine.
func (s *Store) create(ctx context.Context, rec *store.Record, opts *store.CreateOptions) (created store.Created, err error) {
	var lock, others, other any
	if rec.Owner != "" {
		lock = s.scribe.number(rec.Owner)
	}
	if limited(rec, opts) {
		others = int64(opts.Limit - 1)
	}
	if replaces(rec, opts) {
		other = s.key(opts.Replaces)
	}
	args := append(s.recordArgs(rec), millis(opts.Now), lock, others, opts.EndOldest, other, nullBits(opts.End.Version))
	var code int64
	var ended text
	err = s.call(ctx, s.do.create, nil, func(rows *sql.Rows) error {
		return rows.Scan(&code, &created.Replaced, &ended)
	}, append(args, endingArgs(&opts.End)[:3]...)...)
	if err == nil {
		err = answer(code)
	}
	if err != nil || ended == "" {
		return created, err
	}
	for digits := range strings.SplitSeq(string(ended), ",") {
		handle, err := hex.DecodeString(digits)
		if err != nil {
			return created, err
		}
		created.Ended = append(created.Ended, string(handle))
	}
	return created, nil
}

// A creation is one Create with all that belongs to the step, by one who writes
// alone: what a statement finds stays so until the end.
type creation struct {
	*Store
	rec     *store.Record
	opts    *store.CreateOptions
	created store.Created
}

func (c *creation) run(ctx context.Context, tx *sql.Tx) error {
	c.created = store.Created{}
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
	n, err := execTx(ctx, tx, c.do.add, c.recordArgs(c.rec)...)
	if err != nil || n > 0 {
		return err
	}
	was, err := c.lookTx(ctx, tx, c.rec.Handle)
	switch {
	case err != nil:
		return err
	case was.live():
		return store.ErrExists
	case was.deadline > millis(c.opts.Now):
		return store.ErrGone
	}
	// It was ended so long ago that it may be forgotten, and is in the way.
	if _, err = execTx(ctx, tx, c.do.forget, was.changed.Int64); err != nil {
		return err
	}
	if _, err = execTx(ctx, tx, c.do.remove, c.key(c.rec.Handle)); err != nil {
		return err
	}
	_, err = execTx(ctx, tx, c.do.add, c.recordArgs(c.rec)...)
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
	if err == nil && was.live() && was.owner == c.rec.Owner {
		return store.ErrConflict
	}
	return err
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
		if _, err := execTx(ctx, tx, c.do.endOne, append(endingArgs(&c.opts.End), c.key(handle))...); err != nil {
			return err
		}
	}
	c.created.Ended = excess
	return nil
}

// excess returns the records that would have to go, the oldest first.
func (c *creation) excess(ctx context.Context, tx *sql.Tx) ([]string, error) {
	rows, err := c.do.excess.in(ctx, tx).QueryContext(ctx,
		[]byte(c.rec.Owner), int64(c.rec.Kind), c.key(c.rec.Handle), millis(c.opts.Now), c.opts.Limit-1)
	if err != nil {
		return nil, err
	}
	var handles []string
	err = readAll(rows, func(rows *sql.Rows) error {
		var handle text
		err := rows.Scan(&handle)
		handles = append(handles, string(handle))
		return err
	})
	slices.Reverse(handles)
	return handles, err
}

// A row is what a handle stands for.
type row struct {
	owner    string
	version  store.Version
	deadline int64
	ended    sql.NullInt64
	changed  sql.NullInt64
	there    bool
}

func (r *row) live() bool { return r.there && !r.ended.Valid }

// lookTx reads a row, which need not be there.
func (c *creation) lookTx(ctx context.Context, tx *sql.Tx, handle string) (r row, err error) {
	rows, err := c.do.look.in(ctx, tx).QueryContext(ctx, c.key(handle))
	if err != nil {
		return r, err
	}
	err = readAll(rows, func(rows *sql.Rows) error {
		r.there = true
		return rows.Scan((*text)(&r.owner), (*version)(&r.version), &r.deadline, &r.ended, &r.changed)
	})
	return r, err
}
