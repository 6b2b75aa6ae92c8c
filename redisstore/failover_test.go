package redisstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest/engines"
)

// A tally is what became of a process's increments.
type tally struct {
	Acknowledged, Lost  int // lost are those that were acknowledged and are gone
	Unconfirmed, Failed int
	Doubled             int // more is counted than was sent
	Longest             time.Duration
}

// count increments process's own number in the record, which others change too,
// until ctx is done. A number that is smaller than what was acknowledged tells
// what was lost.
func count(ctx context.Context, s *Store, handle, process string) (t tally) {
	acknowledged, sent, worked := 0, 0, time.Now()
	for ctx.Err() == nil {
		rec, err := s.Load(ctx, handle)
		if err != nil {
			if ctx.Err() == nil {
				t.Failed++
			}
			continue
		}
		numbers := map[string]int{}
		if json.Unmarshal([]byte(rec.State), &numbers) != nil {
			panic("a state is no state")
		}
		if numbers[process] < acknowledged {
			t.Lost += acknowledged - numbers[process]
			acknowledged = numbers[process]
		} else if numbers[process] > sent {
			t.Doubled++
		}
		numbers[process]++
		from := rec.Version
		state, _ := json.Marshal(numbers)
		rec.State, rec.Version = string(state), store.NewVersion()
		sent = numbers[process]
		switch err = s.Apply(ctx, rec, from, time.Now()); {
		case err == nil:
			acknowledged = sent
			t.Acknowledged++
			t.Longest = max(t.Longest, time.Since(worked))
			worked = time.Now()
		case errors.Is(err, store.ErrConflict), ctx.Err() != nil:
		case errors.Is(err, ErrUnconfirmed):
			t.Unconfirmed++
		default:
			t.Failed++
		}
	}
	return t
}

// TestCounter is one of several processes that count; see counters.
func TestCounter(t *testing.T) {
	url := os.Getenv("REDISSTORE_COUNT")
	if url == "" {
		return // others run it, in a process of its own
	}
	opts := []Option{Timeout(time.Second)}
	if os.Getenv("REDISSTORE_REPLICAS") != "" {
		opts = append(opts, Replicas(1))
	}
	s, err := Open(t.Context(), url, opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		os.Stdin.Read(make([]byte, 1)) // until it is closed
		cancel()
	}()
	handles := strings.Split(os.Getenv("REDISSTORE_HANDLES"), " ")
	tallies := make([]tally, len(handles))
	var all sync.WaitGroup
	for i, handle := range handles {
		all.Go(func() { tallies[i] = count(ctx, s, handle, os.Getenv("REDISSTORE_PROCESS")) })
	}
	fmt.Println("counting")
	all.Wait()
	text, _ := json.Marshal(tallies)
	fmt.Printf("tally %s\n", text)
}

// counters starts two processes that count, and returns a function that ends
// them and returns what became of all increments.
func counters(t *testing.T, c *engines.Cluster, handles []string, confirmed bool) func() tally {
	t.Helper()
	var ends []func() tally
	for _, process := range []string{"a", "b"} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestCounter$", "-test.timeout=5m")
		cmd.Env = append(os.Environ(), "REDISSTORE_COUNT=redis+cluster://"+strings.Join(c.Addrs(), ","),
			"REDISSTORE_PROCESS="+process, "REDISSTORE_HANDLES="+strings.Join(handles, " "))
		if confirmed {
			cmd.Env = append(cmd.Env, "REDISSTORE_REPLICAS=1")
		}
		in, _ := cmd.StdinPipe()
		var out safe
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "a process counts", func() bool { return strings.Contains(out.String(), "counting\n") })
		ends = append(ends, func() (sum tally) {
			in.Close()
			err := cmd.Wait()
			_, text, _ := strings.Cut(out.String(), "tally ")
			text, _, _ = strings.Cut(text, "\n")
			var tallies []tally
			if json.Unmarshal([]byte(text), &tallies) != nil || err != nil {
				t.Fatalf("a process that counts: %v\n%s", err, out.String())
			}
			for _, one := range tallies {
				sum.add(one)
			}
			return sum
		})
	}
	return func() (sum tally) {
		for _, end := range ends {
			sum.add(end())
		}
		return sum
	}
}

