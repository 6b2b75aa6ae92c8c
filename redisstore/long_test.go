package redisstore

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest/engines"
)

// TestMillion makes a million sessions, with SOJOURN_LONG=1, and otherwise a
// hundredth of that. It prints what a session takes of the server's memory, its
// key, index and expiry included.
func TestMillion(t *testing.T) {
	million := 10_000
	if os.Getenv("SOJOURN_LONG") != "" {
		million = 1_000_000
	}
	for _, owners := range []int{0, million / 10_000, million / 10, million} {
		name := fmt.Sprintf("%d owners", owners)
		if owners == 0 {
			name = "nobody's"
		}
		t.Run(name, func(t *testing.T) { testMany(t, million, owners) })
	}
}

func testMany(t *testing.T, sessions, owners int) {
	server := engines.Redis(t)
	s := open(t, server.Addr(), Timeout(30*time.Second))
	r := dialRaw(t, server.Addr())
	owner := func(i int) string {
		if owners == 0 {
			return ""
		}
		return fmt.Sprintf("owner-%07d", i%owners)
	}
	before := r.info("memory", "used_memory")
	began := time.Now()
	fill(t, s, sessions, owner)
	took := time.Since(began)
	each := float64(r.info("memory", "used_memory")-before) / float64(sessions)
	value := newRecord(owner(0))
	value.Facts, value.Verifiers, value.State = "", text("v", 44), text("s", 113)
	encoded, _ := encode(value)
	t.Logf("%d sessions of %d bytes: %.0f bytes each, made in %s, %.0f a second", sessions, len(encoded), each,
		took.Round(time.Millisecond), float64(sessions)/took.Seconds())
	if each > 520 && sessions >= 1_000_000 { // few sessions share the cost of an index less
		t.Errorf("a session takes %.0f bytes", each)
	}
	if owners > 0 && owners <= 100 {
		listAll(t, s, sessions, owners, owner)
	}
}

func text(letter string, n int) string { return strings.Repeat(letter, n) }

// fill makes sessions from 32 goroutines.
func fill(t *testing.T, s *Store, sessions int, owner func(int) string) {
	t.Helper()
	const workers = 32
	var all sync.WaitGroup
	errs := make([]error, workers)
	for w := range workers {
		all.Go(func() {
			for i := w; i < sessions && errs[w] == nil; i += workers {
				rec := newRecord(owner(i))
				rec.Facts, rec.Verifiers, rec.State = "", text("v", 44), text("s", 113)
				_, errs[w] = s.Create(context.Background(), rec, options())
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// listAll lists every owner's sessions by pages of a hundred, and ends those
// of the first.
func listAll(t *testing.T, s *Store, sessions, owners int, owner func(int) string) {
	began, pages := time.Now(), 0
	for i := range owners {
		seen := map[string]bool{}
		for page := (store.Page{Limit: 100}); ; pages++ {
			listing, err := s.List(t.Context(), owner(i), page)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range listing.Records {
				seen[l.Handle] = true
			}
			if page.Cursor = listing.Next; page.Cursor == "" {
				break
			}
		}
		if len(seen) != sessions/owners {
			t.Fatalf("%s has %d sessions listed, want %d", owner(i), len(seen), sessions/owners)
		}
	}
	took := time.Since(began)
	t.Logf("%d owners listed by %d pages in %s, %s a page", owners, pages, took.Round(time.Millisecond), (took / time.Duration(max(pages, 1))).Round(time.Microsecond))
	began = time.Now()
	n, err := s.DeleteOwner(t.Context(), owner(0), "", ending())
	if err != nil || n != sessions/owners {
		t.Fatalf("DeleteOwner: %d, %v", n, err)
	}
	t.Logf("%d sessions of an owner ended in %s", n, time.Since(began).Round(time.Millisecond))
}
