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
	commitTimeout = 2 * time.Second // a turn waits no longer for the store
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

// debt is what was decided and is not kept yet. Records are the latest of each
// experiment.
type debt struct {
	at        time.Time
	events    []health.Event
	records   map[string]health.Record
	forgotten map[string]bool
	system    *health.SystemRecord
	mails     []*health.Mail
}

// keep stores a decision. It says whether there is a mail to send now.
func (j *journal) keep(ctx context.Context, d health.Decision, mail *health.Mail) (mailQueued bool) {
	owing := !j.retryAt.IsZero()
	if d.NothingToKeep() && mail == nil {
		if owing && !d.At.Before(j.retryAt) {
			return j.settle(ctx, d.At)
		}
		return false
	}
	if owing {
		j.owe(d, mail)
		if d.At.Before(j.retryAt) {
			return false
		}
		return j.settle(ctx, d.At)
	}
	c := store.Commit{At: d.At, Events: d.Events, Records: d.Records, Forgotten: d.Forgotten, System: d.System}
	if mail != nil {
		c.Mails = []*health.Mail{mail}
	}
	err := j.commit(ctx, c)
	if err == nil {
		return mail != nil
	}
	j.owe(d, mail)
	j.failed(d.At, err)
	return false
}

// commit is one transaction. It ends in time even when the server is stopping.
func (j *journal) commit(ctx context.Context, c store.Commit) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	return j.store.Commit(ctx, c)
}

func (j *journal) owe(d health.Decision, mail *health.Mail) {
	o := &j.owed
	o.at = d.At
	if o.records == nil {
		o.records, o.forgotten = map[string]health.Record{}, map[string]bool{}
	}
	o.events = append(o.events, d.Events...)
	for _, r := range d.Records {
		o.records[r.Name] = r
		delete(o.forgotten, r.Name)
	}
	for _, name := range d.Forgotten {
		delete(o.records, name)
		o.forgotten[name] = true
	}
	if d.System != nil {
		o.system = d.System
	}
	if mail != nil {
		o.mails = append(o.mails, mail)
	}
	dropped := 0
	if n := len(o.events) - maxOwedEvents; n > 0 {
		o.events = slices.Delete(o.events, 0, n)
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

// settle keeps all that is owed, in one transaction.
func (j *journal) settle(ctx context.Context, now time.Time) (mailQueued bool) {
	o := &j.owed
	c := store.Commit{At: o.at, Events: o.events, Forgotten: sortedKeys(o.forgotten), System: o.system, Mails: o.mails}
	for _, name := range sortedKeys(o.records) {
		c.Records = append(c.Records, o.records[name])
	}
	if err := j.commit(ctx, c); err != nil {
		j.failed(now, err)
		return false
	}
	mailQueued = len(o.mails) > 0
	j.owed, j.retryAt = debt{}, time.Time{}
	j.mu.Lock()
	lasted := now.Sub(j.status.FailingSince)
	j.status = JournalStatus{Dropped: j.status.Dropped}
	j.mu.Unlock()
	j.log.WithField("lasted", lasted.Round(time.Second).String()).Warn("the store can be written again, nothing is owed to it")
	return mailQueued
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

// finish tries once more to keep what is owed, when the server stops.
func (j *journal) finish(ctx context.Context) error {
	if j.retryAt.IsZero() {
		return nil
	}
	j.settle(ctx, time.Now())
	if s := j.Status(); s.Pending > 0 || !s.FailingSince.IsZero() {
		return fmt.Errorf("keep what is owed to the store: %d events and mails are lost: %s", s.Pending, s.LastErr)
	}
	return nil
}
