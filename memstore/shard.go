package memstore

import (
	"math"
	"sync"
	"sync/atomic"

	"github.com/sojourn-go/sojourn/store"
)

// A shard is one of the parts of a store: the records whose handles begin with
// the same two digits.
type shard struct {
	mu    sync.Mutex
	table // guarded by mu

	budget *budget
	log    *changes

	// What others may see of it without its lock.
	soonest atomic.Int64 // the first time in the heap
	oldest  atomic.Int64 // when the first in the queue was last seen
}

// unlock ends a change.
func (sh *shard) unlock() {
	if sh.sparse() {
		sh.compact()
	}
	sh.publish()
	sh.mu.Unlock()
}

// publish tells others when Sweep has to look at the shard.
func (sh *shard) publish() {
	soonest := int64(math.MaxInt64)
	if len(sh.heap) > 0 {
		soonest = sh.heap[0].at
	}
	if sh.soonest.Load() != soonest {
		sh.soonest.Store(soonest)
	}
}

// A plan is what creating a record has to do.
type plan struct {
	replaced uint32
	victims  []uint32 // of the limit
}

// plan finds out what has to be done, or why it cannot be. It changes nothing.
func (sh *shard) plan(rec *store.Record, opts *store.CreateOptions) (p plan, err error) {
	now := opts.Now.UnixMilli()
	if id := sh.find(rec.Handle); id != 0 {
		switch sl := sh.slots.at(id); {
		case sl.state == live:
			return p, store.ErrExists
		case sl.held(now):
			return p, store.ErrGone
		}
	}
	if rec.Owner == "" {
		return p, nil
	}
	if id := sh.find(opts.Replaces); id != 0 {
		sl := sh.slots.at(id)
		if sl.present(now) && sh.ownedBy(sl, rec.Owner) {
			if opts.End.Version != 0 && opts.End.Version != sl.version {
				return p, store.ErrConflict
			}
			p.replaced = id
		}
	}
	if opts.Limit <= 0 {
		return p, nil
	}
	var counted []uint32
	for _, id := range sh.owned(rec.Owner) {
		if sl := sh.slots.at(id); id != p.replaced && sl.kind == rec.Kind && sl.present(now) {
			counted = append(counted, id)
		}
	}
	over := len(counted) + 1 - opts.Limit
	if over <= 0 {
		return p, nil
	}
	if !opts.EndOldest {
		return p, store.ErrLimit
	}
	sh.oldestFirst(counted)
	p.victims = counted[:over]
	return p, nil
}

// create is the store's Create. The room is asked for when all else is clear.
func (sh *shard) create(rec *store.Record, opts *store.CreateOptions, room roomFunc) (done store.Created, err error) {
	p, err := sh.plan(rec, opts)
	if err != nil {
		return done, err
	}
	n := len(rec.Owner) + len(rec.Facts) + len(rec.Verifiers) + len(rec.State)
	if !room(sh, 0, cost{1, besideText + textBytes(n)}, opts.Now.UnixMilli()) {
		return done, store.ErrFull
	}
	if p.replaced != 0 {
		sh.end(p.replaced, &opts.End)
		done.Replaced = true
	}
	for _, id := range p.victims {
		handle := sh.slots.at(id).handle
		done.Ended = append(done.Ended, string(handle[:]))
		sh.end(id, &opts.End)
	}
	if forgotten := sh.find(rec.Handle); forgotten != 0 {
		sh.remove(forgotten)
	}
	sh.insert(rec)
	if rec.Kind == store.KindRevocation {
		sh.log.add(rec.Kind, rec.Handle, rec.Owner, false)
	}
	return done, nil
}

// insert puts in a record for which there is room.
func (sh *shard) insert(rec *store.Record) {
	id := sh.slots.take()
	sl := sh.slots.at(id)
	*sl = slot{
		version: rec.Version, created: rec.Created.UnixMilli(), seen: rec.LastSeen.UnixMilli(),
		idle: rec.IdleDeadline.UnixMilli(), absolute: rec.AbsoluteDeadline.UnixMilli(), hold: rec.HoldUntil.UnixMilli(),
		facts: uint32(len(rec.Facts)), verifiers: uint32(len(rec.Verifiers)), fields: uint32(len(rec.State)),
		text: sh.write(rec.Owner, rec.Facts, rec.Verifiers, rec.State), key: sh.key(rec.Owner, rec.Handle),
		owner: uint8(len(rec.Owner)), kind: rec.Kind, state: live,
	}
	copy(sl.handle[:], rec.Handle)
	sh.index(id)
	sh.putInOrder(id)
	sh.schedule(id)
	if sl.evictable() {
		sh.budget.evictable(1, sl.bytes())
		sh.enqueue(id)
	}
}

