-- Histories of state, the audit list, and when a server was running.

-- How each experiment is, since its latest change. An empty state: it is watched no
-- more.
CREATE TABLE standing (
	experiment  TEXT PRIMARY KEY NOT NULL,
	at          INTEGER NOT NULL,
	state       TEXT NOT NULL,
	maintenance INTEGER NOT NULL,
	before      INTEGER NOT NULL DEFAULT 0 -- what was before, in history; it may have been dropped
) STRICT, WITHOUT ROWID;

-- How it was before, until the next change; without a state, for no time at all. Rows
-- lie in the order in which they ended, so that a change of everybody at once is
-- written in one place; those of one experiment are found from the latest backwards.
CREATE TABLE history (
	id          INTEGER PRIMARY KEY,
	experiment  TEXT NOT NULL,
	at          INTEGER NOT NULL,
	ended       INTEGER NOT NULL,
	state       TEXT NOT NULL,
	maintenance INTEGER NOT NULL,
	before      INTEGER NOT NULL -- as above
) STRICT;
CREATE INDEX history_ended ON history (ended);

CREATE TRIGGER standing_was AFTER UPDATE OF at ON standing BEGIN
	INSERT INTO history (experiment, at, ended, state, maintenance, before)
	VALUES (old.experiment, old.at, iif(old.state = '', old.at, new.at), old.state, old.maintenance, old.before);
	UPDATE standing SET before = last_insert_rowid() WHERE experiment = new.experiment;
END;

-- What people did; body is a health.Act as JSON. The same act is there once.
CREATE TABLE acts (
	id   INTEGER PRIMARY KEY AUTOINCREMENT,
	at   INTEGER NOT NULL,
	body TEXT NOT NULL,
	UNIQUE (at, body)
) STRICT;

-- The spans in which a server was running: a row for each, and few of them.
CREATE TABLE watched (
	id    INTEGER PRIMARY KEY AUTOINCREMENT,
	since INTEGER NOT NULL,
	until INTEGER NOT NULL
) STRICT;

-- No event of the experiment with this seq or a lower one is later than newest: what
-- is later can't be there twice, and need not be looked for.
ALTER TABLE events ADD COLUMN newest INTEGER NOT NULL DEFAULT 0;
UPDATE events SET newest = latest.at
	FROM (SELECT experiment, max(at) AS at FROM events GROUP BY experiment) AS latest
	WHERE events.experiment = latest.experiment;

-- head is a random number that each transaction draws anew: by it a server knows the
-- contents that it wrote last from any older ones put in their place.
INSERT INTO pulse (id, at) VALUES (1, 0) ON CONFLICT DO NOTHING;
ALTER TABLE pulse ADD COLUMN head INTEGER NOT NULL DEFAULT 0;
