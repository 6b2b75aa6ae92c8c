package sojourn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/sojourn-go/sojourn/internal/queue"
	"github.com/sojourn-go/sojourn/internal/revoked"
	"github.com/sojourn-go/sojourn/store"
)

// Config says how sessions are kept. [New] copies it. Only Keep has to be set;
// the zero value of every other field is the safe one.
type Config struct {
	// Keep is where sessions are kept: InStore(store), Encrypted(ring),
	// flask.Signed(ring) or flask.Exact(ring, settings).
	Keep Keeper

	// AlsoRead lists what is being left behind: forms or cookie names that
	// are still read, and replaced by Keep's as they come in.
	AlsoRead []Former

	// Cookie holds the attributes of the cookie; its zero value is explained
	// there.
	Cookie Cookie

	// IdleTimeout ends a session that was not used for so long; zero is 30
	// minutes. The server enforces it, whatever the cookie says (ASVS 7.3.1).
	IdleTimeout time.Duration

	// AbsoluteTimeout ends a session so long after it was made or signed in
	// to, whatever happens; zero is 12 hours (ASVS 7.3.2).
	AbsoluteTimeout time.Duration

	// AnonymousIdle is the idle timeout of sessions without an owner; zero
	// is IdleTimeout.
	AnonymousIdle time.Duration

	// TouchInterval is how often the use of a session is recorded at most;
	// zero is a tenth of the shortest idle timeout, or a minute if that is
	// less. The idle timeout is exact to that much.
	TouchInterval time.Duration

	// OwnerLimit is how many sessions one owner may have in a store; zero is
	// no limit. A sign-in beyond it is store.ErrLimit, which is answered with
	// 409; with EndOldest it ends the owner's oldest session instead (ASVS
	// 7.1.2).
	OwnerLimit int
	EndOldest  bool

	// Revocations is where the list of sessions in cookies that have ended is
	// kept, in any store that all processes share. With it End, SignIn,
	// RegenerateNow and the Manager's Revoke functions reach every copy of a
	// cookie (ASVS 7.4.1). Nil is no list: a copy of a cookie can then be used
	// until its timeout, whatever the visitor does. Sessions in a store need
	// none.
	Revocations store.Store

	// RevocationDelay is how long another process may still accept a cookie
	// after its session was ended: each holds the list in memory, and asks
	// for what is new when what it knows is older than that. Zero is no delay,
	// and two or three reads from the store at each use of a session, and as
	// many when it changes; otherwise it is 2 seconds at least. If the list
	// cannot be read in time, it is as if the store of sessions did not answer:
	// see Outage.
	RevocationDelay time.Duration

	// StoreTimeout is how long a request waits for its store at the most: so
	// long for loading, and so long for saving with all retries. A single
	// question to the store may take a quarter of it. Zero is 4 seconds.
	StoreTimeout time.Duration

	// Outage says what happens when the store fails while a session is
	// loaded; zero is OutageRefuse.
	Outage Outage

	// Error answers a request whose session could not be saved. What the
	// handler wrote has been set aside; w is as it was before the handler.
	// It may be called from any goroutine that writes a response. Nil
	// answers with the status of [HTTPStatus] and no word about the cause.
	Error func(w http.ResponseWriter, r *http.Request, err error)

	// Events is told what happens to sessions. It must be safe for
	// concurrent use and quick: the request waits for it. Nil logs to
	// slog.Default().
	Events func(context.Context, Event)

	// Strict makes it an error to change a value read from the session and
	// not to set it again. It costs an encoding a read: for tests and
	// development.
	Strict bool
}

// Outage is what a manager does about sessions that cannot be loaded. In every
// case the cookie stays as it is, and what such a request writes, a sign-in
// included, is answered with 503.
type Outage uint8

const (
	// OutageRefuse answers with 503 every request that uses its session.
	OutageRefuse Outage = iota

	// OutageAnonymous lets pages be read: the session is then empty, with
	// nobody signed in. [Manager.Preload] refuses all the same.
	OutageAnonymous
)

