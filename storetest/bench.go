package storetest

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// Bench measures what a store's verbs cost, one caller at a time, among a
// thousand other records. newStore is called once for each sub-benchmark.
//
// A record has 113 bytes of state, as a session that holds who is signed in, a
// token against forgery and a language; 150 of facts and 64 of verifiers.
func Bench(b *testing.B, newStore func(b *testing.B) store.Store) {
	for _, m := range measures {
		b.Run(m.name, func(b *testing.B) {
			bb := &bench{B: b, s: newStore(b), ctx: b.Context(), now: time.Now().UTC().Truncate(time.Millisecond)}
			bb.owner = newOwner()
			for range 1000 {
				bb.create(newOwner())
			}
			b.ReportAllocs()
			m.run(bb)
		})
	}
}

var measures = []struct {
	name string
	run  func(*bench)
}{
	{"read-hit", benchReadHit}, // Load
	{"read-miss", benchReadMiss},
	{"write", benchWrite}, // Apply
	{"touch", benchTouch},
	{"new", benchNew},          // Create
	{"sign-in", benchSignIn},   // Create in place of another, with a limit
	{"end", benchEnd},          // Delete
	{"list-20", benchList},     // List, a page of 20 of 40
	{"sweep-1000", benchSweep}, // Sweep of 1,000 expired records
}

// A bench is a benchmark of one verb.
type bench struct {
	*testing.B
	s     store.Store
	ctx   context.Context
	now   time.Time
	owner string
}

const (
	benchFacts     = `{"at":{"t":1764021600000},"how":["password","totp"],"agent":"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101","address":"198.51.100.17"}`
	benchVerifiers = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	benchState     = `{"user_id":"4711","csrf_token":"bN0wX2kq7vQyJm1cS8dZ5tRf3hLaPu6E","language":"en","theme":"dark","next":"/orders"}`
)

func (b *bench) record(owner string) *store.Record {
	return &store.Record{
		Header: store.Header{
			Kind: store.KindSession, Handle: store.NewHandle(owner), Owner: owner, Version: store.NewVersion(),
			Created: b.now, LastSeen: b.now, IdleDeadline: b.now.Add(time.Hour), AbsoluteDeadline: b.now.Add(12 * time.Hour),
		},
		Facts: benchFacts, Verifiers: benchVerifiers, State: benchState,
	}
}

func (b *bench) end() store.Ending {
	return store.Ending{Mark: store.NewVersion(), Now: b.now}
}

func (b *bench) create(owner string) *store.Record {
	rec := b.record(owner)
	_, err := b.s.Create(b.ctx, rec, store.CreateOptions{Now: b.now, End: b.end()})
	b.ok(err)
	return rec
}

func (b *bench) ok(err error) {
	if err != nil {
		b.Helper()
		b.Fatal(err)
	}
}

func benchReadHit(b *bench) {
	rec := b.create(b.owner)
	for b.Loop() {
		_, err := b.s.Load(b.ctx, rec.Handle)
		b.ok(err)
	}
}

func benchReadMiss(b *bench) {
	handle := store.NewHandle(b.owner)
	for b.Loop() {
		if _, err := b.s.Load(b.ctx, handle); err != store.ErrGone {
			b.ok(err)
		}
	}
}

func benchWrite(b *bench) {
	rec := b.create(b.owner)
	for b.Loop() {
		from := rec.Version
		rec.Version++
		b.ok(b.s.Apply(b.ctx, rec, from, b.now))
	}
}

func benchTouch(b *bench) {
	rec := b.create(b.owner)
	for b.Loop() {
		rec.LastSeen = rec.LastSeen.Add(time.Millisecond)
		rec.IdleDeadline = rec.IdleDeadline.Add(time.Millisecond)
		b.ok(b.s.Touch(b.ctx, rec.Handle, rec.LastSeen, rec.IdleDeadline))
	}
}

func benchNew(b *bench) {
	for i := 0; b.Loop(); i++ {
		b.create(b.owner + strconv.Itoa(i))
	}
}

func benchSignIn(b *bench) {
	rec := b.create(b.owner)
	for b.Loop() {
		n := b.record(b.owner)
		end := b.end()
		end.Version = rec.Version
		_, err := b.s.Create(b.ctx, n, store.CreateOptions{Now: b.now, Limit: 5, EndOldest: true, Replaces: rec.Handle, End: end})
		b.ok(err)
		rec = n
	}
}

// benchEnd makes the records it ends outside the time that counts, many at once,
// since stopping the clock takes longer than ending a record.
func benchEnd(b *bench) {
	var records []*store.Record
	for b.Loop() {
		if len(records) == 0 {
			b.StopTimer()
			for range 500 {
				records = append(records, b.create(newOwner()))
			}
			b.StartTimer()
		}
		b.ok(b.s.Delete(b.ctx, records[0].Handle, b.end()))
		records = records[1:]
	}
}

func benchList(b *bench) {
	for range 40 {
		b.create(b.owner)
	}
	for b.Loop() {
		_, err := b.s.List(b.ctx, b.owner, store.Page{Limit: 20})
		b.ok(err)
	}
}

// benchSweep sweeps a thousand records in two pages. In a store that removes
// expired records by itself there are none.
func benchSweep(b *bench) {
	made := b.now.Add(-2 * time.Hour)
	for b.Loop() {
		b.StopTimer()
		for range 1000 {
			rec := b.record(newOwner())
			rec.Created, rec.LastSeen, rec.IdleDeadline = made, made, made.Add(time.Hour)
			_, err := b.s.Create(b.ctx, rec, store.CreateOptions{Now: made, End: b.end()})
			b.ok(err)
		}
		b.StartTimer()
		for {
			n, err := b.s.Sweep(b.ctx, b.now, 500)
			b.ok(err)
			if n == 0 {
				break
			}
		}
	}
}
