package keys

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"strings"
)

// A Ring is a list of keys. The first is active: it writes. All of them read.
//
// A Ring is safe for concurrent use. A nil Ring and the zero Ring hold no
// keys. Make one with [FromEnv], [FromFile], [Parse] or [New].
type Ring struct {
	keys []Key
}

// Len returns the number of keys.
func (r *Ring) Len() int { return len(r.list()) }

// At returns the key at position i. Position 0 is the active key. At panics if
// i is out of range, as an index into a slice does: an absent key must not
// pass for an empty one. To go through a ring use All, which sees it at one
// moment.
func (r *Ring) At(i int) Key { return r.list()[i] }

// All yields the positions and keys, the active one first.
func (r *Ring) All() iter.Seq2[int, Key] {
	return func(yield func(int, Key) bool) {
		for i, k := range r.list() {
			if !yield(i, k) {
				return
			}
		}
	}
}

// list is the one place that reads the ring's keys.
func (r *Ring) list() []Key {
	if r == nil {
		return nil
	}
	return r.keys
}

// An Option changes which keys a constructor accepts or how it names them.
type Option func(*settings)

type settings struct {
	allowWeak bool
	sources   []string
}

// InsecureAllowWeak accepts keys that [Check] refuses: short, publicly known
// or patterned ones. Whoever guesses such a key can forge any session. It is
// for a site that cannot change its key today. An empty key is refused even
// then.
func InsecureAllowWeak() Option {
	return func(s *settings) { s.allowWeak = true }
}

// Named tells [New] where its keys came from, in their order, so that an error
// can say where to look: "SECRET_KEY_FALLBACKS, line 1" instead of "key 2".
// The other constructors know their source and ignore it.
func Named(sources ...string) Option {
	return func(s *settings) { s.sources = sources }
}

func newSettings(opts []Option) settings {
	var s settings
	for _, o := range opts {
		if o != nil {
			o(&s)
		}
	}
	return s
}

// New makes a ring of the given keys, the active one first. It copies them. It
// refuses weak keys, see [Check], and two equal ones; the error holds all
// complaints.
func New(secrets [][]byte, opts ...Option) (*Ring, error) {
	s := newSettings(opts)
	list := make([]candidate, len(secrets))
	for i, secret := range secrets {
		source := fmt.Sprintf("key %d", i+1)
		if i < len(s.sources) {
			source = s.sources[i]
		}
		list[i] = candidate{source: source, secret: secret}
	}
	return build(list, s)
}

// A candidate is what may become a key: a secret, and where it was found. If
// refused is set, it cannot: that is why.
type candidate struct {
	source  string
	secret  []byte
	refused string
}

// build makes the ring if nobody complains, else it returns every complaint.
func build(list []candidate, s settings) (*Ring, error) {
	if len(list) == 0 {
		return nil, errors.New("keys: no key given; " + howToMake)
	}
	ring := &Ring{}
	var complaints []error
	complain := func(source, reason string) {
		complaints = append(complaints, errors.New("keys: "+source+": "+reason))
	}
	sources := map[string]string{} // by id
	for _, c := range list {
		if c.refused != "" {
			complain(c.source, c.refused)
			continue
		}
		if reason := refusal(c.secret, s.allowWeak); reason != "" {
			complain(c.source, reason)
		}
		if len(c.secret) == 0 {
			continue
		}
		key := newKey(c.secret)
		if other, ok := sources[key.ID()]; ok {
			complain(c.source, collision(ring, key, other))
			continue
		}
		sources[key.ID()] = c.source
		ring.keys = append(ring.keys, key)
	}
	if err := errors.Join(complaints...); err != nil {
		return nil, err
	}
	return ring, nil
}

// refusal says why a secret cannot be a key, or nothing.
func refusal(secret []byte, allowWeak bool) string {
	if len(secret) == 0 {
		return "the key is empty; " + howToMake
	}
	if allowWeak {
		return ""
	}
	var reasons []string
	for _, p := range Check(secret).Problems {
		if p.Refused {
			reasons = append(reasons, p.Text)
		}
	}
	if len(reasons) == 0 {
		return ""
	}
	return strings.Join(reasons, ", and ") + "; " + howToMake +
		"; a site that cannot change its key today can pass keys.InsecureAllowWeak()"
}

// collision says what is wrong with a key whose id the ring has already. Two
// different keys share an id once in four thousand million; a reader that
// picks the key by id could not tell them apart.
func collision(ring *Ring, key Key, other string) string {
	for _, k := range ring.list() {
		if k.ID() == key.ID() && bytes.Equal(k.m.secret(), key.m.secret()) {
			return "the key is the same as " + other + ", so it would do nothing; remove one of the two"
		}
	}
	return "the key is not the same as " + other + " but has the same id by chance; replace one of the two"
}

// howToMake is the remedy in every complaint that a new key cures.
const howToMake = `make a key with "sojourn key new" (or: openssl rand -hex 32)`
