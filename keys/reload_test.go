package keys

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// managed returns the managed form of lines "state key".
func managed(lines ...string) string {
	text := managedHeader + "\n"
	for _, l := range lines {
		state, key, _ := strings.Cut(l, " ")
		text += "state=" + state + " key=" + key + "\n"
	}
	return text
}

// shelf is a provider that gives what it was last told.
type shelf struct {
	text  atomic.Value
	calls atomic.Int64
}

func (s *shelf) set(text string) { s.text.Store(text) }

func (s *shelf) Keys(context.Context) ([]byte, error) {
	s.calls.Add(1)
	return []byte(s.text.Load().(string)), nil
}

func mustProvide(t *testing.T, text string) (*shelf, *Ring) {
	t.Helper()
	s := &shelf{}
	s.set(text)
	r, err := FromProvider(t.Context(), "shelf", s)
	if err != nil {
		t.Fatal(err)
	}
	return s, r
}

// secretsOf lists "state secret" of every key, in the order of Info.
func secretsOf(r *Ring) []string {
	var list []string
	for _, e := range NewDerived(r, Key.Bytes).Entries() {
		list = append(list, string(e.State)+" "+string(e.Value))
	}
	return list
}

func TestStates(t *testing.T) {
	r, err := Parse([]byte(managed("retired "+strongC, "read-only "+strongB, "next "+strongA+"a", "active "+strongA)))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"active " + strongA, "next " + strongA + "a", "read-only " + strongB, "retired " + strongC}
	if got := secretsOf(r); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if string(r.Active().Bytes()) != strongA || len(r.All()) != 3 || r.All()[0] != r.Active() {
		t.Errorf("active %v of %v", r.Active(), r.All())
	}
	for _, k := range r.All() {
		if k.has([]byte(strongC)) {
			t.Error("a retired key is among those that read")
		}
	}
	for i, info := range r.Info() {
		if info.State != states[i] || !info.Created.IsZero() || !info.Since.IsZero() || info.Reads != 0 || !info.LastRead.IsZero() {
			t.Errorf("%+v", info)
		}
	}
	plain := mustNew(t, strongA, strongB, strongC).Info()
	if plain[0].State != Active || plain[1].State != ReadOnly || plain[2].State != ReadOnly {
		t.Errorf("plain form: %+v", plain)
	}
}

func TestCountRead(t *testing.T) {
	s, r := mustProvide(t, managed("active "+strongA, "next "+strongB))
	at := time.Unix(1700000000, 5)
	r.Active().CountRead(at)
	a := r.All()[0]
	a.CountRead(at.Add(-time.Hour)) // an older one does not turn the time back
	if got := r.Info()[0]; got.Reads != 2 || !got.LastRead.Equal(time.Unix(1700000000, 0)) {
		t.Errorf("%+v", got)
	}
	s.set(managed("read-only "+strongA, "active "+strongB))
	if err := r.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.CountRead(at.Add(time.Minute)) // a copy from before the reload
	got := r.Info()
	if got[1].ID != a.ID() || got[1].Reads != 3 || !got[1].LastRead.Equal(time.Unix(1700000060, 0)) || got[0].Reads != 0 {
		t.Errorf("%+v", got)
	}
	Key{}.CountRead(at) // no key, no panic
	if n := testing.AllocsPerRun(100, func() { a.CountRead(at) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 1000 {
				a.CountRead(at.Add(time.Duration(i) * time.Second))
			}
		})
	}
	wg.Wait()
	if got := r.Info()[1]; got.Reads < 8003 || !got.LastRead.Equal(time.Unix(1700000999, 0)) {
		t.Errorf("%+v", got)
	}
}

