package memstore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest"
)

func newStore(t testing.TB, opts Options) *Store {
	t.Helper()
	s, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return newStore(t, Options{}) })
}

func TestOptions(t *testing.T) {
	_, err := New(Options{Records: -1, Bytes: -2, Changes: -3})
	for _, want := range []string{"Options.Records is -1", "Options.Bytes is -2", "Options.Changes is -3"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New: %v; want %q", err, want)
		}
	}
	s := newStore(t, Options{})
	if s.budget.maxRecords != 1_000_000 || s.budget.maxBytes != 256<<20 || s.log.atLeast != 32_768 {
		t.Error("the defaults are not as documented")
	}
}

// TestSizes holds the accounts to the sizes of what is counted, and that to
// have no pointers.
func TestSizes(t *testing.T) {
	for _, v := range []any{slot{}, cell{}, due{}, ordered{}, change{}, uint32(0)} {
		if typ := reflect.TypeOf(v); points(typ) {
			t.Errorf("%s has a pointer in it", typ)
		}
	}
	if n := unsafe.Sizeof(slot{}); n != slotSize {
		t.Errorf("a slot has %d bytes", n)
	}
	if n := unsafe.Sizeof(cell{}); n != cellSize {
		t.Errorf("a cell has %d bytes", n)
	}
	if n := slotSize + unsafe.Sizeof(due{}) + unsafe.Sizeof(ordered{}) + 4; n > besideText || n != besideText && math.MaxInt > math.MaxInt32 {
		t.Errorf("%d bytes beside the texts", n)
	}
}

// points reports whether the garbage collector has to look into a type.
func points(typ reflect.Type) bool {
	switch typ.Kind() {
	case reflect.Struct:
		for i := range typ.NumField() {
			if points(typ.Field(i).Type) {
				return true
			}
		}
		return false
	case reflect.Array:
		return points(typ.Elem())
	}
	return typ.Kind() > reflect.Complex128
}

// TestOddInput: what no store.NewHandle has made is refused or not there, and
// nothing panics.
func TestOddInput(t *testing.T) {
	s, ctx := newStore(t, Options{}), t.Context()
	good := sample("alice", start)
	for _, h := range []string{"", "0", "00", "\x00", good.Handle[:23], good.Handle + "x", "zz" + good.Handle[2:], "0G" + good.Handle[2:], "AB" + good.Handle[2:], strings.Repeat("é", 12)} {
		rec := *good
		rec.Handle, rec.Owner = h, ""
		if _, err := s.Create(ctx, &rec, store.CreateOptions{Now: start}); err == nil || !strings.Contains(err.Error(), "store.NewHandle") {
			t.Errorf("Create of handle %q: %v", h, err)
		}
		_, err := s.Load(ctx, h)
		for _, err := range []error{err, s.Touch(ctx, h, start, start), s.Apply(ctx, &rec, 1, start), s.Delete(ctx, h, store.Ending{Mark: 1, Now: start})} {
			if !errors.Is(err, store.ErrGone) {
				t.Errorf("handle %q: %v", h, err)
			}
		}
	}
	another := *good
	another.Owner = "bob"
	if _, err := s.Create(ctx, &another, store.CreateOptions{Now: start}); store.Bucket("bob") != store.Bucket("alice") && !errors.Is(err, errHandle) {
		t.Errorf("Create of bob's record under alice's handle: %v", err)
	}
	long := sample(strings.Repeat("a", store.MaxOwner+1), start)
	if _, err := s.Create(ctx, long, store.CreateOptions{Now: start}); !errors.Is(err, errOwner) {
		t.Errorf("Create for too long an owner: %v", err)
	}
	if _, err := s.Create(ctx, nil, store.CreateOptions{}); !errors.Is(err, errRecord) {
		t.Error(err)
	}
	if err := s.Apply(ctx, nil, 1, start); !errors.Is(err, errRecord) {
		t.Error(err)
	}
	odd := []string{"x", strings.Repeat("f", 10), "00000000000", "ffffffffff" + good.Handle, strings.Repeat("-", 34), good.Handle, "+1ffffffff"}
	for _, cursor := range append(odd, "") {
		for _, limit := range []int{-1, 0, 1, math.MaxInt} {
			l, err := s.List(ctx, "alice", store.Page{Cursor: cursor, Limit: limit})
			l2, err2 := s.Scan(ctx, store.Page{Cursor: cursor, Limit: limit})
			if len(l.Records)+len(l2.Records) > 0 || limit <= 0 && (err == nil || err2 == nil) {
				t.Errorf("cursor %q, limit %d: %v %v", cursor, limit, err, err2)
			}
		}
	}
	if n, err := s.Sweep(ctx, start.AddDate(9, 0, 0), -1); n != 0 || err != nil {
		t.Error(n, err)
	}
	verify(t, s)
}

