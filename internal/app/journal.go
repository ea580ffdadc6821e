package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"labstatus/internal/health"
	"labstatus/internal/store"
)

const (
	turnPatience  = 50 * time.Millisecond // a turn waits no longer for the store
	commitTimeout = time.Second           // a commit that takes longer is a failure of the store
	owedRetry     = 5 * time.Second       // between attempts while the store fails
	maxOwedEvents = 20_000
	maxOwedActs   = 10_000
	maxOwedStates = 100_000
	maxOwedMails  = 100 // older ones are joined
)

// journal keeps decisions in the store, each after the one before it. What the store
// has not taken in yet is owed to it: while it is slow or fails, the laboratory is
// still watched and booked, and what must be kept waits here, up to a bound, until it
// can be. A mail is only sent once it is kept, so that it can't be sent twice.
//
// It is called by the loop alone, but for what says otherwise.
type journal struct {
	store store.Store
	log   logrus.FieldLogger

	// wakeMail is called, from another goroutine, when a mail has been kept between
	// turns; nil: the next turn says so. It must not wait.
	wakeMail func()
	// render makes the mail of alerts that were joined; nil: mails that can't wait any
	// longer are lost.
	render func(health.Alert) (*health.Mail, error)

	owed    debt
	flying  *flight   // a commit that the store has not answered yet; nil: none
	retryAt time.Time // nothing is tried before; zero: the store works
	whole   bool      // the next commit is to hold all there is

	// The latest of everything, kept or owed. The store may have to be written anew: its
	// file was damaged and taken away, or replaced by an older one. Only with all
	// records does a restart tell nothing again.
	records map[string]health.Record
	states  map[string]health.StateChange // of this run
	system  *health.SystemRecord

	changes atomic.Int64 // how often the store has taken in changes of state: whoever has read them before reads them again

	mu     sync.Mutex // for what others read
	status JournalStatus
	unkept []*debt // what the store doesn't have yet, oldest first: in flight, and owed
}

// JournalStatus is how the keeping goes.
type JournalStatus struct {
	FailingSince time.Time // zero: it works
	LastErr      string
	Pending      int // events, acts and mails that wait to be kept
	Dropped      int // events, acts and mails that could not wait any longer
}

// debt is what was decided and is not kept yet. Of records and the system the journal
// has the latest: here is only which of them.
type debt struct {
	at        time.Time
	events    []health.Event
	records   map[string]bool
	forgotten map[string]bool
	system    bool
	mails     []owedMail
	acts      []health.Act
	history   []health.StateChange
}

// owedMail is a mail and what it tells, so that it can be joined with others. What was
// joined is rendered when it is about to be kept.
type owedMail struct {
	alert *health.Alert // nil: it tells nothing that could be joined, a test mail
	mail  *health.Mail  // nil: not rendered yet
}

func (o *debt) empty() bool {
	return len(o.events)+len(o.records)+len(o.forgotten)+len(o.mails)+len(o.acts)+len(o.history) == 0 && !o.system
}

func (o *debt) size() int { return len(o.events) + len(o.acts) + len(o.mails) }

// flight is a commit on its way.
type flight struct {
	debt   *debt
	began  time.Time
	result chan error
	left   atomic.Bool // no turn waits for it any more
	stored bool        // with mu: the store has it
	late   bool        // it has been called a failure
}

var errFlying = fmt.Errorf("the store has not answered within %s", commitTimeout)

// newJournal goes on from what an earlier run has kept.
func newJournal(s store.Store, log logrus.FieldLogger, kept *health.Kept) *journal {
	j := &journal{
		store: s, log: log, system: &kept.System,
		records: make(map[string]health.Record, len(kept.Records)), states: map[string]health.StateChange{},
	}
	for _, r := range kept.Records {
		j.records[r.Name] = r
	}
	return j
}

// keep stores a decision, or owes it. It says whether there is a mail to send now.
func (j *journal) keep(ctx context.Context, d health.Decision, mail *health.Mail) (mailQueued bool) {
	if !d.NothingToKeep() || mail != nil {
		j.remember(&d)
		j.owe(&d, mail)
	}
	return j.pay(ctx, d.At, turnPatience)
}

