package sojourn

import (
	"context"
	"errors"
	"time"

	"github.com/sojourn-go/sojourn/internal/record"
	"github.com/sojourn-go/sojourn/store"
)

// Save saves at once what the request has done so far, for handlers that go on
// for long: streams, sockets, jobs. Without it that is done before the first
// byte of the response, and once more when the handler returns. An error is
// kept in [Session.Err] too, and no later Save of the same request succeeds: its
// answer cannot be a success any more. [ErrEnded] means that the session was
// ended meanwhile.
//
// In a cookie nothing can be saved before the response begins, or after: Save
// then only returns Err.
func (s *Session) Save() error {
	if s.inUpdate() {
		return errInUpdate
	}
	s.use()
	s.unlock()
	s.beginSaving()
	defer s.doneSaving()
	if !s.inStore() || s.err != nil || s.phase == finished {
		return s.failure()
	}
	if s.outage != nil || s.pending() {
		if err := s.persist(false); err != nil {
			s.failed(err)
		}
	}
	return s.failure()
}

// failed notes a failure to save. After the response began nobody answers with
// it, so it is an event at once.
func (s *Session) failed(err error) {
	s.fail(err)
	if s.phase == committed {
		s.event(Event{Kind: EventFailed, Err: err})
	}
}

// Reload reads the session again, for handlers that go on for long: what others
// have written since is there, and what this request has done and not saved is
// done anew on top of it. A session that has ended is [ErrEnded]. In a cookie
// there is nothing to read again.
func (s *Session) Reload() error {
	if s.inUpdate() {
		return errInUpdate
	}
	s.use()
	s.unlock()
	s.beginSaving()
	defer s.doneSaving()
	if s.outage != nil {
		return s.outage
	}
	if !s.inStore() || s.now == nil || s.err != nil || s.lost {
		return s.failure()
	}
	c := s.m.call(s.request.Context(), s.home.store)
	l, err := c.load(s.now.record.Handle, nil)
	switch {
	case err != nil && !errors.Is(err, store.ErrGone):
		return err
	case err == nil && !l.record.Expired(time.Now()):
		if s.rebase(l); !s.refused {
			return nil
		}
	}
	if s.signedIn && s.id.handle != s.now.record.Handle { // the sign-in stands
		s.forget()
		return nil
	}
	s.lose()
	return s.failure()
}

// forget lets go of a record that has ended, for a sign-in that is still to be
// saved: what was carried over from it is gone.
func (s *Session) forget() {
	s.dead = record.Token{Handle: s.now.record.Handle, Secret: s.secret} // another sign-in may have ended it
	s.lost, s.refused, s.send, s.confirmed, s.now, s.base = false, false, false, false, nil, Snapshot{}
	s.ops = s.ops[s.signedAt:]
	s.view, s.saved, s.settled, s.signedAt, s.tracked = nil, 0, 0, 0, nil
	s.round++
}

// storeNow is updateNow for a session in a store.
func (s *Session) storeNow(name string, change changeFunc) error {
	s.use()
	s.unlock()
	s.beginSaving()
	defer s.doneSaving()
	switch {
	case !s.inStore():
		return ErrEnded
	case !s.fieldWritable(name):
		return &FieldError{name, ErrLate}
	case s.err != nil || s.lost:
		return s.failure()
	case s.outage != nil:
		s.failed(s.outage)
		return s.outage
	}
	s.modified = true
	c := s.m.call(s.request.Context(), s.home.store)
	for {
		if s.signedIn || s.renewed { // it has to be in the record that is to stay
			if err := s.persist(false); err != nil {
				s.failed(err)
				return err
			}
			if s.lost {
				return s.failure()
			}
		}
		err := s.tryNow(c, name, change)
		switch {
		case errors.Is(err, errBehind) && time.Now().Before(c.deadline):
			continue
		case errors.Is(err, store.ErrConflict) && c.rest():
			continue
		case errors.Is(err, errBehind), errors.Is(err, store.ErrConflict):
			err = crowded(store.ErrConflict)
			s.failed(err)
		}
		return err
	}
}

