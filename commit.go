package sojourn

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sojourn-go/sojourn/internal/handle"
	"github.com/sojourn-go/sojourn/internal/header"
	"github.com/sojourn-go/sojourn/store"
)

// commit saves the session: it decides what the response has to carry and
// puts it into h, the response's header. It does so once; later calls return
// nil.
func (s *Session) commit(h http.Header) error {
	if s.untouched() {
		return nil
	}
	s.beginSaving()
	defer s.doneSaving()
	if s.phase != open {
		return nil
	}
	s.phase = committing
	err := s.save(h)
	if err != nil { // abandon follows
		s.fail(err)
		s.event(Event{Kind: EventFailed, Err: err})
		return err
	}
	s.phase = committed
	return nil
}

func (s *Session) save(h http.Header) error {
	if s.err != nil {
		return s.err
	}
	if !s.used {
		rules := s.m.keep.traits.Flask
		if rules == nil || !rules.RefreshPermanent {
			return nil
		}
		s.load() // Flask looks at every request's cookie: it may be due for a refresh
	}
	if s.inStore() {
		return s.saveStored(h)
	}
	return s.saveCookie(h)
}

// saveCookie saves a session that is kept in the cookie.
func (s *Session) saveCookie(h http.Header) error {
	s.settleAll()
	if s.err != nil {
		return s.err
	}
	if err := s.unsaved(); err != nil {
		return err
	}
	if s.used {
		header.AddVary(h)
	}
	if s.outage != nil {
		if len(s.ops) == 0 && !s.signedIn && !s.forced {
			return nil // read as empty, by Config.Outage
		}
		return s.outage
	}
	now := time.Now()
	switch s.decide(h, now) {
	case changeCookie:
		return s.sendChange(h, now)
	case touchCookie:
		return s.sendTouch(h, now)
	case deleteCookie:
		err := s.checkStill()
		if ReasonOf(err) == ReasonRevoked {
			return s.overtaken(h, now) // by now the browser may hold a newer one
		}
		if err == nil {
			err = s.endBefore()
		}
		if err != nil {
			return err
		}
		s.sendDeletion(h)
	}
	return nil
}

// sendChange sends the cookie. If the session does not fit into it, it goes on in
// the store that was named for that.
func (s *Session) sendChange(h http.Header, now time.Time) error {
	err := s.checkStill()
	if ReasonOf(err) == ReasonRevoked {
		return s.overtaken(h, now)
	}
	if err == nil {
		err = s.sendCookie(h, now)
	}
	if s.canSpill(err) {
		return s.outgrow(h)
	}
	return err
}

// canSpill reports whether err is that the session does not fit into its cookie,
// and there is a store where it can go on.
func (s *Session) canSpill(err error) bool {
	_, large := errors.AsType[*TooLargeError](err)
	return large && s.home.spill != nil && len(s.id.owner) <= store.MaxOwner
}

// sendTouch sends the cookie though nothing has changed: it can wait if that
// cannot be.
func (s *Session) sendTouch(h http.Header, now time.Time) error {
	err := s.checkStill()
	if ReasonOf(err) == ReasonRevoked {
		return nil
	}
	if err == nil {
		err = s.sendCookie(h, now)
	}
	if s.canSpill(err) { // what it was written in before took less room
		return s.outgrow(h)
	}
	if _, large := errors.AsType[*TooLargeError](err); large {
		s.event(Event{Kind: EventTooLarge, Err: err})
		return nil
	}
	if _, failed := errors.AsType[*StoreError](err); failed {
		s.event(Event{Kind: EventStore, Err: err})
		return nil
	}
	return err
}

// untouched commits a session that nobody has used, which costs next to nothing.
func (s *Session) untouched() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if rules := s.m.keep.traits.Flask; s.phase != open || s.used || s.err != nil || rules != nil && rules.RefreshPermanent {
		return false
	}
	s.phase = committed
	return true
}

// beginSaving takes the locks that saving needs; doneSaving gives them back and
// tells what happened.
func (s *Session) beginSaving() {
	s.persisting.Lock()
	s.mu.Lock()
	s.saving = true
}

