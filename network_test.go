package sojourn_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/store"
)

// A network is a store behind one that loses writes before they are done, and
// replies after, and has some arrive when nobody waits any more.
type network struct {
	store.Store
	bad bool

	mu     sync.Mutex
	random *rand.Rand
	late   sync.WaitGroup
}

func (n *network) write(f func() error) error {
	n.mu.Lock()
	fate, delay := n.random.IntN(8), time.Duration(n.random.IntN(30))*time.Millisecond
	n.mu.Unlock()
	if !n.bad {
		return f()
	}
	switch fate {
	case 0:
		return context.DeadlineExceeded
	case 1:
		f()
		return context.DeadlineExceeded
	case 2:
		n.late.Go(func() { time.Sleep(delay); f() })
		return context.DeadlineExceeded
	case 3:
		time.Sleep(delay)
	}
	return f()
}

func (n *network) Apply(ctx context.Context, rec *store.Record, from store.Version, now time.Time) error {
	copied := *rec
	ctx = context.WithoutCancel(ctx)
	return n.write(func() error { return n.Store.Apply(ctx, &copied, from, now) })
}

func (n *network) Create(ctx context.Context, rec *store.Record, opts store.CreateOptions) (store.Created, error) {
	copied := *rec
	ctx = context.WithoutCancel(ctx)
	var mu sync.Mutex
	var created store.Created
	err := n.write(func() error {
		c, err := n.Store.Create(ctx, &copied, opts)
		mu.Lock()
		defer mu.Unlock()
		created = c
		return err
	})
	mu.Lock()
	defer mu.Unlock()
	if err != nil {
		return store.Created{}, err
	}
	return created, nil
}

func (n *network) Delete(ctx context.Context, handle string, end store.Ending) error {
	ctx = context.WithoutCancel(ctx)
	return n.write(func() error { return n.Store.Delete(ctx, handle, end) })
}

func (n *network) Touch(ctx context.Context, handle string, seen, idle time.Time) error {
	ctx = context.WithoutCancel(ctx)
	return n.write(func() error { return n.Store.Touch(ctx, handle, seen, idle) })
}

// worse runs f on a bad network, and waits until all that is late has arrived.
func (n *network) worse(f func()) {
	n.bad = true
	f()
	n.bad = false
	n.late.Wait()
}

// TestBadNetwork: two processes on a network that loses and delays writes. What
// was acknowledged has happened once, and a session that was ended stays so.
func TestBadNetwork(t *testing.T) {
	for seed := range uint64(400) {
		synctest.Test(t, func(t *testing.T) {
			n := &network{Store: newMemory(t), random: rand.New(rand.NewPCG(seed, 1))}
			b := newBrowser(t, process(t, n))
			other := process(t, n)
			b.do(func(ctx context.Context) { counter.Set(ctx, 0) })
			const tried = 4
			acknowledged := make(chan bool, tried)
			n.worse(func() {
				var all sync.WaitGroup
				for i := range tried {
					c := b.clone()
					if i%2 == 1 {
						c.m = other
					}
					all.Go(func() {
						res := c.do(func(ctx context.Context) { counter.Update(ctx, func(n int) int { return n + 1 }) })
						if res.StatusCode == 200 {
							acknowledged <- true
						}
					})
				}
				all.Wait()
			})
			b.do(func(ctx context.Context) {
				if got := counter.GetOr(ctx, 0); got < len(acknowledged) || got > tried {
					t.Errorf("seed %d: %d of %d increments were acknowledged, and %d counted", seed, len(acknowledged), tried, got)
				}
			})
			in := 0
			n.worse(func() { in = b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") }).StatusCode })
			if in != 200 {
				return
			}
			if got := owner(b); got != "alice" {
				t.Errorf("seed %d: signed in as %q", seed, got)
			}
			copied, slow, out := b.clone(), b.clone(), 0
			n.worse(func() {
				var all sync.WaitGroup
				all.Go(func() { slow.do(func(ctx context.Context) { color.Set(ctx, "x"); time.Sleep(5 * time.Millisecond) }) })
				out = b.do(func(ctx context.Context) { sojourn.End(ctx) }).StatusCode
				all.Wait()
			})
			if out == 200 && (owner(copied) != "" || owner(slow) != "") {
				t.Errorf("seed %d: signed out, and %q, %q", seed, owner(copied), owner(slow))
			}
		})
	}
}
