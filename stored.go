package sojourn

import (
	"errors"
	"time"

	"github.com/sojourn-go/sojourn/internal/handle"
	"github.com/sojourn-go/sojourn/internal/record"
	"github.com/sojourn-go/sojourn/store"
)

// stored is what a session knows of its record in a store.
type stored struct {
	now       *loaded       // the record as last loaded or written; nil while there is none
	secret    record.Secret // of its token
	send      bool          // the browser is to get the token
	optional  bool          // though nothing is lost if it does not
	confirmed bool          // the record has been seen alive since the load
	late      bool          // the token that came in is the one before the record's
	drop      bool          // the browser's token is to be deleted
	saved     int           // ops[:saved] are in the record
	dead      record.Token  // came in, and has ended
	refused   bool          // its token has been taken from it since the load
	loadCall  *call         // in which it was loaded
	shed      bool          // the fields of the record before are not carried over
}

// openToken finds the session of a token that came in, and takes it over if
// there is one that lives.
func (s *Session) openToken(src *source, text string, now time.Time) error {
	token, ok := record.ParseToken(text)
	if !ok {
		return &RefusedError{ReasonMalformed, "not of the form of a token"}
	}
	if src.former && !src.stay {
		return s.moveRecord(src, token, now)
	}
	s.settleIn(src)
	defer func() {
		if !s.present { // it is not there, so a new one begins where new ones do
			s.settleIn(&s.m.keep)
		}
	}()
	l, secret, err := s.find(s.loading(src.store), token.Handle, now, token.Secret)
	if ReasonOf(err) == ReasonUnknown {
		s.dead = token
	}
	if err != nil || l == nil {
		return err
	}
	s.late = secret != token.Secret
	s.take(src, l, secret, s.late)
	return nil
}

// loading is the call in which the session is loaded, whatever that takes: its
// time is one.
func (s *Session) loading(st store.Store) *call {
	if s.loadCall == nil {
		s.loadCall = s.m.call(s.request.Context(), st)
	}
	return s.loadCall.on(st)
}

// find loads a record and checks secrets against it, one of which has to be
// right. It returns nil without an error if the record has expired, which is
// an event, and otherwise the secret that is the record's from here on.
func (s *Session) find(c *call, handle string, now time.Time, secrets ...record.Secret) (*loaded, record.Secret, error) {
	var room []EncodedField // where base is not yet
	if !s.present {
		room = s.room[:0:len(s.room)]
	}
	l, err := c.load(handle, room)
	if errors.Is(err, store.ErrGone) {
		err = &RefusedError{ReasonUnknown, "no such session: it has ended, or was never made"}
	}
	if err != nil {
		return nil, record.Secret{}, err
	}
	for _, secret := range secrets {
		match := l.verifiers.Check(secret, now)
		if match == record.Previous {
			if next, ok := l.verifiers.Next(secret); ok {
				secret, match = next, record.Current
			}
		}
		if match == record.Wrong {
			continue
		}
		if l.record.Kind != store.KindSession {
			break
		}
		if snap := l.snapshot(); l.record.Expired(now) || !now.Before(s.m.deadline(&snap)) {
			s.event(Event{Kind: EventExpired, Handle: handle, Owner: snap.Owner})
			return nil, record.Secret{}, nil
		}
		return l, secret, nil
	}
	return nil, record.Secret{}, &RefusedError{ReasonSecret, "the secret of the token is not the session's: regenerated since, or a guess"}
}

// knows reports whether secret is the record's, or the one before.
func (l *loaded) knows(secret record.Secret) bool {
	_, before := l.verifiers.Next(secret)
	return before || l.verifiers.Check(secret, time.Now()) == record.Current
}

// snapshot is the record as forms see sessions.
func (l *loaded) snapshot() Snapshot {
	h := &l.record.Header
	return Snapshot{Handle: h.Handle, Owner: h.Owner, Created: h.Created, LastSeen: h.LastSeen, State: l.state.Fields}
}

// take takes over a record that was found.
func (s *Session) take(src *source, l *loaded, secret record.Secret, send bool) {
	s.from, s.present = src, true
	s.secret, s.send, s.optional = secret, send, send
	s.rebase(l)
}

// rebase makes l what this request's changes are applied to. If the token was
// regenerated since, the request goes on with the new one; if it was
// [Session.RegenerateNow], it may not go on.
func (s *Session) rebase(l *loaded) {
	if s.now != nil && s.now.record.Handle == l.record.Handle && l.verifiers.Check(s.secret, time.Now()) != record.Current {
		next, ok := l.verifiers.Next(s.secret)
		if !ok {
			s.refused = true
			return
		}
		s.secret = next
		if s.renewed && !s.abrupt { // another request has done it to the same token, and those with the old one keep their grace
			s.renewed, s.send, s.optional = false, true, false
		}
	}
	s.now, s.base = l, l.snapshot()
	s.view, s.settled = s.base.State, s.saved
	s.round++
	if s.shed {
		s.view = nil
	}
	if !s.signedIn || s.id.handle == s.base.Handle { // otherwise the sign-in is still to be saved
		s.id = s.base.identity()
	}
}

