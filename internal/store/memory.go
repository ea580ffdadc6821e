package store

import (
	"cmp"
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
	opts Options

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
}

// memEvent is a row of the events table.
type memEvent struct {
	id               int64
	at               int64
	experiment       string
	healthy, jumpOK  bool
	streamOK, issues string
	dropped          bool
}

func (e *memEvent) decode() (StoredEvent, error) {
	out := StoredEvent{ID: e.id, Event: health.Event{
		Experiment: e.experiment, When: fromNanos(e.at), Healthy: e.healthy, JumpOK: e.jumpOK}}
	return out, eventFromText(&out.Event, []byte(e.streamOK), []byte(e.issues))
}

// OpenMemory makes an empty store.
func OpenMemory(o Options) (*Memory, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Memory{opts: o, records: map[string]string{}, forgotten: map[string]int64{},
		histories: map[string][]*memEvent{}, byID: map[string]*row{}}, nil
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
	events := make([]*memEvent, len(c.Events))
	for i := range c.Events {
		e := &c.Events[i]
		streamOK, issues, err := eventText(e)
		if err != nil {
			return err
		}
		events[i] = &memEvent{at: nanos(e.When), experiment: e.Experiment, healthy: e.Healthy, jumpOK: e.JumpOK, streamOK: streamOK, issues: issues}
	}
	records := map[string]string{}
	for i := range c.Records {
		body, err := recordText(&c.Records[i])
		if err != nil {
			return err
		}
		records[c.Records[i].Name] = body
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
	maps.Copy(m.records, records)
	for _, name := range c.Forgotten {
		delete(m.records, name)
		m.forgotten[name] = nanos(c.At)
	}
	for _, mail := range c.Mails {
		m.addMail(mail)
	}
	if sweepDue(m.sweptAt, c.At) {
		m.sweep(c.At)
	}
	return nil
}

func (m *Memory) addEvent(e *memEvent) {
	m.lastEvent++
	e.id = m.lastEvent
	// Nearly always at the end; not after the clock was set back.
	i, _ := slices.BinarySearchFunc(m.all, e, byTime)
	m.all = slices.Insert(m.all, i, e)
	h := append(m.histories[e.experiment], e)
	if over := len(h) - m.opts.EventsPerExperiment; over > 0 {
		m.discard(h[:over])
		h = slices.Delete(h, 0, over)
	}
	m.histories[e.experiment] = h
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

func (m *Memory) sweep(now time.Time) {
	m.sweptAt = now
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

// AllEvents implements Store.
func (m *Memory) AllEvents(ctx context.Context, since time.Time, limit int, from string) ([]StoredEvent, string, error) {
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
		end, _ = slices.BinarySearchFunc(m.all, &memEvent{at: c.at, id: c.id}, byTime)
	}
	var page []StoredEvent
	for _, e := range slices.Backward(m.all[:end]) {
		if e.at < sinceNanos(since) {
			break
		}
		if e.dropped {
			continue
		}
		if len(page) == pageSize(limit) {
			last := page[len(page)-1]
			return page, cursor{at: nanos(last.When), id: last.ID}.encode(eventCursor), nil
		}
		stored, err := e.decode()
		if err != nil {
			return nil, "", err
		}
		page = append(page, stored)
	}
	return page, "", nil
}

// Ping implements Store.
func (m *Memory) Ping(ctx context.Context) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.usable(ctx)
}

// Size implements Store: the bytes of what is kept, without what Go adds.
func (m *Memory) Size() (int64, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return 0, fmt.Errorf("measure memory store: %w", ErrClosed)
	}
	size := len(m.system)
	for name, body := range m.records {
		size += len(name) + len(body)
	}
	for _, e := range m.all {
		size += len(e.experiment) + len(e.streamOK) + len(e.issues) + 32
	}
	for _, r := range m.mails {
		size += len(r.ID) + len(r.Subject) + len(r.Raw) + 64*len(r.Recipients)
	}
	return int64(size), nil
}

// Close implements Store.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}
