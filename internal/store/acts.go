package store

import (
	"context"
	"database/sql"
	"fmt"
	"math"

	"labstatus/internal/health"
)

func addAct(ctx context.Context, tx *sql.Tx, st *statements, a *health.Act) error {
	body, err := actText(a)
	if err != nil {
		return err
	}
	if _, err := tx.StmtContext(ctx, st.addAct).ExecContext(ctx, nanos(a.At), body); err != nil {
		return fmt.Errorf("add what %s did (%s): %w", a.By, a.Kind, err)
	}
	return nil
}

// Audit implements Store.
func (s *SQLite) Audit(ctx context.Context, limit int, from string) ([]health.Act, string, error) {
	before := cursor{id: math.MaxInt64}
	if from != "" {
		var err error
		if before, err = decodeCursor(actCursor, from); err != nil {
			return nil, "", err
		}
	}
	var page []health.Act
	var rowsRead int
	var last cursor // of the rows that belong to this page, readable or not
	err := s.read(ctx, func(r *reader) error {
		return each(ctx, r, func(rows *sql.Rows) error {
			var id int64
			var body sql.RawBytes
			if err := rows.Scan(&id, &body); err != nil {
				return err
			}
			if rowsRead++; rowsRead > pageSize(limit) {
				return nil // there is more: that is all it was read for
			}
			last = cursor{id: id}
			a, err := actFromText(body)
			if err != nil {
				s.complain(err, "act", id)
				return nil
			}
			page = append(page, a)
			return nil
		}, `SELECT id, body FROM acts WHERE id < ? ORDER BY id DESC LIMIT ?`, before.id, pageSize(limit)+1)
	})
	if err != nil {
		return nil, "", err
	}
	if rowsRead <= pageSize(limit) {
		return page, "", nil
	}
	return page, last.encode(actCursor), nil
}
