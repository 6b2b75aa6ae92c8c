package promises

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/storetest/engines"
)

// storeTimeout is the site's, where faults are tried. A request loads once and
// saves once.
const storeTimeout = 2 * time.Second

// limit is the longest that a request may take then: its deadlines, its work,
// and what a busy machine adds.
const limit = 2*storeTimeout + work + time.Second

// A target is a server that faults can be done to, and how its store is opened
// through a proxy.
type target struct {
	server *engines.Server
	url    func(addr string) string
}

var targets = map[string]func(t testing.TB) target{
	"redis": func(t testing.TB) target {
		return target{engines.Redis(t, engines.AppendOnly("always")), func(addr string) string { return "redis://" + addr }}
	},
	"postgresql": func(t testing.TB) target { return target{engines.PostgreSQL(t), postgresURL} },
	"mariadb":    func(t testing.TB) target { return target{engines.MariaDB(t), mariaURL} },
}

// TestFaults: under load an engine is killed, stopped, unreachable or silent.
// After each: every write that was acknowledged is there, no request took
// longer than its deadlines, the service comes back by itself, and nothing
// leaks (promises 1 and 15).
func TestFaults(t *testing.T) {
	faults := map[string]func(target, *engines.Proxy){
		"kill and restart": func(s target, _ *engines.Proxy) {
			s.server.Kill()
			time.Sleep(500 * time.Millisecond)
			s.server.Restart()
		},
		"stop for 5 s": func(s target, _ *engines.Proxy) {
			s.server.Pause()
			time.Sleep(5 * time.Second)
			s.server.Resume()
		},
		"refused for 3 s": func(_ target, p *engines.Proxy) {
			p.Refuse(true)
			p.Cut()
			time.Sleep(3 * time.Second)
			p.Refuse(false)
		},
		"black hole for 5 s": func(_ target, p *engines.Proxy) {
			p.BlackHole(true)
			time.Sleep(5 * time.Second)
			p.BlackHole(false)
		},
		"replies lost for 3 s": func(_ target, p *engines.Proxy) {
			p.Sometimes(engines.Drop, 0.2, 1)
			time.Sleep(3 * time.Second)
			p.Answers(nil)
		},
	}
	for name, start := range targets {
		t.Run(name, func(t *testing.T) {
			target := start(t)
			for fault, do := range faults {
				t.Run(fault, func(t *testing.T) { underFault(t, target, do) })
			}
		})
	}
}

// TestWeakSettings counts what is lost when Redis is killed with settings that
// promise less, for docs/operations.md. A kill of the process is not the loss
// of a machine: what the kernel has been given survives it.
func TestWeakSettings(t *testing.T) {
	for name, opts := range map[string][]engines.Option{
		"appendonly no":        nil,
		"appendfsync no":       {engines.AppendOnly("no")},
		"appendfsync everysec": {engines.AppendOnly("everysec")},
	} {
		t.Run(name, func(t *testing.T) {
			server := engines.Redis(t, opts...)
			site, err := newSite(openFor(t, "redis://"+server.Addr()), func(c *sojourn.Config) { c.StoreTimeout = storeTimeout })
			if err != nil {
				t.Fatal(err)
			}
			l := startLoad(t, inProcess(t, site), opts == nil) // the kernel keeps what it was given
			l.works(300)
			server.Kill()
			server.Restart()
			l.works(100)
			l.finish(limit)
		})
	}
}

// TestKilledProcess: the program is killed under load while it writes to
// SQLite, and started again on the same file, three times.
func TestKilledProcess(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "sessions.db")
	base, kill := processAt(t, url, "")
	l := startLoad(t, base, false)
	for range 3 {
		l.works(200)
		kill()
		_, kill = processAt(t, url, strings.TrimPrefix(base, "http://"))
	}
	l.works(200)
	l.finish(limit)
}

// TestFullDisk: SQLite's file system is full for a while. What was acknowledged
// is there, the rest was answered with an error, and when there is room again
// the service goes on.
func TestFullDisk(t *testing.T) {
	dir := smallDisk(t, "3m")
	site, err := newSite(openFor(t, "sqlite:"+filepath.Join(dir, "sessions.db")), func(c *sojourn.Config) { c.StoreTimeout = storeTimeout })
	if err != nil {
		t.Fatal(err)
	}
	l := startLoad(t, inProcess(t, site), false)
	l.works(100)
	empty := fill(t, dir)
	bad := l.bad.Load()
	poll(t, "the disk to be felt", func() bool { return l.bad.Load() > bad+100 })
	empty()
	l.works(200)
	l.finish(limit)
}

