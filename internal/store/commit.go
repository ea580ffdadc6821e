package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"labstatus/internal/health"
)

// Commit is what is kept together. Its fields are carried out in their order: a
// name in both Records and Forgotten is forgotten.
//
// Nothing is kept twice. An event of the same experiment, moment and content, an
// act of the same moment and content, and a mail of the same ID are there already
// and left as they are; a change of state of the same experiment and moment
// replaces the one there. So a commit may be repeated, alone or as the beginning
// of a longer one.
type Commit struct {
	At        time.Time // of the check; also what retention goes by
	Events    []health.Event
	Records   []health.Record // each replaces what was kept under its name
	Forgotten []string        // experiments whose record is dropped
	System    *health.SystemRecord
	Mails     []*health.Mail // to be sent, oldest first
	Acts      []health.Act

	// History is in the order in which it was learnt. A change overrules what was
	// noted of the day after it, since then the clock was set back meanwhile and what
	// came later knows better. What lies further ahead stands: a clock that is wrong by
	// years must not wipe out the years.
	History []health.StateChange

	// Whole says that Records are all that there are: any other is forgotten, and its
	// history ends. It mends a store that was replaced (ErrReplaced).
	Whole bool
}

func (c *Commit) empty() bool {
	return len(c.Events) == 0 && len(c.Records) == 0 && len(c.Forgotten) == 0 && c.System == nil && len(c.Mails) == 0 &&
		len(c.Acts) == 0 && len(c.History) == 0 && !c.Whole
}

// others are the kept names that a whole commit makes an end of.
func (c *Commit) others(kept []string) []string {
	named := make(map[string]bool, len(c.Records))
	for i := range c.Records {
		named[c.Records[i].Name] = true
	}
	var out []string
	for _, name := range kept {
		if !named[name] {
			out = append(out, name)
		}
	}
	return out
}

// Commit implements Store.
func (s *SQLite) Commit(ctx context.Context, c Commit) error {
	if c.empty() {
		return nil
	}
	if err := checkMails(c.Mails); err != nil {
		return err
	}
	return s.write(ctx, "commit to", func(ctx context.Context, f *file) error {
		if s.replaced && !c.Whole {
			return ErrReplaced
		}
		err := f.transact(ctx, func(tx *sql.Tx) error {
			return commit(ctx, tx, &f.st, &c, s.opts.EventsPerExperiment)
		})
		if err != nil {
			return err
		}
		if c.Whole {
			s.replaced = false
		}
		if sweepDue(s.sweptAt, c.At) {
			s.sweep(ctx, f, c.At)
		}
		return nil
	})
}

func commit(ctx context.Context, tx *sql.Tx, st *statements, c *Commit, keep int) error {
	if err := addEvents(ctx, tx, st, c.Events, keep); err != nil {
		return err
	}
	if err := putRecords(ctx, tx, st, c); err != nil {
		return err
	}
	if c.Whole {
		if err := dropOthers(ctx, tx, st, c); err != nil {
			return err
		}
	}
	for _, name := range c.Forgotten {
		if err := dropRecord(ctx, tx, st, name, c.At); err != nil {
			return err
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
	for i := range c.Acts {
		if err := addAct(ctx, tx, st, &c.Acts[i]); err != nil {
			return err
		}
	}
	return addHistory(ctx, tx, st, c.History)
}

func putRecords(ctx context.Context, tx *sql.Tx, st *statements, c *Commit) error {
	values := make([]any, 0, len(c.Records)*st.putRecords.columns)
	for i := range c.Records {
		body, err := recordText(&c.Records[i])
		if err != nil {
			return err
		}
		values = append(values, c.Records[i].Name, nanos(c.At), body)
	}
	if _, err := st.putRecords.exec(ctx, tx, values); err != nil {
		return fmt.Errorf("put records: %w", err)
	}
	return nil
}

func dropRecord(ctx context.Context, tx *sql.Tx, st *statements, name string, at time.Time) error {
	if _, err := tx.StmtContext(ctx, st.dropRecord).ExecContext(ctx, name); err != nil {
		return fmt.Errorf("drop record of %s: %w", name, err)
	}
	if _, err := tx.StmtContext(ctx, st.noteForgot).ExecContext(ctx, name, nanos(at)); err != nil {
		return fmt.Errorf("note that %s was dropped: %w", name, err)
	}
	return nil
}

// dropOthers makes an end of every experiment that a whole commit doesn't name.
func dropOthers(ctx context.Context, tx *sql.Tx, st *statements, c *Commit) error {
	var kept []string
	err := each(ctx, tx, func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		kept = append(kept, name)
		return err
	}, `SELECT name FROM records ORDER BY name`)
	if err != nil {
		return fmt.Errorf("find what is to be dropped: %w", err)
	}
	for _, name := range c.others(kept) {
		if err := dropRecord(ctx, tx, st, name, c.At); err != nil {
			return err
		}
		if err := addHistory(ctx, tx, st, []health.StateChange{{Experiment: name, At: c.At}}); err != nil {
			return err
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
