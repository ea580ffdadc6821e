package app

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"labstatus/internal/health"
	"labstatus/internal/store"
)

const (
	commitTimeout = time.Second     // a turn waits no longer for the store
	owedRetry     = 5 * time.Second // between attempts while the store fails
	maxOwedEvents = 20_000
	maxOwedMails  = 1_000
)

// journal keeps decisions in the store. While the store fails it owes them: the
// laboratory is still watched and booked, and what must be kept waits here, up to
// a bound, until it can be. A mail is only sent once it is kept, so that it can't
// be sent twice.
type journal struct {
	store store.Store
	log   logrus.FieldLogger

	owed    debt
	retryAt time.Time
	flying  *flight // a commit that takes longer than a turn may wait; nil: none

	// The latest record of everything, kept or owed. What is owed to a store that
	// has failed may have to be written to an empty one: its file was damaged and
	// taken away. Only with all records does a restart tell nothing again.
	records map[string]health.Record
	system  *health.SystemRecord

	mu     sync.Mutex
	status JournalStatus
}

// JournalStatus is how the keeping goes.
type JournalStatus struct {
	FailingSince time.Time // zero: it works
	LastErr      string
	Pending      int // events and mails that wait to be kept
	Dropped      int // events and mails that could not wait any longer
}

// debt is what was decided and is not kept yet, beside records.
type debt struct {
	at        time.Time
	events    []health.Event
	forgotten map[string]bool
	mails     []*health.Mail
}

// flight is a commit on its way to a store that doesn't answer in time.
type flight struct {
	commit store.Commit
	result chan error
}

var errFlying = fmt.Errorf("the store has not answered within %s", commitTimeout)

// newJournal goes on from what an earlier run has kept.
func newJournal(s store.Store, log logrus.FieldLogger, kept *health.Kept) *journal {
	j := &journal{store: s, log: log, records: make(map[string]health.Record, len(kept.Records)), system: &kept.System}
	for _, r := range kept.Records {
		j.records[r.Name] = r
	}
	return j
}

// remember takes up a decision's records.
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
}

// keep stores a decision. It says whether there is a mail to send now.
func (j *journal) keep(ctx context.Context, d health.Decision, mail *health.Mail) (mailQueued bool) {
	j.remember(&d)
	mailQueued = j.land(d.At)
	if !j.retryAt.IsZero() {
		if !d.NothingToKeep() || mail != nil {
			j.owe(d, mail)
		}
		if j.flying == nil && !d.At.Before(j.retryAt) && j.settle(ctx, d.At) {
			mailQueued = true
		}
		return mailQueued
	}
	if d.NothingToKeep() && mail == nil {
		return mailQueued
	}
	c := store.Commit{At: d.At, Events: d.Events, Records: d.Records, Forgotten: d.Forgotten, System: d.System}
	if mail != nil {
		c.Mails = []*health.Mail{mail}
	}
	switch err := j.commit(ctx, c); err {
	case nil:
		return mail != nil || mailQueued
	case errFlying: //nolint:errorlint // the sentinel itself
		j.failed(d.At, err)
	default:
		j.owe(d, mail)
		j.failed(d.At, err)
	}
	return mailQueued
}

// commit is one transaction. A disk that hangs can't be hurried, so what takes
// longer than a turn may wait goes on by itself: errFlying, and land tells what
// became of it. Stopping doesn't cut it short.
func (j *journal) commit(ctx context.Context, c store.Commit) error {
	f := &flight{commit: c, result: make(chan error, 1)}
	ctx = context.WithoutCancel(ctx)
	go func() {
		ctx, cancel := context.WithTimeout(ctx, commitTimeout)
		defer cancel()
		f.result <- j.store.Commit(ctx, c)
	}()
	timer := time.NewTimer(commitTimeout)
	defer timer.Stop()
	select {
	case err := <-f.result:
		return err
	case <-timer.C:
		j.flying = f
		return errFlying
	}
}

