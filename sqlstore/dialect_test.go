package sqlstore

import (
	"database/sql"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

func TestRefused(t *testing.T) {
	db := new(sql.DB)
	for _, c := range []struct {
		db   *sql.DB
		d    Dialect
		opts []Option
		want string
	}{
		{nil, SQLite, nil, "sql.Open"},
		{db, Dialect{}, nil, "sqlstore.SQLite"},
		{db, SQLite, []Option{Table("")}, "table name"},
		{db, SQLite, []Option{Table("Sessions")}, "table name"},
		{db, SQLite, []Option{Table("1a")}, "table name"},
		{db, SQLite, []Option{Table("a b")}, "table name"},
		{db, SQLite, []Option{Table("a;--")}, "table name"},
		{db, SQLite, []Option{Table("a\n")}, "table name"},
		{db, SQLite, []Option{Table(strings.Repeat("a", 49))}, "table name"},
	} {
		s, err := New(c.db, c.d, c.opts...)
		if s != nil || err == nil || !strings.HasPrefix(err.Error(), "sqlstore: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("New says %v, want %q", err, c.want)
		}
		if c.db == nil {
			continue
		}
		if text, err := Schema(c.d, c.opts...); text != "" || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Schema says %v, want %q", err, c.want)
		}
	}
	if _, err := New(db, SQLite, nil, Table("_"+strings.Repeat("a", 47))); err != nil {
		t.Error(err)
	}
}

// TestStatements: every word in braces has a meaning, in every dialect.
func TestStatements(t *testing.T) {
	for _, d := range []Dialect{SQLite, PostgreSQL, MariaDB} {
		scribe, err := newScribe(d, nil)
		if err != nil {
			t.Fatal(err)
		}
		texts := append([]string{d.d.schemaLock}, d.d.schema...)
		for _, r := range d.d.routines {
			texts = append(texts, r.text)
		}
		for _, s := range newStatements(scribe).all {
			texts = append(texts[:len(texts):len(texts)], s.text)
		}
		for _, text := range texts {
			if word := regexp.MustCompile(`\{[^}]*\}`).FindString(scribe.write(text)); word != "" {
				t.Errorf("%s: %s is left in %s", d.d.name, word, text)
			}
		}
	}
}

func TestPlaceholders(t *testing.T) {
	scribe, err := newScribe(Dialect{&dialect{numbered: true, words: map[string]string{"is": "IS"}}}, []Option{Table("t")})
	if err != nil {
		t.Fatal(err)
	}
	got := scribe.write(`SELECT ? FROM {table} JOIN {meta} WHERE a {is} ? AND b = ?`)
	if want := `SELECT $1 FROM t JOIN t_meta WHERE a IS $2 AND b = $3`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// No parameter that is written into a text can end there.
func TestLiterals(t *testing.T) {
	got := literals([]any{[]byte("');\\--\x00"), nil, int64(-9), 500, true, []byte{}})
	if want := `x'27293b5c2d2d00', NULL, -9, 500, true, x''`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// A hold lasts until its end, and what has expired at a moment had expired in
// its whole millisecond.
func TestMillis(t *testing.T) {
	at := time.UnixMilli(1000)
	for _, c := range []struct {
		t        time.Time
		down, up int64
	}{{at, 1000, 1000}, {at.Add(1), 1000, 1001}, {at.Add(time.Millisecond - 1), 1000, 1001}, {at.Add(-1), 999, 1000}} {
		if down, up := millis(c.t), millisUp(c.t); down != c.down || up != c.up {
			t.Errorf("%v is %d and %d, want %d and %d", c.t, down, up, c.down, c.up)
		}
	}
	var back instant
	if err := back.Scan(millis(time.Time{})); err != nil || time.Time(back) != (time.Time{}) {
		t.Errorf("the zero time comes back as %v, %v", time.Time(back), err)
	}
}

// What somebody else has written to the table is an error that does not show
// it.
func TestScanForeign(t *testing.T) {
	var k kind
	var i instant
	var v version
	var x text
	for _, err := range []error{k.Scan("secret"), i.Scan("secret"), v.Scan([]byte("secret")), x.Scan(12345)} {
		if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "12345") {
			t.Errorf("the error is %v", err)
		}
	}
	k, i, v, x = kind(store.KindRemember), instant(time.Now()), 1, "x"
	for _, err := range []error{k.Scan(nil), i.Scan(nil), v.Scan(nil), x.Scan(nil)} {
		if err != nil {
			t.Error(err)
		}
	}
	if k != 0 || v != 0 || x != "" || !time.Time(i).IsZero() {
		t.Errorf("NULL is %v %v %v %v", k, time.Time(i), v, x)
	}
}
