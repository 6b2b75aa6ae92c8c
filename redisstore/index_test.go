package redisstore

import (
	"crypto/sha1"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest/engines"
)

// short has rec's key expire in a moment: its deadline is a minute ago, less
// that moment.
func short(rec *store.Record) *store.Record {
	rec.Created = time.Now().Add(-2 * time.Hour).Truncate(time.Millisecond)
	rec.LastSeen = rec.Created
	rec.IdleDeadline = time.Now().Add(-time.Minute + 100*time.Millisecond).Truncate(time.Millisecond)
	return rec
}

// Nothing stays for ever: not a record, an index, what is left of an ended
// record, nor a log.
func TestEverythingExpires(t *testing.T) {
	server := engines.Redis(t)
	s := open(t, server.Addr())
	r := dialRaw(t, server.Addr())
	for _, owner := range []string{"alice", ""} {
		made(t, s, newRecord(owner))
		made(t, s, short(newRecord(owner)))
		rec := made(t, s, newRecord(owner))
		if err := s.Delete(t.Context(), rec.Handle, ending()); err != nil {
			t.Fatal(err)
		}
	}
	keys := strings.Fields(r.do("KEYS", "*"))
	if len(keys) < 6 {
		t.Fatalf("there are only the keys %q", keys)
	}
	for _, key := range keys {
		if ttl := r.do("PTTL", key); ttl == "-1" {
			t.Errorf("%s does not expire", key)
		}
	}
}

// expires requires that key expires in a minute more than want.
func (r *raw) expires(key, when string, want time.Duration) {
	r.t.Helper()
	ms, err := strconv.Atoi(r.do("PTTL", key))
	if err != nil {
		r.t.Fatal(err)
	}
	if got := time.Duration(ms)*time.Millisecond - time.Minute; got > want || got < want-20*time.Second {
		r.t.Errorf("%s %s expires in %s and a minute, want %s", when, key, got, want)
	}
}

