package redisstore

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/sojourn-go/sojourn/store"
)

var _ store.Notifier = (*Store)(nil)

const (
	// gap is the shortest time between two calls of wake.
	gap = 10 * time.Millisecond

	// maxAway is the longest time between two attempts to listen.
	maxAway = time.Second

	// A server that has left its cluster does not say so to those who listen
	// to it. So after this time another one is asked.
	maxHeard = time.Minute
)

// Notify is described by store.Notifier. It listens to a channel, on a
// connection of its own; more than 8 calls at a time take connections from
// writes that replicas have to confirm. What it misses is what is ended while
// it has no connection, and then it calls wake when it has one again; on a
// cluster also what servers do not hear of each other, and what a master has
// not passed on when it fails. So on a cluster it calls wake once a minute in
// any case.
//
// It fails when the server does not let this application listen, or not to its
// channel (see the package's comment), and when the store is closed.
func (s *Store) Notify(ctx context.Context, wake func()) error {
	listening, cancel := context.WithCancel(ctx)
	defer cancel()
	heard := make(chan struct{}, 1)
	ended := make(chan error, 1)
	go func() { // it may have to wait for the library a little longer than ctx
		ended <- s.listen(listening, func() {
			select {
			case heard <- struct{}{}:
			default: // the next call of wake is for this too
			}
		})
	}()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case err := <-ended:
			if ctx.Err() == nil {
				return err
			}
		case <-heard:
			wake()
			rest(ctx, gap)
		}
	}
	return ctx.Err()
}

// listen calls heard when it has begun to listen, and for each message, until
// ctx is over or it cannot. A connection that was lost it makes anew.
func (s *Store) listen(ctx context.Context, heard func()) error {
	life := s.client.life
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(life, cancel)()
	channel := s.prefix + "changes"
	for away := gap; ; away = min(2*away, maxAway) {
		began, err := s.client.listen(ctx, channel, heard)
		switch {
		case life.Err() != nil:
			return failed("notify", errClosed)
		case ctx.Err() != nil:
			return ctx.Err()
		case forbidden(err):
			return fmt.Errorf("redisstore: notify: the server does not let this user listen; allow him +subscribe and the channel %s: %w", channel, cleaned(err))
		case began:
			away = gap
		}
		rest(ctx, away)
	}
}

// listen listens on one connection, of a cluster with any server: each
// hears what the others publish.
func (c *client) listen(ctx context.Context, channel string, heard func()) (began bool, err error) {
	if c.cluster {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.maxHeard)
		defer cancel()
	}
	lib, release := c.lib.Dedicate()
	defer release()
	defer lib.Close() // others must not have it: messages may be on their way
	var confirmed atomic.Bool
	hooked := rueidis.WithOnSubscriptionHook(ctx, func(s rueidis.PubSubSubscription) {
		if s.Kind == "subscribe" {
			confirmed.Store(true)
			heard()
		}
	})
	err = lib.Receive(hooked, c.lib.B().Subscribe().Channel(channel).Build(), func(rueidis.PubSubMessage) { heard() })
	return confirmed.Load(), err
}

// forbidden reports whether the server refuses to have this application listen.
func forbidden(err error) bool {
	text := said(err)
	return strings.HasPrefix(text, "NOPERM") || strings.Contains(text, "unknown command")
}
