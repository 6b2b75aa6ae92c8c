package sqlstore

import (
	"context"
	"database/sql"
	"sync/atomic"
)

// The statements, written once for all dialects. A live record has no ended; an
// ended one is what is remembered of it, with a mark, empty texts, and the end
// of the hold as its deadline: so sweep needs one index for both.
const (
	columns = `kind, version, created, last_seen, idle_deadline, absolute_deadline, hold_until, owner, facts`

	loadText = `SELECT ` + columns + `, verifiers, state FROM {table} WHERE handle = ? AND ended IS NULL`

	// 3 is store.KindRevocation: making one is a change.
	insertText = `INSERT INTO {table} (handle, ` + columns + `, verifiers, state, deadline, changed)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, CASE WHEN ? = 3 THEN {change} END) {if new}`

	applyText = `UPDATE {table} SET version = ?, facts = ?, verifiers = ?, state = ?, ` + forward + `
WHERE handle = ? AND version = ? AND ended IS NULL AND deadline > ?`

	touchText = `UPDATE {table} SET ` + forward + ` WHERE handle = ? AND ended IS NULL AND deadline > ?`

	// The deadline comes last: some databases see new values on the right.
	forward = `last_seen = {greatest}(last_seen, ?), idle_deadline = {greatest}(idle_deadline, ?),
deadline = {least}({greatest}(idle_deadline, ?), absolute_deadline)`

	endText = `UPDATE {table} SET ` + ending + ` WHERE handle = ? AND version = coalesce(?, version) AND ended IS NULL`

	replaceText = endText + ` AND owner {is} ?`

	endOwnerText = `UPDATE {table} SET ` + ending + ` WHERE owner = ? AND handle <> ? AND kind <> 3 AND ended IS NULL`

	ending = `ended = ?, mark = ?, deadline = {greatest}(coalesce(hold_until, ?), ?), changed = {change},
facts = {empty}, verifiers = {empty}, state = {empty}`

	lookText = `SELECT owner, version, deadline, ended, mark FROM {table} WHERE handle = ?`

	// The records of an owner beyond so many, the newest first.
	excessText = `SELECT handle FROM {table}
WHERE owner = ? AND kind = ? AND handle <> ? AND ended IS NULL AND deadline > ?
ORDER BY created DESC, handle DESC LIMIT {unbounded} OFFSET ?`

	listText = `SELECT handle, ` + columns + ` FROM {table} WHERE owner = ? AND handle > ? AND ended IS NULL ORDER BY handle LIMIT ?`

	scanText = `SELECT handle, ` + columns + ` FROM {table} WHERE handle > ? AND ended IS NULL ORDER BY handle LIMIT ?`

	// One row at least, so that one statement, which sees one moment, has the
	// changes and where the next ones begin.
	changesText = `SELECT h.horizon, h.forgotten, r.kind, r.handle, r.owner, r.ended
FROM (SELECT {horizon} AS horizon, forgotten FROM {meta} WHERE id = 1) h
LEFT JOIN {table} r ON r.changed > ? ORDER BY r.changed LIMIT ?`

	dueText = `SELECT count(*) FROM (SELECT deadline FROM {table} WHERE deadline <= ? LIMIT 1) d`

	// What sweep removes is forgotten first: the two see the same rows.
	forgetText = `UPDATE {meta} SET forgotten = {greatest}(forgotten, coalesce(
(SELECT max(changed) FROM (SELECT changed FROM {table} WHERE deadline <= ? ORDER BY deadline, {row} LIMIT ?) s), 0)) WHERE id = 1`

	sweepText = `DELETE FROM {table} WHERE {row} IN
(SELECT {row} FROM {table} WHERE deadline <= ? ORDER BY deadline, {row} LIMIT ?)`

	forgetOneText = `UPDATE {meta} SET forgotten = {greatest}(forgotten, coalesce(
(SELECT changed FROM {table} WHERE handle = ?), 0)) WHERE id = 1`

	removeText = `DELETE FROM {table} WHERE handle = ? AND ended IS NOT NULL AND deadline <= ?`
)

type statements struct {
	load, insert, apply, touch, end, replace, endOwner, look, excess, list, scan,
	changes, due, forget, sweep, forgetOne, remove statement

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
	do.insert = one(insertText)
	do.apply = one(applyText)
	do.touch = one(touchText)
	do.end = one(endText)
	do.replace = one(replaceText)
	do.endOwner = one(endOwnerText)
	do.look = one(lookText)
	do.excess = one(excessText)
	do.list = one(listText)
	do.scan = one(scanText)
	do.changes = one(changesText)
	do.due = one(dueText)
	do.forget = one(forgetText)
	do.sweep = one(sweepText)
	do.forgetOne = one(forgetOneText)
	do.remove = one(removeText)
	return &do
}

// A statement is prepared when it is first used, and then stays so.
type statement struct {
	text  string
	ready *atomic.Pointer[sql.Stmt]
}

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
