package promises

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/sqlstore"
	"github.com/sojourn-go/sojourn/storetest/engines"
)

// TestBackupSQL makes a backup of a store that is written to, with the command that
// docs/operations.md names, and a store of it in an empty place.
func TestBackupSQL(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		dir := t.TempDir()
		file, backup := filepath.Join(dir, "sessions.db"), filepath.Join(dir, "copy.db")
		backedUp(t, "sqlite:"+file, func() []byte {
			db, err := sql.Open("sqlite3", sqlstore.SQLiteDSN(file))
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec(`VACUUM INTO '` + backup + `'`); err != nil {
				t.Fatal(err)
			}
			content, err := os.ReadFile(backup)
			if err != nil {
				t.Fatal(err)
			}
			return content
		}, func([]byte) string { return "sqlite:" + backup })
	})
	t.Run("postgresql", func(t *testing.T) {
		from := postgresURL(engines.PostgreSQL(t).Addr())
		backedUp(t, from, func() []byte {
			return command(t, "postgresql-client", nil, "pg_dump", "-t", "sojourn_records*", from)
		}, func(dump []byte) string {
			to := postgresURL(engines.PostgreSQL(t).Addr())
			command(t, "postgresql-client", dump, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-", to)
			return to
		})
	})
	t.Run("mariadb", func(t *testing.T) {
		at := func(addr string) []string {
			host, port, _ := net.SplitHostPort(addr)
			return []string{"--no-defaults", "--skip-ssl", "--user=root", "--host=" + host, "--port=" + port}
		}
		from := engines.MariaDB(t).Addr()
		backedUp(t, mariaURL(from), func() []byte {
			return command(t, "mariadb-client", nil, "mariadb-dump", append(at(from), "--single-transaction", "test", "sojourn_records", "sojourn_records_meta")...)
		}, func(dump []byte) string {
			to := engines.MariaDB(t).Addr()
			command(t, "mariadb-client", dump, "mariadb", append(at(to), "test")...)
			return mariaURL(to)
		})
	})
}

// command runs a program to its end and returns what it printed.
func command(t *testing.T, remedy string, input []byte, name string, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("%s is not installed: apt-get install %s", name, remedy)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var out, complaint bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &out, &complaint
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, complaint.String())
	}
	return out.Bytes()
}

// An account is what was acknowledged.
type account struct {
	carts map[string][]string // by the tokens of their sessions
	ended []string            // tokens of sessions that were signed out
	total int                 // items
}

// A ledger is an account that goes on.
type ledger struct {
	mu sync.Mutex
	account
}

func (l *ledger) copy() account {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := account{carts: map[string][]string{}, ended: slices.Clone(l.ended), total: l.total}
	for token, items := range l.carts {
		c.carts[token] = slices.Clone(items)
	}
	return c
}

// fillCarts has eight shoppers put items into their carts, one a request, until the
// test is over or stop is called; and one more who begins sessions and ends them.
func fillCarts(t *testing.T, base string) (l *ledger, stop func()) {
	l = &ledger{account: account{carts: map[string][]string{}}}
	var all sync.WaitGroup
	done := make(chan struct{})
	repeat := func(f func(n int) bool) {
		all.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
					if !f(n) {
						return
					}
				}
			}
		})
	}
	for i := range shoppers {
		v := newVisitor(t, base)
		v.must(fmt.Sprintf("/sign-in?owner=shopper%d", i))
		token := v.token()
		repeat(func(n int) bool {
			item := fmt.Sprintf("s%d-%d", i, n)
			response, body, err := get(base+"/add?item="+item, token)
			if err != nil || response.StatusCode != http.StatusOK {
				t.Errorf("beside a backup: %v %s", err, body)
				return false
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			l.carts[token] = append(l.carts[token], item)
			l.total++
			return true
		})
	}
	repeat(func(n int) bool {
		v := newVisitor(t, base)
		v.must("/add?item=x")
		token := v.token()
		v.must("/end")
		l.mu.Lock()
		defer l.mu.Unlock()
		l.ended = append(l.ended, token)
		return !t.Failed()
	})
	stop = sync.OnceFunc(func() { close(done); all.Wait() })
	t.Cleanup(stop)
	return l, stop
}

