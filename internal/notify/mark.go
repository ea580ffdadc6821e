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
	return o.store.MarkMail(ctx, id, recipients)
}

func (o *Outbox) markFailed(err error) {
	o.markErr = fmt.Sprintf("store what became of a mail: %v", err)
	o.markNext = time.Now().Add(backoff(o.markTries + 1))
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
