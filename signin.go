package sojourn

import (
	"context"
	"time"

	"github.com/sojourn-go/sojourn/internal/handle"
	"github.com/sojourn-go/sojourn/store"
)

// SignIn signs owner in, the application's identifier of the user, from this
// request on. The session gets a new identity and a new absolute deadline, so
// that nothing which was planted before can be used after (ASVS 7.2.4). Its
// fields go with it, unless they belonged to another owner: those are dropped.
// An empty owner is [ErrNoOwner], which answers the request with 400; so does,
// in a store, one of more than 255 bytes.
//
// In a store the session becomes a new record, and the one before ends: requests
// of it that are under way are dropped, see [ErrEnded]. An owner who has as many
// sessions as [Config.OwnerLimit] allows is answered with 409.
//
// Check the password first: SignIn believes what it is told.
func SignIn(ctx context.Context, owner string) { From(ctx).SignIn(owner) }

// Owner returns who is signed in, and whether somebody is.
func Owner(ctx context.Context) (string, bool) { return From(ctx).Owner() }

// End ends the session: its fields and its owner are gone, and the response
// deletes the cookie. What is written after it in the same request begins a
// new session, without an owner. Ending a session that does not exist is no
// error.
//
// In a store the session has ended when End returns, in every process, and
// stays so whatever becomes of the request. If the store cannot be reached, the
// request is answered with an error page and the cookie stays, so that the
// visitor can try again. The same holds in a cookie with [Config.Revocations],
// where other processes know it within [Config.RevocationDelay].
//
// In a cookie alone, without a list, End cannot reach copies of the cookie:
// whoever has one is signed in with it until its timeout.
func End(ctx context.Context) { From(ctx).End() }

// SignIn is the function [SignIn] for a session at hand.
func (s *Session) SignIn(owner string) {
	s.use()
	defer s.unlock()
	switch {
	case owner == "":
		s.fail(ErrNoOwner)
		return
	case (s.inStore() || s.home.spill != nil) && len(owner) > store.MaxOwner:
		s.fail(errLongOwner)
		return
	}
	if !s.writable("") {
		return
	}
	s.settle()
	if !s.writable("") { // settling lets go of the lock
		return
	}
	if s.id.owner != "" && s.id.owner != owner {
		s.restart()
		if s.inStore() {
			s.shed = true
		}
	}
	if s.inStore() && s.lost { // what was there before has ended already, and stays so
		s.restart()
		s.lost, s.refused, s.now, s.base = false, false, nil, Snapshot{}
	}
	s.signedAt = len(s.ops)
	s.id = identity{handle.New(owner), owner, time.Now()}
	s.modified, s.signedIn, s.renewed = true, true, false
}

// Owner is the function [Owner] for a session at hand.
func (s *Session) Owner() (string, bool) {
	s.use()
	defer s.unlock()
	return s.id.owner, s.id.owner != ""
}

// End is the function [End] for a session at hand.
func (s *Session) End() {
	if !s.m.reaches() {
		s.use()
		defer s.unlock()
		if s.writable("") {
			s.startOver()
		}
		return
	}
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
	switch { // now, that nobody else is saving it
	case s.phase == finished:
		s.writable("")
	case s.outage != nil:
		s.failed(s.outage)
	case s.inStore():
		s.endStored()
	case s.m.revoked != nil:
		s.endListed()
	case s.writable(""):
		s.startOver()
	}
}

// startOver begins a session that holds nothing, in the place of the one that has
// ended. The response deletes the cookie.
func (s *Session) startOver() {
	s.restart()
	s.id = identity{}
	s.modified, s.ended = true, true
	s.signedIn, s.renewed, s.abrupt, s.forced, s.lost = false, false, false, false, false
	if s.inStore() {
		return
	}
	if s.settleIn(&s.m.keep); s.inStore() { // what comes now begins where new sessions do
		s.drop = true
		s.announceEnd()
	}
}

// announceEnd tells that what came in has ended, if nobody has told it yet.
func (s *Session) announceEnd() {
	if s.present && s.base.identity() != (identity{}) {
		s.event(Event{Kind: EventEnded, Handle: s.base.Handle, Owner: s.base.Owner})
		s.base = Snapshot{}
	}
}

// restart forgets every field and every change so far.
func (s *Session) restart() {
	s.view, s.ops, s.settled = nil, nil, 0
	s.round++
	s.flashed, s.flashes, s.tracked = false, nil, nil
	s.signedAt = 0
	if s.stored != nil {
		s.saved = 0
	}
}
