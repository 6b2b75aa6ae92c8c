package memstore

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

const million = 1_000_000

// start is when tests begin.
var start = time.UnixMilli(1_750_000_000_000).UTC()

// sample is a session like those of the peers' measurements: 113 bytes of
// state, one verifier, 40 bytes of facts. Its strings are its own.
func sample(owner string, made time.Time) *store.Record {
	return &store.Record{
		Header: store.Header{
			Kind: store.KindSession, Handle: store.NewHandle(owner), Owner: owner, Version: store.NewVersion(),
			Created: made, LastSeen: made, IdleDeadline: made.Add(30 * time.Minute), AbsoluteDeadline: made.Add(12 * time.Hour),
		},
		Facts: strings.Repeat("f", 40), Verifiers: strings.Repeat("v", 33), State: strings.Repeat("s", 113),
	}
}

// TestMillion measures a million sessions: run it with SOJOURN_LONG=1, -v and
// without -race. It holds the store to 450 bytes a session and a collection of
// 5 milliseconds, or 10 times the empty heap's on a slow machine.
func TestMillion(t *testing.T) {
	if os.Getenv("SOJOURN_LONG") == "" {
		t.Skip("long: set SOJOURN_LONG=1 to run it")
	}
	empty := collection(t, "an empty heap")
	before := heap()
	s := newStore(t, Options{Records: 2 * million, Bytes: 2 << 30})
	began := time.Now()
	for i := range million {
		create(t, s, sample(fmt.Sprintf("user-%07d", i), start.Add(time.Duration(i)*time.Millisecond)))
	}
	took := time.Since(began)
	perSession := float64(heap()-before) / million
	t.Logf("load: %.2f s, %.2f µs a session; making one for it is part of that", took.Seconds(), took.Seconds()*1e6/million)
	t.Logf("memory: %.0f bytes a session of the heap, %.0f by Stats", perSession, float64(s.Stats().Bytes)/million)
	full := collection(t, "a million sessions")
	if perSession > 450 {
		t.Errorf("a session takes %.0f bytes", perSession)
	}
	if full > max(5*time.Millisecond, 10*empty) {
		t.Errorf("a collection takes %v, beside %v of an empty heap", full, empty)
	}
	scanAll(t, s)
	sweepAll(t, s)
	t.Logf("memory: %d KiB of the heap when all is swept", (heap()-before)/1024)
	runtime.KeepAlive(s)
}

// TestMillionFloor measures what the usual map of records costs.
func TestMillionFloor(t *testing.T) {
	if os.Getenv("SOJOURN_LONG") == "" {
		t.Skip("long: set SOJOURN_LONG=1 to run it")
	}
	before := heap()
	m := map[string]*store.Record{}
	began := time.Now()
	for i := range million {
		rec := sample(fmt.Sprintf("user-%07d", i), start)
		m[rec.Handle] = rec
	}
	t.Logf("load: %.2f s", time.Since(began).Seconds())
	t.Logf("memory: %.0f bytes a session of the heap", float64(heap()-before)/million)
	collection(t, "a map of a million records")
	runtime.KeepAlive(m)
}

