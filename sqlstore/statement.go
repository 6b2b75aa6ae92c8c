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

	endOwnerText = `UPDATE {table} {by owner} SET ` + ending + ` WHERE owner = ? AND handle <> ? AND kind <> 3 AND ended IS NULL`

	ending = `ended = ?, mark = ?, deadline = {greatest}(coalesce(hold_until, ?), ?), changed = {change},
facts = {empty}, verifiers = {empty}, state = {empty}`

	lookText = `SELECT owner, version, deadline, ended, mark, changed FROM {table} WHERE handle = ?`

	// In a transaction what it finds stays so.
	lookTxText = lookText + ` {for update}`

	// The records of an owner beyond so many, the newest first.
	excessText = `SELECT handle FROM {table}
WHERE owner = ? AND kind = ? AND handle <> ? AND ended IS NULL AND deadline > ?
ORDER BY created DESC, handle DESC LIMIT {unbounded} OFFSET ?`

	listText = `SELECT handle, ` + columns + ` FROM {table} WHERE owner = ? AND handle > ? AND ended IS NULL ORDER BY handle LIMIT ?`

	scanText = `SELECT handle, ` + columns + ` FROM {table} WHERE handle > ? AND ended IS NULL ORDER BY handle LIMIT ?`

	// One row at least, so that one statement, which sees one moment, has the
	// changes and where the next ones begin.
	changesText = `SELECT h.horizon, h.forgotten, h.unnumbered, r.kind, r.handle, r.owner, r.ended
FROM (SELECT {horizon} AS horizon, forgotten, {unnumbered} AS unnumbered FROM {meta} WHERE id = 1) h
LEFT JOIN {table} r ON r.changed > ? ORDER BY r.changed LIMIT ?`

	// The order has no say in the answer: it has a planner that does not know
	// the parameter use the index.
	dueText = `SELECT count(*) FROM (SELECT deadline FROM {table} WHERE deadline <= ? ORDER BY deadline LIMIT 1) d`

	// Where there is one writer: what sweep removes is forgotten first, and the
	// two see the same rows.
	forgetDueText = `UPDATE {meta} SET forgotten = {greatest}(forgotten, coalesce(
(SELECT max(changed) FROM (SELECT changed FROM {table} WHERE deadline <= ? ORDER BY deadline, {row} LIMIT ?) s), 0)) WHERE id = 1`

	sweepText = `DELETE FROM {table} WHERE {row} IN
(SELECT {row} FROM {table} WHERE deadline <= ? ORDER BY deadline, {row} LIMIT ?)`

	// Where there are many: see batch.go and number.go.
	pickDueText     = `SELECT handle, changed FROM {table} {by deadline} WHERE deadline <= ? ORDER BY deadline LIMIT ? FOR UPDATE SKIP LOCKED`
	pickChangedText = `SELECT handle, changed FROM {table} {by changed} WHERE changed = 0 LIMIT ? FOR UPDATE SKIP LOCKED`
	lastText        = `SELECT last FROM {meta} WHERE id = 1 FOR UPDATE`
	advanceText     = `UPDATE {meta} SET last = ? WHERE id = 1`

	// The first parameter is the batch, as JSON.
	removeDueText = `{delete batch}`
	numberText    = `{update batch} SET changed = ? {of batch}`

	forgetText = `UPDATE {meta} SET forgotten = {greatest}(forgotten, ?) WHERE id = 1`

	removeText = `DELETE FROM {table} WHERE handle = ? AND ended IS NOT NULL AND deadline <= ?`
)

type statements struct {
	load, insert, apply, touch, end, replace, endOwner, look, lookTx, excess, list, scan,
	changes, due, forget, remove statement

	forgetDue, sweep                                             statement // where there is one writer
	lock, pickDue, removeDue, last, pickChanged, number, advance statement // where there are many

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
	do.lookTx = one(lookTxText)
	do.excess = one(excessText)
	do.list = one(listText)
	do.scan = one(scanText)
	do.changes = one(changesText)
	do.due = one(dueText)
	do.forget = one(forgetText)
	do.remove = one(removeText)
	if s.oneWriter {
		do.forgetDue = one(forgetDueText)
		do.sweep = one(sweepText)
		return &do
	}
	do.lock = one(s.lock)
	do.pickDue = one(pickDueText)
	do.removeDue = one(removeDueText)
	do.last = one(lastText)
	do.pickChanged = one(pickChangedText)
	do.number = one(numberText)
	do.advance = one(advanceText)
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