func (l *ledger) grows(t *testing.T, more int) {
	t.Helper()
	from := l.copy().total
	poll(t, "the service", func() bool { return t.Failed() || l.copy().total >= from+more })
}

// backedUp has dump make a backup of the store at url under a load, and restore a
// store of that: what was acknowledged before the backup began is there, what was
// signed out before is not, and the store works. No token is in the backup.
func backedUp(t *testing.T, url string, dump func() []byte, restore func([]byte) string) {
	site, err := newSite(openFor(t, url), nil)
	if err != nil {
		t.Fatal(err)
	}
	live, stop := fillCarts(t, inProcess(t, site))
	live.grows(t, 100)
	before := live.copy()
	began := time.Now()
	content := dump()
	took, during := time.Since(began), live.copy().total-before.total
	live.grows(t, 20) // it goes on
	stop()
	if len(before.ended) == 0 || len(before.carts) != shoppers {
		t.Fatalf("before the backup %d sessions were ended, and %d have carts", len(before.ended), len(before.carts))
	}
	t.Logf("%d bytes in %v, in which %d writes were acknowledged, after %d", len(content), took.Round(time.Millisecond), during, before.total)

	restored := openFor(t, restore(content))
	if site, err = newSite(restored, nil); err != nil {
		t.Fatal(err)
	}
	base := inProcess(t, site)
	for token, items := range before.carts {
		v := newVisitor(t, base)
		v.present(token)
		got := v.state().Cart
		if len(got) < len(items) || !slices.Equal(got[:len(items)], items) {
			t.Errorf("of %d items that were acknowledged before the backup, %d are there", len(items), len(got))
		}
		v.must("/add?item=after")
		if now := v.state().Cart; len(now) != len(got)+1 {
			t.Errorf("the restored store does not keep what it acknowledges")
		}
	}
	for _, token := range before.ended {
		v := newVisitor(t, base)
		v.present(token)
		if s := v.state(); !s.New || len(s.Cart) > 0 {
			t.Error("a session that was ended before the backup lives")
		}
	}
	v := newVisitor(t, base)
	v.must("/add?item=new")
	v.must("/sign-in?owner=shopper0")
	if s := v.state(); s.Owner != "shopper0" || !slices.Equal(s.Cart, []string{"new"}) {
		t.Errorf("a sign-in on the restored store gives %+v", s)
	}
	if n, err := site.manager.RevokeOwner(context.Background(), "shopper0", ""); err != nil || n != 2 {
		t.Errorf("RevokeOwner on the restored store: %d, %v", n, err)
	}
	for token := range before.carts {
		noSecret(t, content, token)
	}
}

// noSecret requires that content has the handle of a token, and not its secret.
func noSecret(t *testing.T, content []byte, token string) {
	t.Helper()
	handle, text, _ := strings.Cut(token, ".")
	secret, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(secret) != 32 {
		t.Fatalf("a token is of another form: %v", err)
	}
	has := func(what string) bool {
		return bytes.Contains(content, []byte(what)) || bytes.Contains(bytes.ToLower(content), []byte(hex.EncodeToString([]byte(what))))
	}
	for _, spelling := range []string{text, string(secret), base64.RawStdEncoding.EncodeToString(secret)} {
		if has(spelling) {
			t.Error("a secret is in the backup")
		}
	}
	sum := sha256.Sum256(secret)
	if !has(handle) || !has(string(sum[:8])) && !has(strings.NewReplacer("\x00", `\0`, "\n", `\n`, "\r", `\r`, `\`, `\\`, `'`, `\'`, `"`, `\"`, "\x1a", `\Z`).Replace(string(sum[:]))) {
		t.Error("a session's handle or hash is not in the backup: it is another one")
	}
}