// TestCancelled: a call whose context has ended does nothing.
func TestCancelled(t *testing.T) {
	s := newStore(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	rec := sample("alice", start)
	if _, err := s.Create(ctx, rec, store.CreateOptions{Now: start}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	create(t, s, rec)
	if n, err := s.DeleteOwner(ctx, "alice", "", store.Ending{Mark: 1, Now: start}); n != 0 || !errors.Is(err, context.Canceled) {
		t.Error(n, err)
	}
	there(t, s, rec, "after a cancelled DeleteOwner")
}

// TestPages: a page is bounded, whatever was asked for.
func TestPages(t *testing.T) {
	s := newStore(t, Options{})
	for range maxPage + 1 {
		create(t, s, sample("alice", start))
	}
	for _, list := range []func(store.Page) (store.Listing, error){
		func(p store.Page) (store.Listing, error) { return s.List(t.Context(), "alice", p) },
		func(p store.Page) (store.Listing, error) { return s.Scan(t.Context(), p) },
	} {
		l, err := list(store.Page{Limit: math.MaxInt})
		if err != nil || len(l.Records) != maxPage || l.Next == "" {
			t.Fatal(len(l.Records), l.Next, err)
		}
		if l, err = list(store.Page{Limit: math.MaxInt, Cursor: l.Next}); err != nil || len(l.Records) != 1 || l.Next != "" {
			t.Fatal(len(l.Records), l.Next, err)
		}
	}
}

// TestSameKey: two owners whose keys are the same, which happens in a store of
// a million, do not see each other.
func TestSameKey(t *testing.T) {
	s := newStore(t, Options{})
	a, b := sameKey(&s.shards[0].table)
	for range 5 {
		create(t, s, sample(a, start))
		create(t, s, sample(b, start))
	}
	for _, owner := range []string{a, b} {
		for _, limit := range []int{1, 5, 100} {
			n := 0
			for page := (store.Page{Limit: limit}); ; {
				l, err := s.List(t.Context(), owner, page)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range l.Records {
					if n++; r.Owner != owner {
						t.Fatalf("%s is in the list of %s", r.Owner, owner)
					}
				}
				if page.Cursor = l.Next; page.Cursor == "" {
					break
				}
			}
			if n != 5 {
				t.Errorf("the list of %s, in pages of %d, has %d records", owner, limit, n)
			}
		}
	}
	_, err := s.Create(t.Context(), sample(a, start), store.CreateOptions{Now: start, Limit: 6})
	if err != nil {
		t.Errorf("Create below the limit, beside an owner of the same key: %v", err)
	}
	if n, err := s.DeleteOwner(t.Context(), a, "", store.Ending{Mark: 1, Now: start}); n != 6 || err != nil {
		t.Error(n, err)
	}
	if n := len(contents(t, s)); n != 5 {
		t.Errorf("%d records are left", n)
	}
	verify(t, s)
}

// sameKey finds two owners of one bucket and key.
func sameKey(table *table) (a, b string) {
	seen := map[uint32]int{}
	for i := 0; ; i++ {
		a = fmt.Sprint(i)
		key := table.key(a, "")
		if other, ok := seen[key]; ok {
			if b = fmt.Sprint(other); store.Bucket(a) == store.Bucket(b) {
				return a, b
			}
		}
		seen[key] = i
	}
}

// TestForgottenChanges: the log is bounded; whoever has missed something is
// told, and nobody else.
func TestForgottenChanges(t *testing.T) {
	s, ctx := newStore(t, Options{Changes: 10}), t.Context()
	end := func(n int) {
		for range n {
			rec := sample("alice", start)
			create(t, s, rec)
			if err := s.Delete(ctx, rec.Handle, store.Ending{Mark: 1, Now: start}); err != nil {
				t.Fatal(err)
			}
		}
	}
	begin, err := s.Changes(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	for round := range 100 {
		end(round % 10)
		at, err := s.Changes(ctx, "")
		if err != nil {
			t.Fatal(err)
		}
		end(10)
		if got, err := s.Changes(ctx, at.Next); err != nil || len(got.List) != 10 || got.List[9].Owner != "alice" {
			t.Fatalf("round %d: %d changes of the last 10, %v", round, len(got.List), err)
		}
	}
	if cap(s.log.old.list)+cap(s.log.new.list) > 40 {
		t.Errorf("room for %d and %d changes is held", cap(s.log.old.list), cap(s.log.new.list))
	}
	other := newStore(t, Options{})
	for _, c := range []struct {
		s     *Store
		since string
	}{{s, begin.Next}, {other, begin.Next}, {s, "garbage"}, {s, begin.Next[:16] + "ffffffffffffffff"}} {
		if _, err := c.s.Changes(ctx, c.since); !errors.Is(err, store.ErrGone) {
			t.Errorf("Changes since %q: %v", c.since, err)
		}
	}
}

// TestSweepIsLazy: a touch leaves the heap alone, and what was touched is
// looked at once, when it would have been due.
func TestSweepIsLazy(t *testing.T) {
	s := newStore(t, Options{})
	rec := with(t, s, "alice", start)
	for i := range 100 {
		seen := start.Add(time.Duration(i) * time.Second)
		if err := s.Touch(t.Context(), rec.Handle, seen, seen.Add(30*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	n, _ := bucket(rec.Handle)
	sh := &s.shards[n]
	if got, want := sh.soonest.Load(), rec.IdleDeadline.UnixMilli(); got != want {
		t.Errorf("due at %d, want %d: a touch has moved it", got, want)
	}
	if n, err := s.Sweep(t.Context(), rec.IdleDeadline, 10); n != 0 || err != nil {
		t.Error(n, err)
	}
	if got, want := sh.soonest.Load(), rec.IdleDeadline.Add(99*time.Second).UnixMilli(); got != want {
		t.Errorf("due at %d, want %d", got, want)
	}
	if n, err := s.Sweep(t.Context(), rec.IdleDeadline.Add(99*time.Second), 10); n != 1 || err != nil {
		t.Error(n, err)
	}
	verify(t, s)
}

// TestHeap: however slots come and go, the first is the one due first.
func TestHeap(t *testing.T) {
	s := newStore(t, Options{})
	n, _ := bucket(store.Bucket("alice"))
	sh := &s.shards[n]
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 3000 {
		if i < 300 || r.IntN(2) == 0 {
			rec := sample("alice", start)
			rec.IdleDeadline = start.Add(time.Duration(r.IntN(1000)) * time.Second)
			create(t, s, rec)
		} else {
			remove(t, s, string(sh.slots.at(sh.heap[r.IntN(len(sh.heap))].slot).handle[:]))
		}
		verifyHeap(t, sh)
	}
}

// A patient context ends when it has been asked so many times.
type patient struct {
	context.Context
	times int
}

func (p *patient) Err() error {
	if p.times--; p.times < 0 {
		return context.DeadlineExceeded
	}
	return nil
}

// TestSweepObeys: a sweep, and a scan, end with their context, and say what
// they did.
func TestSweepObeys(t *testing.T) {
	s := newStore(t, Options{})
	for range 5 * sweepSteps {
		create(t, s, sample("alice", start))
	}
	n, err := s.Sweep(&patient{t.Context(), 3}, start.Add(time.Hour), 1000)
	if n != 2*sweepSteps || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Sweep: %d, %v", n, err)
	}
	if left := len(contents(t, s)); left != 3*sweepSteps {
		t.Errorf("%d are left", left)
	}
	if _, err := s.Scan(&patient{t.Context(), 3}, store.Page{Limit: 1000}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Scan: %v", err)
	}
}

// TestNoGoroutine: the bubble would not end with one in it, and its clock is
// the only one there is.
func TestNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := runtime.NumGoroutine()
		s := newStore(t, Options{Records: 10})
		rec := with(t, s, "alice", time.Now())
		for range 20 {
			with(t, s, "", time.Now())
		}
		time.Sleep(29 * time.Minute)
		if n, err := s.Sweep(t.Context(), time.Now(), 100); n != 0 || err != nil {
			t.Error(n, err)
		}
		time.Sleep(time.Minute)
		if n, err := s.Sweep(t.Context(), time.Now(), 100); n != 10 || err != nil {
			t.Error(n, err)
		}
		gone(t, s, rec, "the expired one")
		if after := runtime.NumGoroutine(); after > before {
			t.Errorf("there are %d goroutines, were %d", after, before)
		}
	})
}
