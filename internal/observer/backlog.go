package observer

import (
	"crypto/rand"
	"maps"
	"slices"
	"strings"
	"time"
)

// backlog is what one observer has not acknowledged yet. It knows no clock and no
// network.
//
// What is to be told becomes reports ([backlog.seal]), oldest first. A report that
// has been sealed is sent just as it is until it is acknowledged, so that an
// observer can tell a repeat from news; nothing is sealed while one is open.
type backlog struct {
	increments bool // bytes are told since the latest report
	life       string
	seq        uint64

	reports []KeptReport
	waiting []KeptEvent       // changes of status in no report yet, in their order
	sent    map[Subject]Stats // totals as of the newest report that has the subject

	dropped uint64 // events that nobody will be told of
	version uint64 // grows with each change of what a Keeper keeps
}

// Bounds of a backlog.
const (
	// maxWaiting is how many changes of status wait: the newest of every subject that
	// a Reporter remembers, and some more.
	maxWaiting = maxPresent + 10_000
	maxPending = 2 * maxPresent // events of sealed reports, of all runs together
	// maxAge is how old a change may become that a later one has overtaken, and a
	// report that is refused.
	maxAge = 24 * time.Hour
	// maxCost bounds a report, in bytes as they are at most, well below what
	// observers take.
	maxCost = 900 << 10
)

func newBacklog(increments bool) *backlog {
	return &backlog{increments: increments, life: rand.Text(), sent: map[Subject]Stats{}}
}

// restore begins with what an earlier run has left, and says whether it had to mend it: a
// report whose key is none gets one of ours, as no sender takes just any text beside a
// report.
func (b *backlog) restore(k KeptObserver) (mended bool) {
	b.reports, b.waiting = slices.Clone(k.Reports), slices.Clone(k.Waiting)
	b.bound()
	for i := range b.reports {
		key, ok := readKey(b.reports[i].Key)
		if !ok {
			b.seq++
			key = reportKey{b.life, b.seq}
			mended = true
		}
		b.reports[i].Key = key.String()
	}
	if len(b.waiting) > maxWaiting {
		b.thin()
	}
	return mended
}

// keep gives what the next run has to know.
func (b *backlog) keep() (reports []KeptReport, waiting []KeptEvent) {
	return slices.Clone(b.reports), slices.Clone(b.waiting)
}

// pending counts the events that are not acknowledged, with the time of the oldest.
func (b *backlog) pending() (n int, oldest time.Time) {
	n = len(b.waiting)
	if n > 0 {
		oldest = b.waiting[0].At
	}
	for _, r := range slices.Backward(b.reports) {
		n, oldest = n+len(r.Events), r.At
	}
	return n, oldest
}

// tell adds a change of status.
func (b *backlog) tell(e KeptEvent) {
	if len(b.waiting) >= maxWaiting {
		b.thin()
	}
	b.waiting = append(b.waiting, e)
	b.version++
}

// thin makes room, so that the newest change of every subject that there is fits. The
// oldest go, of those first that a later one has overtaken; then also of those by which
// subjects began; then of what subjects said that are no more.
func (b *backlog) thin() {
	for _, may := range []func(standing) bool{
		func(s standing) bool { return s.overtaken && !s.begins },
		func(s standing) bool { return s.overtaken },
		func(s standing) bool { return s.state == Closed },
		func(standing) bool { return true },
	} {
		if excess := len(b.waiting) - maxPresent; excess > 0 {
			b.drop(excess, may)
		}
	}
}

// standing is what a change that waits is among the others.
type standing struct {
	at        time.Time
	state     State
	overtaken bool // a later change of the same subject waits
	// begins: it is a subject's running, or what it said next. By these observers know
	// that its figures begin at zero.
	begins bool
}

// drop leaves out up to n of the changes that wait, the oldest for which may is true.
func (b *backlog) drop(n int, may func(standing) bool) {
	// Each subject gets a number: looking subjects up is most of what this costs.
	numbers := map[Subject]int{}
	whose := make([]int, len(b.waiting)) // the subject of each change
	var left []int                       // changes of each subject that are still to come
	for i, e := range b.waiting {
		number, known := numbers[e.Event.Subject]
		if !known {
			number, left = len(left), append(left, 0)
			numbers[e.Event.Subject] = number
		}
		whose[i] = number
		left[number]++
	}
	before := make([]State, len(left))
	kept := make([]KeptEvent, 0, len(b.waiting))
	for i, e := range b.waiting {
		if len(kept) == i-n { // that's enough
			kept = append(kept, b.waiting[i:]...)
			break
		}
		s, state := whose[i], e.Event.Status.State
		left[s]--
		begins := state == Running || before[s] == Running
		before[s] = state
		if !may(standing{e.At, state, left[s] > 0, begins}) {
			kept = append(kept, e)
		}
	}
	if gone := len(b.waiting) - len(kept); gone > 0 {
		b.waiting = kept
		b.dropped += uint64(gone)
		b.version++
	}
}

