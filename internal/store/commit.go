package store

import (
	"context"
	"database/sql"
	"fmt"

	"labstatus/internal/health"
)

// Commit implements Store.
func (s *SQLite) Commit(ctx context.Context, c Commit) error {
	if c.empty() {
		return nil
	}
	if err := checkMails(c.Mails); err != nil {
		return err
	}
	return s.write(ctx, "commit to", func(ctx context.Context, f *file) error {
		err := f.transact(ctx, func(tx *sql.Tx) error {
			return commit(ctx, tx, &f.st, &c, s.opts.EventsPerExperiment)
		})
		if err == nil && sweepDue(s.sweptAt, c.At) {
			s.sweep(ctx, f, c.At)
		}
		return err
	})
}

func commit(ctx context.Context, tx *sql.Tx, st *statements, c *Commit, keep int) error {
	if err := addEvents(ctx, tx, st, c.Events, keep); err != nil {
		return err
	}
	put := tx.StmtContext(ctx, st.putRecord)
	for i := range c.Records {
		body, err := recordText(&c.Records[i])
		if err != nil {
			return err
		}
		if _, err := put.ExecContext(ctx, c.Records[i].Name, nanos(c.At), body); err != nil {
			return fmt.Errorf("put record of %s: %w", c.Records[i].Name, err)
		}
	}
	for _, name := range c.Forgotten {
		if _, err := tx.StmtContext(ctx, st.dropRecord).ExecContext(ctx, name); err != nil {
			return fmt.Errorf("drop record of %s: %w", name, err)
		}
		if _, err := tx.StmtContext(ctx, st.noteForgot).ExecContext(ctx, name, nanos(c.At)); err != nil {
			return fmt.Errorf("note that %s was dropped: %w", name, err)
		}
	}
	if c.System != nil {
		body, err := systemText(c.System)
		if err != nil {
			return err
		}
		if _, err := tx.StmtContext(ctx, st.putSystem).ExecContext(ctx, nanos(c.At), body); err != nil {
			return fmt.Errorf("put the system's record: %w", err)
		}
	}
	for _, m := range c.Mails {
		if err := addMail(ctx, tx, st, m); err != nil {
			return err
		}
	}
	return nil
}

// addEvents adds events and drops the oldest of each experiment it touched.
func addEvents(ctx context.Context, tx *sql.Tx, st *statements, events []health.Event, keep int) error {
	add, touched := tx.StmtContext(ctx, st.addEvent), map[string]bool{}
	for i := range events {
		e := &events[i]
		streamOK, issues, err := eventText(e)
		if err != nil {
			return err
		}
		if _, err := add.ExecContext(ctx, e.Experiment, nanos(e.When), e.Healthy, e.JumpOK, streamOK, issues); err != nil {
			return fmt.Errorf("add event of %s: %w", e.Experiment, err)
		}
		touched[e.Experiment] = true
	}
	trim := tx.StmtContext(ctx, st.trimEvents)
	for name := range touched {
		if _, err := trim.ExecContext(ctx, name, keep); err != nil {
			return fmt.Errorf("drop old events of %s: %w", name, err)
		}
	}
	return nil
}

func addMail(ctx context.Context, tx *sql.Tx, st *statements, m *health.Mail) error {
	raw := m.Raw
	if raw == nil {
		raw = []byte{} // nil would be NULL
	}
	res, err := tx.StmtContext(ctx, st.addMail).ExecContext(ctx, m.ID, nanos(m.At), m.From, m.Subject, raw)
	if err != nil {
		return fmt.Errorf("add mail %s: %w", m.ID, err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return err // kept already, with what became of it since
	}
	id, err := res.LastInsertId()
	if err != nil {
		return fmt.Errorf("add mail %s: %w", m.ID, err)
	}
	add := tx.StmtContext(ctx, st.addRecipient)
	for i, r := range onceEach(m.Recipients) {
		_, err := add.ExecContext(ctx, id, i, r.Address, string(r.Fate), r.Attempts, nanos(r.Next), nanos(r.Done), r.LastErr)
		if err != nil {
			return fmt.Errorf("add recipient of mail %s: %w", m.ID, err)
		}
	}
	return nil
}
