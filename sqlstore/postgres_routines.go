package sqlstore

import "strings"

// Each statement in these sees what has been committed by then, as the functions
// are VOLATILE, if the isolation is READ COMMITTED. What only decides whether to
// do something comes before all that does: an answer has changed nothing.
//
// A search_path is not set, which would take 7 microseconds a call: names are found
// as those of the tables are, by the path of who calls. Parameters have their types
// written in calls, so that no function of the same name further down the path fits
// better.
const (
	postgresCreation = `_handle bytea, _kind smallint, _version bigint, _created bigint, _seen bigint, _idle bigint,
	_absolute bigint, _hold_until bigint, _owner bytea, _facts bytea, _verifiers bytea, _state bytea, _deadline bigint,
	_now bigint, _lock bigint, _others bigint, _oldest boolean, _replaces bytea, _from bigint,
	_ended bigint, _mark bigint, _hold bigint`
	postgresOwner = `_ended bigint, _mark bigint, _hold bigint, _hold2 bigint, _owner bytea, _except bytea, _lock bigint`
	postgresBatch = `_now bigint, _limit integer`
	postgresSince = `_since bigint, _limit integer`
)

var postgresRoutines = []routine{
	postgresFunction("create", postgresCreation+", OUT code integer, OUT replaced boolean, OUT excess text", "record", postgresCreate),
	postgresFunction("end_owner", postgresOwner, "integer", postgresEndOwner),
	postgresFunction("sweep", postgresBatch, "integer", postgresSweep),
	postgresFunction("changes", postgresSince,
		"TABLE (_last bigint, _forgotten bigint, _kind smallint, _handle bytea, _owner bytea, _ended bigint)", postgresChanges),
}

// As functions, Apply, Touch and Delete could tell a conflict in one round trip.
// They would take 10 microseconds more each time, and of eight at once fewer would
// come through, even on one record: so a plain statement does, and one that did
// nothing looks why.
var postgresTexts = texts{
	apply: applying.update(applying.why),
	touch: touching.update(touching.why),
	end:   deleting.update(deleting.why),
	add:   insertHead + `?, CASE WHEN $2::smallint = 3 THEN 0 END) ON CONFLICT (handle) DO NOTHING`,

	create:   "SELECT * FROM " + postgresCall("create", postgresCreation),
	endOwner: "SELECT " + postgresCall("end_owner", postgresOwner),
	sweep:    "SELECT " + postgresCall("sweep", postgresBatch),
	changes:  "SELECT * FROM " + postgresCall("changes", postgresSince),
}

func postgresFunction(name, params, returns, body string) routine {
	return routine{name, `CREATE OR REPLACE FUNCTION {table}_` + name + routineVersion + `(` + params + `)
RETURNS ` + returns + ` LANGUAGE plpgsql VOLATILE SECURITY INVOKER AS $sojourn$` + body + `$sojourn$`}
}

// postgresCall is a call with typed parameters.
func postgresCall(name, params string) string {
	var casts []string
	for param := range strings.SplitSeq(params, ",") {
		words := strings.Fields(param)
		casts = append(casts, "?::"+words[len(words)-1])
	}
	return `{table}_` + name + routineVersion + `(` + strings.Join(casts, ", ") + `)`
}

var postgresInsert = bind(insertHead, "_handle", "_kind", "_version", "_created", "_seen", "_idle", "_absolute", "_hold_until",
	"_owner", "_facts", "_verifiers", "_state") + `_deadline, CASE WHEN _kind = 3 THEN 0 END) ON CONFLICT (handle) DO NOTHING`

// Where it is alone with the owner, this comes first.
const postgresAlone = `IF current_setting('transaction_isolation') <> 'read committed' THEN
			RAISE EXCEPTION 'the isolation is not READ COMMITTED: set default_transaction_isolation';
		END IF;
		PERFORM pg_advisory_xact_lock(_lock);`

// forgetting is for changes that are removed, the greatest number of which is top:
// whoever has not come as far is told to begin anew. That is everybody when one
// among them has no number yet.
const forgetting = `IF top IS NOT NULL THEN
			UPDATE {meta} SET forgotten = greatest(forgotten, CASE WHEN fresh THEN last + 1 ELSE top END),
				last = last + CASE WHEN fresh THEN 1 ELSE 0 END WHERE id = 1;
		END IF;`

