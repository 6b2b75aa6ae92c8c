package queue_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/sojourn-go/sojourn/internal/queue"
)

// TestTurns: one at a time for a key, each finds what the one before left, and
// nothing is kept when all have gone.
func TestTurns(t *testing.T) {
	var q queue.Queue[int]
	var all sync.WaitGroup
	total := 0 // guarded by the turn
	first, err := q.Wait(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		all.Go(func() {
			turn, err := q.Wait(t.Context(), "a")
			if err != nil {
				t.Error(err)
				return
			}
			defer turn.Done()
			total++
			if turn.Last() != nil && *turn.Last() != total-1 {
				t.Errorf("found %d, want %d", *turn.Last(), total-1)
			}
			n := total
			turn.Leave(&n)
		})
	}
	first.Done()
	all.Wait()
	if total != 100 || q.Len() != 0 {
		t.Errorf("%d turns, %d lines left", total, q.Len())
	}
}

// TestOthers: keys do not wait for each other.
func TestOthers(t *testing.T) {
	var q queue.Queue[int]
	a, _ := q.Wait(t.Context(), "a")
	b, err := q.Wait(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	a.Done()
	b.Done()
}

// TestPatience: who is not waited for leaves the line.
func TestPatience(t *testing.T) {
	var q queue.Queue[int]
	turn, _ := q.Wait(t.Context(), "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := q.Wait(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	turn.Done()
	if q.Len() != 0 {
		t.Errorf("%d lines left", q.Len())
	}
}
