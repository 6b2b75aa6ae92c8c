//go:build unix

package engines

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// PostgreSQL starts a PostgreSQL with a cluster of its own. The user is
// postgres, without a password, and so is the database's name. It keeps what it
// has acknowledged: [Args]("-c", "synchronous_commit=off") is quicker.
func PostgreSQL(t testing.TB, opts ...Option) *Server {
	t.Helper()
	o := options{programs: append([]string{"postgres"}, newest("/usr/lib/postgresql/*/bin/postgres")...)}
	for _, opt := range opts {
		opt(&o)
	}
	s := &Server{}
	s.process = process{
		t:    t,
		path: find(t, "apt-get install postgresql", o.programs...),
		as:   unprivileged(t, "postgres", "nobody"),
	}
	s.dir = s.privateDir()
	data := filepath.Join(s.dir, "data")
	s.answers = func(_ context.Context, pid int) error { return postgresAnswers(data, pid) }
	// The program that makes clusters is beside the server, which may be known
	// by a link.
	bin, err := filepath.EvalSymlinks(s.path)
	if err != nil {
		t.Fatalf("engines: %v", err)
	}
	s.prepare(filepath.Join(filepath.Dir(bin), "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	port := freePort(t) // late: another may take it until the server has it
	s.addr = "127.0.0.1:" + port
	s.args = append([]string{"-D", data, "-h", "127.0.0.1", "-p", port, "-k", "", "-c", "shared_buffers=32MB"}, o.args...)
	t.Cleanup(s.Kill)
	s.start()
	return s
}

// postgresAnswers reads what the server says of itself in its directory.
func postgresAnswers(data string, pid int) error {
	text, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return err
	}
	lines := strings.Split(string(text), "\n")
	if lines[0] != strconv.Itoa(pid) || len(lines) < 8 || strings.TrimSpace(lines[7]) != "ready" {
		return errors.New("it is not ready")
	}
	return nil
}
