package demo

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// TestRun: what has expired is removed from the store within two minutes.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, "memory:")
		app, err := New(Config{Store: s.Store})
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now().UTC()
		rec := &store.Record{Header: store.Header{Kind: store.KindSession, Handle: store.NewHandle(""), Version: 1,
			Created: now, LastSeen: now, IdleDeadline: now.Add(time.Minute), AbsoluteDeadline: now.Add(time.Minute)}}
		if _, err := s.Create(t.Context(), rec, store.CreateOptions{Now: now, End: store.Ending{Mark: 1, Now: now}}); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- app.Run(ctx) }()
		time.Sleep(3 * time.Minute)
		if _, err := s.Load(t.Context(), rec.Handle); !errors.Is(err, store.ErrGone) {
			t.Errorf("the expired record: %v", err)
		}
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}
