//go:build unix

package engines

import (
	"errors"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A Cluster is a Redis Cluster of three masters and a replica for each.
type Cluster struct {
	Nodes []*Node // the first three began as masters
}

// A Node is one server of a cluster.
type Node struct {
	*Server
	Proxy *Proxy // what clients connect to, with [RedisClusterBehindProxies]; else nil
	id    string // the cluster's name for it
}

// Addr is where clients connect, and what the cluster tells them.
func (n *Node) Addr() string {
	if n.Proxy != nil {
		return n.Proxy.Addr()
	}
	return n.Server.Addr()
}

// Direct is the server's own address, which passes by its proxy.
func (n *Node) Direct() string { return n.Server.Addr() }

// nodeTimeout is after how many milliseconds a master that is silent is taken
// for dead. A replica takes its place about a second later.
const nodeTimeout = "1000"

// RedisCluster takes Redis 7 or any Valkey; with an older one it fails the test
// and says so. It starts six servers that are one Redis Cluster, and returns when
// all slots are served and the replicas are in sync. Options are for each
// server. A server that is killed is replaced within about two seconds, and is
// a replica when it comes back.
func RedisCluster(t testing.TB, opts ...Option) *Cluster {
	t.Helper()
	return newCluster(t, false, opts)
}

// RedisClusterBehindProxies is [RedisCluster] with a proxy before each server.
// Clients, and replicas, reach a server only through it. What the servers tell
// each other about who is alive passes by: a proxy that breaks connections does
// not make a failover.
func RedisClusterBehindProxies(t testing.TB, opts ...Option) *Cluster {
	t.Helper()
	return newCluster(t, true, opts)
}

func newCluster(t testing.TB, proxied bool, opts []Option) *Cluster {
	t.Helper()
	requireSeven(t, opts)
	c := &Cluster{}
	var buses []string
	for range 6 {
		bus := freePort(t)
		args := []string{"--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-announce-ip", "127.0.0.1",
			"--cluster-node-timeout", nodeTimeout, "--cluster-replica-validity-factor", "0",
			"--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"}
		n := &Node{}
		if proxied {
			n.Proxy = NewProxy(t, "")
			_, port, _ := net.SplitHostPort(n.Proxy.Addr())
			args = append(args, "--cluster-announce-port", port)
		}
		n.Server = Redis(t, append([]Option{Args(args...)}, opts...)...)
		if proxied {
			n.Proxy.mu.Lock()
			n.Proxy.addr = n.Direct()
			n.Proxy.mu.Unlock()
		}
		buses, c.Nodes = append(buses, bus), append(c.Nodes, n)
	}
	c.form(buses)
	return c
}

// requireSeven fails the test if the program is older than the options and
// orders that it is given here.
func requireSeven(t testing.TB, opts []Option) {
	t.Helper()
	path := newOptions(opts).find(t)
	text, err := exec.Command(path, "--version").Output()
	_, version, _ := strings.Cut(string(text), "v=")
	version, _, _ = strings.Cut(version, " ")
	major, _, _ := strings.Cut(version, ".")
	if n, wrong := strconv.Atoi(major); err != nil || wrong != nil || n < 7 {
		t.Fatalf("engines: a cluster takes Redis 7 or later, or Valkey, for --cluster-port and CLUSTER ADDSLOTSRANGE; %s is of version %q: install a newer one", path, version)
	}
}

// form makes a cluster of the nodes. Each is introduced to each: that is
// quicker than to wait until they hear of each other.
func (c *Cluster) form(buses []string) {
	first := &c.Nodes[0].process
	first.t.Helper()
	order := func(n *Node, args ...string) string {
		first.t.Helper()
		text, err := say(n.Direct(), append([]string{"CLUSTER"}, args...)...)
		if err != nil {
			first.t.Fatalf("engines: CLUSTER %s: %v", args[0], err)
		}
		return text
	}
	bounds := []int{0, 5461, 10923, 16384}
	for i, n := range c.Nodes {
		n.id = order(n, "MYID")
		order(n, "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
		if i < 3 {
			order(n, "ADDSLOTSRANGE", strconv.Itoa(bounds[i]), strconv.Itoa(bounds[i+1]-1))
		}
		for j, other := range c.Nodes[:i] {
			host, port, _ := net.SplitHostPort(other.Direct())
			order(n, "MEET", host, port, buses[j])
		}
	}
	for i, n := range c.Nodes[3:] {
		first.until("the nodes know each other", func() error {
			_, err := say(n.Direct(), "CLUSTER", "REPLICATE", c.Nodes[i].id)
			return err
		})
	}
	c.Await()
	first.until("each master has its replica", func() error {
		for _, n := range c.Nodes[:3] {
			if err := followed(n.Direct(), 1); err != nil {
				return err
			}
		}
		return nil
	})
}

// Addrs are the addresses of all nodes.
func (c *Cluster) Addrs() (addrs []string) {
	for _, n := range c.Nodes {
		addrs = append(addrs, n.Addr())
	}
	return addrs
}

// Await returns when every slot is served by a node that runs, all nodes that
// run agree about that, and those that are replicas are in sync. It fails the
// test when that takes too long.
func (c *Cluster) Await() {
	first := &c.Nodes[0].process
	first.t.Helper()
	first.until("the cluster is whole", func() error {
		agreed := ""
		for _, n := range c.Nodes {
			if !n.running() {
				continue
			}
			info, err := say(n.Direct(), "CLUSTER", "INFO")
			if err != nil {
				return err
			}
			if !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_slots_ok:16384") {
				return errors.New(info)
			}
			seen, err := c.owners(n)
			if err != nil {
				return err
			}
			if agreed == "" {
				agreed = seen
			}
			if seen != agreed {
				return fmt.Errorf("some see %s, some %s", agreed, seen)
			}
			if strings.Contains(agreed, n.id) {
				err = followed(n.Direct(), 0)
			} else {
				err = follows(n.Direct())
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// owners is which nodes serve which slots, as n sees it.
func (c *Cluster) owners(n *Node) (string, error) {
	var list []string
	lines, err := c.view(n)
	for id, l := range lines {
		if len(l.slots) == 0 {
			continue
		}
		if i := slices.IndexFunc(c.Nodes, func(o *Node) bool { return o.id == id }); i < 0 || !c.Nodes[i].running() {
			return "", errors.New("a node that does not run has slots")
		}
		list = append(list, id+" "+strings.Join(l.slots, " "))
	}
	slices.Sort(list)
	return strings.Join(list, "; "), err
}

// A line is what a node knows of another, or of itself.
type line struct {
	flags, slots []string
	master       string
}

func (c *Cluster) view(n *Node) (map[string]line, error) {
	text, err := say(n.Direct(), "CLUSTER", "NODES")
	lines := map[string]line{}
	for _, l := range strings.Split(strings.TrimSpace(text), "\n") {
		if f := strings.Fields(l); len(f) >= 8 {
			lines[f[0]] = line{flags: strings.Split(f[2], ","), master: f[3], slots: f[8:]}
		}
	}
	return lines, err
}

// Slot is the slot of a key.
func (c *Cluster) Slot(key string) int {
	var slot int
	first := &c.Nodes[0].process
	first.until("a node says the slot", func() (err error) {
		for _, n := range c.Nodes {
			var text string
			if text, err = say(n.Direct(), "CLUSTER", "KEYSLOT", key); err == nil {
				slot, err = strconv.Atoi(text)
				return err
			}
		}
		return err
	})
	return slot
}

// MasterOf is the node that serves the slot of key, in its own opinion. It
// waits until there is one.
func (c *Cluster) MasterOf(key string) (master *Node) {
	first := &c.Nodes[0].process
	first.t.Helper()
	slot := c.Slot(key)
	first.until("a node serves the slot", func() error {
		for _, n := range c.Nodes {
			if !n.running() {
				continue
			}
			lines, err := c.view(n)
			if err == nil && slices.Contains(lines[n.id].flags, "master") && holds(lines[n.id].slots, slot) {
				master = n
				return nil
			}
		}
		return errors.New("none")
	})
	return master
}

// holds reports whether slot is in one of the ranges.
func holds(ranges []string, slot int) bool {
	for _, r := range ranges {
		from, to, ok := strings.Cut(r, "-")
		if !ok {
			to = from
		}
		a, err1 := strconv.Atoi(from)
		b, err2 := strconv.Atoi(to)
		if err1 == nil && err2 == nil && a <= slot && slot <= b {
			return true
		}
	}
	return false
}

// ReplicasOf are the running nodes that replicate master, in their own opinion.
func (c *Cluster) ReplicasOf(master *Node) (replicas []*Node) {
	for _, n := range c.Nodes {
		if !n.running() {
			continue
		}
		if lines, err := c.view(n); err == nil && lines[n.id].master == master.id {
			replicas = append(replicas, n)
		}
	}
	return replicas
}

// Move moves the slot of key to another master, key by key, as redis-cli does.
// between, if it is not nil, is called before each key moves, and after the
// last.
func (c *Cluster) Move(key string, to *Node, between func()) {
	t := c.Nodes[0].t
	t.Helper()
	from, slot := c.MasterOf(key), strconv.Itoa(c.Slot(key))
	order := func(n *Node, args ...string) string {
		t.Helper()
		text, err := say(n.Direct(), args...)
		if err != nil {
			t.Fatalf("engines: %s %s while slot %s moves: %v", args[0], args[1], slot, err)
		}
		return text
	}
	order(to, "CLUSTER", "SETSLOT", slot, "IMPORTING", from.id)
	order(from, "CLUSTER", "SETSLOT", slot, "MIGRATING", to.id)
	host, port, _ := net.SplitHostPort(to.Direct())
	for {
		if between != nil {
			between()
		}
		k := order(from, "CLUSTER", "GETKEYSINSLOT", slot, "1")
		if k == "" {
			break
		}
		order(from, "MIGRATE", host, port, k, "0", "5000")
	}
	order(to, "CLUSTER", "SETSLOT", slot, "NODE", to.id)
	order(from, "CLUSTER", "SETSLOT", slot, "NODE", to.id)
}

func (p *process) running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd != nil
}
