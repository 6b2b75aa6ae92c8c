package memstore

import (
	"fmt"
	"strconv"
	"sync"

	"github.com/sojourn-go/sojourn/store"
)

// changes is the log of what was ended lately, and which revocations were
// made: the current generation, and the full one before it. Changes are
// numbered; a cursor is the store's random name and the number of the next.
type changes struct {
	atLeast int    // how many are remembered in any case
	store   uint64 // so that a cursor of another store is known to be one

	mu        sync.Mutex
	old, new  generation
	listeners []chan struct{} // of Notify
}

type generation struct {
	first  uint64 // the number of the first
	list   []change
	owners []byte
}

func (g *generation) end() uint64 { return g.first + uint64(len(g.list)) }

// A change has no pointers; the owner is in its generation's owners.
type change struct {
	handle   [handleLen]byte
	owner    uint32
	ownerLen uint8
	kind     store.Kind
	ended    bool
}

// add appends a change.
func (c *changes) add(kind store.Kind, handle, owner string, ended bool) {
	ch := change{ownerLen: uint8(len(owner)), kind: kind, ended: ended}
	copy(ch.handle[:], handle)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.new.list) >= c.atLeast {
		c.old, c.new = c.new, generation{first: c.new.end(), list: c.old.list[:0], owners: c.old.owners[:0]}
	}
	ch.owner = uint32(len(c.new.owners))
	c.new.owners = append(c.new.owners, owner...)
	c.new.list = append(c.new.list, ch)
	c.notify()
}

// since returns what was added since the cursor was given. It stops where the
// log ended when it began, and holds the lock for a bounded part at a time.
func (c *changes) since(cursor string) (store.Changes, error) {
	c.mu.Lock()
	end := c.new.end()
	c.mu.Unlock()
	next := end
	if cursor != "" {
		var ok bool
		if next, ok = c.number(cursor); !ok || next > end {
			return store.Changes{}, store.ErrGone
		}
	}
	var list []store.Change
	for next < end {
		n := len(list)
		if list = c.collect(list, next, end); len(list) == n {
			return store.Changes{}, store.ErrGone
		}
		next += uint64(len(list) - n)
	}
	return store.Changes{List: list, Next: fmt.Sprintf("%016x%016x", c.store, end)}, nil
}

// collect adds the changes from next to end, at most some, to list. It adds
// none if next has been forgotten.
func (c *changes) collect(list []store.Change, next, end uint64) []store.Change {
	c.mu.Lock()
	defer c.mu.Unlock()
	for most := min(end, next+1000); next < most; next++ {
		g := &c.new
		if next < g.first {
			g = &c.old
		}
		if next < g.first || next >= g.end() {
			break
		}
		ch := g.list[next-g.first]
		owner := string(g.owners[ch.owner:][:ch.ownerLen])
		list = append(list, store.Change{Kind: ch.kind, Handle: string(ch.handle[:]), Owner: owner, Ended: ch.ended})
	}
	return list
}

// number returns the number in a cursor of this store.
func (c *changes) number(cursor string) (uint64, bool) {
	if len(cursor) != 32 {
		return 0, false
	}
	id, err := strconv.ParseUint(cursor[:16], 16, 64)
	if err != nil || id != c.store {
		return 0, false
	}
	n, err := strconv.ParseUint(cursor[16:], 16, 64)
	return n, err == nil
}
