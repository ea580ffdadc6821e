package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Bounds of one sweep, so that the commit it follows isn't held up for long. What
// is left over goes with the next commit.
const (
	sweepMails     = 500
	sweepForgotten = 100
	sweepHistory   = 5000
	sweepActs      = 1000
	sweepPages     = 1000 // given back to the file system; 4 MB
)

// sweep drops what is too old at now and gives free space back. It follows a
// commit that is done and mustn't fail because of it: its errors go to the log.
func (s *SQLite) sweep(ctx context.Context, f *file, now time.Time) {
	var more bool
	err := f.transact(ctx, func(tx *sql.Tx) error {
		for _, drop := range []struct {
			what func(context.Context, *sql.Tx, time.Time) (int64, error)
			keep time.Duration
			most int64
		}{
			{dropMails, s.opts.KeepMail, sweepMails},
			{dropForgotten, s.opts.KeepForgotten, sweepForgotten},
			{dropHistory, s.opts.KeepHistory, sweepHistory},
			{dropActs, keepAudit, sweepActs},
		} {
			n, err := drop.what(ctx, tx, now.Add(-drop.keep))
			if err != nil {
				return err
			}
			more = more || n == drop.most
		}
		return nil
	})
	if err == nil {
		// Not Exec: the pragma gives back a page with each row that is asked for.
		err = each(ctx, f.w, func(*sql.Rows) error { return nil }, fmt.Sprintf(`PRAGMA incremental_vacuum(%d)`, sweepPages))
	}
	if err != nil {
		s.opts.Log.WithError(explain("tidy", s.path, err)).Warn("What is too old was not dropped. It is tried again in an hour.")
	}
	if err != nil || !more {
		s.sweptAt = now
	}
}

// dropMails drops mails of checks before the given moment that nobody is queued
// for any more.
func dropMails(ctx context.Context, tx *sql.Tx, before time.Time) (int64, error) {
	res, err := tx.ExecContext(ctx, `DELETE FROM mails WHERE id IN (
		SELECT id FROM mails WHERE at < ? AND NOT EXISTS (SELECT 1 FROM recipients WHERE mail = mails.id AND fate = 'queued')
		ORDER BY at LIMIT ?)`, nanos(before), sweepMails)
	if err != nil {
		return 0, fmt.Errorf("drop old mail: %w", err)
	}
	return res.RowsAffected()
}

// dropForgotten drops the events of experiments forgotten before the given moment,
// unless they have come back since.
func dropForgotten(ctx context.Context, tx *sql.Tx, before time.Time) (int64, error) {
	var names []string
	err := each(ctx, tx, func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		names = append(names, name)
		return err
	}, `SELECT name FROM forgotten WHERE at < ? ORDER BY at LIMIT ?`, nanos(before), sweepForgotten)
	if err != nil {
		return 0, fmt.Errorf("find what was forgotten: %w", err)
	}
	for _, name := range names {
		_, err := tx.ExecContext(ctx, `DELETE FROM events WHERE experiment = ?1 AND ?1 NOT IN (SELECT name FROM records)`, name)
		if err != nil {
			return 0, fmt.Errorf("drop events of %s: %w", name, err)
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM forgotten WHERE name = ?`, name); err != nil {
			return 0, fmt.Errorf("drop the note on %s: %w", name, err)
		}
	}
	return int64(len(names)), nil
}

// dropHistory drops what was over before the given moment: changes of state by when
// the next one came, so that what still held then is known for ever, and the spans
// in which a server was running.
func dropHistory(ctx context.Context, tx *sql.Tx, before time.Time) (int64, error) {
	res, err := tx.ExecContext(ctx, `DELETE FROM history WHERE id IN (
		SELECT id FROM history WHERE ended <= ? ORDER BY ended LIMIT ?)`, nanos(before), sweepHistory)
	if err != nil {
		return 0, fmt.Errorf("drop old history: %w", err)
	}
	for _, drop := range []string{`DELETE FROM standing WHERE state = '' AND at <= ?`, `DELETE FROM watched WHERE until <= ?`} {
		if _, err := tx.ExecContext(ctx, drop, nanos(before)); err != nil {
			return 0, fmt.Errorf("drop old history: %w", err)
		}
	}
	return res.RowsAffected()
}

func dropActs(ctx context.Context, tx *sql.Tx, before time.Time) (int64, error) {
	res, err := tx.ExecContext(ctx, `DELETE FROM acts WHERE id IN (SELECT id FROM acts WHERE at < ? ORDER BY at LIMIT ?)`, nanos(before), sweepActs)
	if err != nil {
		return 0, fmt.Errorf("drop old acts: %w", err)
	}
	return res.RowsAffected()
}
