package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest/engines"
)

// A replica that stands still confirms nothing: writes say so, and no answer of
// the contract; refusals, which write nothing, are given as ever.
func TestUnconfirmed(t *testing.T) {
	t.Parallel()
	w := engines.RedisSentinel(t)
	s := open(t, w.Master.Addr(), Replicas(1), Timeout(400*time.Millisecond))
	other := open(t, w.Master.Addr(), Replicas(1))
	rec, ended := made(t, s, newRecord("alice")), made(t, s, newRecord("bob"))
	changed := *rec
	changed.Version = store.NewVersion()
	end := ending()
	writes := map[string]func() error{
		"Create":      func() error { _, err := s.Create(t.Context(), newRecord("alice"), options()); return err },
		"Apply":       func() error { return s.Apply(t.Context(), &changed, rec.Version, time.Now()) },
		"Delete":      func() error { return s.Delete(t.Context(), ended.Handle, end) },
		"DeleteOwner": func() error { _, err := s.DeleteOwner(t.Context(), "carol", "", ending()); return err },
	}
	w.Replica.Pause()
	for name, write := range writes {
		err := write()
		if !errors.Is(err, ErrUnconfirmed) || errors.Is(err, store.ErrGone) || errors.Is(err, store.ErrConflict) {
			t.Errorf("%s while the replica stands still: %v, want ErrUnconfirmed", name, err)
		}
	}
	if err := writes["Delete"](); !errors.Is(err, ErrUnconfirmed) {
		t.Errorf("the same end again, while the replica stands still: %v, want ErrUnconfirmed", err)
	}
	if err := writes["Apply"](); err != store.ErrConflict {
		t.Errorf("Apply from an old version: %v, want ErrConflict", err)
	}
	if err := s.Touch(t.Context(), rec.Handle, time.Now(), time.Now().Add(2*time.Hour)); err != nil {
		t.Errorf("Touch, which does not wait: %v", err)
	}
	// Who asks what became of his write is not told that it is safe. Others
	// see it.
	if _, err := s.Load(t.Context(), rec.Handle); !errors.Is(err, ErrUnconfirmed) {
		t.Errorf("Load after an unconfirmed write: %v, want ErrUnconfirmed", err)
	}
	if got, err := other.Load(t.Context(), rec.Handle); err != nil || got.Version != changed.Version {
		t.Errorf("Load by another process: %v, %v", got, err)
	}
}

// After the replica goes on, so does all the rest.
func TestConfirmedAgain(t *testing.T) {
	t.Parallel()
	w := engines.RedisSentinel(t)
	s := open(t, w.Master.Addr(), Replicas(1), Timeout(400*time.Millisecond))
	rec := made(t, s, newRecord("alice"))
	end := ending()
	w.Replica.Pause()
	if err := s.Delete(t.Context(), rec.Handle, end); !errors.Is(err, ErrUnconfirmed) {
		t.Fatalf("Delete while the replica stands still: %v", err)
	}
	w.Replica.Resume()
	eventually(t, "the same end is confirmed", func() bool { return s.Delete(t.Context(), rec.Handle, end) == nil })
	if _, err := s.Load(t.Context(), rec.Handle); err != store.ErrGone {
		t.Errorf("Load after the end was confirmed: %v, want ErrGone", err)
	}
	if s.client.inDoubt(s.recordKey(rec.Handle)) {
		t.Error("the bucket is in doubt, though what it holds is confirmed")
	}
}

// A sent is a command that a server was sent, and by which connection.
type sent struct{ conn, name string }

// watch returns what clients send from now on, until the test calls it.
func watch(t *testing.T, addr string) func() []sent {
	t.Helper()
	monitor, mark := dialRaw(t, addr), dialRaw(t, addr)
	if got := monitor.do("MONITOR"); got != "OK" {
		t.Fatal(got)
	}
	return func() (list []sent) {
		t.Helper()
		mark.do("ECHO", "that was all")
		for {
			line := monitor.line()
			if strings.Contains(line, "that was all") {
				return list
			}
			_, rest, _ := strings.Cut(line, " [")
			from, cmd, _ := strings.Cut(rest, "] ")
			if cmd != "" && !strings.HasSuffix(from, " lua") {
				list = append(list, sent{from, strings.Trim(strings.Fields(cmd)[0], `"`)})
			}
		}
	}
}

