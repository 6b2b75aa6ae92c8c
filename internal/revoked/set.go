package revoked

import (
	"math/bits"
	"math/rand/v2"
	"sync"
	"sync/atomic"
)

// A seed is that of a handle, as numbers of this package's own; first is never 0.
type seed struct{ first, second uint64 }

// seedOf reads a handle. It does what handle.Seed does, but for the order of the
// bits, in a third of the time.
func seedOf(name string) (s seed, ok bool) {
	if len(name) != 24 {
		return s, false
	}
	var all byte
	for _, c := range []byte(name[2:12]) {
		d := digits[c]
		all |= d
		s.first = s.first<<6 | uint64(d)
	}
	for _, c := range []byte(name[12:22]) {
		d := digits[c]
		all |= d
		s.second = s.second<<6 | uint64(d)
	}
	d, e := digits[name[22]], digits[name[23]]
	s.first, s.second = s.first<<4|uint64(d>>2), s.second<<4|uint64(d&3)<<2|uint64(e)>>4
	s.first = max(s.first, 1)
	return s, (all | d | e) < 64
}

// digits are what the characters of URL-safe base64 stand for; 64 is none of them.
var digits = func() (d [256]byte) {
	for i := range d {
		d[i] = 64
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
		d[c] = byte(i)
	}
	return d
}()

// secret keeps anybody from choosing handles, to end them, that fall together.
var secret = seed{rand.Uint64(), rand.Uint64()}

func (s seed) hash() uint64 {
	high, low := bits.Mul64(s.first^secret.first, s.second^secret.second)
	return high ^ low
}

// A set holds seeds, each until a time. It is a table in open addressing and not a
// map, so that questions, which come with each request, take no lock, which would
// cost more than the rest, and wait for nobody. The garbage collector finds no
// pointers in it.
type set struct {
	writing sync.Mutex
	slots   atomic.Pointer[slots]
}

// slots are a power of two, and never more than two thirds of them are taken. What
// is taken stays so.
type slots struct {
	keys []key

	// Eight bits for each slot. Where a seed's bit is not set, it is not there: this
	// is what most questions are about, and all that they need to see, so that it
	// stays in the processor's cache.
	filter []atomic.Uint64

	// These belong to whoever is writing.
	until []uint32 // in seconds since 1970
	taken int
}

// A key is a seed, or free where first is 0. That is written last.
type key struct{ first, second atomic.Uint64 }

const leastSlots = 16

// newSlots has room for n seeds, and for as many to come.
func newSlots(n int) *slots {
	size := leastSlots
	for size < 2*n {
		size *= 2
	}
	return &slots{keys: make([]key, size), filter: make([]atomic.Uint64, size/8), until: make([]uint32, size)}
}

// find returns the place of a seed, or the free one where it would be.
func (s *slots) find(want seed) (place uint64, found bool) {
	last := uint64(len(s.keys) - 1)
	for place = want.hash() & last; ; place = (place + 1) & last {
		switch k := &s.keys[place]; k.first.Load() {
		case 0:
			return place, false
		case want.first:
			if k.second.Load() == want.second {
				return place, true
			}
		}
	}
}

// bit is a seed's bit in the filter, and the word that it is in.
func (s *slots) bit(of seed) (word *atomic.Uint64, bit uint64) {
	h := of.hash()
	return &s.filter[h>>32&uint64(len(s.filter)-1)], 1 << (h >> 58)
}

func (s *slots) add(new seed, until uint32) {
	place, found := s.find(new)
	s.until[place] = max(s.until[place], until)
	if !found {
		s.keys[place].second.Store(new.second)
		s.keys[place].first.Store(new.first)
		word, bit := s.bit(new)
		word.Or(bit)
		s.taken++
	}
}

// each calls f for all seeds.
func (s *slots) each(f func(seed, uint32)) {
	for i := range s.keys {
		if first := s.keys[i].first.Load(); first != 0 {
			f(seed{first, s.keys[i].second.Load()}, s.until[i])
		}
	}
}

func (s *set) has(want seed) bool {
	slots := s.slots.Load()
	if slots == nil {
		return false
	}
	if word, bit := slots.bit(want); word.Load()&bit == 0 {
		return false
	}
	_, found := slots.find(want)
	return found
}

// add takes a seed in, or lengthens its time.
func (s *set) add(new seed, until uint32) {
	s.writing.Lock()
	defer s.writing.Unlock()
	now := s.slots.Load()
	if now == nil {
		now = newSlots(0)
		s.slots.Store(now)
	}
	if 3*now.taken >= 2*len(now.keys) {
		more := newSlots(now.taken)
		now.each(more.add)
		s.slots.Store(more)
		now = more
	}
	now.add(new, until)
}

// prune takes out what was there until a time.
func (s *set) prune(seconds uint32) {
	s.writing.Lock()
	defer s.writing.Unlock()
	now := s.slots.Load()
	if now == nil {
		return
	}
	left := 0
	now.each(func(_ seed, until uint32) {
		if until > seconds {
			left++
		}
	})
	switch {
	case left == 0:
		s.slots.Store(nil)
	case left < now.taken:
		less := newSlots(left)
		now.each(func(old seed, until uint32) {
			if until > seconds {
				less.add(old, until)
			}
		})
		s.slots.Store(less)
	}
}
