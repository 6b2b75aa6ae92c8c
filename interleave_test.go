package sojourn_test

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/storetest"
)

// TestAttackShedLeak: another owner gets none of the fields of the one before, also when the
// sign-in comes while an UpdateNow runs.
func TestAttackShedLeak(t *testing.T) {
	m, _, _ := newStored(t, nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice"); color.Set(ctx, "alices-secret") })
	b.get(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		started, gate, fin := make(chan bool, 9), make(chan bool), make(chan bool)
		go func() {
			defer close(fin)
			counter.UpdateNow(ctx, func(n int, _ bool) (int, error) { started <- true; <-gate; return n + 1, nil })
		}()
		<-started
		sojourn.SignIn(ctx, "bob")
		close(gate)
		<-fin
	})
	b.do(func(ctx context.Context) {
		o, _ := sojourn.Owner(ctx)
		if c := color.GetOr(ctx, ""); o != "bob" || c != "" {
			t.Errorf("%q reads %q", o, c)
		}
	})
}

// TestAttackRegenerateLost: a Regenerate beside an UpdateNow is done.
func TestAttackRegenerateLost(t *testing.T) {
	for _, now := range []bool{false, true} {
		m, _, _ := newStored(t, nil)
		b := newBrowser(t, m)
		b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
		before := b.cookies[tokenCookie]
		b.get(func(w http.ResponseWriter, r *http.Request) {
			ctx := r.Context()
			started, gate, fin := make(chan bool, 9), make(chan bool), make(chan bool)
			go func() {
				defer close(fin)
				counter.UpdateNow(ctx, func(n int, _ bool) (int, error) { started <- true; <-gate; return n + 1, nil })
			}()
			<-started
			if now {
				sojourn.From(ctx).RegenerateNow()
			} else {
				sojourn.From(ctx).Regenerate()
			}
			close(gate)
			<-fin
		})
		if b.cookies[tokenCookie] == before {
			t.Errorf("now %v: not regenerated", now)
		}
	}
}

// TestAttackRefusedSticks: a session that was taken from a request does not take its new
// sign-in too.
func TestAttackRefusedSticks(t *testing.T) {
	m, _, _ := newStored(t, nil)
	b := newBrowser(t, m)
	b.do(add("a"))
	other := b.clone()
	res := b.do(func(ctx context.Context) {
		sojourn.Owner(ctx)
		other.do(func(ctx context.Context) { sojourn.From(ctx).RegenerateNow() })
		sojourn.SignIn(ctx, "alice")
		if err := sojourn.From(ctx).Save(); err != nil {
			t.Error(err)
		}
		color.Set(ctx, "blue")
	})
	if got := owner(b); got != "alice" {
		t.Errorf("answered %d, signed in as %q", res.StatusCode, got)
	}
}

// TestAttackRevokeBesideMove: "log out everywhere" does not miss a session that is
// moving.
func TestAttackRevokeBesideMove(t *testing.T) {
	for _, one := range []bool{false, true} {
		old := storetest.Faulty(newMemory(t), nil)
		from := process(t, old)
		to := movingFrom(t, old)
		b := newBrowser(t, from)
		var h string
		b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice"); h = sojourn.From(ctx).Handle() })
		b.m = to
		fired := false
		old.Plan(func(c storetest.Call) storetest.Fault {
			if !fired && (c.Verb == storetest.DeleteOwner || c.Verb == storetest.Delete) {
				fired = true
				return storetest.Fault{Do: func() { b.do(func(ctx context.Context) { sojourn.Owner(ctx) }) }}
			}
			return storetest.Fault{}
		})
		var err error
		if one {
			err = to.Revoke(t.Context(), h)
		} else {
			_, err = to.RevokeOwner(t.Context(), "alice", "")
		}
		if got := owner(b); got != "" {
			t.Errorf("one %v: %v, and still %q", one, err, got)
		}
	}
}

