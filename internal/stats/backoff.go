package stats

import (
	"math/rand/v2"
	"time"
)

const (
	backoffFloor   = 500 * time.Millisecond
	backoffCeiling = 10 * time.Second
)

// backoff says how long to wait between attempts. The zero value is ready.
type backoff struct {
	tries  int
	jitter func(time.Duration) time.Duration // gives a random time below the given one; nil: rand.N
}

// wait gives a time that is random, so that the servers of a lab that fell
// together don't come back together, between half and the whole of a span that
// doubles from one second to the ceiling.
func (b *backoff) wait() time.Duration {
	span := backoffCeiling
	if b.tries < 4 {
		span = min(span, 2*backoffFloor<<b.tries)
		b.tries++
	}
	jitter := b.jitter
	if jitter == nil {
		jitter = rand.N[time.Duration]
	}
	return span/2 + jitter(span/2+1)
}

func (b *backoff) reset() { b.tries = 0 }
