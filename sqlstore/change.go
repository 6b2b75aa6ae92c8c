package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/sojourn-go/sojourn/store"
)

// What a statement or a routine answers. 0 is nothing, or that it does not know.
const (
	done     = 1
	gone     = 2
	conflict = 3
	exists   = 4
	limit    = 5
	before   = 6 // the same end had ended it before
)

func answer(code int64) error {
	switch code {
	case done, before:
		return nil
	case conflict:
		return store.ErrConflict
	case exists:
		return store.ErrExists
	case limit:
		return store.ErrLimit
	}
	return store.ErrGone
}

// A verb changes one record, whose handle is the last parameter: it sets what
// set says when why, of the record as it is, is 1. Otherwise why is the answer.
type verb struct {
	set string
	why string
}

var (
	applying = verb{`version = ?, facts = ?, verifiers = ?, state = ?, ` + forward,
		`CASE WHEN ended IS NOT NULL OR deadline <= ? THEN 2 WHEN version <> ? THEN 3 ELSE 1 END`}

	touching = verb{forward,
		`CASE WHEN ended IS NOT NULL OR deadline <= ? THEN 2 ELSE 1 END`}

	deleting = verb{ending,
		`CASE WHEN ended IS NULL AND version = coalesce(?, version) THEN 1 WHEN ended IS NULL THEN 3 WHEN mark = ? THEN 6 ELSE 2 END`}
)

// update is the statement; why may be written so that it is known afterwards.
func (v *verb) update(why string) string {
	return `UPDATE {table} SET ` + v.set + ` WHERE ` + why + ` = 1 AND handle = ?`
}

func (v *verb) look() string { return `SELECT ` + v.why + ` FROM {table} WHERE handle = ?` }

// A change is a verb's statement. Where that cannot say why it did nothing, look
// does. Its parameters are those behind the settings.
type change struct {
	do, look statement
	settings int
}

// change runs a statement that changes one record, and returns its answer.
func (s *Store) change(ctx context.Context, name string, c change, args ...any) error {
	for {
		n, err := s.exec(ctx, c.do, args...)
		if err == nil && n != done && !c.look.none() {
			err = s.query(ctx, c.look, []any{&n}, args[c.settings:]...)
			if errors.Is(err, sql.ErrNoRows) {
				return store.ErrGone
			}
			if err == nil && n == done {
				continue // it was made between the two
			}
		}
		if err == nil {
			err = answer(n)
		}
		return failed(ctx, name, err)
	}
}

// bind writes names where text has placeholders.
func bind(text string, names ...string) string {
	for _, name := range names {
		text = strings.Replace(text, "?", name, 1)
	}
	return text
}
