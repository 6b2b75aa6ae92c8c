//go:build unix

package engines

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// MariaDB starts a MariaDB with data of its own. The user is root, without a
// password, and the database's name is test. It keeps what it has acknowledged:
// [Args]("--innodb-flush-log-at-trx-commit=0") is quicker.
func MariaDB(t testing.TB, opts ...Option) *Server {
	t.Helper()
	o := options{programs: []string{"mariadbd", "/usr/sbin/mariadbd"}}
	for _, opt := range opts {
		opt(&o)
	}
	s := &Server{}
	s.process = process{
		t:    t,
		path: find(t, "apt-get install mariadb-server", o.programs...),
		as:   unprivileged(t, "mysql", "nobody"),
	}
	install := find(t, "apt-get install mariadb-server", "mariadb-install-db", "mysql_install_db")
	s.dir = s.privateDir()
	data, socket, first := filepath.Join(s.dir, "data"), filepath.Join(s.dir, "socket"), filepath.Join(s.dir, "first.sql")
	if err := os.WriteFile(first, []byte("CREATE DATABASE IF NOT EXISTS test;\n"), 0o644); err != nil {
		t.Fatalf("engines: %v", err)
	}
	s.prepare(install, "--no-defaults", "--datadir="+data, "--auth-root-authentication-method=normal", "--skip-test-db",
		"--skip-name-resolve", "--innodb-log-file-size=16M", "--innodb-flush-log-at-trx-commit=0", "--sync-frm=0")
	port := freePort(t) // late: another may take it until the server has it
	s.addr = "127.0.0.1:" + port
	s.args = append([]string{"--no-defaults", "--datadir=" + data, "--bind-address=127.0.0.1", "--port=" + port, "--socket=" + socket,
		"--init-file=" + first, "--skip-name-resolve", "--innodb-log-file-size=16M", "--innodb-buffer-pool-size=64M"}, o.args...)
	s.answers = func(ctx context.Context, _ int) error { return mariaAnswers(ctx, socket) }
	t.Cleanup(s.Kill)
	s.start()
	return s
}

// mariaAnswers asks the socket in the server's own directory for a greeting. A
// server whose port another one has taken does not come as far.
func mariaAnswers(ctx context.Context, socket string) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	_, err = io.ReadFull(conn, make([]byte, 5))
	return err
}
