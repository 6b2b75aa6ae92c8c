package revoked

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest"
)

// TestSingleFlight: a thousand requests at once cause one refresh, and it goes on
// when the visitor who began it goes away.
func TestSingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := storetest.Faulty(memory(t), storetest.Every(storetest.Changes, 1, storetest.Fault{Delay: each / 2}))
		l := New(s, 10*time.Second, lasts, each)
		alice := newSession("alice")
		must(t, New(s, 0, lasts, each).EndSession(t.Context(), alice.handle, alice.created))
		first, leave := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := l.Has(first, alice.handle, "alice", alice.created); !errors.Is(err, context.Canceled) {
				t.Errorf("the visitor who went away: %v", err)
			}
		})
		synctest.Wait()
		for range 1000 {
			all.Go(func() {
				if !ended(t, l, alice) {
					t.Error("not ended")
				}
			})
		}
		synctest.Wait()
		leave()
		all.Wait()
		if s.Calls(storetest.Changes) != 1 || s.Calls(storetest.Scan) != 1 {
			t.Errorf("%d Changes, %d Scan", s.Calls(storetest.Changes), s.Calls(storetest.Scan))
		}
		for range 1000 {
			all.Go(func() { must(t, l.Refresh(t.Context())) })
		}
		all.Wait()
		if n := s.Calls(storetest.Changes); n != 2 {
			t.Errorf("%d Changes after a thousand refreshes", n)
		}
	})
}

// TestRefreshWithoutTable: where nothing is held in memory there is nothing to
// refresh.
func TestRefreshWithoutTable(t *testing.T) {
	s := storetest.Faulty(memory(t), nil)
	l := New(s, 0, lasts, each)
	if must(t, l.Refresh(t.Context())); s.TotalCalls() != 0 || l.Delay() != 0 || l.Store() != store.Store(s) {
		t.Errorf("%d calls", s.TotalCalls())
	}
}

// TestBlackHole: while the store is silent, nobody waits beyond his own deadline,
// nor for longer than one question takes.
func TestBlackHole(t *testing.T) {
	inBoth(t, func(t *testing.T, s *storetest.FaultyStore, a, b *List) {
		alice, bob := newSession("alice"), newSession("bob")
		ended(t, b, alice)
		must(t, b.EndSession(t.Context(), bob.handle, bob.created))
		time.Sleep(time.Hour)
		s.Plan(func(storetest.Call) storetest.Fault { return storetest.Fault{Delay: 24 * time.Hour} })
		var all sync.WaitGroup
		for i := range 40 {
			all.Go(func() {
				patience := time.Duration(i) * each / 20
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				began := time.Now()
				got, err := b.Has(ctx, alice.handle, "alice", alice.created)
				if took := time.Since(began); got || !errors.Is(err, context.DeadlineExceeded) || took != min(patience, each) {
					t.Errorf("with %v of patience: %v, %v after %v", patience, got, err, took)
				}
				if b.delay > 0 && !ended(t, b, bob) {
					t.Error("what was known to have ended is accepted")
				}
			})
		}
		all.Wait()
		s.Plan(nil)
		if ended(t, b, alice) || !ended(t, b, bob) {
			t.Error("afterwards")
		}
	})
}

