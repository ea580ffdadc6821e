package store

import (
	"context"
	"database/sql"
	"fmt"

	"labstatus/internal/health"
)

// each runs a query and hands its rows to scan one by one.
func each(ctx context.Context, db querier, scan func(*sql.Rows) error, query string, args ...any) error {
	rows, err := db.QueryContext(ctx, query, args...)
	return scanAll(rows, err, scan)
}

// scanAll hands what a query came to to scan, row by row.
func scanAll(rows *sql.Rows, err error, scan func(*sql.Rows) error) error {
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
	err = s.read(ctx, func(r *reader) error {
		return snapshot(ctx, r.db, func(tx *sql.Tx) error {
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
		for _, name := range names {
			_, err := tx.ExecContext(ctx, `DELETE FROM events WHERE experiment = ?1
				AND seq <= (SELECT max(seq) FROM events WHERE experiment = ?1) - ?2`, name, keep)
			if err != nil {
				return fmt.Errorf("drop old events of %s: %w", name, err)
			}
		}
		return nil
	})
}
