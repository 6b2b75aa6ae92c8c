package drivertest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest/engines"
)

// A trip is a call with one answer, and how often it goes to the server.
type trip struct {
	name string
	want error
	call func() error
	cost int64 // 1, unless it is said
	both int64 // on PostgreSQL, when it is not the same
}

// roundTrips counts what goes over the wire for each verb and answer, once its
// statements are prepared on the connection.
func roundTrips(t *testing.T, e *engine) {
	proxy := engines.NewProxy(t, e.Addr())
	through := *e
	through.dsn = strings.Replace(e.dsn, e.Addr(), proxy.Addr(), 1)
	if e.name == "MariaDB" {
		through.dsn += "?clientFoundRows=true" // it does not matter
	}
	r := through.room(t)
	r.db.SetMaxOpenConns(1)
	for round := range 2 { // the first prepares
		for _, c := range trips(t.Context(), r.s) {
			before := proxy.Counts().Requests
			if err := c.call(); err != c.want {
				t.Fatalf("%s: %v, want %v", c.name, err, c.want)
			}
			got, want := proxy.Counts().Requests-before, max(c.cost, 1)
			if c.both > 0 && e.name == "PostgreSQL" {
				want = c.both
			}
			if round == 1 && got != want {
				t.Errorf("%s takes %d round trips, want %d", c.name, got, want)
			}
		}
	}
}

// trips are in order: one begins with what those before it have left.
func trips(ctx context.Context, s store.Store) []trip {
	at := now()
	owner := fmt.Sprint("owner", at.UnixNano())
	rec, second, third, nobody := newRecord(owner), newRecord(owner), newRecord(owner), newRecord("")
	second.Created, third.Created = at.Add(1*time.Millisecond), at.Add(2*time.Millisecond)
	ending := store.Ending{Mark: 7, Now: at}
	create := func(rec *store.Record, opts store.CreateOptions, replaced bool, ended int) func() error {
		opts.End.Mark, opts.End.Now = 7, at
		if opts.Now.IsZero() {
			opts.Now = at
		}
		return func() error {
			created, err := s.Create(ctx, rec, opts)
			if created.Replaced != replaced || len(created.Ended) != ended {
				return fmt.Errorf("created is %v, and %v", created, err)
			}
			return err
		}
	}
	load := func(rec *store.Record) func() error {
		return func() error { _, err := s.Load(ctx, rec.Handle); return err }
	}
	apply := func(rec *store.Record, from store.Version) func() error {
		return func() error { return s.Apply(ctx, rec, from, at) }
	}
	touch := func(rec *store.Record) func() error {
		return func() error { return s.Touch(ctx, rec.Handle, at, at.Add(2*time.Hour)) }
	}
	end := func(rec *store.Record, e store.Ending) func() error {
		return func() error { return s.Delete(ctx, rec.Handle, e) }
	}
	since := ""
	changes := func(n int) func() error {
		return func() error {
			got, err := s.Changes(ctx, since)
			if since != "" && len(got.List) != n {
				return fmt.Errorf("%d changes, want %d", len(got.List), n)
			}
			since = got.Next
			return err
		}
	}
	gone := newRecord("")
	other := store.Version(12345)
	stale := store.Ending{Version: other, Mark: 7, Now: at}
	later := at.Add(2 * store.MinHold)
	return []trip{
		{name: "Changes, at first", call: changes(0)},
		{name: "Create", call: create(nobody, store.CreateOptions{}, false, 0)},
		{name: "Create, exists", want: store.ErrExists, call: create(nobody, store.CreateOptions{}, false, 0), both: 2},
		{name: "Load", call: load(nobody)},
		{name: "Load, gone", want: store.ErrGone, call: load(gone)},
		{name: "Apply", call: apply(nobody, nobody.Version)},
		{name: "Apply, conflict", want: store.ErrConflict, call: apply(nobody, other), both: 2},
		{name: "Apply, gone", want: store.ErrGone, call: apply(gone, other), both: 2},
		{name: "Touch", call: touch(nobody)},
		{name: "Touch, again", call: touch(nobody)},
		{name: "Touch, gone", want: store.ErrGone, call: touch(gone), both: 2},
		{name: "Delete, conflict", want: store.ErrConflict, call: end(nobody, stale), both: 2},
		{name: "Delete", call: end(nobody, ending)},
		{name: "Delete, again", call: end(nobody, ending), both: 2},
		{name: "Delete, gone", want: store.ErrGone, call: end(gone, ending), both: 2},
		{name: "Create, ended lately", want: store.ErrGone, call: create(nobody, store.CreateOptions{}, false, 0), both: 2},
		{name: "Create, below the limit", call: create(rec, store.CreateOptions{Limit: 1}, false, 0)},
		{name: "Create, limit", want: store.ErrLimit, call: create(second, store.CreateOptions{Limit: 1}, false, 0)},
		{name: "Create, replaces, conflict", want: store.ErrConflict,
			call: create(second, store.CreateOptions{Replaces: rec.Handle, End: store.Ending{Version: other}}, false, 0)},
		{name: "Create, replaces", call: create(second, store.CreateOptions{Replaces: rec.Handle, Limit: 1}, true, 0)},
		{name: "Create, replaces nothing", call: create(rec, store.CreateOptions{Replaces: gone.Handle, Now: later}, false, 0)},
		{name: "Create, ends the oldest", call: create(third, store.CreateOptions{Limit: 1, EndOldest: true}, false, 2)},
		{name: "List", call: func() error { _, err := s.List(ctx, owner, store.Page{Limit: 10}); return err }},
		{name: "Scan", call: func() error { _, err := s.Scan(ctx, store.Page{Limit: 10}); return err }},
		{name: "DeleteOwner", call: func() error {
			n, err := s.DeleteOwner(ctx, owner, "", ending)
			if n != 1 {
				return fmt.Errorf("%d were ended, and %v", n, err)
			}
			return err
		}},
		{name: "DeleteOwner, none", call: func() error { _, err := s.DeleteOwner(ctx, owner, "", ending); return err }},
		{name: "Changes", want: store.ErrGone, call: changes(0)}, // one that nobody had asked for was forgotten
		{name: "Create, ended long ago", call: create(nobody, store.CreateOptions{Now: later}, false, 0), cost: 2},
		{name: "Sweep", call: func() error {
			n, err := s.Sweep(ctx, at.Add(24*time.Hour), 10)
			if n != 4 {
				return fmt.Errorf("%d were swept, and %v", n, err)
			}
			return err
		}},
		{name: "Sweep, none", call: func() error { _, err := s.Sweep(ctx, at.Add(24*time.Hour), 10); return err }},
	}
}