// remember takes up a decision's records and states.
func (j *journal) remember(d *health.Decision) {
	for _, r := range d.Records {
		j.records[r.Name] = r
	}
	for _, name := range d.Forgotten {
		delete(j.records, name)
	}
	if d.System != nil {
		j.system = d.System
	}
	for _, c := range d.History {
		if j.states[c.Experiment] = c; c.State == "" {
			delete(j.states, c.Experiment)
		}
	}
}

// owe adds a decision to what is owed.
func (j *journal) owe(d *health.Decision, mail *health.Mail) {
	fresh := debt{at: d.At, events: d.Events, system: d.System != nil, acts: d.Acts, history: d.History}
	for _, r := range d.Records {
		fresh.records = with(fresh.records, r.Name)
	}
	for _, name := range d.Forgotten {
		delete(fresh.records, name)
		fresh.forgotten = with(fresh.forgotten, name)
	}
	if mail != nil {
		fresh.mails = []owedMail{{d.Alert, mail}}
	}
	j.owed.add(&fresh)
	j.bound()
	j.show()
}

// add adds a later debt.
func (o *debt) add(later *debt) {
	if !later.at.IsZero() {
		o.at = later.at
	}
	o.events = append(o.events, later.events...)
	o.mails = append(o.mails, later.mails...)
	o.acts = append(o.acts, later.acts...)
	o.history = append(o.history, later.history...)
	o.system = o.system || later.system
	for name := range later.records {
		o.records = with(o.records, name)
		delete(o.forgotten, name)
	}
	for name := range later.forgotten {
		o.forgotten = with(o.forgotten, name)
		delete(o.records, name)
	}
}

// with adds to a set, which may be nil.
func with(set map[string]bool, name string) map[string]bool {
	if set == nil {
		set = map[string]bool{}
	}
	set[name] = true
	return set
}

// bound keeps the debt within what memory is for. Nobody is left untold by it: the
// oldest mails are joined into one that tells what they would have told. Where one of
// them was kept in spite of the store's error, people are told that part twice.
func (j *journal) bound() {
	o, dropped := &j.owed, 0
	for len(o.mails) > maxOwedMails && j.render != nil {
		i := o.oldestPair()
		if i < 0 {
			break
		}
		joined := owedMail{alert: joinAlerts(o.mails[i].alert, o.mails[i+1].alert)}
		o.mails = slices.Concat(o.mails[:i], []owedMail{joined}, o.mails[i+2:])
	}
	o.mails = newest(o.mails, maxOwedMails, &dropped)
	o.events = newest(o.events, maxOwedEvents, &dropped)
	o.acts = newest(o.acts, maxOwedActs, &dropped)
	o.history = newest(o.history, maxOwedStates, new(int)) // what held before then holds for longer
	j.lose(dropped)
}

// oldestPair is where the oldest two mails lie that can be joined; -1: there are none.
func (o *debt) oldestPair() int {
	for i := 1; i < len(o.mails); i++ {
		if o.mails[i-1].alert != nil && o.mails[i].alert != nil {
			return i - 1
		}
	}
	return -1
}

// newest cuts a list to its end, and counts what it cuts off.
func newest[T any](all []T, most int, dropped *int) []T {
	over := max(0, len(all)-most)
	*dropped += over
	return all[over:]
}

func (j *journal) lose(n int) {
	if n == 0 {
		return
	}
	j.log.WithField("dropped", n).Error("the store has failed for so long that the oldest events, acts or mails are lost")
	j.mu.Lock()
	defer j.mu.Unlock()
	j.status.Dropped += n
}

// show lets others see what the store doesn't have yet.
func (j *journal) show() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.unkept, j.status.Pending = nil, 0
	if j.flying != nil && !j.flying.stored {
		j.unkept = append(j.unkept, j.flying.debt)
	}
	j.unkept = append(j.unkept, new(j.owed))
	for _, o := range j.unkept {
		j.status.Pending += o.size()
	}
}

