-- Small named values that other parts of the server keep. value comes last: finding
-- what there is never touches it.
CREATE TABLE documents (
	kind  TEXT NOT NULL,
	name  TEXT NOT NULL,
	value BLOB NOT NULL,
	PRIMARY KEY (kind, name)
) STRICT;

-- JSON, as stream_ok; null where the experiment had no tunnel of which anything was known.
ALTER TABLE events ADD COLUMN tunnel_ok TEXT NOT NULL DEFAULT 'null';