// Former is a way of keeping sessions that is being left behind. A session
// found there goes on under [Config.Keep], with its owner, its fields and its
// absolute deadline; the response that moves it deletes the former cookie. From
// a store into a cookie, and from an encrypted cookie into one that can be read, no
// session moves, but it can [Former.Stay].
type Former struct {
	// Keep is how the former sessions were kept.
	Keep Keeper

	// Cookie is the cookie they used.
	Cookie Cookie

	// Until ends the move: from then on the former cookie is not read. Zero
	// is never.
	Until time.Time

	// Stay leaves sessions where they are found, instead of moving them to
	// [Config.Keep]'s place. It is the first of two steps of a roll-out in
	// which processes of two versions run side by side: first every process
	// learns to use what is to come, with Stay, and then, one after the other,
	// they put it in Keep, and what was there in AlsoRead.
	Stay bool
}

// A Manager keeps the sessions of one application. Make it with [New], wrap
// handlers with [Manager.Middleware]. It is safe for concurrent use.
type Manager struct {
	keep         source
	former       []source
	order        []*source     // in which cookies are looked for
	cookies      bool          // there may be sessions in cookies
	stores       []store.Store // in which there may be sessions
	idle         time.Duration
	absolute     time.Duration
	anonymous    time.Duration
	touch        time.Duration
	ownerLimit   int
	endOldest    bool
	storeTimeout time.Duration
	outage       Outage
	revoked      *revoked.List       // nil for none
	turns        queue.Queue[loaded] // of commits, by handle
	touched      recent
	onError      func(http.ResponseWriter, *http.Request, error)
	events       func(context.Context, Event)
	strict       bool
	counts       eventCounts
}

// A source is one keeper with the cookie it uses.
type source struct {
	codec  Codec // or:
	store  store.Store
	traits Traits
	cookie cookieSpec
	until  time.Time
	former bool    // of AlsoRead
	stay   bool    // what is found there is left there
	spill  *source // where a session goes on that outgrows the cookie; its tokens come in the same cookie
}

const (
	defaultIdle     = 30 * time.Minute
	defaultAbsolute = 12 * time.Hour
	defaultStore    = 4 * time.Second
	maxTimeout      = 400 * 24 * time.Hour // browsers keep no cookie longer (RFC 6265bis 5.5)
)

// New returns a manager for config, or one error that lists everything that is
// wrong with it. It starts no goroutine.
func New(config Config) (*Manager, error) {
	m := &Manager{
		idle: config.IdleTimeout, absolute: config.AbsoluteTimeout, anonymous: config.AnonymousIdle,
		touch: config.TouchInterval, ownerLimit: config.OwnerLimit, endOldest: config.EndOldest,
		storeTimeout: config.StoreTimeout, outage: config.Outage,
		onError: config.Error, events: config.Events, strict: config.Strict,
	}
	if m.onError == nil {
		m.onError = defaultError
	}
	if m.events == nil {
		m.events = func(ctx context.Context, e Event) { LogEvents(slog.Default())(ctx, e) }
	}
	var problems []error
	var err error
	m.keep, err = newSource("Config", config.Keep, config.Cookie)
	problems = append(problems, err)
	for i, f := range config.AlsoRead {
		field := fmt.Sprintf("Config.AlsoRead[%d]", i)
		s, err := newSource(field, f.Keep, f.Cookie)
		s.until, s.former, s.stay = f.Until, true, f.Stay
		if err == nil && s.traits.Flask != nil && m.keep.traits.Flask == nil {
			err = fmt.Errorf("sojourn: %s.Keep: flask.Exact has no clocks to move; use flask.Signed, which reads the same cookies", field)
		}
		m.former = append(m.former, s)
		problems = append(problems, err)
	}
	problems = append(problems, m.setClocks(), m.checkStore(config.Keep), m.setList(config.Revocations, config.RevocationDelay))
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	m.setOrder()
	m.setStores()
	for _, src := range m.order {
		m.cookies = m.cookies || src.codec != nil
	}
	return m, nil
}

// reaches reports whether a session can be ended where the visitor is not: in a
// store, or by the list.
func (m *Manager) reaches() bool { return m.revoked != nil || len(m.stores) > 0 }

