package observer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// ReporterOptions say what a [Reporter] tells, and to whom from the start.
type ReporterOptions struct {
	// Totals gives the figures of everything there is, since the start of the
	// process. It is called every period of each observer, from any goroutine, and
	// has to answer at once. nil: there are no figures.
	Totals func() []Total
	// Fixed are the observers of the file of STATUS_OBSERVERS.
	Fixed []Observer
	// Kept is what earlier runs have kept, in any order.
	Kept   []KeptObserver
	Keeper Keeper // nil: nothing outlives this run
	Network
	Log logrus.FieldLogger // nil: nowhere
}

// Reporter tells observers how we are. All of its methods may be called from any
// goroutine; only Run sends anything.
type Reporter struct {
	o ReporterOptions

	managing chan struct{} // holds one: changes of the list take turns, also while they are kept

	mu      sync.Mutex // of what follows
	workers map[string]*worker
	present map[Subject]KeptEvent // how everything is now, for observers who come later
	start   func(*worker)         // nil: Run has not begun, or is over
	over    bool
}

// maxPresent bounds how many subjects' states are remembered.
const maxPresent = 50_000

// NewReporter makes a reporter. Observers that can't be told are refused, those of
// the file with an error, and kept ones, which were good once, with a line in the log.
func NewReporter(o ReporterOptions) (*Reporter, error) {
	if o.Totals == nil {
		o.Totals = func() []Total { return nil }
	}
	if o.Log == nil {
		o.Log = silent()
	}
	r := &Reporter{o: o, managing: make(chan struct{}, 1), workers: map[string]*worker{}, present: map[Subject]KeptEvent{}}
	kept := map[string]KeptObserver{}
	for _, k := range o.Kept {
		kept[k.Observer.Name] = k
	}
	for _, fixed := range o.Fixed {
		k, known := kept[fixed.Name]
		delete(kept, fixed.Name)
		if known && !k.Fixed {
			o.Log.WithField("observer", fixed.Name).Warn("the observer that was set by the API gives way to the one of the same name in STATUS_OBSERVERS")
		}
		k.Observer, k.Fixed = fixed, true
		if err := r.take(k); err != nil {
			return nil, fmt.Errorf("STATUS_OBSERVERS: observer %q: %w", oneLine(fixed.Name, 100), err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(kept)) {
		k := kept[name]
		if k.Fixed { // it has left the file
			if err := r.forget(context.Background(), name); err != nil {
				o.Log.WithError(err).Error("an observer that is gone will be met again at the next start")
			}
			continue
		}
		if err := r.take(k); err != nil {
			o.Log.WithError(err).WithField("observer", oneLine(name, 100)).Error("a kept observer can't be told any more; set it anew")
		}
	}
	return r, nil
}

func silent() logrus.FieldLogger {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return l
}

// take makes the worker of an observer that is there from the start.
func (r *Reporter) take(k KeptObserver) error {
	if r.workers[k.Observer.Name] != nil {
		return ErrObserverExists
	}
	if len(r.workers) >= MaxObservers {
		return ErrTooManyObservers
	}
	if err := k.Observer.Check(); err != nil {
		return err
	}
	back := newBacklog(k.Observer.ResetTraffic)
	k, gone := k.usable(time.Now())
	mended := back.restore(k) || gone > 0
	back.dropped += uint64(gone)
	if gone > 0 {
		r.o.Log.WithField("observer", k.Observer.Name).WithField("events", gone).Error("some of what an observer had still to be told can't be told as it was kept, and is left out")
	}
	w, err := r.newWorker(k.Observer, k.Fixed, &account{back: back, fate: Fate{LastOK: k.LastOK}})
	if err != nil {
		return err
	}
	if mended { // and is to be kept so: another key for each run would have it told again
		w.back.version++
		w.keptIdle = false
	}
	r.workers[w.o.Name] = w
	return nil
}

func (r *Reporter) newWorker(o Observer, fixed bool, a *account) (*worker, error) {
	o = o.withDefaults()
	s, err := r.o.sender(o)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	pending, _ := a.back.pending()
	return &worker{
		o: o, fixed: fixed, sender: s, totals: r.o.Totals, keeper: r.o.Keeper,
		log:   r.o.Log.WithFields(logrus.Fields{"observer": o.Name, "place": o.Place()}),
		ended: make(chan struct{}), keptVersion: a.back.version, keptIdle: pending == 0, account: a,
	}, nil
}

// Run tells every observer until ctx ends, those included that are added meanwhile.
// Then it tells what is left to say, for a second at most, keeps what nobody has
// acknowledged, and returns nil. It is called once.
func (r *Reporter) Run(ctx context.Context) error {
	var running sync.WaitGroup
	start := func(w *worker) {
		ctx, cancel := context.WithCancelCause(ctx)
		w.cancel = cancel
		running.Go(func() {
			defer cancel(nil)
			w.run(ctx)
		})
	}
	r.mu.Lock()
	if r.start != nil || r.over {
		r.mu.Unlock()
		return errors.New("tell observers: Run was called before")
	}
	for _, w := range r.workers {
		start(w)
	}
	r.start = start
	r.mu.Unlock()

	<-ctx.Done()
	r.mu.Lock()
	r.start, r.over = nil, true
	r.mu.Unlock()
	running.Wait()
	return nil
}

// Tell says that the state of a subject is now another. It never waits. What is no
// news is not told, and what can't be told (no service, an unknown state) neither.
// A service that begins is first running and then ready, in every process anew: by
// that observers know that its totals begin at zero.
func (r *Reporter) Tell(s Subject, state State, message string) {
	e := Event{Subject: s, Type: TypeStatus, Status: &ServiceStatus{state, message}}
	e.clean()
	if e.check() != nil || !e.known() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	was, known := r.present[e.Subject]
	if known && *was.Event.Status == *e.Status || !known && len(r.present) >= maxPresent {
		return
	}
	now := KeptEvent{time.Now(), e}
	r.present[e.Subject] = now
	for _, w := range r.workers {
		w.tell(now)
	}
}

// Forget says that a subject is no more, so that observers who come later aren't
// told of it. Those who know it are not told: the protocol has no word for it; tell
// them Closed first.
func (r *Reporter) Forget(s Subject) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.present, s)
}

// now gives the state of everything, sorted. It is called with mu held.
func (r *Reporter) now() []KeptEvent {
	return slices.SortedFunc(maps.Values(r.present), func(a, b KeptEvent) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return compareSubjects(a.Event.Subject, b.Event.Subject)
	})
}
