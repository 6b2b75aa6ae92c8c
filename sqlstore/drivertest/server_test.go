package drivertest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// serverProcesses has four processes change one record, beside everything else
// that happens to records. Deadlocks are no error, the store would begin anew,
// but there is to be none.
func serverProcesses(t *testing.T, e *engine) {
	s := e.store(t, e.open(t))
	before := deadlocks(t, e)
	processes(t, s, e.name, e.dsn)
	if n := deadlocks(t, e) - before; n != 0 {
		t.Errorf("%d deadlocks", n)
	}
}

// deadlocks is how many there were on the server.
func deadlocks(t *testing.T, e *engine) (n int) {
	t.Helper()
	query := `SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'`
	if e.name == "MariaDB" {
		query = `SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'Innodb_deadlocks'`
	}
	if err := e.open(t).QueryRow(query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// sweepFor sweeps until nothing has been left for a while, and says how much it
// removed. n is how often it is to find nothing.
func sweepFor(ctx context.Context, s store.Store, n int, out io.Writer) error {
	total := 0
	for idle := 0; idle < n; idle++ {
		removed, err := s.Sweep(ctx, now(), 700)
		if err != nil {
			return err
		}
		if total += removed; removed > 0 {
			idle = 0
		}
	}
	fmt.Fprintln(out, total)
	return nil
}

// sweepProcesses has four processes sweep one table while others write: each
// record is removed once, by whomever, and the living are spared.
func sweepProcesses(t *testing.T, e *engine) {
	const due = 10_000
	r := e.room(t)
	r.s, r.table = e.store(t, r.db), "sojourn_records"
	rec := madeOne(t, r.s)
	for n := 1; n > 0; {
		var err error
		if n, err = r.s.Sweep(t.Context(), now().Add(store.MinHold), 1000); err != nil { // what other tests have left
			t.Fatal(err)
		}
	}
	r.fill(t, due, now())
	before := deadlocks(t, e)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var children []*exec.Cmd
	began := time.Now()
	for range 4 {
		cmd := child(ctx, "sweep", e.name, e.dsn, "3")
		cmd.Stdout = new(strings.Builder)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		children = append(children, cmd)
	}
	stop, wrote := make(chan struct{}), make(chan error)
	slowest := time.Duration(0)
	go func() {
		for {
			select {
			case <-stop:
				wrote <- nil
				return
			default:
			}
			at := time.Now()
			err := errors.Join(r.s.Touch(ctx, rec, now(), now().Add(time.Hour)), endOne(ctx, r.s))
			slowest = max(slowest, time.Since(at))
			if err != nil {
				wrote <- err
				return
			}
		}
	}()
	total, busy := 0, 0
	for _, cmd := range children {
		if err := cmd.Wait(); err != nil {
			t.Fatalf("%v: %s", err, cmd.Stderr)
		}
		n, err := strconv.Atoi(strings.TrimSpace(fmt.Sprint(cmd.Stdout)))
		if err != nil {
			t.Fatal(err)
		}
		if total += n; n > 0 {
			busy++
		}
	}
	close(stop)
	if err := <-wrote; err != nil {
		t.Errorf("writing beside sweeps: %v", err)
	}
	if total != due {
		t.Errorf("%d records of %d were removed", total, due)
	}
	if n := deadlocks(t, e) - before; n != 0 {
		t.Errorf("%d deadlocks", n)
	}
	t.Logf("%d of four processes removed %d records in %v; the slowest write beside it took %v", busy, total, time.Since(began), slowest)
}

// endOne makes a record in the place of another, and ends it.
func endOne(ctx context.Context, s store.Store) error {
	old, rec := newRecord("carol"), newRecord("carol")
	end := store.Ending{Mark: 1, Now: now()}
	if _, err := s.Create(ctx, old, store.CreateOptions{Now: now()}); err != nil {
		return err
	}
	if _, err := s.Create(ctx, rec, store.CreateOptions{Now: now(), Replaces: old.Handle, End: end}); err != nil {
		return err
	}
	return s.Delete(ctx, rec.Handle, end)
}

// changesLate: a transaction that commits after others that began later is not
// missed.
func changesLate(t *testing.T, e *engine) {
	r := e.room(t)
	late := madeOne(t, r.s)
	since := tells(t, r.s, "", 0, nil, "at the beginning")
	// What Delete does, by hand, with a commit that takes its time.
	tx, err := r.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	_, err = tx.Exec(fmt.Sprintf(`UPDATE %s SET ended = 1, changed = 0 WHERE handle = '%s'`, r.table, late))
	if err != nil {
		t.Fatal(err)
	}
	oneEnded(t, r.s)
	next := tells(t, r.s, since, 1, nil, "before the first has been committed")
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	changes, err := r.s.Changes(t.Context(), next)
	if err != nil || len(changes.List) != 1 || changes.List[0].Handle != late || !changes.List[0].Ended {
		t.Errorf("Changes tells %v, %v of one that was committed late", changes.List, err)
	}
	tells(t, r.s, changes.Next, 0, nil, "once all was told")
}

// changesUnread: what was swept before anybody asked was missed by all who had
// asked before.
func changesUnread(t *testing.T, e *engine) {
	r := e.room(t)
	since, _ := oneEnded(t, r.s)
	if n, err := r.s.Sweep(t.Context(), now().Add(2*store.MinHold), 10); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	tells(t, r.s, since, 0, store.ErrGone, "after a sweep that nobody had asked before")
	next := tells(t, r.s, "", 0, nil, "anew")
	oneEnded(t, r.s)
	tells(t, r.s, next, 1, nil, "after beginning anew")
}

// serverLocked: writes to a record that another has locked wait no longer than
// their context, reads do not wait.
func serverLocked(t *testing.T, e *engine) {
	r := e.room(t)
	handle := madeOne(t, r.s)
	tx, err := e.open(t).Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(`UPDATE ` + r.table + ` SET last_seen = last_seen`); err != nil {
		t.Fatal(err)
	}
	touchLocked(t, r.s, handle)
	if _, err := r.s.Load(t.Context(), handle); err != nil {
		t.Errorf("Load of a locked record: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience/10)
	defer cancel()
	if n, err := r.s.Sweep(ctx, now().Add(24*time.Hour), 10); n != 0 || err != nil {
		t.Errorf("Sweep of a locked record: %d, %v", n, err)
	}
	if err := r.s.CreateTable(ctx); err != nil {
		t.Errorf("CreateTable beside one who writes: %v", err)
	}
	done := make(chan error)
	go func() { done <- r.s.Touch(t.Context(), handle, now(), now().Add(time.Hour)) }()
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("Touch when the lock was released: %v", err)
	}
}

// serverDeadlock has the store be the victim of a deadlock with somebody who
// does not keep to its order: it begins anew, and nobody notices.
func serverDeadlock(t *testing.T, e *engine) {
	r := e.room(t)
	r.fill(t, 300, now().Add(time.Hour))
	first, last := newRecord("dave"), newRecord("dave")
	first.Handle, last.Handle = "a", "b"
	for _, rec := range []*store.Record{first, last} {
		if _, err := r.s.Create(t.Context(), rec, store.CreateOptions{Now: now()}); err != nil {
			t.Fatal(err)
		}
	}
	before := deadlocks(t, e)
	tx, err := e.open(t).BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	lock := func(where string) {
		t.Helper()
		if _, err := tx.Exec(`UPDATE ` + r.table + ` SET last_seen = last_seen + 1 WHERE ` + where); err != nil {
			t.Fatal(err)
		}
	}
	if e.name == "PostgreSQL" { // the victim is who looks first
		if _, err := tx.Exec(`SET LOCAL deadlock_timeout = '1min'`); err != nil {
			t.Fatal(err)
		}
	}
	lock(`owner = 'alice'`) // much to undo: it is not the victim in InnoDB
	lock(`handle = 'b'`)
	type result struct {
		n   int
		err error
	}
	done := make(chan result)
	go func() {
		n, err := r.s.DeleteOwner(t.Context(), "dave", "", store.Ending{Mark: 1, Now: now()})
		done <- result{n, err}
	}()
	awaitLocked(t, e, r.table, "a")
	lock(`handle = 'a'`)
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := <-done; got.n != 2 || got.err != nil {
		t.Errorf("DeleteOwner after a deadlock: %d, %v", got.n, got.err)
	}
	if deadlocks(t, e) == before && e.name == "MariaDB" { // PostgreSQL counts later
		t.Error("there was no deadlock")
	}
}

// awaitLocked waits until somebody has locked the row.
func awaitLocked(t *testing.T, e *engine, table, handle string) {
	t.Helper()
	db := e.open(t)
	for until := time.Now().Add(patience); time.Now().Before(until); time.Sleep(2 * time.Millisecond) {
		var n int
		err := db.QueryRow(`SELECT count(*) FROM (SELECT 1 FROM ` + table + ` WHERE handle = '` + handle + `' FOR UPDATE SKIP LOCKED) s`).Scan(&n)
		if e.name == "MariaDB" { // it has no such subquery
			err = db.QueryRow(`SELECT 1 FROM ` + table + ` WHERE handle = '` + handle + `' FOR UPDATE SKIP LOCKED`).Scan(&n)
			if errors.Is(err, sql.ErrNoRows) {
				return
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
	t.Fatal("nobody locks the row")
}

// serverCancelled cancels calls at any moment. Each has happened or not, or will
// have before long, and the connections stay usable.
func serverCancelled(t *testing.T, e *engine) {
	r := e.room(t)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			rec := newRecord("alice")
			if _, err := r.s.Create(t.Context(), rec, store.CreateOptions{Now: now()}); err != nil {
				t.Error(err)
				return
			}
			for i := range 100 {
				rec = cancelledApply(t, r.s, rec, i)
				cancelledCreate(t, r.s)
			}
		})
	}
	wait.Wait()
	// The last ones may be given back a moment later.
	for until := time.Now().Add(patience); r.db.Stats().InUse > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("%d connections are still in use", r.db.Stats().InUse)
		}
	}
	if err := beside(t.Context(), r.s, firstOf(t, r.s, "alice")); err != nil {
		t.Errorf("after cancelled calls: %v", err)
	}
}

func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Duration(rand.IntN(2000))*time.Microsecond, cancel)
	return ctx
}

