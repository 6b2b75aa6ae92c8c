package flask_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/flask"
	"github.com/sojourn-go/sojourn/keys"
)

// A shelf provides the keys that a test puts there.
type shelf struct {
	mu   sync.Mutex
	text string
}

// put sets the keys, each as "state key".
func (s *shelf) put(lines ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = "# sojourn keys 1\n"
	for _, l := range lines {
		state, key, _ := strings.Cut(l, " ")
		s.text += "state=" + state + " key=" + key + "\n"
	}
}

func (s *shelf) Keys(context.Context) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []byte(s.text), nil
}

func shelfRing(t *testing.T, lines ...string) (*shelf, *keys.Ring) {
	t.Helper()
	s := &shelf{}
	s.put(lines...)
	ring, err := keys.FromProvider(t.Context(), "shelf", s)
	if err != nil {
		t.Fatal(err)
	}
	return s, ring
}

const keyA, keyB = "4f1c0e6b9a7d82355be0c4f79d1a6e83", "c81e7f2a6d3b905414af8e2b7c6d09f5"

// TestRotate is promise 9 in three reloads: add, activate, retire.
func TestRotate(t *testing.T) {
	shelf, ring := shelfRing(t, "active "+keyA)
	signer, err := flask.NewSigner(ring)
	if err != nil {
		t.Fatal(err)
	}
	a := ring.Active().ID()
	at := time.Unix(1700000000, 0)
	reload := func(lines ...string) {
		t.Helper()
		shelf.put(lines...)
		if err := ring.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	sign := func() string {
		t.Helper()
		cookie, err := signer.Sign(`{"a":1}`, at)
		if err != nil {
			t.Fatal(err)
		}
		return cookie
	}
	wants := func(cookie string, reason sojourn.Reason, id string) {
		t.Helper()
		if v, err := signer.Verify(cookie, at, 0); sojourn.ReasonOf(err) != reason || v.Key != id {
			t.Errorf("%v, by key %q; want %q by %q", err, v.Key, reason, id)
		}
	}
	byA := sign()
	reload("active "+keyB, "read-only "+keyA)
	b := ring.Active().ID()
	byB := sign() // by a process that is ahead
	reload("active "+keyA, "next "+keyB)
	wants(byA, "", a)
	wants(byB, "", b) // next reads ...
	if sign() != byA {
		t.Error("... and does not write")
	}
	reload("read-only "+keyA, "active "+keyB)
	wants(byA, "", a)
	if sign() != byB {
		t.Error("the active key does not write")
	}
	reload("retired "+keyA, "active "+keyB)
	wants(byA, sojourn.ReasonKey, a)
	wants(byB, "", b)
	wants(byA[:len(byA)-2]+"AA", sojourn.ReasonSignature, "")
	reload("active " + keyB)
	wants(byA, sojourn.ReasonSignature, "")

	lenient, err := flask.NewSigner(ring, flask.Lenient())
	if err != nil {
		t.Fatal(err)
	}
	reload("retired "+keyA, "active "+keyB)
	if _, err := lenient.Verify(byA, at, 0); sojourn.ReasonOf(err) != sojourn.ReasonKey {
		t.Errorf("lenient: %v", err)
	}
}

// TestReads: each accepted cookie counts for its key, at the time of the
// request, and no other does.
func TestReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shelf, ring := shelfRing(t, "active "+keyA)
		for name, keep := range map[string]sojourn.Keeper{"signed": flask.Signed(ring), "exact": flask.Exact(ring, flask.Settings{})} {
			shelf.put("active " + keyA)
			if err := ring.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			signer, err := flask.NewSigner(ring)
			if err != nil {
				t.Fatal(err)
			}
			s := &site{t: t, signer: signer}
			var refused []sojourn.Reason
			if s.m, err = sojourn.New(sojourn.Config{Keep: keep, Events: func(_ context.Context, e sojourn.Event) {
				if e.Kind == sojourn.EventRefused {
					refused = append(refused, e.Reason)
				}
			}}); err != nil {
				t.Fatal(err)
			}
			old := s.flask(`{"_user_id":"7"}`)
			time.Sleep(time.Minute)
			shelf.put("active "+keyB, "read-only "+keyA)
			if err := ring.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			before := ring.Info()
			want := func(active, readOnly uint64) {
				t.Helper()
				got := ring.Info()
				if got[0].Reads-before[0].Reads != active || got[1].Reads-before[1].Reads != readOnly || readOnly > 0 && got[1].LastRead.Unix() != time.Now().Unix() {
					t.Errorf("%s: %+v, before %+v", name, got, before)
				}
			}
			if owner, _ := s.owner(old); owner != "7" {
				t.Errorf("%s: owner %q", name, owner)
			}
			want(0, 1)
			s.owner(old[:len(old)-3] + "AAA")
			s.owner(s.flask(`{"_user_id":"7"}`))
			want(1, 1)
			for _, cookie := range []string{old, old + "x"} {
				signer.Verify(cookie, time.Now(), time.Hour)
			}
			want(1, 2)
			signer.Verify(old, time.Now(), 0) // too old
			want(1, 2)
			shelf.put("active "+keyB, "retired "+keyA)
			if err := ring.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			refused = nil
			if owner, _ := s.owner(old); owner != "" || len(refused) != 1 || refused[0] != sojourn.ReasonKey {
				t.Errorf("%s: by a retired key: owner %q, refused %v", name, owner, refused)
			}
			want(1, 2)
		}
	})
}

