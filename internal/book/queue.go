package book

import (
	"container/heap"
	"container/list"
	"time"

	"labstatus/internal/health"
)

// job is what there is to do for one resource. A worker that has taken it is the
// only one to call book about that resource, until it gives it back.
type job struct {
	name string
	wish *health.Wish // never changed in place; nil: none
	rev  int          // grows when the wish becomes another one
	read bool         // book is to be asked, wish or not

	failures int       // in a row
	due      time.Time // not before; zero: at once

	taken bool
	again bool          // taken as one that had failed before
	lane  int           // where it stands in line
	place *list.Element // in its lane; nil: in none
	index int           // among those that are to come later; -1: not there
	freed chan struct{} // closed when it is given back; nil: nobody waits
}

// The lanes, the first to be served first: what changes a booking before what
// merely reads one, and in each what hasn't failed before what has.
const (
	laneWish = iota
	laneWishAgain
	laneRead
	laneReadAgain
	lanes
)

// queue holds the jobs, each in one place: taken, in line, or to come later. It
// is no more than data: its owner locks.
type queue struct {
	jobs   map[string]*job
	line   [lanes]list.List // of *job, first come first served
	later  later
	wishes int // jobs with one
	// Those that have failed are given some of the workers and no more, so that a
	// crowd of them, each waiting for a timeout, never keeps the others.
	again, maxAgain int
}

// get gives the job of a resource, made if need be; pass it to put afterwards.
func (q *queue) get(name string) *job {
	j := q.jobs[name]
	if j == nil {
		j = &job{name: name, index: -1}
		q.jobs[name] = j
	}
	return j
}

// setWish replaces a job's wish.
func (q *queue) setWish(j *job, w *health.Wish) {
	if j.wish != nil {
		q.wishes--
	}
	if w != nil {
		q.wishes++
	}
	j.wish = w
}

// put brings a job to where it belongs now, or lets go of it where there is
// nothing to do. One that stands in the right lane keeps its place.
func (q *queue) put(j *job, now time.Time) {
	if j.taken {
		return
	}
	lane := laneRead
	if j.wish != nil {
		lane = laneWish
	}
	if j.failures > 0 {
		lane++
	}
	idle, wait := j.wish == nil && !j.read, j.due.After(now)

	if j.place != nil && (idle || wait || j.lane != lane) {
		q.line[j.lane].Remove(j.place)
		j.place = nil
	}
	if j.index >= 0 {
		heap.Remove(&q.later, j.index)
	}
	switch {
	case idle:
		delete(q.jobs, j.name)
	case wait:
		heap.Push(&q.later, j)
	case j.place == nil:
		j.lane, j.place = lane, q.line[lane].PushBack(j)
	}
}

// take gives the next job to a worker, nil where there is none for it.
func (q *queue) take(now time.Time) *job {
	for len(q.later) > 0 && !q.later[0].due.After(now) {
		q.put(q.later[0], now)
	}
	for lane := range lanes {
		again := lane == laneWishAgain || lane == laneReadAgain
		first := q.line[lane].Front()
		if first == nil || (again && q.again >= q.maxAgain) {
			continue
		}
		j := q.line[lane].Remove(first).(*job)
		j.place, j.taken, j.again = nil, true, again
		if again {
			q.again++
		}
		return j
	}
	return nil
}

// seize takes a job that isn't taken out of its turn.
func (q *queue) seize(j *job) {
	if j.place != nil {
		q.line[j.lane].Remove(j.place)
		j.place = nil
	}
	if j.index >= 0 {
		heap.Remove(&q.later, j.index)
	}
	j.taken, j.again = true, false
}

// giveBack ends what take or seize began.
func (q *queue) giveBack(j *job, now time.Time) {
	j.taken = false
	if j.freed != nil {
		close(j.freed)
		j.freed = nil
	}
	if j.again {
		q.again--
	}
	q.put(j, now)
}

// inLine says whether take might have a job for another worker.
func (q *queue) inLine() bool {
	for lane := range q.line {
		if q.line[lane].Len() > 0 {
			return true
		}
	}
	return false
}

// nextDue is when the earliest of the later ones comes; false: there is none.
func (q *queue) nextDue() (time.Time, bool) {
	if len(q.later) == 0 {
		return time.Time{}, false
	}
	return q.later[0].due, true
}

// later is a heap of jobs that wait for their time, the earliest first.
type later []*job

var _ heap.Interface = (*later)(nil)

func (l later) Len() int           { return len(l) }
func (l later) Less(i, j int) bool { return l[i].due.Before(l[j].due) }

func (l later) Swap(i, j int) {
	l[i], l[j] = l[j], l[i]
	l[i].index, l[j].index = i, j
}

func (l *later) Push(x any) {
	j := x.(*job)
	j.index = len(*l)
	*l = append(*l, j)
}

func (l *later) Pop() any {
	old := *l
	j := old[len(old)-1]
	old[len(old)-1] = nil
	*l = old[:len(old)-1]
	j.index = -1
	return j
}