// A record's key lasts as long as the record, and an index as long as the
// owner's last record, however they move.
func TestExpiry(t *testing.T) {
	server := engines.Redis(t)
	s := open(t, server.Addr())
	r := dialRaw(t, server.Addr())
	index := s.indexKey("alice")
	first := made(t, s, newRecord("alice"))
	key := s.recordKey(first.Handle)
	r.expires(key, "made for an hour", time.Hour)
	r.expires(index, "with a record of an hour", time.Hour)
	longer := newRecord("alice")
	longer.IdleDeadline = longer.IdleDeadline.Add(time.Hour)
	made(t, s, longer)
	r.expires(index, "with one of two hours", 2*time.Hour)
	made(t, s, newRecord("alice"))
	r.expires(index, "with another one of an hour", 2*time.Hour)
	if err := s.Touch(t.Context(), first.Handle, time.Now(), time.Now().Add(3*time.Hour)); err != nil {
		t.Fatal(err)
	}
	r.expires(key, "touched", 3*time.Hour)
	r.expires(index, "with one that was touched", 3*time.Hour)
	changed := *first
	for _, d := range []time.Duration{4 * time.Hour, time.Hour} { // the second moves nothing
		from := changed.Version
		changed.Version, changed.IdleDeadline = store.NewVersion(), time.Now().Add(d)
		if err := s.Apply(t.Context(), &changed, from, time.Now()); err != nil {
			t.Fatal(err)
		}
		r.expires(key, "applied to", 4*time.Hour)
		r.expires(index, "with one that was applied to", 4*time.Hour)
	}
	if err := s.Touch(t.Context(), first.Handle, time.Now(), time.Now().Add(48*time.Hour)); err != nil {
		t.Fatal(err)
	}
	r.expires(key, "touched beyond its AbsoluteDeadline", 12*time.Hour)

	// An index that is lost is filled again by what is alive.
	r.do("DEL", index)
	if err := s.Touch(t.Context(), longer.Handle, time.Now(), time.Now().Add(5*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if n, err := s.DeleteOwner(t.Context(), "alice", "", ending()); n != 1 || err != nil {
		t.Errorf("DeleteOwner after the index was lost and a record touched: %d, %v", n, err)
	}
	r.expires(s.recordKey(longer.Handle), "ended", store.MinHold)
	held := newRecord("alice")
	held.HoldUntil = time.Now().Add(20 * time.Hour)
	made(t, s, held)
	if err := s.Delete(t.Context(), held.Handle, ending()); err != nil {
		t.Fatal(err)
	}
	r.expires(s.recordKey(held.Handle), "ended, and held for 20 hours", 20*time.Hour)
}

// What has expired leaves the index: when it is met by List, by a limit or by
// DeleteOwner, and by and by with each creation.
func TestIndexHeals(t *testing.T) {
	server := engines.Redis(t)
	s := open(t, server.Addr())
	r := dialRaw(t, server.Addr())
	size := func(owner string) int {
		n, _ := strconv.Atoi(r.do("ZCARD", s.indexKey(owner)))
		return n
	}
	owners := []string{"by list", "by limit", "by delete", "by create"}
	living := map[string]*store.Record{}
	var handles []string
	for _, owner := range owners {
		living[owner] = made(t, s, newRecord(owner))
		for range 40 {
			handles = append(handles, made(t, s, newRecord(owner)).Handle)
		}
		if got := size(owner); got != 41 {
			t.Fatalf("the index of 41 records holds %d", got)
		}
	}
	for _, h := range handles { // only now: on a busy machine some would be met as expired before all are made
		r.do("PEXPIRE", s.recordKey(h), "1")
	}
	eventually(t, "the records expire", func() bool {
		for _, h := range handles {
			if r.do("EXISTS", s.recordKey(h)) != "0" {
				return false
			}
		}
		return true
	})
	if _, err := s.List(t.Context(), "by list", store.Page{Limit: 1000}); err != nil {
		t.Fatal(err)
	}
	opts := options()
	opts.Limit = 2
	if _, err := s.Create(t.Context(), newRecord("by limit"), opts); err != nil {
		t.Fatal(err)
	}
	if n, err := s.DeleteOwner(t.Context(), "by delete", living["by delete"].Handle, ending()); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	for owner, want := range map[string]int{"by list": 1, "by limit": 2, "by delete": 1} {
		if got := size(owner); got != want {
			t.Errorf("healed %s the index holds %d, want %d", owner, got, want)
		}
	}
	for range 60 {
		made(t, s, newRecord("by create"))
	}
	if got := size("by create"); got > 61+15 {
		t.Errorf("after 60 creations the index of 61 holds %d, so most of 40 that had expired were not removed", got)
	}
}

func TestChangesExpire(t *testing.T) {
	server := engines.Redis(t)
	s := open(t, server.Addr())
	r := dialRaw(t, server.Addr())
	rec := made(t, s, newRecord("alice"))
	log := s.tag(store.Bucket("alice")) + "c"
	// What was logged seven minutes ago, and would not be kept by itself.
	old := strconv.FormatInt(time.Now().Add(-7*time.Minute).UnixMilli(), 10) + "-0"
	for range 1000 {
		r.do("XADD", log, old[:len(old)-1]+"*", "c", "e\x01"+rec.Handle+"alice")
	}
	if got := r.do("XLEN", log); got != "1000" {
		t.Fatal(got)
	}
	if err := s.Delete(t.Context(), rec.Handle, ending()); err != nil {
		t.Fatal(err)
	}
	if n, _ := strconv.Atoi(r.do("XLEN", log)); n > 200 || n < 1 {
		t.Errorf("of 1000 old changes and a new one %d are left", n)
	}
	if n, _ := strconv.Atoi(r.do("PTTL", log)); n < 350_000 || n > 360_000 {
		t.Errorf("the log expires in %d ms", n)
	}
}

// A since whose changes may have been forgotten, or that is in the future, is
// ErrGone; the newest is not.
func TestChangesTooOld(t *testing.T) {
	server := engines.Redis(t)
	s := open(t, server.Addr())
	changes, err := s.Changes(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	now, ok := parseMoment(changes.Next)
	if !ok {
		t.Fatal(changes.Next)
	}
	for ago, want := range map[time.Duration]error{
		0: nil, store.MinHold - time.Minute: nil, store.MinHold + time.Second: store.ErrGone, 24 * time.Hour: store.ErrGone, -time.Minute: store.ErrGone,
	} {
		since := now
		since.ms -= ago.Milliseconds()
		since.begin = 0
		if _, err := s.Changes(t.Context(), since.String()); err != want {
			t.Errorf("Changes since %s ago: %v, want %v", ago, err, want)
		}
	}
}

// Two owners may have the same place in the same index, and must not see each
// other.
func TestOwnersInOnePlace(t *testing.T) {
	server := engines.Redis(t)
	s := open(t, server.Addr())
	alice, bob := "", ""
	seen := map[string]string{}
	for i := 0; alice == ""; i++ {
		bob = "owner-" + strconv.Itoa(i)
		sum := sha1.Sum([]byte(bob))
		place := store.Bucket(bob) + string(sum[:3])
		alice, seen[place] = seen[place], bob
	}
	a, b := made(t, s, newRecord(alice)), made(t, s, newRecord(bob))
	listed := func(owner string) (handles []string) {
		for page := (store.Page{Limit: 1}); ; {
			listing, err := s.List(t.Context(), owner, page)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range listing.Records {
				handles = append(handles, l.Handle)
			}
			if page.Cursor = listing.Next; page.Cursor == "" {
				return handles
			}
		}
	}
	if got := listed(alice); len(got) != 1 || got[0] != a.Handle {
		t.Errorf("%s has %q listed, want %s", alice, got, a.Handle)
	}
	opts := options()
	opts.Limit = 2
	a2 := newRecord(alice)
	if _, err := s.Create(t.Context(), a2, opts); err != nil {
		t.Errorf("Create of a second record, where another owner has one: %v", err)
	}
	if n, err := s.DeleteOwner(t.Context(), alice, a.Handle, ending()); n != 1 || err != nil {
		t.Errorf("DeleteOwner: %d, %v", n, err)
	}
	if got := listed(bob); len(got) != 1 || got[0] != b.Handle {
		t.Errorf("%s has %q listed, want %s", bob, got, b.Handle)
	}
}