// setList sets up the revocation list.
func (m *Manager) setList(list store.Store, delay time.Duration) error {
	switch {
	case list == nil && delay != 0:
		return errors.New("sojourn: Config.RevocationDelay: set Revocations too")
	case list == nil:
		return nil
	case m.keep.traits.Clockless:
		return errors.New("sojourn: Config.Revocations: flask.Exact keeps no identity by which a session could be revoked; use flask.Signed, or leave it empty")
	case delay != 0 && delay < 2*revoked.Behind:
		return fmt.Errorf("sojourn: Config.RevocationDelay: %v is less than 2s, the least that stores can promise; zero asks at each use", delay)
	case delay >= m.absolute:
		return fmt.Errorf("sojourn: Config.RevocationDelay: %v is not less than AbsoluteTimeout, %v: every session would be over before", delay, m.absolute)
	}
	m.revoked = revoked.New(list, max(0, delay-revoked.Behind), m.absolute, m.storeTimeout/4)
	return nil
}

// setOrder puts first what sessions may have moved to already, then Keep, and
// then what they move from.
func (m *Manager) setOrder() {
	for i := range m.former {
		if f := &m.former[i]; f.spill != nil { // from where no session moves into a cookie
			f.spill.former, f.spill.stay, f.spill.until = true, f.stay || m.keep.store == nil, f.until
		}
	}
	m.order = []*source{&m.keep}
	for i := range m.former {
		if f := &m.former[i]; f.stay {
			m.order = slices.Insert(m.order, len(m.order)-1, f)
		}
	}
	for i := range m.former {
		if f := &m.former[i]; !f.stay {
			m.order = append(m.order, f)
		}
	}
}

func newSource(field string, keep Keeper, cookie Cookie) (source, error) {
	if keep.store != nil && (keep.spill != nil || keep.nilStore) {
		return source{}, fmt.Errorf("sojourn: %s.Keep: SpillTo is for cookies; a session in a store has room there", field)
	}
	if keep.store != nil {
		s := source{store: keep.store, traits: storeTraits}
		var err error
		s.cookie, err = resolveCookie(field+".Cookie", cookie, &s.traits)
		return s, err
	}
	if keep.nilStore {
		return source{}, fmt.Errorf("sojourn: %s.Keep: InStore or SpillTo was given a nil store", field)
	}
	if keep.codec == nil {
		_, err := resolveCookie(field+".Cookie", cookie, &Traits{})
		return source{}, errors.Join(fmt.Errorf("sojourn: %s.Keep is not set: choose InStore(store), Encrypted(ring), flask.Signed(ring) or flask.Exact(ring, settings)", field), err)
	}
	s := source{codec: keep.codec, traits: keep.codec.Traits()}
	if s.traits.Err != nil {
		return s, fmt.Errorf("sojourn: %s.Keep: %w", field, s.traits.Err)
	}
	var err error
	s.cookie, err = resolveCookie(field+".Cookie", cookie, &s.traits)
	if keep.spill != nil {
		if !s.traits.Sealed {
			err = errors.Join(err, fmt.Errorf("sojourn: %s.Keep: SpillTo puts tokens into a cookie that other programs read; use Encrypted, or InStore", field))
		}
		s.spill = &source{store: keep.spill, traits: storeTraits, cookie: s.cookie}
	}
	return s, err
}

// storeTraits are those of sessions in a store.
var storeTraits = Traits{Sealed: true, SignInFields: []string{"_fresh", "_id"}}

