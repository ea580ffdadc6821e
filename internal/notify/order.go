package notify

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"labstatus/internal/health"
)

// A recovery that arrives before its fault tells the opposite of the truth. So
// before a mail is tried for a recipient, earlier ones that wait for another
// attempt are tried for that recipient too, though their time has not come.
// A mail that a server chokes on has its attempt in the same round, and the later
// ones wait for it: where it hung, the server may have become well meanwhile, and
// would take the later one now. Only where it has choked for long is it blamed, and
// passed, now and then: it may stay so for five days.

// waiting knows, for each address, which mails wait for another attempt and until
// when. The store keeps what a clock on the wall showed. These moments have come
// after as long as was meant, wherever that clock is set.
type waiting map[string]map[string]time.Time

// wait notes that a mail stays queued for an address.
func (w waiting) wait(address, id string, until time.Time) {
	if w[address] == nil {
		w[address] = map[string]time.Time{}
	}
	w[address][id] = until
}

func (w waiting) leave(address, id string) {
	delete(w[address], id)
	if len(w[address]) == 0 {
		delete(w, address)
	}
}

// over says that a mail need wait no longer for an address.
func (w waiting) over(address, id string, now time.Time) bool {
	until, waits := w[address][id]
	return waits && !until.After(now)
}

// earliest is when the first of them has waited enough, zero where none waits.
func (w waiting) earliest() time.Time {
	var first time.Time
	for _, mails := range w {
		for _, until := range mails {
			first = minTime(first, until)
		}
	}
	return first
}

// passedOver says that somebody has waited enough for a mail that is not among those
// given, or no longer waits for it there.
func (w waiting) passedOver(mails []health.Mail, now time.Time) bool {
	for address, ids := range w {
		for id := range ids {
			if w.over(address, id, now) && !isQueued(mails, id, address) {
				return true
			}
		}
	}
	return false
}

// prune forgets those who wait for none of these mails.
func (w waiting) prune(queued []health.Mail) {
	for address, ids := range w {
		for id := range ids {
			if !isQueued(queued, id, address) {
				w.leave(address, id)
			}
		}
	}
}

func isQueued(mails []health.Mail, id, address string) bool {
	return slices.ContainsFunc(mails, func(m health.Mail) bool { return m.ID == id && queuedFor(m, address) })
}

// attempt is a mail and whom it is to be tried for.
type attempt struct {
	mail health.Mail
	to   []string
	age  int // its place in the store's order, the oldest first
	// passes says that it comes before an earlier one for the same recipients.
	passes bool
}

// mostWaiting bounds how many waiting mails are looked through.
const mostWaiting = 1000

// allQueued gives every mail that somebody is queued for, in the store's order,
// whatever clock its next attempt was noted by.
func (o *Outbox) allQueued(ctx context.Context) ([]health.Mail, error) {
	mails, err := o.store.DueMail(ctx, time.Unix(0, math.MaxInt64), mostWaiting)
	if err != nil {
		return nil, fmt.Errorf("look for mail that waits: %w", err)
	}
	for i, m := range mails {
		mails[i].Recipients = overlaid(m.Recipients, o.unsaved[m.ID])
	}
	return mails, nil
}

