package sojourn_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest"
)

// A delayed store has one Apply arrive late, when it is armed: the caller is told
// of a timeout, and the write lands just before the next one.
type delayed struct {
	store.Store
	armed bool
	late  func()
}

func (d *delayed) Apply(ctx context.Context, rec *store.Record, from store.Version, now time.Time) error {
	if d.armed {
		d.armed = false
		copied := *rec
		d.late = func() { d.Store.Apply(context.Background(), &copied, from, now) }
		return context.DeadlineExceeded
	}
	if d.late != nil {
		d.late()
		d.late = nil
	}
	return d.Store.Apply(ctx, rec, from, now)
}

// TestAttackDelayedApplyDoubles: a write that arrives after its retry began
// happens once.
func TestAttackDelayedApplyDoubles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &delayed{Store: newMemory(t)}
		m := process(t, d)
		b := newBrowser(t, m)
		b.do(func(ctx context.Context) { counter.Set(ctx, 0) })
		d.armed = true
		res := b.do(func(ctx context.Context) { counter.Update(ctx, func(n int) int { return n + 1 }) })
		b.do(func(ctx context.Context) {
			if n, _ := counter.Get(ctx); res.StatusCode != 200 || n != 1 {
				t.Errorf("Update: %d, counter %d", res.StatusCode, n)
			}
			counter.Set(ctx, 0)
		})
		runs := 0
		d.armed = true
		res = b.do(func(ctx context.Context) {
			n, err := counter.UpdateNow(ctx, func(n int, _ bool) (int, error) { runs++; return n + 1, nil })
			if n != 1 {
				t.Errorf("UpdateNow returned %d, %v", n, err)
			}
		})
		b.do(func(ctx context.Context) {
			if n, _ := counter.Get(ctx); n != 1 {
				t.Errorf("UpdateNow: %d, counter %d, ran %d times", res.StatusCode, n, runs)
			}
			cart.Set(ctx, nil)
		})
		d.armed = true
		b.do(func(ctx context.Context) { sojourn.Flash(ctx, "info", "paid") })
		b.do(func(ctx context.Context) {
			if f := sojourn.Flashes(ctx); len(f) != 1 {
				t.Errorf("flash shown %d times", len(f))
			}
		})
	})
}

// TestAttackRegenerateNow: a request under way with the token from before
// [sojourn.Session.RegenerateNow] is not the session's any more.
func TestAttackRegenerateNow(t *testing.T) {
	for _, what := range []string{"write", "regenerate", "regenerateNow", "reload"} {
		t.Run(what, func(t *testing.T) {
			m, _, _ := newStored(t, nil)
			victim := newBrowser(t, m)
			victim.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
			thief := victim.clone()
			thief.get(func(w http.ResponseWriter, r *http.Request) {
				ctx := r.Context()
				sojourn.Owner(ctx) // loaded
				victim.do(func(ctx context.Context) { sojourn.From(ctx).RegenerateNow(); color.Set(ctx, "mine") })
				switch what {
				case "write":
					color.Set(ctx, "stolen")
					if err := sojourn.From(ctx).Save(); !errors.Is(err, sojourn.ErrEnded) {
						t.Errorf("Save: %v", err)
					}
				case "regenerate":
					sojourn.From(ctx).Regenerate()
				case "regenerateNow":
					sojourn.From(ctx).RegenerateNow()
				case "reload":
					if err := sojourn.From(ctx).Reload(); !errors.Is(err, sojourn.ErrEnded) || color.GetOr(ctx, "") != "" {
						t.Errorf("Reload: %v, reads %q", err, color.GetOr(ctx, ""))
					}
				}
			})
			if owner(thief) == "alice" {
				t.Error("the thief is signed in with a fresh token")
			}
			if owner(victim) != "alice" {
				t.Error("the victim is signed out")
			}
			victim.do(func(ctx context.Context) {
				if c, _ := color.Get(ctx); c == "stolen" {
					t.Error("the thief's request wrote")
				}
			})
		})
	}
}

