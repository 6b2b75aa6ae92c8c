package sojourn

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/sojourn-go/sojourn/internal/header"
	"github.com/sojourn-go/sojourn/internal/queue"
	"github.com/sojourn-go/sojourn/internal/record"
	"github.com/sojourn-go/sojourn/store"
)

// grace is how long a token is still accepted after its session got another by
// Regenerate, so that requests under way do not lose it.
const grace = 10 * time.Second

type turn = queue.Turn[loaded]

// saveStored saves a session that is kept in a store, and puts its token into
// the header when the browser needs it.
func (s *Session) saveStored(h http.Header) error {
	header.AddVary(h)
	if s.outage != nil && !s.pending() {
		return nil // read as empty, by Config.Outage
	}
	public := header.DeclaredPublic(h)
	if err := s.persist(!public); err != nil {
		return err
	}
	s.sendToken(h, public)
	return nil
}

// pending reports whether this request has done something that is not saved.
func (s *Session) pending() bool {
	return s.saved < len(s.ops) || s.unplaced() || s.forced
}

// unplaced reports whether the session is still to get another record, or
// another token.
func (s *Session) unplaced() bool {
	return s.signedIn && (s.now == nil || s.now.record.Handle != s.id.handle) || s.renewed
}

// persist brings the store up to date with what the request did. Where nothing
// is left to do it asks the store nothing, but for a touch when one is due.
// Whoever calls it has s.persisting and s.mu.
func (s *Session) persist(touch bool) error {
	if s.outage != nil {
		return s.outage
	}
	if err := s.unsaved(); err != nil { // before settling: it lets go of the lock
		return err
	}
	if s.settleAll(); s.err != nil {
		return s.err
	}
	if s.lost {
		s.lose()
		return nil
	}
	ctx := s.request.Context()
	if s.phase == committed { // of a stream: the visitor has often gone when it ends
		ctx = context.WithoutCancel(ctx)
	}
	c := s.m.call(ctx, s.home.store)
	var err error
	switch {
	case s.now == nil && s.id.owner == "" && len(s.view) == 0:
		s.saved, s.renewed, s.forced = len(s.ops), false, false
	case s.now == nil:
		err = s.create(c, s.view)
	case s.now.record.Handle != s.id.handle:
		err = s.replace(c)
	case s.renewed || s.fieldsChanged():
		err = s.update(c)
	default:
		s.saved = len(s.ops)
		if touch && s.touchDue(time.Now()) || s.forced || s.send && !s.confirmed {
			s.touch(c)
		}
	}
	return err
}

// create makes the record of a session that has none, with these fields.
func (s *Session) create(c *call, fields []EncodedField) error {
	if s.signedIn && s.dead.Handle != "" { // perhaps it has just been signed in
		r := replacement{s: s, c: c, oldSecret: s.dead.Secret}
		if joined, err := r.join(); joined || err != nil {
			return err
		}
	}
	now := time.Now()
	s.identify(now)
	secret := record.NewSecret()
	l, err := s.m.newRecord(&Snapshot{s.id.handle, s.id.owner, s.id.created, now, fields}, now, secret)
	if err != nil {
		return err
	}
	created, err := c.create(l, s.m.creation(now, store.NewVersion()))
	if err != nil {
		if !answer(err) {
			s.takeBack(c, l)
		}
		return unexpected("create", err)
	}
	s.evicted(created.Ended)
	s.own(l, secret)
	s.event(Event{Kind: EventCreated})
	if s.signedIn {
		s.event(Event{Kind: EventSignedIn})
	}
	return nil
}

// creation is how records are created, as the limits are set.
func (m *Manager) creation(now time.Time, mark store.Version) store.CreateOptions {
	return store.CreateOptions{
		Now: now, Limit: m.ownerLimit, EndOldest: m.endOldest,
		End: store.Ending{Mark: mark, Now: now},
	}
}

// unexpected makes a failure of an answer that has no place where it came.
func unexpected(op string, err error) error {
	if errors.Is(err, store.ErrGone) || errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrConflict) {
		return &StoreError{op, fmt.Errorf("unexpected answer: %v", err)} // not to be taken for one about another record
	}
	return err
}

func (s *Session) evicted(handles []string) {
	for _, h := range handles {
		s.event(Event{Kind: EventRevoked, Handle: h, Owner: s.id.owner})
	}
}

// own takes over a record whose token this request made. The browser has to
// get it.
func (s *Session) own(l *loaded, secret record.Secret) {
	s.secret, s.send, s.optional, s.late = secret, true, false, false
	s.refused = false
	s.took(l)
}

