package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"labstatus/internal/health"
)

// row is a mail with its number in the table.
type row struct {
	id int64
	health.Mail
}

// mails reads mails with their recipients, both by queries on the same view. The
// query gives id, mail_id, at, sender, subject, raw.
func mails(ctx context.Context, tx *sql.Tx, query string, args ...any) ([]row, error) {
	var out []row
	err := each(ctx, tx, func(rows *sql.Rows) error {
		var m row
		var at int64
		if err := rows.Scan(&m.id, &m.ID, &at, &m.From, &m.Subject, &m.Raw); err != nil {
			return err
		}
		m.At = fromNanos(at)
		if len(m.Raw) == 0 {
			m.Raw = nil
		}
		out = append(out, m)
		return nil
	}, query, args...)
	if err != nil || len(out) == 0 {
		return nil, err
	}
	recipients, err := tx.PrepareContext(ctx, `SELECT address, fate, attempts, next, done, last_err FROM recipients WHERE mail = ? ORDER BY position`)
	if err != nil {
		return nil, err
	}
	for i := range out {
		m := &out[i]
		rows, err := recipients.QueryContext(ctx, m.id)
		err = scanAll(rows, err, func(rows *sql.Rows) error {
			var r health.Recipient
			var next, done int64
			if err := rows.Scan(&r.Address, &r.Fate, &r.Attempts, &next, &done, &r.LastErr); err != nil {
				return err
			}
			r.Next, r.Done = fromNanos(next), fromNanos(done)
			m.Recipients = append(m.Recipients, r)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *SQLite) readMails(ctx context.Context, query string, args ...any) (out []row, err error) {
	err = s.read(ctx, func(r *reader) error {
		return snapshot(ctx, r.db, func(tx *sql.Tx) error {
			out, err = mails(ctx, tx, query, args...)
			return err
		})
	})
	return out, err
}

func withoutNumbers(rows []row) []health.Mail {
	var out []health.Mail
	for _, r := range rows {
		out = append(out, r.Mail)
	}
	return out
}

// Mails implements Store.
func (s *SQLite) Mails(ctx context.Context, limit int, from string) ([]health.Mail, string, error) {
	before := cursor{id: math.MaxInt64}
	if from != "" {
		var err error
		if before, err = decodeCursor(mailCursor, from); err != nil {
			return nil, "", err
		}
	}
	rows, err := s.readMails(ctx, `SELECT id, mail_id, at, sender, subject, x'' FROM mails WHERE id < ? ORDER BY id DESC LIMIT ?`,
		before.id, pageSize(limit)+1)
	if err != nil {
		return nil, "", err
	}
	if len(rows) <= pageSize(limit) {
		return withoutNumbers(rows), "", nil
	}
	rows = rows[:pageSize(limit)]
	return withoutNumbers(rows), cursor{id: rows[len(rows)-1].id}.encode(mailCursor), nil
}

// Mail implements Store.
func (s *SQLite) Mail(ctx context.Context, id string) (health.Mail, error) {
	rows, err := s.readMails(ctx, `SELECT id, mail_id, at, sender, subject, raw FROM mails WHERE mail_id = ?`, id)
	if err != nil {
		return health.Mail{}, err
	}
	if len(rows) == 0 {
		return health.Mail{}, fmt.Errorf("read mail: %w: %s", ErrUnknownMail, id)
	}
	return rows[0].Mail, nil
}

// DueMail implements Store. It is asked again and again, and hardly ever is anything
// due: that is found out first, without a transaction.
func (s *SQLite) DueMail(ctx context.Context, now time.Time, limit int) ([]health.Mail, error) {
	var due bool
	err := s.read(ctx, func(r *reader) error {
		return r.one(ctx, `SELECT EXISTS (SELECT 1 FROM recipients WHERE fate = 'queued' AND next <= ?)`, []any{nanos(now)}, &due)
	})
	if err != nil || !due {
		return nil, err
	}
	rows, err := s.readMails(ctx, `SELECT id, mail_id, at, sender, subject, raw FROM mails
		WHERE id IN (SELECT mail FROM recipients WHERE fate = 'queued' AND next <= ?)
		ORDER BY id LIMIT ?`, nanos(now), pageSize(limit))
	return withoutNumbers(rows), err
}

// NextMail implements Store.
func (s *SQLite) NextMail(ctx context.Context) (time.Time, bool, error) {
	var next sql.NullInt64
	err := s.read(ctx, func(r *reader) error {
		return r.one(ctx, `SELECT min(next) FROM recipients WHERE fate = 'queued'`, nil, &next)
	})
	return fromNanos(next.Int64), next.Valid, err
}

// MailCounts implements Store.
func (s *SQLite) MailCounts(ctx context.Context) (queued, sent, failed int, oldestQueued time.Time, err error) {
	var oldest int64
	err = s.read(ctx, func(r *reader) error {
		return r.one(ctx, `SELECT
			(SELECT recipients FROM fates WHERE fate = 'queued'),
			(SELECT recipients FROM fates WHERE fate = 'sent'),
			(SELECT recipients FROM fates WHERE fate = 'failed'),
			coalesce((SELECT min(at) FROM mails WHERE id IN (SELECT mail FROM recipients WHERE fate = 'queued')), 0)`,
			nil, &queued, &sent, &failed, &oldest)
	})
	return queued, sent, failed, fromNanos(oldest), err
}

// LastFailedMail implements Store.
func (s *SQLite) LastFailedMail(ctx context.Context) (m health.Mail, found bool, err error) {
	err = s.read(ctx, func(r *reader) error {
		m, found = health.Mail{}, false // a read that failed is tried again
		return each(ctx, r, func(rows *sql.Rows) error {
			to := health.Recipient{Fate: health.Failed}
			var at, done int64
			if err := rows.Scan(&m.ID, &at, &m.From, &m.Subject, &to.Address, &to.Attempts, &done, &to.LastErr); err != nil {
				return err
			}
			m.At, to.Done = fromNanos(at), fromNanos(done)
			m.Recipients, found = []health.Recipient{to}, true
			return nil
		}, `SELECT m.mail_id, m.at, m.sender, m.subject, r.address, r.attempts, r.done, r.last_err
			FROM recipients AS r INDEXED BY recipients_failed JOIN mails AS m ON m.id = r.mail
			WHERE r.fate = 'failed' ORDER BY r.done DESC, r.mail DESC, r.position DESC LIMIT 1`)
	})
	return m, found, err
}

// MarkMail implements Store.
func (s *SQLite) MarkMail(ctx context.Context, id string, recipients []health.Recipient) error {
	if err := checkRecipients(recipients); err != nil {
		return err
	}
	return s.write(ctx, "mark mail in", func(ctx context.Context, f *file) error {
		return f.transact(ctx, func(tx *sql.Tx) error {
			var number int64
			err := tx.QueryRowContext(ctx, `SELECT id FROM mails WHERE mail_id = ?`, id).Scan(&number)
			if errors.Is(err, sql.ErrNoRows) {
				return fmt.Errorf("%w: %s", ErrUnknownMail, id)
			}
			if err != nil {
				return err
			}
			mark := tx.StmtContext(ctx, f.st.mark)
			for _, r := range recipients {
				res, err := mark.ExecContext(ctx, number, r.Address, string(r.Fate), r.Attempts, nanos(r.Next), nanos(r.Done), r.LastErr)
				if err != nil {
					return err
				}
				if n, err := res.RowsAffected(); err != nil || n == 0 {
					return errors.Join(err, fmt.Errorf("%w: %s to %s", ErrUnknownMail, id, r.Address))
				}
			}
			return nil
		})
	})
}