func (t *tally) add(u tally) {
	t.Acknowledged += u.Acknowledged
	t.Lost += u.Lost
	t.Unconfirmed += u.Unconfirmed
	t.Failed += u.Failed
	t.Doubled += u.Doubled
	t.Longest = max(t.Longest, u.Longest)
}

// A safe is a buffer that may be read while a process writes to it.
type safe struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *safe) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *safe) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// killing runs two processes that count in a dozen records while masters are
// killed, one after the other. With cut each is first cut off from its replica,
// while its clients go on.
func killing(t *testing.T, kills int, confirmed, cut bool) tally {
	t.Helper()
	c := engines.RedisClusterBehindProxies(t)
	s := openCluster(t, c, Replicas(1))
	var handles []string
	for i := range 12 {
		rec := newRecord(fmt.Sprintf("owner %d", i))
		rec.State = "{}"
		handles = append(handles, made(t, s, rec).Handle)
	}
	end := counters(t, c, handles, confirmed)
	var back time.Duration
	for i := range kills {
		handle := handles[i%len(handles)]
		master := c.MasterOf(s.recordKey(handle))
		grows(t, s, handle)
		if cut {
			r := dialRaw(t, master.Direct())
			master.Proxy.Refuse(true)
			before := r.calls("evalsha") + r.calls("get")
			r.do("CLIENT", "KILL", "TYPE", "replica")
			more := 2000
			if confirmed { // each takes its time, and fails
				more = 24
			}
			eventually(t, "clients go on", func() bool { return r.calls("evalsha")+r.calls("get") > before+more })
		}
		master.Kill()
		began := time.Now()
		eventually(t, "the store works again", func() bool {
			return s.Touch(t.Context(), handle, time.Now(), time.Now().Add(2*time.Hour)) == nil
		})
		back = max(back, time.Since(began))
		c.Await()
		master.Proxy.Refuse(false)
		master.Restart() // before that nothing can be confirmed: there was one replica
		c.Await()
		grows(t, s, handle)
	}
	sum := end()
	t.Logf("%d kills: the store works again after at most %s, %+v", kills, back.Round(time.Millisecond), sum)
	if sum.Doubled > 0 {
		t.Errorf("%d increments were made that nobody sent", sum.Doubled)
	}
	return sum
}

// grows waits until a counter has grown.
func grows(t *testing.T, s *Store, handle string) {
	t.Helper()
	before := ""
	eventually(t, "the counter grows", func() bool {
		rec, err := s.Load(t.Context(), handle)
		if err == nil && before == "" {
			before = rec.State
		}
		return err == nil && len(rec.State) > 10 && rec.State != before
	})
}

// Two processes count while masters fail: with Replicas(1) no increment that was
// acknowledged is lost, also when the master was cut off from its replica.
func TestFailover(t *testing.T) {
	for name, cut := range map[string]bool{"killed": false, "cut off and killed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			sum := killing(t, long(1, 6), true, cut)
			if sum.Lost > 0 || sum.Acknowledged == 0 {
				t.Errorf("of %d acknowledged increments %d are lost", sum.Acknowledged, sum.Lost)
			}
			if cut && sum.Unconfirmed == 0 {
				t.Error("no write was unconfirmed, though the master had no replica for a while")
			}
		})
	}
}

// TestFailoverUnconfirmed prints what is lost without Replicas. SOJOURN_LONG=1
// runs it.
func TestFailoverUnconfirmed(t *testing.T) {
	if os.Getenv("SOJOURN_LONG") == "" {
		t.Skip("it only prints figures; SOJOURN_LONG=1 runs it")
	}
	for name, cut := range map[string]bool{"killed": false, "cut off and killed": true} {
		t.Run(name, func(t *testing.T) { killing(t, 6, false, cut) })
	}
}

