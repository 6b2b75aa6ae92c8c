package sqlstore

// The statements say by LAST_INSERT_ID, which comes back with their answer, why
// they did nothing, or that they did what they should: so one does, and is one
// step by itself. 0 is that there is no row.
var mariaTexts = texts{
	apply: applying.update(`LAST_INSERT_ID(` + applying.why + `)`),
	touch: touching.update(`LAST_INSERT_ID(` + touching.why + `)`),
	end:   deleting.update(`LAST_INSERT_ID(` + deleting.why + `)`),
	add: insertHead + `IF(LAST_INSERT_ID(1), ?, 0), IF(kind = 3, 0, NULL)) ON DUPLICATE KEY UPDATE
mark = IF(LAST_INSERT_ID(CASE WHEN ended IS NULL THEN 4 WHEN deadline > ? THEN 2 ELSE 0 END), mark, mark)`,
	create:   mariaCall("create"),
	endOwner: mariaCall("end_owner"),
	sweep:    mariaCall("sweep"),
	changes:  mariaCall("changes"),
}

func mariaCall(name string) string { return `CALL {table}_` + name + routineVersion }

// These are procedures, as a function would be refused to most where there is a
// binary log, and could not choose its isolation. What only decides whether to do
// something comes before all that does.
var mariaRoutines = []routine{
	mariaProcedure("create", `_handle VARBINARY(255), _kind SMALLINT, _version BIGINT, _created BIGINT, _seen BIGINT, _idle BIGINT,
	_absolute BIGINT, _hold_until BIGINT, _owner VARBINARY(255), _facts MEDIUMBLOB, _verifiers MEDIUMBLOB, _state MEDIUMBLOB,
	_deadline BIGINT, _now BIGINT, _lock BIGINT, _others BIGINT, _oldest BOOLEAN, _replaces VARBINARY(255), _from BIGINT,
	_ended BIGINT, _mark BIGINT, _hold BIGINT`, mariaCreate),
	mariaProcedure("end_owner", `_ended BIGINT, _mark BIGINT, _hold BIGINT, _hold2 BIGINT, _owner VARBINARY(255), _except VARBINARY(255),
	_lock BIGINT`, mariaEndOwner),
	mariaProcedure("sweep", `_now BIGINT, _limit INT`, mariaSweep),
	mariaProcedure("changes", `_since BIGINT, _limit INT`, mariaChanges),
}

func mariaProcedure(name, params, body string) routine {
	return routine{name, `CREATE PROCEDURE IF NOT EXISTS {table}_` + name + routineVersion + `(` + params + `)
SQL SECURITY INVOKER
` + body}
}

const (
	mariaRollback = `DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END;`

	// Without locks on what is not there.
	mariaBegin = `SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
	START TRANSACTION;`

	// This comes first, so that all see what was committed before.
	mariaAlone = `SELECT id INTO held FROM {meta} WHERE id = 2 + _lock FOR UPDATE;
		IF held IS NULL THEN -- no row would be no lock
			SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'the table of locks is not complete: call CreateTable';
		END IF;`

	mariaExcess = `FROM {table} FORCE INDEX (by_owner) WHERE owner = _owner AND kind = _kind AND handle <> _handle
		AND (NOT replaced OR handle <> _replaces) AND ended IS NULL AND deadline > _now`
)

