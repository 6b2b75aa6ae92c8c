package sojourn

import (
	"errors"
	"slices"
	"time"

	"github.com/sojourn-go/sojourn/internal/record"
)

// load reads the cookie: Keep's, or where that is missing or not ours a
// former one.
func (s *Session) load() {
	if s.contents != nil {
		return
	}
	s.contents = new(contents)
	s.settleIn(&s.m.keep)
	now := time.Now()
	var refused []Event
	differ := ""
	defer func() {
		for _, e := range refused {
			s.event(e)
		}
	}()
	for _, src := range s.m.order {
		if !src.until.IsZero() && !now.Before(src.until) || src.cookie.Name == differ {
			continue
		}
		text, found, several, err := src.cookie.read(s.request.Header)
		if several {
			s.event(Event{Kind: EventDuplicate, Cookie: src.cookie.Name})
		}
		if !found || text == "" && err == nil {
			continue
		}
		if err == nil {
			err = s.open(src, text, now)
		}
		if _, no := errors.AsType[*RefusedError](err); no {
			if ReasonOf(err) == ReasonDuplicate {
				differ = src.cookie.Name // no other form is to pick one of them
			}
			refused = addRefused(refused, Event{Kind: EventRefused, Cookie: src.cookie.Name, Reason: ReasonOf(err), Err: err})
			continue
		}
		if err != nil {
			s.unavailable(err)
			return
		}
		// A form or key that is being left behind reads what Keep could not.
		refused = slices.DeleteFunc(refused, func(e Event) bool { return e.Cookie == src.cookie.Name })
		return
	}
}

// addRefused adds e to the list, which has one event for each cookie: of several
// forms that refuse it, that which knew most about it says why.
func addRefused(list []Event, e Event) []Event {
	knew := func(r Reason) int {
		switch r {
		case ReasonMalformed:
			return 0
		case ReasonSignature:
			return 1
		}
		return 2
	}
	for i := range list {
		if list[i].Cookie == e.Cookie {
			if knew(e.Reason) > knew(list[i].Reason) {
				list[i] = e
			}
			return list
		}
	}
	return append(list, e)
}

// open takes over the session that text stands for. What is not to be trusted
// is a [RefusedError].
func (s *Session) open(src *source, text string, now time.Time) error {
	if src.spill != nil {
		if _, ok := record.ParseToken(text); ok {
			src = src.spill
		}
	}
	if src.store != nil {
		return s.openToken(src, text, now)
	}
	moving := s.m.keep.store != nil && !src.stay
	d, err := src.codec.Decode(text, Use{Cookie: src.cookie.Name, Now: now, Moving: moving, Room: s.room[:0:len(s.room)]})
	switch {
	case err != nil:
		return err
	case moving:
		return s.moveSnapshot(src, &d, now)
	}
	return s.accept(src, &d, now)
}

// settleIn makes src the place where the session is kept.
func (s *Session) settleIn(src *source) {
	if s.home = src; src.store != nil && s.stored == nil {
		s.stored = new(stored)
	}
}

// inStore reports whether the session is kept in a store. It can change as long as
// nobody has the lock.
func (s *Session) inStore() bool { return s.home.store != nil }

// moved reports whether the session came from elsewhere than where it is kept.
func (s *Session) moved() bool { return s.from != nil && s.from != s.home }

// unavailable notes that the session could not be loaded. That sticks: nothing
// can be written over what was not seen.
func (s *Session) unavailable(err error) {
	s.outage = err
	if s.m.outage == OutageRefuse {
		s.fail(err)
		return
	}
	s.event(Event{Kind: EventStore, Err: err})
}

// accept takes over what a cookie held, if its time has not run out.
func (s *Session) accept(src *source, d *Decoded, now time.Time) error {
	if d.Owner == "" && len(d.State) == 0 {
		return nil // bookkeeping alone is no session
	}
	if !src.traits.Clockless && now.After(s.m.deadline(&d.Snapshot)) {
		s.event(Event{Kind: EventExpired, Handle: d.Handle, Owner: d.Owner})
		return nil
	}
	if err := s.checkRevoked(&d.Snapshot); err != nil {
		return err
	}
	if src.stay {
		s.settleIn(src)
	}
	s.from, s.present = src, true
	s.adopt, s.rewrite = s.moved() || d.Adopt, d.Rewrite
	if owner := src.traits.OwnerField; s.moved() && owner != s.home.traits.OwnerField {
		d.State = without(d.State, owner) // it has another place there
	}
	s.base = d.Snapshot
	s.view = d.State
	s.id = d.identity()
	return nil
}

// sealed reports whether the session is kept where the visitor cannot read it.
func (s *Session) sealed() bool {
	s.use()
	defer s.unlock()
	return s.home.traits.Sealed
}
