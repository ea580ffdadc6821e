package store

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"labstatus/internal/health"
)

// memEvent is a row of the events table.
type memEvent struct {
	id int64
	eventRow
	dropped bool
}

func (e *memEvent) decode() (StoredEvent, error) {
	out := StoredEvent{ID: e.id, Event: health.Event{
		Experiment: e.experiment, When: fromNanos(e.at), Healthy: e.healthy, JumpOK: e.jumpOK}}
	return out, eventFromText(&out.Event, []byte(e.streamOK), []byte(e.tunnelOK), []byte(e.issues))
}

func (m *Memory) addEvent(row eventRow) {
	h := m.histories[row.experiment]
	if slices.ContainsFunc(h, func(kept *memEvent) bool { return kept.eventRow == row }) {
		return
	}
	m.lastEvent++
	e := &memEvent{id: m.lastEvent, eventRow: row}
	// Nearly always at the end; not after the clock was set back.
	i, _ := slices.BinarySearchFunc(m.all, e, byTime)
	m.all = slices.Insert(m.all, i, e)
	m.histories[e.experiment] = append(h, e)
}

// trimEvents drops the oldest events of an experiment.
func (m *Memory) trimEvents(name string) {
	h := m.histories[name]
	if over := len(h) - m.opts.EventsPerExperiment; over > 0 {
		m.discard(h[:over])
		m.histories[name] = slices.Delete(h, 0, over)
	}
}

func byTime(a, b *memEvent) int {
	return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.id, b.id))
}

// discard drops events from all, which is cleared up when half of it is dropped.
func (m *Memory) discard(events []*memEvent) {
	for _, e := range events {
		e.dropped = true
	}
	if m.dropped += len(events); m.dropped > len(m.all)/2 {
		m.all = slices.DeleteFunc(m.all, func(e *memEvent) bool { return e.dropped })
		m.dropped = 0
	}
}

// Events implements Store.
func (m *Memory) Events(ctx context.Context, experiment string) ([]health.Event, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.usable(ctx); err != nil {
		return nil, err
	}
	var out []health.Event
	for _, e := range m.histories[experiment] {
		stored, err := e.decode()
		if err != nil {
			return nil, err
		}
		out = append(out, stored.Event)
	}
	return out, nil
}

// matches says whether an event that is late enough is one of those wanted.
func (q *EventQuery) matches(e *StoredEvent) bool {
	switch {
	case !q.Until.IsZero() && nanos(e.When) >= nanos(q.Until):
		return false
	case q.Experiment != "" && e.Experiment != q.Experiment:
		return false
	}
	text := lowerASCII(q.Text)
	has := func(s string) bool { return strings.Contains(lowerASCII(s), text) }
	return has(e.Experiment) || slices.ContainsFunc(e.Issues, has)
}

// FindEvents implements Store.
func (m *Memory) FindEvents(ctx context.Context, q EventQuery, limit int, from string) ([]StoredEvent, string, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.usable(ctx); err != nil {
		return nil, "", err
	}
	end := len(m.all)
	if from != "" {
		c, err := decodeCursor(eventCursor, from)
		if err != nil {
			return nil, "", err
		}
		end, _ = slices.BinarySearchFunc(m.all, &memEvent{id: c.id, eventRow: eventRow{at: c.at}}, byTime)
	}
	var page []StoredEvent
	for _, e := range slices.Backward(m.all[:end]) {
		if e.at < sinceNanos(q.Since) {
			break
		}
		if e.dropped {
			continue
		}
		stored, err := e.decode()
		if err != nil {
			return nil, "", err
		}
		if !q.matches(&stored) {
			continue
		}
		if len(page) == pageSize(limit) {
			last := page[len(page)-1]
			return page, cursor{at: nanos(last.When), id: last.ID}.encode(eventCursor), nil
		}
		page = append(page, stored)
	}
	return page, "", nil
}
