package drivertest

import (
	"testing"

	"github.com/sojourn-go/sojourn/sqlstore"
	"github.com/sojourn-go/sojourn/store"
)

// A reader of changes, and a record that was ended after it began.
func oneEnded(t *testing.T, s *sqlstore.Store) (since string, rec *store.Record) {
	t.Helper()
	begin, err := s.Changes(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	rec = newRecord("alice")
	if _, err := s.Create(t.Context(), rec, store.CreateOptions{Now: now()}); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), rec.Handle, store.Ending{Mark: 1, Now: now()}); err != nil {
		t.Fatal(err)
	}
	return begin.Next, rec
}

func tells(t *testing.T, s *sqlstore.Store, since string, n int, want error, when string) (next string) {
	t.Helper()
	changes, err := s.Changes(t.Context(), since)
	if err != want || len(changes.List) != n {
		t.Errorf("%s: Changes tells %d changes, and %v; want %d, and %v", when, len(changes.List), err, n, want)
	}
	return changes.Next
}

// changesForgotten: who has not read what was removed is told to begin
// anew, and nobody else is.
func changesForgotten(t *testing.T, r *room) {
	s := r.s
	since, _ := oneEnded(t, s)
	next := tells(t, s, since, 1, nil, "before the sweep")
	if n, err := s.Sweep(t.Context(), now().Add(2*store.MinHold), 10); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	tells(t, s, since, 0, store.ErrGone, "after the sweep")
	tells(t, s, next, 0, nil, "after the sweep, for one who had read it")
	// A number is not used again though the greatest one has gone.
	from, _ := oneEnded(t, s)
	if from != next {
		t.Errorf("the present is %s after %s", from, next)
	}
	tells(t, s, next, 1, nil, "after the sweep, one more")
	tells(t, s, since, 0, store.ErrGone, "after the sweep and one more")
}

// changesReused: a handle that is made again after its hold takes the place
// of what was remembered.
func changesReused(t *testing.T, r *room) {
	s := r.s
	since, rec := oneEnded(t, s)
	later := now().Add(2 * store.MinHold)
	if _, err := s.Create(t.Context(), rec, store.CreateOptions{Now: later}); err != nil {
		t.Fatal(err)
	}
	tells(t, s, since, 0, store.ErrGone, "after the handle was made again")
}

// changesElsewhere: a cursor from another table is too old, or too new.
func changesElsewhere(t *testing.T, r *room) {
	before := r.s
	since, _ := oneEnded(t, before)
	after := r.next(t).s
	for range 100 {
		oneEnded(t, after)
	}
	tells(t, after, since, 0, store.ErrGone, "in a table made later")
	newest := tells(t, after, "", 0, nil, "from the beginning")
	tells(t, before, newest, 0, store.ErrGone, "in a table made before")
	tells(t, before, "elsewhere", 0, store.ErrGone, "no number")
}

// changesOfRevocations: one that was made and ended between two calls has
// both told, in this order.
func changesOfRevocations(t *testing.T, r *room) {
	s := r.s
	since := tells(t, s, "", 0, nil, "at the beginning")
	rec := newRecord("alice")
	rec.Kind = store.KindRevocation
	if _, err := s.Create(t.Context(), rec, store.CreateOptions{Now: now()}); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), rec.Handle, store.Ending{Mark: 1, Now: now()}); err != nil {
		t.Fatal(err)
	}
	changes, err := s.Changes(t.Context(), since)
	if err != nil || len(changes.List) != 2 || changes.List[0].Ended || !changes.List[1].Ended {
		t.Errorf("Changes tells %v, %v", changes.List, err)
	}
}
