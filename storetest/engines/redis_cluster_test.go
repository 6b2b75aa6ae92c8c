//go:build unix

package engines

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestRedisCluster(t *testing.T) {
	began := time.Now()
	c := RedisCluster(t, AppendOnly("everysec"))
	t.Logf("six servers are a cluster after %s", time.Since(began).Round(time.Millisecond))
	if len(c.Addrs()) != 6 {
		t.Fatalf("the addresses are %v", c.Addrs())
	}
	master := c.MasterOf("{ab}x")
	replicas := c.ReplicasOf(master)
	if len(replicas) != 1 || replicas[0] == master {
		t.Fatalf("the master has %d replicas", len(replicas))
	}
	set := func(n *Node, key string) {
		t.Helper()
		if _, err := say(n.Addr(), "SET", key, "v"); err != nil {
			t.Fatal(err)
		}
	}
	for _, k := range []string{"{ab}x", "{ab}y", "{ab}z"} {
		set(master, k)
	}
	to := c.Nodes[0]
	if to == master {
		to = c.Nodes[1]
	}
	moved := 0
	c.Move("{ab}x", to, func() { moved++ })
	if c.MasterOf("{ab}y") != to || moved != 4 {
		t.Errorf("after a move of three keys, in %d steps, their master is the old one", moved)
	}
	set(to, "{ab}x")
	if _, err := say(master.Addr(), "GET", "{ab}x"); err == nil || !strings.HasPrefix(err.Error(), "MOVED ") {
		t.Errorf("the old master says %v", err)
	}
	c.Await()

	began = time.Now()
	replica := c.ReplicasOf(to)[0]
	to.Kill()
	c.Await()
	t.Logf("a killed master is replaced after %s", time.Since(began).Round(time.Millisecond))
	if got := c.MasterOf("{ab}x"); got != replica {
		t.Errorf("the replica of a killed master has not taken its place")
	}
	to.Restart()
	c.Await()
	if got := c.ReplicasOf(replica); len(got) != 1 || got[0] != to {
		t.Errorf("a master that comes back is not the replica of the new one")
	}
}

func TestRedisClusterBehindProxies(t *testing.T) {
	c := RedisClusterBehindProxies(t)
	n := c.MasterOf("k")
	text, err := say(c.Nodes[0].Addr(), "CLUSTER", "SLOTS")
	if _, port, _ := strings.Cut(n.Addr(), ":"); err != nil || !strings.Contains(text, port) {
		t.Errorf("the cluster does not tell the proxy's port: %v", err)
	}
	if n.Addr() == n.Direct() || n.Proxy.Counts().Requests == 0 {
		t.Errorf("nothing went through the proxy")
	}
}

func TestRedisSentinel(t *testing.T) {
	w := RedisSentinel(t)
	if _, err := say(w.Master.Addr(), "SET", "k", "v"); err != nil {
		t.Fatal(err)
	}
	w.Master.Kill()
	began := time.Now()
	w.Sentinel.until("the replica is the master", func() error {
		_, err := say(w.Replica.Addr(), "SET", "k", "w")
		return err
	})
	t.Logf("the replica has taken the master's place after %s", time.Since(began).Round(time.Millisecond))
}

// An old server is named as what is wrong.
func TestRedisClusterNeedsSeven(t *testing.T) {
	old := filepath.Join(t.TempDir(), "redis-server")
	script := "#!/bin/sh\necho 'Redis server v=6.2.14 sha=00000000:0 malloc=jemalloc-5.1.0 bits=64 build=0'\n"
	if err := os.WriteFile(old, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	got := fatal(t, func(t testing.TB) { RedisCluster(t, Program(old)) })
	if !strings.Contains(got, "takes Redis 7") || !strings.Contains(got, `"6.2.14"`) {
		t.Errorf("the failure says %q", got)
	}
}