// TestMillionOf100 measures 100 owners with 10,000 sessions each.
func TestMillionOf100(t *testing.T) {
	if os.Getenv("SOJOURN_LONG") == "" {
		t.Skip("long: set SOJOURN_LONG=1 to run it")
	}
	s := newStore(t, Options{Records: 2 * million, Bytes: 2 << 30})
	began := time.Now()
	for i := range million {
		create(t, s, sample(fmt.Sprintf("owner-%d", i%100), start))
	}
	t.Logf("load: %.2f s", time.Since(began).Seconds())
	began = time.Now()
	pages, longest := 0, time.Duration(0)
	for i := range 100 {
		n := 0
		for page := (store.Page{Limit: 100}); ; pages++ {
			at := time.Now()
			l, err := s.List(t.Context(), fmt.Sprintf("owner-%d", i), page)
			longest = max(longest, time.Since(at))
			if err != nil {
				t.Fatal(err)
			}
			n += len(l.Records)
			if page.Cursor = l.Next; page.Cursor == "" {
				break
			}
		}
		if n != 10_000 {
			t.Fatalf("owner %d has %d sessions", i, n)
		}
	}
	took := time.Since(began)
	t.Logf("lists: 100 owners' 10,000 sessions in pages of 100: %.2f s, %.0f µs a page, the longest %v", took.Seconds(), took.Seconds()*1e6/float64(pages+100), longest)
	began = time.Now()
	if n, err := s.DeleteOwner(t.Context(), "owner-7", "", store.Ending{Mark: 1, Now: start}); n != 10_000 || err != nil {
		t.Fatal(n, err)
	}
	t.Logf("DeleteOwner of 10,000: %v", time.Since(began))
}

func create(t testing.TB, s *Store, rec *store.Record) {
	t.Helper()
	if _, err := s.Create(t.Context(), rec, store.CreateOptions{Now: rec.Created}); err != nil {
		t.Fatal(err)
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// collection is how long the fastest of some forced collections took: other
// work on the machine makes them slower, and nothing makes them faster.
func collection(t *testing.T, what string) time.Duration {
	var took []time.Duration
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range 21 {
		began := time.Now()
		runtime.GC()
		took = append(took, time.Since(began))
	}
	runtime.ReadMemStats(&after)
	slices.Sort(took)
	pause := time.Duration(after.PauseTotalNs-before.PauseTotalNs) / 21
	t.Logf("collection, %s: fastest %v, median %v, longest %v; the world stops for %v", what, took[0], took[10], took[20], pause)
	return took[0]
}

func scanAll(t *testing.T, s *Store) {
	began, n := time.Now(), 0
	for page := (store.Page{Limit: 1000}); ; {
		l, err := s.Scan(t.Context(), page)
		if err != nil {
			t.Fatal(err)
		}
		n += len(l.Records)
		if page.Cursor = l.Next; page.Cursor == "" {
			break
		}
	}
	if n != million {
		t.Fatalf("Scan shows %d", n)
	}
	t.Logf("scan of all, in pages of 1,000: %.2f s", time.Since(began).Seconds())
}

// sweepAll sweeps, and asks for a record all the while.
func sweepAll(t *testing.T, s *Store) {
	began := time.Now()
	if n, err := s.Sweep(t.Context(), start, million); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	t.Logf("sweep when nothing has expired: %v", time.Since(began))
	kept := sample("kept", start.Add(24*time.Hour))
	create(t, s, kept)
	took := beside(t, s, kept.Handle, "a sweep of a million", func() {
		if n, err := s.Sweep(t.Context(), start.Add(13*time.Hour), 2*million); n != million || err != nil {
			t.Fatal(n, err)
		}
	})
	beside(t, s, kept.Handle, "no sweep", func() { time.Sleep(took) })
}

// beside measures f, and loads of a record all the while.
func beside(t *testing.T, s *Store, handle, what string, f func()) time.Duration {
	stop, done := make(chan bool), make(chan []time.Duration)
	go func() {
		var loads []time.Duration
		for {
			select {
			case <-stop:
				done <- loads
				return
			default:
			}
			at := time.Now()
			if _, err := s.Load(t.Context(), handle); err != nil {
				t.Error(err)
			}
			loads = append(loads, time.Since(at))
		}
	}()
	began := time.Now()
	f()
	took := time.Since(began)
	close(stop)
	loads := <-done
	slices.Sort(loads)
	n := len(loads)
	t.Logf("%s: %.2f s; of %d loads beside it half took %v, all but 0.01%% %v, the longest %v",
		what, took.Seconds(), n, loads[n/2], loads[n-1-n/10000], loads[n-1])
	return took
}
