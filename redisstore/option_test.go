package redisstore

import (
	"context"
	"crypto/tls"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest/engines"
)

const password = "pass-word_hunter2"

func TestSettings(t *testing.T) {
	secure := &tls.Config{}
	for url, want := range map[string]settings{
		"redis://host":                 {addrs: []string{"host:6379"}},
		"redis://host:1/3":             {addrs: []string{"host:1"}, db: 3},
		"redis://[::1]/":               {addrs: []string{"[::1]:6379"}},
		"redis://:p%40ss@host":         {addrs: []string{"host:6379"}, password: "p@ss"},
		"redis://:p,a@ss@host":         {addrs: []string{"host:6379"}, password: "p,a@ss"},
		"rediss://name:pass@host:2/15": {addrs: []string{"host:2"}, db: 15, name: "name", password: "pass", tls: secure},

		"redis+cluster://a":                        {addrs: []string{"a:6379"}, cluster: true},
		"redis+cluster://name:pass@a:1,b,[::1]:3/": {addrs: []string{"a:1", "b:6379", "[::1]:3"}, name: "name", password: "pass", cluster: true},
		"rediss+cluster://:pass@a:1,b:2/0":         {addrs: []string{"a:1", "b:2"}, password: "pass", cluster: true, tls: secure},
		"redis+sentinel://name:pass@a,b:2/main":    {addrs: []string{"a:26379", "b:2"}, name: "name", password: "pass", master: "main"},
		"rediss+sentinel://a/main":                 {addrs: []string{"a:26379"}, master: "main", tls: secure},
	} {
		want.prefix, want.timeout = "sojourn:", 2*time.Second
		if got, err := newSettings(url, nil); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", url, got, err)
		}
	}
	forms := []string{
		"", "host", "host:6379", "http://:" + password + "@host", "redis://:" + password + "@", "redis:" + password, "redis://:" + password + "%zz@host",
		"redis://:" + password + "@host:port", "redis://:" + password + "@a,b", "redis+cluster://:" + password + "@", "redis+cluster://:" + password + "@a,,b",
		"redis+cluster://:" + password + "@a,b:x", "redis+cluster://a,:" + password + "@b:x", "redis+cluster:" + password, "cluster://:" + password + "@a",
		"redis+sentinel://:" + password + "@a", "redis+sentinel://:" + password + "@a/main/0", "redis+other://:" + password + "@a", "rediss+rediss://" + password,
	}
	for _, url := range append(forms, "redis://:"+password+"@host/x", "redis://:"+password+"@host/-1", "redis://:"+password+"@host/0?db=1",
		"redis+cluster://:"+password+"@a,b/1", "redis+cluster://:"+password+"@a?x=1") {
		_, err := newSettings(url, nil)
		if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.HasPrefix(err.Error(), "redisstore: ") {
			t.Errorf("newSettings of a bad URL: %v", err)
		}
		for _, form := range []string{"redis://[", "redis+cluster://[", "redis+sentinel://["} {
			if slices.Contains(forms, url) && (!errors.Is(err, ErrURL) || !strings.Contains(err.Error(), form)) {
				t.Errorf("the error of a bad URL is not ErrURL, or does not list %s: %v", form, err)
			}
		}
	}
	for name, opts := range map[string][]Option{
		"brace": {Prefix("a{b")}, "timeout": {Timeout(0)}, "replicas": {Replicas(-1)}, "TLS": {TLS(&tls.Config{})},
	} {
		if _, err := newSettings("redis://host/1", opts); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("options with a wrong %s: %v", name, err)
		}
	}
}

