package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// format is the table's format that this package reads and writes.
const format = 1

// Schema returns the statements that make the tables, for those who run their
// own migrations. They can be run again. See [Store.CreateTable].
func Schema(d Dialect, opts ...Option) (string, error) {
	scribe, err := newScribe(d, opts)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, text := range scribe.schema {
		b.WriteString(scribe.write(text) + ";\n")
	}
	return b.String(), nil
}

// CreateTable makes the tables if they are not there, and checks them. Many
// processes may do so at once.
func (s *Store) CreateTable(ctx context.Context) error {
	for _, text := range s.scribe.schema {
		text = s.scribe.write(text)
		err := s.write(ctx, func() error {
			_, err := s.db.ExecContext(ctx, text)
			return err
		})
		if err != nil {
			return failed(ctx, "create table "+s.scribe.table, err)
		}
	}
	return s.Check(ctx)
}

// Check reports whether the store can work: the database is reached, its tables
// are there, in a format that this package knows, and its settings are right.
// It is for the start of a program.
func (s *Store) Check(ctx context.Context) error {
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
	var got int
	query := s.scribe.write(`SELECT format FROM {meta} WHERE id = 1`)
	err := s.again(func() error { return s.db.QueryRowContext(ctx, query).Scan(&got) })
	if err != nil {
		return failed(ctx, "check table "+s.scribe.table+" (CreateTable makes it)", err)
	}
	if got != format {
		return fmt.Errorf("sqlstore: table %s has format %d, and this program knows %d; use the version of the program that made it, or a newer one",
			s.scribe.table, got, format)
	}
	return nil
}