// TestReload: what a ring reads again, and that on any error it stays.
func TestReload(t *testing.T) {
	s, r := mustProvide(t, managed("active "+strongA, "next "+strongB))
	before := r.at()
	reload := func(text, want string) {
		t.Helper()
		s.set(text)
		err := r.Reload(t.Context())
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v, want %q", err, want)
		}
		if want != "" && r.at() != before {
			t.Fatal("the ring changed in spite of an error")
		}
	}
	reload(managed("active "+strongA, "next "+strongB), "")
	if r.at() != before {
		t.Error("nothing changed, and the ring did")
	}
	reload("", "keys: provider shelf gives no key")
	reload(strings.Repeat("x", maxText+1), "more than 64 KiB")
	reload(managed("read-only "+strongA), "no key is active")
	reload(managed("retired "+strongA), "no key is active")
	reload(managed("active "+strongA, "active "+strongB), "line 3: the key is active, and so is that of provider shelf, line 2")
	reload("dev", "provider shelf, line 1: the key has only 3")
	reload(managed("active "+strongA, "next "+strongB, "nxt "+strongC), "line 4: the line does not begin with state=")
	reload(strongB+"\n"+strongA, "")
	if got := secretsOf(r); !slices.Equal(got, []string{"active " + strongB, "read-only " + strongA}) {
		t.Errorf("%q", got)
	}
	if err := mustNew(t, strongA).Reload(t.Context()); err != nil {
		t.Errorf("a ring of New: %v", err)
	}

	before = r.at()
	refuses := errors.New("sealed")
	r.live.from.read = func(context.Context) ([]candidate, error) { return nil, refuses }
	if err := r.Reload(t.Context()); !errors.Is(err, refuses) || r.at() != before {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.live.from.turn <- struct{}{} // somebody else is reading
	if err := r.Reload(ctx); !errors.Is(err, context.Canceled) || r.at() != before {
		t.Errorf("waiting for another reload: %v", err)
	}
}

// TestReloadSeesEveryChange: each difference counts as a change, times too.
func TestReloadSeesEveryChange(t *testing.T) {
	const line = "state=active created=2026-03-01T09:00:00Z since=2026-03-02T09:00:00Z key=" + strongA + "\n"
	s, r := mustProvide(t, managedHeader+"\n"+line)
	for _, change := range []string{
		strings.Replace(line, "03-01", "03-03", 1), line, strings.Replace(line, "since=2026-03-02", "since=2026-03-04", 1),
		line + "state=next key=" + strongB, line + "state=retired key=" + strongB, strings.Replace(line, strongA, strongC, 1), line,
	} {
		before := r.at()
		s.set(managedHeader + "\n" + change)
		if err := r.Reload(t.Context()); err != nil || r.at() == before {
			t.Errorf("%v: not seen: %s", err, change)
		}
	}
	info := r.Info()[0]
	if info.Created != time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC) || info.Since != time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) {
		t.Errorf("%+v", info)
	}
}