func cancelledApply(t *testing.T, s store.Store, rec *store.Record, i int) *store.Record {
	n := *rec
	n.Version, n.State = store.NewVersion(), strconv.Itoa(i)
	err := s.Apply(soon(t), &n, rec.Version, now())
	// A conflict is with the one before, which had not happened when it was
	// looked for.
	if err != nil && !errors.Is(err, context.Canceled) && err != store.ErrConflict {
		t.Errorf("a cancelled Apply: %v", err)
	}
	got, loadErr := s.Load(t.Context(), rec.Handle)
	if loadErr != nil {
		t.Errorf("Load after a cancelled Apply: %v", loadErr)
		return rec
	}
	if *got != n && err == nil {
		t.Error("after Apply the record is not what was applied")
	}
	return got
}

func cancelledCreate(t *testing.T, s store.Store) {
	end := store.Ending{Mark: 1, Now: now()}
	_, err := s.Create(soon(t), newRecord("bob"), store.CreateOptions{Now: now(), Limit: 1, EndOldest: true, End: end})
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled Create: %v", err)
	}
	listing, err := s.List(t.Context(), "bob", store.Page{Limit: 10})
	if err != nil || len(listing.Records) > 1 {
		t.Errorf("after a cancelled Create: %d records at a limit of one, %v", len(listing.Records), err)
	}
}

// otherDriver has the store know what lib/pq says, as it knows pgx.
func otherDriver(t *testing.T, e *engine) {
	if e.name != "PostgreSQL" {
		return
	}
	other := *e
	other.driver = "postgres"
	serverDeadlock(t, &other)
	everyVerb(t, other.room(t).s)
}

// serverRestart: after a restart of the server a call fails once at most for each
// connection, and what was acknowledged is there.
func serverRestart(t *testing.T, e *engine) {
	db := e.open(t)
	db.SetMaxOpenConns(1)
	s := e.store(t, db)
	for range 3 {
		handle := madeOne(t, s)
		e.Restart()
		failures := 0
		for {
			_, err := s.Load(t.Context(), handle)
			if err == nil {
				break
			}
			if failures++; failures > 1 || errors.Is(err, store.ErrGone) {
				t.Fatalf("Load, %d times after a restart: %v", failures, err)
			}
		}
		e.Restart()
		failures = 0
		for {
			err := s.Touch(t.Context(), handle, now(), now().Add(time.Hour))
			if err == nil {
				break
			}
			if failures++; failures > 1 || errors.Is(err, store.ErrGone) {
				t.Fatalf("Touch, %d times after a restart: %v", failures, err)
			}
		}
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
}