func long(short, long int) int {
	if os.Getenv("SOJOURN_LONG") != "" {
		return long
	}
	return short
}

// Every end that was acknowledged is told by the first answer of Changes that
// begins after it, while a master fails over and afterwards. Nor is a record
// ended twice, nor does one come back.
func TestChangesThroughFailover(t *testing.T) {
	t.Parallel()
	c := engines.RedisCluster(t)
	s := openCluster(t, c, Replicas(1), Timeout(time.Second))
	since, err := s.Changes(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	ended := map[string]bool{}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for ctx.Err() == nil {
				rec := newRecord(fmt.Sprintf("owner %d", i*31))
				if _, err := s.Create(ctx, rec, options()); err != nil {
					continue
				}
				if s.Delete(ctx, rec.Handle, ending()) == nil {
					mu.Lock()
					ended[rec.Handle] = true
					mu.Unlock()
				}
			}
		})
	}
	told := map[string]bool{}
	var silent time.Duration // the longest time without an answer
	last := time.Now()
	poll := func() {
		mu.Lock()
		var due []string
		for h := range ended {
			due = append(due, h)
		}
		mu.Unlock()
		changes, err := s.Changes(t.Context(), since.Next)
		if err != nil {
			return
		}
		silent, last = max(silent, time.Since(last)), time.Now()
		since = changes
		for _, change := range changes.List {
			told[change.Handle] = true
		}
		for _, h := range due {
			if !told[h] {
				t.Fatalf("an end that was acknowledged before Changes was asked is not told")
			}
		}
	}
	busy := func(n int) {
		t.Helper()
		begin := len(told)
		eventually(t, "changes are told", func() bool { poll(); return len(told) >= begin+n })
	}
	busy(50)
	master := c.MasterOf(s.logKey(7))
	master.Kill()
	began := time.Now()
	for first := true; first || c.MasterOf(s.logKey(7)) == nil; first = false {
		poll()
	}
	busy(50)
	t.Logf("Changes answers again %s after a master was killed; the longest time without an answer is %s; %d ends told",
		time.Since(began).Round(time.Millisecond), silent.Round(time.Millisecond), len(told))
	if silent > 10*time.Second {
		t.Errorf("Changes gave no answer for %s", silent)
	}
	cancel()
	all.Wait()
	poll()
	master.Restart()
	c.Await()
	for h := range ended {
		eventually(t, "the store says whether a record is there", func() bool { // which the restarted one has to confirm first
			_, err := s.Load(t.Context(), h)
			if err == nil {
				t.Errorf("a record whose end was acknowledged is back")
			}
			return err == nil || errors.Is(err, store.ErrGone)
		})
	}
}

func TestSentinel(t *testing.T) {
	t.Parallel()
	w := engines.RedisSentinel(t)
	s, err := Open(t.Context(), "redis+sentinel://"+w.Sentinel.Addr()+"/"+w.Name, Replicas(1), Timeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rec := made(t, s, newRecord("alice"))
	since, err := s.Changes(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	l := listen(t, s)
	w.Master.Kill()
	began := time.Now()
	eventually(t, "the store follows", func() bool { _, err := s.Load(t.Context(), rec.Handle); return err == nil })
	t.Logf("after %s the store works again", time.Since(began).Round(time.Millisecond))
	if _, err := s.Changes(t.Context(), since.Next); !errors.Is(err, store.ErrGone) {
		t.Errorf("Changes since before the failover: %v, want ErrGone", err)
	}
	eventually(t, "the store listens to the new master", func() bool { return l.wakes.Load() > 1 })
	l.wakesFor(t, "an end on the new master", func() {
		if err := s.Delete(t.Context(), rec.Handle, ending()); !errors.Is(err, ErrUnconfirmed) {
			t.Errorf("Delete where no replica is left: %v, want ErrUnconfirmed", err)
		}
	})
	if _, err := Open(t.Context(), "redis+sentinel://"+w.Sentinel.Addr()+"/other"); err == nil {
		t.Error("Open of a master that the sentinel does not know")
	}
}
