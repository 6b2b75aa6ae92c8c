package sqlstore

import (
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"regexp"
	"strconv"
	"strings"

	"github.com/sojourn-go/sojourn/sqlstore/internal/upgrade"
)

// A Dialect is what one kind of database does in its own way: [SQLite],
// [PostgreSQL] or [MariaDB]. The zero Dialect is none. It is safe for concurrent
// use.
type Dialect struct{ d *dialect }

// A dialect is data. The statements are written once, with words in braces
// where databases differ.
type dialect struct {
	name     string
	numbered bool              // placeholders are $1, $2, …, and not ?
	words    map[string]string // what stands for a word in braces
	schema   []string          // each can be run again
	settings []setting         // what Check asks for
	binary   bool              // handles are stored as bytes, and not as text

	// oneWriter says that writers exclude each other in the whole database,
	// so that those of this process should wait in a queue and not in it.
	// Where they work side by side, verbs of more than one statement are routines;
	// see routine.go. There an owner is locked by his number, below locks if that
	// is not 0.
	oneWriter bool
	locks     uint64

	texts         texts
	routines      []routine
	routinesThere string // a query whose end is the names in parentheses
	tells         bool   // the statement of a change says why it did nothing
	literal       bool   // a routine is called with its parameters in the text
	delimiter     string // for the client that is to read a routine, if it needs one

	// answer is what a statement that changes one record, or adds it, answers;
	// see change.go. Where one writes alone, it is how many rows were changed.
	answer func(sql.Result) (int64, error)

	// schemaLock is a statement by which one has the tables for himself while
	// he makes them, where making them at the same time is an error.
	schemaLock string

	isolation sql.IsolationLevel

	// busy reports whether err means that nothing has happened because
	// another process was in the way.
	busy func(err error) bool
}

// A setting of the database that the store cannot work without.
type setting struct {
	query  string
	wanted []string
	remedy string
}

// An Option changes what [New] and [Schema] assume.
type Option func(*options)

type options struct{ table string }

// Table sets the name of the table. The default is sojourn_records; that of the
// second table is the same with _meta behind it. A name is at most 48 lower
// case letters, digits and underscores, and does not begin with a digit.
func Table(name string) Option { return func(o *options) { o.table = name } }

var tableName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,47}$`)

// newScribe checks what New and Schema are given.
func newScribe(d Dialect, opts []Option) (*scribe, error) {
	if d.d == nil {
		return nil, errors.New("sqlstore: no dialect; pass sqlstore.SQLite, PostgreSQL or MariaDB")
	}
	o := options{table: "sojourn_records"}
	for _, option := range opts {
		if option != nil {
			option(&o)
		}
	}
	if !tableName.MatchString(o.table) {
		return nil, fmt.Errorf("sqlstore: the table name %q cannot be used; take at most 48 lower case letters, digits and underscores", o.table)
	}
	// The dialect's own words may hold {table} and {meta}: these come last.
	var words []string
	for word, text := range d.d.words {
		words = append(words, "{"+word+"}", text)
	}
	return &scribe{
		dialect: d.d,
		steps:   upgrade.Path(d.d.name),
		table:   o.table,
		words:   strings.NewReplacer(words...),
		names:   strings.NewReplacer("{table}", o.table, "{meta}", o.table+"_meta"),
	}, nil
}

// A scribe writes statements for one dialect and table.
type scribe struct {
	*dialect
	steps        []upgrade.Step
	table        string
	words, names *strings.Replacer
}

// format is the one that the store reads and writes.
func (s *scribe) format() int { return format + len(s.steps) }

// number stands for an owner where he is locked. Two owners may have the same.
func (s *scribe) number(owner string) int64 {
	h := fnv.New64a()
	h.Write([]byte(s.table + "\x00" + owner))
	if s.locks > 0 {
		return int64(h.Sum64() % s.locks)
	}
	return int64(h.Sum64())
}

func (s *scribe) write(text string) string {
	text = s.names.Replace(s.words.Replace(text))
	if !s.numbered {
		return text
	}
	var b strings.Builder
	n := 0
	for i := range len(text) {
		if text[i] != '?' {
			b.WriteByte(text[i])
			continue
		}
		n++
		b.WriteString("$" + strconv.Itoa(n))
	}
	return b.String()
}