func TestOpen(t *testing.T) {
	server := engines.Redis(t, engines.Args("--requirepass", password))
	for _, url := range []string{"redis://" + server.Addr(), "redis://:wrong" + password + "@" + server.Addr()} {
		_, err := Open(t.Context(), url)
		if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), server.Addr()) {
			t.Errorf("Open with a wrong password: %v", err)
		}
	}
	for form, why := range map[string]string{"redis+cluster://:" + password + "@%s": "cluster", "redis+sentinel://:" + password + "@%s/main": ""} {
		_, err := Open(t.Context(), strings.ReplaceAll(form, "%s", server.Addr()))
		if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), why) {
			t.Errorf("Open of a server that is none of a cluster, or no sentinel: %v", err)
		}
	}
	s, err := Open(t.Context(), "redis://default:"+password+"@"+server.Addr()+"/5", Prefix("a*b[c]:"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rec := made(t, s, newRecord("alice"))
	r := dialRaw(t, server.Addr())
	r.do("AUTH", password)
	r.do("SELECT", "5")
	if got := r.do("EXISTS", "a*b[c]:{"+store.Bucket("alice")+"}r:"+rec.Handle); got != "1" {
		t.Errorf("the record's key is not in database 5 under the prefix")
	}
	r.do("SET", "a-b[c]:{00}r:x", "no record of ours")
	r.do("SET", "a*b[c]:{00}r:x", "no record of ours")
	r.do("SET", "a*b[c]:{00}r:"+rec.Handle, "not in its place")
	listing, err := s.Scan(t.Context(), store.Page{Limit: 1000})
	if err != nil || len(listing.Records) != 1 {
		t.Errorf("Scan under a prefix that looks like a pattern: %d records, %v", len(listing.Records), err)
	}

	server.Pause()
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := Open(ctx, "redis://:"+password+"@"+server.Addr()); err == nil || time.Since(began) > time.Second {
		t.Errorf("Open of a stalled server took %s: %v", time.Since(began), err)
	}
	server.Kill()
	if _, err := Open(t.Context(), "redis://:"+password+"@"+server.Addr()); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("Open of no server: %v", err)
	}
}

// A server quotes the arguments of a command that it does not know, and those
// hold verifiers and state.
func TestErrorsQuoteNothing(t *testing.T) {
	server := engines.Redis(t, engines.Args("--rename-command", "EVALSHA", ""))
	s := open(t, server.Addr())
	rec := newRecord("alice")
	rec.Verifiers = ""
	rec.State, rec.Facts, rec.Owner = "secret", "", ""
	rec.Handle = store.NewHandle("")
	_, err := s.Create(t.Context(), rec, options())
	if err == nil || !strings.Contains(err.Error(), "unknown command") {
		t.Fatalf("Create on a server without EVALSHA: %v", err)
	}
	if _, err = s.client.do(t.Context(), command{name: "NONE", args: []string{"secret"}}); err == nil || strings.Contains(cleaned(err).Error(), "secret") {
		t.Errorf("an error quotes what the command was given: %v", cleaned(err))
	}
}

// A value that is no record is a failure, and not an end.
func TestForeignValues(t *testing.T) {
	server := engines.Redis(t)
	s := open(t, server.Addr())
	r := dialRaw(t, server.Addr())
	whole, err := encode(newRecord("alice"))
	if err != nil {
		t.Fatal(err)
	}
	handle := store.NewHandle("")
	for _, value := range []string{"", "S", "T" + whole[1:], whole[:46], whole[:50], whole[:len(whole)-len("secret state")-1], "{}"} {
		r.do("SET", s.recordKey(handle), value)
		if rec, err := s.Load(t.Context(), handle); err == nil || err == store.ErrGone {
			t.Errorf("Load of a foreign value of %d bytes: %v, %v", len(value), rec, err)
		}
		if value == "" || value[0] == 'S' {
			continue
		}
		rec := newRecord("")
		rec.Handle = handle
		_, err := s.Create(t.Context(), rec, options())
		for _, err := range []error{
			err, s.Touch(t.Context(), handle, time.Now(), time.Now()), s.Delete(t.Context(), handle, ending()), s.Apply(t.Context(), rec, 1, time.Now()),
		} {
			if err == nil || err == store.ErrGone || err == store.ErrExists {
				t.Errorf("a write to a foreign value of %d bytes: %v, want a failure", len(value), err)
			}
		}
	}
	r.do("DEL", s.recordKey(handle))
	r.do("RPUSH", s.recordKey(handle), "a list")
	if _, err := s.Load(t.Context(), handle); err == nil || err == store.ErrGone {
		t.Errorf("Load of a list: %v", err)
	}
	for _, cursor := range []string{"x", "-1", "0 0", "a b", store.NewHandle("bob")[:23]} {
		if _, err := s.List(t.Context(), "alice", store.Page{Cursor: cursor, Limit: 1}); err == nil {
			t.Errorf("List takes the cursor %q", cursor)
		}
		if _, err := s.Scan(t.Context(), store.Page{Cursor: cursor, Limit: 1}); err == nil {
			t.Errorf("Scan takes the cursor %q", cursor)
		}
	}
	for _, since := range []string{"x", "1", "1-1-x", "--", "-1--1-", "99999999999999-1-x"} {
		if _, err := s.Changes(t.Context(), since); err != store.ErrGone {
			t.Errorf("Changes since %q: %v, want ErrGone", since, err)
		}
	}
}
