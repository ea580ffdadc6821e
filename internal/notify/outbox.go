package notify

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"labstatus/internal/health"
)

// Store keeps the outbox. internal/store implements it.
type Store interface {
	// DueMail gives mails with a queued recipient whose Next is not after now, with
	// all their recipients, in the order in which they were added.
	DueMail(ctx context.Context, now time.Time, limit int) ([]health.Mail, error)
	// NextMail gives the earliest Next of all queued recipients, false where
	// none is queued.
	NextMail(ctx context.Context) (time.Time, bool, error)
	// MarkMail keeps what became of the recipients given.
	MarkMail(ctx context.Context, id string, recipients []health.Recipient) error
	// MailCounts counts what is kept, by fate, for people to see.
	MailCounts(ctx context.Context) (queued, sent, failed int, oldestQueued time.Time, err error)
	// LastFailedMail gives the mail and the one recipient whose delivery was given
	// up last, false where there is none.
	LastFailedMail(ctx context.Context) (m health.Mail, found bool, err error)
}

// Times of the outbox's work.
const (
	batch     = 20              // mails taken from the store at once
	idle      = time.Hour       // between looks at a store that has nothing due
	storeWait = 5 * time.Second // for one call to the store
	// atOnce is not zero: in a synctest bubble Go 1.26's race detector crashes on
	// timers that have expired when they are set, where several goroutines have
	// them.
	atOnce = time.Nanosecond
	// On stopping, a message on its way to the server has this long to be
	// accepted, and its mark that much longer: cutting it could tell people twice.
	// Together they stay within the time in which a server has to stop.
	sendGrace = time.Second
	markGrace = 500 * time.Millisecond
)

// Outbox delivers what a store has queued. Only Run does anything; the other
// methods may be called from anywhere.
type Outbox struct {
	// Jitter gives a random time below the given one. It may be set before Run.
	Jitter func(time.Duration) time.Duration

	store Store
	open  func(ctx context.Context) (Session, error)
	log   logrus.FieldLogger
	wake  chan struct{}

	// The rest up to mu is Run's own.
	tried      map[string]time.Time          // when a mail that has broken a session was tried last
	triedSince map[string]time.Time          // when a mail was first due in this run, until it is done with
	waiting    waiting                       // for another attempt; nil until the store has told
	unsaved    map[string][]health.Recipient // marks that the store has not taken yet, by mail
	settled    map[string][]health.Recipient // done with in this run, by mail
	settledIDs []string                      // of those mails, in their order
	markTries  int                           // in a row that failed
	markNext   time.Time
	markErr    string
	postponed  time.Time          // no connection is made before: the server as a whole fails
	openTries  int                // in a row that failed
	failsSince time.Time          // when the first of these was made
	storeTries int                // in a row that failed
	breaks     int                // sessions lost in a row
	choked     map[string]choking // by mail
	notPassed  time.Time          // when a mail that was tried before an earlier one broke a session too
	stuck      map[string]int     // sessions lost over a recipient in a row, by address

	mu     sync.Mutex
	status OutboxStatus
}

// OutboxStatus is how delivery is doing.
type OutboxStatus struct {
	// As the store counts them, as of the latest look.
	Queued, Sent, Failed int
	OldestQueued         time.Time // zero: nothing queued
	LastAttempt          time.Time // zero: none in this run
	LastSent             time.Time // zero: none in this run
	LastError            string    // of delivery; empty when the latest attempt went well
	LastErrorAt          time.Time
	LastFailure          Failure // zero: no delivery was given up as far back as mail is kept
	// UndeliverableSince is when mail that can still be sent began to reach nobody,
	// in this run or an earlier one; zero while it reaches people, has not been
	// tried, or there is none.
	UndeliverableSince time.Time
	StoreError         string // why the store can't be read or marked; empty: it can
	Unsaved            int    // mails whose marks are only in memory
}

// Failure is a delivery that was given up.
type Failure struct {
	At      time.Time
	Subject string // of the mail
	Address string // of the recipient
	Text    string // the server's words, or why it wasn't reached
}

// NewOutbox makes an outbox that sends through sessions opened by open, such as
// [SMTP.Open].
func NewOutbox(store Store, open func(ctx context.Context) (Session, error), log logrus.FieldLogger) *Outbox {
	return &Outbox{
		Jitter: rand.N[time.Duration],
		store:  store, open: open, log: log,
		wake: make(chan struct{}, 1), unsaved: map[string][]health.Recipient{}, settled: map[string][]health.Recipient{},
		choked: map[string]choking{}, stuck: map[string]int{}, tried: map[string]time.Time{},
		triedSince: map[string]time.Time{},
	}
}

