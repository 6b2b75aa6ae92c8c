//go:build unix

package engines

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A Watched is a Redis and its replica under the eyes of a sentinel, which puts
// the replica in the master's place within about two seconds when that is dead.
type Watched struct {
	Name            string // of the master, as the sentinel knows it
	Master, Replica *Server
	Sentinel        *Server
}

// RedisSentinel starts a Redis, a replica of it and one sentinel. Options are
// for the first two.
func RedisSentinel(t testing.TB, opts ...Option) *Watched {
	t.Helper()
	opts = append([]Option{Args("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")}, opts...)
	w := &Watched{Name: "main", Master: Redis(t, opts...)}
	host, port, _ := strings.Cut(w.Master.Addr(), ":")
	w.Replica = Redis(t, append(opts, Args("--replicaof", host+" "+port))...)
	w.Master.until("the replica is in sync", func() error { return followed(w.Master.Addr(), 1) })

	s := &Server{}
	dir, at := t.TempDir(), freePort(t)
	s.addr = "127.0.0.1:" + at
	conf := filepath.Join(dir, "sentinel.conf")
	text := fmt.Sprintf("port %s\nbind 127.0.0.1\nsentinel monitor %s %s %s 1\nsentinel down-after-milliseconds %[2]s 500\n"+
		"sentinel failover-timeout %[2]s 3000\n", at, w.Name, host, port)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatalf("engines: %v", err)
	}
	s.process = process{
		t: t, path: w.Master.path, dir: dir, args: []string{conf, "--sentinel"},
		answers: func(ctx context.Context, pid int) error { return redisAnswers(ctx, s.addr, pid) },
	}
	t.Cleanup(s.Kill)
	s.start()
	w.Sentinel = s
	_, replica, _ := strings.Cut(w.Replica.Addr(), ":")
	s.until("the sentinel knows the replica", func() error {
		text, err := say(s.addr, "SENTINEL", "REPLICAS", w.Name)
		if err == nil && !strings.Contains(text, "\n"+replica+"\n") {
			err = errors.New("it knows none")
		}
		return err
	})
	return w
}