// TestAttackStaleTokenPermanent: a slow answer does not replace a token that
// was regenerated meanwhile by the one it came with.
func TestAttackStaleTokenPermanent(t *testing.T) {
	for _, what := range []string{"write", "touch", "setpermanent", "mark"} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, _, _ := newStored(t, nil)
				b := newBrowser(t, m)
				b.do(func(ctx context.Context) {
					sojourn.SignIn(ctx, "alice")
					if what != "setpermanent" {
						sojourn.From(ctx).SetPermanent(true)
					}
				})
				time.Sleep(2 * time.Minute)
				b.get(func(w http.ResponseWriter, r *http.Request) {
					ctx := r.Context()
					sojourn.Owner(ctx)
					other := b.clone()
					other.do(func(ctx context.Context) { sojourn.From(ctx).Regenerate() })
					b.cookies = other.cookies // one browser; Regenerate answers first
					switch what {
					case "write":
						color.Set(ctx, "slow")
					case "setpermanent":
						sojourn.From(ctx).SetPermanent(true)
					case "touch":
						time.Sleep(2 * time.Minute) // the interval passes again
					case "mark":
						sojourn.From(ctx).MarkModified()
					}
				})
				time.Sleep(11 * time.Second)
				if got := owner(b); got != "alice" {
					t.Errorf("after the grace the browser is %q", got)
				}
			})
		})
	}
}

// TestAttackStaleTokenAdopted: nor does one that adopted a former cookie.
func TestAttackStaleTokenAdopted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, _ := newManager(t, nil)
		to, _ := newManager(t, func(c *sojourn.Config) {
			c.Keep = sojourn.InStore(newMemory(t))
			c.AlsoRead = []sojourn.Former{{Keep: flask.Signed(ring(t))}}
		})
		b := newBrowser(t, from)
		b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
		b.m = to
		b.get(func(w http.ResponseWriter, r *http.Request) {
			sojourn.Owner(r.Context())
			other := b.clone()
			other.do(func(ctx context.Context) { sojourn.Owner(ctx) })
			other.do(func(ctx context.Context) { sojourn.From(ctx).Regenerate() })
			b.cookies = other.cookies
		})
		time.Sleep(11 * time.Second)
		if got := owner(b); got != "alice" {
			t.Errorf("after the grace the browser is %q", got)
		}
	})
}

// TestAttackConfirmedByQueue: what stands in line is no proof that the
// session is alive: the store is asked before a token is sent.
func TestAttackConfirmedByQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, faulty := newStored(t, nil)
		b := newBrowser(t, m)
		b.do(func(ctx context.Context) { sojourn.From(ctx).SetPermanent(true); cart.Set(ctx, []string{"a"}) })
		gate := make(chan bool)
		var n atomic.Int32
		faulty.Plan(func(c storetest.Call) storetest.Fault {
			if c.Verb == storetest.Apply && n.Add(1) == 1 {
				return storetest.Fault{Do: func() { <-gate }}
			}
			return storetest.Fault{}
		})
		a, signIn, slow := b.clone(), b.clone(), b.clone()
		var all sync.WaitGroup
		loaded := make(chan bool)
		all.Go(func() { a.do(func(ctx context.Context) { color.Set(ctx, "blue") }) })
		synctest.Wait()
		all.Go(func() { signIn.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") }) })
		synctest.Wait()
		var res *http.Response
		all.Go(func() { res = slow.do(func(ctx context.Context) { color.Set(ctx, "blue") }) })
		synctest.Wait()
		close(loaded)
		close(gate)
		all.Wait()
		if owner(signIn) != "alice" {
			t.Error("sign-in failed")
		}
		if setCookie(res) != "" {
			t.Errorf("a slow request sends the token of a session that has ended: it signs the browser out")
		}
	})
}

