package observer

import (
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// sayAgain is how often refusals of one kind are logged at most.
const sayAgain = 10 * time.Minute

// voice logs refusals: the first of each kind, and now and then how many there were.
type voice struct {
	log logrus.FieldLogger

	mu   sync.Mutex
	said map[Reason]time.Time
	more map[Reason]uint64
}

func (v *voice) refused(no *refusal, client string) {
	if no.reason == refusedGone { // nobody's fault, and nobody's loss
		return
	}
	now := time.Now()
	v.mu.Lock()
	if v.said == nil {
		v.said, v.more = map[Reason]time.Time{}, map[Reason]uint64{}
	}
	last, before := v.said[no.reason]
	if before && now.Sub(last) < sayAgain {
		v.more[no.reason]++
		v.mu.Unlock()
		return
	}
	more := v.more[no.reason]
	v.said[no.reason], v.more[no.reason] = now, 0
	v.mu.Unlock()
	v.log.WithFields(logrus.Fields{"client": client, "reason": no.message, "more": more}).
		Warn("a report of an observed service was refused; further ones for the same reason are only counted for a while")
}
