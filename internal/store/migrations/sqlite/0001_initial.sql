-- The first schema. Times are Unix nanoseconds, UTC; 0 stands for "none".

-- Marks the file as ours ("LABS"), so that no other program's database is ever
-- taken for it.
PRAGMA application_id = 0x4C414253;

-- What is kept of each experiment; body is a health.Record as JSON.
CREATE TABLE records (
	name TEXT PRIMARY KEY NOT NULL,
	at   INTEGER NOT NULL,
	body TEXT NOT NULL
) STRICT;

-- What is kept of the laboratory as a whole; body is a health.SystemRecord.
CREATE TABLE system (
	id   INTEGER PRIMARY KEY CHECK (id = 1),
	at   INTEGER NOT NULL,
	body TEXT NOT NULL
) STRICT;

-- The histories. seq counts one experiment's events from 1, so that the oldest
-- are found without counting rows.
CREATE TABLE events (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	experiment TEXT NOT NULL,
	seq        INTEGER NOT NULL,
	at         INTEGER NOT NULL,
	healthy    INTEGER NOT NULL,
	jump_ok    INTEGER NOT NULL,
	stream_ok  TEXT NOT NULL, -- JSON object: topic to verdict
	issues     TEXT NOT NULL, -- JSON array of strings
	UNIQUE (experiment, seq)
) STRICT;
CREATE INDEX events_at ON events (at, id);

-- Experiments dropped, and when: their events outlive them for a while.
CREATE TABLE forgotten (
	name TEXT PRIMARY KEY NOT NULL,
	at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX forgotten_at ON forgotten (at);

-- The outbox. raw comes last: reading the rest of a row then never touches it.
CREATE TABLE mails (
	id      INTEGER PRIMARY KEY AUTOINCREMENT,
	mail_id TEXT UNIQUE NOT NULL, -- Message-ID without its angle brackets
	at      INTEGER NOT NULL,
	sender  TEXT NOT NULL,
	subject TEXT NOT NULL,
	raw     BLOB NOT NULL
) STRICT;
CREATE INDEX mails_at ON mails (at);

CREATE TABLE recipients (
	mail     INTEGER NOT NULL REFERENCES mails (id) ON DELETE CASCADE,
	position INTEGER NOT NULL,
	address  TEXT NOT NULL,
	fate     TEXT NOT NULL CHECK (fate IN ('queued', 'sent', 'failed')),
	attempts INTEGER NOT NULL,
	next     INTEGER NOT NULL,
	done     INTEGER NOT NULL,
	last_err TEXT NOT NULL,
	PRIMARY KEY (mail, position),
	UNIQUE (mail, address)
) STRICT, WITHOUT ROWID;
CREATE INDEX recipients_fate ON recipients (fate, next);

-- Written to find out whether anything can be.
CREATE TABLE pulse (
	id INTEGER PRIMARY KEY CHECK (id = 1),
	at INTEGER NOT NULL
) STRICT;