// setClocks checks the timeouts and fills in their defaults.
func (m *Manager) setClocks() error {
	var problems []error
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"IdleTimeout", m.idle}, {"AbsoluteTimeout", m.absolute}, {"AnonymousIdle", m.anonymous}, {"TouchInterval", m.touch}} {
		switch {
		case m.keep.traits.Clockless && d.value != 0:
			problems = append(problems, fmt.Errorf("sojourn: Config.%s: flask.Exact has only Flask's lifetime and can enforce no timeout; "+
				"use flask.Signed, or leave it empty", d.name))
		case d.value < 0:
			problems = append(problems, fmt.Errorf("sojourn: Config.%s: %v is negative; a session without a timeout does not exist", d.name, d.value))
		case d.value > maxTimeout:
			problems = append(problems, fmt.Errorf("sojourn: Config.%s: %v is more than the 400 days for which browsers keep a cookie", d.name, d.value))
		case d.value%time.Second != 0:
			problems = append(problems, fmt.Errorf("sojourn: Config.%s: %v is not whole seconds, which is all that a cookie's stamp holds", d.name, d.value))
		}
	}
	if len(problems) > 0 {
		return errors.Join(problems...)
	}
	if m.absolute == 0 {
		m.absolute = defaultAbsolute
	}
	if m.idle == 0 {
		m.idle = min(defaultIdle, m.absolute)
	}
	if m.anonymous == 0 {
		m.anonymous = m.idle
	}
	const tooLong = "sojourn: Config.%s: %v is more than AbsoluteTimeout, which is %v; set both"
	switch {
	case m.idle > m.absolute:
		return fmt.Errorf(tooLong, "IdleTimeout", m.idle, m.absolute)
	case m.anonymous > m.absolute:
		return fmt.Errorf(tooLong, "AnonymousIdle", m.anonymous, m.absolute)
	}
	shortest := min(m.idle, m.anonymous)
	if m.touch == 0 {
		m.touch = min(shortest/10, time.Minute)
	}
	if m.touch >= shortest {
		return fmt.Errorf("sojourn: Config.TouchInterval: %v must be less than the shortest idle timeout, which is %v", m.touch, shortest)
	}
	return nil
}

// checkStore checks what is set for stores.
func (m *Manager) checkStore(keep Keeper) error {
	var problems []error
	if keep.store == nil && (m.ownerLimit != 0 || m.endOldest) {
		problems = append(problems, errors.New("sojourn: Config.OwnerLimit and EndOldest: only a store can count an owner's sessions; use InStore, or leave them empty"))
	}
	for i, f := range m.former {
		if f.stay {
			continue
		}
		if f.store == nil && f.traits.Sealed && !m.keep.traits.Sealed && keep.store == nil && m.keep.codec != nil {
			problems = append(problems, fmt.Errorf("sojourn: Config.AlsoRead[%d].Keep: sessions do not move from an encrypted cookie into one that the visitor can read, "+
				"which would show what was secret; set Stay to leave them where they are", i))
		}
		if keep.store == nil && f.store != nil {
			problems = append(problems, fmt.Errorf("sojourn: Config.AlsoRead[%d].Keep: sessions do not move from a store into a cookie, "+
				"which could show what was secret and not end what was copied; keep them in a store, or set Stay to leave them there", i))
		}
	}
	if m.ownerLimit < 0 {
		problems = append(problems, fmt.Errorf("sojourn: Config.OwnerLimit: %d is negative; zero is no limit", m.ownerLimit))
	}
	if m.endOldest && m.ownerLimit == 0 {
		problems = append(problems, errors.New("sojourn: Config.EndOldest: set OwnerLimit too"))
	}
	if m.storeTimeout < 0 {
		problems = append(problems, fmt.Errorf("sojourn: Config.StoreTimeout: %v is negative", m.storeTimeout))
	}
	if m.storeTimeout == 0 {
		m.storeTimeout = defaultStore
	}
	if m.outage > OutageAnonymous {
		problems = append(problems, fmt.Errorf("sojourn: Config.Outage: %d is neither OutageRefuse nor OutageAnonymous", m.outage))
	}
	return errors.Join(problems...)
}

// idleTimeout is how long a session of owner may stay unused.
func (m *Manager) idleTimeout(owner string) time.Duration {
	if owner == "" {
		return m.anonymous
	}
	return m.idle
}

// deadline is when rec ends if it is not used again.
func (m *Manager) deadline(rec *Snapshot) time.Time {
	idle := rec.LastSeen.Add(m.idleTimeout(rec.Owner))
	if absolute := rec.Created.Add(m.absolute); absolute.Before(idle) {
		return absolute
	}
	return idle
}

// reservedFields belong to the session itself, to Flask or to Flask-Login in
// one form or another. They are refused everywhere, so that a program that
// runs on one keeper runs on all.
var reservedFields = []string{"_permanent", "_flashes", "_user_id", "_fresh", "_id", "_remember", "_remember_seconds", "_sojourn"}

func (m *Manager) reserved(name string) bool {
	return slices.Contains(reservedFields, name) || name != "" && name == m.keep.traits.OwnerField
}
