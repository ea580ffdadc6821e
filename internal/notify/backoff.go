package notify

import "time"

// Retries begin after five seconds and settle at forty, so that what waits is
// delivered within a minute of a mail server's recovery, a hanging attempt
// included.
const (
	firstRetry = 5 * time.Second
	lastRetry  = 40 * time.Second
)

// GiveUpAfter is how long a mail is tried.
const GiveUpAfter = 5 * 24 * time.Hour

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
