package sojourn

import (
	"context"
	"net/http"
	"time"

	"github.com/sojourn-go/sojourn/internal/handle"
	"github.com/sojourn-go/sojourn/store"
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
	return s.refuseEnded(s.request.Context(), snap, s.m.revoked.Has)
}

// refuseEnded is [errRevoked] if the list says that a session has ended; ask is how
// it is asked.
func (s *Session) refuseEnded(ctx context.Context, snap *Snapshot, ask func(ctx context.Context, handle, owner string, created time.Time) (bool, error)) error {
	var ended bool
	err := s.m.askList(ctx, "read the revocation list", func(ctx context.Context) (err error) {
		ended, err = ask(ctx, snap.Handle, snap.Owner, snap.Created)
		return err
	})
	if ended {
		return errRevoked
	}
	return err
}

var errRevoked error = &RefusedError{ReasonRevoked, "its session has been ended: signed out, signed in anew, or revoked"}

// checkStill is checkRevoked for what came in, once the handler has run.
func (s *Session) checkStill() error {
	if !s.present || s.ended {
		return nil
	}
	return s.checkRevoked(&s.base)
}

// checkMoved looks whether a session was ended while it moved from a cookie into a
// store: there the list is not asked any more. Whoever ends a session writes to the
// list first, and then ends it in the stores; so one of the two sees the other. When
// the list does not answer, the record stays for the next request, which looks again.
func (s *Session) checkMoved(snap *Snapshot) error {
	if s.m.revoked == nil {
		return nil
	}
	err := s.refuseEnded(context.WithoutCancel(s.request.Context()), snap, s.m.revoked.Ask)
	if err == errRevoked {
		s.takeBack(s.loading(s.home.store), s.now)
	}
	if err != nil {
		s.leave()
	}
	return err
}

// endBefore ends the session that came in, if it goes on under another name of
// which nobody with a copy of the cookie is to know.
func (s *Session) endBefore() error {
	if !s.present || s.ended || !s.signedIn && !s.abrupt {
		return nil
	}
	return s.endCopies(s.base.Handle, s.base.Created)
}

// endCopies ends a session in a cookie: in the list, and then wherever a copy of
// the cookie may have gone on.
func (s *Session) endCopies(name string, created time.Time) error {
	if s.m.revoked == nil || !handle.Valid(name) {
		return nil // no list, or none can reach it
	}
	if err := s.endInList(name, created); err != nil {
		return err
	}
	for _, st := range s.m.stores {
		c := s.m.call(context.WithoutCancel(s.request.Context()), st)
		if err := c.end(name, 0, store.NewVersion(), time.Now()); err != nil && !answer(err) {
			return err
		}
	}
	return nil
}

// endInList ends a session in the list, whatever becomes of the request.
func (s *Session) endInList(name string, created time.Time) error {
	if s.m.revoked == nil || !s.m.cookies || !handle.Valid(name) {
		return nil
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

// endListed ends a session in a cookie, of which there may be copies, at once.
func (s *Session) endListed() {
	if s.present && !s.ended {
		if err := s.endCopies(s.base.Handle, s.base.Created); err != nil {
			s.failed(err)
			return
		}
	}
	if s.phase == committed { // the cookie stays, and is worth nothing
		if s.id.handle != s.base.Handle { // made in this request, and sent
			if err := s.endCopies(s.id.handle, s.id.created); err != nil {
				s.failed(err)
				return
			}
		}
		if s.id != (identity{}) {
			s.event(Event{Kind: EventEnded})
		}
	}
	s.startOver()
}

// overtaken goes on with a session in a cookie that was ended while the request
// ran. A sign-in stands, and carries nothing over; other changes are dropped.
func (s *Session) overtaken(h http.Header, now time.Time) error {
	if !s.signedIn {
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
	s.base, s.from, s.present, s.view, s.settled = Snapshot{}, nil, false, nil, 0
	s.round++
	if s.settleAll(); s.err != nil {
		return s.err
	}
	return s.sendChange(h, now)
}
