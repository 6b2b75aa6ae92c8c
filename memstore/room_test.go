package memstore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// with makes a record of owner, "" for nobody, and creates it.
func with(t *testing.T, s *Store, owner string, made time.Time) *store.Record {
	t.Helper()
	rec := sample(owner, made)
	create(t, s, rec)
	return rec
}

func gone(t *testing.T, s *Store, rec *store.Record, why string) {
	t.Helper()
	if _, err := s.Load(t.Context(), rec.Handle); !errors.Is(err, store.ErrGone) {
		t.Errorf("%s is there, want it gone: %v", why, err)
	}
}

func there(t *testing.T, s *Store, rec *store.Record, why string) {
	t.Helper()
	if _, err := s.Load(t.Context(), rec.Handle); err != nil {
		t.Errorf("%s: %v", why, err)
	}
}

func tryCreate(t *testing.T, s *Store, rec *store.Record) error {
	_, err := s.Create(t.Context(), rec, store.CreateOptions{Now: rec.Created})
	return err
}

// TestEvictionOrder: first what has expired, then the anonymous by when they
// were last seen, then nothing more.
func TestEvictionOrder(t *testing.T) {
	s := newStore(t, Options{Records: 6})
	minute := func(n int) time.Time { return start.Add(time.Duration(n) * time.Minute) }
	owned := with(t, s, "alice", start)
	first, second, third := with(t, s, "", minute(1)), with(t, s, "", minute(2)), with(t, s, "", minute(3))
	expired := sample("bob", minute(4))
	expired.IdleDeadline = minute(5)
	create(t, s, expired)
	if err := s.Touch(t.Context(), first.Handle, minute(6), minute(36)); err != nil {
		t.Fatal(err)
	}
	revocation := sample("", start)
	revocation.Kind = store.KindRevocation
	create(t, s, revocation)

	var carols []*store.Record
	carol := func() { t.Helper(); carols = append(carols, with(t, s, "carol", minute(7))) }
	carol()
	gone(t, s, expired, "the expired one")
	there(t, s, second, "the least recently seen, while one had expired")
	carol()
	gone(t, s, second, "the least recently seen")
	there(t, s, third, "the second least recently seen")
	carol()
	gone(t, s, third, "the next, now the least recently seen")
	there(t, s, first, "the one that was touched")
	carol()
	gone(t, s, first, "the last anonymous one")
	refused := sample("carol", minute(7))
	if err := tryCreate(t, s, refused); !errors.Is(err, store.ErrFull) {
		t.Errorf("Create in a full store: %v", err)
	}
	gone(t, s, refused, "the refused one")
	if err := tryCreate(t, s, sample("", minute(8))); !errors.Is(err, store.ErrFull) {
		t.Errorf("Create of an anonymous one in a full store: %v", err)
	}
	for _, rec := range append(carols, owned, revocation) {
		there(t, s, rec, "one that may not be evicted")
	}
	if got := s.Stats(); got.Records != 6 || got.Evicted != 3 {
		t.Errorf("Stats: %+v", got)
	}
	changes, err := s.Changes(t.Context(), "")
	if err != nil || len(changes.List) != 0 {
		t.Error(changes, err)
	}
	verify(t, s)
}

// TestEvictedIsNotEnded: the handle may be used again, and nobody is told.
func TestEvictedIsNotEnded(t *testing.T) {
	s := newStore(t, Options{Records: 1})
	begin, _ := s.Changes(t.Context(), "")
	old := with(t, s, "", start)
	rec := with(t, s, "", start)
	gone(t, s, old, "the evicted one")
	create(t, s, old)
	gone(t, s, rec, "the other one")
	if changes, err := s.Changes(t.Context(), begin.Next); err != nil || len(changes.List) > 0 {
		t.Error(changes, err)
	}
}

// TestEndedCountsUntilForgotten: what is remembered of an ended record is not
// evicted, however full the store is, and makes room when its time is over.
func TestEndedCountsUntilForgotten(t *testing.T) {
	s := newStore(t, Options{Records: 1})
	rec := with(t, s, "", start)
	if err := s.Delete(t.Context(), rec.Handle, store.Ending{Mark: 1, Now: start}); err != nil {
		t.Fatal(err)
	}
	again := *rec
	if err := tryCreate(t, s, &again); !errors.Is(err, store.ErrGone) {
		t.Errorf("Create of an ended one: %v", err)
	}
	if err := tryCreate(t, s, sample("", start.Add(store.MinHold-time.Millisecond))); !errors.Is(err, store.ErrFull) {
		t.Errorf("Create beside an ended one: %v", err)
	}
	create(t, s, sample("", start.Add(store.MinHold)))
	verify(t, s)
}

// TestApplyBeyondBytes: a record that grows takes the room of anonymous others,
// never of itself, and is refused if there is not enough.
func TestApplyBeyondBytes(t *testing.T) {
	for _, owner := range []string{"alice", ""} {
		s := newStore(t, Options{Bytes: 10_000})
		rec := with(t, s, owner, start)
		var others []*store.Record
		for i := range 10 {
			others = append(others, with(t, s, "", start.Add(time.Duration(i+1)*time.Second)))
		}
		bob := with(t, s, "bob", start)
		before := contents(t, s)

		huge := *rec
		huge.State, huge.Version = strings.Repeat("s", 9_000), 1
		for range 2 {
			if err := s.Apply(t.Context(), &huge, rec.Version, start); !errors.Is(err, store.ErrFull) {
				t.Fatalf("Apply of more than there can be room for: %v", err)
			}
			if after := contents(t, s); !reflect.DeepEqual(before, after) {
				t.Fatal("a refused Apply has changed something")
			}
		}
		big := huge
		big.State = strings.Repeat("s", 7_000)
		if err := s.Apply(t.Context(), &big, rec.Version, start); err != nil {
			t.Fatal(err)
		}
		got, err := s.Load(t.Context(), rec.Handle)
		if err != nil || got.State != big.State {
			t.Fatal(got, err)
		}
		gone(t, s, others[0], "the least recently seen")
		there(t, s, bob, "one with an owner")
		there(t, s, others[9], "the most recently seen")
		verify(t, s)
	}
}

