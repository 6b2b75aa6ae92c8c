//go:build unix

package engines

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
)

// A Server is a database server that runs for one test.
type Server struct {
	process
	addr string
}

// Addr is where the server listens: 127.0.0.1 and a port, which a restart
// does not change.
func (s *Server) Addr() string { return s.addr }

// An Option changes how a server is started.
type Option func(*options)

type options struct {
	programs []string
	args     []string
}

func newOptions(opts []Option) options {
	o := options{programs: []string{"redis-server", "valkey-server"}}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// find returns the path of the server program.
func (o options) find(t testing.TB) string {
	t.Helper()
	return find(t, "apt-get install redis-server", o.programs...)
}

// Program names the server program, in place of the ones that are looked for.
func Program(name string) Option {
	return func(o *options) { o.programs = []string{name} }
}

// Args adds arguments to the server's command line.
func Args(args ...string) Option {
	return func(o *options) { o.args = append(o.args, args...) }
}

// AppendOnly has a Redis write every change to a file, which it hands to the
// disk as fsync says: "always", "everysec" or "no".
func AppendOnly(fsync string) Option { return Args("--appendonly", "yes", "--appendfsync", fsync) }

// Redis starts a Redis, or a Valkey if only that is installed. Without
// [AppendOnly] it keeps nothing over a restart. It evicts nothing.
func Redis(t testing.TB, opts ...Option) *Server {
	t.Helper()
	o := newOptions(opts)
	s := &Server{}
	port := freePort(t)
	s.addr = "127.0.0.1:" + port
	s.process = process{
		t:    t,
		path: o.find(t),
		dir:  t.TempDir(),
		args: append([]string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
			"--maxmemory-policy", "noeviction", "--daemonize", "no"}, o.args...),
		answers: func(ctx context.Context, pid int) error { return redisAnswers(ctx, s.addr, pid) },
	}
	t.Cleanup(s.Kill)
	s.start()
	return s
}

// redisAnswers reports whether the server at addr answers and is ours: another
// one may have taken the port meanwhile. One that is loading its data does not
// answer yet; one that wants a password does not say who it is.
func redisAnswers(ctx context.Context, addr string, pid int) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	if _, err := fmt.Fprint(conn, "PING\r\nINFO server\r\n"); err != nil {
		return err
	}
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		switch line := lines.Text(); {
		case strings.HasPrefix(line, "-NOAUTH"), line == "process_id:"+strconv.Itoa(pid):
			return nil
		case strings.HasPrefix(line, "-"), strings.HasPrefix(line, "process_id:"):
			return errors.New("the answer was " + line)
		}
	}
	return cmp.Or(lines.Err(), io.ErrUnexpectedEOF)
}
