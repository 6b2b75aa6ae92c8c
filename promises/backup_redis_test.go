package promises

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/storetest/engines"
)

// TestBackupRedis: the file that BGSAVE makes, started by another server.
func TestBackupRedis(t *testing.T) {
	from := engines.Redis(t)
	backedUp(t, "redis://"+from.Addr(), func() []byte {
		redisSays(t, from.Addr(), "BGSAVE", "Background saving started")
		poll(t, "BGSAVE", func() bool {
			info := redisSays(t, from.Addr(), "INFO persistence", "")
			return strings.Contains(info, "rdb_bgsave_in_progress:0") && strings.Contains(info, "rdb_last_bgsave_status:ok")
		})
		content, err := os.ReadFile(filepath.Join(from.Dir(), "dump.rdb"))
		if err != nil {
			t.Fatal(err)
		}
		return content
	}, func(content []byte) string {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "dump.rdb"), content, 0o600); err != nil {
			t.Fatal(err)
		}
		return "redis://" + engines.Redis(t, engines.Args("--dir", dir)).Addr()
	})
}

// redisSays sends a command and returns what comes, which is to have want in it.
func redisSays(t *testing.T, addr, command, want string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(conn, "%s\r\nPING\r\n", command)
	var b strings.Builder
	for lines := bufio.NewScanner(conn); lines.Scan() && lines.Text() != "+PONG"; {
		b.WriteString(lines.Text() + "\n")
	}
	if !strings.Contains(b.String(), want) {
		t.Fatalf("%s: %s", command, b.String())
	}
	return b.String()
}
