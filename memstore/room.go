package memstore

import (
	"math"
	"sync/atomic"
)

// A cost is what something takes of the bounds.
type cost struct{ records, bytes int64 }

// A roomFunc takes c from the bounds, for the record in slot keep of a locked
// shard or for a new one (0), and reports whether it could.
type roomFunc func(sh *shard, keep uint32, c cost, now int64) bool

// A budget counts what a store holds and keeps it within the bounds.
type budget struct {
	maxRecords, maxBytes int64
	records, bytes       atomic.Int64

	evictableRecords, evictableBytes atomic.Int64 // the part of those that may be evicted
	evicted                          atomic.Int64
}

// take counts c if it is within the bounds.
func (b *budget) take(c cost) bool {
	if !addWithin(&b.bytes, c.bytes, b.maxBytes) {
		return false
	}
	if !addWithin(&b.records, c.records, b.maxRecords) {
		b.bytes.Add(-c.bytes)
		return false
	}
	return true
}

// addWithin adds n to count if that does not make it greater than most. What
// does not grow is always within.
func addWithin(count *atomic.Int64, n, most int64) bool {
	for n != 0 {
		old := count.Load()
		if n > 0 && old+n > most {
			return false
		}
		if count.CompareAndSwap(old, old+n) {
			break
		}
	}
	return true
}

func (b *budget) give(c cost) {
	if c.records != 0 {
		b.records.Add(-c.records)
	}
	if c.bytes != 0 {
		b.bytes.Add(-c.bytes)
	}
}

func (b *budget) evictable(records, bytes int64) {
	b.evictableRecords.Add(records)
	b.evictableBytes.Add(bytes)
}

// couldTake reports whether there would be room for c if everything were
// evicted that may be, but for kept.
func (b *budget) couldTake(c, kept cost) bool {
	return b.records.Load()-b.evictableRecords.Load()+kept.records+c.records <= b.maxRecords &&
		b.bytes.Load()-b.evictableBytes.Load()+kept.bytes+c.bytes <= b.maxBytes
}

// makeRoom is the roomFunc of a full store. The caller holds s.crowded and
// sh.mu. It evicts nothing if that would not be enough. Somebody may be quick
// and take the room that was just made: then it makes more.
func (s *Store) makeRoom(sh *shard, keep uint32, c cost, now int64) bool {
	var kept cost
	if keep != 0 && sh.slots.at(keep).evictable() {
		kept = cost{1, sh.slots.at(keep).bytes()}
	}
	for !s.budget.take(c) {
		if s.removeExpired(sh, now) {
			continue
		}
		if !s.budget.couldTake(c, kept) || !s.evict(sh, keep) {
			return false
		}
	}
	return true
}

// removeExpired removes some expired records, anywhere, and reports whether
// there were any. It leaves alone what has not expired, which the caller may
// be about to use.
func (s *Store) removeExpired(locked *shard, now int64) bool {
	for i := range s.shards {
		sh := &s.shards[i]
		removed := 0
		for removed == 0 && sh.soonest.Load() <= now {
			if sh == locked {
				removed = sh.sweep(now, sweepSteps)
				continue
			}
			sh.mu.Lock()
			removed = sh.sweep(now, sweepSteps)
			sh.unlock()
		}
		if removed > 0 {
			return true
		}
	}
	return false
}

// evict removes the record that was seen least recently among those at the
// heads of the shards' queues, but not keep. It reports false if there is
// none.
func (s *Store) evict(locked *shard, keep uint32) bool {
	var from *shard
	oldest := int64(math.MaxInt64)
	for i := range s.shards {
		sh := &s.shards[i]
		seen := sh.oldest.Load()
		if sh == locked {
			seen = sh.lastSeen(sh.evictee(keep))
		}
		if seen < oldest {
			from, oldest = sh, seen
		}
	}
	switch from {
	case nil:
		return false
	case locked:
		from.evictFirst(keep)
	default:
		from.mu.Lock()
		from.evictFirst(0)
		from.unlock()
	}
	return true
}

// evictFirst removes the first in the queue but keep, if there is one.
func (sh *shard) evictFirst(keep uint32) {
	if id := sh.evictee(keep); id != 0 {
		sh.remove(id)
		sh.budget.evicted.Add(1)
	}
}

// evictee is the first in the queue but keep, or 0.
func (sh *shard) evictee(keep uint32) uint32 {
	if sh.first != 0 && sh.first == keep {
		return sh.slots.at(keep).after
	}
	return sh.first
}

// lastSeen is when the record in a slot was last seen. No record is never
// the oldest.
func (sh *shard) lastSeen(id uint32) int64 {
	if id == 0 {
		return math.MaxInt64
	}
	return sh.slots.at(id).seen
}

// enqueue puts a record at the end of the queue.
func (sh *shard) enqueue(id uint32) {
	sl := sh.slots.at(id)
	sl.before, sl.after = sh.last, 0
	if sh.last == 0 {
		sh.first = id
		sh.oldest.Store(sl.seen)
	} else {
		sh.slots.at(sh.last).after = id
	}
	sh.last = id
}

// dequeue takes it out.
func (sh *shard) dequeue(id uint32) {
	sl := sh.slots.at(id)
	if sl.after == 0 {
		sh.last = sl.before
	} else {
		sh.slots.at(sl.after).before = sl.before
	}
	if sl.before == 0 {
		sh.first = sl.after
		sh.oldest.Store(sh.lastSeen(sh.first))
	} else {
		sh.slots.at(sl.before).after = sl.after
	}
	sl.before, sl.after = 0, 0
}