// TestReloadFrom: file and environment are read again.
func TestReloadFrom(t *testing.T) {
	path := filepath.Join(t.TempDir(), "k")
	write := func(text string) {
		t.Setenv("SOJOURN_TEST_KEYS", text)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(strongA)
	file, err1 := FromFile(path)
	env, err2 := FromEnv("SOJOURN_TEST_KEYS")
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	write(managed("active "+strongB, "retired "+strongA))
	for _, r := range []*Ring{file, env} {
		if err := r.Reload(t.Context()); err != nil || !slices.Equal(secretsOf(r), []string{"active " + strongB, "retired " + strongA}) {
			t.Errorf("%v, %q", err, secretsOf(r))
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	os.Unsetenv("SOJOURN_TEST_KEYS")
	for _, r := range []*Ring{file, env} {
		if err := r.Reload(t.Context()); err == nil || r.Active().ID() == "" || !r.Active().has([]byte(strongB)) {
			t.Errorf("%v, %v", err, r)
		}
	}
}

func TestFromProvider(t *testing.T) {
	for _, p := range []Provider{nil, ProviderFunc(nil)} {
		if r, err := FromProvider(t.Context(), "x", p); r != nil || err == nil {
			t.Errorf("a nil provider gives %v", r)
		}
	}
	down := errors.New("connection refused")
	r, err := FromProvider(t.Context(), "vault", ProviderFunc(func(context.Context) ([]byte, error) { return nil, down }))
	if r != nil || !errors.Is(err, down) || !strings.HasPrefix(err.Error(), "keys: provider vault: ") {
		t.Errorf("%v, %v", r, err)
	}
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, true)
	r, err = FromProvider(ctx, "vault", ProviderFunc(func(ctx context.Context) ([]byte, error) {
		if ctx.Value(key{}) == nil {
			t.Error("another context")
		}
		return []byte("dev"), nil
	}), InsecureAllowWeak())
	if err != nil || r.Reload(ctx) != nil {
		t.Errorf("options are lost: %v", err)
	}
}

// TestDerived: one value a key, kept while the key stays.
func TestDerived(t *testing.T) {
	s, r := mustProvide(t, managed("active "+strongA, "next "+strongB))
	derived := map[string]int{}
	d := NewDerived(r, func(k Key) *string {
		derived[string(k.Bytes())]++
		id := k.ID()
		return &id
	})
	old := d.Entries()
	a, b := old[0].Value, old[1].Value
	if len(old) != 2 || *a != r.Active().ID() || old[0].Key != r.Active() || old[0].State != Active || old[1].State != Next {
		t.Fatalf("%v", old)
	}
	if err := r.Reload(t.Context()); err != nil || &d.Entries()[0] != &old[0] {
		t.Error("nothing changed, and the entries did")
	}
	s.set(managed("retired "+strongA, "active "+strongB, "next "+strongC))
	if err := r.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := d.Entries()
	if len(got) != 3 || got[0].Value != b || got[0].State != Active || got[2].Value != a || got[2].State != Retired {
		t.Errorf("%v", got)
	}
	if old[0].State != Active || len(old) != 2 {
		t.Error("a slice that was given out has changed")
	}
	if fmt.Sprint(derived) != fmt.Sprint(map[string]int{strongA: 1, strongB: 1, strongC: 1}) {
		t.Errorf("derived %v", derived)
	}
	if n := testing.AllocsPerRun(100, func() { d.Entries() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestReloadConcurrent: whoever uses the ring sees one moment of it.
func TestReloadConcurrent(t *testing.T) {
	rotation := []string{
		managed("active "+strongA, "next "+strongB), managed("read-only "+strongA, "active "+strongB),
		managed("retired "+strongA, "active "+strongB), managed("active " + strongA),
	}
	s, r := mustProvide(t, rotation[0])
	d := NewDerived(r, Key.ID)
	var done atomic.Bool
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for !done.Load() {
				active := 0
				for _, e := range d.Entries() {
					if e.State == Active {
						active++
					}
					if e.Value != e.Key.ID() {
						t.Error("the value of another key")
					}
				}
				if active != 1 || r.Active() == (Key{}) || len(r.Info()) == 0 || fmt.Sprint(r) == "keys.Ring()" {
					t.Errorf("%d active keys", active)
				}
			}
		})
	}
	var reloads sync.WaitGroup
	for range 2 {
		reloads.Go(func() {
			for i := range 500 {
				s.set(rotation[i%len(rotation)])
				if err := r.Reload(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	reloads.Wait()
	done.Store(true)
	wg.Wait()
}

func BenchmarkEntries(b *testing.B) {
	r, err := New([][]byte{[]byte(strongA)})
	if err != nil {
		b.Fatal(err)
	}
	d := NewDerived(r, Key.ID)
	for b.Loop() {
		if len(d.Entries()) != 1 {
			b.Fatal()
		}
	}
}

func BenchmarkCountRead(b *testing.B) {
	r, err := New([][]byte{[]byte(strongA)})
	if err != nil {
		b.Fatal(err)
	}
	k, at := r.Active(), time.Unix(1700000000, 0)
	b.ReportAllocs()
	for b.Loop() {
		k.CountRead(at)
	}
}
