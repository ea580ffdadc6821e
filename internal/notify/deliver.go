package notify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"labstatus/internal/health"
)

// round tries everything that is due, once. Its error is the store's.
func (o *Outbox) round(ctx, sending, marking context.Context) error {
	now := time.Now()
	attempts, err := o.due(ctx, now)
	if err != nil || len(attempts) == 0 || now.Before(o.postponed) {
		return err
	}
	for _, a := range attempts {
		if _, known := o.triedSince[a.mail.ID]; !known {
			o.triedSince[a.mail.ID] = now
		}
	}
	var session Session
	defer func() {
		if session != nil {
			o.goodbye(sending, session)
		}
	}()
	var behind []attempt // broke a session in this round
	again := false
	later := map[string]string{} // addresses refused for now in this round, and why
	held := holds{}
	for len(attempts) > 0 {
		a := attempts[0]
		if ctx.Err() != nil {
			return nil
		}
		began := time.Now()
		m, to := a.mail, o.notLater(marking, a, later, began)
		if to = o.notHeld(&a, to, &held, now); len(to) == 0 {
			attempts = attempts[1:]
			continue
		}
		o.update(func(s *OutboxStatus) { s.LastAttempt = began })
		if session == nil {
			if session, err = o.open(ctx); err != nil {
				session = nil
				if ctx.Err() == nil {
					o.postpone(began, err)
					o.expire(marking, attempts, err)
				}
				return nil
			}
		}
		o.tried[m.ID] = began
		results, lost := session.Send(sending, m, to)
		stopped := sending.Err() != nil
		finished := o.apply(marking, m, results, began, stopped)
		o.noteStuck(results, lost)
		if lost == nil {
			for _, r := range results {
				if r.Outcome == Retry {
					later[r.Address] = r.Text
				}
			}
			o.served(m.ID)
			if a.passes {
				o.blame(a, slices.Concat(behind, attempts))
			}
			// The server is well: nobody need take turns.
			attempts = o.stuckLast(byAge(attempts[1:]))
			continue
		}
		o.goodbye(sending, session)
		session = nil
		if stopped {
			return nil
		}
		if a.passes {
			o.notPassed = began
		}
		if !finished && o.choke(m.ID, began).sessions < chokedOften {
			// The server is blamed at first: a later mail that it takes now would
			// overtake this one.
			o.postpone(began, lost)
			return nil
		}
		attempts = attempts[1:]
		if a.to = stillQueued(m, to); len(a.to) > 0 {
			behind = append(behind, a)
		}
		// A cut may come from a server that has just been started again: once more
		// from the first that broke, for the same reason.
		if wasCut(lost) && !again {
			again = true
			attempts, behind, held = slices.Concat(behind, attempts), nil, holds{}
			continue
		}
		held.hold(a.to, o.choked[m.ID], began, lost)
		// The mail may be what the server chokes on, and has its own wait now: the
		// others go on. Two in a row are the server's trouble again.
		if o.breaks++; o.breaks == 2 {
			o.breaks = 0
			o.postpone(began, lost)
			return nil
		}
	}
	if held.back { // what is due still is tried with the mail it waits for
		o.postpone(held.began, held.lost)
	}
	return nil
}

// notLater gives those of an attempt's recipients who were not refused for now a
// moment ago, for an earlier mail. If this one were taken for them, it would
// overtake that.
func (o *Outbox) notLater(ctx context.Context, a attempt, later map[string]string, now time.Time) (to []string) {
	var held []Result
	for _, address := range a.to {
		if why, refused := later[address]; refused {
			held = append(held, Result{Address: address, Outcome: Retry, Text: why})
		} else {
			to = append(to, address)
		}
	}
	if len(held) > 0 {
		o.apply(ctx, a.mail, held, now, false)
	}
	return to
}

func stillQueued(m health.Mail, to []string) []string {
	return slices.DeleteFunc(slices.Clone(to), func(address string) bool { return !queuedFor(m, address) })
}

// wasCut tells a session that was cut from one in which there was no answer.
func wasCut(lost error) bool {
	f, ok := errors.AsType[*ServerError](lost)
	return ok && f.Err != nil && !timedOut(f.Err) && cutOff(f.Err)
}

// goodbye closes a session; what matters on it has been said. A server that does not
// answer to it must not keep us from stopping.
func (o *Outbox) goodbye(ctx context.Context, s Session) {
	if err := s.Close(ctx); err != nil {
		o.log.WithError(err).Debug("the mail server did not say goodbye")
	}
}

