package notify

import (
	"time"

	"labstatus/internal/health"
)

// Retries begin after five seconds and settle at forty, so that what waits is
// delivered within a minute of a mail server's recovery, a hanging attempt
// included.
const (
	firstRetry = 5 * time.Second
	lastRetry  = 40 * time.Second
)

const (
	// GiveUpAfter is how long a mail is tried, by the clock on the wall.
	GiveUpAfter = 5 * 24 * time.Hour
	// givesUpIn is how long the run that gives a mail up has tried it itself, by the
	// time in which it was awake. Five days may have gone by in one attempt or none: we
	// were stopped or suspended, or a clock that had stood at the last shutdown was set.
	givesUpIn = time.Hour
)

// givesUp says that a mail has been tried for long enough. Where the server as a whole
// fails, all that waits counts as tried for as long as it does: only the first few are
// tried each time.
func (o *Outbox) givesUp(m health.Mail, now time.Time) bool {
	since, tried := o.triedSince[m.ID]
	if o.openTries > 0 {
		since = minTime(since, o.failsSince)
	}
	return tried && now.Sub(m.At) >= GiveUpAfter && now.Sub(since) >= givesUpIn
}

// backoff is the wait after a number of failed attempts, with jitter.
func (o *Outbox) backoff(attempts int) time.Duration {
	d := lastRetry
	if attempts < 4 {
		d = firstRetry << max(attempts-1, 0)
	}
	d = d*3/4 + o.Jitter(d/2)
	return min(max(d, firstRetry), lastRetry)
}

// after is when to try again what was begun at a moment and has failed now. It
// counts from the beginning, because a hanging server has had its wait.
func (o *Outbox) after(began, now time.Time, attempts int) time.Time {
	next := began.Add(o.backoff(attempts))
	if soonest := now.Add(firstRetry); next.Before(soonest) {
		return soonest
	}
	return next
}
