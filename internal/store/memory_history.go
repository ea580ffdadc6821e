package store

import (
	"context"
	"iter"
	"maps"
	"slices"
	"time"

	"labstatus/internal/health"
)

// changesWithin gives what is in force at from, or comes after it and before to.
func changesWithin(all []health.StateChange, from, to time.Time) []health.StateChange {
	var out []health.StateChange
	for i, c := range all {
		if ended(all, i) > sinceNanos(from) && nanos(c.At) < untilNanos(to) {
			out = append(out, c)
		}
	}
	return out
}

// sweepHistory drops what was over by then.
func (m *Memory) sweepHistory(before time.Time) {
	for name, all := range m.changes {
		var kept []health.StateChange
		for i, c := range all {
			if ended(all, i) > nanos(before) {
				kept = append(kept, c)
			}
		}
		if m.changes[name] = kept; len(kept) == 0 {
			delete(m.changes, name)
		}
	}
	m.spans = slices.DeleteFunc(m.spans, func(s Span) bool { return !s.To.After(before) })
}

// History implements Store.
func (m *Memory) History(ctx context.Context, experiment string, from, to time.Time) ([]health.StateChange, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.usable(ctx); err != nil {
		return nil, err
	}
	return changesWithin(m.changes[experiment], from, to), nil
}

// AllHistory implements Store. All is read before the first is handed out, so that
// nothing is held locked meanwhile.
func (m *Memory) AllHistory(ctx context.Context, from, to time.Time) iter.Seq2[[]health.StateChange, error] {
	read := func() (all [][]health.StateChange, err error) {
		m.mu.RLock()
		defer m.mu.RUnlock()
		if err := m.usable(ctx); err != nil {
			return nil, err
		}
		for _, name := range slices.Sorted(maps.Keys(m.changes)) {
			if changes := changesWithin(m.changes[name], from, to); len(changes) > 0 {
				all = append(all, changes)
			}
		}
		return all, nil
	}
	return func(yield func([]health.StateChange, error) bool) {
		all, err := read()
		if err != nil {
			yield(nil, err)
			return
		}
		for _, changes := range all {
			if !yield(changes, nil) {
				return
			}
		}
	}
}

// Alive implements Store. The span that is running is kept beside those that are
// over.
func (m *Memory) Alive(ctx context.Context, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return err
	}
	at = fromNanos(nanos(at))
	now := m.alive.next(at)
	if m.alive != nil && !now.since.Equal(m.alive.since) {
		m.spans = append(m.spans, Span{m.alive.since, m.alive.called})
	}
	m.alive = &now
	return nil
}

// Watched implements Store.
func (m *Memory) Watched(ctx context.Context, from, to time.Time) ([]Span, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.usable(ctx); err != nil {
		return nil, err
	}
	all := slices.Clone(m.spans)
	if m.alive != nil {
		all = append(all, Span{m.alive.since, m.alive.lastsUntil(to)})
	}
	return overlapping(all, from, to), nil
}
