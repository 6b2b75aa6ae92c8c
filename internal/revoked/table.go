package revoked

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// A table is the list as this process knows it.
type table struct {
	sessions [64]set // by how their seeds begin: so none is large
	all      atomic.Pointer[ends]
	owners   struct {
		sync.RWMutex
		ends   map[string]ends
		newest atomic.Int64 // of all of them: who was made later need not look
	}
}

// part is where a seed belongs.
func (t *table) part(s seed) *set { return &t.sessions[s.second%64] }

// add notes that a session has ended, and that no cookie needs it after a time.
func (t *table) add(name string, until time.Time) {
	if s, ok := seedOf(name); ok {
		t.part(s).add(s, uint32(until.Unix()+1))
	}
}

// addEnds notes ends of an owner, "" for everybody.
func (t *table) addEnds(owner string, list ends, needless int64) {
	t.owners.Lock()
	defer t.owners.Unlock()
	was := t.owners.ends[owner]
	if owner == "" && t.all.Load() != nil {
		was = *t.all.Load()
	}
	for _, e := range list {
		was = was.with(e, needless)
	}
	switch {
	case len(was) == 0:
	case owner == "":
		t.all.Store(&was)
	default:
		if t.owners.ends == nil {
			t.owners.ends = map[string]ends{}
		}
		t.owners.ends[owner] = was
		t.owners.newest.Store(max(t.owners.newest.Load(), was.newest()))
	}
}

// has reports whether a session has ended. It is asked with each request.
func (t *table) has(name, owner string, created int64) bool {
	if s, ok := seedOf(name); ok && t.part(s).has(s) {
		return true
	}
	if all := t.all.Load(); all != nil && all.covers(name, created) {
		return true
	}
	return owner != "" && created <= t.owners.newest.Load() && t.endsOf(owner).covers(name, created)
}

// endsOf returns an owner's ends. They are not changed, but replaced.
func (t *table) endsOf(owner string) ends {
	t.owners.RLock()
	defer t.owners.RUnlock()
	return t.owners.ends[owner]
}

// prune forgets what no cookie needs any more.
func (t *table) prune(now time.Time, needless int64) {
	for i := range t.sessions {
		t.sessions[i].prune(uint32(now.Unix()))
	}
	t.owners.Lock()
	defer t.owners.Unlock()
	if all := t.all.Load(); all != nil && all.newest() <= needless {
		t.all.Store(nil)
	}
	newest := int64(math.MinInt64)
	for owner, list := range t.owners.ends {
		if list.newest() <= needless {
			delete(t.owners.ends, owner)
			continue
		}
		newest = max(newest, list.newest())
	}
	t.owners.newest.Store(newest)
}
