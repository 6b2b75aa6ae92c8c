package revoked

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn/internal/handle"
	"github.com/sojourn-go/sojourn/memstore"
	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest"
)

const (
	lasts = 12 * time.Hour // how long a session may last
	each  = time.Second
)

func memory(t testing.TB) *memstore.Store {
	t.Helper()
	s, err := memstore.New(memstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A session is what a list is asked about.
type session struct {
	handle, owner string
	created       time.Time
}

func newSession(owner string) session { return session{handle.New(owner), owner, time.Now()} }

// ended asks whether a session has ended.
func ended(t testing.TB, l *List, s session) bool {
	t.Helper()
	got, err := l.Has(t.Context(), s.handle, s.owner, s.created)
	if err != nil {
		t.Errorf("Has: %v", err)
	}
	return got
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// inBoth runs a test with two processes that share a store: with lists in memory,
// and such as ask each time.
func inBoth(t *testing.T, test func(t *testing.T, s *storetest.FaultyStore, a, b *List)) {
	for _, delay := range []time.Duration{0, 10 * time.Second} {
		t.Run(delay.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := storetest.Faulty(memory(t), nil)
				test(t, s, New(s, delay, lasts, each), New(s, delay, lasts, each))
			})
		})
	}
}

// later waits until another process has to know.
func later(l *List) {
	if l.delay > 0 {
		time.Sleep(l.delay + time.Millisecond)
	}
}

// TestHas: for each kind of end, which of a number of sessions have ended: for the
// process that ended them at once, and for another one within the delay.
func TestHas(t *testing.T) {
	long := strings.Repeat("x", 300)
	for name, test := range map[string]struct {
		end  func(l *List, sessions map[string]session) error
		want string
	}{
		"session": {func(l *List, s map[string]session) error {
			return l.EndSession(context.Background(), s["alice"].handle, s["alice"].created)
		}, "alice"},
		"anonymous": {func(l *List, s map[string]session) error {
			return l.EndSession(context.Background(), s["nobody"].handle, time.Now())
		}, "nobody"},
		"owner": {func(l *List, s map[string]session) error {
			return l.EndOwner(context.Background(), "alice", s["alice"].created, "")
		}, "alice alice2"},
		"owner except": {func(l *List, s map[string]session) error {
			return l.EndOwner(context.Background(), "alice", time.Now(), s["alice2"].handle)
		}, "alice alice3"},
		"owner except nonsense": {func(l *List, s map[string]session) error {
			return l.EndOwner(context.Background(), "alice", time.Now(), "\xff<&>")
		}, "alice alice2 alice3"},
		"owner named everybody": {func(l *List, _ map[string]session) error {
			return l.EndOwner(context.Background(), everybody, time.Now(), "")
		}, "everybody"},
		"odd owner": {func(l *List, _ map[string]session) error {
			return l.EndOwner(context.Background(), "\xed\xa0\x80\xff", time.Now(), "")
		}, "odd"},
		"long owner": {func(l *List, _ map[string]session) error {
			return l.EndOwner(context.Background(), long, time.Now(), "")
		}, "long"},
		"everybody": {func(l *List, s map[string]session) error {
			return l.EndOwner(context.Background(), "", s["alice"].created, "")
		}, "alice alice2 everybody long nobody odd"},
		"two owners": {func(l *List, s map[string]session) error {
			return errors.Join(l.EndOwner(context.Background(), "alice", time.Now(), ""), l.EndOwner(context.Background(), everybody, s["alice"].created, ""))
		}, "alice alice2 alice3 everybody"},
		"everybody twice": {func(l *List, s map[string]session) error {
			return errors.Join(l.EndOwner(context.Background(), "", s["alice"].created, ""), l.EndOwner(context.Background(), "", time.Now(), s["alice"].handle))
		}, "alice alice2 alice3 bob everybody long nobody odd"},
		"everybody except": {func(l *List, s map[string]session) error {
			return l.EndOwner(context.Background(), "", s["alice"].created, s["nobody"].handle)
		}, "alice alice2 everybody long odd"},
		"nobody, long ago": {func(l *List, s map[string]session) error {
			return errors.Join(l.EndOwner(context.Background(), "", time.Now().Add(-lasts-skew), ""),
				l.EndOwner(context.Background(), "", time.Time{}, ""),
				l.EndSession(context.Background(), s["alice"].handle, time.Now().Add(-lasts-skew)))
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			inBoth(t, func(t *testing.T, s *storetest.FaultyStore, a, b *List) {
				sessions := map[string]session{
					"alice": newSession("alice"), "alice2": newSession("alice"), "nobody": newSession(""),
					"everybody": newSession(everybody), "odd": newSession("\xed\xa0\x80\xff"), "long": newSession(long),
				}
				time.Sleep(time.Millisecond)
				sessions["alice3"], sessions["bob"] = newSession("alice"), newSession("bob")
				if ended(t, b, sessions["alice"]) {
					t.Error("before")
				}
				must(t, test.end(a, sessions))
				wait := func() {}
				for process, l := range map[string]*List{"the same": a, "another": b} {
					if wait(); l == b {
						later(b)
					}
					for name, s := range sessions {
						if got, want := ended(t, l, s), strings.Contains(" "+test.want+" ", " "+name+" "); got != want {
							t.Errorf("%s process: %s: %v", process, name, got)
						}
					}
				}
			})
		})
	}
}

