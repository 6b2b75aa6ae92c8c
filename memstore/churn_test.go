package memstore

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// held is the memory that a store has from the runtime for what it keeps,
// used or not, to the byte.
func held(s *Store) (n int64) {
	for i := range s.shards {
		t := &s.shards[i].table
		for _, c := range t.slots.chunks {
			n += int64(cap(c)) * slotSize
		}
		for _, c := range t.cells.chunks {
			n += int64(cap(c)) * cellSize
		}
		n += int64(cap(t.heads)+cap(t.slots.free)+cap(t.cells.free))*4 + int64(cap(t.order))*8 + int64(cap(t.heap))*16
	}
	return n
}

// TestChurn: sessions of every size come, change their size and go, for many
// times the store's contents. Memory stays within twice of what is counted.
func TestChurn(t *testing.T) {
	s := newStore(t, Options{})
	r := rand.New(rand.NewPCG(1, 2))
	size := func() int { return r.IntN(100) << r.IntN(6) }
	const sessions = 10_000
	rounds := 4
	if os.Getenv("SOJOURN_LONG") != "" {
		rounds = 100
	}
	records := make([]*store.Record, sessions)
	for round := range rounds {
		for i := range records {
			if round > 0 && r.IntN(2) == 0 {
				rec := *records[i]
				rec.State = strings.Repeat("s", size())
				if err := s.Apply(t.Context(), &rec, rec.Version, start); err != nil {
					t.Fatal(err)
				}
				continue
			}
			if round > 0 {
				remove(t, s, records[i].Handle)
			}
			records[i] = sample([]string{"", fmt.Sprint(i)}[i%2], start)
			records[i].State = strings.Repeat("s", size())
			create(t, s, records[i])
		}
		counted := s.Stats().Bytes
		t.Logf("round %d: %d KiB counted, %d KiB held, %.2f times", round, counted/1024, held(s)/1024, float64(held(s))/float64(counted))
		if held(s) > 2*counted {
			t.Errorf("round %d: %d bytes counted, %d held", round, counted, held(s))
		}
	}
	verify(t, s)
}

// remove makes a record gone without a trace, as if it had expired.
func remove(t *testing.T, s *Store, handle string) {
	t.Helper()
	n, _ := bucket(handle)
	sh := &s.shards[n]
	sh.mu.Lock()
	defer sh.unlock()
	sh.remove(sh.find(handle))
}

// TestReuse: what a change frees, the next one uses.
func TestReuse(t *testing.T) {
	s := newStore(t, Options{})
	rec := with(t, s, "alice", start)
	for i := range 1000 {
		rec.State = strings.Repeat("s", i*7%500)
		if err := s.Apply(t.Context(), rec, rec.Version, start); err != nil {
			t.Fatal(err)
		}
		other := with(t, s, "alice", start)
		remove(t, s, other.Handle)
	}
	n, _ := bucket(rec.Handle)
	if sh := &s.shards[n]; sh.slots.size() > 3 || sh.cells.size() > 20 {
		t.Errorf("two sessions at a time have taken %d slots and %d cells", sh.slots.size(), sh.cells.size())
	}
}

// TestCrowdLeaves: when most sessions have gone, so has most of the memory:
// what is held is at most twice what is counted, and a chunk of each kind a
// shard.
func TestCrowdLeaves(t *testing.T) {
	s := newStore(t, Options{})
	const crowd, crowded = 30_000, 8
	stay := map[string]store.Record{}
	for i := range crowd {
		rec := sample(fmt.Sprint(i%crowded), start)
		rec.IdleDeadline = start.Add(time.Duration(1+i%10) * time.Minute)
		if i%100 == 0 {
			rec.IdleDeadline = rec.AbsoluteDeadline
			stay[rec.Handle] = *rec
		}
		create(t, s, rec)
	}
	full := held(s)
	for minute := range 11 {
		if _, err := s.Sweep(t.Context(), start.Add(time.Duration(minute)*time.Minute), crowd); err != nil {
			t.Fatal(err)
		}
		counted := s.Stats().Bytes
		t.Logf("%6d records: %5d KiB counted, %5d KiB held", s.Stats().Records, counted/1024, held(s)/1024)
		if most := 2*counted + crowded*chunkLen*(slotSize+cellSize); held(s) > most {
			t.Errorf("%d bytes held, want at most %d", held(s), most)
		}
	}
	if held(s) > full/20 {
		t.Errorf("%d bytes held of %d when one in a hundred is left", held(s), full)
	}
	if got := contents(t, s); !maps.Equal(got, stay) {
		t.Errorf("%d records are left of %d, or others", len(got), len(stay))
	}
	verify(t, s)
}

// TestScanWhileCompacting: a record that stays is in a page, though the others
// leave and its slot moves.
func TestScanWhileCompacting(t *testing.T) {
	s := newStore(t, Options{})
	stay := map[string]bool{}
	for i := range 25_000 {
		rec := sample("", start)
		if i%50 == 0 {
			rec.IdleDeadline = rec.AbsoluteDeadline
			stay[rec.Handle] = true
		}
		create(t, s, rec)
	}
	for page := (store.Page{Limit: 100}); ; {
		l, err := s.Scan(t.Context(), page)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range l.Records {
			delete(stay, r.Handle)
		}
		if _, err := s.Sweep(t.Context(), start.Add(time.Hour), 1000); err != nil {
			t.Fatal(err)
		}
		if page.Cursor = l.Next; page.Cursor == "" {
			break
		}
	}
	if len(stay) > 0 {
		t.Errorf("Scan did not show %d records", len(stay))
	}
	verify(t, s)
}
