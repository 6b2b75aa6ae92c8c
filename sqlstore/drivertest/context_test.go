package drivertest

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// TestLocked has another process's transaction in the way: writes wait no longer
// than their context, reads do not wait, and afterwards all is well.
func TestLocked(t *testing.T) {
	path := newFile(t)
	s := storeOn(t, open(t, path))
	rec := newRecord("alice")
	if _, err := s.Create(t.Context(), rec, store.CreateOptions{Now: now()}); err != nil {
		t.Fatal(err)
	}
	other := open(t, path)
	tx, err := other.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(`UPDATE sojourn_records SET last_seen = last_seen`); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- s.Touch(t.Context(), rec.Handle, now(), now().Add(time.Hour)) }()
	// In the second round it is certain that the one above waits for the lock,
	// and these for that one.
	for range 2 {
		var wait sync.WaitGroup
		for range 3 {
			wait.Go(func() { touchLocked(t, s, rec.Handle) })
		}
		wait.Wait()
	}
	if _, err := s.Load(t.Context(), rec.Handle); err != nil {
		t.Errorf("Load while the file is locked: %v", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("Touch when the lock was released: %v", err)
	}
}

func touchLocked(t *testing.T, s store.Store, handle string) {
	const patience = 300 * time.Millisecond
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := s.Touch(ctx, handle, now(), now().Add(time.Hour))
	if !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), "sqlstore: touch: ") {
		t.Errorf("Touch while the file is locked: %v", err)
	}
	if took := time.Since(began); took < patience || took > 10*patience {
		t.Errorf("Touch with %v to live took %v", patience, took)
	}
}

// TestCancelled cancels calls at any moment. Each has happened or not, and the
// connections stay usable.
func TestCancelled(t *testing.T) {
	db := open(t, newFile(t))
	s := storeOn(t, db)
	const workers, each = 4, 300
	var wait sync.WaitGroup
	for range workers {
		wait.Go(func() {
			rec := newRecord("alice")
			if _, err := s.Create(t.Context(), rec, store.CreateOptions{Now: now()}); err != nil {
				t.Error(err)
				return
			}
			for i := range each {
				cancelled(t, s, rec, i)
			}
		})
	}
	wait.Wait()
	if n := db.Stats().InUse; n != 0 {
		t.Errorf("%d connections are still in use", n)
	}
	if err := beside(t.Context(), s, firstOf(t, s, "alice")); err != nil {
		t.Errorf("after cancelled calls: %v", err)
	}
}

// cancelled does one Apply and one Create with a transaction that may be
// cancelled, and sees what became of them.
func cancelled(t *testing.T, s store.Store, rec *store.Record, i int) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Duration(rand.IntN(400))*time.Microsecond, cancel)
	n := *rec
	n.Version, n.State = store.NewVersion(), strconv.Itoa(i)
	err := s.Apply(ctx, &n, rec.Version, now())
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled Apply: %v", err)
	}
	got, loadErr := s.Load(t.Context(), rec.Handle)
	switch {
	case loadErr != nil:
		t.Errorf("Load after a cancelled Apply: %v", loadErr)
		return
	case *got != n && (*got != *rec || err == nil):
		t.Errorf("after Apply (%v) the record is neither before nor after", err)
	}
	*rec = *got

	bob := newRecord("bob")
	end := store.Ending{Mark: 1, Now: now()}
	_, err = s.Create(ctx, bob, store.CreateOptions{Now: now(), Limit: 1, EndOldest: true, End: end})
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled Create: %v", err)
	}
	listing, err := s.List(t.Context(), "bob", store.Page{Limit: 10})
	if err != nil || len(listing.Records) > 1 {
		t.Errorf("after a cancelled Create: %d records at a limit of one, %v", len(listing.Records), err)
	}
}

func firstOf(t *testing.T, s store.Store, owner string) string {
	listing, err := s.List(t.Context(), owner, store.Page{Limit: 1})
	if err != nil || len(listing.Records) == 0 {
		t.Fatal("no record", err)
	}
	return listing.Records[0].Handle
}