// due gives what is to be tried now, with what is known but not yet stored.
func (o *Outbox) due(ctx context.Context, now time.Time) ([]attempt, error) {
	ctx, cancel := context.WithTimeout(ctx, storeWait)
	defer cancel()
	if err := o.lineUp(ctx); err != nil {
		return nil, err
	}
	// Mails whose marks are in memory still count as due in the store, and those
	// that a server chokes on come back again and again: neither may crowd out
	// the others.
	limit := batch + len(o.unsaved) + len(o.choked)
	mails, err := o.store.DueMail(ctx, now, limit)
	if err != nil {
		return nil, fmt.Errorf("look for mail that is due: %w", err)
	}
	for i, m := range mails {
		mails[i].Recipients = overlaid(m.Recipients, o.unsaved[m.ID])
	}
	if len(mails) < limit {
		o.dropMarks(mails)
		if o.waiting.passedOver(mails, now) { // a clock was set back, or the store another one
			if mails, err = o.allQueued(ctx); err != nil {
				return nil, err
			}
			if len(mails) < mostWaiting {
				o.waiting.prune(mails)
				maps.DeleteFunc(o.triedSince, func(id string, _ time.Time) bool {
					return !slices.ContainsFunc(mails, func(m health.Mail) bool { return m.ID == id })
				})
			}
		}
	}
	o.settleAgain(ctx, mails)
	mails = slices.DeleteFunc(mails, func(m health.Mail) bool { return len(o.dueRecipients(m, now)) == 0 })
	if len(mails) == 0 {
		return nil, nil
	}
	if err := o.count(ctx); err != nil { // before the attempts, which may take long
		return nil, err
	}
	return o.inOrder(ctx, mails, now)
}

// overlaid gives recipients with newer in place of those it names.
func overlaid(recipients, newer []health.Recipient) []health.Recipient {
	if len(newer) == 0 {
		return recipients
	}
	recipients = slices.Clone(recipients)
	for i, r := range recipients {
		if j := slices.IndexFunc(newer, func(n health.Recipient) bool { return n.Address == r.Address }); j >= 0 {
			recipients[i] = newer[j]
		}
	}
	return recipients
}

// dueRecipients are those whose wait is over, by the clock on the wall or because it
// has lasted as long as was meant.
func (o *Outbox) dueRecipients(m health.Mail, now time.Time) []string {
	var to []string
	for _, r := range m.Recipients {
		if r.Fate == health.Queued && (!r.Next.After(now) || o.waiting.over(r.Address, m.ID, now)) {
			to = append(to, r.Address)
		}
	}
	return to
}

// apply records what became of an attempt, and returns whether the mail is done
// with. Where it was cut short because we are stopping, what is undecided stays
// as it was.
func (o *Outbox) apply(ctx context.Context, m health.Mail, results []Result, began time.Time, stopped bool) bool {
	now := time.Now()
	var changed []health.Recipient
	reached := slices.ContainsFunc(m.Recipients, func(r health.Recipient) bool { return r.Fate == health.Sent })
	sent, trouble, refused, next := 0, "", "", map[int]time.Time{} // by attempts
	for _, result := range results {
		i := slices.IndexFunc(m.Recipients, func(r health.Recipient) bool { return r.Address == result.Address })
		if i < 0 || stopped && result.Outcome == Retry {
			continue
		}
		r := m.Recipients[i]
		r.Attempts++
		switch result.Outcome {
		case Sent:
			r.Fate, r.Done, r.Next, r.LastErr = health.Sent, now, time.Time{}, ""
			sent++
		case Refused:
			r = failed(r, now, result.Text)
			refused = result.Text
		case Retry:
			// Those who failed together are tried together: one message, not one
			// for each.
			if _, ok := next[r.Attempts]; !ok {
				next[r.Attempts] = o.after(began, now, r.Attempts)
			}
			r.LastErr, r.Next = result.Text, next[r.Attempts]
			trouble = result.Text
			if o.givesUp(m, now) {
				r = failed(r, now, result.Text)
			}
		}
		o.tell(m, r)
		changed = append(changed, r)
		m.Recipients[i] = r // seen by a later attempt of this round for others of them
		if r.Fate == health.Queued {
			o.waiting.wait(r.Address, m.ID, r.Next)
		} else {
			o.waiting.leave(r.Address, m.ID)
		}
	}
	if len(changed) == 0 {
		return false
	}
	if sent > 0 {
		o.update(func(s *OutboxStatus) {
			s.LastSent, s.UndeliverableSince, s.LastError, s.LastErrorAt = now, time.Time{}, "", time.Time{}
		})
	}
	if refused != "" {
		o.trouble(refused, false) // mail does go out, this one doesn't
	}
	if trouble != "" {
		o.trouble(trouble, sent == 0 && !reached)
	}
	o.mark(ctx, m.ID, changed)
	finished := !slices.ContainsFunc(m.Recipients, func(r health.Recipient) bool { return r.Fate == health.Queued })
	if finished {
		o.forget(m.ID)
	}
	return finished
}