// TestNotAHandle: what is no handle cannot be ended by itself, but with its owner.
func TestNotAHandle(t *testing.T) {
	inBoth(t, func(t *testing.T, _ *storetest.FaultyStore, a, b *List) {
		if err := a.EndSession(t.Context(), "x", time.Now()); err == nil {
			t.Error("no error")
		}
		must(t, a.EndOwner(t.Context(), "alice", time.Now(), ""))
		for _, name := range []string{"", "x", strings.Repeat("-", 24)} {
			if !ended(t, b, session{name, "alice", time.Now()}) || ended(t, b, session{name, "bob", time.Now()}) {
				t.Errorf("%q", name)
			}
		}
	})
}

// TestDelay: within the delay nothing is asked, and after it nothing old is used.
func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := storetest.Faulty(memory(t), nil)
		const delay = 10 * time.Second
		a, b := New(s, delay, lasts, each), New(s, delay, lasts, each)
		alice := newSession("alice")
		ended(t, b, alice)
		time.Sleep(time.Millisecond)
		must(t, a.EndSession(t.Context(), alice.handle, alice.created))
		calls := s.TotalCalls()
		time.Sleep(delay - time.Millisecond)
		if ended(t, b, alice) || s.TotalCalls() != calls {
			t.Errorf("within the delay the store was asked %d times", s.TotalCalls()-calls)
		}
		time.Sleep(time.Nanosecond)
		if !ended(t, b, alice) {
			t.Error("after the delay it is not known")
		}
		if s.Calls(storetest.Changes) != 2 || s.Calls(storetest.Scan) != 1 {
			t.Errorf("%d Changes, %d Scan", s.Calls(storetest.Changes), s.Calls(storetest.Scan))
		}
		calls = s.TotalCalls()
		if !ended(t, a, alice) || s.TotalCalls() != calls {
			t.Error("the process that ended it asks")
		}
	})
}

// TestSlowStore: where reading takes longer than the delay, what was read since
// the question will do.
func TestSlowStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := storetest.Faulty(memory(t), storetest.Every(storetest.Changes, 1, storetest.Fault{Delay: each * 3 / 4}))
		l := New(s, each/2, lasts, each)
		for range 3 {
			before := s.Calls(storetest.Changes)
			if ended(t, l, newSession("alice")) {
				t.Error("ended")
			}
			if n := s.Calls(storetest.Changes) - before; n != 1 {
				t.Errorf("%d refreshes", n)
			}
			time.Sleep(each)
		}
	})
}

