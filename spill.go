package sojourn

import (
	"net/http"
	"time"

	"github.com/sojourn-go/sojourn/internal/record"
)

// outgrow saves a session that no longer fits into its cookie in the store it
// spills to. The browser gets a token.
func (s *Session) outgrow(h http.Header) error {
	src := s.home
	ended := s.present && (s.ended || s.base.Owner != "" && s.base.Owner != s.id.owner)
	was := s.base
	goesOn := s.present && !s.ended && !s.signedIn && was.Handle != ""
	s.settleIn(src.spill)
	if goesOn {
		if err := s.moveOutgrown(src, time.Now()); err != nil {
			return err
		}
	} else {
		s.base, s.present = Snapshot{}, false
	}
	if err := s.persist(false); err != nil {
		return err
	}
	if s.m.revoked != nil && was.Handle != "" && !s.ended { // who has a copy is led to the record, if he may
		if err := s.endInList(was.Handle, was.Created); err != nil {
			return err
		}
	}
	s.event(Event{Kind: EventSpilled})
	if ended {
		s.event(Event{Kind: EventEnded, Handle: was.Handle, Owner: was.Owner})
	}
	s.sendToken(h, false)
	return nil
}

// moveOutgrown makes a record of the session as it came in, or takes over that
// which a parallel request has made. What this request did is then applied to
// it, as to any session in a store.
func (s *Session) moveOutgrown(src *source, now time.Time) error {
	d, err := src.decodeToMove(s, now)
	if err != nil {
		return err
	}
	joined, err := s.join(s.home, d.Handle, now, d.Secrets...)
	if !joined && err == nil {
		err = s.move(s.home, &d.Snapshot, "", now, d.Secrets...)
	}
	if ReasonOf(err) != "" { // it went on in the store, and has ended there
		s.lose()
		return nil
	}
	return err
}

// joinSpilled takes over the record in which a session goes on whose cookie the
// revocation list refuses because it has outgrown that; else refused stands.
func (s *Session) joinSpilled(src *source, now time.Time, refused error) error {
	d, err := src.decodeToMove(s, now)
	if err != nil {
		return err
	}
	s.settleIn(src.spill)
	joined, err := s.join(s.home, d.Handle, now, d.Secrets...)
	if !s.present {
		s.settleIn(&s.m.keep)
	}
	if !joined && err == nil {
		return refused
	}
	return err
}

// joinOutgrown is joinSpilled for a session that has outgrown its cookie while
// this request ran.
func (s *Session) joinOutgrown(now time.Time) (bool, error) {
	src := s.home
	if src.spill == nil {
		return false, nil
	}
	d, err := src.decodeToMove(s, now)
	if err != nil {
		return false, err
	}
	s.settleIn(src.spill)
	joined, err := s.join(s.home, d.Handle, now, d.Secrets...)
	if s.now == nil {
		s.settleIn(src)
	}
	return joined && s.now != nil, err
}

// decodeToMove decodes the cookie again, with what its session needs to move into
// a store.
func (src *source) decodeToMove(s *Session, now time.Time) (Decoded, error) {
	text, _, _, err := src.cookie.read(s.request.Header)
	if err != nil {
		return Decoded{}, err
	}
	d, err := src.codec.Decode(text, Use{Cookie: src.cookie.Name, Now: now, Moving: true})
	if err == nil && len(d.Secrets) == 0 {
		d.Secrets = []record.Secret{record.NewSecret()}
	}
	return d, err
}
