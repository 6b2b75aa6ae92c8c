// Package upgrade holds the steps between the formats of sqlstore's tables.
package upgrade

// A Step takes a table from one format to the next. Where a database commits
// each change of a table by itself (MariaDB), a program may be stopped in the
// middle of a step, and two may take it at once: there each statement must be
// such that it can be run again, with IF NOT EXISTS.
type Step struct {
	// Statements are SQL with {table} and {meta} for the tables' names.
	Statements []string

	// Oldest is the oldest format whose programs can go on using the table. A
	// column that may be NULL, for one, does not disturb them. Their routines
	// have to stand the step as well: those have their version in their names,
	// are made when they are not there, whatever the format, and are dropped by
	// a step that raises Oldest.
	Oldest int
}

// Path returns all steps there are, from format 1 on, for a dialect by its name.
// A store knows what it returns when the store is made.
var Path = func(dialect string) []Step { return nil }