// TestRefusedChangesNothing: of all refusals of a full store none evicts.
func TestRefusedChangesNothing(t *testing.T) {
	s := newStore(t, Options{Records: 4, Bytes: 4000})
	alice, nobody, ended := with(t, s, "alice", start), with(t, s, "", start), with(t, s, "", start)
	with(t, s, "bob", start)
	if err := s.Delete(t.Context(), ended.Handle, store.Ending{Mark: 1, Now: start}); err != nil {
		t.Fatal(err)
	}
	before := contents(t, s)
	big := sample("alice", start)
	big.State = strings.Repeat("s", 4000)
	atLimit, conflict := store.CreateOptions{Now: start, Limit: 1}, store.CreateOptions{Now: start, Replaces: alice.Handle}
	conflict.End = store.Ending{Version: alice.Version ^ 1, Mark: 1, Now: start}
	replaces := store.CreateOptions{Now: start, Replaces: alice.Handle, End: store.Ending{Mark: 1, Now: start}}
	for _, c := range []struct {
		what string
		rec  *store.Record
		opts store.CreateOptions
		want error
	}{
		{"one that exists", alice, store.CreateOptions{Now: start}, store.ErrExists},
		{"one that was ended", ended, store.CreateOptions{Now: start}, store.ErrGone},
		{"one at the owner's limit", sample("alice", start), atLimit, store.ErrLimit},
		{"one in place of another version", sample("alice", start), conflict, store.ErrConflict},
		{"one that is too big", big, store.CreateOptions{Now: start}, store.ErrFull},
		{"one that is too big, in place of another", big, replaces, store.ErrFull},
	} {
		if _, err := s.Create(t.Context(), c.rec, c.opts); !errors.Is(err, c.want) {
			t.Errorf("Create of %s: %v, want %v", c.what, err, c.want)
		}
		if after := contents(t, s); !reflect.DeepEqual(before, after) {
			t.Fatalf("Create of %s has changed something", c.what)
		}
	}
	there(t, s, nobody, "the one that could have been evicted")
	verify(t, s)
}

// TestFullAndTouched: a record that was due and is not, since it was touched,
// is neither removed for others nor looked for without end.
func TestFullAndTouched(t *testing.T) {
	s := newStore(t, Options{Records: 1})
	rec := with(t, s, "alice", start)
	later := rec.IdleDeadline.Add(time.Hour)
	if err := s.Touch(t.Context(), rec.Handle, start, later); err != nil {
		t.Fatal(err)
	}
	for _, owner := range []string{"alice", "bob"} {
		if err := tryCreate(t, s, sample(owner, rec.IdleDeadline)); !errors.Is(err, store.ErrFull) {
			t.Errorf("Create for %s: %v", owner, err)
		}
	}
	there(t, s, rec, "the touched one")
	if err := tryCreate(t, s, sample("bob", later)); err != nil {
		t.Errorf("Create when it has expired: %v", err)
	}
	verify(t, s)
}

// TestCrowd holds a small store under many writers to its bounds, and to
// never losing what has an owner.
func TestCrowd(t *testing.T) {
	s := newStore(t, Options{Records: 300, Bytes: 150_000})
	const writers = 8
	kept := make([][]*store.Record, writers)
	errs := make(chan error, writers)
	for i := range writers {
		go func() {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			for n := range 1500 {
				now := start.Add(time.Duration(n) * time.Second)
				rec := sample("", now)
				rec.State = strings.Repeat("s", r.IntN(1000))
				if n%200 == 0 {
					rec = sample(fmt.Sprintf("owner-%d", i), now)
					rec.IdleDeadline = rec.AbsoluteDeadline
				}
				if _, err := s.Create(t.Context(), rec, store.CreateOptions{Now: now}); err != nil {
					errs <- fmt.Errorf("Create: %w", err)
					return
				}
				if rec.Owner != "" {
					kept[i] = append(kept[i], rec)
				}
				grown := *rec
				grown.State, grown.Version = rec.State+strings.Repeat("t", r.IntN(500)), 7
				if err := s.Apply(t.Context(), &grown, rec.Version, now); err != nil && !(rec.Owner == "" && errors.Is(err, store.ErrGone)) {
					errs <- fmt.Errorf("Apply: %w", err)
					return
				}
				if n%50 == 0 {
					if _, err := s.Sweep(t.Context(), now, 10); err != nil {
						errs <- err
						return
					}
				}
			}
			errs <- nil
		}()
	}
	for range writers {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	for _, rec := range slices.Concat(kept...) {
		there(t, s, rec, "one with an owner")
	}
	if got := s.Stats(); got.Evicted < 5_000 {
		t.Errorf("Stats: %+v", got)
	}
	verify(t, s)
}
