//go:build unix

package engines

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// ask sends one line to the server at addr on a connection of its own, and
// returns the first line of the answer.
func ask(t *testing.T, addr, line string) (string, error) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return askOn(conn, line, 5*time.Second)
}

func askOn(conn net.Conn, line string, patience time.Duration) (string, error) {
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := fmt.Fprintf(conn, "%s\r\n", line); err != nil {
		return "", err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(answer), err
}

func must(t *testing.T, addr, line, want string) {
	t.Helper()
	if got, err := ask(t, addr, line); err != nil || got != want {
		t.Fatalf("%s: %q, %v; want %q", line, got, err, want)
	}
}

func TestRedis(t *testing.T) {
	s := Redis(t, AppendOnly("always"))
	if !strings.HasPrefix(s.Addr(), "127.0.0.1:") {
		t.Errorf("the server listens on %s", s.Addr())
	}
	must(t, s.Addr(), "SET k v", "+OK")
	s.Kill()
	if _, err := ask(t, s.Addr(), "PING"); err == nil {
		t.Error("a killed server answers")
	}
	s.Kill() // again: it does no harm
	s.Restart()
	must(t, s.Addr(), "EXISTS k", ":1")

	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s.Pause()
	if got, err := askOn(conn, "PING", 100*time.Millisecond); err == nil {
		t.Errorf("a paused server answers %q", got)
	}
	s.Resume()
	if got, err := askOn(conn, "PING", 5*time.Second); err != nil {
		t.Errorf("a resumed server: %q, %v", got, err)
	}
	if !strings.Contains(s.Log(), "Ready to accept connections") {
		t.Errorf("the log is %q", s.Log())
	}
	if files, err := os.ReadDir(s.Dir()); err != nil || len(files) < 2 {
		t.Errorf("the server's directory holds %d files, %v", len(files), err)
	}
	s.Pause() // a paused server ends with its test too
}

func TestRedisKeepsNothing(t *testing.T) {
	s := Redis(t, Args("--requirepass", "secret"))
	must(t, s.Addr(), "PING", "-NOAUTH Authentication required.")
	s = Redis(t)
	must(t, s.Addr(), "SET k v", "+OK")
	s.Restart()
	must(t, s.Addr(), "EXISTS k", ":0")
}

// TestServerEndsWithItsTest is run by itself in a process that is killed.
func TestServerEndsWithItsTest(t *testing.T) {
	if os.Getenv("ENGINES_CHILD") != "" {
		s := Redis(t)
		fmt.Println("addr " + s.Addr())
		select {}
	}
	for _, kill := range []bool{true, false} {
		if got := killed(t, kill); got != "" {
			t.Error(got)
		}
	}
}

func killed(t *testing.T, kill bool) string {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestServerEndsWithItsTest$", "-test.timeout=1m")
	child.Env = append(os.Environ(), "ENGINES_CHILD=1", "TMPDIR="+t.TempDir())
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer child.Process.Kill()
	lines, addr := bufio.NewScanner(out), ""
	for addr == "" && lines.Scan() {
		addr, _ = strings.CutPrefix(lines.Text(), "addr ")
	}
	must(t, addr, "PING", "+PONG")
	if kill {
		child.Process.Kill()
	} else {
		child.Process.Signal(os.Interrupt)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := ask(t, addr, "PING"); err != nil {
			return ""
		}
		if time.Now().After(deadline) {
			ask(t, addr, "SHUTDOWN NOSAVE")
			return "the server outlives a test that was killed"
		}
	}
}

// What cannot be started fails the test, and says why.
func TestRemedies(t *testing.T) {
	for name, opts := range map[string][]Option{
		"apt-get install redis-server": {Program("no-such-redis-server")},
		"FATAL CONFIG FILE ERROR":      {Args("--no-such-option", "1")},
	} {
		if got := fatal(t, func(t testing.TB) { Redis(t, opts...) }); !strings.Contains(got, name) {
			t.Errorf("the failure says %q, and not %q", got, name)
		}
	}
}

// A recorder is a test whose failure is kept.
type recorder struct {
	testing.TB
	failure string
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.failure = fmt.Sprintf(format, args...)
	panic(r)
}

func fatal(t *testing.T, f func(testing.TB)) (failure string) {
	r := &recorder{TB: t}
	defer func() {
		if p := recover(); p != nil && p != any(r) {
			panic(p)
		}
		failure = r.failure
	}()
	f(r)
	return
}

func TestProxy(t *testing.T) {
	s := Redis(t)
	p := NewProxy(t, s.Addr())
	connect := func() net.Conn {
		conn, err := net.Dial("tcp", p.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	works := func(conn net.Conn) {
		t.Helper()
		if got, err := askOn(conn, "PING", 5*time.Second); err != nil || got != "+PONG" {
			t.Fatalf("through the proxy: %q, %v", got, err)
		}
	}
	conn := connect()
	works(conn)
	if p.Open() != 1 {
		t.Errorf("%d clients are connected", p.Open())
	}

	p.Next(Drop)
	if got, err := askOn(conn, "INCR dropped", 5*time.Second); err != io.EOF {
		t.Errorf("an answer that was dropped: %q, %v, want EOF", got, err)
	}
	must(t, s.Addr(), "INCR dropped", ":2") // it was done
	conn = connect()
	works(conn)

	// silent sends a line, waits until the proxy has met it, and requires that
	// no answer is there.
	silent := func(conn net.Conn, line string, met func(before, now Counts) bool) {
		t.Helper()
		before := p.Counts()
		if _, err := fmt.Fprintf(conn, "%s\r\n", line); err != nil {
			t.Fatal(err)
		}
		polled(t, "the proxy meets "+line, func() bool { return met(before, p.Counts()) })
		conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		if n, err := conn.Read(make([]byte, 100)); !os.IsTimeout(err) {
			t.Errorf("%q has an answer of %d bytes, %v, want none", line, n, err)
		}
	}
	dropped := func(before, now Counts) bool { return now.Dropped > before.Dropped }
	asked := func(before, now Counts) bool { return now.Requests > before.Requests }

	p.Next(Stall)
	silent(conn, "INCR stalled", dropped)
	must(t, s.Addr(), "INCR stalled", ":2")
	silent(conn, "INCR stalled", asked)
	conn = connect()
	works(conn)

	p.BlackHole(true)
	silent(conn, "INCR hole", asked)
	must(t, s.Addr(), "EXISTS hole", ":0")
	p.BlackHole(false)
	polled(t, "what was held back arrives", func() bool {
		got, err := ask(t, s.Addr(), "EXISTS hole")
		return err == nil && got == ":1"
	})
	works(connect())

	p.Refuse(true)
	if got, err := ask(t, p.Addr(), "PING"); err == nil {
		t.Errorf("a proxy that refuses: %q", got)
	}
	p.Refuse(false)
	p.Delay(50 * time.Millisecond)
	began := time.Now()
	works(connect())
	if took := time.Since(began); took < 100*time.Millisecond {
		t.Errorf("a delay of 50 ms each way took %s", took)
	}
	p.Delay(0)
	conn = connect()
	works(conn)
	p.Cut()
	if got, err := askOn(conn, "PING", 5*time.Second); err == nil {
		t.Errorf("on a connection that was cut: %q", got)
	}
	if c := p.Counts(); c.Dropped != 2 || c.Refused != 1 || c.Requests < 8 || c.Answers < 8 {
		t.Errorf("the counts are %+v", c)
	}
}

// polled waits until cond holds.
func polled(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 seconds: %s", what)
		}
	}
}

func TestProxySometimes(t *testing.T) {
	s := Redis(t)
	lost := func(seed uint64) (lost string) {
		p := NewProxy(t, s.Addr())
		p.Sometimes(Drop, 0.5, seed)
		for range 40 {
			if _, err := ask(t, p.Addr(), "PING"); err != nil {
				lost += "x"
			} else {
				lost += "."
			}
		}
		return lost
	}
	a, b := lost(1), lost(1)
	if a != b {
		t.Errorf("the same seed loses %s and %s", a, b)
	}
	if n := strings.Count(a, "x"); n < 8 || n > 32 || a == lost(2) {
		t.Errorf("of 40 answers, of which half should be lost, %d are: %s", n, a)
	}
}
