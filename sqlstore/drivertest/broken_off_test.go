package drivertest

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// brokenOff: when the server is told to break off what a routine does, in the
// middle, nothing of it has happened, no lock stays, and what is written next on
// that connection is kept.
func brokenOff(t *testing.T, e *engine) {
	r := e.room(t)
	r.db.SetMaxOpenConns(1)
	rec := newRecord("alice")
	rec.Handle = "old"
	if _, err := r.s.Create(t.Context(), rec, store.CreateOptions{Now: now()}); err != nil {
		t.Fatal(err)
	}
	id, kill := `SELECT pg_backend_pid()`, `SELECT pg_cancel_backend(%d)`
	if e.name == "MariaDB" {
		id, kill = `SELECT connection_id()`, `KILL QUERY %d`
	}
	var connection int
	if err := r.db.QueryRow(id).Scan(&connection); err != nil {
		t.Fatal(err)
	}
	outside := e.open(t)
	tx, err := outside.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec(`UPDATE ` + r.table + ` SET last_seen = last_seen + 1`); err != nil {
		t.Fatal(err)
	}
	answer := make(chan error)
	opts := store.CreateOptions{Now: now(), Replaces: rec.Handle, End: store.Ending{Mark: 1, Now: now()}}
	go func() {
		_, err := r.s.Create(t.Context(), newRecord("alice"), opts) // waits for the one to be replaced
		answer <- err
	}()
	awaitWaiting(t, e)
	if _, err := outside.Exec(fmt.Sprintf(kill, connection)); err != nil {
		t.Fatal(err)
	}
	if err := <-answer; err == nil {
		t.Fatal("Create was not broken off")
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	plain := newRecord("")
	if _, err := r.s.Create(t.Context(), plain, store.CreateOptions{Now: now()}); err != nil {
		t.Fatal(err)
	}
	other := *r
	other.db = outside
	elsewhere := (&other).future(t)
	if _, err := elsewhere.Load(t.Context(), plain.Handle); err != nil {
		t.Errorf("a record made after Create was broken off: %v", err)
	}
	if n, err := elsewhere.DeleteOwner(t.Context(), "alice", "", store.Ending{Mark: 1, Now: now().Add(time.Second)}); n != 1 || err != nil {
		t.Errorf("after Create was broken off the owner has %d, %v", n, err)
	}
}

// brokenOffAnywhere is the same at any moment of a sweep: MariaDB then may leave
// its transaction open.
func brokenOffAnywhere(t *testing.T, e *engine) {
	if e.name != "MariaDB" {
		return
	}
	r := e.room(t)
	r.db.SetMaxOpenConns(1)
	outside := e.open(t)
	broken := 0
	for range 60 {
		if _, err := outside.Exec(`DELETE FROM ` + r.table); err != nil {
			t.Fatal(err)
		}
		r.fill(t, 500, now().Add(-time.Hour))
		var connection int
		if err := r.db.QueryRow(`SELECT connection_id()`).Scan(&connection); err != nil {
			t.Fatal(err)
		}
		answer := make(chan error)
		go func() {
			_, err := r.s.Sweep(t.Context(), now(), 500)
			answer <- err
		}()
		time.Sleep(rand.N(4 * time.Millisecond))
		if _, err := outside.Exec(fmt.Sprintf("KILL QUERY %d", connection)); err != nil {
			t.Fatal(err)
		}
		if <-answer == nil {
			continue
		}
		broken++
		var open bool
		if err := r.db.QueryRow(`SELECT @@in_transaction`).Scan(&open); err != nil || open {
			t.Fatalf("after %d sweeps were broken off a transaction is open: %v, %v", broken, open, err)
		}
	}
	if broken == 0 {
		t.Error("no sweep was broken off")
	}
}
