package sqlstore

import (
	"context"
	"database/sql"
	"encoding/hex"
	"strings"
)

// A batch is rows that a transaction has locked in order to do the same to all
// of them. Rows that another has locked are left to him: so nobody waits, and
// what many do at once is divided among them.
type batch struct {
	list       strings.Builder // their handles in hexadecimal, as an array in JSON
	n          int
	upTo       int64 // the greatest number of their changes
	unnumbered bool  // one has a change without a number
}

// pick locks at most limit rows by a statement whose last parameter is the limit.
func (s *Store) pick(ctx context.Context, tx *sql.Tx, t statement, limit int, args ...any) (*batch, error) {
	b := &batch{}
	rows, err := t.in(ctx, tx).QueryContext(ctx, append(args, limit)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var handle text
		var changed sql.NullInt64
		if err := rows.Scan(&handle, &changed); err != nil {
			return nil, err
		}
		b.add(string(handle))
		b.upTo = max(b.upTo, changed.Int64)
		b.unnumbered = b.unnumbered || changed.Valid && changed.Int64 == 0
	}
	return b, rows.Err()
}

func (b *batch) add(handle string) {
	separator := `","`
	if b.n == 0 {
		separator = `["`
	}
	b.list.WriteString(separator + hex.EncodeToString([]byte(handle)))
	b.n++
}

// arg is the parameter that stands for the rows.
func (b *batch) arg() any { return b.list.String() + `"]` }
