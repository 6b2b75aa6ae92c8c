package drivertest

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/sqlstore"
	"github.com/sojourn-go/sojourn/store"
	"github.com/sojourn-go/sojourn/storetest/engines"
)

// BenchmarkServers measures each verb beside its floor, in turn, through each
// driver: prepared statements that a hand would write for the same thing, on a
// table of key, value and expiry with an index on the last. The servers keep
// what they acknowledge a moment later, so that the disk does not hide the rest.
func BenchmarkServers(b *testing.B) {
	postgres := postgreSQL(b, engines.Args("-c", "synchronous_commit=off"))
	maria := mariaDB(b, engines.Args("--innodb-flush-log-at-trx-commit=0"))
	viaPQ := *postgres
	viaPQ.driver = "postgres"
	for _, e := range []*engine{postgres, &viaPQ, maria} {
		f := newServerFixture(b, e)
		for _, verb := range serverVerbs {
			b.Run(fmt.Sprintf("%s/%s/%s", e.name, e.driver, verb.name), func(b *testing.B) { f.compare(b, verb) })
		}
	}
}

type serverFixture struct {
	*engine
	db       *sql.DB
	s        *sqlstore.Store
	table    string
	now      time.Time
	rec      *store.Record
	prepared map[string]*sql.Stmt
}

func newServerFixture(b *testing.B, e *engine) *serverFixture {
	db := e.open(b)
	f := &serverFixture{engine: e, db: db, table: newTable(), now: now(), prepared: map[string]*sql.Stmt{}}
	f.s = e.store(b, db, sqlstore.Table(f.table))
	value, key := "bytea", "bytea"
	if e.name == "MariaDB" {
		value, key = "MEDIUMBLOB", "VARBINARY(255)"
	}
	for _, text := range []string{
		`DROP TABLE IF EXISTS floor`,
		`CREATE TABLE floor (k ` + key + ` NOT NULL PRIMARY KEY, v ` + value + ` NOT NULL, expires BIGINT NOT NULL)`,
		`CREATE INDEX floor_expires ON floor (expires)`,
	} {
		if _, err := db.Exec(text); err != nil {
			b.Fatal(err)
		}
	}
	f.rec = f.record("")
	for i := range 1000 {
		rec := f.record("")
		if i == 0 {
			f.rec = rec
		}
		_, err := f.s.Create(b.Context(), rec, store.CreateOptions{Now: f.now})
		must(b, err)
		f.run(b, floorInsert, []byte(rec.Handle), []byte(rec.State), rec.Deadline().UnixMilli())
	}
	return f
}

func (f *serverFixture) record(owner string) *store.Record {
	rec := newRecord(owner)
	rec.State = strings.Repeat("s", 113)
	return rec
}

// statement returns a statement, prepared once, in the dialect's placeholders.
func (f *serverFixture) statement(b *testing.B, text string) *sql.Stmt {
	if f.prepared[text] == nil {
		written := text
		for i := 1; f.name == "PostgreSQL" && strings.Contains(written, "?"); i++ {
			written = strings.Replace(written, "?", fmt.Sprintf("$%d", i), 1)
		}
		stmt, err := f.db.Prepare(written)
		must(b, err)
		f.prepared[text] = stmt
	}
	return f.prepared[text]
}

func (f *serverFixture) run(b *testing.B, text string, args ...any) {
	run(b, f.statement(b, text), args...)
}

// compare runs both in turn, and reports the medians and how they compare.
func (f *serverFixture) compare(b *testing.B, v serverVerb) {
	var floors, stores []time.Duration
	i := 0
	for b.Loop() {
		i++
		if v.before != nil {
			b.StopTimer()
			v.before(b, f)
			b.StartTimer()
		}
		began := time.Now()
		v.floor(b, f, i)
		between := time.Now()
		v.store(b, f, i)
		floors, stores = append(floors, between.Sub(began)), append(stores, time.Since(between))
	}
	slices.Sort(floors)
	slices.Sort(stores)
	floor, kept := floors[len(floors)/2], stores[len(stores)/2]
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(floor.Microseconds()), "floor-µs")
	b.ReportMetric(float64(kept.Microseconds()), "store-µs")
	b.ReportMetric(float64(kept)/float64(floor), "ratio")
}

type serverVerb struct {
	name         string
	before       func(b *testing.B, f *serverFixture)
	floor, store func(b *testing.B, f *serverFixture, i int)
}