var mariaCreate = `BEGIN
	DECLARE code INT DEFAULT 1;
	DECLARE replaced BOOLEAN DEFAULT FALSE;
	DECLARE excess MEDIUMTEXT DEFAULT '';
	DECLARE held, found, holds, other, top, many BIGINT;
	DECLARE fresh, live, none BOOLEAN;
	DECLARE h VARBINARY(255);
	DECLARE oldest CURSOR FOR SELECT handle ` + mariaExcess + ` ORDER BY created, handle LIMIT many;
	DECLARE CONTINUE HANDLER FOR NOT FOUND SET none = TRUE;
	` + mariaRollback + `
	` + mariaBegin + `
	decide: BEGIN
		IF _lock IS NOT NULL THEN
			` + mariaAlone + `
		END IF;
		SELECT 1, ended IS NULL, deadline, changed INTO found, live, holds, top FROM {table} WHERE handle = _handle FOR UPDATE;
		IF found AND (live OR holds > _now) THEN
			SET code = IF(live, 4, 2);
			LEAVE decide;
		END IF;
		IF _replaces IS NOT NULL THEN
			SELECT version INTO other FROM {table} WHERE handle = _replaces AND owner <=> _owner AND ended IS NULL FOR UPDATE;
			SET replaced = other IS NOT NULL;
			IF other <> _from THEN
				SET code = 3;
				LEAVE decide;
			END IF;
		END IF;
		IF _others IS NOT NULL THEN
			SELECT greatest(count(*) - _others, 0) INTO many ` + mariaExcess + `;
			IF many > 0 AND NOT _oldest THEN
				SET code = 5;
				LEAVE decide;
			END IF;
		END IF;
		IF found THEN -- its end may be forgotten, and is in the way
			SET fresh = top = 0;
			` + forgetting + `
			DELETE FROM {table} WHERE handle = _handle;
		END IF;
		` + bind(insertHead, "_handle", "_kind", "_version", "_created", "_seen", "_idle", "_absolute", "_hold_until",
	"_owner", "_facts", "_verifiers", "_state") + `_deadline, IF(_kind = 3, 0, NULL));
		IF many > 0 THEN
			OPEN oldest;
			SET none = FALSE;
			FETCH oldest INTO h; -- another may have ended one meanwhile
			WHILE NOT none DO
				UPDATE {table} SET ` + endingNamed + ` WHERE handle = h AND ended IS NULL;
				IF ROW_COUNT() > 0 THEN
					SET excess = concat(excess, IF(excess = '', '', ','), hex(h));
				END IF;
				FETCH oldest INTO h;
			END WHILE;
			CLOSE oldest;
		END IF;
		IF replaced THEN
			UPDATE {table} SET ` + endingNamed + ` WHERE handle = _replaces;
		END IF;
	END;
	COMMIT;
	SELECT code, replaced, excess;
END`

var mariaEndOwner = `BEGIN
	DECLARE held, n BIGINT;
	` + mariaRollback + `
	` + mariaBegin + `
	` + mariaAlone + `
	UPDATE {table} FORCE INDEX (by_owner) SET ` + endingNamed + ` ` + bind(ofOwner, "_owner", "_except") + `;
	SET n = ROW_COUNT();
	COMMIT;
	SELECT n;
END`

// Rows that another has locked are left to him: so nobody waits, and what many
// sweep at once is divided among them.
const mariaSweep = `BEGIN
	DECLARE n INT DEFAULT 0;
	DECLARE list MEDIUMTEXT DEFAULT '';
	DECLARE h VARBINARY(255);
	DECLARE number, top BIGINT;
	DECLARE none, fresh BOOLEAN DEFAULT FALSE;
	DECLARE due CURSOR FOR SELECT handle, changed FROM {table} FORCE INDEX (by_deadline)
		WHERE deadline <= _now ORDER BY deadline LIMIT _limit FOR UPDATE SKIP LOCKED;
	DECLARE CONTINUE HANDLER FOR NOT FOUND SET none = TRUE;
	` + mariaRollback + `
	` + mariaBegin + `
	OPEN due;
	FETCH due INTO h, number;
	WHILE NOT none DO
		SET list = concat(list, ',"', hex(h), '"'), n = n + 1, fresh = fresh OR coalesce(number = 0, FALSE), top = greatest(coalesce(top, number), coalesce(number, top));
		FETCH due INTO h, number;
	END WHILE;
	CLOSE due;
	` + forgetting + `
	DELETE r FROM JSON_TABLE(concat('[', substr(list, 2), ']'), '$[*]' COLUMNS (h VARCHAR(510) PATH '$')) d
	STRAIGHT_JOIN {table} r FORCE INDEX (PRIMARY) ON r.handle = unhex(d.h);
	COMMIT;
	SELECT n;
END`

// See changes.go about numbers.
const mariaChanges = `BEGIN
	DECLARE h VARBINARY(255);
	DECLARE number BIGINT;
	DECLARE some, none BOOLEAN DEFAULT FALSE;
	DECLARE fresh CURSOR FOR SELECT handle FROM {table} FORCE INDEX (by_changed)
		WHERE changed = 0 LIMIT _limit FOR UPDATE SKIP LOCKED;
	DECLARE CONTINUE HANDLER FOR NOT FOUND SET none = TRUE;
	` + mariaRollback + `
	SELECT EXISTS (SELECT 1 FROM {table} WHERE changed = 0) INTO some; -- within IF it would lock, and wait
	IF some THEN
		` + mariaBegin + `
		SELECT last + 1 INTO number FROM {meta} WHERE id = 1 FOR UPDATE; -- the others who want to number wait here
		OPEN fresh;
		FETCH fresh INTO h;
		IF NOT none THEN
			UPDATE {meta} SET last = number WHERE id = 1;
		END IF;
		WHILE NOT none DO
			UPDATE {table} SET changed = number WHERE handle = h;
			FETCH fresh INTO h;
		END WHILE;
		CLOSE fresh;
		COMMIT;
	END IF;
	` + manyChanges + `;
END`
