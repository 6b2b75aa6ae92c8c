package redisstore

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest/engines"
)

// TestUnblocked: a master that is demoted while WAIT waits has confirmed nothing.
func TestUnblocked(t *testing.T) {
	addr := engines.Redis(t).Addr()
	plain := open(t, addr)
	rec := made(t, plain, newRecord("alice"))
	s := open(t, addr, Replicas(1), Timeout(2*time.Second))
	warm := *rec
	warm.Version = store.NewVersion()
	if err := plain.Apply(t.Context(), &warm, rec.Version, time.Now()); err != nil {
		t.Fatal(err)
	}
	rec = &warm
	r := dialRaw(t, addr)
	changed := *rec
	changed.Version = store.NewVersion()
	go func() {
		eventually(t, "WAIT waits", func() bool { return strings.Contains(r.do("INFO", "clients"), "blocked_clients:1") })
		r.do("REPLICAOF", "127.0.0.1", "1")
	}()
	if err := s.Apply(t.Context(), &changed, rec.Version, time.Now()); !errors.Is(err, ErrUnconfirmed) {
		t.Errorf("Apply: %v", err)
	}
	if got, err := s.Load(t.Context(), rec.Handle); err == nil && got.Version == changed.Version {
		t.Error("Load shows the unconfirmed write, on a server that is a replica now, without a word")
	}
}

// TestGoneUnconfirmed: another end of a record whose end is not confirmed is not
// confirmed either.
func TestGoneUnconfirmed(t *testing.T) {
	addr := engines.Redis(t).Addr()
	plain := open(t, addr)
	rec := made(t, plain, newRecord("alice"))
	s := open(t, addr, Replicas(1), Timeout(400*time.Millisecond))
	if err := s.Delete(t.Context(), rec.Handle, ending()); !errors.Is(err, ErrUnconfirmed) {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), rec.Handle, ending()); err == store.ErrGone {
		t.Error("ErrGone for an end that no replica has")
	}
}

// TestWaitRefused: a server that refuses WAIT confirms nothing.
func TestWaitRefused(t *testing.T) {
	addr := engines.Redis(t).Addr()
	plain := open(t, addr)
	rec := made(t, plain, newRecord("alice"))
	s := open(t, addr, Replicas(1), Timeout(400*time.Millisecond))
	dialRaw(t, addr).do("ACL", "SETUSER", "default", "-wait")
	changed := *rec
	changed.Version = store.NewVersion()
	if err := s.Apply(t.Context(), &changed, rec.Version, time.Now()); !errors.Is(err, ErrUnconfirmed) {
		t.Errorf("Apply: %v", err)
	}
	if got, err := s.Load(t.Context(), rec.Handle); err == nil && got.Version == changed.Version {
		t.Error("Load shows as safe what nobody has confirmed")
	}
}
