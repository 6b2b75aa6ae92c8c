package redisstore

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest/engines"
)

// inBucket returns n owners whose records are in bucket.
func inBucket(bucket string, n int) (owners []string) {
	for i := 0; len(owners) < n; i++ {
		if owner := "owner " + strconv.Itoa(i); store.Bucket(owner) == bucket {
			owners = append(owners, owner)
		}
	}
	return owners
}

// live makes, changes, replaces, lists and ends an owner's records until ctx is
// done, and returns those that are there then, by handle. It counts calls.
func live(ctx context.Context, s *Store, owner string, calls *atomic.Int64) (there map[string]*store.Record, err error) {
	there = map[string]*store.Record{}
	var last *store.Record
	for i := 0; ctx.Err() == nil; i++ {
		calls.Add(1)
		rec := newRecord(owner)
		opts := options()
		if i%3 == 1 {
			opts.Replaces = last.Handle
		}
		opts.Limit, opts.EndOldest = 20, true
		created, err := s.Create(context.Background(), rec, opts)
		if err != nil || created.Replaced != (i%3 == 1) {
			return nil, fmt.Errorf("create: replaced %v, %w", created.Replaced, err)
		}
		if created.Replaced {
			delete(there, last.Handle)
		}
		for _, h := range created.Ended {
			if there[h] == nil {
				return nil, errors.New("a record was ended that is not there")
			}
			delete(there, h)
		}
		there[rec.Handle], last = rec, rec
		from := rec.Version
		rec.Version, rec.State, rec.IdleDeadline = store.NewVersion(), strconv.Itoa(i), rec.IdleDeadline.Add(time.Minute)
		if err := s.Apply(context.Background(), rec, from, time.Now()); err != nil {
			return nil, fmt.Errorf("apply: %w", err)
		}
		if err := s.Touch(context.Background(), rec.Handle, time.Now(), time.Now().Add(2*time.Hour)); err != nil {
			return nil, fmt.Errorf("touch: %w", err)
		}
		if i%5 == 4 {
			if err := s.Delete(context.Background(), rec.Handle, ending()); err != nil {
				return nil, fmt.Errorf("delete: %w", err)
			}
			delete(there, rec.Handle)
			rec = newRecord(owner) // one to be replaced
			if _, err := s.Create(context.Background(), rec, options()); err != nil {
				return nil, fmt.Errorf("create: %w", err)
			}
			there[rec.Handle], last = rec, rec
		}
		if i%40 == 39 {
			n, err := s.DeleteOwner(context.Background(), owner, last.Handle, ending())
			if err != nil || n != len(there)-1 {
				return nil, fmt.Errorf("of %d records %d were ended: %w", len(there)-1, n, err)
			}
			there = map[string]*store.Record{last.Handle: last}
		}
		if err := same(s, owner, there); err != nil {
			return nil, err
		}
	}
	return there, nil
}

// same reports whether an owner's records are those, and none besides.
func same(s *Store, owner string, there map[string]*store.Record) error {
	listing, err := s.List(context.Background(), owner, store.Page{Limit: 1000})
	if err != nil || len(listing.Records) != len(there) {
		return fmt.Errorf("%d records are listed of %d: %w", len(listing.Records), len(there), err)
	}
	for _, l := range listing.Records {
		rec := there[l.Handle]
		got, err := s.Load(context.Background(), l.Handle)
		if err != nil || rec == nil || got.State != rec.State || got.Version != rec.Version || l.Version != rec.Version {
			return fmt.Errorf("a record that is listed is another one: %w", err)
		}
	}
	return nil
}