// expire lets go of changes that wait, are too old and have been overtaken. What is
// sealed stays, as it is: it is a run's first news, and what it has carried.
func (b *backlog) expire(now time.Time) {
	old := func(at time.Time) bool { return now.Sub(at) > maxAge }
	if len(b.waiting) > 0 && old(b.waiting[0].At) {
		b.drop(len(b.waiting), func(s standing) bool { return s.overtaken && !s.begins && old(s.at) })
	}
}

// retarget begins anew with an observer who doesn't know what its predecessor was
// told: present is how everything is now.
func (b *backlog) retarget(increments bool, present []KeptEvent) {
	if b.increments != increments { // figures of the other form would be misread
		for i := range b.reports {
			b.reports[i].Events = slices.DeleteFunc(b.reports[i].Events, func(e Event) bool { return e.Stats != nil })
		}
		b.reports = slices.DeleteFunc(b.reports, func(r KeptReport) bool { return len(r.Events) == 0 })
	}
	b.increments = increments
	if !increments {
		clear(b.sent)
	}
	for _, e := range present {
		b.tell(e)
	}
	b.version++
}

// seal makes reports of all that is new, none where nothing is.
func (b *backlog) seal(totals []Total, now time.Time) {
	var events []Event
	cost := 0
	flush := func() {
		if len(events) > 0 {
			b.seq++
			b.reports = append(b.reports, KeptReport{reportKey{b.life, b.seq}.String(), now, events})
			b.version++
		}
		events, cost = nil, 0
	}
	add := func(e Event) {
		if c := e.cost(); cost+c > maxCost {
			flush()
			cost = c
		} else {
			cost += c
		}
		events = append(events, e)
	}
	for _, w := range b.waiting {
		add(w.Event)
	}
	b.waiting = nil
	for _, t := range totals {
		told, news := b.figures(t)
		e := Event{Subject: t.Subject, Type: TypeStats, Stats: &told}
		e.clean()
		if !news || e.check() != nil { // a name that no observer takes would keep the others back
			continue
		}
		add(e)
		b.sent[t.Subject] = t.Stats
	}
	flush()
	b.forget(totals)
	b.bound()
}

// figures gives what is to be told of a subject, where that has changed since the
// latest report.
func (b *backlog) figures(t Total) (told Stats, news bool) {
	was := b.sent[t.Subject]
	told = t.Stats
	if b.increments {
		told.InputBytes = grown(was.InputBytes, told.InputBytes)
		told.OutputBytes = grown(was.OutputBytes, told.OutputBytes)
	}
	return told, t.Stats != was
}

// grown is by how much a counter has; one that is lower has begun anew.
func grown(was, is uint64) uint64 {
	if is < was {
		return is
	}
	return is - was
}

// forget bounds what is remembered of subjects that nobody counts any more.
func (b *backlog) forget(totals []Total) {
	if len(b.sent) <= 2*len(totals)+1000 {
		return
	}
	there := make(map[Subject]bool, len(totals))
	for _, t := range totals {
		there[t.Subject] = true
	}
	maps.DeleteFunc(b.sent, func(s Subject, _ Stats) bool { return !there[s] })
}

// bound drops what many runs have left, the oldest first. What this run has sealed
// stays, however much it is.
func (b *backlog) bound() {
	n, _ := b.pending()
	for n > maxPending && len(b.reports) > 0 && !strings.HasPrefix(b.reports[0].Key, b.life) {
		n -= len(b.reports[0].Events)
		b.lose()
	}
}

// giveUp drops the oldest report if it is that of the key, and too old to be tried
// again although it was refused, and says whether it was. Totals in it are told anew.
func (b *backlog) giveUp(key string, now time.Time) bool {
	if len(b.reports) == 0 || b.reports[0].Key != key || now.Sub(b.reports[0].At) <= maxAge {
		return false
	}
	if !b.increments {
		for _, e := range b.reports[0].Events {
			delete(b.sent, e.Subject)
		}
	}
	b.lose()
	return true
}

// lose drops the oldest report.
func (b *backlog) lose() {
	b.dropped += uint64(len(b.reports[0].Events))
	b.reports = slices.Delete(b.reports, 0, 1)
	b.version++
}

// acknowledged ends the oldest report, if it is still the one that was sent.
func (b *backlog) acknowledged(key string) {
	if len(b.reports) > 0 && b.reports[0].Key == key {
		b.reports = slices.Delete(b.reports, 0, 1)
		b.version++
	}
}

// cost is how long an event is in JSON at most: each byte of a name may need six.
func (e *Event) cost() int {
	const frame = 270 // keys, and five numbers of twenty digits
	n := len(e.Service) + len(e.Client)
	if e.Status != nil {
		n += len(e.Status.Msg)
	}
	return frame + 6*n
}
