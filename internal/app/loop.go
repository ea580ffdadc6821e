package app

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"labstatus/internal/health"
)

// loop is the one place where facts become decisions and decisions are carried
// out.
type loop struct {
	engine   *health.Engine
	journal  *journal
	wish     func([]health.Wish)                      // hands wishes to book's workers; never waits
	render   func(health.Alert) (*health.Mail, error) // nil where mail is off
	wakeMail func()                                   // a mail has been queued; never waits
	publish  func(*health.Snapshot, []health.Event)   // tells readers; never waits
	seen     func(health.Decision)                    // nil: nobody looks
	took     func(in health.Input, d *health.Decision, step, turn time.Duration)
	log      logrus.FieldLogger
	every    time.Duration // between ticks

	inbox    chan message
	ended    chan struct{} // closed when run has returned
	snapshot atomic.Pointer[health.Snapshot]
	turned   atomic.Pointer[time.Time] // when the latest turn ended; a clock that is set doesn't matter to it
}

// message is an input on its way into the loop.
type message struct {
	in   health.Input
	done chan<- struct{} // closed once the input has been taken in; nil: nobody waits
	// refused is filled with why an act was not taken, before done; nil: nobody asks.
	refused *string
}

// run turns until ctx ends. What is in the inbox by then is left.
func (l *loop) run(ctx context.Context) {
	defer close(l.ended)
	tick := time.NewTicker(l.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-l.inbox:
			l.take(ctx, m)
		case <-tick.C:
			l.drain(ctx)
			l.turn(ctx, health.Tick{At: time.Now()})
		}
	}
}

// lastTurn is when the latest turn ended; zero: none has.
func (l *loop) lastTurn() time.Time {
	if at := l.turned.Load(); at != nil {
		return *at
	}
	return time.Time{}
}

func (l *loop) take(ctx context.Context, m message) {
	d := l.turn(ctx, m.in)
	if m.refused != nil {
		*m.refused = d.Refused
	}
	if m.done != nil {
		close(m.done)
	}
}

// drain takes in what came before a tick: after a turn that took long a tick must
// not call a source silent whose frame is waiting.
func (l *loop) drain(ctx context.Context) {
	for range cap(l.inbox) {
		select {
		case m := <-l.inbox:
			l.take(ctx, m)
		default:
			return
		}
	}
}

// turn takes in one fact. The order is the promise: what is to be kept is kept
// first, then readers see it, then book and people are told.
func (l *loop) turn(ctx context.Context, in health.Input) health.Decision {
	began := time.Now()
	d := l.engine.Step(in)
	step := time.Since(began)
	queued := l.journal.keep(ctx, d, l.mail(d.Alert))
	snapshot := l.engine.Snapshot()
	l.snapshot.Store(snapshot)
	l.publish(snapshot, d.Events)
	l.wish(d.Wishes)
	if queued {
		l.wakeMail()
	}
	for _, n := range d.Notes {
		l.say(n)
	}
	l.took(in, &d, step, time.Since(began))
	ended := time.Now()
	l.turned.Store(&ended)
	if l.seen != nil {
		l.seen(d)
	}
	return d
}

// mail renders what people are to be told.
func (l *loop) mail(a *health.Alert) *health.Mail {
	if a == nil || l.render == nil {
		return nil
	}
	m, err := l.render(*a)
	if err != nil {
		l.log.WithError(err).WithField("new", len(a.New)).WithField("resolved", len(a.Resolved)).
			Error("a mail could not be made, nobody is told of these changes")
		return nil
	}
	return m
}

func (l *loop) say(n health.Note) {
	log := l.log
	if n.Experiment != "" {
		log = log.WithField("experiment", n.Experiment)
	}
	if n.Source != "" {
		log = log.WithField("source", n.Source)
	}
	if n.Level == health.Warn {
		log.Warn(n.Text)
		return
	}
	log.Info(n.Text)
}

// post brings an input in and returns without waiting for its turn, unless the
// inbox is full.
func (l *loop) post(ctx context.Context, in health.Input) {
	select {
	case l.inbox <- message{in: in}:
	case <-ctx.Done():
	}
}

// hand brings an input in and waits until it has been taken in, so that its
// memory may be used again.
func (l *loop) hand(ctx context.Context, in health.Input) {
	done := make(chan struct{})
	select {
	case l.inbox <- message{in: in, done: done}:
	case <-ctx.Done():
		return
	}
	// A stop doesn't end the wait: the loop may be reading the input still. Only
	// when it has ended is what it left in the inbox never taken in.
	select {
	case <-done:
	case <-l.ended:
	}
}

// ask brings in what a person did, and returns when readers can see what came of
// it. An error says why it was not taken in, or that nobody knows.
func (l *loop) ask(ctx context.Context, in health.Input) error {
	done, why := make(chan struct{}), ""
	answer := func() error {
		if why != "" {
			return &refused{why}
		}
		return nil
	}
	select {
	case l.inbox <- message{in: in, done: done, refused: &why}:
	case <-l.ended:
		return errStopping
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-done:
		return answer()
	case <-l.ended:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-done: // in the last turn
		return answer()
	default:
		return errStopping
	}
}

// refused is why the engine did not take an act, in words for the person.
type refused struct{ why string }

func (r *refused) Error() string { return r.why }

var errStopping = errors.New("the server is stopping")

// tickEvery is how often the engine hears that time has passed: at least four
// times in the shortest of its windows, and no less than once a second.
func tickEvery(c health.Config) time.Duration {
	every := time.Second
	for _, window := range []time.Duration{c.LastChecked, c.LastActive, c.Startup, c.GroupWait, c.FlapWindow} {
		if window > 0 {
			every = min(every, window/4)
		}
	}
	return max(every, 10*time.Millisecond)
}
