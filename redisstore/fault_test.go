package redisstore

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest/engines"
)

// verbs are calls that reach the server: of each verb that has one, on records
// of their own.
func verbs(t testing.TB, s *Store) map[string]func(context.Context) error {
	t.Helper()
	rec, ended := made(t, s, newRecord("alice")), made(t, s, newRecord("bob"))
	changed := *rec
	changed.Version = store.NewVersion()
	changes, err := s.Changes(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return map[string]func(context.Context) error{
		"Load": func(ctx context.Context) error { _, err := s.Load(ctx, rec.Handle); return err },
		"Create": func(ctx context.Context) error {
			_, err := s.Create(ctx, newRecord("alice"), options())
			return err
		},
		"Apply": func(ctx context.Context) error { return s.Apply(ctx, &changed, rec.Version, time.Now()) },
		"Touch": func(ctx context.Context) error {
			return s.Touch(ctx, rec.Handle, time.Now(), time.Now().Add(2*time.Hour))
		},
		"Delete":      func(ctx context.Context) error { return s.Delete(ctx, ended.Handle, ending()) },
		"DeleteOwner": func(ctx context.Context) error { _, err := s.DeleteOwner(ctx, "carol", "", ending()); return err },
		"List":        func(ctx context.Context) error { _, err := s.List(ctx, "alice", store.Page{Limit: 10}); return err },
		"Scan":        func(ctx context.Context) error { _, err := s.Scan(ctx, store.Page{Limit: 10}); return err },
		"Changes":     func(ctx context.Context) error { _, err := s.Changes(ctx, changes.Next); return err },
	}
}

// in runs f, and requires a deadline error after the context's deadline, and
// not only after the store's own timeout, which is longer than a busy machine
// takes.
func in(t *testing.T, what string, f func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	err := f(ctx)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%s on a stalled server: %v", what, err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("%s with a deadline of 100 ms took %s", what, took)
	}
}

func TestDeadlineOnStalledServer(t *testing.T) {
	server := engines.Redis(t)
	s := open(t, server.Addr(), Timeout(time.Minute)) // no sign of life is due, which would break the connection
	calls := verbs(t, s)
	server.Pause()
	for name, call := range calls {
		in(t, name, call)
	}
	server.Resume()
	eventually(t, "the store works again", func() bool { return calls["Load"](t.Context()) == nil })

	// Nor may it wait while somebody else connects, to a server that does not
	// say a word.
	proxy := engines.NewProxy(t, server.Addr())
	through := open(t, proxy.Addr(), Timeout(time.Minute))
	proxy.BlackHole(true)
	proxy.Cut()
	eventually(t, "the store sees that the connection is gone", func() bool { return through.client.epoch.Load() >= 2 && proxy.Open() == 0 })
	began := make(chan struct{})
	var patient sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	patient.Go(func() {
		close(began)
		through.Load(ctx, store.NewHandle("")) // has a minute to connect
	})
	<-began
	eventually(t, "the store connects", func() bool { return proxy.Open() >= 1 })
	in(t, "Load while another one connects", func(ctx context.Context) error {
		_, err := through.Load(ctx, store.NewHandle(""))
		return err
	})
	cancel()
	patient.Wait()
	proxy.BlackHole(false)
}

// A stalled server meets more calls than the library's queue has places.
func TestDeadlineOfACrowd(t *testing.T) {
	server := engines.Redis(t)
	s := open(t, server.Addr(), Timeout(30*time.Second))
	rec := made(t, s, newRecord("alice"))
	server.Pause()
	var crowd sync.WaitGroup
	var late, wrong atomic.Int64
	for range 4000 {
		crowd.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			began := time.Now()
			if _, err := s.Load(ctx, rec.Handle); !errors.Is(err, context.DeadlineExceeded) {
				wrong.Add(1)
			}
			if time.Since(began) > 5*time.Second {
				late.Add(1)
			}
		})
	}
	crowd.Wait()
	if late.Load() > 0 || wrong.Load() > 0 {
		t.Errorf("of 4000 calls with a deadline of 200 ms %d took more than 5 s, %d did not fail by it", late.Load(), wrong.Load())
	}
	server.Resume()
	eventually(t, "the store works again", func() bool { _, err := s.Load(t.Context(), rec.Handle); return err == nil })
}

