package drivertest

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/sqlstore"
	"github.com/sojourn-go/sojourn/store"
)

// childRole in the environment makes this program a child of the test.
const childRole = "DRIVERTEST_CHILD"

func TestMain(m *testing.M) {
	role := os.Getenv(childRole)
	if role == "" {
		os.Exit(m.Run())
	}
	if err := runChild(role, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// patience is how long anything here may take with other processes.
const patience = time.Minute

func runChild(role string, args []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	// The first two say which database, the third may be a number.
	db, dialect, err := openNamed(args[0], args[1])
	if err != nil {
		return err
	}
	defer db.Close()
	s, err := sqlstore.New(db, dialect)
	if err != nil {
		return err
	}
	if err := s.CreateTable(ctx); err != nil {
		return err
	}
	n := 0
	if len(args) > 2 {
		if n, err = strconv.Atoi(args[2]); err != nil {
			return err
		}
	}
	switch role {
	case "hammer":
		return hammer(ctx, s, args[3], n)
	case "load":
		return load(ctx, s, os.Stdout)
	case "sweep":
		return sweepFor(ctx, s, n, os.Stdout)
	}
	return fmt.Errorf("no such role: %s", role)
}

// openNamed opens a database whose dialect has a name, as a parent said it.
func openNamed(name, dsn string) (*sql.DB, sqlstore.Dialect, error) {
	switch name {
	case "PostgreSQL":
		db, err := openServer("pgx", dsn)
		return db, sqlstore.PostgreSQL, err
	case "MariaDB":
		db, err := openServer("mysql", dsn)
		return db, sqlstore.MariaDB, err
	}
	db, err := openFile(dsn)
	return db, sqlstore.SQLite, err
}

func child(ctx context.Context, role string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), childRole+"="+role)
	cmd.Stderr = new(strings.Builder)
	return cmd
}

func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

func newRecord(owner string) *store.Record {
	at := now()
	return &store.Record{
		Header: store.Header{
			Kind: store.KindSession, Handle: store.NewHandle(owner), Owner: owner, Version: store.NewVersion(),
			Created: at, LastSeen: at, IdleDeadline: at.Add(time.Hour), AbsoluteDeadline: at.Add(12 * time.Hour),
		},
		Verifiers: "verifiers", State: "0",
	}
}

// hammer adds 1 to the number in a record's state, n times, and does what else
// happens to a record. Only a conflict is no error: it tries again.
func hammer(ctx context.Context, s store.Store, handle string, n int) error {
	for done := 0; done < n; {
		rec, err := s.Load(ctx, handle)
		if err != nil {
			return err
		}
		from := rec.Version
		count, err := strconv.Atoi(rec.State)
		if err != nil {
			return err
		}
		rec.Version, rec.State = store.NewVersion(), strconv.Itoa(count+1)
		switch err := s.Apply(ctx, rec, from, now()); {
		case err == nil:
			done++
		case !errors.Is(err, store.ErrConflict):
			return err
		}
		if err := beside(ctx, s, handle); err != nil {
			return err
		}
	}
	return nil
}

// beside does the other verbs once.
func beside(ctx context.Context, s store.Store, handle string) error {
	rec := newRecord("beside")
	end := store.Ending{Mark: store.NewVersion(), Now: now()}
	if err := s.Touch(ctx, handle, now(), now().Add(time.Hour)); err != nil {
		return err
	}
	if _, err := s.Create(ctx, rec, store.CreateOptions{Now: now(), Limit: 3, EndOldest: true, End: end}); err != nil {
		return err
	}
	// Another may have ended it for the limit.
	if err := s.Delete(ctx, rec.Handle, end); err != nil && !errors.Is(err, store.ErrGone) {
		return err
	}
	_, err := s.Sweep(ctx, now().Add(store.MinHold), 100)
	return err
}

// TestProcesses has four processes change one record: every change is there at
// the end, and nobody met an error.
func TestProcesses(t *testing.T) {
	path := newFile(t)
	processes(t, storeOn(t, open(t, path)), "SQLite", path)
}

func processes(t *testing.T, s *sqlstore.Store, name, dsn string) {
	const processes, each = 3, 100
	rec := newRecord("alice")
	if _, err := s.Create(t.Context(), rec, store.CreateOptions{Now: now()}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var children []*exec.Cmd
	for range processes {
		cmd := child(ctx, "hammer", name, dsn, strconv.Itoa(each), rec.Handle)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		children = append(children, cmd)
	}
	// Here several goroutines at once.
	errs := make(chan error, 4)
	for range cap(errs) {
		go func() { errs <- hammer(ctx, s, rec.Handle, each/4) }()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	for _, cmd := range children {
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %s", err, cmd.Stderr)
		}
	}
	got, err := s.Load(t.Context(), rec.Handle)
	if err != nil {
		t.Fatal(err)
	}
	if want := strconv.Itoa((processes + 1) * each); got.State != want {
		t.Errorf("%s changes of %s are there", got.State, want)
	}
}

// load makes, changes and ends records, and says so after each.
func load(ctx context.Context, s store.Store, out io.Writer) error {
	for range 1000 {
		rec := newRecord("")
		if _, err := s.Create(ctx, rec, store.CreateOptions{Now: now()}); err != nil {
			return err
		}
		fmt.Fprintln(out, rec.Handle, 0)
		for i := 1; i <= 5; i++ {
			from := rec.Version
			rec.Version, rec.State = store.NewVersion(), strconv.Itoa(i)
			if err := s.Apply(ctx, rec, from, now()); err != nil {
				return err
			}
			fmt.Fprintln(out, rec.Handle, i)
		}
		if rec.Version%2 == 0 {
			continue
		}
		if err := s.Delete(ctx, rec.Handle, store.Ending{Mark: 1, Now: now()}); err != nil {
			return err
		}
		fmt.Fprintln(out, rec.Handle, ended)
	}
	return nil
}

const ended = 6

// TestKilled kills a process in the middle of its writes, ten times on one file.
// What it said is done is there, and at most one thing more.
func TestKilled(t *testing.T) {
	path := newFile(t)
	said := map[string]int{}
	for round := range 10 {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		cmd := child(ctx, "load", "SQLite", path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			handle, step, _ := strings.Cut(lines.Text(), " ")
			if said[handle], err = strconv.Atoi(step); err != nil {
				t.Fatal(err)
			}
			if n == 40+17*round {
				cmd.Process.Kill() // SIGKILL; what is in the pipe is read still
			}
		}
		err = cmd.Wait()
		cancel()
		if err == nil || len(said) == 0 {
			t.Fatalf("the process was not killed: %v %s", err, cmd.Stderr)
		}
		checkSaid(t, path, said)
	}
}

func checkSaid(t *testing.T, path string, said map[string]int) {
	t.Helper()
	db, err := openFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s, err := sqlstore.New(db, sqlstore.SQLite)
	if err != nil {
		t.Fatal(err)
	}
	var verdict string
	if err := db.QueryRow(`PRAGMA integrity_check`).Scan(&verdict); err != nil || verdict != "ok" {
		t.Fatal(verdict, err)
	}
	for handle, step := range said {
		got := ended
		rec, err := s.Load(t.Context(), handle)
		if err == nil {
			got, err = strconv.Atoi(rec.State)
		}
		if err != nil && !errors.Is(err, store.ErrGone) {
			t.Fatal(err)
		}
		if got != step && got != step+1 {
			t.Errorf("a record is at step %d, and the process had said %d", got, step)
		}
	}
}
