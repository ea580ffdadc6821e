package observer

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// worker tells one observer. It has its own goroutine, its own patience and its own
// backlog, so that an observer that hangs delays nobody else.
type worker struct {
	o      Observer
	fixed  bool
	sender sender
	totals func() []Total
	keeper Keeper // nil: nothing is kept
	log    logrus.FieldLogger

	cancel context.CancelCauseFunc // ends run; nil: it has not begun
	ended  chan struct{}

	keptVersion uint64 // of the backlog, as it was last kept; run's own
	keptIdle    bool   // nothing was pending in it; run's own

	*account
}

// account is what an observer has been told and has not. It outlives a worker whose
// observer's settings are changed.
type account struct {
	mu   sync.Mutex
	back *backlog
	fate Fate
}

const (
	keepWait = 5 * time.Second
	// On stopping, the last report has this long to be acknowledged, and what is left
	// that much longer to be kept: all of it within the 900 ms that the server waits.
	stopGrace = 600 * time.Millisecond
	stopKeep  = 200 * time.Millisecond
	// atOnce is not zero: in a synctest bubble Go 1.26's race detector crashes on
	// timers that have expired when they are set.
	atOnce = time.Nanosecond
)

// errReplaced ends a worker that another one succeeds, or nobody.
var errReplaced = errors.New("the observer was changed or removed")

// tell adds a change of status to what is pending.
func (a *account) tell(e KeptEvent) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.back.tell(e)
}

// retarget begins anew with an observer that may be another one, see there.
func (a *account) retarget(increments bool, present []KeptEvent) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.back.retarget(increments, present)
	a.fate = Fate{}
}

// status may be called at any time.
func (w *worker) status() Fate {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.fate
	f.Observer, f.Fixed, f.Dropped = w.o, w.fixed, w.back.dropped
	f.Pending, f.OldestPending = w.back.pending()
	return f
}

// run tells every period until ctx ends: at once what is there already, and at the
// end, unless the observer goes, what is still to be said.
func (w *worker) run(ctx context.Context) {
	defer close(w.ended)
	defer w.sender.close()
	timer := time.NewTimer(atOnce)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			if !errors.Is(context.Cause(ctx), errReplaced) {
				w.finish(ctx)
			}
			return
		case <-timer.C:
		}
		began := time.Now()
		w.turn(ctx)
		if ctx.Err() == nil {
			w.keep(ctx, keepWait)
		}
		// An observer that takes longer than its period gets some peace.
		timer.Reset(max(time.Until(began.Add(w.o.Period)), w.o.Period/4))
	}
}

// turn tells what is pending, and when that is acknowledged what is new.
func (w *worker) turn(ctx context.Context) {
	w.mu.Lock()
	w.back.expire(time.Now())
	w.mu.Unlock()
	if w.flush(ctx) {
		w.seal()
		w.flush(ctx)
	}
}

// seal makes reports of what is new.
func (w *worker) seal() {
	totals := w.totals()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.back.seal(totals, time.Now())
}

// flush sends what is sealed, in order, and says whether all of it was acknowledged.
func (w *worker) flush(ctx context.Context) bool {
	for {
		w.mu.Lock()
		if len(w.back.reports) == 0 {
			w.mu.Unlock()
			return true
		}
		next := w.back.reports[0]
		w.fate.LastTry = time.Now()
		w.mu.Unlock()

		err := w.sender.send(ctx, next.Key, next.Events)
		if err != nil {
			if ctx.Err() == nil { // else it is us who gave up
				w.failed(err)
			}
			if !errors.Is(err, errRefused) || !w.giveUp(next) {
				return false
			}
			continue
		}
		w.succeeded(next)
	}
}

// giveUp drops a report that was refused for a day, so that it keeps back nothing else.
func (w *worker) giveUp(r KeptReport) bool {
	w.mu.Lock()
	gone := w.back.giveUp(r.Key, time.Now())
	w.mu.Unlock()
	if gone {
		w.log.WithField("events", len(r.Events)).Error("a report that the observer has refused for a day is dropped")
	}
	return gone
}

func (w *worker) succeeded(r KeptReport) {
	w.mu.Lock()
	w.back.acknowledged(r.Key)
	since := w.fate.FailingSince
	w.fate.LastOK, w.fate.FailingSince = time.Now(), time.Time{}
	w.fate.Reports++
	w.fate.Events += uint64(len(r.Events))
	w.mu.Unlock()
	if !since.IsZero() {
		w.log.WithField("since", since.UTC().Format(time.RFC3339)).Warn("the observer takes reports again")
	}
}

func (w *worker) failed(err error) {
	w.mu.Lock()
	now := time.Now()
	first := w.fate.FailingSince.IsZero()
	if first {
		w.fate.FailingSince = now
	}
	w.fate.LastError, w.fate.LastErrorAt = err.Error(), now
	w.fate.Failures++
	w.mu.Unlock()
	if first {
		w.log.WithError(err).Warn("the observer can't be told; this is said once, and tried again until it can")
	}
}

// finish says what is left at the stop of the server, and keeps what then still is.
func (w *worker) finish(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	w.seal()
	last, cancel := context.WithTimeout(ctx, stopGrace)
	defer cancel()
	w.flush(last)
	w.keptIdle = false // also when it was last acknowledged is worth keeping
	w.keep(ctx, stopKeep)
}

// keep keeps what is pending where that has changed. While all goes well nothing is
// pending after a turn, and nothing is written.
func (w *worker) keep(ctx context.Context, patience time.Duration) {
	if w.keeper == nil {
		return
	}
	w.mu.Lock()
	version := w.back.version
	pending, _ := w.back.pending()
	idle := pending == 0
	if version == w.keptVersion || idle && w.keptIdle {
		w.mu.Unlock()
		return
	}
	k := w.kept()
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := w.keeper.KeepObserver(ctx, k)
	if err == nil {
		w.keptVersion, w.keptIdle = version, idle
	}
	w.mu.Lock()
	news := (err == nil) != (w.fate.KeepError == "")
	w.fate.KeepError = ""
	if err != nil {
		w.fate.KeepError = err.Error()
	}
	w.mu.Unlock()
	switch {
	case !news:
	case err != nil:
		w.log.WithError(err).Error("what an observer has still to be told can't be kept: a restart would lose it")
	default:
		w.log.Info("what an observer has still to be told can be kept again")
	}
}

// kept is called with mu held.
func (w *worker) kept() KeptObserver {
	k := KeptObserver{Observer: w.o, Fixed: w.fixed, LastOK: w.fate.LastOK}
	k.Reports, k.Waiting = w.back.keep()
	return k
}