// The store's own timeout holds where the context has none, or a later one.
func TestTimeout(t *testing.T) {
	server := engines.Redis(t)
	s := open(t, server.Addr(), Timeout(100*time.Millisecond))
	for given, want := range map[time.Duration]time.Duration{time.Hour: 100 * time.Millisecond, 50 * time.Millisecond: 50 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), given)
		defer cancel()
		bounded, cancel := s.client.bounded(ctx)
		defer cancel()
		if deadline, ok := bounded.Deadline(); !ok || time.Until(deadline) > want {
			t.Errorf("a call with a deadline of %s may take until %s", given, deadline)
		}
	}
	rec := made(t, s, newRecord("alice"))
	server.Pause()
	began := time.Now()
	_, err := s.Load(context.Background(), rec.Handle)
	if err == nil || time.Since(began) > 2*time.Second {
		t.Errorf("Load without a deadline, on a stalled server, ended after %s: %v", time.Since(began), err)
	}
	// The connection is given up, so that one to a server that has moved is made.
	eventually(t, "the dead connection is given up", func() bool { return s.client.epoch.Load() >= 2 })
}

// A write whose answer is lost was done once, and is an error.
func TestLostReply(t *testing.T) {
	server := engines.Redis(t)
	proxy := engines.NewProxy(t, server.Addr())
	s := open(t, proxy.Addr(), Timeout(300*time.Millisecond))
	count := dialRaw(t, server.Addr())
	for _, verdict := range []engines.Verdict{engines.Drop, engines.Stall} {
		for name, call := range verbs(t, s) {
			// A fresh connection has greetings of its own.
			eventually(t, "there is a connection", func() bool { _, err := s.client.do(t.Context(), command{name: "PING"}); return err == nil })
			before, gets := count.calls("evalsha")+count.calls("eval"), count.calls("get")
			proxy.Next(verdict)
			if err := call(t.Context()); err == nil {
				t.Errorf("%s whose answer was lost returned no error", name)
			} else if errors.Is(err, store.ErrGone) || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrExists) {
				t.Errorf("%s whose answer was lost says %v, which is an answer", name, err)
			}
			eventually(t, "there is a connection", func() bool { _, err := s.client.do(t.Context(), command{name: "PING"}); return err == nil })
			after, want := count.calls("evalsha")+count.calls("eval")-before, 1
			switch name {
			case "Load":
				after = count.calls("get") - gets
			case "Scan", "Changes":
				want = 0
			}
			if after != want {
				t.Errorf("%s whose answer was lost was run %d times, want %d", name, after, want)
			}
		}
	}
	if proxy.Counts().Dropped == 0 {
		t.Fatal("no answer was lost")
	}
}

func TestRestart(t *testing.T) {
	server := engines.Redis(t, engines.AppendOnly("always"))
	s := open(t, server.Addr(), Timeout(time.Minute)) // it sees at once, not when a sign of life is due
	rec := made(t, s, newRecord("alice"))
	since, err := s.Changes(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		server.Restart()
		eventually(t, "the store sees that the server went", func() bool { return s.client.good.Load() != s.client.epoch.Load() })
		if err := s.Touch(t.Context(), rec.Handle, time.Now(), time.Now().Add(2*time.Hour)); err != nil {
			t.Fatalf("the first call after a restart: %v", err)
		}
	}
	if _, err := s.Changes(t.Context(), since.Next); !errors.Is(err, store.ErrGone) {
		t.Errorf("Changes since before a restart: %v, want ErrGone", err)
	}
	server.Kill()
	eventually(t, "the store sees that the server went", func() bool { return s.client.good.Load() != s.client.epoch.Load() })
	if _, err := s.Load(t.Context(), rec.Handle); err == nil || errors.Is(err, store.ErrGone) {
		t.Errorf("Load from a server that is not there: %v, want a failure", err)
	}
	server.Restart()
	if got, err := s.Load(t.Context(), rec.Handle); err != nil || got.State != rec.State {
		t.Errorf("Load after a crash, with appendfsync always: %v, %v", got, err)
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	server := engines.Redis(t)
	proxy := engines.NewProxy(t, server.Addr())
	leftover := func() string {
		stacks := make([]byte, 1<<20)
		var ours []string
		for _, g := range strings.Split(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
			if strings.Contains(g, "rueidis") {
				ours = append(ours, g)
			}
		}
		return strings.Join(ours, "\n\n")
	}
	eventually(t, "other tests' stores have closed", func() bool { return leftover() == "" })
	for _, broken := range []string{"", "cut", "stalled"} {
		s := open(t, proxy.Addr(), Timeout(200*time.Millisecond))
		calls := verbs(t, s)
		switch broken {
		case "cut":
			proxy.Cut()
		case "stalled":
			proxy.BlackHole(true)
		}
		for _, call := range calls {
			call(t.Context())
		}
		s.Close()
		if _, err := s.Load(t.Context(), store.NewHandle("")); err == nil || errors.Is(err, store.ErrGone) {
			t.Errorf("Load from a closed store: %v, want a failure", err)
		}
		eventually(t, "no goroutine is left", func() bool { return leftover() == "" })
		proxy.BlackHole(false)
		eventually(t, "no connection is left", func() bool { return proxy.Open() == 0 })
	}
}