// TestUnreadable: a list that cannot be read, or not be understood, is an error,
// and never "not ended". What is known to have ended is still refused.
func TestUnreadable(t *testing.T) {
	put := func(s *storetest.FaultyStore, name, owner, facts string, kind store.Kind) {
		rec := record(name, owner, facts, time.Now(), time.Now().Add(time.Hour))
		rec.Kind = kind
		s.Create(context.Background(), rec, store.CreateOptions{Now: time.Now(), End: store.Ending{Mark: 1, Now: time.Now()}})
	}
	fault := func(verb storetest.Verb) func(*storetest.FaultyStore, session) {
		return func(s *storetest.FaultyStore, _ session) {
			s.Plan(storetest.Every(verb, 1, storetest.Fault{Before: storetest.ErrFault}))
		}
	}
	const later = `{"ends":[{"until":1,"since":2}]}`
	for name, test := range map[string]struct {
		spoil func(*storetest.FaultyStore, session)
		modes string // "0" is asking each time, "f" is following, "b" is beginning
	}{
		"Load":    {fault(storetest.Load), "0"},
		"Changes": {fault(storetest.Changes), "fb"},
		"Scan":    {fault(storetest.Scan), "b"},
		"everybody": {func(s *storetest.FaultyStore, _ session) {
			put(s, ownerRecord(""), everybody, later, store.KindRevocation)
		}, "0fb"},
		"owner": {func(s *storetest.FaultyStore, _ session) {
			put(s, ownerRecord("alice"), "alice", later, store.KindRevocation)
		}, "0fb"},
		"notice": {func(s *storetest.FaultyStore, _ session) {
			put(s, store.NewHandle("x"), "x", later, store.KindRevocation)
		}, "fb"},
		"notice, Load": {func(s *storetest.FaultyStore, _ session) {
			must(t, New(s, 0, lasts, each).EndOwner(context.Background(), "x", time.Now(), ""))
			fault(storetest.Load)(s, session{})
		}, "f"},
		"notice, empty":  {func(s *storetest.FaultyStore, _ session) { put(s, store.NewHandle("x"), "x", "", store.KindRevocation) }, "fb"},
		"session, facts": {func(s *storetest.FaultyStore, _ session) { put(s, store.NewHandle(""), "", "x", store.KindRevocation) }, "b"},
		"another's place": {func(s *storetest.FaultyStore, _ session) {
			put(s, ownerRecord("alice"), "alice", "", store.KindSession)
		}, "0"},
		"in its place": {func(s *storetest.FaultyStore, alice session) {
			name, _ := flip(alice.handle)
			put(s, name, "", "", store.KindRemember)
		}, "0"},
	} {
		for _, mode := range test.modes {
			t.Run(fmt.Sprintf("%s/%c", name, mode), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := storetest.Faulty(memory(t), nil)
					delay := 10 * time.Second
					if mode == '0' {
						delay = 0
					}
					l := New(s, delay, lasts, each)
					alice, bob := newSession("alice"), newSession("bob")
					must(t, l.EndSession(t.Context(), bob.handle, bob.created))
					if mode == 'f' {
						ended(t, l, alice)
						time.Sleep(time.Hour)
					}
					test.spoil(s, alice)
					got, err := l.Has(t.Context(), alice.handle, alice.owner, alice.created)
					if got || err == nil {
						t.Errorf("%v, %v", got, err)
					}
					if delay > 0 && !ended(t, l, bob) {
						t.Error("what was known to have ended is accepted")
					}
					if mode == 'f' && l.Refresh(t.Context()) == nil {
						t.Error("once more: no error")
					}
				})
			})
		}
	}
}

// TestUnreadableIsNotWritten: what is not understood is not written over.
func TestUnreadableIsNotWritten(t *testing.T) {
	s := memory(t)
	l := New(s, 0, lasts, each)
	const facts = `{"ends":[{"until":1,"since":2}]}`
	rec := record(ownerRecord("alice"), "alice", facts, time.Now(), time.Now().Add(time.Hour))
	must(t, l.create(t.Context(), rec))
	began := time.Now()
	if err := l.EndOwner(t.Context(), "alice", time.Now(), ""); !errors.Is(err, errForm) || time.Since(began) > each {
		t.Errorf("%v after %v", err, time.Since(began))
	}
	if _, err := l.Newest(t.Context(), "alice"); !errors.Is(err, errForm) {
		t.Error(err)
	}
	if got, err := s.Load(t.Context(), rec.Handle); err != nil || got.Facts != facts {
		t.Error(got, err)
	}
}

// TestBothSides: when one of the records cannot be read, and another one says that
// the session has ended, it has.
func TestBothSides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := storetest.Faulty(memory(t), nil)
		l := New(s, 0, lasts, each)
		alice := newSession("alice")
		own, _ := flip(alice.handle)
		must(t, l.EndSession(t.Context(), alice.handle, alice.created))
		must(t, l.EndOwner(t.Context(), "alice", time.Now(), ""))
		must(t, l.EndOwner(t.Context(), "", time.Now(), ""))
		names := []string{own, ownerRecord("alice"), ownerRecord("")}
		for good := range names {
			s.Plan(func(c storetest.Call) storetest.Fault {
				if c.Handle == names[good] {
					return storetest.Fault{Delay: each / 2}
				}
				return storetest.Fault{Before: storetest.ErrFault}
			})
			if !ended(t, l, alice) {
				t.Errorf("only %d can be read: not ended", good)
			}
		}
	})
}

