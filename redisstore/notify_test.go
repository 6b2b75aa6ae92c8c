package redisstore

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/storetest/engines"
)

// A listener is a call of Notify that goes on until the test is over.
type listener struct {
	wakes atomic.Int64
	ended chan error
	end   context.CancelFunc
}

// listen returns a listener that has begun to listen.
func listen(t *testing.T, s *Store) *listener {
	t.Helper()
	l := &listener{ended: make(chan error, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	l.end = cancel
	t.Cleanup(cancel)
	go func() { l.ended <- s.Notify(ctx, func() { l.wakes.Add(1) }) }()
	eventually(t, "the store listens", func() bool { return l.wakes.Load() > 0 })
	return l
}

// wakesFor requires that wake is called after do.
func (l *listener) wakesFor(t *testing.T, what string, do func()) {
	t.Helper()
	time.Sleep(2 * gap) // what came before has been told
	before := l.wakes.Load()
	do()
	eventually(t, "wake is called: "+what, func() bool { return l.wakes.Load() > before })
}

// ends ends a record of owner.
func ends(t *testing.T, s *Store, owner string) {
	t.Helper()
	rec := made(t, s, newRecord(owner))
	if err := s.Delete(t.Context(), rec.Handle, ending()); err != nil {
		t.Fatal(err)
	}
}

// A script publishes once, however much it ends, and no more than that there
// is something.
func TestPublishes(t *testing.T) {
	server := engines.Redis(t)
	s := open(t, server.Addr(), Prefix("a*b[c]:"))
	r, heard := dialRaw(t, server.Addr()), dialRaw(t, server.Addr())
	for range 100 {
		made(t, s, newRecord("alice"))
	}
	heard.do("PSUBSCRIBE", "*")
	count := func(what string, want int, do func()) {
		t.Helper()
		before := r.calls("publish")
		do()
		if got := r.calls("publish") - before; got != want {
			t.Fatalf("%s published %d times, want %d", what, got, want)
		}
		for range want {
			if got := heard.read(); got != "pmessage * a*b[c]:changes " {
				t.Errorf("%s published %q", what, got)
			}
		}
	}
	count("DeleteOwner of a hundred", 1, func() {
		if n, err := s.DeleteOwner(t.Context(), "alice", "", ending()); n != 100 || err != nil {
			t.Fatal(n, err)
		}
	})
	rec := made(t, s, newRecord("bob"))
	count("Create for nobody", 0, func() { made(t, s, newRecord("")) })
	count("Touch", 0, func() {
		if err := s.Touch(t.Context(), rec.Handle, time.Now(), time.Now().Add(2*time.Hour)); err != nil {
			t.Error(err)
		}
	})
	end := ending()
	for want := 1; want >= 0; want-- { // the second time it was ended before
		count("Delete", want, func() {
			if err := s.Delete(t.Context(), rec.Handle, end); err != nil {
				t.Error(err)
			}
		})
	}
}

// A user who may not publish ends sessions all the same; one who may not listen
// is told so.
func TestNotifyWithoutPermission(t *testing.T) {
	server := engines.Redis(t)
	admin := dialRaw(t, server.Addr())
	for name, rules := range map[string][]string{
		"no channel":    {"resetchannels"},
		"no PUBLISH":    {"allchannels", "-publish"},
		"no SUBSCRIBE":  {"allchannels", "-subscribe"},
		"other channel": {"resetchannels", "&other:*"},
		"as documented": {"resetchannels", "&sojourn:changes"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := admin.do(append([]string{"ACL", "SETUSER", "app", "reset", "on", ">" + password, "~sojourn:*", "+@all"}, rules...)...); got != "OK" {
				t.Fatal(got)
			}
			s, err := Open(t.Context(), "redis://app:"+password+"@"+server.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			since, err := s.Changes(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			ends(t, s, "alice")
			if changes, err := s.Changes(t.Context(), since.Next); err != nil || len(changes.List) != 1 {
				t.Errorf("after an end that could not be published Changes tells %d, %v", len(changes.List), err)
			}
			made(t, s, newRecord("bob"))
			made(t, s, newRecord("bob"))
			if n, err := s.DeleteOwner(t.Context(), "bob", "", ending()); n != 2 || err != nil {
				t.Errorf("DeleteOwner: %d, %v", n, err)
			}
			if name == "as documented" {
				l := listen(t, s)
				l.wakesFor(t, "an end", func() { ends(t, s, "alice") })
				return
			}
			if name == "no PUBLISH" {
				listen(t, s)
				return
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			err = s.Notify(ctx, func() {})
			if err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), "NOPERM") || !strings.Contains(err.Error(), "sojourn:changes") {
				t.Errorf("Notify without permission: %v", err)
			}
		})
	}
}

// A listener outlives its server, which it hears again when it is back.
func TestNotifyThroughRestart(t *testing.T) {
	server := engines.Redis(t)
	s := open(t, server.Addr(), Timeout(time.Second))
	l := listen(t, s)
	for range 2 {
		l.wakesFor(t, "an end", func() { ends(t, s, "alice") })
		server.Kill()
		l.wakesFor(t, "it listens again", server.Restart)
	}
	l.wakesFor(t, "an end", func() {
		eventually(t, "the store works again", func() bool { _, err := s.Create(t.Context(), newRecord("bob"), options()); return err == nil })
		ends(t, s, "alice")
	})
	select {
	case err := <-l.ended:
		t.Errorf("Notify ended: %v", err)
	default:
	}
}

// Nor is it enough that a connection is open: the server has to answer.
func TestNotifyThroughBlackHole(t *testing.T) {
	server := engines.Redis(t)
	proxy := engines.NewProxy(t, server.Addr())
	far, near := open(t, proxy.Addr(), Timeout(300*time.Millisecond)), open(t, server.Addr())
	l := listen(t, far)
	l.wakesFor(t, "an end", func() { ends(t, near, "alice") })
	proxy.Next(engines.Stall)
	ends(t, near, "alice") // is not heard
	l.wakesFor(t, "the silent connection is given up", func() {})

	// While it connects to a server that does not say a word, it ends too.
	l.end()
	l = listen(t, open(t, proxy.Addr(), Timeout(time.Minute)))
	before := proxy.Counts().Requests
	proxy.BlackHole(true)
	proxy.Cut()
	eventually(t, "the store connects", func() bool { return proxy.Counts().Requests > before })
	l.end()
	select {
	case err := <-l.ended:
		if err != context.Canceled {
			t.Errorf("Notify: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("Notify does not end while the store connects")
	}
	proxy.BlackHole(false)
}

func TestNotifyOfAClosedStore(t *testing.T) {
	server := engines.Redis(t)
	s := open(t, server.Addr())
	l := listen(t, s)
	s.Close()
	for range 2 {
		select {
		case err := <-l.ended:
			if !errors.Is(err, errClosed) {
				t.Errorf("Notify of a store that was closed: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("Notify of a store that was closed does not end")
		}
		l.ended <- s.Notify(t.Context(), func() { t.Error("woken by a closed store") })
	}
}

// On a cluster each server passes on what the others publish, also when one has
// failed and another has taken its place.
func TestNotifyThroughFailover(t *testing.T) {
	t.Parallel()
	c := engines.RedisCluster(t)
	var listeners []*listener
	var stores []*Store
	for range 6 { // each listens to any server
		s := openCluster(t, c, Timeout(time.Second))
		stores, listeners = append(stores, s), append(listeners, listen(t, s))
	}
	all := func(what string, owner string) {
		t.Helper()
		eventually(t, what, func() bool { // it may miss something while links are made
			before := make([]int64, len(listeners))
			for i, l := range listeners {
				before[i] = l.wakes.Load()
			}
			rec := newRecord(owner)
			if _, err := stores[0].Create(t.Context(), rec, options()); err != nil {
				return false
			}
			if err := stores[0].Delete(t.Context(), rec.Handle, ending()); err != nil {
				return false
			}
			for deadline := time.Now().Add(time.Second); time.Now().Before(deadline); time.Sleep(gap) {
				woken := 0
				for i, l := range listeners {
					if l.wakes.Load() > before[i] {
						woken++
					}
				}
				if woken == len(listeners) {
					return true
				}
			}
			return false
		})
	}
	owners := []string{"alice", "bob", "carol", "dora", "eve"}
	for _, owner := range owners {
		all("all hear of an end", owner)
	}
	master := c.MasterOf(stores[0].indexKey("alice"))
	master.Kill()
	c.Await()
	for _, owner := range owners {
		all("all hear of an end after a failover", owner)
	}
	master.Restart()
	c.Await()
	for _, owner := range owners {
		all("all hear of an end when the server is back", owner)
	}
}

// A server that has left its cluster is not listened to for ever.
func TestNotifyListensElsewhere(t *testing.T) {
	t.Parallel()
	c := engines.RedisCluster(t)
	s := openCluster(t, c)
	s.client.maxHeard = 50 * time.Millisecond
	l := listen(t, s)
	l.wakesFor(t, "it listens elsewhere", func() {})
	l.wakesFor(t, "it listens elsewhere again", func() {})
}