// TestNewest: the latest of an owner's ends and of everybody's; others' are none of
// his.
func TestNewest(t *testing.T) {
	inBoth(t, func(t *testing.T, s *storetest.FaultyStore, a, b *List) {
		newest := func(owner string) int64 {
			got, err := b.Newest(t.Context(), owner)
			must(t, err)
			return time.Since(got).Milliseconds()
		}
		if got, _ := b.Newest(t.Context(), "alice"); got.UnixMilli() != 0 {
			t.Errorf("of none: %v", got)
		}
		must(t, a.EndOwner(t.Context(), "", time.Now().Add(-time.Hour), ""))
		must(t, a.EndOwner(t.Context(), "alice", time.Now(), handle.New("alice")))
		must(t, a.EndOwner(t.Context(), "alice", time.Now().Add(-time.Minute), ""))
		if alice, bob := newest("alice"), newest("bob"); alice != 0 || bob != time.Hour.Milliseconds() {
			t.Errorf("alice %d, bob %d", alice, bob)
		}
		for n := range 2 {
			s.Plan(storetest.Nth(storetest.Load, s.Calls(storetest.Load)+1+n, storetest.Fault{Before: storetest.ErrFault}))
			if got, err := b.Newest(t.Context(), "alice"); !errors.Is(err, storetest.ErrFault) {
				t.Errorf("fault %d: %v, %v", n, got, err)
			}
		}
	})
}

// TestNeedless: an entry is there as long as a cookie may need it, and then goes,
// from the store and from memory.
func TestNeedless(t *testing.T) {
	for name, end := range map[string]func(*List, session) error{
		"session":   func(l *List, s session) error { return l.EndSession(context.Background(), s.handle, s.created) },
		"owner":     func(l *List, s session) error { return l.EndOwner(context.Background(), s.owner, s.created, "") },
		"everybody": func(l *List, s session) error { return l.EndOwner(context.Background(), "", s.created, "") },
	} {
		t.Run(name, func(t *testing.T) {
			inBoth(t, func(t *testing.T, s *storetest.FaultyStore, a, b *List) {
				alice := newSession("alice")
				time.Sleep(time.Hour)           // between the sign-in and its end
				must(t, b.Refresh(t.Context())) // so that b follows, and the late one does not
				must(t, end(a, alice))
				late := New(s, a.delay, lasts, each)
				for _, l := range []*List{a, b, late} {
					must(t, l.Refresh(t.Context()))
				}
				time.Sleep(lasts - time.Hour + skew - time.Millisecond)
				if n, err := s.Sweep(t.Context(), time.Now(), 100); n != 0 || err != nil {
					t.Errorf("swept too soon: %d, %v", n, err)
				}
				late = New(s, a.delay, lasts, each)
				for i, l := range []*List{a, b, late} {
					must(t, l.Refresh(t.Context()))
					if !ended(t, l, alice) {
						t.Errorf("list %d: not ended any more", i)
					}
				}
				time.Sleep(time.Hour + pruneInterval) // b knows the end, and not when alice signed in
				if n, err := s.Sweep(t.Context(), time.Now(), 100); n == 0 || err != nil {
					t.Errorf("not swept: %d, %v", n, err)
				}
				for i, l := range []*List{a, b, late} {
					must(t, l.Refresh(t.Context()))
					if n := l.table.size(); n != 0 || ended(t, l, alice) {
						t.Errorf("list %d: %d in memory", i, n)
					}
				}
				if l, err := s.Scan(t.Context(), store.Page{Limit: 100}); len(l.Records) != 0 || err != nil {
					t.Errorf("%v, %v", l.Records, err)
				}
			})
		})
	}
}

