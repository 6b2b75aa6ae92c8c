package sojourn

import (
	"net/http"
	"time"

	"github.com/sojourn-go/sojourn/internal/record"
)

// outgrow saves a session that does not fit into its cookie in the store that it
// spills to. The browser gets a token.
func (s *Session) outgrow(h http.Header) error {
	was, from := s.base, s.from
	goesOn := s.present && !s.ended && !s.signedIn
	replaced := s.present && !s.ended && s.signedIn
	s.settleIn(s.home.spill)
	*s.stored = stored{}
	if goesOn {
		if err := s.moveOutgrown(from, time.Now()); err != nil || s.lost {
			return err
		}
	} else {
		s.base, s.present = Snapshot{}, false
	}
	err := s.persist(false)
	if err == nil && replaced {
		if err = s.endCopies(was.Handle, was.Created); err != nil {
			s.takeBack(s.m.call(s.request.Context(), s.home.store), s.now)
		}
	}
	if err != nil {
		s.send = false // nobody is to have the token of what was not saved
		return err
	}
	if s.lost {
		return nil
	}
	s.event(Event{Kind: EventSpilled})
	if replaced && was.Owner != "" && was.Owner != s.id.owner {
		s.event(Event{Kind: EventEnded, Handle: was.Handle, Owner: was.Owner})
	}
	s.sendToken(h, false)
	return nil
}

// moveOutgrown makes a record of the session as it came in, from a cookie of the
// source, or takes over that which a parallel request has made. What this request
// did is then applied to it, as to any session in a store.
func (s *Session) moveOutgrown(from *source, now time.Time) error {
	text, _, _, err := from.cookie.read(s.request.Header)
	if err != nil {
		return err
	}
	d, err := from.codec.Decode(text, Use{Cookie: from.cookie.Name, Now: now, Moving: true})
	if err != nil {
		return err
	}
	if len(d.Secrets) == 0 || d.Handle == "" {
		d.Handle, d.Secrets = s.base.Handle, []record.Secret{record.NewSecret()}
	}
	if owner := from.traits.OwnerField; owner != "" {
		d.State = without(d.State, owner)
	}
	err = s.move(s.home, &d.Snapshot, "", now, d.Secrets...)
	if err == nil && s.now != nil {
		err = s.checkMoved(&d.Snapshot)
	}
	if ReasonOf(err) != "" || err == nil && s.now == nil { // it went on in the store, and has ended there
		s.lose()
		return nil
	}
	return err
}
