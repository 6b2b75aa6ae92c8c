package sojourn

import (
	"context"
	"errors"
	"time"

	"github.com/sojourn-go/sojourn/internal/record"
	"github.com/sojourn-go/sojourn/store"
)

// A replacement is a sign-in on its way: a record that takes the place of
// another.
type replacement struct {
	s      *Session
	c      *call
	old    *loaded
	placed *loaded // the new record, once it is there
	joined bool    // it is not needed: another sign-in's is used

	oldSecret, secret record.Secret
	mark              store.Version // of the old record's end
}

// run goes round until the old record has ended at the version that was
// carried over.
func (r *replacement) run() error {
	for {
		t, err := r.s.hold(r.c, r.old.record.Handle)
		if err == nil {
			err = r.step()
			if errors.Is(err, store.ErrConflict) {
				err = r.again(t)
			}
			t.Done()
		}
		switch {
		case err == nil:
			return nil
		case errors.Is(err, store.ErrGone):
			if joined, err := r.join(); joined || err != nil {
				return err
			}
			return r.alone()
		case errors.Is(err, store.ErrLimit): // perhaps by the other click
			if joined, jerr := r.join(); joined || jerr != nil {
				return jerr
			}
		case errors.Is(err, store.ErrConflict) && r.c.rest():
			continue
		}
		return crowded(err)
	}
}

// step places what the old record holds now, and ends that.
func (r *replacement) step() error {
	now := time.Now()
	from := r.s.now.record
	if r.placed != nil {
		if err := r.rewrite(now); err != nil {
			return err
		}
	} else {
		if r.s.m.ownerLimit > 0 { // what another click has just made must not be ended for the limit
			if _, err := r.c.load(from.Handle, nil); err != nil {
				return err
			}
		}
		ended, err := r.create(now, from.Version)
		if err != nil || ended {
			return err
		}
	}
	return r.c.end(from.Handle, from.Version, r.mark, now)
}

// create makes the new record. It reports whether that has ended the old one
// too, as it does when both are the same owner's.
func (r *replacement) create(now time.Time, from store.Version) (ended bool, err error) {
	s := r.s
	l, err := s.m.newRecord(&Snapshot{s.id.handle, s.id.owner, s.id.created, now, s.view}, now, r.secret)
	if err != nil {
		return false, err
	}
	l.verifiers = record.SignIn(r.secret, r.oldSecret, now.Add(grace))
	l.record.Verifiers = l.verifiers.Encode()
	opts := s.m.creation(now, r.mark)
	if !s.refused { // a session that was taken from this request is not its to end
		opts.Replaces, opts.End.Version = r.old.record.Handle, from
	}
	created, err := r.c.create(l, opts)
	if errors.Is(err, store.ErrGone) || errors.Is(err, store.ErrExists) {
		return false, unexpected("create", err)
	}
	if err == nil || !answer(err) { // it is there, or may be
		r.placed = l
	}
	if err != nil {
		return false, err
	}
	s.evicted(created.Ended)
	return created.Replaced, nil
}

// rewrite puts the fields as they are now into the new record, whose token
// nobody has yet.
func (r *replacement) rewrite(now time.Time) error {
	rec := *r.placed.record
	rec.Version = store.NewVersion()
	l := &loaded{record: &rec, verifiers: r.placed.verifiers}
	if err := l.write(r.s.view, &r.placed.state); err != nil {
		return err
	}
	there, err := r.c.apply(l, r.placed.record.Version, now)
	if err != nil {
		return unexpected("apply", err) // somebody has ended what nobody has: all sessions of the owner
	}
	r.placed = there
	return nil
}

// again brings the session to what others have written into the old record.
func (r *replacement) again(t *turn) error {
	there, err := r.c.load(r.old.record.Handle, nil)
	if err != nil {
		return err
	}
	t.Leave(there)
	r.s.rebase(there)
	return store.ErrConflict
}

// join looks for the session that another sign-in of the same owner has just
// put in the place of the same old one: a double click, or a form that was sent
// twice. Both then have one session with one token, and whichever answer the
// browser keeps is right.
func (r *replacement) join() (bool, error) {
	s, now := r.s, time.Now()
	page := store.Page{Limit: 100}
	for range 10 { // what is searched has to end
		var listing store.Listing
		err := r.c.ask("list", func(ctx context.Context) (err error) {
			listing, err = r.c.store.List(ctx, s.id.owner, page)
			return err
		})
		if err != nil {
			return false, err
		}
		for _, found := range listing.Records {
			if found.Kind != store.KindSession || found.Created.Before(now.Add(-grace)) || r.placed != nil && found.Handle == r.placed.record.Handle {
				continue
			}
			l, err := r.c.load(found.Handle, nil)
			if err != nil {
				continue // ended meanwhile, most likely
			}
			if secret, ok := l.verifiers.Successor(r.oldSecret, now); ok {
				r.joined = true
				return true, r.enter(l, secret)
			}
		}
		if page.Cursor = listing.Next; page.Cursor == "" {
			break
		}
	}
	return false, nil
}

// enter goes on in another sign-in's session, with what this request did since
// its own.
func (r *replacement) enter(l *loaded, secret record.Secret) error {
	s := r.s
	r.dropBefore()
	s.now, s.shed, s.refused, s.late = nil, false, false, false
	s.secret, s.send, s.optional, s.confirmed = secret, true, false, true
	s.id = identity{handle: l.record.Handle}
	s.rebase(l)
	return s.update(r.c)
}

// dropBefore drops what the request wrote to the session of before its sign-in.
func (r *replacement) dropBefore() {
	s := r.s
	if s.signedAt > s.saved {
		s.event(Event{Kind: EventDropped, Err: ErrEnded})
	}
	s.ops = s.ops[s.signedAt:]
	s.saved, s.signedAt, s.tracked = 0, 0, nil
}

// alone lets the sign-in stand without what the old record held.
func (r *replacement) alone() error {
	s := r.s
	r.dropBefore()
	s.view, s.settled = nil, 0
	s.round++
	if s.settleAll(); s.err != nil {
		return s.err
	}
	if r.placed == nil {
		_, err := r.create(time.Now(), 0)
		return err
	}
	return r.rewrite(time.Now())
}

// takeBack ends a new record, which nobody has heard of.
func (s *Session) takeBack(c *call, l *loaded) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), c.each)
	defer cancel()
	h := &l.record.Header
	err := c.store.Delete(ctx, h.Handle, store.Ending{Mark: store.NewVersion(), Now: time.Now()})
	if err != nil && !answer(err) {
		s.event(Event{Kind: EventStore, Handle: h.Handle, Owner: h.Owner, Err: &StoreError{"end", err}})
	}
}
