package store

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"

	"labstatus/internal/health"
)

// adder adds the events of one commit.
type adder struct {
	tx      *sql.Tx
	st      *statements
	last    map[string]*lastEvent
	waiting []any // values of rows that are not written yet
}

// lastEvent is what the next event of an experiment has to go by.
type lastEvent struct {
	seq    int64
	newest int64 // no event there is later
}

// addEvents adds events that aren't there yet, and drops the oldest of each
// experiment it touched.
func addEvents(ctx context.Context, tx *sql.Tx, st *statements, events []health.Event, keep int) error {
	if len(events) == 0 {
		return nil
	}
	rows, err := encodeEvents(events, keep)
	if err != nil {
		return err
	}
	a := adder{tx: tx, st: st, last: map[string]*lastEvent{}}
	if err := a.look(ctx, rows); err != nil {
		return fmt.Errorf("find the last events: %w", err)
	}
	for i := range rows {
		if err := a.add(ctx, &rows[i]); err != nil {
			return fmt.Errorf("add event of %s: %w", rows[i].experiment, err)
		}
	}
	if err := a.write(ctx); err != nil {
		return fmt.Errorf("add events: %w", err)
	}
	var old []any
	for name, last := range a.last {
		if last.seq > int64(keep) {
			old = append(old, name, last.seq-int64(keep))
		}
	}
	if _, err := st.trimEvents.exec(ctx, tx, old); err != nil {
		return fmt.Errorf("drop old events: %w", err)
	}
	return nil
}

// look reads the last event of each experiment.
func (a *adder) look(ctx context.Context, rows []eventRow) error {
	for i := range rows {
		a.last[rows[i].experiment] = &lastEvent{}
	}
	var names []any
	for _, name := range slices.Sorted(maps.Keys(a.last)) {
		names = append(names, name)
	}
	return a.st.lastEvents.query(ctx, a.tx, names, func(rows *sql.Rows) error {
		var name string
		var last lastEvent
		err := rows.Scan(&name, &last.seq, &last.newest)
		a.last[name] = &last
		return err
	})
}

func (a *adder) add(ctx context.Context, e *eventRow) error {
	last := a.last[e.experiment]
	if last.seq > 0 && e.at <= last.newest { // else nothing like it can be there
		if err := a.write(ctx); err != nil {
			return err
		}
		var there bool
		err := a.tx.StmtContext(ctx, a.st.hasEvent).QueryRowContext(ctx,
			e.experiment, e.at, e.healthy, e.jumpOK, e.streamOK, e.tunnelOK, e.issues).Scan(&there)
		if err != nil || there {
			return err
		}
	}
	if last.seq == 0 || e.at > last.newest {
		last.newest = e.at
	}
	last.seq++
	a.waiting = append(a.waiting, e.experiment, last.seq, last.newest, e.at, e.healthy, e.jumpOK, e.streamOK, e.tunnelOK, e.issues)
	return nil
}

func (a *adder) write(ctx context.Context) error {
	_, err := a.st.addEvents.exec(ctx, a.tx, a.waiting)
	a.waiting = a.waiting[:0]
	return err
}