// TestAttackDoubleClickEndOldest: a double click at the limit ends no session
// that the other click made.
func TestAttackDoubleClickEndOldest(t *testing.T) {
	for _, limit := range []int{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			m, _, faulty := newStored(t, func(c *sojourn.Config) { c.OwnerLimit, c.EndOldest = limit, true })
			device := newBrowser(t, m)
			device.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
			time.Sleep(time.Second)
			if limit == 2 {
				faulty.Plan(nil)
			}
			b := newBrowser(t, m)
			b.do(add("a"))
			first, second := b.clone(), b.clone()
			// the second click comes while the first is loaded
			first.get(func(w http.ResponseWriter, r *http.Request) {
				sojourn.Owner(r.Context())
				second.get(func(w http.ResponseWriter, r2 *http.Request) {
					sojourn.Owner(r2.Context())
					sojourn.SignIn(r.Context(), "alice")
					if err := sojourn.From(r.Context()).Save(); err != nil {
						t.Error(err)
					}
					sojourn.SignIn(r2.Context(), "alice")
				})
			})
			if owner(first) != "alice" || owner(second) != "alice" || items(second) != "a" {
				t.Errorf("limit %d: double click lost", limit)
			}
			if limit == 2 && owner(device) != "alice" {
				t.Error("limit 2: the other device was signed out, though there are two sessions only")
			}
		})
	}
}

// TestAttackRevokeFormer: "log out everywhere" reaches sessions that have not
// moved yet.
func TestAttackRevokeFormer(t *testing.T) {
	old := newMemory(t)
	from := process(t, old)
	to := movingFrom(t, old)
	thief := newBrowser(t, from)
	var h string
	thief.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice"); h = sojourn.From(ctx).Handle() })
	thief.m = to
	if n, err := to.RevokeOwner(t.Context(), "alice", ""); n != 1 || err != nil {
		t.Errorf("revoked %d, %v", n, err)
	}
	if err := to.Revoke(t.Context(), h); err != nil {
		t.Error(err)
	}
	if got := owner(thief); got != "" {
		t.Errorf("after RevokeOwner and Revoke the thief is %q", got)
	}
}

// TestAttackMoveResurrects: a sign-out in an old process while a new one
// moves the session holds.
func TestAttackMoveResurrects(t *testing.T) {
	old := newMemory(t)
	from := process(t, old)
	fnew := storetest.Faulty(newMemory(t), nil)
	to, _ := newManager(t, func(c *sojourn.Config) {
		c.Keep = sojourn.InStore(fnew)
		c.AlsoRead = []sojourn.Former{{Keep: sojourn.InStore(old)}}
	})
	b := newBrowser(t, from)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
	other := b.clone()
	copied := b.clone()
	copied.m = to
	b.m = to
	fnew.Plan(func(c storetest.Call) storetest.Fault {
		if c.Verb == storetest.Create {
			return storetest.Fault{Do: func() { other.do(func(ctx context.Context) { sojourn.End(ctx) }) }}
		}
		return storetest.Fault{}
	})
	b.do(func(ctx context.Context) { sojourn.Owner(ctx) })
	fnew.Plan(nil)
	if got := owner(copied); got != "" {
		t.Errorf("after the sign-out the token opens a session of %q", got)
	}
}

// A blockJSON runs something while it is encoded.
type blockJSON struct{ F func() }

func (b *blockJSON) MarshalJSON() ([]byte, error) {
	if hook != nil {
		hook()
	}
	return []byte("1"), nil
}
func (b *blockJSON) UnmarshalJSON([]byte) error { return nil }

var hook func()

// TestAttackUpdateLostInSave: what another goroutine changes while Save looks
// for forgotten changes is saved or stays pending.
func TestAttackUpdateLostInSave(t *testing.T) {
	m, _, _ := newStored(t, func(c *sojourn.Config) { c.Strict = true })
	b := newBrowser(t, m)
	f := sojourn.Field[*blockJSON]("blocked")
	b.do(func(ctx context.Context) {
		f.Set(ctx, &blockJSON{})
		f.Get(ctx)
		s := sojourn.From(ctx)
		hook = func() {
			hook = nil
			done := make(chan bool)
			go func() { counter.Update(ctx, func(n int) int { return n + 1 }); close(done) }()
			<-done
		}
		if err := s.Save(); err != nil {
			t.Error(err)
		}
	})
	hook = nil
	b.do(func(ctx context.Context) {
		if n, _ := counter.Get(ctx); n != 1 {
			t.Errorf("counter is %d", n)
		}
	})
}

