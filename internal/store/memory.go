package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"labstatus/internal/health"
)

// Memory is a Store that lasts as long as the process: for demonstrations, for
// tests, and where nothing may be written. It keeps what the file would keep, in
// the same encoding.
type Memory struct {
	opts  Options
	began time.Time

	mu        sync.RWMutex
	closed    bool
	sweptAt   time.Time
	records   map[string]string
	system    string
	forgotten map[string]int64
	histories map[string][]*memEvent // oldest first
	all       []*memEvent            // by time and number, dropped ones among them
	dropped   int                    // in all
	lastEvent int64
	mails     []*row // oldest first
	byID      map[string]*row
	lastMail  int64
	changes   map[string][]health.StateChange // by time
	acts      []memAct                        // oldest first
	lastAct   int64
	spans     []Span // those that are over
	alive     *alive // the one that is running; nil: none yet

	documents map[document][]byte // nil: dropped
}

// OpenMemory makes an empty store.
func OpenMemory(o Options) (*Memory, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Memory{opts: o, began: time.Now(), records: map[string]string{}, forgotten: map[string]int64{},
		histories: map[string][]*memEvent{}, byID: map[string]*row{}, changes: map[string][]health.StateChange{},
		documents: map[document][]byte{}}, nil
}

// usable says why a call can't be served. The caller holds the lock.
func (m *Memory) usable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("use memory store: %w", err)
	}
	if m.closed {
		return fmt.Errorf("use memory store: %w", ErrClosed)
	}
	return nil
}

// Commit implements Store.
func (m *Memory) Commit(ctx context.Context, c Commit) error {
	if c.empty() {
		return nil
	}
	if err := checkMails(c.Mails); err != nil {
		return err
	}
	// Whatever can fail comes before the first change.
	events, err := encodeEvents(c.Events, m.opts.EventsPerExperiment)
	if err != nil {
		return err
	}
	records := map[string]string{}
	for i := range c.Records {
		body, err := recordText(&c.Records[i])
		if err != nil {
			return err
		}
		records[c.Records[i].Name] = body
	}
	acts := make([]string, len(c.Acts))
	for i := range c.Acts {
		if acts[i], err = actText(&c.Acts[i]); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return err
	}
	if c.System != nil {
		body, err := systemText(c.System)
		if err != nil {
			return err
		}
		m.system = body
	}
	for _, e := range events {
		m.addEvent(e)
	}
	for _, e := range events {
		m.trimEvents(e.experiment)
	}
	maps.Copy(m.records, records)
	if c.Whole {
		for _, name := range c.others(slices.Collect(maps.Keys(m.records))) {
			m.forget(name, c.At)
			m.changes[name] = overrule(m.changes[name], health.StateChange{Experiment: name, At: c.At})
		}
	}
	for _, name := range c.Forgotten {
		m.forget(name, c.At)
	}
	for _, mail := range c.Mails {
		m.addMail(mail)
	}
	for i, body := range acts {
		m.addAct(nanos(c.Acts[i].At), body)
	}
	for _, change := range c.History {
		m.changes[change.Experiment] = overrule(m.changes[change.Experiment], change)
	}
	if sweepDue(m.sweptAt, c.At) {
		m.sweep(c.At)
	}
	return nil
}

func (m *Memory) forget(name string, at time.Time) {
	delete(m.records, name)
	m.forgotten[name] = nanos(at)
}

func (m *Memory) sweep(now time.Time) {
	m.sweptAt = now
	m.sweepHistory(now.Add(-m.opts.KeepHistory))
	m.sweepActs(now.Add(-keepAudit))
	old := nanos(now.Add(-m.opts.KeepMail))
	m.mails = slices.DeleteFunc(m.mails, func(r *row) bool {
		drop := nanos(r.At) < old && !slices.ContainsFunc(r.Recipients, isQueued)
		if drop {
			delete(m.byID, r.ID)
		}
		return drop
	})
	old = nanos(now.Add(-m.opts.KeepForgotten))
	for name, at := range m.forgotten {
		if at >= old {
			continue
		}
		delete(m.forgotten, name)
		if _, back := m.records[name]; !back {
			m.discard(m.histories[name])
			delete(m.histories, name)
		}
	}
}

// Kept implements Store.
func (m *Memory) Kept(ctx context.Context) (kept health.Kept, warnings []error, err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.usable(ctx); err != nil {
		return kept, nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(m.records)) {
		r, err := recordFromText(name, []byte(m.records[name]))
		if err != nil {
			warnings = append(warnings, err)
			continue
		}
		kept.Records = append(kept.Records, r)
	}
	if m.system != "" {
		r, err := systemFromText([]byte(m.system))
		if err != nil {
			return kept, append(warnings, err), nil
		}
		kept.System = r
	}
	return kept, warnings, nil
}

// Close implements Store.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}
