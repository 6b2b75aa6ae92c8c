package memstore

import (
	"math"
	"slices"
	"testing"

	"github.com/sojourn-go/sojourn/store"
)

// verify holds every part of a store that nobody uses at the moment to what it
// is meant to be, and its counts to what is there.
func verify(t *testing.T, s *Store) {
	t.Helper()
	var all, evictable cost
	for i := range s.shards {
		sh := &s.shards[i]
		verifyHeap(t, sh)
		verifyOrder(t, sh)
		cells := 0
		for _, d := range sh.heap {
			sl := sh.slots.at(d.slot)
			if n, ok := bucket(string(sl.handle[:])); !ok || n != i {
				t.Fatalf("%s is in shard %d", sl.handle, i)
			}
			if found := sh.find(string(sl.handle[:])); found != d.slot {
				t.Fatalf("%s is in slot %d and found in %d", sl.handle, d.slot, found)
			}
			all.records++
			all.bytes += sl.bytes()
			cells += int(textBytes(sl.textLen()) / cellSize)
		}
		if sh.slots.used != len(sh.heap) || sh.cells.used != cells {
			t.Fatalf("shard %d uses %d slots and %d cells; there are %d and %d", i, sh.slots.used, sh.cells.used, len(sh.heap), cells)
		}
		if len(sh.heads) < sh.slots.used {
			t.Fatalf("there are %d chains for %d slots", len(sh.heads), sh.slots.used)
		}
		c := verifyQueue(t, sh)
		evictable.records += c.records
		evictable.bytes += c.bytes
	}
	b := &s.budget
	if counted := (cost{b.records.Load(), b.bytes.Load()}); counted != all {
		t.Fatalf("the counts are %v; there are %v", counted, all)
	}
	if counted := (cost{b.evictableRecords.Load(), b.evictableBytes.Load()}); counted != evictable {
		t.Fatalf("the counts of what may be evicted are %v; there are %v", counted, evictable)
	}
	if all.records > b.maxRecords || all.bytes > b.maxBytes {
		t.Fatalf("there are %v; the bounds are %d and %d", all, b.maxRecords, b.maxBytes)
	}
}

func verifyHeap(t *testing.T, sh *shard) {
	t.Helper()
	soonest := int64(math.MaxInt64)
	for i, d := range sh.heap {
		sl := sh.slots.at(d.slot)
		soonest = min(soonest, d.at)
		if int(sl.due) != i || sl.deadline() < d.at || sl.state == unused || i > 0 && sh.heap[(i-1)/2].at > d.at {
			t.Fatalf("place %d of the heap: slot %d, which says place %d, due at %d, ends at %d", i, d.slot, sl.due, d.at, sl.deadline())
		}
		if sl.state == ended && sl.deadline() != d.at {
			t.Fatalf("an ended record is held until %d and due at %d", sl.deadline(), d.at)
		}
	}
	if sh.soonest.Load() != soonest {
		t.Fatalf("the first is due at %d; told is %d", soonest, sh.soonest.Load())
	}
}

func verifyOrder(t *testing.T, sh *shard) {
	t.Helper()
	records := 0
	for _, d := range sh.heap {
		if sh.slots.at(d.slot).state == live {
			records++
		}
	}
	sorted := slices.IsSortedFunc(sh.order, func(a, b ordered) int {
		if a.key != b.key {
			return int(int64(a.key) - int64(b.key))
		}
		return slices.Compare(sh.slots.at(a.slot).handle[:], sh.slots.at(b.slot).handle[:])
	})
	if len(sh.order) != records || !sorted {
		t.Fatalf("the order has %d records of %d; sorted: %v", len(sh.order), records, sorted)
	}
	for _, o := range sh.order {
		sl := sh.slots.at(o.slot)
		owner := sh.read(nil, sl.text, int(sl.owner))
		if sl.state != live || sl.key != o.key || sh.key(owner, string(sl.handle[:])) != o.key {
			t.Fatalf("slot %d is in the order by %d; its key is %d and its state %d", o.slot, o.key, sl.key, sl.state)
		}
	}
}

func verifyQueue(t *testing.T, sh *shard) (queued cost) {
	t.Helper()
	evictable := 0
	for _, d := range sh.heap {
		if sh.slots.at(d.slot).evictable() {
			evictable++
		}
	}
	before := uint32(0)
	for id := sh.first; id != 0; id = sh.slots.at(id).after {
		sl := sh.slots.at(id)
		if sl.before != before || !sl.evictable() || queued.records > int64(evictable) {
			t.Fatalf("slot %d in the queue: before it %d, not %d", id, sl.before, before)
		}
		before = id
		queued.records++
		queued.bytes += sl.bytes()
	}
	if sh.last != before || queued.records != int64(evictable) {
		t.Fatalf("the queue ends at %d, not %d, and has %d records of %d", sh.last, before, queued.records, evictable)
	}
	if sh.oldest.Load() != sh.lastSeen(sh.first) {
		t.Fatalf("the oldest was seen at %d; told is %d", sh.lastSeen(sh.first), sh.oldest.Load())
	}
	return queued
}

// contents returns all records of a store, whole.
func contents(t *testing.T, s *Store) map[string]store.Record {
	t.Helper()
	all := map[string]store.Record{}
	for page := (store.Page{Limit: 7}); ; {
		l, err := s.Scan(t.Context(), page)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range l.Records {
			rec, err := s.Load(t.Context(), r.Handle)
			if err != nil {
				t.Fatal(err)
			}
			if all[r.Handle].Version != 0 {
				t.Fatal("Scan shows a record twice")
			}
			if rec.Header != r.Header || rec.Facts != r.Facts {
				t.Fatalf("Scan shows %+v, Load %+v", r, rec)
			}
			all[r.Handle] = *rec
		}
		if page.Cursor = l.Next; page.Cursor == "" {
			return all
		}
	}
}