// Each script is followed by its WAIT on the same connection, with nothing
// between, whoever else writes; and both are sent in one piece.
func waitFollowsItsScript(t *testing.T, c *engines.Cluster) {
	s := openCluster(t, c, Replicas(1))
	master := c.MasterOf(s.indexKey("alice"))
	for range 2 { // it learns where the bucket is, and the server the script
		made(t, s, newRecord("alice"))
	}
	proxied := func() int64 { return master.Proxy.Counts().Requests }
	eventually(t, "a creation is one piece", func() bool {
		// The replica says every second how far it is, through the proxy too.
		before := proxied()
		made(t, s, newRecord("alice"))
		return proxied()-before == 2 // the pair in one piece, and the replica's confirmation
	})
	seen := watch(t, master.Direct())
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			for range 20 {
				made(t, s, newRecord("alice"))
				s.Load(t.Context(), store.NewHandle("alice"))
				s.Touch(t.Context(), store.NewHandle("alice"), time.Now(), time.Now())
			}
		})
	}
	all.Wait()
	last, pairs := map[string]string{}, 0
	for _, cmd := range seen() {
		if cmd.name == "WAIT" {
			pairs++
			if last[cmd.conn] != "EVALSHA" {
				t.Errorf("WAIT came after %q on its connection", last[cmd.conn])
			}
		}
		last[cmd.conn] = cmd.name
	}
	if pairs != 32*20 {
		t.Errorf("WAIT was sent %d times for %d creations", pairs, 32*20)
	}
}

// A slot that moves, and a master that was replaced, take WAIT along.
func waitIsRedirected(t *testing.T, c *engines.Cluster) {
	s := openCluster(t, c, Replicas(1))
	rec := made(t, s, newRecord("alice"))
	key := s.recordKey(rec.Handle)
	from := c.MasterOf(key)
	to := c.Nodes[0]
	if to == from {
		to = c.Nodes[1]
	}
	// A master whose replica stands still confirms nothing. If WAIT were sent
	// to the old one, which has its replica, it would.
	c.Move(key, to, nil)
	for b := range 256 { // all masters know the script
		rec := newRecord("")
		rec.Handle = fmt.Sprintf("%02x", b) + rec.Handle[2:]
		if rec.Handle[:2] != store.Bucket("alice") {
			made(t, s, rec)
		}
	}
	replica := c.ReplicasOf(to)[0]
	replica.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
	defer cancel()
	if _, err := s.Create(ctx, newRecord("alice"), options()); !errors.Is(err, ErrUnconfirmed) {
		t.Errorf("Create on a master whose replica stands still, after the slot has moved: %v, want ErrUnconfirmed", err)
	}
	replica.Resume()
	c.Await()

	// And while it moves: what is new is made by the new master.
	c.Move(key, from, nil)
	moving := make(chan struct{})
	var once sync.Once
	c.Move(key, to, func() {
		once.Do(func() {
			defer close(moving)
			nobody := newRecord("")
			nobody.Handle = store.NewHandle("alice")
			if _, err := s.Create(t.Context(), nobody, options()); err != nil {
				t.Errorf("Create of nobody's record while its slot moves: %v", err)
			}
			if got := dialRaw(t, to.Direct()); got.do("ASKING") != "OK" || got.do("EXISTS", s.recordKey(nobody.Handle)) != "1" {
				t.Error("what is new was not made by the new master")
			}
			replica.Pause()
			defer replica.Resume()
			ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
			defer cancel()
			nobody.Handle = store.NewHandle("alice")
			if _, err := s.Create(ctx, nobody, options()); !errors.Is(err, ErrUnconfirmed) {
				t.Errorf("Create, while the slot moves, on a master whose replica stands still: %v, want ErrUnconfirmed", err)
			}
		})
	})
	<-moving
}

func BenchmarkReplicas(b *testing.B) {
	c := engines.RedisCluster(b)
	for _, n := range []int{0, 1} {
		s := openCluster(b, c, Replicas(n))
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("Create, %d replicas/%d", n, callers), func(b *testing.B) {
				together(b, callers, func() {
					if _, err := s.Create(context.Background(), newRecord(""), options()); err != nil {
						b.Error(err)
					}
				})
			})
		}
	}
}

// TestPatience: how long the server waits for replicas is as Replicas says.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for left, want := range map[time.Duration]time.Duration{
			2 * time.Second: 1400 * time.Millisecond, time.Second: 650 * time.Millisecond, 100 * time.Millisecond: 25 * time.Millisecond,
			time.Millisecond: time.Millisecond, -time.Second: time.Millisecond,
		} {
			ctx, cancel := context.WithTimeout(t.Context(), left)
			if got := patience(ctx); got != want {
				t.Errorf("with %s left the server waits for %s, want %s", left, got, want)
			}
			cancel()
		}
	})
}
