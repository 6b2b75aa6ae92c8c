package promises

import (
	"bufio"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn"
	"github.com/sojourn-go/sojourn/storetest/engines"
)

// A monitor lists the commands that a Redis is sent.
type monitor struct {
	mu    sync.Mutex
	lines []string
	conn  net.Conn
}

func newMonitor(t testing.TB, addr string) *monitor {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprint(conn, "MONITOR\r\n")
	in := bufio.NewReader(conn)
	if line, err := in.ReadString('\n'); err != nil || line != "+OK\r\n" {
		t.Fatalf("MONITOR: %q, %v", line, err)
	}
	m := &monitor{conn: conn}
	go func() {
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			if !strings.Contains(line, "[0 lua]") { // what a script does is no round trip
				m.mu.Lock()
				m.lines = append(m.lines, strings.TrimSpace(line))
				m.mu.Unlock()
			}
		}
	}()
	return m
}

// take returns the commands since the last time, up to a mark that it sends
// itself.
func (m *monitor) take(t testing.TB, addr string) (commands []string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	mark := fmt.Sprint("mark", time.Now().UnixNano())
	fmt.Fprintf(conn, "ECHO %s\r\n", mark)
	end := -1
	poll(t, "the mark in MONITOR", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		end = slices.IndexFunc(m.lines, func(line string) bool { return strings.Contains(line, mark) })
		return end >= 0
	})
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, line := range m.lines[:end] {
		_, command, _ := strings.Cut(line, "] ")
		if !strings.HasPrefix(command, `"PING"`) && !strings.HasPrefix(command, `"CLIENT"`) && !strings.HasPrefix(command, `"HELLO"`) {
			commands = append(commands, command)
		}
	}
	m.lines = slices.Clone(m.lines[end+1:])
	return commands
}

// TestRoundTrips: what a request costs on the wire: untouched 0, read 1, write
// 2, and at most one touch an interval (promise 10).
func TestRoundTrips(t *testing.T) {
	server := engines.Redis(t)
	s := openFor(t, "redis://"+server.Addr())
	site, err := newSite(s, func(c *sojourn.Config) { c.IdleTimeout, c.TouchInterval = 10*time.Second, 2*time.Second })
	if err != nil {
		t.Fatal(err)
	}
	v := newVisitor(t, inProcess(t, site))
	// Each script is loaded once a server, that of a touch too.
	v.must("/count")
	begun := time.Now()
	poll(t, "a touch", func() bool { v.must("/read"); return time.Since(begun) > 2100*time.Millisecond })
	for _, path := range []string{"/regenerate?name=x", "/end"} {
		v.must(path)
	}
	m := newMonitor(t, server.Addr())
	v = newVisitor(t, v.base)
	for _, test := range []struct {
		path string
		want int
	}{
		{"/untouched", 0},
		{"/read", 0}, // there is no cookie
		{"/end", 0},
		{"/count", 1}, // new
		{"/untouched", 0},
		{"/read", 1},
		{"/count", 2},
		{"/field?name=x", 2},
		{"/field?name=x", 1}, // it is there already
		{"/regenerate?name=y", 2},
		{"/sign-in?owner=alice", 3}, // load, create, end the one before
		{"/sign-in?owner=alice", 2}, // load, create and end in one
		{"/read", 1},
		{"/end", 2},
	} {
		v.must(test.path)
		if got := m.take(t, server.Addr()); len(got) != test.want {
			t.Errorf("%s: %d commands, want %d: %.300q", test.path, len(got), test.want, got)
		}
	}
	begun = time.Now()
	v.must("/count")
	m.take(t, server.Addr())
	reads := 0
	poll(t, "three intervals", func() bool {
		for range 5 {
			v.must("/read")
			reads++
		}
		return time.Since(begun) > 6*time.Second
	})
	commands, took := m.take(t, server.Addr()), time.Since(begun)
	touches := len(commands) - reads
	if touches < 2 || touches > int(took/(2*time.Second)) {
		t.Errorf("%d touches in %v with %d reads", touches, took, reads)
		for _, c := range commands {
			if !strings.HasPrefix(c, `"GET"`) {
				t.Logf("%.120q", c)
			}
		}
	}
}
