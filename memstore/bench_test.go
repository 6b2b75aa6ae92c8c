package memstore

import (
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest"
)

// BenchmarkStore's store has no bound that it could reach: some of what is
// measured only ever adds.
func BenchmarkStore(b *testing.B) {
	storetest.Bench(b, func(b *testing.B) store.Store { return newStore(b, Options{Records: 1 << 30, Bytes: 1 << 40}) })
}

// BenchmarkFull is a creation in a full store, which evicts another.
func BenchmarkFull(b *testing.B) {
	s := newStore(b, Options{Records: 100_000})
	rec := sample("", start)
	another := func() {
		rec.Handle = store.NewHandle("")
		rec.LastSeen = rec.LastSeen.Add(time.Millisecond)
		create(b, s, rec)
	}
	for range 100_000 {
		another()
	}
	b.ReportAllocs()
	for b.Loop() {
		another()
	}
}