// TestAttackSavedThenFailed: a failure after Save and End takes back neither:
// the cookie follows what is stored.
func TestAttackSavedThenFailed(t *testing.T) {
	m, _, _ := newStored(t, nil)
	b := newBrowser(t, m)
	b.do(add("a"))
	res := b.do(func(ctx context.Context) {
		sojourn.SignIn(ctx, "alice")
		if err := sojourn.From(ctx).Save(); err != nil {
			t.Fatal(err)
		}
		color.Set(ctx, "\xff")
	})
	if owner(b) != "alice" {
		t.Errorf("sign-in saved, answer %d, and the browser is %q with %q", res.StatusCode, owner(b), items(b))
	}
	b2 := newBrowser(t, m)
	b2.do(func(ctx context.Context) { sojourn.SignIn(ctx, "bob") })
	res = b2.do(func(ctx context.Context) {
		sojourn.End(ctx)
		color.Set(ctx, "\xff")
	})
	if res.StatusCode != 400 || len(b2.cookies) != 0 {
		t.Errorf("signed out, and answered %d with %d cookies left", res.StatusCode, len(b2.cookies))
	}
}

// TestAttackFullApply: a store that is full says so at once.
func TestAttackFullApply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, faulty := newStored(t, nil)
		b := newBrowser(t, m)
		b.do(add("a"))
		faulty.Plan(func(c storetest.Call) storetest.Fault {
			if c.Verb == storetest.Apply {
				return storetest.Fault{Before: store.ErrFull}
			}
			return storetest.Fault{}
		})
		begun := time.Now()
		if res := b.do(add("b")); res.StatusCode != 503 || time.Since(begun) > time.Second {
			t.Errorf("answered %d after %v", res.StatusCode, time.Since(begun))
		}
	})
}

// TestAttackEndBesideUpdate: an End beside another goroutine's UpdateNow ends
// the session.
func TestAttackEndBesideUpdate(t *testing.T) {
	m, _, _ := newStored(t, nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
	copied := b.clone()
	res := b.get(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		started, ended := make(chan bool), make(chan bool)
		begun := sync.OnceFunc(func() { close(started) }) // it runs again, on what comes after the end
		go counter.UpdateNow(ctx, func(n int, _ bool) (int, error) { begun(); <-ended; return n + 1, nil })
		<-started
		sojourn.End(ctx)
		close(ended)
	})
	if owner(copied) == "alice" && res.StatusCode == 200 {
		t.Error("End did nothing, and the answer is a success")
	}
}

// TestAttackWriteBesideUpdate: nor does that keep the handler from answering.
func TestAttackWriteBesideUpdate(t *testing.T) {
	m, _, _ := newStored(t, nil)
	b := newBrowser(t, m)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
	res := b.get(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		started, ended := make(chan bool), make(chan bool)
		fin := make(chan bool)
		go func() {
			counter.UpdateNow(ctx, func(n int, _ bool) (int, error) { close(started); <-ended; return n + 1, nil })
			close(fin)
		}()
		<-started
		w.WriteHeader(201)
		w.Write([]byte("hello"))
		close(ended)
		<-fin
	})
	if res.StatusCode != 201 {
		t.Errorf("the handler answered 201, the client got %d", res.StatusCode)
	}
}

// TestAttackReloadDropsSignIn: a sign-in that is pending outlives the session
// that it replaces.
func TestAttackReloadDropsSignIn(t *testing.T) {
	m, _, _ := newStored(t, nil)
	b := newBrowser(t, m)
	b.do(add("a"))
	other := b.clone()
	res := b.do(func(ctx context.Context) {
		sojourn.Owner(ctx)
		sojourn.SignIn(ctx, "alice")
		other.do(func(ctx context.Context) { sojourn.End(ctx) })
		if err := sojourn.From(ctx).Reload(); err != nil {
			t.Error(err)
		}
	})
	if owner(b) != "alice" {
		t.Errorf("answered %d, signed in as %q", res.StatusCode, owner(b))
	}
}

// TestAttackDecodedPrints: what tokens are made of does not print.
func TestAttackDecodedPrints(t *testing.T) {
	d := sojourn.Decoded{}
	d.Secrets = append(d.Secrets, [32]byte{1, 2, 3, 4, 5, 6, 7})
	j, _ := json.Marshal(d)
	if s := fmt.Sprintf("%v %#v %s", d, d, j); strings.Contains(s, "1 2 3 4 5 6 7") {
		t.Error("Decoded prints what tokens are made of")
	}
}