var postgresCreate = `
DECLARE
	was record;
	other bigint;
	many bytea[];
	top bigint;
	fresh boolean;
BEGIN
	code := 1;
	replaced := false;
	IF _lock IS NOT NULL THEN
		` + postgresAlone + `
	END IF;
	LOOP
		SELECT handle, ended, deadline, changed INTO was FROM {table} WHERE handle = _handle FOR UPDATE;
		IF was.handle IS NOT NULL AND (was.ended IS NULL OR was.deadline > _now) THEN
			code := CASE WHEN was.ended IS NULL THEN 4 ELSE 2 END;
			RETURN;
		END IF;
		IF _replaces IS NOT NULL THEN
			SELECT version INTO other FROM {table}
			WHERE handle = _replaces AND owner IS NOT DISTINCT FROM _owner AND ended IS NULL FOR UPDATE;
			replaced := FOUND;
			IF other <> _from THEN
				code := 3;
				RETURN;
			END IF;
		END IF;
		IF _others IS NOT NULL THEN
			SELECT array_agg(handle) INTO many FROM (SELECT handle FROM {table}
				WHERE owner = _owner AND kind = _kind AND handle <> _handle AND (NOT replaced OR handle <> _replaces)
				AND ended IS NULL AND deadline > _now ORDER BY created DESC, handle DESC OFFSET _others) s;
			IF many IS NOT NULL AND NOT _oldest THEN
				code := 5;
				RETURN;
			END IF;
		END IF;
		IF was.handle IS NOT NULL THEN -- its end may be forgotten, and is in the way
			top := was.changed;
			fresh := top = 0;
			` + forgetting + `
			DELETE FROM {table} WHERE handle = _handle;
		END IF;
		` + postgresInsert + `;
		EXIT WHEN FOUND; -- else it was made between the two
	END LOOP;
	IF replaced THEN
		UPDATE {table} SET ` + endingNamed + ` WHERE handle = _replaces;
	END IF;
	IF many IS NOT NULL THEN
		WITH e AS (UPDATE {table} SET ` + endingNamed + ` WHERE handle = ANY (many) AND ended IS NULL RETURNING handle, created)
		SELECT string_agg(encode(handle, 'hex'), ',' ORDER BY created, handle) INTO excess FROM e;
	END IF;
END `

var endingNamed = bind(ending, "_ended", "_mark", "_hold", "_hold")

var postgresEndOwner = `
DECLARE
	n integer;
BEGIN
	` + postgresAlone + `
	UPDATE {table} SET ` + endingNamed + ` ` + bind(ofOwner, "_owner", "_except") + `;
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN n;
END `

// Rows that another has locked are left to him: so nobody waits, and what many
// sweep at once is divided among them.
const postgresSweep = `
DECLARE
	n integer;
	top bigint;
	fresh boolean;
BEGIN
	WITH due AS (SELECT handle FROM {table} WHERE deadline <= _now ORDER BY deadline LIMIT _limit FOR UPDATE SKIP LOCKED),
	swept AS (DELETE FROM {table} r USING due WHERE r.handle = due.handle RETURNING r.changed)
	SELECT count(*), max(changed), bool_or(changed = 0) INTO n, top, fresh FROM swept;
	` + forgetting + `
	RETURN n;
END `

// One row at least, so that one statement, which sees one moment, has the changes
// and where the next ones begin.
const manyChanges = `SELECT h.last, h.forgotten, r.kind, r.handle, r.owner, r.ended FROM {meta} h
	LEFT JOIN {table} r ON r.changed > _since WHERE h.id = 1 ORDER BY r.changed LIMIT _limit`

// See changes.go about numbers.
const postgresChanges = `
DECLARE
	number bigint;
BEGIN
	IF EXISTS (SELECT FROM {table} WHERE changed = 0) THEN
		SELECT last + 1 INTO number FROM {meta} WHERE id = 1 FOR UPDATE; -- the others who want to number wait here
		WITH fresh AS (SELECT handle FROM {table} WHERE changed = 0 LIMIT _limit FOR UPDATE SKIP LOCKED)
		UPDATE {table} r SET changed = number FROM fresh WHERE r.handle = fresh.handle;
		IF FOUND THEN
			UPDATE {meta} SET last = number WHERE id = 1;
		END IF;
	END IF;
	RETURN QUERY ` + manyChanges + `;
END `
