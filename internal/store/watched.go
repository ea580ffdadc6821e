package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"
)

// Span is a time in which a server was running, from its first moment to the one
// after its last.
type Span struct{ From, To time.Time }

// aliveGap is how far apart two calls of Alive may be, a few times the minute that is
// usual: a server whose calls are further apart stood still, with its machine
// perhaps, or its clock was set.
const aliveGap = 5 * time.Minute

// alive is the span that is running. It is replaced whole, by whoever has the turn.
type alive struct {
	since  time.Time
	called time.Time // the latest call, whether it could be written or not
	row    int64     // 0: not written yet
}

// next is the span that a call at that moment belongs to.
func (a *alive) next(at time.Time) alive {
	if a == nil || at.Before(a.since) || at.Sub(a.called) > aliveGap {
		return alive{since: at, called: at}
	}
	return alive{since: a.since, called: at, row: a.row}
}

// written is the span's row; 0 where it has none.
func (a *alive) written() int64 {
	if a == nil {
		return 0
	}
	return a.row
}

// lastsUntil says until when the span lasts, for who asks for spans until then.
func (a *alive) lastsUntil(to time.Time) time.Time {
	if to.After(a.called) && to.Sub(a.called) <= aliveGap {
		return to
	}
	return a.called
}

// Alive implements Store.
func (s *SQLite) Alive(ctx context.Context, at time.Time) error {
	return s.write(ctx, "write to", func(ctx context.Context, f *file) error {
		now := s.alive.Load().next(at)
		s.alive.Store(&now)
		var row int64
		err := f.lightly(ctx, func(tx *sql.Tx) error {
			res, err := tx.StmtContext(ctx, f.st.lengthen).ExecContext(ctx, now.row, nanos(at))
			if err != nil {
				return err
			}
			if n, err := res.RowsAffected(); err != nil || n == 1 {
				row = now.row
				return err
			}
			res, err = tx.ExecContext(ctx, `INSERT INTO watched (since, until) VALUES (?, ?)`, nanos(now.since), nanos(at))
			if err != nil {
				return err
			}
			row, err = res.LastInsertId()
			return err
		})
		if err == nil {
			s.alive.Store(&alive{since: now.since, called: now.called, row: row})
		}
		return err
	})
}

// Watched implements Store.
func (s *SQLite) Watched(ctx context.Context, from, to time.Time) ([]Span, error) {
	running := s.alive.Load()
	var out []Span
	found := false
	err := s.read(ctx, func(r *reader) error {
		return each(ctx, r, func(rows *sql.Rows) error {
			var row, since, until int64
			if err := rows.Scan(&row, &since, &until); err != nil {
				return err
			}
			span := Span{fromNanos(since), fromNanos(until)}
			if row == running.written() {
				found, span.To = true, running.lastsUntil(to)
			}
			out = append(out, span)
			return nil
		}, `SELECT id, since, until FROM watched WHERE until > ?1 AND since < ?2 OR id = ?3`, sinceNanos(from), untilNanos(to), running.written())
	})
	if err != nil {
		return nil, err
	}
	if running != nil && !found {
		out = append(out, Span{running.since, running.lastsUntil(to)})
	}
	return overlapping(out, from, to), nil
}

// overlapping gives the spans that reach into [from, to), oldest first.
func overlapping(spans []Span, from, to time.Time) []Span {
	var out []Span
	for _, s := range spans {
		if s.From.Before(s.To) && s.To.After(from) && (to.IsZero() || s.From.Before(to)) {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b Span) int { return cmp.Or(a.From.Compare(b.From), a.To.Compare(b.To)) })
	return out
}
