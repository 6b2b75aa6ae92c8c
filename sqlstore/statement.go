package sqlstore

import (
	"context"
	"database/sql"
	"strings"
	"sync/atomic"
)

// The statements, written once for all dialects. A live record has no ended; an
// ended one is what is remembered of it, with a mark, empty texts, and the end
// of the hold as its deadline: so sweep needs one index for both.
const (
	columns = `kind, version, created, last_seen, idle_deadline, absolute_deadline, hold_until, owner, facts`

	loadText = `SELECT ` + columns + `, verifiers, state FROM {table} WHERE handle = ? AND ended IS NULL`

	// The deadline is to follow, and changed: 3 is store.KindRevocation, and
	// making one is a change.
	insertHead = `INSERT INTO {table} (handle, ` + columns + `, verifiers, state, deadline, changed)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, `

	// The deadline comes last: some databases see new values on the right.
	forward = `last_seen = {greatest}(last_seen, ?), idle_deadline = {greatest}(idle_deadline, ?),
deadline = {least}({greatest}(idle_deadline, ?), absolute_deadline)`

	ending = `ended = ?, mark = ?, deadline = {greatest}(coalesce(hold_until, ?), ?), changed = {change},
facts = {empty}, verifiers = {empty}, state = {empty}`

	ofOwner = `WHERE owner = ? AND handle <> ? AND kind <> 3 AND ended IS NULL`

	listText = `SELECT handle, ` + columns + ` FROM {table} WHERE owner = ? AND handle > ? AND ended IS NULL ORDER BY handle LIMIT ?`

	scanText = `SELECT handle, ` + columns + ` FROM {table} WHERE handle > ? AND ended IS NULL ORDER BY handle LIMIT ?`
)

// What is below is for the one who writes alone. Where many write, routines in the
// database do the same: see routine.go.
const (
	lookText = `SELECT owner, version, deadline, ended, changed FROM {table} WHERE handle = ?`

	endText = `UPDATE {table} SET ` + ending + ` WHERE handle = ? AND ended IS NULL`

	replaceText = endText + ` AND version = coalesce(?, version) AND owner IS ?`

	endOwnerText = `UPDATE {table} SET ` + ending + ` ` + ofOwner

	// The records of an owner beyond so many, the newest first.
	excessText = `SELECT handle FROM {table}
WHERE owner = ? AND kind = ? AND handle <> ? AND ended IS NULL AND deadline > ?
ORDER BY created DESC, handle DESC LIMIT -1 OFFSET ?`

	// One row at least, so that one statement, which sees one moment, has the
	// changes and where the next ones begin.
	changesText = `SELECT h.horizon, h.forgotten, r.kind, r.handle, r.owner, r.ended
FROM (SELECT max(coalesce((SELECT max(changed) FROM {table} WHERE changed IS NOT NULL), 0), forgotten) AS horizon, forgotten FROM {meta} WHERE id = 1) h
LEFT JOIN {table} r ON r.changed > ? ORDER BY r.changed LIMIT ?`

	// The order has no say in the answer: it has a planner that does not know
	// the parameter use the index.
	dueText = `SELECT count(*) FROM (SELECT deadline FROM {table} WHERE deadline <= ? ORDER BY deadline LIMIT 1) d`

	// What sweep removes is forgotten first, and the two see the same rows.
	forgetDueText = `UPDATE {meta} SET forgotten = max(forgotten, coalesce(
(SELECT max(changed) FROM (SELECT changed FROM {table} WHERE deadline <= ? ORDER BY deadline, rowid LIMIT ?) s), 0)) WHERE id = 1`

	sweepText = `DELETE FROM {table} WHERE rowid IN
(SELECT rowid FROM {table} WHERE deadline <= ? ORDER BY deadline, rowid LIMIT ?)`

	forgetText = `UPDATE {meta} SET forgotten = max(forgotten, ?) WHERE id = 1`

	removeText = `DELETE FROM {table} WHERE handle = ?`
)

// texts are the statements that differ more than words can say.
type texts struct{ apply, touch, end, add, create, endOwner, sweep, changes string }

type statements struct {
	load, add, list, scan statement
	apply, touch, end     change

	endOwner, changes, sweep statement // routines where many write
	create                   statement // a routine, or none

	// For one who writes alone.
	look, endOne, replace, excess, forget, remove, due, forgetDue statement

	all []statement
}

func newStatements(s *scribe) *statements {
	var do statements
	one := func(text string) statement {
		t := statement{text: s.write(text), ready: new(atomic.Pointer[sql.Stmt])}
		do.all = append(do.all, t)
		return t
	}
	do.load = one(loadText)
	do.list = one(listText)
	do.scan = one(scanText)
	verb := func(text string, v *verb) change {
		c := change{do: one(text), settings: strings.Count(v.set, "?")}
		if !s.tells {
			c.look = one(v.look())
		}
		return c
	}
	do.apply = verb(s.texts.apply, &applying)
	do.touch = verb(s.texts.touch, &touching)
	do.end = verb(s.texts.end, &deleting)
	do.add = one(s.texts.add)
	do.endOwner = one(s.texts.endOwner)
	do.changes = one(s.texts.changes)
	do.sweep = one(s.texts.sweep)
	if !s.oneWriter {
		do.create = one(s.texts.create)
		return &do
	}
	do.look = one(lookText)
	do.endOne = one(endText)
	do.replace = one(replaceText)
	do.excess = one(excessText)
	do.forget = one(forgetText)
	do.remove = one(removeText)
	do.due = one(dueText)
	do.forgetDue = one(forgetDueText)
	return &do
}

// A statement is prepared when it is first used, and then stays so.
type statement struct {
	text  string
	ready *atomic.Pointer[sql.Stmt]
}

// none reports whether the dialect has no use for the statement.
func (t statement) none() bool { return t.ready == nil }

func (t statement) prepare(ctx context.Context, db *sql.DB) (*sql.Stmt, error) {
	if stmt := t.ready.Load(); stmt != nil {
		return stmt, nil
	}
	stmt, err := db.PrepareContext(ctx, t.text)
	if err != nil {
		return nil, err
	}
	// Two at once prepare twice: better than one that waits for the other and
	// cannot obey its context.
	if !t.ready.CompareAndSwap(nil, stmt) {
		stmt.Close()
	}
	return t.ready.Load(), nil
}

// in returns the statement for use in tx. It must be ready: a transaction has
// the connection that preparing might wait for.
func (t statement) in(ctx context.Context, tx *sql.Tx) *sql.Stmt {
	return tx.StmtContext(ctx, t.ready.Load())
}