// apply is the store's Apply.
func (sh *shard) apply(rec *store.Record, from store.Version, now int64, room roomFunc) error {
	id := sh.find(rec.Handle)
	if id == 0 || !sh.slots.at(id).present(now) {
		return store.ErrGone
	}
	sl := sh.slots.at(id)
	if sl.version != from {
		return store.ErrConflict
	}
	n := int(sl.owner) + len(rec.Facts) + len(rec.Verifiers) + len(rec.State)
	more := textBytes(n) - textBytes(sl.textLen())
	if !room(sh, id, cost{0, more}, now) {
		return store.ErrFull
	}
	if sl.evictable() {
		sh.budget.evictable(0, more)
	}
	owner := sh.read(nil, sl.text, int(sl.owner))
	sh.drop(sl.text)
	sl.text = sh.write(owner, rec.Facts, rec.Verifiers, rec.State)
	sl.facts, sl.verifiers, sl.fields = uint32(len(rec.Facts)), uint32(len(rec.Verifiers)), uint32(len(rec.State))
	sl.version = rec.Version
	sh.forward(id, rec.LastSeen.UnixMilli(), rec.IdleDeadline.UnixMilli())
	return nil
}

// forward moves a record's clocks, never back. Its place in the heap may be too
// early then, which does no harm.
func (sh *shard) forward(id uint32, seen, idle int64) {
	sl := sh.slots.at(id)
	sl.seen, sl.idle = max(sl.seen, seen), max(sl.idle, idle)
	if sl.evictable() {
		sh.dequeue(id)
		sh.enqueue(id)
	}
}

// end makes a record one that is remembered as ended. It keeps its slot and
// loses its texts.
func (sh *shard) end(id uint32, e *store.Ending) {
	sl := sh.slots.at(id)
	sh.log.add(sl.kind, string(sl.handle[:]), sh.read(nil, sl.text, int(sl.owner)), true)
	sh.withdraw(id)
	sl.hold = e.HoldUntil(&store.Header{HoldUntil: at(sl.hold)}).UnixMilli()
	sl.version, sl.state = e.Mark, ended
	sh.reschedule(id)
}

// endOwner ends all records of owner but except and revocations, from the last
// to the first, so that the order has little to move.
func (sh *shard) endOwner(owner, except string, e *store.Ending) (n int) {
	ids := sh.owned(owner)
	for i := len(ids) - 1; i >= 0; i-- {
		sl := sh.slots.at(ids[i])
		if sl.kind == store.KindRevocation || string(sl.handle[:]) == except {
			continue
		}
		sh.end(ids[i], e)
		n++
	}
	return n
}

// withdraw takes a record out of the lists and drops its texts.
func (sh *shard) withdraw(id uint32) {
	sl := sh.slots.at(id)
	if sl.evictable() {
		sh.dequeue(id)
		sh.budget.evictable(-1, -sl.bytes())
	}
	sh.takeFromOrder(id)
	sh.budget.give(cost{0, textBytes(sl.textLen())})
	sh.drop(sl.text)
	sl.text, sl.owner, sl.facts, sl.verifiers, sl.fields = 0, 0, 0, 0, 0
}

// remove leaves nothing of a record, or of what is remembered of one.
func (sh *shard) remove(id uint32) {
	if sh.slots.at(id).state == live {
		sh.withdraw(id)
	}
	sh.unindex(id)
	sh.unschedule(id)
	sh.slots.give(id)
	sh.budget.give(cost{1, besideText})
}

// sweepSteps is how many slots Sweep looks at before it lets others in.
const sweepSteps = 128

// sweep removes at most limit slots whose time is over at now, in a bounded
// number of steps, and returns how many.
func (sh *shard) sweep(now int64, limit int) (removed int) {
	for step := 0; step < sweepSteps && removed < limit; step++ {
		if len(sh.heap) == 0 || sh.heap[0].at > now {
			break
		}
		id := sh.heap[0].slot
		if sh.slots.at(id).deadline() > now {
			sh.reschedule(id)
			continue
		}
		sh.remove(id)
		removed++
	}
	sh.publish()
	return removed
}
