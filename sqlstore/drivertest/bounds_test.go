package drivertest

import (
	"context"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// sweepBatches: the limit holds across transactions.
func sweepBatches(t *testing.T, r *room) {
	s := r.s
	r.fill(t, 1300, now())
	for _, c := range []struct{ limit, want int }{{0, 0}, {-1, 0}, {1100, 1100}, {1100, 200}, {1100, 0}} {
		if n, err := s.Sweep(t.Context(), now(), c.limit); n != c.want || err != nil {
			t.Errorf("Sweep with limit %d removes %d, %v; want %d", c.limit, n, err, c.want)
		}
	}
}

// pages: a page that is asked to be larger than one may be is continued.
func pages(t *testing.T, r *room) {
	s := r.s
	r.fill(t, 2500, now().Add(time.Hour))
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

// changesBounded: who is too far behind begins anew.
func changesBounded(t *testing.T, r *room) {
	s := r.s
	since := tells(t, s, "", 0, nil, "at the beginning")
	r.fill(t, 10_000, now().Add(time.Hour))
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

// replacesItself: a new record does not end itself.
func replacesItself(t *testing.T, r *room) {
	s := r.s
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

// oneConnection: no verb needs two at once.
func oneConnection(t *testing.T, r *room) {
	r.db.SetMaxOpenConns(1)
	s := r.s
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