var serverVerbs = []serverVerb{
	{"read", nil, func(b *testing.B, f *serverFixture, i int) {
		var v []byte
		var expires int64
		must(b, f.statement(b, `SELECT v, expires FROM floor WHERE k = ?`).QueryRowContext(b.Context(), []byte(f.rec.Handle)).Scan(&v, &expires))
	}, func(b *testing.B, f *serverFixture, i int) {
		_, err := f.s.Load(b.Context(), f.rec.Handle)
		must(b, err)
	}},
	{"write", nil, func(b *testing.B, f *serverFixture, i int) {
		f.run(b, `UPDATE floor SET v = ?, expires = ? WHERE k = ?`, []byte(f.rec.State), f.now.UnixMilli()+int64(i), []byte(f.rec.Handle))
	}, func(b *testing.B, f *serverFixture, i int) {
		from := f.rec.Version
		f.rec.Version = store.NewVersion()
		f.rec.IdleDeadline = f.now.Add(time.Hour + time.Duration(i)*time.Millisecond)
		must(b, f.s.Apply(b.Context(), f.rec, from, f.now))
	}},
	{"touch", nil, func(b *testing.B, f *serverFixture, i int) {
		f.run(b, `UPDATE floor SET expires = ? WHERE k = ?`, f.now.UnixMilli()-int64(i), []byte(f.rec.Handle))
	}, func(b *testing.B, f *serverFixture, i int) {
		must(b, f.s.Touch(b.Context(), f.rec.Handle, f.now, f.now.Add(3*time.Hour+time.Duration(i)*time.Millisecond)))
	}},
	{"new", nil, func(b *testing.B, f *serverFixture, i int) {
		f.run(b, floorInsert, []byte(store.NewHandle("")), []byte(f.rec.State), f.now.UnixMilli())
	}, func(b *testing.B, f *serverFixture, i int) {
		_, err := f.s.Create(b.Context(), f.record(""), store.CreateOptions{Now: f.now})
		must(b, err)
	}},
	{"sign-in", func(b *testing.B, f *serverFixture) {
		f.rec = f.record(fmt.Sprint("owner", f.now.UnixNano()))
		f.now = f.now.Add(time.Millisecond)
		_, err := f.s.Create(b.Context(), f.rec, store.CreateOptions{Now: f.now})
		must(b, err)
	}, func(b *testing.B, f *serverFixture, i int) {
		f.run(b, floorInsert, []byte(store.NewHandle("")), []byte(f.rec.State), f.now.UnixMilli())
	}, func(b *testing.B, f *serverFixture, i int) { // in the place of one, at a limit
		created, err := f.s.Create(b.Context(), f.record(f.rec.Owner), store.CreateOptions{
			Now: f.now, Limit: 5, EndOldest: true, Replaces: f.rec.Handle, End: store.Ending{Mark: 1, Now: f.now},
		})
		if must(b, err); !created.Replaced {
			b.Fatal("nothing was replaced")
		}
	}},
	{"end", func(b *testing.B, f *serverFixture) {
		f.rec = f.record("")
		_, err := f.s.Create(b.Context(), f.rec, store.CreateOptions{Now: f.now})
		must(b, err)
		f.run(b, floorInsert, []byte(f.rec.Handle), []byte(f.rec.State), 0)
	}, func(b *testing.B, f *serverFixture, i int) {
		f.run(b, `UPDATE floor SET v = ?, expires = ? WHERE k = ?`, []byte{}, f.now.UnixMilli()+int64(i), []byte(f.rec.Handle))
	}, func(b *testing.B, f *serverFixture, i int) {
		must(b, f.s.Delete(b.Context(), f.rec.Handle, store.Ending{Mark: 1, Now: f.now}))
	}},
	{"poll", nil, func(b *testing.B, f *serverFixture, i int) { // Changes when there are none
		var v []byte
		must(b, f.statement(b, `SELECT v FROM floor WHERE k = ?`).QueryRowContext(b.Context(), []byte(f.rec.Handle)).Scan(&v))
	}, func(b *testing.B, f *serverFixture, i int) {
		_, err := f.s.Changes(b.Context(), "")
		must(b, err)
	}},
	{"sweep500", func(b *testing.B, f *serverFixture) {
		r := f.engine.filler(f.db, f.table)
		r.fill(b, 500, time.UnixMilli(1000))
		copied := `INSERT INTO floor SELECT handle, state, deadline FROM ` + f.table + ` WHERE deadline = 1000`
		_, err := f.db.ExecContext(context.Background(), copied)
		must(b, err)
	}, func(b *testing.B, f *serverFixture, i int) {
		if f.name == "MariaDB" {
			f.run(b, `DELETE FROM floor WHERE expires <= ? ORDER BY expires LIMIT ?`, 1000, 500)
			return
		}
		f.run(b, `DELETE FROM floor WHERE k IN (SELECT k FROM floor WHERE expires <= ? LIMIT ?)`, 1000, 500)
	}, func(b *testing.B, f *serverFixture, i int) {
		if n, err := f.s.Sweep(b.Context(), time.UnixMilli(1000), 500); n != 500 || err != nil {
			b.Fatal(n, err)
		}
	}},
}
