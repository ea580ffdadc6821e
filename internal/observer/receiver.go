package observer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// ReceiverOptions say from whom a [Receiver] takes reports, and what it makes of them.
type ReceiverOptions struct {
	Credentials []Credential // at least one: nobody reports without a token
	Map         *Map         // nil: nothing is tied to an experiment
	// Subjects is how many services and clients are known at most, of all sources
	// together; 0: 20,000. Of those that are silent for a day and nobody's link the
	// longest silent make room for new ones.
	Subjects int
	// Kept is what Keep was given last by an earlier run.
	Kept KeptObserved
	// Keep keeps it, every minute in which something has come, and at the end of Run.
	// It has a deadline. nil: after a restart, totals begin at what is reported then.
	Keep func(ctx context.Context, k KeptObserved) error
	Log  logrus.FieldLogger // nil: nowhere
}

// Receiver takes reports of services elsewhere. It answers each at once, when it has
// the report in memory, and hands on what is new from the goroutine that calls Run.
// All methods may be called from any goroutine.
type Receiver struct {
	door   *door
	keep   func(ctx context.Context, k KeptObserved) error
	log    logrus.FieldLogger
	voice  voice
	bodies chan struct{} // as many as reports may be read at once
	wake   chan struct{}

	mu       sync.Mutex // of what follows
	table    *table
	statuses []Status // not handed on yet, in order
	taken    uint64   // grows with every report, so that it is known what is kept
	figures  Figures
	over     bool // nothing is taken any more: it could not be kept
}

const (
	defaultSubjects = 20_000
	mostSubjects    = 1_000_000
	maxStatuses     = 10_000 // that wait to be handed on
	maxBodies       = 32
	keepEvery       = time.Minute
	keepRetry       = 5 * time.Second // while it fails
)

// NewReceiver makes a receiver.
func NewReceiver(o ReceiverOptions) (*Receiver, error) {
	d, err := newDoor(o.Credentials)
	if err != nil {
		return nil, fmt.Errorf("take reports of observers: %w", err)
	}
	if o.Subjects < 0 || o.Subjects > mostSubjects {
		return nil, fmt.Errorf("take reports of observers: %d subjects can't be kept, 1 to %d can", o.Subjects, mostSubjects)
	}
	if o.Log == nil {
		o.Log = silent()
	}
	r := &Receiver{
		door: d, keep: o.Keep, log: o.Log, voice: voice{log: o.Log},
		bodies: make(chan struct{}, maxBodies), wake: make(chan struct{}, 1),
		table: newTable(o.Map, cmp.Or(o.Subjects, defaultSubjects)),
	}
	var kept KeptObserved
	for _, source := range o.Kept.Sources {
		usable, gone := source.usable(time.Now())
		if gone > 0 {
			o.Log.WithField("source", oneLine(source.Name, 100)).WithField("subjects", gone).Error("some of what was kept of a source can't have been reported: these totals begin anew")
		}
		if usable.Name != "" {
			kept.Sources = append(kept.Sources, usable)
		}
	}
	r.statuses = r.table.restore(kept)
	if len(r.statuses) > 0 {
		r.wake <- struct{}{}
	}
	return r, nil
}

// Run hands on what is heard until ctx ends, and then returns nil. First of all it
// hands on the states that an earlier run has heard. handle is called from one
// goroutine; while it takes its time figures are joined, states wait, and
// when too many do no report is taken. At the end no report is taken any more, and
// what was is kept. Run is called once.
func (r *Receiver) Run(ctx context.Context, handle func(Heard)) error {
	var keeping sync.WaitGroup
	keeping.Go(func() { r.keepUp(ctx) })
	defer keeping.Wait()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.wake:
		}
		if heard := r.collect(); len(heard.Statuses)+len(heard.Counters) > 0 {
			handle(heard)
		}
	}
}

func (r *Receiver) collect() Heard {
	r.mu.Lock()
	heard, inherited := Heard{Statuses: r.statuses, Counters: r.table.counters()}, r.table.inherit()
	r.statuses = nil
	r.mu.Unlock()
	// While others may go on: of clients there may be many.
	slices.SortStableFunc(inherited, func(a, b Status) int { return compareOrigins(a.Origin, b.Origin) })
	heard.Statuses = append(heard.Statuses, inherited...)
	return heard
}

