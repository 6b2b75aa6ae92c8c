package drivertest

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/sqlstore"
	"github.com/sojourn-go/sojourn/store"
)

// sessions is how many are in the table, and in the floor's.
const sessions = 10_000

// BenchmarkVerbs measures each verb beside its floor: a prepared statement that
// a hand would write for the same thing, on a table of key, value and
// expiry with an index on the last, in the same file.
//
// With synchronous FULL the disk is most of a write; NORMAL shows the rest.
func BenchmarkVerbs(b *testing.B) {
	for _, synchronous := range []string{"NORMAL", "FULL"} {
		f := newFixture(b, synchronous)
		for _, verb := range verbs {
			b.Run(fmt.Sprintf("%s/floor/%s", verb.name, synchronous), func(b *testing.B) { verb.floor(b, f) })
			b.Run(fmt.Sprintf("%s/store/%s", verb.name, synchronous), func(b *testing.B) { verb.store(b, f) })
		}
	}
}

type fixture struct {
	db      *sql.DB
	s       *sqlstore.Store
	now     time.Time
	records []*store.Record
	state   string
}

func newFixture(b *testing.B, synchronous string) *fixture {
	db, err := sql.Open(driverName, strings.Replace(sqlstore.SQLiteDSN(newFile(b)), "FULL", synchronous, 1))
	if err != nil {
		b.Fatal(err)
	}
	db.SetMaxOpenConns(8)
	db.SetMaxIdleConns(8)
	b.Cleanup(func() { db.Close() })
	f := &fixture{db: db, s: storeOn(b, db), now: time.Now().UTC().Truncate(time.Millisecond), state: strings.Repeat("s", 113)}
	for _, text := range []string{
		`CREATE TABLE floor (k TEXT NOT NULL PRIMARY KEY, v BLOB NOT NULL, expires INTEGER NOT NULL) STRICT`,
		`CREATE INDEX floor_expires ON floor (expires)`,
	} {
		if _, err := db.Exec(text); err != nil {
			b.Fatal(err)
		}
	}
	insert := f.prepare(b, floorInsert)
	for range sessions {
		rec := f.record("")
		if _, err := f.s.Create(b.Context(), rec, store.CreateOptions{Now: f.now}); err != nil {
			b.Fatal(err)
		}
		run(b, insert, rec.Handle, []byte(f.state), rec.Deadline().UnixMilli())
		f.records = append(f.records, rec)
	}
	return f
}

const floorInsert = `INSERT INTO floor (k, v, expires) VALUES (?, ?, ?)`

func (f *fixture) record(owner string) *store.Record {
	return &store.Record{
		Header: store.Header{
			Kind: store.KindSession, Handle: store.NewHandle(owner), Owner: owner, Version: store.NewVersion(),
			Created: f.now, LastSeen: f.now, IdleDeadline: f.now.Add(30 * time.Minute), AbsoluteDeadline: f.now.Add(12 * time.Hour),
		},
		Verifiers: strings.Repeat("v", 32), State: f.state,
	}
}

func (f *fixture) prepare(b *testing.B, text string) *sql.Stmt {
	stmt, err := f.db.Prepare(text)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { stmt.Close() })
	return stmt
}

func run(b *testing.B, stmt *sql.Stmt, args ...any) {
	result, err := stmt.ExecContext(b.Context(), args...)
	if err == nil {
		if n, _ := result.RowsAffected(); n == 0 {
			err = fmt.Errorf("no row")
		}
	}
	if err != nil {
		b.Fatal(err)
	}
}

func must(b *testing.B, err error) {
	if err != nil {
		b.Fatal(err)
	}
}

// A verb of the store and its floor.
type verb struct {
	name         string
	floor, store func(b *testing.B, f *fixture)
}

