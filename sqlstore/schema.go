package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

// format is that of a new table. Each step after it is one more.
const format = 1

// Schema returns the statements that make the tables, or bring those of an older
// format to this package's, and the routines, for those who run their own
// migrations. They can be run again. The text is as the database's own client reads
// it (sqlite3, psql -f, mariadb <): each statement ends with a semicolon and a new
// line, a routine has semicolons within, and for MariaDB's client DELIMITER around
// it. See [Store.CreateTable].
func Schema(d Dialect, opts ...Option) (string, error) {
	scribe, err := newScribe(d, opts)
	if err != nil {
		return "", err
	}
	texts := slices.Clone(scribe.schema)
	for i := range scribe.steps {
		texts = append(texts, scribe.step(format+i)...)
	}
	var b strings.Builder
	for _, text := range texts {
		b.WriteString(scribe.write(text) + ";\n")
	}
	for _, r := range scribe.routines {
		text := scribe.write(r.text)
		if d := scribe.delimiter; d != "" {
			text = "DELIMITER " + d + "\n" + text + d + "\nDELIMITER "
		}
		b.WriteString(text + ";\n")
	}
	return b.String(), nil
}

// CreateTable makes the tables and routines that are not there, brings tables of an
// older format to this package's, step by step, and checks them. Many processes may
// do so at once, and programs that know the older format may go on as long as Check
// lets them.
func (s *Store) CreateTable(ctx context.Context) error {
	// A routine keeps the settings with which it was made.
	if err := s.checkSettings(ctx); err != nil {
		return err
	}
	got, _, err := s.formats(ctx)
	there := err == nil
	var missing []routine
	if there {
		missing, err = s.missing(ctx, s.db)
	}
	if err != nil || got < s.scribe.format() || len(missing) > 0 {
		err = s.transact(ctx, func(tx *sql.Tx) error { return s.createTable(ctx, tx, there) })
	}
	if err != nil {
		return failed(ctx, "create table "+s.scribe.table, err)
	}
	return s.Check(ctx)
}

// createTable is one step where a database has transactions for tables too. A
// table that is there is not touched more than necessary: to make an index that
// is there already locks out those who write.
func (s *Store) createTable(ctx context.Context, tx *sql.Tx, there bool) error {
	if s.scribe.schemaLock != "" {
		_, err := tx.ExecContext(ctx, s.scribe.write(s.scribe.schemaLock), s.scribe.number(""))
		if err != nil {
			return err
		}
	}
	if !there {
		for _, text := range s.scribe.schema {
			if _, err := tx.ExecContext(ctx, s.scribe.write(text)); err != nil {
				return err
			}
		}
	}
	if err := s.upgrade(ctx, tx); err != nil {
		return err
	}
	missing, err := s.missing(ctx, tx)
	if err != nil {
		return err
	}
	for _, r := range missing {
		if _, err := tx.ExecContext(ctx, s.scribe.write(r.text)); err != nil {
			return fmt.Errorf("routine %s: %w", s.scribe.routine(r.name), err)
		}
	}
	return nil
}

// formats returns the table's format and the oldest whose programs can use it.
func (s *Store) formats(ctx context.Context) (got, oldest int, err error) {
	query := s.scribe.write(`SELECT format, oldest FROM {meta} WHERE id = 1`)
	err = s.again(func() error { return s.db.QueryRowContext(ctx, query).Scan(&got, &oldest) })
	return got, oldest, err
}

// upgrade takes the steps that the table has not seen. Another may take them at
// the same time where there is no lock: they can be taken twice.
func (s *Store) upgrade(ctx context.Context, tx *sql.Tx) error {
	if len(s.scribe.steps) == 0 {
		return nil
	}
	var got int
	err := tx.QueryRowContext(ctx, s.scribe.write(`SELECT format FROM {meta} WHERE id = 1 {for update}`)).Scan(&got)
	if err != nil {
		return err
	}
	for ; got >= format && got < s.scribe.format(); got++ {
		for _, text := range s.scribe.step(got) {
			if _, err := tx.ExecContext(ctx, s.scribe.write(text)); err != nil {
				return err
			}
		}
	}
	return nil
}

// step returns the statements that take the table on from a format.
func (s *scribe) step(from int) []string {
	step := s.steps[from-format]
	done := fmt.Sprintf(`UPDATE {meta} SET format = %d, oldest = %d WHERE id = 1 AND format = %d`, from+1, step.Oldest, from)
	return append(slices.Clone(step.Statements), done)
}

// Check reports whether the store can work: the database is reached, its tables
// are there, in a format that this package knows, and its routines, and its settings
// are right. It is for the start of a program.
func (s *Store) Check(ctx context.Context) error {
	if err := s.checkSettings(ctx); err != nil {
		return err
	}
	got, oldest, err := s.formats(ctx)
	if err != nil {
		return failed(ctx, "check table "+s.scribe.table+" (CreateTable makes it)", err)
	}
	switch known := s.scribe.format(); {
	case got < known:
		return fmt.Errorf("sqlstore: table %s has format %d, which is older than this program's, %d; CreateTable upgrades it", s.scribe.table, got, known)
	case oldest > known:
		return fmt.Errorf("sqlstore: table %s has format %d, and this program knows %d; use the version of the program that made it, or a newer one",
			s.scribe.table, got, known)
	}
	missing, err := s.missing(ctx, s.db)
	if err != nil {
		return failed(ctx, "check", err)
	}
	if len(missing) > 0 {
		return fmt.Errorf("sqlstore: the routine %s is not there, or may not be executed; CreateTable makes it, and so does what Schema prints",
			s.scribe.routine(missing[0].name))
	}
	return nil
}

func (s *Store) checkSettings(ctx context.Context) error {
	for _, set := range s.scribe.settings {
		var got string
		err := s.again(func() error { return s.db.QueryRowContext(ctx, set.query).Scan(&got) })
		if err != nil {
			return failed(ctx, "check", err)
		}
		if !slices.Contains(set.wanted, strings.ToLower(got)) {
			return fmt.Errorf("sqlstore: %s says %q, and the store needs %q; %s", set.query, got, set.wanted[0], set.remedy)
		}
	}
	return nil
}
