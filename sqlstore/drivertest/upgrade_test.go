package drivertest

import (
	"testing"

	"github.com/sojourn-go/sojourn/sqlstore"
	"github.com/sojourn-go/sojourn/sqlstore/internal/upgrade"
	"github.com/sojourn-go/sojourn/store"
)

// future returns a store of a program from the future, which knows the steps.
func (r *room) future(t *testing.T, steps ...upgrade.Step) *sqlstore.Store {
	t.Helper()
	was := upgrade.Path
	defer func() { upgrade.Path = was }()
	upgrade.Path = func(string) []upgrade.Step { return steps }
	s, err := sqlstore.New(r.db, r.dialect, sqlstore.Table(r.table))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// upgrades has a new program change the table under an old one: a step that does
// not disturb the old one, and one that does.
func upgrades(t *testing.T, r *room) {
	quiet := upgrade.Step{Statements: []string{`ALTER TABLE {table} ADD COLUMN note INTEGER`}, Oldest: 1}
	loud := upgrade.Step{Statements: []string{`ALTER TABLE {table} ADD COLUMN more INTEGER`}, Oldest: 3}
	old, rec := r.s, newRecord("alice")
	if _, err := old.Create(t.Context(), rec, store.CreateOptions{Now: now()}); err != nil {
		t.Fatal(err)
	}
	everyVerb(t, old)
	handle := madeOne(t, old)

	next := r.future(t, quiet)
	if err := next.Check(t.Context()); err == nil {
		t.Error("a new program takes an older table as it is")
	}
	for range 2 {
		if err := next.CreateTable(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	r.has(t, "note")
	// Both at once, on one record too.
	if err := old.Check(t.Context()); err != nil {
		t.Errorf("an old program, after a step that does not disturb it: %v", err)
	}
	if err := old.CreateTable(t.Context()); err != nil {
		t.Errorf("an old program, after a step that does not disturb it: %v", err)
	}
	both := &pair{stores: [2]store.Store{old, next}}
	if err := hammer(t.Context(), both, handle, 20); err != nil {
		t.Error(err)
	}
	everyVerb(t, old)
	everyVerb(t, next)

	// From the first format to the third in one go, and the old one knows.
	third := r.future(t, quiet, loud)
	if err := third.CreateTable(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.has(t, "more")
	everyVerb(t, third)
	for _, s := range []*sqlstore.Store{old, next} {
		if s.Check(t.Context()) == nil || s.CreateTable(t.Context()) == nil {
			t.Error("an old program takes a table that it does not know")
		}
	}

	fresh := r.next(t)
	if err := fresh.future(t, quiet, loud).CreateTable(t.Context()); err != nil {
		t.Fatal(err)
	}
	fresh.has(t, "note")
	fresh.has(t, "more")
}

// has requires that the table has a column.
func (r *room) has(t *testing.T, column string) {
	t.Helper()
	var n int
	if err := r.db.QueryRow(`SELECT count(` + column + `) FROM ` + r.table).Scan(&n); err != nil {
		t.Errorf("there is no column %s: %v", column, err)
	}
}
