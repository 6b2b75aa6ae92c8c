package memstore

import (
	"cmp"
	"errors"
	"flag"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

var seedFlag = flag.Uint64("seed", 0, "the seed of a model run that failed")

// A model is the contract over a map, as plainly as it can be written.
type model struct {
	records map[string]*store.Record
	ends    map[string]endOf // by handle
	log     []store.Change
}

type endOf struct {
	mark store.Version
	hold time.Time
}

func (m *model) end(rec *store.Record, e store.Ending) {
	m.ends[rec.Handle] = endOf{e.Mark, e.HoldUntil(&rec.Header)}
	m.log = append(m.log, store.Change{Kind: rec.Kind, Handle: rec.Handle, Owner: rec.Owner, Ended: true})
	delete(m.records, rec.Handle)
}

func (m *model) owned(owner string, keep func(*store.Record) bool) (list []*store.Record) {
	for _, rec := range m.records {
		if owner != "" && rec.Owner == owner && keep(rec) {
			list = append(list, rec)
		}
	}
	slices.SortFunc(list, func(a, b *store.Record) int { return cmp.Compare(a.Handle, b.Handle) })
	return list
}

func (m *model) create(rec *store.Record, opts store.CreateOptions) (done store.Created, err error) {
	if m.records[rec.Handle] != nil {
		return done, store.ErrExists
	}
	if e, ok := m.ends[rec.Handle]; ok && opts.Now.Before(e.hold) {
		return done, store.ErrGone
	}
	old := m.records[opts.Replaces]
	if old != nil && (rec.Owner == "" || old.Owner != rec.Owner || old.Expired(opts.Now)) {
		old = nil
	}
	if old != nil && opts.End.Version != 0 && opts.End.Version != old.Version {
		return done, store.ErrConflict
	}
	counted := m.owned(rec.Owner, func(r *store.Record) bool { return r != old && r.Kind == rec.Kind && !r.Expired(opts.Now) })
	over := len(counted) + 1 - opts.Limit
	if opts.Limit == 0 || rec.Owner == "" {
		over = 0
	}
	if over > 0 && !opts.EndOldest {
		return done, store.ErrLimit
	}
	if old != nil {
		m.end(old, opts.End)
		done.Replaced = true
	}
	slices.SortStableFunc(counted, func(a, b *store.Record) int { return a.Created.Compare(b.Created) })
	for _, r := range counted[:max(0, over)] {
		done.Ended = append(done.Ended, r.Handle)
		m.end(r, opts.End)
	}
	delete(m.ends, rec.Handle)
	made := *rec
	m.records[rec.Handle] = &made
	if rec.Kind == store.KindRevocation {
		m.log = append(m.log, store.Change{Kind: rec.Kind, Handle: rec.Handle, Owner: rec.Owner})
	}
	return done, nil
}

func (m *model) apply(rec *store.Record, from store.Version, now time.Time) error {
	r := m.records[rec.Handle]
	if r == nil || r.Expired(now) {
		return store.ErrGone
	}
	if r.Version != from {
		return store.ErrConflict
	}
	r.Version, r.Facts, r.Verifiers, r.State = rec.Version, rec.Facts, rec.Verifiers, rec.State
	return m.touch(rec.Handle, rec.LastSeen, rec.IdleDeadline, now)
}

func (m *model) touch(handle string, seen, idle, now time.Time) error {
	r := m.records[handle]
	if r == nil || r.Expired(now) {
		return store.ErrGone
	}
	if seen.After(r.LastSeen) {
		r.LastSeen = seen
	}
	if idle.After(r.IdleDeadline) {
		r.IdleDeadline = idle
	}
	return nil
}

func (m *model) delete(handle string, e store.Ending) error {
	rec := m.records[handle]
	if rec == nil {
		if end, ok := m.ends[handle]; ok && end.mark == e.Mark && e.Now.Before(end.hold) {
			return nil
		}
		return store.ErrGone
	}
	if e.Version != 0 && e.Version != rec.Version {
		return store.ErrConflict
	}
	m.end(rec, e)
	return nil
}

func (m *model) deleteOwner(owner, except string, e store.Ending) int {
	list := m.owned(owner, func(r *store.Record) bool { return r.Kind != store.KindRevocation && r.Handle != except })
	slices.Reverse(list)
	for _, rec := range list {
		m.end(rec, e)
	}
	return len(list)
}

func (m *model) sweep(now time.Time) int {
	n := len(m.records) + len(m.ends)
	maps.DeleteFunc(m.records, func(_ string, r *store.Record) bool { return r.Expired(now) })
	maps.DeleteFunc(m.ends, func(_ string, e endOf) bool { return !now.Before(e.hold) })
	return n - len(m.records) - len(m.ends)
}

// A walk does the same random things to a store and to the model.
type walk struct {
	t       *testing.T
	s       *Store
	m       *model
	r       *rand.Rand
	now     time.Time
	handles []string
	marks   []store.Version
	cursors []string
	heard   []int // how long the log was at each cursor
}

var owners = []string{"", "", "alice", "bob", strings.Repeat("o", store.MaxOwner), "alice "}

func (w *walk) text(most int) string {
	if w.r.IntN(4) == 0 {
		most *= 20
	}
	b := make([]byte, w.r.IntN(most))
	for i := range b {
		b[i] = byte(w.r.Uint32())
	}
	return string(b)
}

func (w *walk) handle() string { return w.handles[w.r.IntN(len(w.handles))] }
func (w *walk) mark() store.Version {
	return w.marks[w.r.IntN(len(w.marks))]
}

func (w *walk) in(most time.Duration) time.Time {
	return w.now.Add(time.Duration(w.r.Int64N(int64(most)))).Truncate(time.Millisecond)
}

func (w *walk) record() *store.Record {
	owner := owners[w.r.IntN(len(owners))]
	rec := &store.Record{
		Header: store.Header{
			Kind: store.Kind(1 + w.r.IntN(3)), Handle: store.NewHandle(owner), Owner: owner, Version: store.Version(1 + w.r.IntN(3)),
			Created: w.in(time.Second), LastSeen: w.now, IdleDeadline: w.in(20 * time.Minute), AbsoluteDeadline: w.in(time.Hour),
		},
		Facts: w.text(50), Verifiers: w.text(40), State: w.text(130),
	}
	if w.r.IntN(3) == 0 {
		rec.HoldUntil = w.in(time.Hour)
	}
	if w.r.IntN(4) == 0 {
		rec.Handle = w.handle()
		if owner != "" && rec.Handle[:2] != store.Bucket(owner) {
			rec.Owner = ""
		}
	}
	w.handles = append(w.handles, rec.Handle)
	if len(w.handles) > 60 {
		w.handles = w.handles[1:]
	}
	return rec
}

func (w *walk) ending() store.Ending {
	return store.Ending{Version: store.Version(w.r.IntN(4)), Mark: w.mark(), Now: w.now}
}

func (w *walk) same(what string, got, want any) {
	w.t.Helper()
	if !reflect.DeepEqual(got, want) {
		w.t.Fatalf("%s: the store says %+v, the model %+v", what, got, want)
	}
}

func (w *walk) step() {
	w.t.Helper()
	ctx := w.t.Context()
	switch w.r.IntN(15) {
	case 0, 1, 2, 3:
		rec := w.record()
		opts := store.CreateOptions{Now: w.now, Limit: w.r.IntN(5), EndOldest: w.r.IntN(2) == 0, End: w.ending()}
		if w.r.IntN(3) == 0 {
			opts.Replaces = w.handle()
		}
		want, wantErr := w.m.create(rec, opts)
		got, err := w.s.Create(ctx, rec, opts)
		w.same("Create", got, want)
		w.same("Create", err, wantErr)
	case 4, 5:
		rec := w.record()
		rec.Handle = w.handle()
		from := store.Version(w.r.IntN(4))
		w.same("Apply", w.s.Apply(ctx, rec, from, w.now), w.m.apply(rec, from, w.now))
	case 6, 7:
		h, seen, idle := w.handle(), w.in(time.Minute), w.in(20*time.Minute)
		w.same("Touch", w.s.Touch(ctx, h, seen, idle), w.m.touch(h, seen, idle, seen))
	case 8, 9:
		h, e := w.handle(), w.ending()
		w.same("Delete", w.s.Delete(ctx, h, e), w.m.delete(h, e))
	case 10:
		if w.r.IntN(3) == 0 {
			owner, except, e := owners[w.r.IntN(len(owners))], w.handle(), w.ending()
			got, err := w.s.DeleteOwner(ctx, owner, except, e)
			w.same("DeleteOwner", err, nil)
			w.same("DeleteOwner", got, w.m.deleteOwner(owner, except, e))
		}
	case 11:
		first, err := w.s.Sweep(ctx, w.now, w.r.IntN(4))
		rest, err2 := w.s.Sweep(ctx, w.now, 1<<30)
		w.same("Sweep", errors.Join(err, err2), nil)
		w.same("Sweep", first+rest, w.m.sweep(w.now))
	case 12:
		w.changes()
	case 13:
		w.list()
	case 14:
		n, _ := bucket(w.handle())
		sh := &w.s.shards[n]
		sh.mu.Lock()
		sh.compact() // which happens by itself only after a crowd has left
		sh.unlock()
	}
	w.now = w.now.Add(time.Duration(w.r.IntN(60_000)) * time.Millisecond)
}

func (w *walk) changes() {
	w.t.Helper()
	i := w.r.IntN(len(w.cursors))
	got, err := w.s.Changes(w.t.Context(), w.cursors[i])
	w.same("Changes", err, nil)
	want := w.m.log[w.heard[i]:]
	if len(got.List)+len(want) > 0 {
		w.same("Changes", got.List, want)
	}
	w.cursors, w.heard = append(w.cursors, got.Next), append(w.heard, len(w.m.log))
}

func (w *walk) list() {
	w.t.Helper()
	owner := owners[w.r.IntN(len(owners))]
	var got, want []string
	page := store.Page{Limit: 1 + w.r.IntN(4)}
	for {
		l, err := w.s.List(w.t.Context(), owner, page)
		w.same("List", err, nil)
		if len(l.Records) > page.Limit {
			w.t.Fatalf("a page of %d has %d records", page.Limit, len(l.Records))
		}
		for _, r := range l.Records {
			got = append(got, r.Handle)
		}
		if page.Cursor = l.Next; page.Cursor == "" {
			break
		}
	}
	for _, r := range w.m.owned(owner, func(*store.Record) bool { return true }) {
		want = append(want, r.Handle)
	}
	w.same("List", got, want)
}

// TestModel compares a store that has room with the model, step by step.
func TestModel(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("again: go test -run TestModel -seed %d", seed)
	w := &walk{t: t, s: newStore(t, Options{}), r: rand.New(rand.NewPCG(seed, 0)), now: start,
		m: &model{records: map[string]*store.Record{}, ends: map[string]endOf{}}}
	w.handles, w.marks = []string{store.NewHandle(""), store.NewHandle("bob")}, []store.Version{1, 2, 3}
	begin, err := w.s.Changes(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	w.cursors, w.heard = []string{begin.Next}, []int{0}
	for i := range 10_000 {
		w.step()
		if i%500 == 0 {
			verify(t, w.s)
			w.compare()
		}
	}
	w.compare()
	verify(t, w.s)
}

func (w *walk) compare() {
	w.t.Helper()
	want := map[string]store.Record{}
	for h, r := range w.m.records {
		want[h] = *r
	}
	w.same("everything", contents(w.t, w.s), want)
}