// TestRewrite: what was read with a key that is not active any more is written
// anew with the active one, at once; what is by the next key is left as it is.
func TestRewrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shelf, ring := shelfRing(t, "active "+keyA)
		s := &site{t: t}
		var err error
		if s.signer, err = flask.NewSigner(ring); err != nil {
			t.Fatal(err)
		}
		if s.m, err = sojourn.New(sojourn.Config{Keep: flask.Signed(ring)}); err != nil {
			t.Fatal(err)
		}
		_, byA := s.owner(s.flask(`{"_user_id":"7"}`)) // adopted
		for _, test := range []struct {
			keys      [2]string
			rewritten bool
		}{{[2]string{"active " + keyA, "next " + keyB}, false}, {[2]string{"next " + keyA, "active " + keyB}, false}, {[2]string{"read-only " + keyA, "active " + keyB}, true}} {
			shelf.put(test.keys[:]...)
			if err := ring.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			owner, after := s.owner(byA)
			if owner != "7" || (after != byA) != test.rewritten {
				t.Errorf("%v: owner %q, rewritten %v", test.keys, owner, after != byA)
			}
			v, err := s.signer.Verify(after, time.Now(), time.Hour)
			if byActive := v.Key == ring.Active().ID(); err != nil || byActive != (test.keys[0] == "active "+keyA || test.rewritten) {
				t.Errorf("%v: by key %s, %v", test.keys, v.Key, err)
			}
			if s.notes(after) != s.notes(byA) {
				t.Errorf("%v: another session", test.keys)
			}
		}
	})
}

// TestSecrets: the token of a session that moves comes from the active key, is
// recognised by every other key that reads, and by no retired one.
func TestSecrets(t *testing.T) {
	shelf, ring := shelfRing(t, "active "+keyA)
	codec := flask.CodecOf(ring)
	now := time.Unix(1700000000, 0)
	use := sojourn.Use{Cookie: "session", Now: now, Moving: true}
	text, err := codec.Encode(&sojourn.Snapshot{Handle: "a3AAAAAAAAAAAAAAAAAAAAAA", Created: now, LastSeen: now}, use)
	if err != nil {
		t.Fatal(err)
	}
	const keyC = "Zm9-vQ2xKc_7RtY0hWnB4uLsEaPd8GjX"
	secrets := func(lines ...string) []any {
		t.Helper()
		shelf.put(lines...)
		if err := ring.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		d, err := codec.Decode(text, use)
		if err != nil {
			t.Fatal(err)
		}
		var list []any
		for _, s := range d.Secrets {
			list = append(list, s)
		}
		return list
	}
	a := secrets("active " + keyA)
	b := secrets("read-only "+keyA, "active "+keyB)
	if len(a) != 1 || len(b) != 2 || b[1] != a[0] {
		t.Fatal("not the active key's first, and the other's after it")
	}
	if c := secrets("retired "+keyC, "read-only "+keyB, "active "+keyA); len(c) != 2 || c[0] != a[0] || c[1] != b[0] {
		t.Error("a retired key's secret, or another order")
	}
}

