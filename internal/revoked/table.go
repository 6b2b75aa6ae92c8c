package revoked

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/sojourn-go/sojourn/internal/handle"
)

// A table is the list as this process knows it. Twenty bytes a session, without
// pointers for the garbage collector to follow, and in parts, so that nobody waits
// for long.
type table struct {
	parts [64]struct {
		sync.RWMutex
		ended map[[16]byte]uint32 // by the handle's seed; until when, in seconds since 1970
	}
	owners struct {
		sync.RWMutex
		entries map[string]entry // "" is everybody
		some    atomic.Bool
	}
}

// add notes that a session has ended, and that no cookie needs it after a time.
func (t *table) add(name string, until time.Time) {
	seed, ok := handle.Seed(name)
	if !ok {
		return
	}
	part := &t.parts[seed[0]%64]
	part.Lock()
	defer part.Unlock()
	if part.ended == nil {
		part.ended = map[[16]byte]uint32{}
	}
	part.ended[seed] = max(part.ended[seed], uint32(until.Unix()+1))
}

// addEnds notes ends of an owner.
func (t *table) addEnds(e entry, needless int64) {
	t.owners.Lock()
	defer t.owners.Unlock()
	if t.owners.entries == nil {
		t.owners.entries = map[string]entry{}
	}
	all := entry{Owner: e.Owner, Ends: t.owners.entries[e.Owner].Ends}
	for _, end := range e.Ends {
		all = all.with(end, needless)
	}
	t.owners.entries[e.Owner] = all
	t.owners.some.Store(true)
}

// has reports whether a session has ended.
func (t *table) has(name, owner string, created int64) bool {
	if seed, ok := handle.Seed(name); ok {
		part := &t.parts[seed[0]%64]
		part.RLock()
		_, ended := part.ended[seed]
		part.RUnlock()
		if ended {
			return true
		}
	}
	if !t.owners.some.Load() {
		return false
	}
	t.owners.RLock()
	defer t.owners.RUnlock()
	return t.owners.entries[""].covers(name, created) || owner != "" && t.owners.entries[owner].covers(name, created)
}

// prune forgets what no cookie needs any more.
func (t *table) prune(now time.Time, needless int64) {
	seconds := uint32(now.Unix())
	for i := range t.parts {
		part := &t.parts[i]
		part.Lock()
		for seed, until := range part.ended {
			if until < seconds {
				delete(part.ended, seed)
			}
		}
		part.Unlock()
	}
	t.owners.Lock()
	defer t.owners.Unlock()
	for owner, e := range t.owners.entries {
		if e.newest() <= needless {
			delete(t.owners.entries, owner)
		}
	}
	t.owners.some.Store(len(t.owners.entries) > 0)
}
