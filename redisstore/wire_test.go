package redisstore

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest/engines"
)

// monitor returns a function that returns the commands that clients have sent
// since it was called last. What a script does is left out.
func monitor(t *testing.T, addr string) func() []string {
	t.Helper()
	watch, mark := dialRaw(t, addr), dialRaw(t, addr)
	if got := watch.do("MONITOR"); got != "OK" {
		t.Fatal(got)
	}
	return func() []string {
		t.Helper()
		end := "end " + hex.EncodeToString([]byte(time.Now().String()))
		mark.do("ECHO", end)
		var sent []string
		for {
			line := watch.line()
			if strings.Contains(line, end) {
				return sent
			}
			if _, cmd, ok := strings.Cut(line, "] "); ok && !strings.Contains(line, " lua] ") {
				sent = append(sent, strings.Trim(strings.Fields(cmd)[0], `"`))
			}
		}
	}
}

// Every verb is one command, and nothing goes by itself.
func TestOneCommandAVerb(t *testing.T) {
	server := engines.Redis(t)
	s := open(t, server.Addr(), Timeout(time.Minute)) // so that no sign of life is asked for
	calls := verbs(t, s)
	for _, call := range calls { // the server learns the scripts
		call(t.Context())
	}
	more := func(name string, call func(context.Context) error) { calls[name] = call }
	old := made(t, s, newRecord("dora"))
	more("Create in place of one, at the limit", func(ctx context.Context) error {
		made(t, s, newRecord("dora"))
		opts := options()
		opts.Replaces, opts.Limit, opts.EndOldest = old.Handle, 1, true
		_, err := s.Create(ctx, newRecord("dora"), opts)
		return err
	})
	more("Load of no handle", func(ctx context.Context) error { s.Load(ctx, "*"); return nil })
	more("Touch of no handle", func(ctx context.Context) error { s.Touch(ctx, "", time.Now(), time.Now()); return nil })
	more("Apply of no handle", func(ctx context.Context) error { return ignore(s.Apply(ctx, &store.Record{}, 1, time.Now())) })
	more("Delete of no handle", func(ctx context.Context) error { s.Delete(ctx, "zz"+old.Handle[2:], ending()); return nil })
	more("Create of no handle", func(ctx context.Context) error {
		rec := newRecord("alice")
		rec.Handle = rec.Handle[:23] + "\n"
		_, err := s.Create(ctx, rec, options())
		return ignore(err)
	})
	more("Create of another bucket's", func(ctx context.Context) error {
		rec := newRecord("alice")
		rec.Owner = "bob"
		_, err := s.Create(ctx, rec, options())
		return ignore(err)
	})
	more("Sweep", func(ctx context.Context) error { _, err := s.Sweep(ctx, time.Now(), 10); return err })
	want := map[string]int{ // where it is not 1
		"Create in place of one, at the limit": 2, // it makes one more first
		"Load of no handle":                    0, "Touch of no handle": 0, "Apply of no handle": 0, "Delete of no handle": 0,
		"Create of no handle": 0, "Create of another bucket's": 0, "Sweep": 0,
		"Changes": 257, // in one round trip
	}
	sent := monitor(t, server.Addr())
	for name, call := range calls {
		err := call(t.Context())
		if err != nil && err != store.ErrGone && err != store.ErrConflict {
			t.Errorf("%s: %v", name, err)
		}
		got := sent()
		n, special := want[name]
		if !special {
			n = 1
		}
		if name == "Scan" {
			n = len(got)
			if n < 2 || got[0] != "SCAN" {
				t.Errorf("Scan sent %v", got)
			}
		}
		if len(got) != n {
			t.Errorf("%s sent %d commands, want %d: %.200v", name, len(got), n, got)
		}
		for _, cmd := range got {
			switch cmd {
			case "EVALSHA", "GET", "SCAN", "XRANGE", "INFO":
			default:
				t.Errorf("%s sent %s", name, cmd)
			}
		}
	}
}

func isFull(err error) bool { return errors.Is(err, store.ErrFull) }

func ignore(error) error { return nil }

// A server forgets its scripts when it is told to, or was restarted.
func TestForgottenScripts(t *testing.T) {
	server := engines.Redis(t)
	s := open(t, server.Addr())
	admin := dialRaw(t, server.Addr())
	for name, call := range verbs(t, s) {
		if got := admin.do("SCRIPT", "FLUSH"); got != "OK" {
			t.Fatal(got)
		}
		if err := call(t.Context()); err != nil {
			t.Errorf("%s on a server that forgot its scripts: %v", name, err)
		}
	}
}

func TestFullServer(t *testing.T) {
	server := engines.Redis(t)
	s := open(t, server.Addr())
	admin := dialRaw(t, server.Addr())
	rec, ended := made(t, s, newRecord("alice")), made(t, s, newRecord("alice"))
	made(t, s, newRecord("bob"))
	nobodys := made(t, s, newRecord(""))
	if got := admin.do("CONFIG", "SET", "maxmemory", "1"); got != "OK" {
		t.Fatal(got)
	}
	if _, err := s.Create(t.Context(), newRecord("alice"), options()); !isFull(err) {
		t.Errorf("Create on a full server: %v", err)
	}
	changed := *rec
	changed.Version = store.NewVersion()
	if err := s.Apply(t.Context(), &changed, rec.Version, time.Now()); !isFull(err) {
		t.Errorf("Apply on a full server: %v", err)
	}
	// What ends sessions, and what keeps them alive, still works.
	for _, r := range []*store.Record{rec, nobodys} {
		if err := s.Touch(t.Context(), r.Handle, time.Now(), time.Now().Add(2*time.Hour)); err != nil {
			t.Errorf("Touch on a full server: %v", err)
		}
	}
	if err := s.Delete(t.Context(), ended.Handle, ending()); err != nil {
		t.Errorf("Delete on a full server: %v", err)
	}
	if n, err := s.DeleteOwner(t.Context(), "bob", "", ending()); n != 1 || err != nil {
		t.Errorf("DeleteOwner on a full server: %d, %v", n, err)
	}
	replaced := options()
	replaced.Replaces = rec.Handle
	if created, err := s.Create(t.Context(), newRecord("alice"), replaced); !created.Replaced || err != nil {
		t.Errorf("Create in place of another, on a full server: %v, %v", created, err)
	}
}
