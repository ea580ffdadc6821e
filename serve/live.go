package serve

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"reflect"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"labstatus/internal/health"
	"labstatus/serve/models"
)

const (
	flushEvery  = 200 * time.Millisecond // between messages about experiments
	systemEvery = time.Second            // between looks at how the server is doing
	heartbeat   = 14 * time.Second       // after which readers are told that again: a look before their 15 s
	sleepAfter  = 30 * time.Second       // without a reader, who may still come back to what was missed
	mostFresh   = 20_000                 // events that wait for their turn
)

// Live tells readers what changes, as it changes. The engine's loop hands over
// snapshots and events with [Live.Publish]; one goroutine, [Live.Run], finds what
// differs and makes each message once for all readers, who take it from a log that
// they share. Nobody waits for a reader: one that doesn't keep up with the log is
// cut off. While nobody reads, nothing is made.
type Live struct {
	opts *Options
	log  liveLog

	latest atomic.Pointer[health.Snapshot]
	wake   chan struct{} // something was handed over

	mu      sync.Mutex
	fresh   [][]health.Event // handed over, not told yet
	waiting int              // events in fresh
	lost    bool             // there were too many

	system   *models.System // as readers were told, but for what changes all the time
	systemAt time.Time
	turn     string // the name after which the next flush begins, where one can't hold all
}

// NewLive makes a Live; it belongs to the one handler that [New] makes with it.
func NewLive() *Live {
	return &Live{
		log:  liveLog{boot: strings.ToLower(rand.Text()[:10]), next: 1, asleep: true, changed: make(chan struct{})},
		wake: make(chan struct{}, 1),
	}
}

// speakFor says what readers are told, and how.
func (l *Live) speakFor(opts *Options) { l.opts = opts }

// Publish hands over a snapshot, which follows the one before, and the events that
// led to it. It never waits and takes no time worth speaking of. Neither may be
// changed afterwards.
func (l *Live) Publish(snapshot *health.Snapshot, events []health.Event) {
	before := l.latest.Swap(snapshot)
	if len(events) > 0 {
		l.mu.Lock()
		l.fresh = append(l.fresh, events)
		l.waiting += len(events)
		if l.waiting > mostFresh {
			l.fresh, l.waiting, l.lost = nil, 0, true
		}
		l.mu.Unlock()
	} else if before != nil && snapshot != nil && before.Version == snapshot.Version {
		return
	}
	select {
	case l.wake <- struct{}{}:
	default: // it is awake already
	}
}

// Run makes the messages until ctx ends; then all readers are let go, and none is
// taken in any more. It is called once, after [New].
func (l *Live) Run(ctx context.Context) {
	defer l.log.close()
	look := time.NewTicker(systemEvery)
	defer look.Stop()
	pause := time.NewTimer(flushEvery)
	defer pause.Stop()
	var ready <-chan time.Time // nil while there is nothing to tell
	var flushed time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.wake:
			if ready == nil {
				pause.Reset(max(flushEvery-time.Since(flushed), time.Nanosecond))
				ready = pause.C
			}
		case <-ready:
			ready, flushed = nil, time.Now()
			if more := l.safely(l.flush); more {
				pause.Reset(flushEvery)
				ready = pause.C
			}
		case <-look.C:
			l.safely(l.tellSystem)
		}
	}
}

// safely keeps a fault in wording a message from ending the server. Readers get
// what they missed by it with the list of experiments, which they are sent to.
func (l *Live) safely(tell func() bool) (more bool) {
	defer func() {
		if what := recover(); what != nil {
			l.opts.Log.WithFields(logrus.Fields{"panic": what, "stack": string(debug.Stack())}).
				Error("a live message met a fault of ours; its readers begin anew")
			l.log.skip(l.latest.Load())
			more = false
		}
	}()
	return tell()
}

// take gives the events that wait for their turn.
func (l *Live) take() (events [][]health.Event, lost bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	events, lost = l.fresh, l.lost
	l.fresh, l.waiting, l.lost = nil, 0, false
	return events, lost
}

// flush tells what has changed; more says that not all of it found room.
func (l *Live) flush() (more bool) {
	fresh, lost := l.take()
	snap := l.latest.Load()
	told, awake := l.log.told()
	if snap == nil || !awake {
		return false
	}
	if lost {
		l.log.skip(snap)
		return false
	}
	d := compare(told, snap.Experiments, l.turn)
	l.turn = d.turn
	var made []draft
	for _, chunk := range d.chunks() {
		made = append(made, l.draft("experiments", &models.LiveExperiments{
			Version: new(int64(snap.Version)), AsOf: atIfKnown(snap.At),
			Changed: reports(chunk.changed, l.opts.Uptime), Gone: nonNil(chunk.gone),
		}))
	}
	for _, batch := range fresh {
		for _, e := range events(batch) {
			made = append(made, l.draft("event", e))
		}
	}
	l.log.add(made, d.told)
	return d.more
}

// tellSystem tells how the server is doing where that has changed, or has not been
// told for long. It also lets the log sleep while nobody reads.
func (l *Live) tellSystem() (more bool) {
	now := time.Now()
	if !l.log.isRead(now) {
		l.system = nil
		return false
	}
	payload := l.opts.system()
	steady := *payload
	steady.AsOf, steady.Connections, steady.Timings = nil, nil, nil
	if l.system != nil && now.Sub(l.systemAt) < heartbeat && reflect.DeepEqual(*l.system, steady) {
		return false
	}
	l.system, l.systemAt = &steady, now
	l.log.setSystem(l.draft("system", payload))
	return false
}

// draft words a message; its id comes when it is added to the log.
func (l *Live) draft(event string, payload any) draft {
	data, err := json.Marshal(payload)
	if err != nil {
		panic(fmt.Errorf("marshal a live message: %w", err)) // a fault of ours, as every payload can be marshalled
	}
	return draft{event: event, data: data}
}