// A slot moves between masters, key by key, while owners in it are busy: every
// call does what it would otherwise, some a little later.
func slotMovesUnderLoad(t *testing.T, c *engines.Cluster) {
	for name, opts := range map[string][]Option{"plain": nil, "Replicas(1)": {Replicas(1)}} {
		t.Run(name, func(t *testing.T) {
			s := openCluster(t, c, append(opts, Timeout(30*time.Second))...)
			bucket := store.Bucket("alice")
			for range 50 { // some that stay, so that a move takes its time
				rec := newRecord("")
				rec.Handle = store.NewHandle("alice")
				made(t, s, rec)
			}
			since, err := s.Changes(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var all sync.WaitGroup
			var calls atomic.Int64
			for _, owner := range inBucket(bucket, 6) {
				if _, err := s.DeleteOwner(t.Context(), owner, "", ending()); err != nil {
					t.Fatal(err)
				}
				all.Go(func() {
					there, err := live(ctx, s, owner, &calls)
					if err == nil {
						err = same(s, owner, there)
					}
					if err != nil {
						t.Errorf("while its slot moves, %s: %v", owner, err)
						cancel()
					}
				})
			}
			key := s.tag(bucket) + "x"
			moves := long(4, 100)
			for i := range moves {
				to := c.Nodes[i%3]
				if to == c.MasterOf(key) {
					to = c.Nodes[(i+1)%3]
				}
				before := calls.Load()
				eventually(t, "the owners are busy", func() bool { return calls.Load() > before+20 || ctx.Err() != nil })
				c.Move(key, to, nil)
			}
			cancel()
			all.Wait()
			if _, err := s.Changes(t.Context(), since.Next); err != nil {
				t.Errorf("Changes after %d moves: %v", moves, err)
			}
			t.Logf("%d rounds of calls while a slot moved %d times", calls.Load(), moves)
		})
	}
}

// A scan that a slot has moved beside begins again: it might have missed the
// slot.
func scanWhileSlotMoves(t *testing.T, c *engines.Cluster) {
	s := openCluster(t, c)
	want := map[string]bool{}
	for range 100 {
		want[made(t, s, newRecord("")).Handle] = true
	}
	first, err := s.Scan(t.Context(), store.Page{Limit: 10})
	if err != nil || first.Next == "" {
		t.Fatalf("the first page: %q, %v", first.Next, err)
	}
	key := s.logKey(0)
	from, to := c.MasterOf(key), c.Nodes[0]
	if to == from {
		to = c.Nodes[1]
	}
	var once sync.Once
	c.Move(key, to, func() {
		once.Do(func() {
			if _, err := s.Scan(t.Context(), store.Page{Cursor: first.Next, Limit: 10}); !errors.Is(err, errChanging) {
				t.Errorf("Scan while a slot of the server moves: %v", err)
			}
		})
	})
	if _, err := s.Scan(t.Context(), store.Page{Cursor: first.Next, Limit: 10}); !errors.Is(err, errChanging) {
		t.Errorf("Scan after a slot has moved: %v", err)
	}
	// Also a slot that the page has nothing to do with.
	c.Move(key, from, nil)
	c.Await()
	var page store.Listing
	eventually(t, "a scan begins", func() bool { page, err = s.Scan(t.Context(), store.Page{Limit: 10}); return err == nil })
	for b := range 256 {
		key := s.logKey(b)
		if owner := c.MasterOf(key); owner != from && owner != to {
			c.Move(key, to, nil)
			break
		}
	}
	c.Await()
	if _, err := s.Scan(t.Context(), store.Page{Cursor: page.Next, Limit: 10}); !errors.Is(err, errChanging) {
		t.Errorf("Scan after a slot has moved between two other servers: %v", err)
	}
	var seen map[string]bool
	eventually(t, "a scan comes to its end", func() bool {
		seen = map[string]bool{}
		for page := (store.Page{Limit: 10}); ; {
			listing, err := s.Scan(t.Context(), page)
			for _, l := range listing.Records {
				seen[l.Handle] = true
			}
			if page.Cursor = listing.Next; page.Cursor == "" {
				return err == nil
			}
		}
	})
	for h := range want {
		if !seen[h] {
			t.Fatal("Scan begun anew misses a record")
		}
	}
}

// One server that does not answer holds up only what it holds.
func blackHoleOnCluster(t *testing.T, c *engines.Cluster) {
	s := openCluster(t, c, Timeout(time.Second))
	hole := c.MasterOf(s.logKey(0))
	var inside, outside []*store.Record
	for len(inside) < 20 || len(outside) < 20 {
		rec := made(t, s, newRecord(""))
		if c.MasterOf(s.recordKey(rec.Handle)) == hole {
			inside = append(inside, rec)
		} else {
			outside = append(outside, rec)
		}
	}
	hole.Proxy.BlackHole(true)
	var all sync.WaitGroup
	var wrong atomic.Int64
	for i := range 2000 {
		all.Go(func() {
			if _, err := s.Load(t.Context(), inside[i%len(inside)].Handle); err == nil {
				wrong.Add(1)
			}
		})
	}
	var slowest time.Duration
	for _, rec := range outside {
		began := time.Now()
		if err := s.Touch(t.Context(), rec.Handle, time.Now(), time.Now().Add(2*time.Hour)); err != nil {
			t.Errorf("Touch at a server that answers, beside one that does not: %v", err)
		}
		slowest = max(slowest, time.Since(began))
	}
	began := time.Now()
	all.Wait()
	if wrong.Load() > 0 || time.Since(began) > 5*time.Second {
		t.Errorf("into the hole: %d calls were answered; all were over after %s", wrong.Load(), time.Since(began))
	}
	if slowest > 500*time.Millisecond {
		t.Errorf("the slowest call at a server that answers took %s", slowest)
	}
	hole.Proxy.BlackHole(false)
	eventually(t, "all works again", func() bool { _, err := s.Load(t.Context(), inside[0].Handle); return err == nil })
	second, err := Open(t.Context(), "redis+cluster://127.0.0.1:1,"+c.Nodes[0].Addr())
	if err != nil {
		t.Fatalf("Open, where the first of the servers named is not there: %v", err)
	}
	second.Close()
}

// A write whose answer is lost was done once, and is an error: also on a
// cluster, where the library repeats what was redirected.
func lostReplyOnCluster(t *testing.T, c *engines.Cluster) {
	ran := func() (n int) {
		for _, node := range c.Nodes {
			r := dialRaw(t, node.Direct())
			n += r.calls("evalsha") + r.calls("eval")
			r.conn.Close()
		}
		return n
	}
	for name, opts := range map[string][]Option{"plain": nil, "Replicas(1)": {Replicas(1)}} {
		s := openCluster(t, c, append(opts, Timeout(time.Second))...)
		rec := made(t, s, newRecord("alice"))
		master := c.MasterOf(s.recordKey(rec.Handle))
		for _, verdict := range []engines.Verdict{engines.Drop, engines.Stall} {
			eventually(t, "there is a connection", func() bool { _, err := s.Create(t.Context(), newRecord("alice"), options()); return err == nil })
			before := ran()
			// All answers of a moment meet it, for the stream to a replica is
			// some too; then a command that was sent again would arrive.
			var first atomic.Int64
			master.Proxy.Answers(func() engines.Verdict {
				now := time.Now().UnixMilli()
				if first.CompareAndSwap(0, now); now > first.Load()+50 {
					return engines.Pass
				}
				return verdict
			})
			_, err := s.Create(t.Context(), newRecord("alice"), options())
			if err == nil || errors.Is(err, store.ErrExists) {
				t.Errorf("%s: Create whose answer was lost: %v", name, err)
			}
			master.Proxy.Answers(nil)
			master.Proxy.Cut() // also what was stalled
			eventually(t, "there is a connection", func() bool { _, err := s.Load(t.Context(), rec.Handle); return err == nil })
			if got := ran() - before; got != 1 {
				t.Errorf("%s: Create whose answer was lost was run %d times", name, got)
			}
		}
		c.Await() // the replica was cut off too
	}
}

// After Close no goroutine is left, nor a connection.
func closeOnCluster(t *testing.T, c *engines.Cluster) {
	clients := func() (n int) {
		for _, node := range c.Nodes {
			r := dialRaw(t, node.Direct())
			n += strings.Count(r.do("CLIENT", "LIST"), "name=sojourn")
			r.conn.Close()
		}
		return n
	}
	leftover := func() (n int) {
		stacks := make([]byte, 1<<20)
		return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "rueidis.")
	}
	eventually(t, "other tests' stores have closed", func() bool { return leftover() == 0 })
	s := openCluster(t, c, Replicas(1))
	for range 100 {
		made(t, s, newRecord(""))
	}
	key := s.logKey(0)
	from := c.MasterOf(key)
	for _, to := range c.Nodes[:long(0, 3)] { // after it the library keeps a connection for five seconds
		if to != from {
			c.Move(key, to, nil)
			break
		}
	}
	if _, err := s.Changes(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if clients() < 3 {
		t.Fatalf("an open store has %d connections", clients())
	}
	s.Close()
	if _, err := s.Load(t.Context(), store.NewHandle("")); err == nil || errors.Is(err, store.ErrGone) {
		t.Errorf("Load from a closed store: %v, want a failure", err)
	}
	if _, err := s.Create(t.Context(), newRecord(""), options()); err == nil {
		t.Error("Create in a closed store succeeds")
	}
	eventually(t, "no goroutine is left", func() bool { return leftover() == 0 })
	eventually(t, "no connection is left", func() bool { return clients() == 0 })
}