// Wake says that there is something new in the store. It never blocks.
func (o *Outbox) Wake() {
	select {
	case o.wake <- struct{}{}:
	default: // it is to be woken already
	}
}

// Status may be called at any time.
func (o *Outbox) Status() OutboxStatus {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.status
}

func (o *Outbox) update(f func(*OutboxStatus)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f(&o.status)
}

// Run delivers until ctx ends, and then returns nil. A message that is on its
// way at that moment is finished, for a second at most.
func (o *Outbox) Run(ctx context.Context) error {
	sending, cancel := graceful(ctx, sendGrace)
	defer cancel()
	marking, cancel := graceful(ctx, sendGrace+markGrace)
	defer cancel()
	o.Wake() // there may be mail from an earlier run
	timer := time.NewTimer(idle)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			o.saveMarks(marking)
			return nil
		case <-o.wake:
		case <-timer.C:
		}
		began := time.Now()
		if !began.Before(o.markNext) {
			o.saveMarks(marking)
		}
		err := o.round(ctx, sending, marking)
		wait := time.Duration(0)
		if err == nil && ctx.Err() == nil {
			wait, err = o.pause(ctx, began)
		}
		if ctx.Err() != nil {
			continue // what failed, failed because we are stopping
		}
		o.storeIs(err)
		if err != nil {
			wait = o.backoff(o.storeTries)
		}
		timer.Reset(max(wait, atOnce))
	}
}

// graceful is a context that outlives another one by some time.
func graceful(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var timer *time.Timer
	var mu sync.Mutex
	stop := context.AfterFunc(ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		if longer.Err() == nil {
			timer = time.AfterFunc(by, cancel)
		}
	})
	return longer, func() {
		stop()
		mu.Lock()
		defer mu.Unlock()
		cancel()
		if timer != nil {
			timer.Stop()
		}
	}
}

// count brings the counts of the status up to date.
func (o *Outbox) count(ctx context.Context) error {
	queued, sent, failed, oldest, err := o.store.MailCounts(ctx)
	if err != nil {
		return fmt.Errorf("count mails: %w", err)
	}
	m, found, err := o.store.LastFailedMail(ctx)
	if err != nil {
		return fmt.Errorf("look for the mail that failed last: %w", err)
	}
	if found {
		o.gaveUp(m, m.Recipients[0])
	}
	o.update(func(s *OutboxStatus) {
		s.Queued, s.Sent, s.Failed, s.OldestQueued = queued, sent, failed, oldest
		if queued == 0 {
			s.UndeliverableSince = time.Time{} // there is nothing to deliver
		}
	})
	return nil
}

// pause is how long there is nothing to do. It brings the counts up to date.
func (o *Outbox) pause(ctx context.Context, began time.Time) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, storeWait)
	defer cancel()
	if err := o.count(ctx); err != nil {
		return 0, err
	}
	next, waiting, err := o.store.NextMail(ctx)
	if err != nil {
		return 0, fmt.Errorf("look for the next mail: %w", err)
	}
	now := time.Now()
	if waiting && len(o.waiting) == 0 && next.Sub(now) > lastRetry {
		o.waiting = nil // a clock was set back, and this is somebody we don't know of
		next = now
	}
	if first := o.waiting.earliest(); waiting && !first.IsZero() {
		next = minTime(first, next)
	}
	switch {
	case !waiting:
		next = now.Add(idle)
	case next.Before(o.postponed):
		next = o.postponed
	}
	if len(o.unsaved) > 0 && o.markNext.Before(next) {
		next = o.markNext
	}
	// Never busy: what the store calls due was tried just now, or its mark is
	// still in memory only.
	if soonest := began.Add(time.Second); next.Before(soonest) {
		next = soonest
	}
	return min(next.Sub(now), idle), nil
}

// storeIs notes how the store does, and logs when that changes.
func (o *Outbox) storeIs(err error) {
	text := ""
	switch {
	case err != nil:
		text = err.Error()
		if o.storeTries++; o.storeTries == 1 {
			o.log.WithError(err).Error("the outbox can't use its store; mail waits, and this is tried again")
		}
	case o.storeTries > 0:
		o.storeTries = 0
		o.log.Info("the outbox can use its store again")
	}
	unsaved, markErr := len(o.unsaved), o.markErr
	o.update(func(s *OutboxStatus) { s.StoreError, s.Unsaved = cmp.Or(text, markErr), unsaved })
}
