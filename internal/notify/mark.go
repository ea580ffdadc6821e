package notify

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"labstatus/internal/health"
)

// mark keeps what became of recipients: in the store or, where that fails, in
// memory, so that in this run nobody is told twice.
func (o *Outbox) mark(ctx context.Context, id string, changed []health.Recipient) {
	if earlier := o.unsaved[id]; len(earlier) > 0 {
		for _, r := range changed {
			earlier = slices.DeleteFunc(earlier, func(e health.Recipient) bool { return e.Address == r.Address })
		}
		changed = slices.Concat(earlier, changed)
	}
	if err := o.save(ctx, id, changed); err != nil {
		o.unsaved[id] = changed
		o.markFailed(err)
		return
	}
	delete(o.unsaved, id)
}

func (o *Outbox) save(ctx context.Context, id string, recipients []health.Recipient) error {
	ctx, cancel := context.WithTimeout(ctx, storeWait)
	defer cancel()
	if err := o.store.MarkMail(ctx, id, recipients); err != nil {
		return err
	}
	o.settle(id, recipients)
	return nil
}

// mostSettled bounds how many mails' ends are remembered.
const mostSettled = 1000

// settle remembers whom a mail is done with although the store knows that now:
// somebody may put an older copy in its place, in which they are still queued.
func (o *Outbox) settle(id string, marked []health.Recipient) {
	done := slices.DeleteFunc(slices.Clone(marked), func(r health.Recipient) bool { return r.Fate == health.Queued })
	if len(done) == 0 {
		return
	}
	earlier, known := o.settled[id]
	if !known {
		o.settledIDs = append(o.settledIDs, id)
	}
	for _, r := range earlier {
		if !slices.ContainsFunc(done, func(d health.Recipient) bool { return d.Address == r.Address }) {
			done = append(done, r)
		}
	}
	o.settled[id] = done
	if over := len(o.settledIDs) - mostSettled; over > 0 {
		for _, old := range o.settledIDs[:over] {
			delete(o.settled, old)
		}
		o.settledIDs = slices.Clone(o.settledIDs[over:])
	}
}

// settleAgain marks anew, in the store and in these mails, whom this run is done with
// and the store has queued again.
func (o *Outbox) settleAgain(ctx context.Context, mails []health.Mail) {
	for i, m := range mails {
		again := slices.DeleteFunc(slices.Clone(o.settled[m.ID]), func(r health.Recipient) bool { return !queuedFor(m, r.Address) })
		if len(again) == 0 {
			continue
		}
		o.log.WithField("mail", m.ID).Warn("the store holds an earlier state of this mail; who has been told is not told again")
		mails[i].Recipients = overlaid(m.Recipients, again)
		o.mark(ctx, m.ID, again)
	}
}

func (o *Outbox) markFailed(err error) {
	o.markErr = fmt.Sprintf("store what became of a mail: %v", err)
	o.markNext = time.Now().Add(o.backoff(o.markTries + 1))
	if o.markTries++; o.markTries == 1 {
		o.log.WithError(err).Error("what became of a mail can't be stored; it is remembered, and stored when that works")
	}
}

// saveMarks tries again to store what is only in memory, until one fails.
func (o *Outbox) saveMarks(ctx context.Context) {
	if len(o.unsaved) == 0 {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(o.unsaved)) {
		if err := o.save(ctx, id, o.unsaved[id]); err != nil {
			o.markFailed(err)
			return
		}
		delete(o.unsaved, id)
	}
	o.markTries, o.markErr = 0, ""
	o.log.Info("what became of mails is stored again")
}

// dropMarks forgets marks of mails that are not among all that are due: without
// its mark such a mail would be, so the store no longer has it, or took the mark
// after all.
func (o *Outbox) dropMarks(due []health.Mail) {
	for _, id := range slices.Sorted(maps.Keys(o.unsaved)) {
		if slices.ContainsFunc(due, func(m health.Mail) bool { return m.ID == id }) {
			continue
		}
		delete(o.unsaved, id)
		o.log.WithField("mail", id).Warn("the store no longer waits to hear what became of this mail")
		if len(o.unsaved) == 0 {
			o.markTries, o.markErr = 0, ""
		}
	}
}
