package keys

import (
	"sync"
	"sync/atomic"
)

// Derived holds what a form derives from each key of a ring, such as a MAC key.
// It follows the ring when that is reloaded, and keeps the values of keys that
// stay. Make one with [NewDerived]. It is safe for concurrent use.
type Derived[T any] struct {
	ring   *Ring
	derive func(Key) T
	mu     sync.Mutex // held while values are derived
	now    atomic.Pointer[derivation[T]]
}

// A derivation is what was derived from a ring as it was at one moment.
type derivation[T any] struct {
	of      *moment
	entries []Entry[T]
}

// An Entry is a key of a ring and what was derived from it. Value is as secret
// as the key: do not print it.
type Entry[T any] struct {
	Key   Key
	State State
	Value T
}

// NewDerived returns what derive makes of each key of ring, retired ones too.
// derive is called once for a key, now or when the ring has changed, and never
// twice at a time. A nil ring has no keys.
func NewDerived[T any](ring *Ring, derive func(Key) T) *Derived[T] {
	d := &Derived[T]{ring: ring, derive: derive}
	d.Entries()
	return d
}

// Entries returns the keys of the ring and their values, as of one moment: the
// active one first, then those that are next and read-only, the retired ones
// last. It is empty only if the ring has no keys. Do not change the slice, and
// do not keep it longer than for one cookie: the ring may change. Unless it
// has, a call costs two atomic loads.
func (d *Derived[T]) Entries() []Entry[T] {
	if now := d.now.Load(); now != nil && now.of == d.ring.at() {
		return now.entries
	}
	return d.follow()
}

// follow derives what the ring has new. Whoever comes meanwhile waits, so that
// nobody reads with a key that is retired by then.
func (d *Derived[T]) follow() []Entry[T] {
	d.mu.Lock()
	defer d.mu.Unlock()
	of, before := d.ring.at(), d.now.Load()
	if before != nil && before.of == of {
		return before.entries
	}
	values := map[Key]T{}
	if before != nil {
		for _, e := range before.entries {
			values[e.Key] = e.Value
		}
	}
	now := &derivation[T]{of: of}
	for _, h := range of.list() {
		value, ok := values[h.key]
		if !ok {
			value = d.derive(h.key)
		}
		now.entries = append(now.entries, Entry[T]{h.key, h.state, value})
	}
	d.now.Store(now)
	return now.entries
}