// took takes over what has been written: all that was done so far is in it.
func (s *Session) took(l *loaded) {
	s.saved = s.settled
	forced := s.forced || permanent(s.base.State) != s.permanent()
	s.shed, s.forced, s.renewed, s.abrupt, s.confirmed = false, false, false, false, true
	if s.rebase(l); s.refused {
		s.lose()
		return
	}
	s.resend(forced)
}

// resend has the token sent again, because it must be, or because the deadline
// that is its Expires has moved.
func (s *Session) resend(must bool) {
	switch {
	case must:
		s.send, s.optional = true, false
	case !s.send && s.permanent() && s.navigation():
		s.send, s.optional = true, true
	}
}

// hold waits for this process's turn at a record, and brings the session up to
// date with what the one before has written. While functions of the
// application's run, nobody waits for them: then it lets go and waits again.
func (s *Session) hold(c *call, handle string) (*turn, error) {
	for {
		s.settleAll()
		switch {
		case s.err != nil:
			return nil, s.err
		case s.refused:
			return nil, store.ErrGone
		}
		t, err := c.turn(s.m, handle)
		if err != nil {
			return nil, err
		}
		if !s.catchUp(t) {
			return t, nil
		}
		if s.refused || s.updates() {
			t.Done()
			continue
		}
		s.settleAll()
		return t, nil
	}
}

// catchUp brings the session to what this process has written last, and reports
// whether it was behind. It may be behind by more writes than versions are
// kept, so it takes what was left for it unless its own state came after.
func (s *Session) catchUp(t *turn) bool {
	last := t.Last()
	if last == nil || s.now.wrote(last.record.Version) || !last.knows(s.secret) { // it may be older than the token: the store will say
		return false
	}
	s.rebase(last)
	return true
}

// turn waits for this process's turn at a record.
func (c *call) turn(m *Manager, handle string) (*turn, error) {
	ctx, cancel := c.until(c.deadline)
	defer cancel()
	t, err := m.turns.Wait(ctx, handle)
	if err != nil {
		return nil, &StoreError{"wait for other requests of the session", err}
	}
	return t, nil
}

// updates reports whether functions of the application's wait to be run.
func (s *Session) updates() bool {
	return slices.ContainsFunc(s.ops[s.settled:], func(o op) bool { return o.kind == opUpdate })
}

// update writes the session's changes into its record, on top of whatever
// others have written meanwhile.
func (s *Session) update(c *call) error {
	if s.renewed && s.abrupt {
		if err := s.endInList(s.now.record.Handle, s.now.record.Created); err != nil {
			return err
		}
	}
	for {
		t, err := s.hold(c, s.now.record.Handle)
		if errors.Is(err, store.ErrGone) {
			s.lose()
			return nil
		}
		if err != nil {
			return err
		}
		if !s.renewed && !s.fieldsChanged() { // others have done the same, it seems
			again, err := s.same(c, t)
			t.Done()
			if again {
				continue
			}
			return err
		}
		renewed := s.renewed
		there, secret, err := s.apply(c, t, s.view, renewed)
		t.Done()
		switch {
		case err == nil && secret != s.secret:
			s.own(there, secret)
		case err == nil:
			s.took(there)
		case errors.Is(err, store.ErrGone):
			s.lose()
			return nil
		case errors.Is(err, store.ErrConflict) && c.rest():
			continue
		default:
			return crowded(err)
		}
		if renewed {
			s.event(Event{Kind: EventRegenerated})
		}
		return nil
	}
}

// same asks the store whether the session's record holds already what this
// request wants. It reports true if it has to be looked at again.
func (s *Session) same(c *call, t *turn) (again bool, err error) {
	there, err := c.load(s.now.record.Handle, nil)
	switch {
	case errors.Is(err, store.ErrGone):
		s.lose()
		return false, nil
	case err != nil:
		return false, err
	case there.record.Version != s.now.record.Version:
		t.Leave(there)
		s.rebase(there)
		return true, nil
	}
	s.took(there)
	return false, nil
}

// apply makes one attempt to write fields into the session's record, and
// returns what is there then. After a conflict the session is at what others
// have written.
func (s *Session) apply(c *call, t *turn, fields []EncodedField, renew bool) (*loaded, record.Secret, error) {
	now := time.Now()
	next, secret, err := s.next(now, fields, renew)
	if err != nil {
		return nil, secret, err
	}
	there, err := c.apply(next, s.now.record.Version, now)
	if err == nil {
		t.Leave(there)
		return there, secret, nil
	}
	if !errors.Is(err, store.ErrConflict) {
		return nil, secret, err
	}
	if there == nil {
		if there, err = c.load(s.now.record.Handle, nil); err != nil {
			return nil, secret, err
		}
	}
	t.Leave(there)
	s.rebase(there)
	return nil, secret, store.ErrConflict
}

