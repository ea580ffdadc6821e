package store

import (
	"context"
	"database/sql"
	"fmt"
)

// statements are what commits say again and again, prepared on the writing
// connection.
type statements struct {
	lastEvents, addEvents, trimEvents bulk
	putRecords                        bulk
	putChanges                        bulk
	dropRecord, noteForgot, putSystem *sql.Stmt
	addMail, addRecipient, mark       *sql.Stmt
	addAct, hasEvent                  *sql.Stmt
	lengthen, advance                 *sql.Stmt
}

func (s *statements) prepare(ctx context.Context, db *sql.DB) error {
	for _, p := range []struct {
		to      *bulk
		columns int
		text    string
	}{
		{&s.lastEvents, 1, `SELECT e.experiment, e.seq, e.newest FROM (VALUES) AS v JOIN events AS e
			ON e.experiment = v.column1 AND e.seq = (SELECT max(seq) FROM events WHERE experiment = v.column1)`},
		{&s.addEvents, 9, `INSERT INTO events (experiment, seq, newest, at, healthy, jump_ok, stream_ok, tunnel_ok, issues) VALUES`},
		{&s.trimEvents, 2, `DELETE FROM events WHERE id IN (SELECT e.id FROM (VALUES) AS v JOIN events AS e
			ON e.experiment = v.column1 AND e.seq <= v.column2)`},
		{&s.putRecords, 3, `INSERT INTO records (name, at, body) VALUES
			ON CONFLICT (name) DO UPDATE SET at = excluded.at, body = excluded.body`},
		{&s.putChanges, 4, `INSERT INTO standing (experiment, at, state, maintenance) VALUES
			ON CONFLICT (experiment) DO UPDATE SET at = excluded.at, state = excluded.state, maintenance = excluded.maintenance
			WHERE at < excluded.at`},
	} {
		if err := p.to.prepare(ctx, db, p.columns, p.text); err != nil {
			return err
		}
	}
	for _, p := range []struct {
		to   **sql.Stmt
		text string
	}{
		{&s.dropRecord, `DELETE FROM records WHERE name = ?`},
		{&s.noteForgot, `INSERT INTO forgotten (name, at) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET at = ?2`},
		{&s.putSystem, `INSERT INTO system (id, at, body) VALUES (1, ?1, ?2) ON CONFLICT (id) DO UPDATE SET at = ?1, body = ?2`},
		{&s.addMail, `INSERT INTO mails (mail_id, at, sender, subject, raw) VALUES (?, ?, ?, ?, ?) ON CONFLICT (mail_id) DO NOTHING`},
		{&s.addRecipient, `INSERT INTO recipients (mail, position, address, fate, attempts, next, done, last_err)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`},
		{&s.mark, `UPDATE recipients SET fate = ?3, attempts = ?4, next = ?5, done = ?6, last_err = ?7 WHERE mail = ?1 AND address = ?2`},
		{&s.addAct, `INSERT INTO acts (at, body) VALUES (?, ?) ON CONFLICT DO NOTHING`},
		// The plus keeps SQLite from the index of moments: thousands may share one.
		{&s.hasEvent, `SELECT EXISTS (SELECT 1 FROM events WHERE experiment = ? AND +at = ?
			AND healthy = ? AND jump_ok = ? AND stream_ok = ? AND tunnel_ok = ? AND issues = ?)`},
		{&s.lengthen, `UPDATE watched SET until = ?2 WHERE id = ?1`},
		{&s.advance, `UPDATE pulse SET head = ?2 WHERE id = 1 AND head = ?1`},
	} {
		var err error
		if *p.to, err = db.PrepareContext(ctx, p.text); err != nil {
			return fmt.Errorf("prepare statement: %w", err)
		}
	}
	return nil
}