// errBehind: somebody in this process was quicker, and the function has to run
// again on what is there now.
var errBehind = errors.New("behind")

// tryNow makes one attempt. When somebody was quicker it is errBehind or
// store.ErrConflict.
func (s *Session) tryNow(c *call, name string, change changeFunc) error {
	if s.settleAll(); s.err != nil {
		return s.err
	}
	raw, present := lookup(s.view, name)
	id, begun := s.id.handle, time.Now()
	text, err := s.runOutside(change, raw, present)
	c.deadline = c.deadline.Add(time.Since(begun)) // the store's time is not the function's
	after, still := lookup(s.view, name)
	switch {
	case err != nil:
		return err
	case !s.inStore():
		return ErrEnded // by the function, or beside it
	case !s.fieldWritable(name):
		return &FieldError{name, ErrLate}
	case s.err != nil || s.lost:
		return s.failure()
	case s.unplaced(), s.id.handle != id, after != raw || still != present, s.wroteSince(s.settled, name): // another goroutine of this request
		return store.ErrConflict
	case s.refused:
		s.lose()
		return ErrEnded
	case s.now != nil:
		err = s.applyNow(c, name, text)
	default:
		if err = s.create(c, []EncodedField{{Name: name, Raw: text}}); err == nil {
			s.done(name, 0)
		}
	}
	if err != nil && !errors.Is(err, errBehind) && !errors.Is(err, store.ErrConflict) && !errors.Is(err, ErrEnded) {
		s.failed(err)
	}
	return err
}

// runOutside runs a function of the application's while others may save the
// session, and end it.
func (s *Session) runOutside(change changeFunc, raw string, present bool) (string, error) {
	s.saving = false
	s.persisting.Unlock()
	s.mu.Unlock()
	defer s.beginSaving()
	return change(raw, present)
}

// applyNow writes one field into the record, if that is still as it was seen.
func (s *Session) applyNow(c *call, name, text string) error {
	t, err := c.turn(s.m, s.now.record.Handle)
	if err != nil {
		return err
	}
	defer t.Done()
	if s.catchUp(t) {
		return errBehind
	}
	there, _, err := s.apply(c, t, with(s.base.State, name, text), false)
	if errors.Is(err, store.ErrGone) {
		s.lose()
		return ErrEnded
	}
	if err != nil {
		return err
	}
	saved := s.saved
	s.took(there)
	s.done(name, saved)
	return nil
}

// done takes what has been saved of one field out of what is pending: of the
// changes since the first n, only the others are.
func (s *Session) done(name string, n int) {
	s.saved = n
	for i := n; i < len(s.ops); i++ {
		switch o := &s.ops[i]; {
		case o.kind == opClear:
			o.keep = append(o.keep[:len(o.keep):len(o.keep)], name)
		case o.name == name:
			o.kind = opNone
		}
	}
	s.rebase(s.now)
}

// endStored ends a session that is kept in a store, at once.
func (s *Session) endStored() {
	ended, err := s.endRecord()
	if err != nil {
		s.failed(err)
		return
	}
	*s.stored = stored{drop: ended || s.drop, loadCall: s.loadCall}
	s.base = Snapshot{}
	s.startOver()
	if s.drop { // what comes now begins where new sessions do
		s.settleIn(&s.m.keep)
	}
}

// endRecord ends the session's record, if there is one, and reports whether it
// was this request that did. Only then is the cookie deleted: by now the browser
// may hold a newer one.
func (s *Session) endRecord() (bool, error) {
	if s.now == nil || s.lost {
		return false, nil
	}
	h := &s.now.record.Header
	if err := s.endInList(h.Handle, h.Created); err != nil {
		return false, err
	}
	c := s.m.call(context.WithoutCancel(s.request.Context()), s.home.store)
	err := c.end(h.Handle, 0, store.NewVersion(), time.Now())
	switch {
	case err == nil:
		s.event(Event{Kind: EventEnded, Handle: s.base.Handle, Owner: s.base.Owner})
	case !answer(err):
		return false, err
	}
	return err == nil, nil
}
