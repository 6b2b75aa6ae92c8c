package revoked

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/sojourn-go/sojourn/internal/handle"
)

// TestCovers: which sessions an end is about, to the millisecond.
func TestCovers(t *testing.T) {
	other, spared := handle.New("alice"), handle.New("alice")
	next := handle.Next(spared)
	last := spared
	for range maxNext {
		last = handle.Next(last)
	}
	for _, test := range []struct {
		handle  string
		created int64
		want    bool
	}{
		{other, 999, true},
		{other, 1000, true},
		{other, 1001, false},
		{spared, 1000, false},
		{next, 1000, false},
		{last, 1000, false},
		{handle.Next(last), 1000, true},
	} {
		if got := (end{1000, spared}).covers(test.handle, test.created); got != test.want {
			t.Errorf("%s made at %d: %v", test.handle, test.created, got)
		}
	}
	if !(end{Until: 1000}).covers("", 1000) {
		t.Error("an end without exception spares a session without a handle")
	}
}

// TestWithKeeps: whatever is added in whatever order, a session that one of the
// ends is about has ended; and as long as they are few, no other one.
func TestWithKeeps(t *testing.T) {
	names := make([]string, 50)
	for i := range names[1:] {
		names[1+i] = handle.New("alice")
	}
	for round := range 60 {
		r := rand.New(rand.NewPCG(1, uint64(round)))
		var list, plain ends
		few := round%2 == 0
		for range 100 {
			e := end{100 + r.Int64N(1000), names[r.IntN(len(names))]}
			if few {
				e.Except = names[r.IntN(5)]
			}
			before := slices.Clone(list)
			was := list
			list, plain = list.with(e, 99), append(plain, e)
			if !reflect.DeepEqual(was, before) {
				t.Fatal("the list that was added to has changed")
			}
			if len(list) > maxEnds {
				t.Fatalf("%d ends", len(list))
			}
		}
		for range 1000 {
			name, created := names[r.IntN(len(names))], r.Int64N(1200)
			got, want := list.covers(name, created), plain.covers(name, created)
			if want && !got || few && got != want {
				t.Fatalf("round %d: session %q made at %d: %v, and one by one %v", round, name, created, got, want)
			}
		}
	}
}

// TestWithRoom: what nobody needs takes no room, and makes no other end less exact.
func TestWithRoom(t *testing.T) {
	var list ends
	for i := range 100 { // the same visitor ends his other sessions again and again
		list = list.with(end{int64(1000 + i), "a"}, 0)
	}
	if want := (ends{{1099, "a"}}); !reflect.DeepEqual(list, want) {
		t.Errorf("%v", list)
	}
	list = ends{{1000, "a"}, {1001, "b"}, {1002, "c"}}
	if got := list.with(end{1001, ""}, 0); !reflect.DeepEqual(got, ends{{1002, "c"}, {1001, ""}}) {
		t.Errorf("an end without exception: %v", got)
	}
	if got := list.with(end{1003, "d"}, 1001); !reflect.DeepEqual(got, ends{{1002, "c"}, {1003, "d"}}) {
		t.Errorf("the needless ones: %v", got)
	}
	if got := list.with(end{999, "d"}, 999); !reflect.DeepEqual(got, list) {
		t.Errorf("a needless one: %v", got)
	}
	full := ends{}
	for i := range maxEnds {
		full = full.with(end{int64(1000 + i), fmt.Sprint(i)}, 0)
	}
	got := full.with(end{5000, "new"}, 0)
	if len(got) != maxEnds || got[0] != (end{1001, ""}) || got[1] != (end{1002, "2"}) || got[maxEnds-1] != (end{5000, "new"}) {
		t.Errorf("one too many: %v", got)
	}
	if got.newest() != 5000 || ends(nil).newest() != 0 {
		t.Error("newest")
	}
}
