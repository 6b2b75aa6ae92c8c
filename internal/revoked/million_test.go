package revoked

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/internal/handle"
	"github.com/sojourn-go/sojourn/memstore"
	"github.com/sojourn-go/sojourn/store"
)

const million = 1_000_000

func long(t *testing.T) {
	if os.Getenv("SOJOURN_LONG") == "" {
		t.Skip("long: set SOJOURN_LONG=1 to run it")
	}
}

// handles returns n of them, and who were asked for in another order.
func handles(n int) (made, shuffled []string) {
	made = make([]string, n)
	for i := range made {
		made[i] = handle.New("")
	}
	shuffled = slices.Clone(made)
	rand.Shuffle(n, func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	for i := range shuffled {
		shuffled[i] = strings.Clone(shuffled[i]) // as they come out of cookies
	}
	return made, shuffled
}

// TestMillion measures a million ended sessions: run it with SOJOURN_LONG=1, -v and
// without -race. It holds the list to 60 bytes an entry, and the collector to what
// an empty heap costs.
func TestMillion(t *testing.T) {
	long(t)
	made, _ := handles(million)
	until := time.Now().Add(time.Hour)
	empty := collection(t, "without the list")
	before := heap()
	var table table
	began := time.Now()
	for i, name := range made {
		table.add(name, until.Add(time.Duration(i%2)*time.Hour))
	}
	t.Logf("add: %.0f ns each", float64(time.Since(began).Nanoseconds())/million)
	perEntry := float64(heap()-before) / million
	full := collection(t, "with a million entries")
	t.Logf("memory: %.1f bytes an entry", perEntry)
	if perEntry > 60 {
		t.Errorf("an entry takes %.1f bytes", perEntry)
	}
	if full > max(5*time.Millisecond, 3*empty) {
		t.Errorf("a collection takes %v, beside %v without the list", full, empty)
	}
	beside(t, &table, made[1], "without pruning", func() { time.Sleep(100 * time.Millisecond) })
	beside(t, &table, made[1], "pruning nothing", func() { table.prune(until, 0) })
	beside(t, &table, made[1], "pruning half", func() { table.prune(until.Add(time.Minute), 0) })
	if n := table.size(); n != million/2 {
		t.Fatalf("%d are left", n)
	}
	beside(t, &table, "", "pruning the rest", func() { table.prune(until.Add(2*time.Hour), 0) })
	if left := heap(); table.size() != 0 || left > before+1<<20 {
		t.Errorf("%d are left, %d KiB", table.size(), (left-before)/1024)
	}
	runtime.KeepAlive(made)
}

// TestMillionRead measures how long a process takes to read the whole list, and
// then one end more.
func TestMillionRead(t *testing.T) {
	long(t)
	s, err := memstore.New(memstore.Options{Records: 2 * million, Bytes: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for range million {
		rec := record(handle.New(""), "", "", now, now.Add(time.Hour))
		if _, err := s.Create(t.Context(), rec, store.CreateOptions{Now: now, End: store.Ending{Mark: 1, Now: now}}); err != nil {
			t.Fatal(err)
		}
	}
	l := New(s, time.Minute, lasts, 5*time.Second)
	began := time.Now()
	must(t, l.Refresh(t.Context()))
	t.Logf("the whole list: %v", time.Since(began))
	if n := l.table.size(); n != million {
		t.Fatalf("%d are known", n)
	}
	must(t, New(s, 0, lasts, each).EndSession(t.Context(), handle.New(""), now))
	began = time.Now()
	must(t, l.Refresh(t.Context()))
	t.Logf("one more: %v", time.Since(began))
}

// TestMillionHas holds a question to twice the time of one to the plainest map,
// which knows neither owners, nor time, nor other goroutines.
func TestMillionHas(t *testing.T) {
	long(t)
	made, hits := handles(million)
	_, misses := handles(million)
	floor := make(map[string]struct{}, million)
	l := New(nil, time.Hour, lasts, each)
	l.readAt.Store(0)
	now := time.Now()
	for _, name := range made {
		floor[name] = struct{}{}
		l.table.add(name, now.Add(time.Hour))
	}
	for i := range 100 {
		l.table.addEnds(fmt.Sprintf("owner %d", i), ends{{now.UnixMilli(), made[i]}}, 0)
	}
	l.table.addEnds("", ends{{now.Add(-time.Hour).UnixMilli(), ""}}, 0)
	ctx, later := t.Context(), now.Add(time.Millisecond)
	for what, names := range map[string][]string{"hit": hits, "miss": misses} {
		bare, asked := perCall(names, func(name string) bool {
			_, ok := floor[name]
			return ok
		}, func(name string) bool {
			ended, err := l.Has(ctx, name, "somebody", later)
			return ended && err == nil
		})
		t.Logf("%s: %.0f ns, a bare map %.0f ns: %.2f times", what, asked, bare, asked/bare)
		if asked > 2*bare {
			t.Errorf("%s: %.2f times the time of a bare map", what, asked/bare)
		}
	}
}

var found int

// perCall is how many nanoseconds calls of a and of b take, by turns in short rounds,
// each with names of its own: the tenth of them that were fastest, since other work
// on the machine makes them slower, and nothing makes them faster.
func perCall(names []string, a, b func(string) bool) (ofA, ofB float64) {
	const calls = 2000
	var took [2][]float64
	for half := len(names) / 2; len(names) >= half+calls; names = names[calls:] {
		for i, f := range []func(string) bool{a, b} {
			began := time.Now()
			for _, name := range names[i*half:][:calls] {
				if f(name) {
					found++
				}
			}
			took[i] = append(took[i], float64(time.Since(began).Nanoseconds())/calls)
		}
	}
	for i := range took {
		slices.Sort(took[i])
	}
	return took[0][len(took[0])/10], took[1][len(took[1])/10]
}

func BenchmarkHas(b *testing.B) {
	made, hits := handles(million)
	_, misses := handles(million)
	floor := make(map[string]struct{}, million)
	l := New(nil, time.Hour, lasts, each)
	l.readAt.Store(0)
	now := time.Now()
	for _, name := range made {
		floor[name] = struct{}{}
		l.table.add(name, now.Add(time.Hour))
	}
	for i := range 100 {
		l.table.addEnds(fmt.Sprintf("owner %d", i), ends{{now.UnixMilli(), made[i]}}, 0)
	}
	for what, names := range map[string][]string{"hit": hits, "miss": misses} {
		b.Run(what+"/map", func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				if _, ok := floor[names[i%million]]; ok {
					found++
				}
			}
		})
		b.Run(what, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if ended, _ := l.Has(b.Context(), names[i%million], "somebody", now); ended {
					found++
				}
			}
		})
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// collection is how long the fastest of some forced collections took.
func collection(t *testing.T, what string) time.Duration {
	var took []time.Duration
	for range 21 {
		began := time.Now()
		runtime.GC()
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	t.Logf("collection, %s: fastest %v, median %v", what, took[0], took[10])
	return took[0]
}

// beside measures f, and questions all the while.
func beside(t *testing.T, table *table, name, what string, f func()) {
	stop, done := make(chan bool), make(chan []time.Duration)
	go func() {
		var asked []time.Duration
		for i := 0; ; i++ {
			select {
			case <-stop:
				done <- asked
				return
			default:
			}
			other := handle.New("") // each time of another part
			at := time.Now()
			table.has(other, "", 0)
			asked = append(asked, time.Since(at))
			if name != "" && !table.has(name, "", 0) {
				t.Error("pruned too soon")
			}
		}
	}()
	began := time.Now()
	f()
	took := time.Since(began)
	close(stop)
	asked := <-done
	slices.Sort(asked)
	n := len(asked)
	t.Logf("%s: %v; of %d questions beside it half took %v, all but 0.1%% %v, the longest %v", what, took, n, asked[n/2], asked[n-1-n/1000], asked[n-1])
}
