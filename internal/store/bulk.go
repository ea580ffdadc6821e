package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// bulkRows is how many rows one statement takes at most. Most of what a statement
// costs is its beginning and its end.
const bulkRows = 32

// bulk is a statement for many rows of values, prepared for one and for bulkRows.
type bulk struct {
	columns   int
	one, many *sql.Stmt
}

// prepare makes the statement. Where text says VALUES, the rows follow.
func (b *bulk) prepare(ctx context.Context, db *sql.DB, columns int, text string) error {
	b.columns = columns
	row := "(" + strings.Repeat("?, ", columns-1) + "?)"
	for _, p := range []struct {
		to   **sql.Stmt
		rows int
	}{{&b.one, 1}, {&b.many, bulkRows}} {
		values := "VALUES " + strings.Repeat(row+", ", p.rows-1) + row
		var err error
		if *p.to, err = db.PrepareContext(ctx, strings.Replace(text, "VALUES", values, 1)); err != nil {
			return fmt.Errorf("prepare statement: %w", err)
		}
	}
	return nil
}

// each calls do with pieces of the rows and the statement for them. The values of
// all rows follow each other.
func (b *bulk) each(ctx context.Context, tx *sql.Tx, values []any, do func(*sql.Stmt, []any) error) error {
	st, rows := tx.StmtContext(ctx, b.many), bulkRows
	for len(values) > 0 {
		if rows > 1 && len(values) < rows*b.columns {
			st, rows = tx.StmtContext(ctx, b.one), 1
		}
		if err := do(st, values[:rows*b.columns]); err != nil {
			return err
		}
		values = values[rows*b.columns:]
	}
	return nil
}

// exec carries the statement out for all rows, and counts those it changed.
func (b *bulk) exec(ctx context.Context, tx *sql.Tx, values []any) (changed int64, err error) {
	err = b.each(ctx, tx, values, func(st *sql.Stmt, values []any) error {
		res, err := st.ExecContext(ctx, values...)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		changed += n
		return err
	})
	return changed, err
}

// query hands the rows that the statement finds to scan.
func (b *bulk) query(ctx context.Context, tx *sql.Tx, values []any, scan func(*sql.Rows) error) error {
	return b.each(ctx, tx, values, func(st *sql.Stmt, values []any) error {
		rows, err := st.QueryContext(ctx, values...)
		return scanAll(rows, err, scan)
	})
}
