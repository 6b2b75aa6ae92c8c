package revoked

import (
	"math/rand/v2"
	"testing"

	"github.com/sojourn-go/sojourn/internal/handle"
)

// TestSeedOf: it accepts what handle.Seed does, and tells apart the same.
func TestSeedOf(t *testing.T) {
	seen := map[seed][16]byte{}
	for i := range 128 {
		for _, base := range [][16]byte{{}, {0: 0x55, 5: 0xaa, 15: 0x99}} {
			base[i/8] ^= 1 << (i % 8)
			got, ok := seedOf(handle.Derive("", base))
			if other, there := seen[got]; !ok || there && other != base {
				t.Fatalf("%x is %v, %v; so is %x", base, got, ok, other)
			}
			seen[got] = base
		}
	}
	good := handle.New("")
	for _, text := range []string{"", "x", good, good + "A", good[:23], good[:10] + "+" + good[11:], good[:22] + "=" + good[23:], good[:23] + "\xff", good[:2] + "/" + good[3:], good[:15] + "é" + good[17:]} {
		_, want := handle.Seed(text)
		if _, ok := seedOf(text); ok != want {
			t.Errorf("%q: %v", text, ok)
		}
	}
}

// TestSet: a set does what a map does, however its seeds fall.
func TestSet(t *testing.T) {
	for round := range 30 {
		r := rand.New(rand.NewPCG(2, uint64(round)))
		random := func() seed {
			s := seed{r.Uint64(), r.Uint64()}
			if round%3 == 0 { // they differ in one half only
				s.first = 1
			} else if round%3 == 1 {
				s.second = 1
			}
			return s
		}
		var s set
		plain := map[seed]uint32{}
		all := []seed{random()}
		for step := range 3000 {
			if r.IntN(4) > 0 {
				all = append(all, random())
			}
			one, until := all[r.IntN(len(all))], r.Uint32N(1000)
			s.add(one, until)
			plain[one] = max(plain[one], until)
			if step%1000 == 999 {
				seconds := uint32(r.IntN(1200))
				s.prune(seconds)
				for one, until := range plain {
					if until <= seconds {
						delete(plain, one)
					}
				}
			}
			if other := all[r.IntN(len(all))]; s.has(other) != has(plain, other) {
				t.Fatalf("round %d, step %d: %v", round, step, s.has(other))
			}
		}
		for _, one := range all {
			if s.has(one) != has(plain, one) {
				t.Fatalf("round %d: %v: %v", round, one, s.has(one))
			}
		}
		if s.len() != len(plain) {
			t.Fatalf("%d are there, %d are wanted", s.len(), len(plain))
		}
	}
}

func has(plain map[seed]uint32, s seed) bool { _, ok := plain[s]; return ok }

// TestZeroSeed: the handle whose seed is zero is one like others.
func TestZeroSeed(t *testing.T) {
	s, ok := seedOf(handle.Derive("", [16]byte{}))
	var set set
	if set.add(s, 1); !ok || !set.has(s) || set.len() != 1 {
		t.Error(ok, s)
	}
}
