package redisstore

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest"
	"github.com/sojourn-go/sojourn/storetest/engines"
)

func BenchmarkStore(b *testing.B) {
	server := engines.Redis(b)
	storetest.Bench(b, func(b *testing.B) store.Store { return open(b, server.Addr()) })
}

// BenchmarkVerbs shows the verbs beside what the client library takes for a
// plain GET and SET of as many bytes, by one goroutine and by 64.
func BenchmarkVerbs(b *testing.B) {
	server := engines.Redis(b)
	s := open(b, server.Addr())
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	rec := newRecord("alice")
	rec.State = strings.Repeat("s", 113)
	if _, err := s.Create(ctx, rec, options()); err != nil {
		b.Fatal(err)
	}
	value, _ := encode(rec)
	set := command{name: "SET", key: "raw", args: []string{value}}
	get := command{name: "GET", key: "raw"}
	must := func(err error) {
		if err != nil {
			b.Error(err)
		}
	}
	since, err := s.Changes(ctx, "")
	must(err)
	now := time.Now()
	for _, bench := range []struct {
		name string
		f    func()
	}{
		{"raw SET", func() { _, err := s.client.do(ctx, set); must(err) }},
		{"raw GET", func() { _, err := s.client.do(ctx, get); must(err) }},
		{"Load", func() { _, err := s.Load(ctx, rec.Handle); must(err) }},
		{"Touch", func() { must(s.Touch(ctx, rec.Handle, time.Now(), time.Now().Add(2*time.Hour))) }},
		{"Apply", func() {
			// From the version that is there to itself: so that many can.
			must(s.Apply(ctx, rec, rec.Version, now))
		}},
		{"Create", func() { _, err := s.Create(ctx, newRecord(""), options()); must(err) }},
		{"Create+Delete owned", func() {
			r := newRecord("bob")
			_, err := s.Create(ctx, r, options())
			must(err)
			must(s.Delete(ctx, r.Handle, ending()))
		}},
		{"List of 1", func() { _, err := s.List(ctx, "alice", store.Page{Limit: 100}); must(err) }},
	} {
		b.Run(bench.name+"/1", func(b *testing.B) { together(b, 1, bench.f) })
		b.Run(bench.name+"/64", func(b *testing.B) { together(b, 64, bench.f) })
	}
	b.Run("Changes, none", func(b *testing.B) {
		r := dialRaw(b, server.Addr())
		r.do("DEL", s.tag(store.Bucket("bob"))+"c")
		together(b, 1, func() { _, err := s.Changes(ctx, since.Next); must(err) })
	})
}

// BenchmarkDelete shows what an end costs, and how much of it is the server's
// work. Records are made before the clock runs.
func BenchmarkDelete(b *testing.B) {
	server := engines.Redis(b)
	s := open(b, server.Addr())
	r := dialRaw(b, server.Addr())
	for _, n := range []int{1, 64} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			r.do("FLUSHALL")
			handles := make(chan string, b.N)
			for i := range b.N {
				handles <- made(b, s, newRecord("owner "+strconv.Itoa(i%1000))).Handle
			}
			before := r.cpu()
			b.ResetTimer()
			together(b, n, func() {
				if err := s.Delete(b.Context(), <-handles, ending()); err != nil {
					b.Error(err)
				}
			})
			b.StopTimer()
			b.ReportMetric((r.cpu()-before)/float64(b.N), "server-µs/op")
		})
	}
}

func together(b *testing.B, n int, f func()) {
	b.ReportAllocs()
	var all sync.WaitGroup
	for i := range n {
		share := b.N / n
		if i < b.N%n {
			share++
		}
		all.Go(func() {
			for range share {
				f()
			}
		})
	}
	all.Wait()
}
