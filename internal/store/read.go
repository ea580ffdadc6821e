package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"labstatus/internal/health"
)

// each runs a query and hands its rows to scan one by one.
func each(ctx context.Context, db querier, scan func(*sql.Rows) error, query string, args ...any) error {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close() // a second time after the loop's end: does nothing
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// querier is a database or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// snapshot runs fn with a view of the database that doesn't change meanwhile.
func snapshot(ctx context.Context, db *sql.DB, fn func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback() // nothing was written
	return fn(tx)
}

// Kept implements Store.
func (s *SQLite) Kept(ctx context.Context) (kept health.Kept, warnings []error, err error) {
	err = s.read(ctx, func(db *sql.DB) error {
		return snapshot(ctx, db, func(tx *sql.Tx) error {
			err := each(ctx, tx, func(rows *sql.Rows) error {
				var name string
				var body sql.RawBytes
				if err := rows.Scan(&name, &body); err != nil {
					return err
				}
				r, err := recordFromText(name, body)
				if err != nil {
					warnings = append(warnings, err)
					return nil
				}
				kept.Records = append(kept.Records, r)
				return nil
			}, `SELECT name, body FROM records ORDER BY name`)
			if err != nil {
				return err
			}
			return each(ctx, tx, func(rows *sql.Rows) error {
				var body sql.RawBytes
				if err := rows.Scan(&body); err != nil {
					return err
				}
				r, err := systemFromText(body)
				if err != nil {
					warnings = append(warnings, err)
					return nil
				}
				kept.System = r
				return nil
			}, `SELECT body FROM system`)
		})
	})
	if err != nil {
		return health.Kept{}, warnings, err
	}
	return kept, warnings, nil
}

const eventColumns = `SELECT id, experiment, at, healthy, jump_ok, stream_ok, issues FROM events `

// scanEvent reads a row of eventColumns. An unreadable one is left out (false):
// one bad row shouldn't hide all others.
func (s *SQLite) scanEvent(rows *sql.Rows) (e StoredEvent, ok bool, err error) {
	var at int64
	var streamOK, issues sql.RawBytes
	if err := rows.Scan(&e.ID, &e.Experiment, &at, &e.Healthy, &e.JumpOK, &streamOK, &issues); err != nil {
		return e, false, err
	}
	e.When = fromNanos(at)
	if err := eventFromText(&e.Event, streamOK, issues); err != nil {
		if !s.complained.Swap(true) {
			s.opts.Log.WithError(err).WithField("file", s.path).WithField("event", e.ID).
				Warn("An event can't be read and is left out. More like it won't be logged.")
		}
		return e, false, nil
	}
	return e, true, nil
}

// Events implements Store.
func (s *SQLite) Events(ctx context.Context, experiment string) ([]health.Event, error) {
	var out []health.Event
	err := s.read(ctx, func(db *sql.DB) error {
		return each(ctx, db, func(rows *sql.Rows) error {
			e, ok, err := s.scanEvent(rows)
			if ok {
				out = append(out, e.Event)
			}
			return err
		}, eventColumns+`WHERE experiment = ? ORDER BY seq`, experiment)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// AllEvents implements Store.
func (s *SQLite) AllEvents(ctx context.Context, since time.Time, limit int, from string) ([]StoredEvent, string, error) {
	query, args := eventColumns+`WHERE at >= ?1 ORDER BY at DESC, id DESC LIMIT ?2`, []any{sinceNanos(since), pageSize(limit) + 1}
	if from != "" {
		c, err := decodeCursor(eventCursor, from)
		if err != nil {
			return nil, "", err
		}
		query = eventColumns + `WHERE at >= ?1 AND (at, id) < (?3, ?4) ORDER BY at DESC, id DESC LIMIT ?2`
		args = append(args, c.at, c.id)
	}
	var page []StoredEvent
	var rowsRead int
	var last cursor // of the rows that belong to this page, readable or not
	err := s.read(ctx, func(db *sql.DB) error {
		return each(ctx, db, func(rows *sql.Rows) error {
			e, ok, err := s.scanEvent(rows)
			if err != nil {
				return err
			}
			if rowsRead++; rowsRead > pageSize(limit) {
				return nil // there is more: that is all it was read for
			}
			last = cursor{at: nanos(e.When), id: e.ID}
			if ok {
				page = append(page, e)
			}
			return nil
		}, query, args...)
	})
	if err != nil {
		return nil, "", err
	}
	if rowsRead <= pageSize(limit) {
		return page, "", nil
	}
	return page, last.encode(eventCursor), nil
}

// sinceNanos is nanos, but no event is before the zero time.
func sinceNanos(t time.Time) int64 {
	if t.IsZero() {
		return -1 << 63
	}
	return nanos(t)
}

// trimAll drops what is over the count, for when that was lowered. It steps from
// name to name through the index rather than through all events.
func (f *file) trimAll(ctx context.Context, keep int) error {
	var names []string
	err := each(ctx, f.w, func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		names = append(names, name)
		return err
	}, `WITH RECURSIVE names (name) AS (
			SELECT min(experiment) FROM events
			UNION ALL
			SELECT (SELECT min(experiment) FROM events WHERE experiment > name) FROM names WHERE name IS NOT NULL
		)
		SELECT name FROM names WHERE name IS NOT NULL AND
			(SELECT max(seq) - min(seq) FROM events WHERE experiment = name) >= ?`, keep)
	if err != nil || len(names) == 0 {
		return err
	}
	return f.transact(ctx, func(tx *sql.Tx) error {
		trim := tx.StmtContext(ctx, f.st.trimEvents)
		for _, name := range names {
			if _, err := trim.ExecContext(ctx, name, keep); err != nil {
				return fmt.Errorf("drop old events of %s: %w", name, err)
			}
		}
		return nil
	})
}
