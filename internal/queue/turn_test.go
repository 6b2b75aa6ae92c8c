package queue_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/sojourn-go/sojourn/internal/queue"
)

// TestLast: everybody who waited finds what the one before has left, and who
// comes when all have gone finds nothing.
func TestLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue.Queue[int]
		first, _ := q.Wait(t.Context(), "a")
		if first.Last() != nil {
			t.Error("the first finds something")
		}
		zero, total, inside := 0, 0, 0
		first.Leave(&zero)
		turn := func() {
			turn, err := q.Wait(t.Context(), "a")
			if err != nil {
				t.Error(err)
				return
			}
			defer turn.Done()
			if inside++; inside != 1 {
				t.Errorf("%d have their turn", inside)
			}
			if last := turn.Last(); last == nil || *last != total {
				t.Errorf("found %v, want %d", last, total)
			}
			total++
			n := total
			turn.Leave(&n)
			inside--
		}
		for range 10 {
			go turn()
		}
		synctest.Wait()
		first.Done()
		synctest.Wait()
		if total != 10 || q.Len() != 0 {
			t.Errorf("%d turns, %d lines", total, q.Len())
		}
	})
}

// TestOneLine: who comes while one is left in the line waits behind it.
func TestOneLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue.Queue[int]
		first, _ := q.Wait(t.Context(), "a")
		got := make(chan *queue.Turn[int], 2)
		wait := func() { turn, _ := q.Wait(t.Context(), "a"); got <- turn }
		go wait()
		synctest.Wait()
		first.Done()
		second := <-got
		go wait()
		synctest.Wait()
		if len(got) != 0 {
			t.Error("two have their turn")
		}
		second.Done()
		(<-got).Done()
	})
}

// TestFree: a turn that is free is had even by who has no time to wait.
func TestFree(t *testing.T) {
	var q queue.Queue[int]
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 {
		turn, err := q.Wait(ctx, "a")
		if err != nil {
			t.Fatal(err)
		}
		turn.Done()
	}
}
