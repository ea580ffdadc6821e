package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	"labstatus/internal/health"
)

// memAct is a row of the acts table.
type memAct struct {
	id, at int64
	body   string
}

func (m *Memory) addAct(at int64, body string) {
	if slices.ContainsFunc(m.acts, func(a memAct) bool { return a.at == at && a.body == body }) {
		return
	}
	m.lastAct++
	m.acts = append(m.acts, memAct{m.lastAct, at, body})
}

func (m *Memory) sweepActs(before time.Time) {
	m.acts = slices.DeleteFunc(m.acts, func(a memAct) bool { return a.at < nanos(before) })
}

// Audit implements Store.
func (m *Memory) Audit(ctx context.Context, limit int, from string) ([]health.Act, string, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.usable(ctx); err != nil {
		return nil, "", err
	}
	end := len(m.acts)
	if from != "" {
		c, err := decodeCursor(actCursor, from)
		if err != nil {
			return nil, "", err
		}
		end, _ = slices.BinarySearchFunc(m.acts, c.id, func(a memAct, id int64) int { return cmp.Compare(a.id, id) })
	}
	start := max(0, end-pageSize(limit))
	var page []health.Act
	for _, a := range slices.Backward(m.acts[start:end]) {
		act, err := actFromText([]byte(a.body))
		if err != nil {
			return nil, "", err
		}
		page = append(page, act)
	}
	if start == 0 {
		return page, "", nil
	}
	return page, cursor{id: m.acts[start].id}.encode(actCursor), nil
}
