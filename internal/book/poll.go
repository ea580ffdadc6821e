package book

import (
	"context"
	"strings"
	"time"

	"labstatus/internal/health"
)

// poll asks for the manifest at start, every QueryEvery, when somebody wants it
// sooner, and again after a failure.
func (k *Keeper) poll(ctx context.Context, post func(health.Input)) {
	failures := 0
	for ctx.Err() == nil {
		select {
		case <-k.requery: // this query is what was asked for
		default:
		}
		start := time.Now()
		next := start.Add(k.opt.QueryEvery)
		if err := k.query(ctx, post); err != nil {
			k.failed(ctx, err, post)
			failures++
			next = time.Now().Add(k.backoff(failures))
		} else {
			failures = 0
		}
		k.pause(ctx, start.Add(requeryGap), next)
	}
}

// query asks for the manifest once, posts it, and has every resource in it read.
func (k *Keeper) query(ctx context.Context, post func(health.Input)) error {
	k.began()
	resources, warnings, err := k.client.Manifest(ctx)
	k.ended(err == nil)
	if err != nil {
		return err
	}
	post(health.Manifest{At: time.Now(), Resources: resources})

	if said := strings.Join(warnings, "\n"); said != k.warned {
		k.warned = said
		for _, w := range warnings {
			k.log.Warn("book: " + w)
		}
	}
	k.readAll(resources)
	return nil
}

// readAll puts every listed resource in line to be read. A reading of one that
// is listed no more is dropped.
func (k *Keeper) readAll(resources []health.Resource) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	listed := make(map[string]bool, len(resources))
	for _, r := range resources {
		listed[r.Name] = true
		j := k.queue.get(r.Name)
		j.read, j.due = true, time.Time{}
		k.queue.put(j, now)
	}
	for name, j := range k.queue.jobs {
		if !listed[name] {
			j.read = false
			k.queue.put(j, now)
		}
	}
	for name := range k.unknown {
		if !listed[name] {
			delete(k.unknown, name)
		}
	}
	k.nudge()
}

// pause waits until next, or, when the manifest is asked for, until soonest.
func (k *Keeper) pause(ctx context.Context, soonest, next time.Time) {
	requery := k.requery
	for {
		timer := time.NewTimer(max(time.Until(next), atOnce))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
			return
		case <-requery:
			timer.Stop()
			requery = nil // further wishes for it are for this one too
			if soonest.Before(next) {
				next = soonest
			}
		}
	}
}
