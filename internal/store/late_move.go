package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"time"

	"labstatus/internal/health"
)

// takeIn adds all that a store in memory has, in one transaction. Found is what the
// file has kept so far: what is only there is watched by nobody in this run.
func (s *SQLite) takeIn(ctx context.Context, m *Memory, found health.Kept) error {
	c, spans, err := m.everything(found)
	if err != nil {
		return fmt.Errorf("read what is in memory: %w", err)
	}
	return s.write(ctx, "move what is in memory to", func(ctx context.Context, f *file) error {
		err := f.transact(ctx, func(tx *sql.Tx) error {
			for _, span := range spans {
				_, err := tx.ExecContext(ctx, `INSERT INTO watched (since, until) VALUES (?, ?)`, nanos(span.From), nanos(span.To))
				if err != nil {
					return err
				}
			}
			if err := putDocuments(ctx, tx, m.documents); err != nil {
				return err
			}
			return commit(ctx, tx, &f.st, &c, s.opts.EventsPerExperiment)
		})
		if err == nil && m.alive != nil {
			s.alive.Store(&alive{since: m.alive.since, called: m.alive.called}) // written at the next call
		}
		return err
	})
}

// everything is one commit of all that is in memory, and the spans that are over.
func (m *Memory) everything(found health.Kept) (Commit, []Span, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	now := time.Now()
	c := Commit{At: now}
	for _, e := range slices.SortedFunc(slices.Values(m.all), func(a, b *memEvent) int { return cmp.Compare(a.id, b.id) }) {
		if e.dropped {
			continue
		}
		event, err := e.decode()
		if err != nil {
			return c, nil, err
		}
		c.Events = append(c.Events, event.Event)
	}
	for _, name := range slices.Sorted(maps.Keys(m.records)) {
		r, err := recordFromText(name, []byte(m.records[name]))
		if err != nil {
			return c, nil, err
		}
		c.Records = append(c.Records, r)
	}
	for _, name := range slices.Sorted(maps.Keys(m.forgotten)) {
		if _, back := m.records[name]; !back {
			c.Forgotten = append(c.Forgotten, name)
		}
	}
	if m.system != "" {
		system, err := systemFromText([]byte(m.system))
		if err != nil {
			return c, nil, err
		}
		c.System = &system
	}
	for _, r := range m.mails {
		c.Mails = append(c.Mails, new(cloneMail(&r.Mail, true)))
	}
	for _, a := range m.acts {
		act, err := actFromText([]byte(a.body))
		if err != nil {
			return c, nil, err
		}
		c.Acts = append(c.Acts, act)
	}
	for i := range found.Records {
		if name := found.Records[i].Name; m.records[name] == "" {
			c.History = append(c.History, health.StateChange{Experiment: name, At: m.began})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.changes)) {
		c.History = append(c.History, m.changes[name]...)
	}
	return c, slices.Clone(m.spans), nil
}
