package notify

import (
	"context"
	"fmt"
	"slices"
	"time"

	"labstatus/internal/health"
)

// A recovery that arrives before its fault tells the opposite of the truth. So
// before a mail is tried for a recipient, earlier ones that wait for another
// attempt are tried for that recipient too, though their time has not come.
// A mail that a server won't take on its own doesn't hold the later ones up: it
// has had its attempt in the same round.

// waiting knows, for each address, which mails wait for another attempt and when
// they were made.
type waiting map[string]map[string]time.Time

// wait notes that a mail stays queued for an address.
func (w waiting) wait(address string, m *health.Mail) {
	if w[address] == nil {
		w[address] = map[string]time.Time{}
	}
	w[address][m.ID] = m.At
}

func (w waiting) leave(address, id string) {
	delete(w[address], id)
	if len(w[address]) == 0 {
		delete(w, address)
	}
}

// attempt is a mail and whom it is to be tried for.
type attempt struct {
	mail health.Mail
	to   []string
}

// mostWaiting bounds how many waiting mails are looked through.
const mostWaiting = 1000

// lineUp finds out, at the start, who is waiting for another attempt since an
// earlier run.
func (o *Outbox) lineUp(ctx context.Context) error {
	if o.waiting != nil {
		return nil
	}
	mails, err := o.store.DueMail(ctx, time.Now().Add(GiveUpAfter), mostWaiting)
	if err != nil {
		return fmt.Errorf("look for mail that waits: %w", err)
	}
	o.waiting = waiting{}
	var since time.Time
	for _, m := range mails {
		for _, r := range m.Recipients {
			if r.Fate == health.Queued && r.Attempts > 0 {
				o.waiting.wait(r.Address, &m)
				since = minTime(since, m.At)
			}
		}
	}
	if !since.IsZero() {
		o.update(func(s *OutboxStatus) { s.UndeliverableSince = since })
	}
	return nil
}

// minTime is the earlier of two moments, of which the first may be none.
func minTime(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// inOrder gives what is to be tried now, oldest first: what is due, and before it
// what waits for the same recipients.
func (o *Outbox) inOrder(ctx context.Context, due []health.Mail, now time.Time) ([]attempt, error) {
	attempts := make([]attempt, len(due))
	early := map[string][]string{} // addresses, by the waiting mail that is to be tried for them
	for i, m := range due {
		attempts[i] = attempt{m, dueRecipients(m, now)}
		for _, address := range attempts[i].to {
			for id, at := range o.waiting[address] {
				if at.Before(m.At) && !slices.Contains(early[id], address) {
					early[id] = append(early[id], address)
				}
			}
		}
	}
	for i := range attempts { // those may be due already, for some of their recipients
		a := &attempts[i]
		for _, address := range early[a.mail.ID] {
			if !slices.Contains(a.to, address) {
				a.to = append(a.to, address)
			}
		}
		delete(early, a.mail.ID)
	}
	if len(early) > 0 {
		all, err := o.store.DueMail(ctx, now.Add(GiveUpAfter), mostWaiting)
		if err != nil {
			return nil, fmt.Errorf("look for mail that waits: %w", err)
		}
		for _, m := range all {
			if to := early[m.ID]; len(to) > 0 {
				m.Recipients = overlaid(m.Recipients, o.unsaved[m.ID])
				to = slices.DeleteFunc(to, func(address string) bool { return !queuedFor(m, address) })
				slices.Sort(to)
				if len(to) > 0 {
					attempts = append(attempts, attempt{m, to})
				}
			}
		}
	}
	slices.SortStableFunc(attempts, func(a, b attempt) int { return a.mail.At.Compare(b.mail.At) })
	if o.takesTurns() { // behind the oldest, which proves a server that is well again
		slices.SortStableFunc(attempts[1:], func(a, b attempt) int {
			return o.tried[a.mail.ID].Compare(o.tried[b.mail.ID])
		})
	}
	return o.stuckLast(attempts), nil
}

// stuckAfter is how many sessions have to be lost over a recipient, in a row, before
// it is blamed.
const stuckAfter = 2

// noteStuck counts the sessions that were lost over a recipient, until there is an
// answer for it.
func (o *Outbox) noteStuck(results []Result, lost error) {
	for _, r := range results {
		switch {
		case r.Stuck:
			o.stuck[r.Address]++
		case lost == nil || r.Outcome != Retry:
			delete(o.stuck, r.Address)
		}
	}
}

// stuckLast has recipients over whom sessions were lost tried apart from the
// others, and after them: a server that never answers for one address keeps nobody
// else waiting.
func (o *Outbox) stuckLast(attempts []attempt) []attempt {
	if len(o.stuck) == 0 {
		return attempts
	}
	var first, last []attempt
	for _, a := range attempts {
		var free, stuck []string
		for _, to := range a.to {
			if o.stuck[to] >= stuckAfter {
				stuck = append(stuck, to)
			} else {
				free = append(free, to)
			}
		}
		if len(free) > 0 {
			first = append(first, attempt{a.mail, free})
		}
		if len(stuck) > 0 {
			last = append(last, attempt{a.mail, stuck})
		}
	}
	return append(first, last...)
}

// chokedOften is how many sessions a mail may break before mails take turns: a
// round that breaks off begins next time, after the oldest, with those that have
// waited longest for an attempt. Before that the server is blamed.
const chokedOften = 5

func (o *Outbox) takesTurns() bool {
	for _, n := range o.choked {
		if n >= chokedOften {
			return true
		}
	}
	return false
}

func queuedFor(m health.Mail, address string) bool {
	return slices.ContainsFunc(m.Recipients, func(r health.Recipient) bool {
		return r.Address == address && r.Fate == health.Queued
	})
}
