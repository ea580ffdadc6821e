package store

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"slices"
	"time"

	"labstatus/internal/health"
)

// addHistory adds changes of state. Nearly always each is later than what is there,
// and the database itself lets that become history.
func addHistory(ctx context.Context, tx *sql.Tx, st *statements, changes []health.StateChange) error {
	values := make([]any, 0, len(changes)*st.putChanges.columns)
	for i := range changes {
		c := &changes[i]
		values = append(values, c.Experiment, nanos(c.At), string(c.State), c.Maintenance)
	}
	taken, err := st.putChanges.exec(ctx, tx, values)
	if err == nil && taken < int64(len(changes)) {
		for i := 0; err == nil && i < len(changes); i++ { // once more does no harm
			err = putBefore(ctx, tx, &changes[i])
		}
	}
	if err != nil {
		return fmt.Errorf("add to histories: %w", err)
	}
	return nil
}

// putBefore adds a change that may not be later than what is there, and writes anew
// what comes after it.
func putBefore(ctx context.Context, tx *sql.Tx, c *health.StateChange) error {
	var all []health.StateChange
	var rows []int64 // of these; 0 for the one that stands
	var before int64 // what was before them all
	err := each(ctx, tx, func(r *sql.Rows) error {
		var change health.StateChange
		var row, at int64
		err := r.Scan(&row, &at, &change.State, &change.Maintenance, &before)
		change.Experiment, change.At = c.Experiment, fromNanos(at)
		all, rows = append(all, change), append(rows, row)
		return err
	}, oneHistory+`SELECT id, at, state, maintenance, before FROM back WHERE ended >= ?1 OR id = 0 ORDER BY at DESC`, nanos(c.At), untilNanos(time.Time{}), c.Experiment)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if _, err := tx.ExecContext(ctx, `DELETE FROM history WHERE id = ?`, row); err != nil {
			return err
		}
	}
	slices.Reverse(all)
	all = overrule(all, *c)
	last := len(all) - 1
	for i, c := range all[:last] {
		res, err := tx.ExecContext(ctx, `INSERT INTO history (experiment, at, ended, state, maintenance, before) VALUES (?, ?, ?, ?, ?, ?)`,
			c.Experiment, nanos(c.At), ended(all, i), string(c.State), c.Maintenance, before)
		if err != nil {
			return err
		}
		if before, err = res.LastInsertId(); err != nil {
			return err
		}
	}
	_, err = tx.ExecContext(ctx, `REPLACE INTO standing (experiment, at, state, maintenance, before) VALUES (?, ?, ?, ?, ?)`,
		c.Experiment, nanos(all[last].At), string(all[last].State), all[last].Maintenance, before)
	return err
}

// overrule puts a change where its moment belongs, in place of what was noted of it
// and of the day after it. The changes are in order, before and after.
func overrule(all []health.StateChange, c health.StateChange) []health.StateChange {
	c.At = fromNanos(nanos(c.At))
	next := len(all)
	for next > 0 && nanos(all[next-1].At) > nanos(c.At.Add(day)) {
		next--
	}
	first := next
	for first > 0 && nanos(all[first-1].At) >= nanos(c.At) {
		first--
	}
	return slices.Replace(all, first, next, c)
}

// ended is when what a change says was over: at the next one, or at once where it
// says that nothing is watched any more.
func ended(all []health.StateChange, i int) int64 {
	switch {
	case all[i].State == "":
		return nanos(all[i].At)
	case i+1 < len(all):
		return nanos(all[i+1].At)
	}
	return untilNanos(time.Time{})
}

const (
	// allHistory is what is in force at ?1, or comes after it and before ?2.
	allHistory = `SELECT experiment, at, state, maintenance FROM history WHERE ended > ?1 AND at < ?2
		UNION ALL SELECT experiment, at, state, maintenance FROM standing WHERE at < ?2 AND (state <> '' OR at > ?1)
		ORDER BY experiment, at`

	// oneHistory begins a query of the same for the experiment ?3, and of a little more: it
	// steps back from what stands. Each step is one back in time, wherever a row leads
	// to whose number has been given to another since.
	oneHistory = `WITH RECURSIVE back (id, at, ended, state, maintenance, before) AS (
		SELECT 0, at, iif(state = '', at, 9223372036854775807), state, maintenance, before FROM standing WHERE experiment = ?3
		UNION ALL
		SELECT h.id, h.at, h.ended, h.state, h.maintenance, h.before
		FROM back JOIN history AS h ON h.id = back.before AND h.experiment = ?3 AND h.at < back.at
		WHERE back.at >= ?1
	) `
)

func scanChange(rows *sql.Rows) (c health.StateChange, err error) {
	var at int64
	err = rows.Scan(&c.Experiment, &at, &c.State, &c.Maintenance)
	c.At = fromNanos(at)
	return c, err
}

// History implements Store.
func (s *SQLite) History(ctx context.Context, experiment string, from, to time.Time) ([]health.StateChange, error) {
	var out []health.StateChange
	err := s.read(ctx, func(r *reader) error {
		return each(ctx, r, func(rows *sql.Rows) error {
			c, err := scanChange(rows)
			out = append(out, c)
			return err
		}, oneHistory+`SELECT ?3, at, state, maintenance FROM back WHERE ended > ?1 AND at < ?2 ORDER BY at`,
			sinceNanos(from), untilNanos(to), experiment)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// AllHistory implements Store. All is read before the first is handed out, so that
// nothing is held open meanwhile.
func (s *SQLite) AllHistory(ctx context.Context, from, to time.Time) iter.Seq2[[]health.StateChange, error] {
	return func(yield func([]health.StateChange, error) bool) {
		var all []health.StateChange
		err := s.read(ctx, func(r *reader) error {
			return each(ctx, r, func(rows *sql.Rows) error {
				c, err := scanChange(rows)
				all = append(all, c)
				return err
			}, allHistory, sinceNanos(from), untilNanos(to))
		})
		if err != nil {
			yield(nil, err)
			return
		}
		for len(all) > 0 {
			n := 1
			for n < len(all) && all[n].Experiment == all[0].Experiment {
				n++
			}
			if !yield(all[:n:n], nil) {
				return
			}
			all = all[n:]
		}
	}
}