// TestAttackForgetNil: a sign-in whose old session has ended, and a store that then fails,
// are an error page.
func TestAttackForgetNil(t *testing.T) {
	m, _, faulty := newStored(t, nil)
	b := newBrowser(t, m)
	defer func() {
		if v := recover(); v != nil {
			t.Errorf("panic: %v", v)
		}
	}()
	res := b.do(func(ctx context.Context) {
		s := sojourn.From(ctx)
		color.Set(ctx, "blue")
		if err := s.Save(); err != nil {
			t.Fatal(err)
		}
		h := s.Handle()
		sojourn.SignIn(ctx, "alice")
		if err := m.Revoke(ctx, h); err != nil {
			t.Fatal(err)
		}
		if err := s.Reload(); err != nil {
			t.Fatal(err)
		}
		faulty.Plan(func(c storetest.Call) storetest.Fault { return storetest.Fault{Before: storetest.ErrFault} })
	})
	if res.StatusCode != 503 {
		t.Error(res.StatusCode)
	}
}

// TestAttackAbruptSticks: RegenerateNow says nothing about a later Regenerate.
func TestAttackAbruptSticks(t *testing.T) {
	m, _, _ := newStored(t, nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
	b.do(func(ctx context.Context) {
		s := sojourn.From(ctx)
		s.RegenerateNow()
		if err := s.Save(); err != nil {
			t.Fatal(err)
		}
		s.Regenerate()
	})
	b.do(func(ctx context.Context) {
		rec, err := m.Store().Load(ctx, sojourn.From(ctx).Handle())
		if err != nil || rec.Verifiers[1] != 1 { // 1 keeps the token before, see docs/formats.md
			t.Errorf("Regenerate after RegenerateNow gives no grace: %v", err)
		}
	})
}

// TestAttackSlowUpdateNow: a function that takes long takes nothing of the store's time.
func TestAttackSlowUpdateNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, _ := newStored(t, nil)
		b := newBrowser(t, m)
		b.do(func(ctx context.Context) { counter.Set(ctx, 0) })
		res := b.do(func(ctx context.Context) {
			runs := 0
			_, err := counter.UpdateNow(ctx, func(n int, _ bool) (int, error) { runs++; time.Sleep(5 * time.Second); return n + 1, nil })
			if err != nil {
				t.Errorf("%v after %d runs", err, runs)
			}
		})
		if res.StatusCode != 200 {
			t.Error(res.StatusCode)
		}
	})
}

// TestAttackNested: what an UpdateNow function does to other fields does not make it run
// again.
func TestAttackNested(t *testing.T) {
	for _, what := range []string{"set", "updatenow", "save", "reload"} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, _, _ := newStored(t, nil)
				b := newBrowser(t, m)
				b.do(func(ctx context.Context) { counter.Set(ctx, 0) })
				runs := 0
				begun := time.Now()
				res := b.do(func(ctx context.Context) {
					_, err := sojourn.Field[int]("other").UpdateNow(ctx, func(n int, _ bool) (int, error) {
						runs++
						switch what {
						case "set":
							color.Set(ctx, "blue")
						case "updatenow":
							counter.UpdateNow(ctx, func(n int, _ bool) (int, error) { return n + 1, nil })
						case "save":
							color.Set(ctx, "blue")
							sojourn.From(ctx).Save()
						case "reload":
							sojourn.From(ctx).Reload()
						}
						return n + 1, nil
					})
					t.Logf("%v", err)
				})
				var c int
				took := time.Since(begun)
				b.do(func(ctx context.Context) { c, _ = counter.Get(ctx) })
				if runs != 1 {
					t.Errorf("ran %d times in %v, status %d, counter %d", runs, took, res.StatusCode, c)
				}
			})
		})
	}
}