// take takes a report, all of it or nothing.
func (r *Receiver) take(ctx context.Context, g guest, key string, events []Event) *refusal {
	for i := range events {
		if err := events[i].check(); err != nil {
			return refuse(refusedBody, fmt.Sprintf("events[%d]: %v", i, err))
		}
	}
	k, _ := readKey(key)
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() != nil { // who has given up sends it again: better once than twice
		return refuse(refusedGone, "the report was given up by its sender")
	}
	if r.over {
		return refuse(refusedBusy, "the status server stops; try again later")
	}
	if r.table.repeated(g.source, k) {
		r.figures.Repeats++
		return nil
	}
	known := make([]*Event, 0, len(events))
	states := 0
	for i := range events {
		if events[i].known() {
			known = append(known, &events[i])
			if events[i].Type == TypeStatus {
				states++
			}
		}
	}
	if len(r.statuses)+states > maxStatuses {
		return refuse(refusedBusy, "too much that was reported waits to be looked at; try again later")
	}
	if !r.table.room(g.source, known, now) {
		return refuse(refusedRoom, "there are too many services, clients or sources already")
	}
	s := r.table.source(g.source)
	for _, e := range known {
		if said := r.table.take(s, e, now, g.increments); said != nil {
			r.statuses = append(r.statuses, *said)
		}
	}
	s.remember(k, now)
	r.taken++
	r.figures.Reports++
	r.figures.Events += uint64(len(known))
	r.figures.Unknown += uint64(len(events) - len(known))
	select {
	case r.wake <- struct{}{}:
	default: // it is to be woken already
	}
	return nil
}

// keepUp keeps what is known, now and then and at the end.
func (r *Receiver) keepUp(ctx context.Context) {
	timer := time.NewTimer(keepEvery)
	defer timer.Stop()
	var kept uint64 // reports
	for patience := keepWait; patience == keepWait; {
		select {
		case <-ctx.Done():
			patience = stopKeep
			r.mu.Lock()
			r.over = true
			r.mu.Unlock()
		case <-timer.C:
		}
		timer.Reset(keepEvery)
		if r.keep == nil {
			continue
		}
		k, taken := r.kept()
		switch {
		case taken == kept:
		case r.keepNow(context.WithoutCancel(ctx), k, patience) == nil:
			kept = taken
		default: // a store that has just been mended may not live for a minute
			timer.Reset(keepRetry)
		}
	}
}

func (r *Receiver) keepNow(ctx context.Context, k KeptObserved, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := r.keep(ctx, k)
	r.mu.Lock()
	news := (err == nil) != (r.figures.KeepError == "")
	r.figures.KeepError = ""
	if err != nil {
		r.figures.KeepError = err.Error()
	}
	r.mu.Unlock()
	if news && err != nil {
		r.log.WithError(err).Error("what observed services have reported can't be kept: a restart would lose it")
	} else if news {
		r.log.Info("what observed services have reported can be kept again")
	}
	return err
}

// Snapshot gives all that is known, sorted by source, service and client.
func (r *Receiver) Snapshot() []Observed {
	r.mu.Lock()
	all := make([]Observed, 0, r.table.size)
	for _, s := range r.table.sources {
		for _, e := range s.entries {
			all = append(all, e.observed())
		}
	}
	r.mu.Unlock()
	slices.SortFunc(all, func(a, b Observed) int { return compareOrigins(a.Origin, b.Origin) })
	return all
}

// enter waits for nobody: it says whether one more report may be read now.
func (r *Receiver) enter() bool {
	select {
	case r.bodies <- struct{}{}:
		return true
	default:
		return false
	}
}

func (r *Receiver) leave() { <-r.bodies }

func tooMany() *refusal {
	return refuse(refusedBusy, "too many reports come at once; try again later")
}

// refused counts a refusal, and logs the first of each kind.
func (r *Receiver) refused(no *refusal, client string) {
	r.mu.Lock()
	if r.figures.Refused == nil {
		r.figures.Refused = map[Reason]uint64{}
	}
	r.figures.Refused[no.reason]++
	r.mu.Unlock()
	r.voice.refused(no, client)
}
