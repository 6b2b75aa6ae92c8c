package sojourn_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
	"github.com/sojourn-go/sojourn/keys"
)

// A vault is a provider of keys that can be changed.
type vault struct {
	mu   sync.Mutex
	list []string // the active one first
	err  error
}

func (v *vault) Keys(context.Context) ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return []byte(strings.Join(v.list, "\n")), v.err
}

// set changes what is in the vault.
func (v *vault) set(err error, list ...string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.list, v.err = list, err
}

func (v *vault) ring(t testing.TB) *keys.Ring {
	t.Helper()
	r, err := keys.FromProvider(t.Context(), "vault", v)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestReloadUnderUse: keys change all the time while requests run; nobody is
// signed out, as long as no key goes that wrote a cookie which is still held.
func TestReloadUnderUse(t *testing.T) {
	for form, keep := range map[string]func(*keys.Ring) sojourn.Keeper{
		"encrypted": func(r *keys.Ring) sojourn.Keeper { return sojourn.Encrypted(r) },
		"signed":    func(r *keys.Ring) sojourn.Keeper { return flask.Signed(r) },
	} {
		t.Run(form, func(t *testing.T) {
			all := []string{keys.Generate(), keys.Generate(), keys.Generate()}
			v := &vault{list: all}
			r := v.ring(t)
			m, _ := newManager(t, func(c *sojourn.Config) { c.Keep = keep(r) })
			done := make(chan struct{})
			var reloading, visiting sync.WaitGroup
			reloading.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-done:
						return
					default:
					}
					v.set(nil, all[i%3], all[(i+1)%3], all[(i+2)%3])
					if err := r.Reload(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
			for i := range 8 {
				visiting.Go(func() {
					b := newBrowser(t, m)
					b.do(func(ctx context.Context) { sojourn.SignIn(ctx, fmt.Sprint("owner", i)) })
					for range 200 {
						b.do(func(ctx context.Context) {
							if name, _ := sojourn.Owner(ctx); name != fmt.Sprint("owner", i) {
								t.Errorf("signed in as %q", name)
							}
							counter.Update(ctx, func(n int) int { return n + 1 })
						})
					}
					b.do(func(ctx context.Context) {
						if n := counter.GetOr(ctx, 0); n != 200 {
							t.Errorf("%d of 200", n)
						}
					})
				})
			}
			visiting.Wait()
			close(done)
			reloading.Wait()
			reads := uint64(0)
			for _, info := range r.Info() {
				reads += info.Reads
			}
			if reads != 8*201 {
				t.Errorf("%d reads were counted of %d", reads, 8*201)
			}
		})
	}
}

// TestRunReloads: Run reads the keys again; what an old key wrote is written anew,
// and a key that has gone is refused with its reason. If they cannot be read, they
// stay as they were, and that is an event.
func TestRunReloads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vault{list: []string{testKey}}
		r := v.ring(t)
		m, events := newManager(t, func(c *sojourn.Config) { c.Keep = sojourn.Encrypted(r) })
		ctx, stop := context.WithCancel(t.Context())
		ran := make(chan error)
		go func() { ran <- m.Run(ctx) }()
		b := signedIn(t, m)
		old := b.clone()
		v.set(nil, anotherKey, testKey)
		time.Sleep(time.Minute)
		before := b.cookies[tokenCookie]
		if owner(b) != "alice" || b.cookies[tokenCookie] == before {
			t.Error("not written anew")
		}
		v.set(errors.New("away"))
		time.Sleep(time.Minute)
		if e, ok := events.find(sojourn.EventKeys); !ok || !strings.Contains(e.Err.Error(), "vault") {
			t.Errorf("events %s: %v", events.kinds(), e.Err)
		}
		v.set(nil, anotherKey)
		time.Sleep(time.Minute)
		events.reset()
		if owner(b) != "alice" || owner(old) != "" {
			t.Errorf("%q, and with the old key %q", owner(b), owner(old))
		}
		if e, _ := events.find(sojourn.EventRefused); e.Reason != sojourn.ReasonKey {
			t.Errorf("refused for %q", e.Reason)
		}
		stop()
		<-ran
	})
}

// TestRunReloadHangs: a provider of keys that does not answer does not stop the
// reading for good, and that it did not is an event.
func TestRunReloadHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		r, err := keys.FromProvider(t.Context(), "vault", keys.ProviderFunc(func(ctx context.Context) ([]byte, error) {
			if calls++; calls == 2 {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return []byte(testKey), nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		m, events := newManager(t, func(c *sojourn.Config) { c.Keep = sojourn.Encrypted(r) })
		ctx, stop := context.WithCancel(t.Context())
		ran := make(chan error)
		go func() { ran <- m.Run(ctx) }()
		time.Sleep(time.Hour)
		stop()
		<-ran
		if _, told := events.find(sojourn.EventKeys); calls < 10 || !told {
			t.Errorf("%d calls in an hour, events %q", calls, events.kinds())
		}
	})
}
