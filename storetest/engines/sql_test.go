//go:build unix

package engines

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// greeted reports whether a server answers: MariaDB greets whoever comes, and
// PostgreSQL answers when it is asked for encryption.
func greeted(conn net.Conn, patience time.Duration, request string) error {
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, request); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, make([]byte, 1))
	return err
}

const askEncryption = "\x00\x00\x00\x08\x04\xd2\x16\x2f"

func TestPostgreSQL(t *testing.T) {
	sqlServer(t, PostgreSQL(t, Args("-c", "log_min_duration_statement=0")), askEncryption, "ready to accept connections")
}

func TestMariaDB(t *testing.T) {
	sqlServer(t, MariaDB(t, Args("--innodb-flush-log-at-trx-commit=2")), "", "ready for connections")
}

func sqlServer(t *testing.T, s *Server, request, ready string) {
	connect := func() (net.Conn, error) {
		conn, err := net.Dial("tcp", s.Addr())
		if err == nil {
			t.Cleanup(func() { conn.Close() })
		}
		return conn, err
	}
	answers := func(what string) {
		t.Helper()
		conn, err := connect()
		if err == nil {
			err = greeted(conn, 10*time.Second, request)
		}
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	if !strings.HasPrefix(s.Addr(), "127.0.0.1:") {
		t.Errorf("the server listens on %s", s.Addr())
	}
	answers("a new server")
	s.Kill()
	if _, err := connect(); err == nil {
		t.Error("a killed server answers")
	}
	s.Kill() // again: it does no harm
	for range 3 {
		s.Restart()
		answers("a restarted server")
	}
	s.Pause()
	conn, err := connect() // the kernel takes it
	if err != nil {
		t.Fatal(err)
	}
	if err := greeted(conn, 100*time.Millisecond, request); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a paused server: %v", err)
	}
	s.Resume()
	answers("a resumed server")
	if !strings.Contains(s.Log(), ready) {
		t.Errorf("the log is %q", s.Log())
	}
	if files, err := os.ReadDir(s.Dir()); err != nil || len(files) < 2 {
		t.Errorf("the server's directory holds %d files, %v", len(files), err)
	}
	s.Pause() // a paused server ends with its test too
}

// What cannot be started fails the test, and says why.
func TestSQLRemedies(t *testing.T) {
	type start func(testing.TB, ...Option) *Server
	for _, c := range []struct {
		start start
		opt   Option
		want  string
	}{
		{PostgreSQL, Program("no-such-postgres"), "apt-get install postgresql"},
		{PostgreSQL, Args("-c", "no_such_setting=1"), "no_such_setting"},
		{MariaDB, Program("no-such-mariadbd"), "apt-get install mariadb-server"},
		{MariaDB, Args("--no-such-option=1"), "no-such-option"},
	} {
		if got := fatal(t, func(t testing.TB) { c.start(t, c.opt) }); !strings.Contains(got, c.want) {
			t.Errorf("the failure says %q, and not %q", got, c.want)
		}
	}
}
