-- How many recipients have each fate, kept along with them: to count them takes long
-- where much mail is kept.
CREATE TABLE fates (
	fate       TEXT PRIMARY KEY NOT NULL,
	recipients INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO fates (fate, recipients) SELECT column1, (SELECT count(*) FROM recipients WHERE fate = column1)
	FROM (VALUES ('queued'), ('sent'), ('failed'));

CREATE TRIGGER recipient_added AFTER INSERT ON recipients BEGIN
	UPDATE fates SET recipients = recipients + 1 WHERE fate = new.fate;
END;
CREATE TRIGGER recipient_marked AFTER UPDATE OF fate ON recipients WHEN old.fate <> new.fate BEGIN
	UPDATE fates SET recipients = recipients - 1 WHERE fate = old.fate;
	UPDATE fates SET recipients = recipients + 1 WHERE fate = new.fate;
END;
CREATE TRIGGER recipient_dropped AFTER DELETE ON recipients BEGIN
	UPDATE fates SET recipients = recipients - 1 WHERE fate = old.fate;
END;

-- Which delivery was given up last.
CREATE INDEX recipients_failed ON recipients (done) WHERE fate = 'failed';