// TestForever: the record of an owner whose sessions are ended again and again goes
// on, though each end is forgotten in time, and though it had expired and was not
// swept.
func TestForever(t *testing.T) {
	inBoth(t, func(t *testing.T, s *storetest.FaultyStore, a, b *List) {
		for day, pause := range []time.Duration{lasts / 2, lasts / 2, lasts, 2 * lasts, lasts + skew, lasts/2 + 1, time.Millisecond, 30 * lasts, time.Millisecond} {
			alice, other := newSession("alice"), newSession("alice")
			must(t, a.EndOwner(t.Context(), "alice", time.Now(), other.handle))
			later(b)
			if !ended(t, b, alice) || ended(t, b, other) {
				t.Errorf("day %d", day)
			}
			if day%2 == 1 {
				if _, err := s.Sweep(t.Context(), time.Now(), 100); err != nil {
					t.Error(err)
				}
			}
			if !ended(t, New(s, a.delay, lasts, each), alice) {
				t.Errorf("day %d, after a sweep", day)
			}
			_, list, err := a.loadOwner(t.Context(), "alice")
			if must(t, err); len(list) > 3 {
				t.Errorf("day %d: %d ends", day, len(list))
			}
			time.Sleep(pause)
		}
	})
}

// TestHidden: the same on a store that does not show what has expired, and refuses
// to make it anew until it is swept.
func TestHidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := hiding{memory(t)}
		l := New(s, 0, lasts, each)
		must(t, l.EndOwner(t.Context(), "alice", time.Now(), ""))
		time.Sleep(3 * lasts)
		alice := newSession("alice")
		ctx, cancel := context.WithTimeout(t.Context(), each)
		defer cancel()
		must(t, l.EndOwner(ctx, "alice", time.Now(), ""))
		if !ended(t, l, alice) {
			t.Error("not ended")
		}
	})
}

type hiding struct{ store.Store }

func (s hiding) Load(ctx context.Context, name string) (*store.Record, error) {
	rec, err := s.Store.Load(ctx, name)
	if err == nil && rec.Expired(time.Now()) {
		return nil, store.ErrGone
	}
	return rec, err
}

// TestBesideSessions: the list in the store of the sessions themselves, or of other
// things: they are none of its business.
func TestBesideSessions(t *testing.T) {
	inBoth(t, func(t *testing.T, s *storetest.FaultyStore, a, b *List) {
		alice := newSession("alice")
		other := &store.Record{Header: store.Header{
			Kind: store.KindSession, Handle: alice.handle, Owner: "alice", Version: 1,
			Created: time.Now(), LastSeen: time.Now(), IdleDeadline: time.Now().Add(lasts), AbsoluteDeadline: time.Now().Add(lasts),
		}, Facts: "not of the list"}
		create := func() {
			_, err := s.Create(t.Context(), other, store.CreateOptions{Now: time.Now(), End: store.Ending{Mark: 1, Now: time.Now()}})
			must(t, err)
		}
		create()
		if ended(t, b, alice) {
			t.Error("a session ends itself")
		}
		must(t, a.EndSession(t.Context(), handle.New("alice"), time.Now()))
		later(b)
		if ended(t, b, alice) {
			t.Error("another's end ends it")
		}
		must(t, a.EndSession(t.Context(), alice.handle, alice.created))
		if rec, err := s.Load(t.Context(), alice.handle); err != nil || rec.Kind != store.KindSession {
			t.Errorf("the session's record: %v, %v", rec, err)
		}
		if n, err := s.DeleteOwner(t.Context(), "alice", "", store.Ending{Mark: 2, Now: time.Now()}); n != 1 || err != nil {
			t.Errorf("ended %d, %v", n, err)
		}
		later(b)
		if !ended(t, b, alice) {
			t.Error("not ended")
		}
	})
}

// size is how many entries there are.
func (t *table) size() (n int) {
	for i := range t.sessions {
		n += t.sessions[i].len()
	}
	t.owners.RLock()
	defer t.owners.RUnlock()
	if t.all.Load() != nil {
		n++
	}
	return n + len(t.owners.ends)
}

// len is how many seeds there are.
func (s *set) len() int {
	s.writing.Lock()
	defer s.writing.Unlock()
	if slots := s.slots.Load(); slots != nil {
		return slots.taken
	}
	return 0
}
