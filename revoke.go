package sojourn

import (
	"context"
	"net/http"
	"time"

	"github.com/sojourn-go/sojourn/internal/handle"
)

// askList puts a question to the revocation list. Like a question to the store
// of sessions it has three quarters of Config.StoreTimeout.
func (m *Manager) askList(ctx context.Context, op string, question func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, m.storeTimeout*3/4)
	defer cancel()
	if err := question(ctx); err != nil {
		return &StoreError{op, err}
	}
	return nil
}

// checkRevoked refuses a session in a cookie that the revocation list says has
// ended. Where the list cannot be read, it is a [StoreError].
func (s *Session) checkRevoked(snap *Snapshot) error {
	if s.m.revoked == nil {
		return nil
	}
	var ended bool
	err := s.m.askList(s.request.Context(), "read the revocation list", func(ctx context.Context) (err error) {
		ended, err = s.m.revoked.Has(ctx, snap.Handle, snap.Owner, snap.Created)
		return err
	})
	if ended {
		return &RefusedError{ReasonRevoked, "its session has been ended: signed out, signed in anew, or revoked"}
	}
	return err
}

// checkStill is checkRevoked for what came in, once the handler has run.
func (s *Session) checkStill() error {
	if !s.present || s.ended {
		return nil
	}
	return s.checkRevoked(&s.base)
}

// endBefore ends the session that came in, if it goes on under another name of
// which nobody with a copy of the cookie is to know.
func (s *Session) endBefore() error {
	if s.m.revoked == nil || !s.present || s.ended || s.id.handle == s.base.Handle || !s.signedIn && !s.abrupt {
		return nil
	}
	return s.endInList(s.base.Handle, s.base.Created)
}

// endInList ends a session in the list, whatever becomes of the request.
func (s *Session) endInList(name string, created time.Time) error {
	if !handle.Valid(name) {
		return nil // of a form that has no handles: no list can reach it
	}
	return s.m.askList(context.WithoutCancel(s.request.Context()), "write to the revocation list", func(ctx context.Context) error {
		return s.m.revoked.EndSession(ctx, name, created)
	})
}

// laterThanEnds makes a new sign-in later than the last "log out everywhere",
// which may have the time of a process whose clock is ahead.
func (s *Session) laterThanEnds() error {
	if s.m.revoked == nil || !s.signedIn {
		return nil
	}
	var newest time.Time
	err := s.m.askList(context.WithoutCancel(s.request.Context()), "read the revocation list", func(ctx context.Context) (err error) {
		newest, err = s.m.revoked.Newest(ctx, s.id.owner)
		return err
	})
	if err == nil && !s.id.created.Truncate(time.Millisecond).After(newest) {
		s.id.created = newest.Add(time.Millisecond)
	}
	return err
}

// endRevoked ends a session in a cookie, of which there may be copies, at once.
func (s *Session) endRevoked() {
	if s.inUpdate() {
		s.mu.Lock()
		defer s.unlock()
		s.failed(errInUpdate)
		return
	}
	s.use()
	s.unlock()
	s.beginSaving()
	defer s.doneSaving()
	switch {
	case s.phase == finished:
		s.writable("")
		return
	case s.outage != nil:
		s.failed(s.outage)
		return
	}
	if s.present && !s.ended {
		if err := s.endInList(s.base.Handle, s.base.Created); err != nil {
			s.failed(err)
			return
		}
	}
	if s.phase == committed && s.id.handle != "" && s.id.handle != s.base.Handle { // made in this request, and sent
		if err := s.endInList(s.id.handle, s.id.created); err != nil {
			s.failed(err)
			return
		}
	}
	if s.phase == committed { // the cookie stays, and is worth nothing
		s.event(Event{Kind: EventEnded})
	}
	s.endCookie()
}

// overtaken goes on with a session in a cookie that was ended while the request
// ran. A sign-in stands, and carries nothing over; other changes are dropped.
func (s *Session) overtaken(h http.Header, now time.Time) error {
	if !s.signedIn {
		if joined, err := s.joinOutgrown(now); joined || err != nil {
			if err != nil {
				return err
			}
			return s.saveStored(h)
		}
		s.lost = true
		if len(s.ops) > 0 || s.renewed {
			s.event(Event{Kind: EventDropped, Err: ErrEnded})
		}
		return nil
	}
	if s.signedAt > 0 {
		s.event(Event{Kind: EventDropped, Err: ErrEnded})
	}
	s.ops, s.signedAt, s.tracked = s.ops[s.signedAt:], 0, nil
	s.base, s.present, s.view, s.settled = Snapshot{}, false, nil, 0
	s.round++
	if s.settleAll(); s.err != nil {
		return s.err
	}
	return s.sendChange(h, now)
}
