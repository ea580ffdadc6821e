package book

import (
	"context"
	"errors"
	"time"

	"github.com/sirupsen/logrus"

	"labstatus/internal/health"
)

// task is what a worker took on with a job, as it was at that moment.
type task struct {
	*job // its name alone may be read without the lock
	wish *health.Wish
	rev  int
	read bool
}

// outcome is how far a worker came with a task.
type outcome struct {
	said    *health.Availability // what book said last; nil: nothing that can be trusted
	settled bool                 // nothing more to do for this task
	wrote   bool                 // book may have changed
	err     error
}

// work serves one job after another.
func (k *Keeper) work(ctx context.Context, post func(health.Input)) {
	for ctx.Err() == nil {
		t, wait := k.take()
		if t == nil {
			k.sleep(ctx, wait)
			continue
		}
		out := k.serve(ctx, t)
		if out.said != nil {
			post(*out.said)
		}
		if out.err != nil {
			k.failed(ctx, out.err, post)
		}
		k.finish(t, out)
	}
}

// take gives the next task, or how long there will be none; 0: until woken.
func (k *Keeper) take() (*task, time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	j := k.queue.take(now)
	due, more := k.queue.nextDue()
	if j == nil {
		if !more {
			return nil, 0
		}
		return nil, due.Sub(now)
	}
	if more || k.queue.inLine() {
		k.nudge() // while this worker is busy, another has to see to the rest
	}
	t := &task{job: j, wish: j.wish, rev: j.rev, read: j.read}
	j.read = false // asked for again from now on, it is another reading
	return t, 0
}

func (k *Keeper) sleep(ctx context.Context, wait time.Duration) {
	var due <-chan time.Time
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
	case <-k.wake:
	case <-due:
	}
}

// serve makes the calls of one task: read, and where the wish is not the case
// already, write and read again.
func (k *Keeper) serve(ctx context.Context, t *task) outcome {
	out := k.readOne(ctx, t)
	if out.err != nil || out.said.Gone || t.wish == nil {
		return out
	}
	open := t.wish.Want == health.Open
	if k.leaveAsIs(t, out.said) || !k.stands(t) {
		return out
	}

	if err := k.writeOne(ctx, t, open); err != nil {
		if errors.Is(err, ErrUnknownResource) {
			return outcome{said: &health.Availability{At: time.Now(), Resource: t.name, Gone: true}, settled: true}
		}
		return outcome{wrote: true, err: err}
	}
	out = k.readOne(ctx, t)
	out.wrote = true
	if out.err != nil || out.said.Gone {
		return out
	}
	if k.leaveAsIs(t, out.said) {
		k.log.WithFields(logrus.Fields{"resource": t.name, "available": out.said.Available, "reason": out.said.Reason}).Info("book: availability was set")
		return out
	}
	out.settled = false
	k.log.WithFields(logrus.Fields{"resource": t.name, "wanted": t.wish.Want, "available": out.said.Available, "reason": out.said.Reason}).
		Warn("book: availability was set and is not what was set: it will be tried again; see whether somebody else sets it")
	return out
}

// leaveAsIs says that, as things are, there is nothing to write: the wish is the
// case already, or a person holds the resource.
func (k *Keeper) leaveAsIs(t *task, said *health.Availability) bool {
	open := t.wish.Want == health.Open
	if said.Available == open {
		return true
	}
	held, words := health.PersonsHold(said.Available, said.Reason)
	if held && !k.opt.Override {
		k.log.WithFields(logrus.Fields{"resource": t.name, "reason": words}).Info("book: left closed, as a person holds it")
		return true
	}
	return false
}

// readOne asks book about a resource; that book doesn't know it is an answer
// too.
func (k *Keeper) readOne(ctx context.Context, t *task) outcome {
	k.began()
	available, reason, err := k.client.Availability(ctx, t.name)
	gone := errors.Is(err, ErrUnknownResource)
	k.ended(err == nil || gone)
	if err != nil && !gone {
		return outcome{err: err}
	}
	return outcome{settled: true, said: &health.Availability{
		At: time.Now(), Resource: t.name, Available: available, Reason: reason, Gone: gone,
	}}
}

func (k *Keeper) writeOne(ctx context.Context, t *task, open bool) error {
	k.began()
	err := k.client.SetAvailability(ctx, t.name, open, t.wish.Reason)
	k.ended(err == nil || errors.Is(err, ErrUnknownResource))
	return err
}

// stands says whether a task's wish has not been overtaken.
func (k *Keeper) stands(t *task) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return t.job.rev == t.rev
}

// finish gives the job back, with what is still to be done.
func (k *Keeper) finish(t *task, out outcome) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	j := t.job
	same := j.rev == t.rev

	if out.settled {
		if same {
			k.queue.setWish(j, nil)
			j.failures, j.due = 0, time.Time{}
		}
	} else {
		// After a write without an answer nobody knows what book has, and it is to
		// be read even where the wish is dropped meanwhile.
		j.read = j.read || t.read || (out.wrote && out.err != nil)
		if same {
			j.failures++
			j.due = now.Add(k.backoff(j.failures))
		}
	}
	if out.said != nil {
		k.noteUnknown(t.name, out.said.Gone)
	}
	k.queue.giveBack(j, now)
}

// noteUnknown asks for the manifest when book stops knowing a resource: once,
// for a manifest that goes on listing it would be asked for without end.
func (k *Keeper) noteUnknown(name string, gone bool) {
	if !gone {
		delete(k.unknown, name)
		return
	}
	if !k.unknown[name] {
		k.unknown[name] = true
		k.Requery()
	}
}
