package book

import (
	"context"
	"time"

	"labstatus/internal/health"
)

// Set has book set a resource for a person who waits for it, and posts what book
// says of the resource afterwards. It takes its turn with the workers, so that
// nothing else is asked about the resource meanwhile; wishes stand as they are. The
// error is [ErrUnknownResource] where book has no such resource; it is worded for
// the person. post is called before Set returns, and where it failed as well if
// book may have changed.
func (k *Keeper) Set(ctx context.Context, resource string, available bool, reason string, post func(health.Input)) error {
	j, err := k.seize(ctx, resource)
	if err != nil {
		return err
	}
	failed := true
	defer func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		j.read = j.read || failed // nobody knows what book has
		k.queue.giveBack(j, time.Now())
		k.nudge()
	}()
	want := health.Close
	if available {
		want = health.Open
	}
	t := &task{job: j, wish: &health.Wish{Resource: resource, Want: want, Reason: reason}}
	if err := k.writeOne(ctx, t, available); err != nil {
		return err
	}
	out := k.readOne(ctx, t)
	if out.err != nil {
		return out.err
	}
	failed = false
	post(*out.said)
	return nil
}

// seize takes a resource's job as a worker would, once no worker has it.
func (k *Keeper) seize(ctx context.Context, resource string) (*job, error) {
	for {
		k.mu.Lock()
		j := k.queue.get(resource)
		if !j.taken {
			k.queue.seize(j)
			k.mu.Unlock()
			return j, nil
		}
		if j.freed == nil {
			j.freed = make(chan struct{})
		}
		freed := j.freed
		k.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