// TestReloadByTraits: the manager can reload the ring of either keeper.
func TestReloadByTraits(t *testing.T) {
	shelf, ring := shelfRing(t, "active "+keyA)
	for _, reload := range []func(context.Context) error{flask.TraitsOf(ring, nil).Reload, flask.TraitsOf(ring, &flask.Settings{}).Reload} {
		shelf.put("active " + keyA)
		if err := reload(t.Context()); err != nil || ring.All()[0] != ring.Active() || len(ring.All()) != 1 {
			t.Errorf("%v, %v", err, ring)
		}
		shelf.put("active "+keyB, "read-only "+keyA)
		if err := reload(t.Context()); err != nil || len(ring.All()) != 2 {
			t.Errorf("%v, %v", err, ring)
		}
	}
}

// TestRotateAtSpeed rotates while eight goroutines sign and verify: what was
// signed is verified, unless its key has been retired since.
func TestRotateAtSpeed(t *testing.T) {
	line := func(state string, n int) string { return fmt.Sprintf("%s %s%04d", state, keyA, n) }
	shelf, ring := shelfRing(t, line("active", 0), line("next", 1))
	codec := flask.CodecOf(ring)
	signer, err := flask.NewSigner(ring)
	if err != nil {
		t.Fatal(err)
	}
	var done atomic.Bool
	var good, retired atomic.Int64
	var wg sync.WaitGroup
	now := time.Unix(1700000000, 0)
	use := sojourn.Use{Cookie: "session", Now: now}
	rec := &sojourn.Snapshot{Handle: "a3AAAAAAAAAAAAAAAAAAAAAA", Owner: "7", Created: now, LastSeen: now}
	isRetired := func(id string) bool {
		for _, info := range ring.Info() {
			if info.ID == id {
				return info.State == keys.Retired
			}
		}
		return false
	}
	for range 8 {
		wg.Go(func() {
			for !done.Load() {
				cookie, err := codec.Encode(rec, use)
				if err != nil {
					t.Error(err)
					return
				}
				d, err := codec.Decode(cookie, use)
				if err == nil {
					if good.Add(1); d.Owner != "7" || d.Handle != rec.Handle {
						t.Errorf("%+v", d)
					}
					continue
				}
				v, err2 := signer.Verify(cookie, now, time.Hour)
				if retired.Add(1); sojourn.ReasonOf(err) != sojourn.ReasonKey || err2 == nil || !isRetired(v.Key) {
					t.Errorf("%v, then %v by key %s", err, err2, v.Key)
					return
				}
			}
		})
	}
	for n := 1; n <= 80; n++ {
		lines := []string{line("active", n), line("next", n+1)}
		for i := range n { // the last two read, those before are retired
			lines = append(lines, line(map[bool]string{true: "read-only", false: "retired"}[i >= n-2], i))
		}
		shelf.put(lines...)
		if err := ring.Reload(t.Context()); err != nil {
			t.Error(err)
			break
		}
	}
	done.Store(true)
	wg.Wait()
	if good.Load() < 80 {
		t.Errorf("only %d cookies were verified", good.Load())
	}
	t.Logf("%d verified, %d by keys that were retired meanwhile", good.Load(), retired.Load())
}
