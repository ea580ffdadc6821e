package store

import (
	"bytes"
	"context"
)

// PutDocument implements Store.
func (m *Memory) PutDocument(ctx context.Context, kind, name string, value []byte) error {
	d := document{kind, name}
	if err := checkDocument(d, value); err != nil {
		return err
	}
	return m.setDocument(ctx, d, bytes.Clone(value))
}

// DropDocument implements Store.
func (m *Memory) DropDocument(ctx context.Context, kind, name string) error {
	return m.setDocument(ctx, document{kind, name}, nil)
}

// setDocument keeps a value, which is the store's own from now on. A nil one drops the
// document, and what was dropped is remembered: the file that a late store moves to
// may still have it.
func (m *Memory) setDocument(ctx context.Context, d document, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return err
	}
	m.documents[d] = value
	return nil
}

// Documents implements Store.
func (m *Memory) Documents(ctx context.Context, kind string) (map[string][]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.usable(ctx); err != nil {
		return nil, err
	}
	all := map[string][]byte{}
	for d, value := range m.documents {
		if d.kind == kind && value != nil {
			all[d.name] = bytes.Clone(value)
		}
	}
	return all, nil
}