// TestFullDiskPostgreSQL: the same for PostgreSQL. When it cannot write its log
// it ends all sessions and recovers; if it cannot do that either it stops, and
// whoever looks after it starts it again.
func TestFullDiskPostgreSQL(t *testing.T) {
	dir := smallDisk(t, "200m")
	t.Setenv("TMPDIR", dir)
	server := engines.PostgreSQL(t, engines.Args("-c", "max_wal_size=64MB", "-c", "wal_recycle=off", "-c", "checkpoint_timeout=30s"))
	site, err := newSite(openFor(t, postgresURL(server.Addr())), func(c *sojourn.Config) { c.StoreTimeout = storeTimeout })
	if err != nil {
		t.Fatal(err)
	}
	l := startLoad(t, inProcess(t, site), false)
	l.works(100)
	empty := fill(t, dir)
	bad := l.bad.Load()
	poll(t, "the disk to be felt", func() bool {
		// The load alone would take long to use up what the log has left.
		get(l.base+"/stuff?size=500000", "")
		return l.bad.Load() > bad+20
	})
	empty()
	if !answers(server.Addr()) {
		t.Log("PostgreSQL had stopped; it is started again")
		server.Kill()
		server.Restart()
	}
	l.works(200)
	l.finish(limit)
}

// answers reports whether a server listens.
func answers(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

// fill fills a file system to the last byte; empty makes room again.
func fill(t *testing.T, dir string) (empty func()) {
	ballast := filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	for _, piece := range []int{1 << 20, 4096, 1} {
		for err == nil {
			_, err = f.Write(make([]byte, piece))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		err = nil
	}
	f.Close()
	return func() {
		if err := os.Remove(ballast); err != nil {
			t.Error(err)
		}
	}
}

// smallDisk mounts a file system of its own in a temporary directory.
func smallDisk(t *testing.T, size string) string {
	if os.Geteuid() != 0 && os.Getenv("CI") == "" {
		t.Skip("only root can mount a small file system")
	}
	dir, err := os.MkdirTemp("", "sojourn-disk-") // where servers that run as others come too
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "mode=755,size="+size, "tmpfs", dir).CombinedOutput(); err != nil {
		t.Fatalf("mount: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
		os.Remove(dir)
	})
	return dir
}

func underFault(t *testing.T, target target, do func(target, *engines.Proxy)) {
	client.CloseIdleConnections()
	before := goroutines()
	proxy := engines.NewProxy(t, target.server.Addr())
	s, shut, err := open(target.url(proxy.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	site, err := newSite(s, func(c *sojourn.Config) { c.StoreTimeout = storeTimeout })
	if err != nil {
		t.Fatal(err)
	}
	base, closeSite := listen(t, site.handler())
	l := startLoad(t, base, false)
	l.works(200)
	do(target, proxy)
	l.works(200)
	l.finish(limit)
	closeSite()
	if err := shut(); err != nil {
		t.Errorf("closing the store: %v", err)
	}
	poll(t, "connections to be closed", func() bool { return proxy.Open() == 0 })
	client.CloseIdleConnections()
	var leaked []string
	defer func() {
		if t.Failed() {
			for _, stack := range leaked {
				t.Log(stack)
			}
		}
	}()
	poll(t, "goroutines to end", func() bool {
		leaked = leaked[:0]
		for id, stack := range goroutines() {
			if _, old := before[id]; !old && !isHarness(stack) {
				leaked = append(leaked, stack)
			}
		}
		return len(leaked) == 0
	})
}

// goroutines are the stacks of all but the caller's, by their ids, in which a
// package of this module or of a client library has a part: it runs there, or
// has made the goroutine.
func goroutines() map[string]string {
	text := make([]byte, 4<<20)
	_, others, _ := strings.Cut(string(text[:runtime.Stack(text, true)]), "\n\n")
	found := map[string]string{}
	for _, stack := range strings.Split(others, "\n\n") {
		for _, part := range []string{"github.com/", "database/sql"} {
			if strings.Contains(stack, part) {
				id, _, _ := strings.Cut(stack, " [")
				found[id] = stack
			}
		}
	}
	return found
}

// isHarness reports whether it is a goroutine that the fault itself needs until
// the test is over: that of the proxy that accepts, and that of the server's
// process, which is another one after a restart.
func isHarness(stack string) bool {
	return strings.Contains(stack, "engines.(*Proxy).accept(") || strings.Contains(stack, "storetest/engines.run(")
}
