package keys

import (
	"context"
	"crypto/fips140"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// A State says where a key is in its life.
type State string

// The states of a key, in the order of [Ring.Info].
const (
	Active   State = "active"    // writes and reads; a ring has exactly one
	Next     State = "next"      // reads, and will write once it is made active
	ReadOnly State = "read-only" // reads what it wrote before
	Retired  State = "retired"   // reads nothing: what it wrote is refused, with the reason "key"
)

// states are all of them, in their order.
var states = []State{Active, Next, ReadOnly, Retired}

// A Ring is a set of keys. One is active: it writes. It and those that are
// next or read-only read. Retired ones do neither: a ring knows them so that
// what they wrote can be refused for its true reason.
//
// A Ring is safe for concurrent use. It changes by [Ring.Reload] alone, and
// then as a whole: whoever uses it sees it as of one moment. A nil Ring and the
// zero Ring hold no keys, every other one has an active key. Make one with
// [FromEnv], [FromFile], [FromProvider], [Parse] or [New].
type Ring struct {
	live *live // behind a pointer, so that copies of a Ring are one ring
}

type live struct {
	now  atomic.Pointer[moment]
	from *source // nil: nowhere to read again
}

// A moment is what a ring is until it changes. It is never changed itself.
type moment struct {
	held []held // in the order of states, the active one first
}

// held is a key in a ring, and what the ring knows of it.
type held struct {
	key            Key
	state          State
	created, since time.Time
}

// at returns what the ring is now, nil for one without keys.
func (r *Ring) at() *moment {
	if r == nil || r.live == nil {
		return nil
	}
	return r.live.now.Load()
}

func (m *moment) list() []held {
	if m == nil {
		return nil
	}
	return m.held
}

// Active returns the key that writes, the zero Key if the ring has no keys.
func (r *Ring) Active() Key {
	if list := r.at().list(); len(list) > 0 {
		return list[0].key
	}
	return Key{}
}

// All returns the keys that read: the active one first, then those that are
// next, then the read-only ones. The slice is the caller's. A form that derives
// from keys uses [NewDerived] instead, which follows the ring.
func (r *Ring) All() []Key {
	var readable []Key
	for _, h := range r.at().list() {
		if h.state != Retired {
			readable = append(readable, h.key)
		}
	}
	return readable
}

// Info is what can be told of a key of a ring; never the secret.
type Info struct {
	ID      string
	State   State
	Created time.Time // zero: not known, as for every key in the plain form
	Since   time.Time // when it came into its state; zero: not known

	// Reads counts the cookies written with this key that this process has
	// accepted since it began, and LastRead is when it last did, in whole
	// seconds; zero: never. In a list of a [File] both are zero.
	Reads    uint64
	LastRead time.Time
}

// Info tells of every key, as of one moment: the active one, then those that
// are next, read-only and retired. In no process may a key be read any more
// when it is retired; that is what Reads and LastRead are for.
func (r *Ring) Info() []Info {
	var list []Info
	for _, h := range r.at().list() {
		info := Info{ID: h.key.ID(), State: h.state, Created: h.created, Since: h.since, Reads: h.key.m.reads.Load()}
		if last := h.key.m.lastRead.Load(); last > 0 {
			info.LastRead = time.Unix(last, 0)
		}
		list = append(list, info)
	}
	return list
}

// Reload reads the ring again from where it came from: its file, its provider
// or the environment. On any error, and if there would be no active key, the
// ring stays as it was. When nothing has changed, nothing happens; keys that
// stay keep their counts and what was derived from them. sojourn's Manager.Run
// calls it about twice a minute for the rings it uses.
//
// A ring made by [New] or [Parse] has nowhere to read from: Reload does
// nothing and returns nil. Calls wait for each other, as long as ctx lasts.
func (r *Ring) Reload(ctx context.Context) error {
	if r == nil || r.live == nil || r.live.from == nil {
		return nil
	}
	from := r.live.from
	select {
	case from.turn <- struct{}{}:
		defer func() { <-from.turn }()
	case <-ctx.Done():
		return fmt.Errorf("keys: the ring was not read again: %w", ctx.Err())
	}
	before := r.at()
	list, err := from.read(ctx)
	if l, ok := errors.AsType[*lack](err); ok && before != nil {
		return l.again()
	}
	if err != nil {
		return err
	}
	after, err := build(list, from.settings, before)
	if err == nil && !after.same(before) {
		r.live.now.Store(after)
	}
	return err
}

// same reports whether two moments hold the same keys in the same states.
func (m *moment) same(other *moment) bool {
	return slices.EqualFunc(m.list(), other.list(), func(a, b held) bool {
		return a.key == b.key && a.state == b.state && a.created.Equal(b.created) && a.since.Equal(b.since)
	})
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
// then, and in FIPS 140-only mode one of less than 14 bytes. Retired keys are
// not judged: they read nothing.
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

// New makes a ring of the given keys: the first is active, the others are
// read-only. It copies them. It refuses weak keys, see [Check], and two equal
// ones; the error holds all complaints.
func New(secrets [][]byte, opts ...Option) (*Ring, error) {
	s := newSettings(opts)
	list := make([]candidate, len(secrets))
	for i, secret := range secrets {
		source := fmt.Sprintf("key %d", i+1)
		if i < len(s.sources) {
			source = s.sources[i]
		}
		list[i] = candidate{source: source, secret: secret, state: plainState(i)}
	}
	return newRing(list, s)
}

// plainState is the state of a key that has only a position.
func plainState(i int) State {
	if i == 0 {
		return Active
	}
	return ReadOnly
}

func newRing(list []candidate, s settings) (*Ring, error) {
	m, err := build(list, s, nil)
	if err != nil {
		return nil, err
	}
	r := &Ring{&live{}}
	r.live.now.Store(m)
	return r, nil
}

// A candidate is what may become a key: a secret with what was written beside
// it, and where it was found. If refused is set, it cannot: that is why.
type candidate struct {
	source         string
	secret         []byte
	state          State
	created, since time.Time
	refused        string
}

// build makes what a ring holds if nobody complains, else it returns every
// complaint. Keys that were there before stay the same keys.
func build(list []candidate, s settings, before *moment) (*moment, error) {
	if len(list) == 0 {
		return nil, errors.New("keys: no key given; " + howToMake)
	}
	var complaints []error
	complain := func(c candidate, reason string) {
		complaints = append(complaints, errors.New("keys: "+c.source+": "+reason))
	}
	m := &moment{}
	sources := map[string]string{} // by id
	active := ""                   // where the active key was found
	for _, c := range list {
		if c.refused != "" {
			complain(c, c.refused)
			continue
		}
		if reason := refusal(c.secret, s.allowWeak || c.state == Retired); reason != "" {
			complain(c, reason)
		}
		if c.state == Active && active != "" {
			complain(c, "the key is active, and so is that of "+active+"; exactly one key writes: make one of the two read-only")
		} else if c.state == Active {
			active = c.source
		}
		if len(c.secret) == 0 {
			continue
		}
		key := before.keep(c.secret)
		if other, ok := sources[key.ID()]; ok {
			complain(c, collision(m, key, c.secret, other))
			continue
		}
		sources[key.ID()] = c.source
		m.held = append(m.held, held{key, c.state, c.created, c.since})
	}
	if active == "" && len(complaints) == 0 {
		return nil, errors.New("keys: " + list[0].source + " and what follows: no key is active, and one has to write; set state=active on its line")
	}
	if err := errors.Join(complaints...); err != nil {
		return nil, err
	}
	slices.SortStableFunc(m.held, func(a, b held) int { return slices.Index(states, a.state) - slices.Index(states, b.state) })
	return m, nil
}

// keep returns the key of this moment that is secret, or else a new one.
func (m *moment) keep(secret []byte) Key {
	for _, h := range m.list() {
		if h.key.has(secret) {
			return h.key
		}
	}
	return newKey(secret)
}

// minFIPS is the shortest key that HMAC takes in FIPS 140-only mode: 112 bits.
// With a shorter one it panics.
const minFIPS = 14

// refusal says why a secret cannot be a key, or nothing.
func refusal(secret []byte, allowWeak bool) string {
	switch {
	case len(secret) == 0:
		return "the key is empty; " + howToMake
	case len(secret) < minFIPS && fips140.Enforced():
		return fmt.Sprintf("the key has only %d of at least %d bytes, which FIPS 140-only mode demands of every key, retired ones too; %s", len(secret), minFIPS, howToMake)
	case allowWeak:
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
func collision(m *moment, key Key, secret []byte, other string) string {
	for _, h := range m.held {
		if h.key.ID() == key.ID() && h.key.has(secret) {
			return "the key is the same as " + other + ", so it would do nothing; remove one of the two"
		}
	}
	return "the key is not the same as " + other + " but has the same id by chance; replace one of the two"
}

// howToMake is the remedy in every complaint that a new key cures.
const howToMake = `make a key with "sojourn key new" (or: openssl rand -hex 32)`