// land takes in what became of a commit that took long.
func (j *journal) land(now time.Time) (mailQueued bool) {
	if j.flying == nil {
		return false
	}
	var err error
	select {
	case err = <-j.flying.result:
	default:
		return false
	}
	c := j.flying.commit
	j.flying = nil
	if err != nil { // none of it is kept: it is owed, before what has come since
		j.mu.Lock()
		j.owed.events = slices.Concat(c.Events, j.owed.events)
		j.mu.Unlock()
		j.owed.mails = slices.Concat(c.Mails, j.owed.mails)
		for _, name := range c.Forgotten {
			if _, back := j.records[name]; !back {
				j.owed.forget(name)
			}
		}
		j.failed(now, err)
		return false
	}
	j.retryAt = now // what has come since is kept next, and shows whether all is well
	return len(c.Mails) > 0
}

// forget notes an experiment whose record is to be dropped.
func (o *debt) forget(name string) {
	if o.forgotten == nil {
		o.forgotten = map[string]bool{}
	}
	o.forgotten[name] = true
}

func (j *journal) owe(d health.Decision, mail *health.Mail) {
	o := &j.owed
	o.at = d.At
	j.mu.Lock()
	o.events = append(o.events, d.Events...)
	j.mu.Unlock()
	for _, r := range d.Records {
		delete(o.forgotten, r.Name)
	}
	for _, name := range d.Forgotten {
		o.forget(name)
	}
	if mail != nil {
		o.mails = append(o.mails, mail)
	}
	dropped := 0
	if n := len(o.events) - maxOwedEvents; n > 0 {
		j.mu.Lock()
		o.events = slices.Clone(o.events[n:])
		j.mu.Unlock()
		dropped += n
	}
	if n := len(o.mails) - maxOwedMails; n > 0 {
		o.mails = slices.Delete(o.mails, 0, n)
		dropped += n
	}
	if dropped > 0 {
		j.log.WithField("dropped", dropped).Error("the store has failed for so long that the oldest events or mails are lost")
	}
	j.mu.Lock()
	j.status.Dropped += dropped
	j.status.Pending = len(o.events) + len(o.mails)
	j.mu.Unlock()
}

// settle keeps all that is owed, and every record, in one transaction.
func (j *journal) settle(ctx context.Context, now time.Time) (mailQueued bool) {
	o := &j.owed
	c := store.Commit{At: o.at, Events: o.events, Forgotten: sortedKeys(o.forgotten), System: j.system, Mails: o.mails}
	for _, name := range sortedKeys(j.records) {
		c.Records = append(c.Records, j.records[name])
	}
	switch err := j.commit(ctx, c); err {
	case nil:
	case errFlying: //nolint:errorlint // the sentinel itself
		j.clear()
		j.failed(now, err)
		return false
	default:
		j.failed(now, err)
		return false
	}
	mailQueued = len(o.mails) > 0
	j.clear()
	j.retryAt = time.Time{}
	j.mu.Lock()
	lasted := now.Sub(j.status.FailingSince)
	j.status = JournalStatus{Dropped: j.status.Dropped}
	j.mu.Unlock()
	j.log.WithField("lasted", lasted.Round(time.Second).String()).Warn("the store can be written again, nothing is owed to it")
	return mailQueued
}

// clear forgets what is owed: it is kept, or in flight.
func (j *journal) clear() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.owed = debt{}
}

// owedEvents are the events that the store doesn't have yet, oldest first; from
// any goroutine.
func (j *journal) owedEvents() []health.Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.owed.events)
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
	j.status.Pending = len(j.owed.events) + len(j.owed.mails)
}

// Status says how the keeping goes; from any goroutine.
func (j *journal) Status() JournalStatus {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.status
}

// finish tries once more to keep what is owed, when the server stops. It is called
// when the loop has ended, and takes no longer than patience.
func (j *journal) finish(ctx context.Context, patience time.Duration) error {
	if j.flying != nil {
		select {
		case err := <-j.flying.result:
			j.flying.result <- err
			j.land(time.Now())
		case <-time.After(patience):
		}
	}
	if j.flying == nil && !j.retryAt.IsZero() {
		j.settle(ctx, time.Now())
	}
	if s := j.Status(); !s.FailingSince.IsZero() {
		return fmt.Errorf("the store could not be written to the end, %d events and mails are lost: %s", s.Pending, s.LastErr)
	}
	return nil
}