// next is the session's record with these fields, and the secret of its token.
func (s *Session) next(now time.Time, fields []EncodedField, renew bool) (*loaded, record.Secret, error) {
	rec := *s.now.record
	l := &loaded{record: &rec, verifiers: s.now.verifiers}
	rec.Version = store.NewVersion()
	if !s.idle {
		rec.LastSeen = millis(now)
		rec.IdleDeadline = millis(now.Add(s.m.idleTimeout(rec.Owner)))
	}
	secret := s.secret
	if renew {
		secret = s.regenerate(l, now)
		rec.Verifiers = l.verifiers.Encode()
	}
	return l, secret, l.write(fields, &s.now.state)
}

// regenerate gives l a new secret. The one before keeps its grace, unless it is
// to lose it.
func (s *Session) regenerate(l *loaded, now time.Time) record.Secret {
	next := record.NewSecret()
	if s.abrupt {
		l.verifiers = record.NewVerifiers(next)
		return next
	}
	l.verifiers = record.Regenerate(next, s.secret, now.Add(grace))
	return next
}

// lose notes that the session was ended while this request ran. What it wrote
// is dropped, and its answer says what the handler meant; see [ErrEnded].
func (s *Session) lose() {
	dropped := s.saved < len(s.ops) || s.renewed
	s.lost, s.send, s.renewed, s.forced = true, false, false, false
	s.saved = len(s.ops)
	if dropped {
		s.event(Event{Kind: EventDropped, Err: ErrEnded})
	}
}

// touch records the use of the session, and that its record is still there. It
// changes nothing that a visitor could miss, so a failure is only an event.
func (s *Session) touch(c *call) {
	now := time.Now()
	h := &s.now.record.Header
	if !s.send && !s.forced && !s.m.touched.first(h.Handle, now, s.m.touch) {
		return // a parallel request has just done it
	}
	seen, idle := millis(now), millis(now.Add(s.m.idleTimeout(h.Owner)))
	if s.idle {
		seen, idle = h.LastSeen, h.IdleDeadline
	}
	err := c.write("touch", func(ctx context.Context) error { return c.store.Touch(ctx, h.Handle, seen, idle) })
	switch {
	case errors.Is(err, store.ErrGone):
		s.lose()
	case err != nil:
		s.m.touched.forget(h.Handle)
		s.send = false
		s.event(Event{Kind: EventStore, Err: err})
	default:
		s.confirmed = true
		s.resend(s.forced)
	}
	if s.forced = false; s.send {
		s.refresh(c)
	}
}

// refresh makes sure that the token which is to be sent is the record's: another
// request may have regenerated it.
func (s *Session) refresh(c *call) {
	l, err := c.load(s.now.record.Handle, nil)
	switch {
	case errors.Is(err, store.ErrGone):
		s.lose()
		return
	case err != nil:
		s.send = false
		s.event(Event{Kind: EventStore, Err: err})
		return
	}
	if s.rebase(l); s.refused {
		s.lose()
	}
}

// replace puts a session with a new identity in the place of the one before,
// after a sign-in: the new record is made, then the old one is ended at the
// version whose fields were carried over. Until that has been confirmed,
// nobody gets the new token. If the old one has ended already, the sign-in
// stands and carries nothing over.
func (s *Session) replace(c *call) error {
	if !s.refused {
		if err := s.endInList(s.now.record.Handle, s.now.record.Created); err != nil {
			return err
		}
	}
	r := replacement{s: s, c: c, old: s.now, oldSecret: s.secret, secret: record.NewSecret(), mark: store.NewVersion()}
	err := r.run()
	if err != nil || r.joined {
		if r.placed != nil {
			s.takeBack(c, r.placed)
		}
		return err
	}
	if old := r.old.record; old.Owner != "" && old.Owner != s.id.owner && !s.refused {
		s.event(Event{Kind: EventEnded, Handle: old.Handle, Owner: old.Owner})
	}
	s.own(r.placed, r.secret)
	s.event(Event{Kind: EventSignedIn})
	return nil
}

// sendToken puts the token into the header if the browser needs it, or deletes
// the one that it has.
func (s *Session) sendToken(h http.Header, public bool) {
	switch {
	case s.send && s.confirmed && !(public && s.optional):
		var expires time.Time
		if s.permanent() {
			expires = s.now.record.Deadline()
		}
		text := record.Token{Handle: s.now.record.Handle, Secret: s.secret}.Text()
		s.setCookies(h, append(s.otherDeletions(), s.home.cookie.Line(text, expires, false)))
		s.send, s.drop = false, false
	case s.drop:
		s.deleteCookies(h)
		s.drop = false
	}
}