// pay takes in what became of the commit that is flying, if there is one, and commits
// what is owed then. It waits no longer than patience; what takes longer goes on by
// itself. It says whether a mail has been kept.
func (j *journal) pay(ctx context.Context, now time.Time, patience time.Duration) (mailQueued bool) {
	deadline := time.Now().Add(patience)
	if j.flying != nil {
		mailQueued = j.land(now, 0)
	}
	for j.flying == nil && !now.Before(j.retryAt) && (!j.owed.empty() || j.whole || !j.retryAt.IsZero()) {
		mailQueued = j.launch(ctx, now, time.Until(deadline)) || mailQueued
	}
	return mailQueued
}

// launch commits what is owed, and waits for it for so long. A disk that hangs can't
// be hurried, and stopping doesn't cut a commit short.
func (j *journal) launch(ctx context.Context, now time.Time, patience time.Duration) (mailQueued bool) {
	c := j.bill(now)
	f := &flight{debt: new(j.owed), began: time.Now(), result: make(chan error, 1)}
	j.flying, j.owed = f, debt{}
	j.show()
	ctx = context.WithoutCancel(ctx)
	go func() {
		ctx, cancel := context.WithTimeout(ctx, commitTimeout)
		defer cancel()
		err := j.store.Commit(ctx, c)
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("%w: %w", errFlying, err)
		}
		if len(c.History) > 0 {
			j.changes.Add(1) // whatever it says: it may have them in spite of an error
		}
		if err == nil {
			j.kept(f)
		}
		f.result <- err
		if err == nil && len(c.Mails) > 0 && f.left.Load() && j.wakeMail != nil {
			j.wakeMail()
		}
	}()
	return j.land(now, patience)
}

// kept notes, as soon as it is so, that the store has what was in flight.
func (j *journal) kept(f *flight) {
	j.mu.Lock()
	defer j.mu.Unlock()
	f.stored = true
	j.unkept = slices.DeleteFunc(j.unkept, func(o *debt) bool { return o == f.debt })
	j.status.Pending -= f.debt.size()
}

// bill makes the commit of what is owed: with all there is, where the store may have
// lost what it had.
func (j *journal) bill(now time.Time) store.Commit {
	o := &j.owed
	if o.at.IsZero() {
		o.at = now
	}
	o.mails = slices.Clone(o.mails)
	for i := range o.mails {
		if m := &o.mails[i]; m.mail == nil {
			var err error
			if m.mail, err = j.render(*m.alert); err != nil {
				j.log.WithError(err).Error("a mail could not be made, nobody is told of these changes")
				j.lose(1)
			}
		}
	}
	o.mails = slices.DeleteFunc(o.mails, func(m owedMail) bool { return m.mail == nil })

	c := store.Commit{At: o.at, Events: o.events, Forgotten: sortedKeys(o.forgotten), Acts: o.acts, History: o.history}
	for _, m := range o.mails {
		c.Mails = append(c.Mails, m.mail)
	}
	if o.system || !j.retryAt.IsZero() { // the latter to find out whether it works
		c.System = j.system
	}
	names := sortedKeys(o.records)
	if c.Whole = j.whole; c.Whole {
		names, c.System = sortedKeys(j.records), j.system
		c.History = slices.Concat(j.standing(o.history), o.history)
	}
	for _, name := range names {
		c.Records = append(c.Records, j.records[name])
	}
	return c
}

// standing is how every experiment is, where no change that is owed says so.
func (j *journal) standing(owed []health.StateChange) (all []health.StateChange) {
	said := map[string]bool{}
	for _, c := range owed {
		said[c.Experiment] = true
	}
	for _, name := range sortedKeys(j.states) {
		if !said[name] {
			all = append(all, j.states[name])
		}
	}
	return all
}