// TestForgotten: when the store has forgotten its changes, or is another one since,
// the whole list is read again, and what was known stays.
func TestForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := storetest.Faulty(memory(t), nil)
		const delay = 10 * time.Second
		a, b := New(s, delay, lasts, each), New(s, delay, lasts, each)
		alice, bob, carol := newSession("alice"), newSession("bob"), newSession("carol")
		must(t, b.EndSession(t.Context(), carol.handle, carol.created))
		ended(t, b, alice)
		must(t, a.EndSession(t.Context(), alice.handle, alice.created))
		must(t, a.EndOwner(t.Context(), "bob", time.Now(), ""))
		time.Sleep(time.Hour)
		s.Plan(storetest.Nth(storetest.Changes, 2, storetest.Fault{Before: store.ErrGone}))
		for i, s := range []session{alice, bob, carol} {
			if !ended(t, b, s) {
				t.Errorf("session %d has not ended", i)
			}
		}
		if s.Calls(storetest.Scan) != 2 || s.Calls(storetest.Changes) != 3 {
			t.Errorf("%d Scan, %d Changes", s.Calls(storetest.Scan), s.Calls(storetest.Changes))
		}
	})
}

// TestManyPages: a list of several pages is read to its end, and what comes to it
// meanwhile is not missed.
func TestManyPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := storetest.Faulty(memory(t), nil)
		a, b := New(s, 0, lasts, each), New(s, 10*time.Second, lasts, each)
		var list []session
		for range 3*pageSize + 1 {
			list = append(list, newSession(""))
			must(t, a.EndSession(t.Context(), list[len(list)-1].handle, time.Now()))
		}
		s.Plan(func(c storetest.Call) storetest.Fault {
			if c.Verb != storetest.Scan {
				return storetest.Fault{}
			}
			return storetest.Fault{Do: func() {
				list = append(list, newSession(""))
				must(t, a.EndSession(t.Context(), list[len(list)-1].handle, time.Now()))
			}}
		})
		must(t, b.Refresh(t.Context()))
		s.Plan(nil)
		if n := s.Calls(storetest.Scan); n < 4 {
			t.Fatalf("%d pages", n)
		}
		must(t, b.Refresh(t.Context()))
		for i, s := range list {
			if !ended(t, b, s) {
				t.Fatalf("session %d of %d has not ended", i, len(list))
			}
		}
	})
}

// TestToldAgain: what a store tells again is not read again.
func TestToldAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := storetest.Faulty(memory(t), nil)
		a, b := New(s, 0, lasts, each), New(retelling{s, new(string)}, 10*time.Second, lasts, each)
		must(t, b.Refresh(t.Context()))
		for i := range 5 {
			must(t, a.EndOwner(t.Context(), fmt.Sprint(i), time.Now(), ""))
		}
		before := s.Calls(storetest.Load)
		for range 3 {
			must(t, b.Refresh(t.Context()))
		}
		if n := s.Calls(storetest.Load) - before; n != 10 { // of each owner two records
			t.Errorf("%d reads", n)
		}
	})
}

// TestAge: what is known is as old as the moment at which its reading began.
func TestAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := slow{memory(t)}
		const delay = 10 * time.Second
		a, b := New(s, 0, lasts, each), New(s, delay, lasts, each)
		must(t, b.Refresh(t.Context()))
		alice := newSession("alice")
		began := time.Now()
		go b.Refresh(t.Context())
		time.Sleep(time.Millisecond) // it has been read, and has not come yet
		must(t, a.EndSession(t.Context(), alice.handle, alice.created))
		time.Sleep(time.Until(began.Add(delay + time.Nanosecond)))
		if !ended(t, b, alice) {
			t.Error("not ended")
		}
	})
}

// slow takes long to answer what has changed.
type slow struct{ store.Store }

func (s slow) Changes(ctx context.Context, since string) (store.Changes, error) {
	changes, err := s.Store.Changes(ctx, since)
	time.Sleep(each / 2)
	return changes, err
}

// TestFollows: each time only what is new is asked for.
func TestFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &asked{Store: memory(t)}
		l := New(s, 10*time.Second, lasts, each)
		for i := range 5 {
			must(t, l.EndSession(t.Context(), newSession("").handle, time.Now()))
			if must(t, l.Refresh(t.Context())); s.since != s.was {
				t.Errorf("%d: asked since %q, and the last answer said %q", i, s.since, s.was)
			}
		}
	})
}

// asked knows since when it was asked for changes, and what it had answered before.
type asked struct {
	store.Store
	since, was, next string
}

func (a *asked) Changes(ctx context.Context, since string) (store.Changes, error) {
	changes, err := a.Store.Changes(ctx, since)
	a.since, a.was, a.next = since, a.next, changes.Next
	return changes, err
}

// retelling tells everything again since it was first asked.
type retelling struct {
	store.Store
	first *string
}

func (r retelling) Changes(ctx context.Context, since string) (store.Changes, error) {
	if since != "" {
		since = *r.first
	}
	changes, err := r.Store.Changes(ctx, since)
	if since == "" {
		*r.first = changes.Next
	}
	return changes, err
}