// TestAttackLongOwner: a former cookie whose owner no store takes is refused,
// and no error page for ever.
func TestAttackLongOwner(t *testing.T) {
	from, _ := newManager(t, nil)
	b := newBrowser(t, from)
	b.do(func(ctx context.Context) { sojourn.SignIn(ctx, strings.Repeat("a", 300)) })
	to, _ := newManager(t, func(c *sojourn.Config) {
		c.Keep = sojourn.InStore(newMemory(t))
		c.AlsoRead = []sojourn.Former{{Keep: flask.Signed(ring(t))}}
	})
	b.m = to
	res := b.do(func(ctx context.Context) { sojourn.Owner(ctx) })
	if res.StatusCode != 200 {
		t.Errorf("a valid former cookie answers %d", res.StatusCode)
	}
}

// TestAttackLoadBound: a load is bounded as a whole, however many stores it
// asks.
func TestAttackLoadBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := storetest.Faulty(newMemory(t), nil)
		keep := storetest.Faulty(newMemory(t), nil)
		to, _ := newManager(t, func(c *sojourn.Config) {
			c.Keep = sojourn.InStore(keep)
			c.AlsoRead = []sojourn.Former{{Keep: sojourn.InStore(old)}}
		})
		b := newBrowser(t, process(t, old))
		b.do(func(ctx context.Context) { sojourn.SignIn(ctx, "alice") })
		b.m = to
		n := 0
		plan := func(storetest.Call) storetest.Fault {
			if n++; n%2 == 1 {
				return storetest.Fault{Delay: 2 * time.Second}
			}
			return storetest.Fault{Delay: 990 * time.Millisecond}
		}
		keep.Plan(plan)
		old.Plan(plan)
		start := time.Now()
		var took time.Duration
		b.do(func(ctx context.Context) { sojourn.Owner(ctx); took = time.Since(start) })
		if took > 4*time.Second {
			t.Errorf("loading took %v with StoreTimeout 4s", took)
		}
	})
}

// TestAttackCatchUpBackwards: a line whose last state is older than a
// request's own does not take that back.
func TestAttackCatchUpBackwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := newMemory(t)
		faulty := storetest.Faulty(mem, nil)
		here, there := process(t, faulty), process(t, mem)
		b := newBrowser(t, here)
		b.do(func(ctx context.Context) { color.Set(ctx, "red") })
		gate := make(chan bool)
		var applies atomic.Int32
		var down atomic.Bool
		faulty.Plan(func(c storetest.Call) storetest.Fault {
			if down.Load() {
				return storetest.Fault{Before: storetest.ErrFault}
			}
			if c.Verb == storetest.Apply && applies.Add(1) == 1 {
				return storetest.Fault{Do: func() { <-gate }}
			}
			return storetest.Fault{}
		})
		var all sync.WaitGroup
		a1, a2, a3, other := b.clone(), b.clone(), b.clone(), b.clone()
		other.m = there
		all.Go(func() { a1.do(func(ctx context.Context) { color.Set(ctx, "blue") }) })
		synctest.Wait()
		all.Go(func() {
			a2.do(func(ctx context.Context) { counter.Set(ctx, 7) })
		})
		synctest.Wait()
		down.Store(true) // a2 finds the store down, a1 has his call under way
		close(gate)
		synctest.Wait()
		for i := range 18 {
			other.do(func(ctx context.Context) { counter.Set(ctx, 100+i); color.Set(ctx, "red") })
		}
		var res *http.Response
		time.Sleep(1500 * time.Millisecond)
		down.Store(false)
		all.Go(func() { res = a3.do(func(ctx context.Context) { color.Set(ctx, "blue") }) })
		synctest.Wait()
		down.Store(true)
		time.Sleep(1600 * time.Millisecond) // a2 gives up
		down.Store(false)
		all.Wait()
		got := ""
		other.do(func(ctx context.Context) { got = color.GetOr(ctx, "") })
		if res.StatusCode == 200 && got != "blue" {
			t.Errorf("a write was acknowledged, and the session holds %q", got)
		}
	})
}