func (s *Session) doneSaving() {
	s.saving = false
	s.persisting.Unlock()
	s.unlock()
}

// abandon ends the request of a handler that panicked, or of a session that
// could not be saved: nothing more is saved, but what has been done already,
// by End and by Save, is not taken back. Its cookie stays in h for whoever
// answers.
func (s *Session) abandon(h http.Header) {
	s.mu.Lock()
	defer s.unlock()
	switch {
	case s.phase >= committed || s.contents == nil:
	case s.inStore():
		s.sendToken(h, false)
	case s.ended && s.err == nil: // a deletion that failed is no End
		s.sendDeletion(h)
	}
	s.phase = finished
}

// finish saves what a handler has changed since its response began. It is
// called once, when the handler has returned.
func (s *Session) finish() {
	s.mu.Lock()
	if s.contents == nil || !s.inStore() { // a cookie cannot be changed since its response began
		s.phase = finished
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	s.beginSaving()
	defer s.doneSaving()
	if s.phase == committed && s.err == nil && s.inStore() && s.pending() {
		if err := s.persist(false); err != nil {
			s.fail(err)
			s.event(Event{Kind: EventFailed, Err: err})
		}
	}
	s.phase = finished
}

// vary marks a page that somebody else writes, after a panic or a failure: it
// may tell what was read.
func (s *Session) vary(h http.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used {
		header.AddVary(h)
	}
}

type verdict uint8

const (
	nothing verdict = iota
	changeCookie
	touchCookie // send it too, but nothing is lost without it
	deleteCookie
)

// decide says what the response has to carry.
func (s *Session) decide(h http.Header, now time.Time) verdict {
	empty := s.id.owner == "" && len(s.view) == 0
	if rules := s.home.traits.Flask; rules != nil {
		switch {
		case empty && s.modified:
			return deleteCookie
		case !empty && (s.modified || s.moved() || rules.RefreshPermanent && s.permanent()):
			return changeCookie
		}
		return nothing
	}
	switch {
	case empty && (s.ended || s.present):
		return deleteCookie
	case empty:
		return nothing
	case s.forced || s.changed():
		return changeCookie
	case (s.adopt || s.rewrite || s.touchDue(now)) && s.navigation() && !header.DeclaredPublic(h):
		return touchCookie
	}
	return nothing
}

// changed reports whether the session differs from what came in.
func (s *Session) changed() bool {
	return !s.present || s.id != s.base.identity() || s.fieldsChanged()
}

// fieldsChanged reports whether the fields differ from those that came in.
func (s *Session) fieldsChanged() bool {
	if len(s.view) != len(s.base.State) {
		return true
	}
	if slices.Equal(s.view, s.base.State) {
		return false // the usual, and quick
	}
	for _, f := range s.view {
		if raw, ok := lookup(s.base.State, f.Name); !ok || raw != f.Raw {
			return true
		}
	}
	return false
}

// touchDue reports whether the use of the session should be recorded: at most
// once an interval, and not for a request that is no activity.
func (s *Session) touchDue(now time.Time) bool {
	return s.used && !s.idle && now.Sub(s.base.LastSeen) >= s.m.touch
}

// navigation reports whether the request loads a page. A cookie that nothing
// changed is sent with pages only: beside them, a parallel request could
// overwrite a newer cookie.
func (s *Session) navigation() bool {
	mode := s.request.Header["Sec-Fetch-Mode"]
	return len(mode) == 0 || mode[0] == "navigate"
}

// sendCookie puts the session into the cookie.
func (s *Session) sendCookie(h http.Header, now time.Time) error {
	keep := s.home
	s.identify(now)
	if err := s.laterThanEnds(); err != nil {
		return err
	}
	rec := Snapshot{Handle: s.id.handle, Owner: s.id.owner, Created: s.id.created, LastSeen: now, State: s.view}
	if s.idle && s.present && s.id == s.base.identity() {
		rec.LastSeen = s.base.LastSeen
	}
	text, err := keep.codec.Encode(&rec, Use{Cookie: keep.cookie.Name, Now: now})
	if err != nil {
		return err
	}
	var expires time.Time
	if s.permanent() {
		if expires = s.m.deadline(&rec); keep.traits.Clockless {
			expires = now.Add(keep.traits.Lifetime)
		}
	}
	line := keep.cookie.Line(text, expires, false)
	if err := s.measure(line); err != nil {
		return err
	}
	if err := s.endBefore(); err != nil {
		return err
	}
	s.setCookies(h, append(s.otherDeletions(), line))
	s.announce()
	return nil
}

// identify gives a session that begins here its identity.
func (s *Session) identify(now time.Time) {
	if s.id.handle == "" && !s.home.traits.Clockless {
		s.id.handle = handle.New(s.id.owner)
	}
	if s.id.created.IsZero() {
		s.id.created = now
	}
}

// announce says what has happened to the session, once it is certain.
func (s *Session) announce() {
	came := s.present && s.base.identity() != (identity{}) // and its end has not been told
	if over := s.base.Owner != "" && s.base.Owner != s.id.owner; came && (s.ended || over) {
		s.event(Event{Kind: EventEnded, Handle: s.base.Handle, Owner: s.base.Owner})
	}
	if s.id == (identity{}) {
		return
	}
	if !s.present || s.ended {
		s.event(Event{Kind: EventCreated})
	}
	switch {
	case s.signedIn:
		s.event(Event{Kind: EventSignedIn})
	case s.renewed:
		s.event(Event{Kind: EventRegenerated})
	case s.present && s.adopt && !s.ended:
		s.event(Event{Kind: EventAdopted})
	}
}

// measure refuses a Set-Cookie line that browsers would drop without a word.
func (s *Session) measure(line string) error {
	limit := maxSetCookie
	rules := s.home.traits.Flask
	if rules != nil {
		limit = rules.MaxCookieSize
	}
	if limit == 0 || len(line) <= limit {
		return nil
	}
	err := tooLarge(s.home.cookie.Name, len(line), limit, s.view)
	if rules != nil {
		s.event(Event{Kind: EventTooLarge, Err: err}) // Flask warns and sends
		return nil
	}
	return err
}

// sendDeletion deletes the cookie, and those it came from. Flask's rules do it
// even when none came in.
func (s *Session) sendDeletion(h http.Header) {
	s.deleteCookies(h)
	s.announce()
}

func (s *Session) deleteCookies(h http.Header) {
	lines := s.otherDeletions()
	_, found, _, _ := s.home.cookie.read(s.request.Header)
	if found || s.home.traits.Flask != nil {
		_ = s.measure(s.home.cookie.deletion) // an event where Flask warns; ours is never too large
		lines = append(lines, s.home.cookie.deletion)
	}
	if len(lines) > 0 {
		s.setCookies(h, lines)
	}
}

// otherDeletions are the lines that delete the cookies of other places that came
// in. They go with every cookie that is sent: one that stayed could shadow it, or
// come to life again when it has gone.
func (s *Session) otherDeletions() []string {
	var lines []string
	for _, src := range s.m.order {
		f := &src.cookie
		if f.deletion == s.home.cookie.deletion || slices.Contains(lines, f.deletion) {
			continue
		}
		if _, found, _, _ := f.read(s.request.Header); found {
			lines = append(lines, f.deletion)
		}
	}
	return lines
}

// setCookies puts Set-Cookie lines into h and keeps the response out of
// caches. A line that the handler wrote for the same cookie makes way: one
// response never sets one cookie twice (RFC 6265bis 4.1.1). Flask keeps both.
func (s *Session) setCookies(h http.Header, lines []string) {
	old := h["Set-Cookie"]
	if len(old) > 0 && !s.home.cookie.bare {
		old = slices.DeleteFunc(slices.Clone(old), func(line string) bool {
			name, _, _ := strings.Cut(line, "=")
			return strings.TrimSpace(name) == s.home.cookie.Name
		})
	}
	h["Set-Cookie"] = append(old, lines...)
	if header.DeclaredPublic(h) {
		s.event(Event{Kind: EventUncached})
	}
	header.AddVary(h)
	header.KeepOutOfCaches(h)
}