// moveRecord takes over a session from a former store. The record keeps its
// handle, and gets a secret that is derived from its old one, so that parallel
// requests join in one new record. If it is the same store, under another
// cookie's name, the record stays as it is.
func (s *Session) moveRecord(src *source, token record.Token, now time.Time) error {
	joined, err := s.join(src, token.Handle, now, token.Secret.Derive(), token.Secret)
	if joined || err != nil {
		return err
	}
	c := s.loading(src.store)
	old, secret, err := s.find(c, token.Handle, now, token.Secret)
	if ReasonOf(err) == ReasonUnknown { // another request may have moved it since we looked
		if joined, jerr := s.join(src, token.Handle, now, token.Secret.Derive()); joined || jerr != nil {
			return jerr
		}
	}
	if err != nil || old == nil {
		return err
	}
	snap := old.snapshot()
	if err := s.move(src, &snap, old.record.Facts, now, secret.Derive()); err != nil || s.now == nil {
		return err
	}
	c.wrote = true // the move has been made: the client's going away no longer stops it
	// Whatever reads the former store alone must not find it alive. All who move
	// the session end it with one mark; if it has ended without, somebody has
	// signed out there.
	switch err := c.end(token.Handle, 0, secret.MoveMark(), now); {
	case errors.Is(err, store.ErrGone):
		err := s.loading(s.home.store).end(token.Handle, 0, store.NewVersion(), now)
		if err != nil && !answer(err) {
			return err
		}
		s.leave()
		return &RefusedError{ReasonUnknown, "it was ended in the former store while it moved"}
	case err != nil:
		s.event(Event{Kind: EventStore, Handle: token.Handle, Err: err})
	}
	return nil
}

// leave lets go of a session that was taken over.
func (s *Session) leave() {
	*s.stored = stored{loadCall: s.loadCall}
	s.lost, s.abrupt, s.signedAt = false, false, 0
	s.from, s.present, s.base, s.view, s.id = nil, false, Snapshot{}, nil, identity{}
}

// moveSnapshot takes over a session from a cookie.
func (s *Session) moveSnapshot(src *source, d *Decoded, now time.Time) error {
	if d.Owner == "" && len(d.State) == 0 {
		return nil // bookkeeping alone is no session
	}
	if len(d.Owner) > store.MaxOwner {
		return &RefusedError{ReasonPayload, errLongOwner.Error()}
	}
	secrets := d.Secrets
	if d.Handle == "" || len(secrets) == 0 { // a form without identity: each request makes a session of its own
		d.Handle, secrets = handle.New(d.Owner), []record.Secret{record.NewSecret()}
	}
	if !now.Before(s.m.deadline(&d.Snapshot)) {
		s.event(Event{Kind: EventExpired, Handle: d.Handle, Owner: d.Owner})
		return nil
	}
	if err := s.checkRevoked(&d.Snapshot); err != nil {
		return err
	}
	joined, err := s.join(src, d.Handle, now, secrets...)
	if err != nil {
		return err
	}
	if owner := src.traits.OwnerField; owner != "" { // it is in the record's head now
		d.State = without(d.State, owner)
	}
	if !joined {
		err = s.move(src, &d.Snapshot, "", now, secrets...)
	}
	if err == nil && s.now != nil {
		err = s.checkMoved(&d.Snapshot)
	}
	return err
}

// join takes over the record that another request has moved a session into. It
// reports false if there is none.
func (s *Session) join(src *source, handle string, now time.Time, secrets ...record.Secret) (bool, error) {
	l, secret, err := s.find(s.loading(s.home.store), handle, now, secrets...)
	if ReasonOf(err) == ReasonUnknown {
		return false, nil
	}
	if err == nil && l != nil {
		s.take(src, l, secret, true)
	}
	return true, err
}

// move makes the record that a former session goes on in. secrets are as for
// join, the first being the one to use.
func (s *Session) move(src *source, from *Snapshot, facts string, now time.Time, secrets ...record.Secret) error {
	c := s.loading(s.home.store)
	l, err := s.m.newRecord(from, now, secrets[0])
	if err != nil {
		return err
	}
	l.record.Facts = facts
	if l.record.HoldUntil = l.record.AbsoluteDeadline; from.Owner == "" { // no copy of it is younger than now
		l.record.HoldUntil = millis(now.Add(s.m.idleTimeout("")))
	}
	if until := src.until; !until.IsZero() && until.Before(l.record.HoldUntil) {
		l.record.HoldUntil = until.Truncate(time.Millisecond)
	}
	_, err = c.create(l, store.CreateOptions{Now: now, End: store.Ending{Mark: store.NewVersion(), Now: now}})
	switch {
	case errors.Is(err, store.ErrExists): // another request was quicker
		_, err = s.join(src, from.Handle, now, secrets...)
		return err
	case errors.Is(err, store.ErrGone):
		return &RefusedError{ReasonUnknown, "its session went on elsewhere, and has ended there"}
	case err != nil:
		return err
	}
	s.take(src, l, secrets[0], true)
	if s.moved() {
		s.event(Event{Kind: EventAdopted})
	}
	return nil
}

// newRecord makes the record of a session.
func (m *Manager) newRecord(from *Snapshot, now time.Time, secret record.Secret) (*loaded, error) {
	l := &loaded{verifiers: record.NewVerifiers(secret), record: &store.Record{Header: store.Header{
		Kind: store.KindSession, Handle: from.Handle, Owner: from.Owner, Version: store.NewVersion(),
		Created: millis(from.Created), LastSeen: millis(from.LastSeen),
		IdleDeadline:     millis(from.LastSeen.Add(m.idleTimeout(from.Owner))),
		AbsoluteDeadline: millis(from.Created.Add(m.absolute)),
	}}}
	l.record.Verifiers = l.verifiers.Encode()
	return l, l.write(from.State, &record.State{})
}

// write puts fields into l, as its record's version upon the state before.
func (l *loaded) write(fields []EncodedField, before *record.State) error {
	l.state = before.Next(fields, l.record.Version)
	text, err := l.state.Encode()
	if err != nil {
		return err
	}
	if len(text) > record.MaxState {
		return tooLarge("", len(text), record.MaxState, fields)
	}
	l.record.State = text
	return nil
}

// millis is t as stores keep it.
func millis(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
