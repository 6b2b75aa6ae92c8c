package memstore

import (
	"bytes"
	"cmp"
	"hash/maphash"
	"slices"
	"sort"
)

// A table is the records of one shard and the ways to find them: by handle, by
// owner, and by deadline. It holds no pointers but those to its few slices.
type table struct {
	seed  maphash.Seed
	slots pool[slot]
	cells pool[cell]
	heads []uint32  // by the handle's hash: the first slot of a chain
	order []ordered // the records, by owner
	heap  []due     // all slots, by deadline

	first, last uint32 // the queue of those that may be evicted
}

// find returns the slot that has the handle, or 0.
func (t *table) find(handle string) uint32 {
	if len(t.heads) == 0 {
		return 0
	}
	id := t.heads[maphash.String(t.seed, handle)&uint64(len(t.heads)-1)]
	for id != 0 {
		sl := t.slots.at(id)
		if string(sl.handle[:]) == handle {
			return id
		}
		id = sl.chain
	}
	return 0
}

// live returns the record that has the handle, or nil.
func (t *table) live(handle string) *slot {
	if id := t.find(handle); id != 0 && t.slots.at(id).state == live {
		return t.slots.at(id)
	}
	return nil
}

// head is where the chain begins that the slot is in.
func (t *table) head(sl *slot) *uint32 {
	return &t.heads[maphash.Bytes(t.seed, sl.handle[:])&uint64(len(t.heads)-1)]
}

// index makes the slot known by its handle. There is a chain for each slot, so
// that chains are short.
func (t *table) index(id uint32) {
	if t.slots.used > len(t.heads) {
		t.reindex(max(8, 2*len(t.heads)))
	}
	sl := t.slots.at(id)
	head := t.head(sl)
	sl.chain, *head = *head, id
}

// unindex forgets it.
func (t *table) unindex(id uint32) {
	sl := t.slots.at(id)
	link := t.head(sl)
	for *link != id {
		link = &t.slots.at(*link).chain
	}
	*link = sl.chain
}

// reindex makes the index anew, with n chains, a power of two.
func (t *table) reindex(n int) {
	t.heads = make([]uint32, n)
	for i := range t.heap {
		id := t.heap[i].slot
		sl := t.slots.at(id)
		head := t.head(sl)
		sl.chain, *head = *head, id
	}
}

// An ordered is a record's place in the order by owner: by key, and among the
// same key by handle. The key is the owner's hash; that of nobody's records is
// their handle's. So an owner's records are together, in the order in which
// List shows them, if need be mixed with those of another owner of the same
// key; and Scan has an order that does not change.
//
// It is a plain slice. To insert moves half of it on average: a few hundred
// nanoseconds in a store of a million, ten microseconds if one owner has as
// many as 100,000 records.
type ordered struct {
	key  uint32
	slot uint32
}

// key returns the key of owner's records, or of nobody's record.
func (t *table) key(owner, handle string) uint32 {
	if owner == "" {
		owner = handle
	}
	return uint32(maphash.String(t.seed, owner) >> 32)
}

// position returns where the record with this key and handle is, or would be.
func (t *table) position(key uint32, handle string) int {
	return sort.Search(len(t.order), func(i int) bool {
		o := t.order[i]
		if o.key != key {
			return o.key > key
		}
		return string(t.slots.at(o.slot).handle[:]) >= handle
	})
}

func (t *table) putInOrder(id uint32) {
	sl := t.slots.at(id)
	i := t.position(sl.key, string(sl.handle[:]))
	t.order = slices.Insert(t.order, i, ordered{sl.key, id})
}

func (t *table) takeFromOrder(id uint32) {
	sl := t.slots.at(id)
	i := t.position(sl.key, string(sl.handle[:]))
	t.order = slices.Delete(t.order, i, i+1)
}

// span returns the records with this key whose handles are after the given one.
func (t *table) span(key uint32, after string) []ordered {
	rest := t.order[t.after(key, after):]
	return rest[:sort.Search(len(rest), func(i int) bool { return rest[i].key != key })]
}

// after returns the position behind that of key and handle.
func (t *table) after(key uint32, handle string) int {
	i := t.position(key, handle)
	if i < len(t.order) && t.order[i].key == key && string(t.slots.at(t.order[i].slot).handle[:]) == handle {
		i++
	}
	return i
}

// owned returns the slots of all of owner's records.
func (t *table) owned(owner string) []uint32 {
	var ids []uint32
	for _, o := range t.span(t.key(owner, ""), "") {
		if t.ownedBy(t.slots.at(o.slot), owner) {
			ids = append(ids, o.slot)
		}
	}
	return ids
}

// oldestFirst sorts slots by when they were created.
func (t *table) oldestFirst(ids []uint32) {
	slices.SortFunc(ids, func(a, b uint32) int {
		x, y := t.slots.at(a), t.slots.at(b)
		return cmp.Or(cmp.Compare(x.created, y.created), bytes.Compare(x.handle[:], y.handle[:]))
	})
}

// sparse reports whether compacting would give much memory back.
func (t *table) sparse() bool { return t.slots.sparse() || t.cells.sparse() }

// compact moves all there is into memory of its own, which leaves the rest to
// the garbage collector. Slots get new numbers.
func (t *table) compact() {
	old := *t
	*t = table{seed: old.seed}
	moved := make([]uint32, old.slots.size())
	for i := range old.heap {
		from := old.slots.at(old.heap[i].slot)
		id := t.slots.take()
		*t.slots.at(id) = *from
		t.slots.at(id).text = t.copyText(&old, from)
		moved[old.heap[i].slot] = id
	}
	t.heap = slices.Clone(old.heap)
	for i := range t.heap {
		d := &t.heap[i]
		d.slot = moved[d.slot]
		sl := t.slots.at(d.slot)
		sl.before, sl.after = moved[sl.before], moved[sl.after]
	}
	t.order = slices.Clone(old.order)
	for i := range t.order {
		t.order[i].slot = moved[t.order[i].slot]
	}
	if len(moved) > 0 {
		t.first, t.last = moved[old.first], moved[old.last]
	}
	n := 8
	for n < len(t.heap) {
		n *= 2
	}
	t.reindex(n)
}

// copyText copies a text's cells from another table.
func (t *table) copyText(from *table, sl *slot) (first uint32) {
	last := uint32(0)
	for id := sl.text; id != 0; {
		c := from.cells.at(id)
		n := t.cells.take()
		t.cells.at(n).text = c.text
		if last == 0 {
			first = n
		} else {
			t.cells.at(last).next = n
		}
		last, id = n, c.next
	}
	return first
}
