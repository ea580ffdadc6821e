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

// bulk is a statement for many rows of values, prepared for one. Where so many rows
// come that they fill a longer statement, the transaction prepares that for itself:
// few do, and with every file that is opened it would take longer than all the rest.
type bulk struct {
	columns int
	text    string // where it says VALUES, the rows follow
	one     *sql.Stmt
}

// prepare makes the statement.
func (b *bulk) prepare(ctx context.Context, db *sql.DB, columns int, text string) error {
	b.columns, b.text = columns, text
	var err error
	if b.one, err = db.PrepareContext(ctx, b.of(1)); err != nil {
		return fmt.Errorf("prepare statement: %w", err)
	}
	return nil
}

// of is the statement's text for so many rows.
func (b *bulk) of(rows int) string {
	row := "(" + strings.Repeat("?, ", b.columns-1) + "?)"
	return strings.Replace(b.text, "VALUES", "VALUES "+strings.Repeat(row+", ", rows-1)+row, 1)
}

// each calls do with pieces of the rows and the statement for them. The values of
// all rows follow each other.
func (b *bulk) each(ctx context.Context, tx *sql.Tx, values []any, do func(*sql.Stmt, []any) error) error {
	if piece := bulkRows * b.columns; len(values) >= piece {
		many, err := tx.PrepareContext(ctx, b.of(bulkRows)) // closed with the transaction
		if err != nil {
			return fmt.Errorf("prepare statement: %w", err)
		}
		for ; len(values) >= piece; values = values[piece:] {
			if err := do(many, values[:piece]); err != nil {
				return err
			}
		}
	}
	if len(values) == 0 {
		return nil
	}
	one := tx.StmtContext(ctx, b.one)
	for ; len(values) > 0; values = values[b.columns:] {
		if err := do(one, values[:b.columns]); err != nil {
			return err
		}
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
