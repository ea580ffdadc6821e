package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"labstatus/internal/health"
)

// StoredEvent is an event with its number in the store, which grows with each
// event committed and is never used again.
type StoredEvent struct {
	ID int64
	health.Event
}

// EventQuery says which events are wanted. A field that is zero leaves it open.
type EventQuery struct {
	Since      time.Time // none before
	Until      time.Time // none at this moment or later
	Experiment string    // of this one alone
	// Text is looked for in the experiment's name and in each issue. Letters of
	// ASCII match in either case, and no character means anything but itself.
	Text string
}

// eventRow is an event as it is kept.
type eventRow struct {
	experiment      string
	at              int64
	healthy, jumpOK bool
	eventJSON
}

// eventJSON are an event's columns of JSON.
type eventJSON struct{ streamOK, tunnelOK, issues string }

// encodeEvents gives the rows that a commit of these events may have to add. What
// would be dropped at once is left out, of each experiment all but the newest: else
// what was dropped after an earlier commit of the same would be taken for new.
func encodeEvents(events []health.Event, keep int) ([]eventRow, error) {
	rows := make([]eventRow, len(events))
	for i := range events {
		e := &events[i]
		text, err := eventText(e)
		if err != nil {
			return nil, err
		}
		rows[i] = eventRow{e.Experiment, nanos(e.When), e.Healthy, e.JumpOK, text}
	}
	if len(rows) <= keep {
		return rows, nil
	}
	there, over := make(map[eventRow]bool, len(rows)), map[string]int{}
	rows = slices.DeleteFunc(rows, func(r eventRow) bool {
		again := there[r]
		if there[r] = true; !again {
			over[r.experiment]++
		}
		return again
	})
	for name := range over {
		over[name] -= keep
	}
	return slices.DeleteFunc(rows, func(r eventRow) bool {
		over[r.experiment]--
		return over[r.experiment] >= 0
	}), nil
}

const eventColumns = `SELECT id, experiment, at, healthy, jump_ok, stream_ok, tunnel_ok, issues FROM events `

// scanEvent reads a row of eventColumns. An unreadable one is left out (false):
// one bad row shouldn't hide all others.
func (s *SQLite) scanEvent(rows *sql.Rows) (e StoredEvent, ok bool, err error) {
	var at int64
	var streamOK, tunnelOK, issues sql.RawBytes
	if err := rows.Scan(&e.ID, &e.Experiment, &at, &e.Healthy, &e.JumpOK, &streamOK, &tunnelOK, &issues); err != nil {
		return e, false, err
	}
	e.When = fromNanos(at)
	if err := eventFromText(&e.Event, streamOK, tunnelOK, issues); err != nil {
		s.complain(err, "event", e.ID)
		return e, false, nil
	}
	return e, true, nil
}

// complain logs the first row that can't be read.
func (s *SQLite) complain(err error, what string, id int64) {
	if !s.complained.Swap(true) {
		s.opts.Log.WithError(err).WithField("file", s.path).WithField(what, id).
			Warn("A row can't be read and is left out. More like it won't be logged.")
	}
}

// Events implements Store.
func (s *SQLite) Events(ctx context.Context, experiment string) ([]health.Event, error) {
	var out []health.Event
	err := s.read(ctx, func(r *reader) error {
		return each(ctx, r, func(rows *sql.Rows) error {
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

// where gives the condition of a query in SQL.
func (q *EventQuery) where(from *cursor) (condition string, args []any) {
	var all []string
	must := func(condition string, a ...any) {
		all, args = append(all, condition), append(args, a...)
	}
	must(`at >= ?`, sinceNanos(q.Since))
	if !q.Until.IsZero() {
		must(`at < ?`, nanos(q.Until))
	}
	if q.Experiment != "" {
		must(`experiment = ?`, q.Experiment)
	}
	if from != nil {
		must(`(at, id) < (?, ?)`, from.at, from.id)
	}
	if q.Text != "" {
		// The text of the column first: it is quickly looked through, and what isn't in
		// it is in none of its issues either. No pattern of LIKE: nothing to escape.
		text, column := lowerASCII(q.Text), lowerASCII(inJSON(q.Text))
		if strings.ContainsRune(q.Text, utf8.RuneError) {
			column = "" // JSON has two ways to write it
		}
		must(`(instr(lower(experiment), ?) OR instr(lower(issues), ?) AND EXISTS (
			SELECT 1 FROM json_each(iif(json_valid(issues), issues, '[]')) WHERE instr(lower(value), ?)))`, text, column, text)
	}
	return strings.Join(all, ` AND `), args
}

// inJSON gives a text as it stands within a JSON string.
func inJSON(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		return text // there is no such string
	}
	return string(b[1 : len(b)-1])
}

// lowerASCII is lower as SQLite has it.
func lowerASCII(text string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, text)
}

// FindEvents implements Store.
func (s *SQLite) FindEvents(ctx context.Context, q EventQuery, limit int, from string) ([]StoredEvent, string, error) {
	var after *cursor
	if from != "" {
		c, err := decodeCursor(eventCursor, from)
		if err != nil {
			return nil, "", err
		}
		after = &c
	}
	where, args := q.where(after)
	var page []StoredEvent
	var rowsRead int
	var last cursor // of the rows that belong to this page, readable or not
	err := s.read(ctx, func(r *reader) error {
		return each(ctx, r, func(rows *sql.Rows) error {
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
		}, eventColumns+`WHERE `+where+` ORDER BY at DESC, id DESC LIMIT ?`, append(args, pageSize(limit)+1)...)
	})
	if err != nil {
		return nil, "", err
	}
	if rowsRead <= pageSize(limit) {
		return page, "", nil
	}
	return page, last.encode(eventCursor), nil
}

// sinceNanos is nanos, but nothing is before the zero time.
func sinceNanos(t time.Time) int64 {
	if t.IsZero() {
		return -1 << 63
	}
	return nanos(t)
}

// untilNanos is nanos, but nothing is after the zero time.
func untilNanos(t time.Time) int64 {
	if t.IsZero() {
		return 1<<63 - 1
	}
	return nanos(t)
}