// land waits, for so long, until it is known what became of the flight, and takes that
// in. It says whether a mail has been kept.
func (j *journal) land(now time.Time, patience time.Duration) (mailQueued bool) {
	f := j.flying
	err, landed := f.wait(patience)
	if !landed {
		if !f.late && time.Since(f.began) >= commitTimeout {
			f.late = true
			j.failed(now, errFlying)
		}
		return false
	}
	j.flying = nil
	defer j.show()
	if err == nil {
		j.whole = false
		switch {
		case f.late:
			j.retryAt = now // the next one shows whether all is well
		case !j.retryAt.IsZero():
			j.recovered(now)
		}
		return len(f.debt.mails) > 0
	}
	back := *f.debt // owed again, before what has come since
	back.add(&j.owed)
	j.owed = back
	j.bound()
	asked := errors.Is(err, store.ErrReplaced) && !j.whole
	j.whole = true
	if !asked { // the store has said in the log why it wants everything
		j.failed(now, err)
	}
	return false
}

// wait waits for the flight's result. Once it has returned without, the flight itself
// sees to it that the outbox is woken.
func (f *flight) wait(patience time.Duration) (err error, landed bool) {
	if patience > 0 && !f.left.Load() {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		select {
		case err = <-f.result:
			return err, true
		case <-timer.C:
		}
	}
	f.left.Store(true)
	select {
	case err = <-f.result: // also one that came in this very moment
		return err, true
	default:
		return nil, false
	}
}

func (j *journal) failed(now time.Time, err error) {
	first := j.retryAt.IsZero()
	j.retryAt = now.Add(owedRetry)
	if first {
		j.log.WithError(err).Error("the store can't be written: watching and booking go on, mails wait until they can be kept")
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.status.FailingSince.IsZero() {
		j.status.FailingSince = now
	}
	j.status.LastErr = err.Error()
}

func (j *journal) recovered(now time.Time) {
	j.retryAt = time.Time{}
	j.mu.Lock()
	lasted := now.Sub(j.status.FailingSince)
	j.status.FailingSince, j.status.LastErr = time.Time{}, ""
	j.mu.Unlock()
	j.log.WithField("lasted", lasted.Round(time.Second).String()).Warn("the store can be written again, nothing is owed to it")
}

// Status says how the keeping goes; from any goroutine.
func (j *journal) Status() JournalStatus {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.status
}

// owedEvents are the events that the store doesn't have yet, oldest first; from any
// goroutine.
func (j *journal) owedEvents() []health.Event {
	return gather(j, func(o *debt) []health.Event { return o.events })
}

// owedActs are the acts that the store doesn't have yet, oldest first; from any
// goroutine.
func (j *journal) owedActs() []health.Act {
	return gather(j, func(o *debt) []health.Act { return o.acts })
}

// owedHistory are the changes of state that the store doesn't have yet, oldest first;
// from any goroutine.
func (j *journal) owedHistory() []health.StateChange {
	return gather(j, func(o *debt) []health.StateChange { return o.history })
}

func gather[T any](j *journal, part func(*debt) []T) (all []T) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, o := range j.unkept {
		all = append(all, part(o)...)
	}
	return all
}

// finish tries once more to keep what is owed, when the server stops. It is called
// when the loop has ended, and takes no longer than patience. Where a commit is
// flying still when it returns, the store is in use.
func (j *journal) finish(ctx context.Context, patience time.Duration) error {
	now, deadline := time.Now(), time.Now().Add(patience)
	if j.flying != nil {
		j.flying.left.Store(false) // somebody waits for it again
		j.land(now, patience)
	}
	if j.retryAt.After(now) {
		j.retryAt = now
	}
	j.pay(ctx, now, time.Until(deadline))
	switch s := j.Status(); {
	case j.flying != nil:
		return fmt.Errorf("the store has not answered, %d events, acts and mails may be lost", s.Pending)
	case !s.FailingSince.IsZero() || !j.owed.empty():
		return fmt.Errorf("the store could not be written to the end, %d events, acts and mails are lost: %s", s.Pending, s.LastErr)
	}
	return nil
}
