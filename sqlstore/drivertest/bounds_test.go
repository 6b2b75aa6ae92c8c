package drivertest

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// fill puts n records of alice into the table, that expire at deadline.
func fill(t *testing.T, db *sql.DB, n int, deadline time.Time) {
	t.Helper()
	_, err := db.Exec(`INSERT INTO sojourn_records (handle, kind, version, created, last_seen, idle_deadline, absolute_deadline,
			deadline, owner, facts, verifiers, state)
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
		SELECT 'handle' || i, 1, i, i, i, ?, ?, ?, CAST('alice' AS BLOB), x'', x'', x'' FROM n`,
		n, deadline.UnixMilli(), deadline.UnixMilli(), deadline.UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
}

// TestSweepBatches: the limit holds across transactions.
func TestSweepBatches(t *testing.T) {
	db := open(t, newFile(t))
	s := storeOn(t, db)
	fill(t, db, 1300, now())
	for _, c := range []struct{ limit, want int }{{0, 0}, {-1, 0}, {1100, 1100}, {1100, 200}, {1100, 0}} {
		if n, err := s.Sweep(t.Context(), now(), c.limit); n != c.want || err != nil {
			t.Errorf("Sweep with limit %d removes %d, %v; want %d", c.limit, n, err, c.want)
		}
	}
}

// TestPages: a page that is asked to be larger than one may be is continued.
func TestPages(t *testing.T) {
	db := open(t, newFile(t))
	s := storeOn(t, db)
	fill(t, db, 2500, now().Add(time.Hour))
	seen := map[string]bool{}
	page := store.Page{Limit: 5000}
	for range 4 {
		listing, err := s.List(t.Context(), "alice", page)
		if err != nil || len(listing.Records) > 1000 {
			t.Fatal(len(listing.Records), err)
		}
		for _, l := range listing.Records {
			seen[l.Handle] = true
		}
		if page.Cursor = listing.Next; page.Cursor == "" {
			break
		}
	}
	if len(seen) != 2500 || page.Cursor != "" {
		t.Errorf("%d records of 2500 in three pages", len(seen))
	}
	if _, err := s.List(t.Context(), "alice", store.Page{}); err == nil {
		t.Error("a page of none is no error")
	}
}

// TestChangesBounded: who is too far behind begins anew.
func TestChangesBounded(t *testing.T) {
	db := open(t, newFile(t))
	s := storeOn(t, db)
	since := tells(t, s, "", 0, nil, "at the beginning")
	fill(t, db, 10_000, now().Add(time.Hour))
	if n, err := s.DeleteOwner(t.Context(), "alice", "", store.Ending{Mark: 1, Now: now()}); n != 10_000 || err != nil {
		t.Fatal(n, err)
	}
	next := tells(t, s, since, 10_000, nil, "as far behind as one may be")
	from, _ := oneEnded(t, s)
	if from != next {
		t.Errorf("the present is %s after %s", from, next)
	}
	tells(t, s, since, 0, store.ErrGone, "one too far behind")
	tells(t, s, next, 1, nil, "one behind")
}

// TestReplacesItself: a new record does not end itself.
func TestReplacesItself(t *testing.T) {
	s := newStore(t)
	rec := newRecord("alice")
	end := store.Ending{Mark: 1, Now: now()}
	created, err := s.Create(t.Context(), rec, store.CreateOptions{Now: now(), Replaces: rec.Handle, End: end})
	if err != nil || created.Replaced {
		t.Error(created, err)
	}
	if _, err := s.Load(t.Context(), rec.Handle); err != nil {
		t.Error(err)
	}
}

// TestOneConnection: no verb needs two at once.
func TestOneConnection(t *testing.T) {
	db := open(t, newFile(t))
	db.SetMaxOpenConns(1)
	s := storeOn(t, db)
	done := make(chan struct{})
	go func() {
		defer close(done)
		everyVerb(t, s)
	}()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case <-done:
	case <-ctx.Done():
		t.Fatal("a verb waits for a second connection")
	}
}
