package revoked

import (
	"cmp"
	"slices"

	"github.com/sojourn-go/sojourn/internal/handle"
)

// An end is that of all sessions that were made up to a moment, but one and those
// that it has become since.
type end struct {
	Until  int64  `json:"until"`            // milliseconds since 1970
	Except string `json:"except,omitempty"` // the handle of the session that goes on
}

func (e end) covers(handle string, created int64) bool {
	return created <= e.Until && (e.Except == "" || !leads(e.Except, handle))
}

// maxNext is how often a session that goes on may get another handle. A regenerate
// beyond that ends it.
const maxNext = 32

// leads reports whether a session has become the one with the other handle.
func leads(from, to string) bool {
	for range maxNext {
		if from == to {
			return true
		}
		from = handle.Next(from)
	}
	return from == to
}

// includes reports whether e ends all that other ends.
func (e end) includes(other end) bool {
	return other.Until <= e.Until && (e.Except == "" || e.Except == other.Except)
}

// ends are those of one owner, or of everybody.
type ends []end

func (list ends) covers(handle string, created int64) bool {
	for _, e := range list {
		if e.covers(handle, created) {
			return true
		}
	}
	return false
}

// newest is the latest moment up to which sessions have ended; 0 for none.
func (list ends) newest() (newest int64) {
	for _, e := range list {
		newest = max(newest, e.Until)
	}
	return newest
}

// maxEnds is how many ends of one owner are kept apart.
const maxEnds = 32

// with returns the ends and one more, without those that nobody needs any more,
// which are up to needless, and those that others include. Where there are too
// many, the two oldest become one that spares nobody: more may end by that, and
// never less. The list itself stays as it is.
func (list ends) with(add end, needless int64) ends {
	if add.Until <= needless || slices.ContainsFunc(list, func(e end) bool { return e.includes(add) }) {
		return list
	}
	all := slices.DeleteFunc(slices.Clone(list), func(e end) bool { return e.Until <= needless || add.includes(e) })
	if all = append(all, add); len(all) > maxEnds {
		slices.SortFunc(all, func(a, b end) int { return cmp.Compare(a.Until, b.Until) })
		all = all[1:]
		all[0].Except = ""
	}
	return all
}
