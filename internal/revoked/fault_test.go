package revoked

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn/internal/handle"
	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest"
)

var verbs = []storetest.Verb{storetest.Load, storetest.Create, storetest.Apply}

// TestLostReplies: each call in turn fails, loses its reply or is slow. Whatever
// was acknowledged has ended, and asking twice does no harm.
func TestLostReplies(t *testing.T) {
	faults := map[string]storetest.Fault{
		"refused": {Before: storetest.ErrFault}, "lost": {After: storetest.ErrFault},
		"slow": {Delay: each / 2}, "silent": {Delay: 24 * time.Hour}, "late": {Delay: each / 2, After: context.DeadlineExceeded},
	}
	for name, fault := range faults {
		for _, verb := range verbs {
			for n := 1; n <= 3; n++ {
				t.Run(fmt.Sprintf("%s/%s %d", name, verb, n), func(t *testing.T) {
					inBoth(t, func(t *testing.T, s *storetest.FaultyStore, a, b *List) {
						s.Plan(storetest.Nth(verb, n, fault))
						alice, spared, bob := newSession("alice"), newSession("alice"), newSession("bob")
						first := time.Now()
						ctx, cancel := context.WithTimeout(t.Context(), 3*each)
						defer cancel()
						must(t, a.EndOwner(ctx, "alice", first, spared.handle))
						must(t, a.EndSession(ctx, bob.handle, bob.created))
						time.Sleep(time.Second)
						must(t, a.EndOwner(ctx, "alice", first.Add(time.Second), spared.handle))
						must(t, a.EndOwner(ctx, "alice", first, spared.handle))
						must(t, a.EndSession(ctx, bob.handle, bob.created))
						s.Plan(nil)
						later(b)
						if !ended(t, b, alice) || ended(t, b, spared) || !ended(t, b, bob) {
							t.Errorf("%v %v %v", ended(t, b, alice), ended(t, b, spared), ended(t, b, bob))
						}
						_, list, err := a.loadOwner(t.Context(), "alice")
						if want := (end{first.Add(time.Second).UnixMilli(), spared.handle}); err != nil || len(list) != 1 || list[0] != want {
							t.Errorf("%v, %v", list, err)
						}
					})
				})
			}
		}
	}
}

// TestNotAcknowledged: what cannot be written for certain is an error, within the
// caller's time.
func TestNotAcknowledged(t *testing.T) {
	for _, verb := range verbs[1:] {
		for name, fault := range map[string]storetest.Fault{
			"refused": {Before: storetest.ErrFault}, "lost": {After: storetest.ErrFault}, "silent": {Delay: 24 * time.Hour},
		} {
			t.Run(name+"/"+string(verb), func(t *testing.T) {
				inBoth(t, func(t *testing.T, s *storetest.FaultyStore, a, b *List) {
					must(t, a.EndOwner(t.Context(), "alice", time.Now().Add(-time.Hour), ""))
					s.Plan(storetest.Every(verb, 1, fault))
					ctx, cancel := context.WithTimeout(t.Context(), 3*each)
					defer cancel()
					began := time.Now()
					if a.EndOwner(ctx, "alice", time.Now(), "") == nil {
						t.Error("an owner's end: no error")
					}
					if verb == storetest.Create && a.EndSession(ctx, handle.New("alice"), time.Now()) == nil {
						t.Error("a session's end: no error")
					}
					if took := time.Since(began); took > 4*each {
						t.Errorf("it took %v", took)
					}
				})
			})
		}
	}
}

// TestGivenUp: an entry that was ended itself, by an operator, is not claimed to be
// there.
func TestGivenUp(t *testing.T) {
	inBoth(t, func(t *testing.T, s *storetest.FaultyStore, a, _ *List) {
		alice := newSession("alice")
		must(t, a.EndSession(t.Context(), alice.handle, alice.created))
		name, _ := flip(alice.handle)
		must(t, s.Delete(t.Context(), name, store.Ending{Mark: 1, Now: time.Now()}))
		ctx, cancel := context.WithTimeout(t.Context(), each)
		defer cancel()
		if err := a.EndSession(ctx, alice.handle, alice.created); !errors.Is(err, store.ErrGone) {
			t.Error(err)
		}
	})
}

// TestTwoProcesses: two processes end sessions of one owner at the same time. All
// ends are kept.
func TestTwoProcesses(t *testing.T) {
	for range 20 {
		s := memory(t)
		lists := []*List{New(s, 0, lasts, 5*each), New(s, time.Minute, lasts, 5*each)}
		now := time.Now()
		var all sync.WaitGroup
		want := map[end]bool{}
		for i := range maxEnds {
			e := end{now.Add(time.Duration(i) * time.Millisecond).UnixMilli(), handle.New("alice")}
			want[e] = true
			all.Go(func() { must(t, lists[i%2].EndOwner(t.Context(), "alice", time.UnixMilli(e.Until), e.Except)) })
		}
		all.Wait()
		_, list, err := lists[0].loadOwner(t.Context(), "alice")
		for _, e := range list {
			delete(want, e)
		}
		if len(want) != 0 || len(list) != maxEnds || err != nil {
			t.Fatalf("of %d ends %d are missing, %v", len(list), len(want), err)
		}
	}
}

// TestParallel: everything at once, for the race detector. What has ended before
// the question has ended.
func TestParallel(t *testing.T) {
	s := memory(t)
	lists := []*List{New(s, time.Nanosecond, lasts, 30*each), New(s, time.Hour, lasts, 30*each), New(s, 0, lasts, 30*each)}
	var all sync.WaitGroup
	for i, l := range lists {
		for worker := range 4 {
			all.Go(func() {
				for n := range 60 {
					owner := fmt.Sprint(n % 7)
					mine, theirs := newSession(owner), newSession("nobody's "+owner)
					switch (n + worker) % 3 {
					case 0:
						must(t, l.EndSession(t.Context(), mine.handle, mine.created))
					case 1:
						must(t, l.EndOwner(t.Context(), owner, mine.created, handle.New(owner)))
					case 2:
						must(t, l.Refresh(t.Context()))
						l.table.prune(time.Now(), l.needless())
						continue
					}
					if !ended(t, l, mine) || ended(t, l, theirs) {
						t.Errorf("list %d: %d", i, n)
					}
					if _, err := l.Newest(t.Context(), owner); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	all.Wait()
}

// TestPruneWhileAsked: pruning takes nothing that is needed.
func TestPruneWhileAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var table table
		until := time.Now().Add(time.Hour)
		var kept, old []string
		for range 1000 {
			kept, old = append(kept, handle.New("")), append(old, handle.New(""))
			table.add(kept[len(kept)-1], until.Add(time.Hour))
			table.add(old[len(old)-1], until)
		}
		table.add(kept[0], until) // a shorter time does not shorten
		table.prune(until, 0)
		for i := range kept {
			if !table.has(kept[i], "", 0) || !table.has(old[i], "", 0) {
				t.Fatal("pruned too soon")
			}
		}
		table.prune(until.Add(2*time.Second), 0)
		for i := range kept {
			if !table.has(kept[i], "", 0) || table.has(old[i], "", 0) {
				t.Fatal("not pruned, or too much")
			}
		}
		table.prune(until.Add(2*time.Hour), 0)
		if table.size() != 0 {
			t.Error("not empty")
		}
	})
}
