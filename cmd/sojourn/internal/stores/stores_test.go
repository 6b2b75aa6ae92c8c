package stores

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest/engines"
)

// record is a record that lives for an hour.
func record(now time.Time) *store.Record {
	now = now.UTC().Truncate(time.Millisecond)
	return &store.Record{Header: store.Header{
		Kind: store.KindSession, Handle: store.NewHandle("ada"), Owner: "ada", Version: store.NewVersion(),
		Created: now, LastSeen: now, IdleDeadline: now.Add(time.Hour), AbsoluteDeadline: now.Add(time.Hour),
	}, State: "state"}
}

// keep puts a record into the store that name stands for, and closes that.
func keep(t *testing.T, name string) (handle string) {
	t.Helper()
	s, err := Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	rec, now := record(time.Now()), time.Now()
	if _, err := s.Create(t.Context(), rec, store.CreateOptions{Now: now, End: store.Ending{Mark: 1, Now: now}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return rec.Handle
}

// TestOpen: what was put into a store is there when it is opened again, but for
// the one in memory.
func TestOpen(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	redis := engines.Redis(t, engines.Args("--requirepass", "pa ss")).Addr()
	postgres, maria := engines.PostgreSQL(t).Addr(), engines.MariaDB(t).Addr()
	cluster := strings.Join(engines.RedisCluster(t).Addrs(), ",")
	for _, test := range []struct {
		name, again string
		want        string
		brief       bool
	}{
		{"postgres://postgres@" + postgres + "/postgres", "postgresql://postgres:any@" + postgres + "/postgres", "PostgreSQL, at " + postgres + ", database postgres", false},
		{"mysql://root@" + maria + "/test", "mariadb://root@" + maria + "/test", "MariaDB or MySQL, at " + maria + ", database test", false},
		{"redis+cluster://" + cluster, "redis+cluster://" + cluster, "Redis Cluster, at " + cluster, false},
		{"memory:", "memory:", "memory of this process", true},
		{"sqlite:a.db", "sqlite:" + dir + "/a.db", "SQLite, in " + dir + "/a.db", false},
		{"sqlite://" + dir + "/b%c?d #e&f=+.db", "sqlite:b%c?d #e&f=+.db", "SQLite, in b%c?d #e&f=+.db", false},
		{"redis://:pa%20ss@" + redis, "redis://default:pa%20ss@" + redis + "/0", "Redis, at " + redis + ", database 0", false},
		{"redis://:pa%20ss@" + redis + "/3", "redis://:pa%20ss@" + redis + "/3", "Redis, at " + redis + ", database 3", false},
	} {
		handle := keep(t, test.name)
		s, err := Open(t.Context(), test.again)
		if err != nil {
			t.Fatal(err)
		}
		if s.Name != test.want || s.Brief != test.brief {
			t.Errorf("%s: name %q, brief %v", test.again, s.Name, s.Brief)
		}
		_, err = s.Load(t.Context(), handle)
		if test.brief != errors.Is(err, store.ErrGone) || !test.brief && err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestFilesAreTheOwners: nobody else may read who is signed in. What ends in
// -shm holds only numbers of pages.
func TestFilesAreTheOwners(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s, err := Open(t.Context(), "sqlite:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, f := range []string{path, path + "-wal"} {
		if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", f, info.Mode(), err)
		}
	}
}

// TestMistakes: a name that cannot be meant is a FormError; a store that cannot
// be opened is another. Neither holds a password.
func TestMistakes(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, []byte(strings.Repeat("no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	redis := engines.Redis(t, engines.Args("--requirepass", "right")).Addr()
	for _, test := range []struct {
		name string
		form bool
		want string
	}{
		{"", true, "takes memory:, sqlite:PATH"},
		{"memory", true, "takes memory:, sqlite:PATH"},
		{"memory:x", true, "takes memory:"},
		{"mongodb://ada:s3cret@127.0.0.1:1/x", true, "takes memory:"},
		{"postgres://ada:s3cret@127.0.0.1:1/x", false, "is the server running"},
		{"postgres://ada:s3cret@127.0.0.1:1", true, "postgres://[name"},
		{"postgres://ada:s3c%ret@127.0.0.1:1/x", true, "postgres://[name"},
		{"mysql://ada:s3cret@127.0.0.1:1/x", false, "is the server running"},
		{"mysql:ada:s3cret@tcp(127.0.0.1:1)/x", true, "mysql://[name"},
		{"redis+cluster://ada:s3cret@127.0.0.1:1", false, "is a Redis Cluster running"},
		{"redis+cluster://", true, "redis+cluster://[name"},
		{"redis+cluster://:s3c%ret@127.0.0.1:1", true, "redis+cluster://[name"},
		{"s3cret", true, "takes memory:"},
		{"SQLITE:x", true, "takes memory:"},
		{"sqlite", true, "the path of a file"},
		{"sqlite:", true, "the path of a file"},
		{"sqlite://x.db", true, "sqlite:///PATH"},
		{"sqlite::memory:", true, "memory:"},
		{"redis:", true, "redis://[name"},
		{"redis://", true, "redis://[name"},
		{"redis:127.0.0.1", true, "redis://[name"},
		{"redis://:s3cret@127.0.0.1:port", true, "redis://[name"},
		{"redis://:s3c%ret@127.0.0.1", true, "redis://[name"},
		{"redis://127.0.0.1/?password=s3cret", true, "redis://[name"},
		{"redis://:s3cret@127.0.0.1:1/x", false, "number of a database"},
		{"redis://:s3cret@127.0.0.1:1", false, "no connection with 127.0.0.1:1"},
		{"rediss://:s3cret@127.0.0.1:1", false, "no connection with 127.0.0.1:1"},
		{"redis://:s3cret@" + redis, false, "name and password right?"},
		{"redis://" + redis, false, "name and password right?"},
		{"sqlite:" + dir, false, "is a directory"},
		{"sqlite:" + dir + "/nowhere/x.db", false, "in a directory that is there"},
		{"sqlite:" + other, false, "name another file"},
	} {
		s, err := Open(t.Context(), test.name)
		if err == nil {
			t.Errorf("%q was opened", test.name)
			s.Close()
			continue
		}
		_, form := errors.AsType[*FormError](err)
		if form != test.form || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "s3c") {
			t.Errorf("%q: %v", test.name, err)
		}
	}
	if text, err := os.ReadFile(other); err != nil || !strings.HasPrefix(string(text), "no database") {
		t.Error("a file that is no database was changed")
	}
}

// TestNameHoldsNoPassword: it is on the page and in the greeting.
func TestNameHoldsNoPassword(t *testing.T) {
	redis := engines.Redis(t, engines.Args("--requirepass", "s3cret")).Addr()
	s, err := Open(t.Context(), "redis://default:s3cret@"+redis)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if strings.Contains(s.Name, "s3cret") || strings.Contains(s.Name, "default") {
		t.Error(s.Name)
	}
}

// TestOpenGivesUp: when its context ends.
func TestOpenGivesUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s, err := Open(ctx, "sqlite:"+t.TempDir()+"/a.db"); err == nil {
		s.Close()
		t.Error("opened")
	}
}

// TestOpenDefault: a file that only its owner can read; and where there can be
// none, memory, and why.
func TestOpenDefault(t *testing.T) {
	home := t.TempDir()
	file := filepath.Join(home, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before := filepath.Join(home, "before", "sojourn", "x.db") // with other rights
	if err := errors.Join(os.MkdirAll(filepath.Dir(before), 0o700), os.WriteFile(before, nil, 0o644), os.Chmod(before, 0o644)); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		cache, why string
	}{
		{filepath.Join(home, "not", "there", "yet"), ""},
		{filepath.Join(home, "before"), ""},
		{"relative", "relative"},
		{file, "not a directory"},
	} {
		t.Setenv("XDG_CACHE_HOME", test.cache)
		s, why, err := OpenDefault(t.Context(), "x.db")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if test.why != "" {
			if !s.Brief || why == nil || !strings.Contains(why.Error(), test.why) {
				t.Errorf("%s: %s, because %v", test.cache, s.Name, why)
			}
			continue
		}
		path := filepath.Join(test.cache, "sojourn", "x.db")
		if s.Brief || why != nil || s.Name != "SQLite, in "+path {
			t.Errorf("%s: %s, because %v", test.cache, s.Name, why)
		}
		for path, mode := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
				t.Errorf("%s: %v, %v", path, info.Mode(), err)
			}
		}
	}
}

// TestOpenDefaultDamaged: a file that is there and cannot be used is an error:
// somebody may need it.
func TestOpenDefaultDamaged(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	if err := os.MkdirAll(cache+"/sojourn", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cache+"/sojourn/x.db", []byte(strings.Repeat("noise", 1000)), 0o644); err != nil {
		t.Fatal(err)
	}
	s, why, err := OpenDefault(t.Context(), "x.db")
	if err == nil || !strings.Contains(err.Error(), "remove the file") {
		t.Error(s, why, err)
	}
}