// TestAttackTookRefused: a write whose reply was lost sends no token that was taken away
// meanwhile.
func TestAttackTookRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, faulty := newStored(t, nil)
		b := newBrowser(t, m)
		b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
		other := b.clone()
		other.m = process(t, faulty)
		n := 0
		res := b.do(func(ctx context.Context) {
			sojourn.From(ctx).SetPermanent(true)
			faulty.Plan(func(c storetest.Call) storetest.Fault {
				switch {
				case c.Verb == storetest.Apply && n == 0:
					n = 1
					return storetest.Fault{After: storetest.ErrFault}
				case c.Verb == storetest.Load && n == 1:
					n = 2
					return storetest.Fault{Do: func() {
						other.do(func(ctx context.Context) { sojourn.From(ctx).RegenerateNow() })
					}}
				}
				return storetest.Fault{}
			})
		})
		faulty.Plan(nil)
		if owner(other) != "alice" {
			t.Error("other lost")
		}
		if line := setCookie(res); n != 2 || line != "" {
			t.Errorf("n %d, %d, sends a token: %v, which opens a session of %q", n, res.StatusCode, line != "", owner(b))
		}
	})
}

// TestAttackCatchUpToken: a line that knows nothing of a new token does not make it a wrong
// one.
func TestAttackCatchUpToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := newMemory(t)
		faulty := storetest.Faulty(mem, nil)
		here, there := process(t, faulty), process(t, mem)
		b := newBrowser(t, here)
		b.do(func(ctx context.Context) { color.Set(ctx, "red") })
		gate := make(chan bool)
		var applies atomic.Int32
		faulty.Plan(func(c storetest.Call) storetest.Fault {
			if c.Verb == storetest.Apply {
				switch applies.Add(1) {
				case 1:
					return storetest.Fault{Do: func() { <-gate }}
				case 2:
					return storetest.Fault{Delay: 800 * time.Millisecond, Before: storetest.ErrFault}
				}
			}
			return storetest.Fault{}
		})
		var all sync.WaitGroup
		a1, a2, other := b.clone(), b.clone(), b.clone()
		other.m = there
		all.Go(func() { a1.do(func(ctx context.Context) { color.Set(ctx, "blue") }) })
		synctest.Wait()
		all.Go(func() { a2.do(func(ctx context.Context) { counter.Set(ctx, 7) }) })
		synctest.Wait()
		close(gate) // a1 leaves its state in the line, and a2 hangs in the store
		synctest.Wait()
		for i := range 18 {
			other.do(func(ctx context.Context) {
				counter.Set(ctx, 100+i)
				if i == 3 {
					sojourn.From(ctx).Regenerate()
				}
			})
		}
		a3 := other.clone() // has the token of now
		a3.m = here
		all.Go(func() { a3.do(func(ctx context.Context) { color.Set(ctx, "green") }) })
		all.Wait()
		got := ""
		other.do(func(ctx context.Context) { got = color.GetOr(ctx, "") })
		if got != "green" {
			t.Errorf("a write with the right token was dropped: %q", got)
		}
	})
}

// TestAttackUpdatingFlag: a reader beside a saver does not hide that an Update function
// runs.
func TestAttackUpdatingFlag(t *testing.T) {
	m, _, _ := newStored(t, nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { counter.Set(ctx, 0) })
	fin := make(chan bool)
	go func() {
		defer close(fin)
		b.do(func(ctx context.Context) {
			s := sojourn.From(ctx)
			var runs atomic.Int32
			started, gate, done := make(chan bool), make(chan bool), make(chan bool)
			counter.Update(ctx, func(n int) int {
				if runs.Add(1) == 1 {
					close(started)
					<-gate
					s.Save()
				}
				return n + 1
			})
			go func() { s.Save(); close(done) }()
			<-started
			counter.Get(ctx) // runs it too
			close(gate)
			<-done
		})
	}()
	select {
	case <-fin:
	case <-time.After(8 * time.Second):
		t.Error("hangs for ever")
	}
}
