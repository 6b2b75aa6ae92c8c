package memstore

import (
	"context"
	"slices"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

var _ store.Notifier = (*Store)(nil)

// gap is the shortest time between two calls of wake.
const gap = 10 * time.Millisecond

// Notify implements store.Notifier. It keeps of all that has happened since the
// last call of wake that there was something, and misses nothing. A change costs
// no more for it when nobody listens.
func (s *Store) Notify(ctx context.Context, wake func()) error {
	heard := make(chan struct{}, 1)
	heard <- struct{}{} // for the beginning
	s.log.listen(heard)
	defer s.log.leave(heard)
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-heard:
			wake()
			select {
			case <-ctx.Done():
			case <-time.After(gap):
			}
		}
	}
	return ctx.Err()
}

// listen has everything that is added fill heard, which has one place.
func (c *changes) listen(heard chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listeners = append(c.listeners, heard)
}

// leave ends that.
func (c *changes) leave(heard chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listeners = slices.DeleteFunc(c.listeners, func(l chan struct{}) bool { return l == heard })
}

// notify tells who listens that something was added. The caller holds the lock.
func (c *changes) notify() {
	for _, heard := range c.listeners {
		select {
		case heard <- struct{}{}:
		default: // it has been told, and has not asked yet
		}
	}
}