// lineUp finds out, at the start, who is waiting for another attempt since an
// earlier run. No wait is longer than the longest that we set: what the store has
// further ahead was noted before a clock was set back.
func (o *Outbox) lineUp(ctx context.Context) error {
	if o.waiting != nil {
		return nil
	}
	mails, err := o.allQueued(ctx)
	if err != nil {
		return err
	}
	o.waiting = waiting{}
	var since time.Time
	now := time.Now()
	for _, m := range mails {
		for _, r := range m.Recipients {
			if r.Fate == health.Queued && r.Attempts > 0 {
				o.waiting.wait(r.Address, m.ID, now.Add(min(r.Next.Sub(now), lastRetry)))
				since = minTime(since, minTime(m.At, now))
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

// inOrder gives what is to be tried now, in the store's order: what is due, and
// before it what waits for the same recipients.
func (o *Outbox) inOrder(ctx context.Context, due []health.Mail, now time.Time) ([]attempt, error) {
	mails, trying := due, make(map[string][]string, len(due)) // addresses, by mail
	for _, m := range due {
		trying[m.ID] = o.dueRecipients(m, now)
	}
	if o.othersWait(trying) {
		all, err := o.allQueued(ctx)
		if err != nil {
			return nil, err
		}
		mails = o.withEarlier(all, due, trying)
	}
	attempts := make([]attempt, 0, len(mails))
	for _, m := range mails {
		attempts = append(attempts, attempt{mail: m, to: trying[m.ID]})
	}
	for i := range attempts {
		attempts[i].age = i
	}
	if o.takesTurns() { // behind the oldest, which proves a server that is well again
		o.inTurns(attempts[1:], now)
	}
	return o.stuckLast(attempts), nil
}

// othersWait says that somebody who is to be tried waits for another mail too, which
// isn't to be tried for them: it may be an earlier one.
func (o *Outbox) othersWait(trying map[string][]string) bool {
	for _, to := range trying {
		for _, address := range to {
			for id := range o.waiting[address] {
				if !slices.Contains(trying[id], address) {
					return true
				}
			}
		}
	}
	return false
}

// withEarlier gives, of all queued mails, those that are due and the earlier ones that
// wait for the same recipients, for whom they are to be tried then too. Which is
// earlier the store's order tells: by their times they could change places, where a
// clock was set between them.
func (o *Outbox) withEarlier(all, due []health.Mail, trying map[string][]string) []health.Mail {
	fresh := make(map[string]health.Mail, len(due))
	for _, m := range due {
		fresh[m.ID] = m
	}
	var mails []health.Mail
	for _, m := range all {
		if d, isDue := fresh[m.ID]; isDue {
			m = d
			delete(fresh, m.ID)
		}
		mails = append(mails, m)
	}
	for _, m := range due { // what is left is younger than all that could be looked through
		if _, left := fresh[m.ID]; left {
			mails = append(mails, m)
		}
	}
	later := map[string]bool{} // addresses that something later is due for
	for _, m := range slices.Backward(mails) {
		to := trying[m.ID]
		for _, r := range m.Recipients {
			_, waits := o.waiting[r.Address][m.ID]
			if waits && later[r.Address] && r.Fate == health.Queued && !slices.Contains(to, r.Address) {
				trying[m.ID] = append(trying[m.ID], r.Address)
			}
		}
		for _, address := range to {
			later[address] = true
		}
	}
	return slices.DeleteFunc(mails, func(m health.Mail) bool { return len(trying[m.ID]) == 0 })
}

// byAge sorts attempts, the oldest first, so that none passes another.
func byAge(attempts []attempt) []attempt {
	for i := range attempts {
		attempts[i].passes = false
	}
	slices.SortStableFunc(attempts, func(a, b attempt) int { return cmp.Compare(a.age, b.age) })
	return attempts
}

// inTurns sorts attempts, which are in the order of their age: those that have waited
// longest for a try come first, but none before an earlier one for the same address,
// unless it may pass that.
func (o *Outbox) inTurns(attempts []attempt, now time.Time) {
	type line struct {
		turn   time.Time // the latest in it
		closed bool      // holds a mail that can't be passed
	}
	lines, turns, may := map[string]line{}, make(map[int]time.Time, len(attempts)), o.mayPass(now)
	for i := range attempts {
		a := &attempts[i]
		turn := o.tried[a.mail.ID]
		for _, to := range a.to {
			switch l := lines[to]; {
			case !turn.Before(l.turn):
			case l.closed || !may:
				turn, a.passes = l.turn, false
			default:
				a.passes = true
			}
		}
		for _, to := range a.to {
			if o.choked[a.mail.ID].blamed {
				break
			}
			l := lines[to]
			if l.turn.Before(turn) {
				l.turn = turn
			}
			l.closed = l.closed || o.chokesFor(a.mail.ID, now) < blamedAfter
			lines[to] = l
		}
		turns[a.age] = turn
	}
	slices.SortStableFunc(attempts, func(a, b attempt) int { return turns[a.age].Compare(turns[b.age]) })
}

// choking is how a mail breaks sessions, since it was answered last.
type choking struct {
	sessions int
	since    time.Time
	blamed   bool // a later one for the same recipients was answered
}

// choke notes that a mail has broken a session.
func (o *Outbox) choke(id string, began time.Time) choking {
	c := o.choked[id]
	if c.sessions++; c.sessions == 1 {
		c.since = began
	}
	o.choked[id] = c
	return c
}

// blame blames the mails that another one has passed: the server answers, though not
// for them. Nobody waits for them any more.
func (o *Outbox) blame(passed attempt, others []attempt) {
	for _, a := range others {
		shared := slices.ContainsFunc(a.to, func(to string) bool { return slices.Contains(passed.to, to) })
		if c, chokes := o.choked[a.mail.ID]; chokes && shared && a.age < passed.age {
			c.blamed = true
			o.choked[a.mail.ID] = c
		}
	}
}

// chokesFor is for how long a mail has broken sessions.
func (o *Outbox) chokesFor(id string, now time.Time) time.Duration {
	if c, chokes := o.choked[id]; chokes {
		return now.Sub(c.since)
	}
	return 0
}

const (
	// blamedAfter is how long a mail breaks sessions before it can be passed by later
	// ones for the same recipients. Before that the server is blamed.
	blamedAfter = 10 * time.Minute
	// passEvery is how often one of them is tried behind it where they break sessions
	// too. A server may become well just while the earlier one hangs, and the later one
	// is read first then: that should hardly ever happen.
	passEvery = 30 * time.Minute
)

// mayPass says whether a mail may be tried although an earlier one for the same
// recipients waits, which has choked for long.
func (o *Outbox) mayPass(now time.Time) bool {
	return now.Sub(o.notPassed) >= passEvery
}

// holds are the addresses of mails that have broken a session in this round.
type holds struct {
	since map[string]time.Time // when the latest of them for an address began to break sessions
	began time.Time            // the latest attempt
	lost  error
	back  bool // a mail was held back
}

func (h *holds) hold(to []string, by choking, began time.Time, lost error) {
	if len(to) == 0 || by.blamed {
		return
	}
	if h.since == nil {
		h.since = map[string]time.Time{}
	}
	for _, address := range to {
		h.since[address] = by.since
	}
	h.began, h.lost = began, lost
}

// notHeld takes away those recipients of an attempt for whom it has to wait for an
// earlier mail that has just broken a session.
func (o *Outbox) notHeld(a *attempt, to []string, held *holds, now time.Time) []string {
	may := o.mayPass(now)
	return slices.DeleteFunc(to, func(address string) bool {
		since, waits := held.since[address]
		if waits && may && now.Sub(since) >= blamedAfter {
			a.passes, waits = true, false
		}
		held.back = held.back || waits
		return waits
	})
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
			first = append(first, attempt{a.mail, free, a.age, a.passes})
		}
		if len(stuck) > 0 {
			last = append(last, attempt{a.mail, stuck, a.age, a.passes})
		}
	}
	return append(first, last...)
}

// chokedOften is how many sessions a mail may break before mails take turns: a
// round that breaks off begins next time, after the oldest, with those that have
// waited longest for an attempt. Before that the server is blamed.
const chokedOften = 5

func (o *Outbox) takesTurns() bool {
	for _, c := range o.choked {
		if c.sessions >= chokedOften {
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
