package notify

import (
	"context"
	"time"

	"labstatus/internal/health"
)

// What became of an attempt, as the log, the status and the store hear of it.

func failed(r health.Recipient, now time.Time, why string) health.Recipient {
	r.Fate, r.Done, r.Next, r.LastErr = health.Failed, now, time.Time{}, why
	return r
}

// gaveUp notes a delivery that was given up, in this run or, as the store has it, an
// earlier one.
func (o *Outbox) gaveUp(m health.Mail, r health.Recipient) {
	o.update(func(s *OutboxStatus) {
		if !r.Done.Before(s.LastFailure.At) {
			s.LastFailure = Failure{At: r.Done, Subject: m.Subject, Address: r.Address, Text: r.LastErr}
		}
	})
}

// tell says what became of a recipient: each end, and the first delay.
func (o *Outbox) tell(m health.Mail, r health.Recipient) {
	log := o.log.WithField("mail", m.ID).WithField("recipient", r.Address)
	switch {
	case r.Fate == health.Sent:
		log.Info("mail sent")
	case r.Fate == health.Failed:
		o.gaveUp(m, r)
		log.WithField("reason", r.LastErr).WithField("attempts", r.Attempts).Error("mail failed for good")
	case r.Attempts == 1:
		log.WithField("reason", r.LastErr).Warn("mail is delayed and tried again")
	}
}

// trouble notes why delivery fails. Nobody says that not one person is reached.
func (o *Outbox) trouble(text string, nobody bool) {
	now := time.Now()
	o.update(func(s *OutboxStatus) {
		s.LastError, s.LastErrorAt = text, now
		if nobody && s.UndeliverableSince.IsZero() {
			s.UndeliverableSince = now
		}
	})
}

// postpone puts everything off: one wait for all, because trying each mail with
// a server that doesn't work only makes the last one late.
func (o *Outbox) postpone(began time.Time, err error) {
	if o.openTries++; o.openTries == 1 {
		o.failsSince = began
	}
	o.postponed = o.after(began, time.Now(), o.openTries)
	o.trouble(err.Error(), true)
	if o.openTries == 1 {
		o.log.WithError(err).Warn("the mail server can't be used; mail waits, and this is tried again")
	}
}

// forget forgets how a mail fared that is done with.
func (o *Outbox) forget(id string) {
	delete(o.choked, id)
	delete(o.tried, id)
	delete(o.triedSince, id)
}

// served notes that the server has answered for a mail to its end.
func (o *Outbox) served(id string) {
	delete(o.choked, id)
	delete(o.tried, id)
	o.breaks = 0
	if o.openTries > 0 {
		o.openTries = 0
		o.log.Info("the mail server can be used again")
	}
}

// expire gives up what has waited too long for a server that doesn't work.
func (o *Outbox) expire(ctx context.Context, attempts []attempt, err error) {
	now := time.Now()
	for _, a := range attempts {
		m := a.mail
		if !o.givesUp(m, now) {
			continue
		}
		var changed []health.Recipient
		for _, r := range m.Recipients {
			if r.Fate != health.Queued {
				continue
			}
			r.Attempts++
			r = failed(r, now, err.Error())
			o.tell(m, r)
			changed = append(changed, r)
			o.waiting.leave(r.Address, m.ID)
		}
		o.forget(m.ID)
		o.mark(ctx, m.ID, changed)
	}
}
