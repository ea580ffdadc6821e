package store

import (
	"context"
	"database/sql"
	"fmt"
)

// statements are what commits say again and again, prepared on the writing
// connection.
type statements struct {
	addEvent, trimEvents              *sql.Stmt
	putRecord, dropRecord, noteForgot *sql.Stmt
	putSystem                         *sql.Stmt
	addMail, addRecipient, mark       *sql.Stmt
	pulse                             *sql.Stmt
}

func (s *statements) prepare(ctx context.Context, db *sql.DB) error {
	for _, p := range []struct {
		to   **sql.Stmt
		text string
	}{
		{&s.addEvent, `INSERT INTO events (experiment, seq, at, healthy, jump_ok, stream_ok, issues)
			VALUES (?1, 1 + coalesce((SELECT max(seq) FROM events WHERE experiment = ?1), 0), ?2, ?3, ?4, ?5, ?6)`},
		{&s.trimEvents, `DELETE FROM events WHERE experiment = ?1
			AND seq <= (SELECT max(seq) FROM events WHERE experiment = ?1) - ?2`},
		{&s.putRecord, `INSERT INTO records (name, at, body) VALUES (?1, ?2, ?3)
			ON CONFLICT (name) DO UPDATE SET at = ?2, body = ?3`},
		{&s.dropRecord, `DELETE FROM records WHERE name = ?`},
		{&s.noteForgot, `INSERT INTO forgotten (name, at) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET at = ?2`},
		{&s.putSystem, `INSERT INTO system (id, at, body) VALUES (1, ?1, ?2) ON CONFLICT (id) DO UPDATE SET at = ?1, body = ?2`},
		{&s.addMail, `INSERT INTO mails (mail_id, at, sender, subject, raw) VALUES (?, ?, ?, ?, ?) ON CONFLICT (mail_id) DO NOTHING`},
		{&s.addRecipient, `INSERT INTO recipients (mail, position, address, fate, attempts, next, done, last_err)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`},
		{&s.mark, `UPDATE recipients SET fate = ?3, attempts = ?4, next = ?5, done = ?6, last_err = ?7 WHERE mail = ?1 AND address = ?2`},
		{&s.pulse, `INSERT INTO pulse (id, at) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET at = ?1`},
	} {
		var err error
		if *p.to, err = db.PrepareContext(ctx, p.text); err != nil {
			return fmt.Errorf("prepare statement: %w", err)
		}
	}
	return nil
}
