package redisstore

import (
	"bufio"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// A raw is a plain connection with a server, which shows what the store did
// there without any of the store's code.
type raw struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

func dialRaw(t testing.TB, addr string) *raw {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(10 * time.Minute))
	return &raw{t, conn, bufio.NewReaderSize(conn, 1<<16)}
}

// do runs a command and returns its answer on one line; lists are flat.
func (r *raw) do(args ...string) string {
	r.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	if _, err := r.conn.Write([]byte(b.String())); err != nil {
		r.t.Fatal(err)
	}
	return r.read()
}

func (r *raw) read() string {
	r.t.Helper()
	line := r.line()
	switch line[0] {
	case '$':
		n, _ := strconv.Atoi(line[1:])
		if n < 0 {
			return ""
		}
		text := make([]byte, n+2)
		for i := range text {
			c, err := r.r.ReadByte()
			if err != nil {
				r.t.Fatal(err)
			}
			text[i] = c
		}
		return string(text[:n])
	case '*':
		n, _ := strconv.Atoi(line[1:])
		var parts []string
		for range n {
			parts = append(parts, r.read())
		}
		return strings.Join(parts, " ")
	case '-':
		return line
	}
	return line[1:]
}

func (r *raw) line() string {
	r.t.Helper()
	line, err := r.r.ReadString('\n')
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.TrimRight(line, "\r\n")
}

// info returns a number from INFO.
func (r *raw) info(section, name string) int64 {
	r.t.Helper()
	for _, line := range strings.Split(r.do("INFO", section), "\r\n") {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				r.t.Fatal(err)
			}
			return n
		}
	}
	r.t.Fatalf("INFO %s has no %s", section, name)
	return 0
}

// calls is how often the server has run a command, from scripts too.
func (r *raw) calls(command string) int {
	r.t.Helper()
	for _, line := range strings.Split(r.do("INFO", "commandstats"), "\r\n") {
		if rest, ok := strings.CutPrefix(line, "cmdstat_"+command+":calls="); ok {
			count, _, _ := strings.Cut(rest, ",")
			n, _ := strconv.Atoi(count)
			return n
		}
	}
	return 0
}

// cpu is how much of a processor's time the server has taken, in microseconds.
func (r *raw) cpu() (sum float64) {
	r.t.Helper()
	info := r.do("INFO", "cpu")
	for _, name := range []string{"\nused_cpu_user:", "\nused_cpu_sys:"} {
		_, text, _ := strings.Cut(info, name)
		text, _, _ = strings.Cut(text, "\r")
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			r.t.Fatal(err)
		}
		sum += n * 1e6
	}
	return sum
}

// eventually polls until cond holds.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !cond(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not within 20 seconds: " + what)
		}
	}
}

// newRecord is a session of owner that lives for an hour.
func newRecord(owner string) *store.Record {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return &store.Record{
		Header: store.Header{
			Kind: store.KindSession, Handle: store.NewHandle(owner), Owner: owner, Version: store.NewVersion(),
			Created: now, LastSeen: now, IdleDeadline: now.Add(time.Hour), AbsoluteDeadline: now.Add(12 * time.Hour),
		},
		Facts: "facts", Verifiers: "secret verifiers", State: "secret state",
	}
}

func options() store.CreateOptions { return store.CreateOptions{Now: time.Now(), End: ending()} }

func ending() store.Ending { return store.Ending{Mark: store.NewVersion(), Now: time.Now()} }

// made creates rec, or ends the test.
func made(t testing.TB, s *Store, rec *store.Record) *store.Record {
	t.Helper()
	if _, err := s.Create(t.Context(), rec, options()); err != nil {
		t.Fatal(err)
	}
	return rec
}
