package memstore

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// TestNotify: a thousand changes while wake was called just now are one call
// more, and nobody is told after he has left.
func TestNotify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, Options{})
		end := func() {
			rec := sample("alice", start)
			create(t, s, rec)
			if err := s.Delete(t.Context(), rec.Handle, store.Ending{Mark: 1, Now: start}); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wakes []time.Time
		ended := make(chan error)
		go func() { ended <- s.Notify(ctx, func() { wakes = append(wakes, time.Now()) }) }()
		synctest.Wait()
		if len(wakes) != 1 {
			t.Fatalf("at the beginning wake was called %d times", len(wakes))
		}
		for range 1000 {
			end()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(wakes) != 2 || wakes[1].Sub(wakes[0]) != gap {
			t.Errorf("after a thousand changes: calls of wake at %v", wakes)
		}
		late := time.Now()
		end()
		synctest.Wait()
		if len(wakes) != 3 || wakes[2] != late {
			t.Errorf("after one change at %v: calls of wake at %v", late, wakes)
		}
		cancel()
		if err := <-ended; err != context.Canceled || len(s.log.listeners) != 0 {
			t.Errorf("Notify: %v; %d listen", err, len(s.log.listeners))
		}
		end()
		if err := s.Notify(ctx, func() { t.Error("woken, though the context is over") }); err != context.Canceled {
			t.Errorf("Notify with a context that is over: %v", err)
		}
	})
}
