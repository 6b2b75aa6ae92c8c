package sqlstore

import (
	"fmt"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// Times are milliseconds since 1970, whatever the database's own times are
// like: they compare and move the same way everywhere. The zero time is one of
// them, far in the past.
func millis(t time.Time) int64 { return t.UnixMilli() }

// millisUp is for ends: what lasts until t lasts the whole of its last
// millisecond.
func millisUp(t time.Time) int64 { return t.Add(time.Millisecond - 1).UnixMilli() }

// nullMillis leaves out the time that most records do not have.
func nullMillis(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return millis(t)
}

// Databases have signed numbers only: the same 64 bits.
func bits(v store.Version) int64 { return int64(v) }

// nullBits is NULL for no version.
func nullBits(v store.Version) any {
	if v == 0 {
		return nil
	}
	return bits(v)
}

// nullOwner is NULL for nobody: he is the owner of nothing and in no index.
func nullOwner(owner string) any {
	if owner == "" {
		return nil
	}
	return []byte(owner)
}

// These are read into the fields of a record without a copy in between. NULL is
// their zero value.
type (
	kind    store.Kind
	instant time.Time
	version store.Version
	text    string
)

func (k *kind) Scan(from any) error {
	switch from := from.(type) {
	case nil:
		*k = 0
	case int64:
		*k = kind(from)
	default:
		return fmt.Errorf("a kind is stored as %T", from)
	}
	return nil
}

func (t *instant) Scan(from any) error {
	switch from := from.(type) {
	case nil:
		*t = instant{}
	case int64:
		*t = instant(time.UnixMilli(from).UTC())
	default:
		return fmt.Errorf("a time is stored as %T", from)
	}
	return nil
}

func (v *version) Scan(from any) error {
	switch from := from.(type) {
	case nil:
		*v = 0
	case int64:
		*v = version(from)
	default:
		return fmt.Errorf("a version is stored as %T", from)
	}
	return nil
}

func (t *text) Scan(from any) error {
	switch from := from.(type) {
	case nil:
		*t = ""
	case []byte:
		*t = text(from)
	case string:
		*t = text(from)
	default:
		return fmt.Errorf("a text is stored as %T", from)
	}
	return nil
}

// into appends where the columns of columns go.
func into(dest []any, h *store.Header, facts *string) []any {
	return append(dest,
		(*kind)(&h.Kind), (*version)(&h.Version), (*instant)(&h.Created), (*instant)(&h.LastSeen),
		(*instant)(&h.IdleDeadline), (*instant)(&h.AbsoluteDeadline), (*instant)(&h.HoldUntil),
		(*text)(&h.Owner), (*text)(facts))
}