var verbs = []verb{
	{"read", func(b *testing.B, f *fixture) {
		get := f.prepare(b, `SELECT v, expires FROM floor WHERE k = ?`)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			var v []byte
			var expires int64
			must(b, get.QueryRowContext(b.Context(), f.records[i*7919%sessions].Handle).Scan(&v, &expires))
		}
	}, func(b *testing.B, f *fixture) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			_, err := f.s.Load(b.Context(), f.records[i*7919%sessions].Handle)
			must(b, err)
		}
	}},
	{"write", func(b *testing.B, f *fixture) {
		update := f.prepare(b, `UPDATE floor SET v = ?, expires = ? WHERE k = ?`)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			run(b, update, []byte(f.state), f.now.UnixMilli()+int64(i), f.records[i*7919%sessions].Handle)
		}
	}, func(b *testing.B, f *fixture) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			rec := f.records[i*7919%sessions]
			from := rec.Version
			rec.Version = store.NewVersion()
			rec.IdleDeadline = f.now.Add(time.Hour + time.Duration(i)*time.Millisecond)
			must(b, f.s.Apply(b.Context(), rec, from, f.now))
		}
	}},
	{"touch", func(b *testing.B, f *fixture) {
		update := f.prepare(b, `UPDATE floor SET expires = ? WHERE k = ?`)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			run(b, update, f.now.UnixMilli()+int64(i), f.records[i*7919%sessions].Handle)
		}
	}, func(b *testing.B, f *fixture) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			must(b, f.s.Touch(b.Context(), f.records[i*7919%sessions].Handle, f.now, f.now.Add(2*time.Hour+time.Duration(i)*time.Millisecond)))
		}
	}},
	{"new", func(b *testing.B, f *fixture) {
		insert := f.prepare(b, floorInsert)
		b.ReportAllocs()
		for b.Loop() {
			run(b, insert, store.NewHandle(""), []byte(f.state), f.now.UnixMilli())
		}
	}, func(b *testing.B, f *fixture) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := f.s.Create(b.Context(), f.record(""), store.CreateOptions{Now: f.now})
			must(b, err)
		}
	}},
	{"owner", func(b *testing.B, f *fixture) { // the floor has no owner
		insert := f.prepare(b, floorInsert)
		b.ReportAllocs()
		for b.Loop() {
			run(b, insert, store.NewHandle("alice"), []byte(f.state), f.now.UnixMilli())
		}
	}, func(b *testing.B, f *fixture) { // a sign-in at a limit: one is ended for each
		b.ReportAllocs()
		for b.Loop() {
			_, err := f.s.Create(b.Context(), f.record("alice"), store.CreateOptions{
				Now: f.now, Limit: 5, EndOldest: true, End: store.Ending{Mark: 1, Now: f.now},
			})
			must(b, err)
		}
	}},
	{"end", func(b *testing.B, f *fixture) {
		remove := f.prepare(b, `DELETE FROM floor WHERE k = ?`)
		insert := f.prepare(b, floorInsert)
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			h := store.NewHandle("")
			run(b, insert, h, []byte(f.state), f.now.UnixMilli())
			b.StartTimer()
			run(b, remove, h)
		}
	}, func(b *testing.B, f *fixture) {
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			rec := f.record("")
			_, err := f.s.Create(b.Context(), rec, store.CreateOptions{Now: f.now})
			must(b, err)
			b.StartTimer()
			must(b, f.s.Delete(b.Context(), rec.Handle, store.Ending{Mark: 1, Now: f.now}))
		}
	}},
	{"sweep500", func(b *testing.B, f *fixture) {
		remove := f.prepare(b, `DELETE FROM floor WHERE k IN (SELECT k FROM floor WHERE expires <= ? LIMIT ?)`)
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			_, err := f.db.Exec(`INSERT INTO floor (k, v, expires)
				WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
				SELECT hex(randomblob(12)), zeroblob(113), i FROM n`)
			must(b, err)
			b.StartTimer()
			run(b, remove, 1000, 500)
		}
	}, func(b *testing.B, f *fixture) {
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			_, err := f.db.Exec(`INSERT INTO sojourn_records (handle, kind, version, created, last_seen, idle_deadline, absolute_deadline,
					deadline, facts, verifiers, state)
				WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
				SELECT hex(randomblob(12)), 1, i, i, i, i, i, i, x'', zeroblob(32), zeroblob(113) FROM n`)
			must(b, err)
			b.StartTimer()
			n, err := f.s.Sweep(b.Context(), time.UnixMilli(1000), 500)
			if must(b, err); n != 500 {
				b.Fatalf("swept %d", n)
			}
		}
	}},
}

// BenchmarkParallel has many write at the same time, to records of their own.
func BenchmarkParallel(b *testing.B) {
	for _, synchronous := range []string{"NORMAL", "FULL"} {
		f := newFixture(b, synchronous)
		b.Run("touch/store/"+synchronous, func(b *testing.B) {
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				rec := f.record("")
				_, err := f.s.Create(b.Context(), rec, store.CreateOptions{Now: f.now})
				if err != nil {
					b.Error(err)
				}
				for i := 0; pb.Next(); i++ {
					if err := f.s.Touch(b.Context(), rec.Handle, f.now, f.now.Add(time.Hour+time.Duration(i)*time.Millisecond)); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// BenchmarkSize says how many bytes of the file one session takes.
func BenchmarkSize(b *testing.B) {
	const n = 100_000
	for b.Loop() {
		f := newFixture(b, "OFF")
		before := fileSize(b, f.db)
		for i := range n {
			owner := ""
			if i%2 == 0 {
				owner = fmt.Sprintf("owner%06d", i)
			}
			_, err := f.s.Create(context.Background(), f.record(owner), store.CreateOptions{Now: f.now})
			must(b, err)
		}
		b.ReportMetric(float64(fileSize(b, f.db)-before)/n, "B/session")
		if _, err := f.db.Exec("VACUUM"); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(fileSize(b, f.db))/(n+sessions), "B/session-vacuumed-with-floor")
	}
}

func fileSize(b *testing.B, db *sql.DB) (size int64) {
	must(b, db.QueryRow(`SELECT page_count * page_size FROM pragma_page_count, pragma_page_size`).Scan(&size))
	return size
}
