package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"labstatus/internal/health"
	"labstatus/internal/store"
	"labstatus/serve"
)

const (
	loopLate      = 10 * time.Second // a loop that hasn't turned for longer is stuck
	undeliverable = 10 * time.Minute // mail that hasn't gone out for longer makes us not ready
)

// system tells how the server itself is doing.
func (a *App) system() serve.SystemInfo {
	info := serve.SystemInfo{Version: a.o.Version, Started: a.started, Warnings: a.o.Warnings}
	j := a.journal.Status()
	kind, why := a.storeKind()
	info.Store.Kind, info.Store.OK = kind, j.FailingSince.IsZero() && why == nil
	if why != nil {
		info.Store.LastErr = inMemoryOnly(why)
	}
	info.Store.Pending = j.Pending
	if j.LastErr != "" {
		info.Store.LastErr = j.LastErr
	}
	if j.Dropped > 0 {
		info.Store.LastErr = strings.TrimPrefix(fmt.Sprintf("%s; %d events and mails could not be kept", info.Store.LastErr, j.Dropped), "; ")
	}
	for _, e := range a.o.Config.Effective() {
		info.Settings = append(info.Settings, serve.SettingInfo{Name: e.Variable, Value: e.Value, Source: e.Source})
	}
	info.Connections, info.Timings = a.o.operators.connections(), a.o.operators.timings()
	if a.outbox != nil {
		s := a.outbox.Status()
		info.Mail = serve.MailInfo{
			Enabled: true, Queued: s.Queued, Sent: s.Sent, Failed: s.Failed,
			LastErr: cmp.Or(s.LastError, s.StoreError), UndeliverableSince: s.UndeliverableSince,
		}
		if f := s.LastFailure; !f.At.IsZero() {
			info.Mail.LastFailure = &serve.MailFailure{At: f.At, Subject: f.Subject, Address: f.Address, Err: f.Text}
		}
	}
	return info
}

// notReady lists why the server can't do its work, in words for a maintainer.
func (a *App) notReady() (reasons []string) {
	if a.stopping.Load() {
		reasons = append(reasons, "stopping")
	}
	if turned := a.loop.lastTurn(); turned.IsZero() {
		reasons = append(reasons, "starting")
	} else if late := time.Since(turned); late > loopLate {
		reasons = append(reasons, fmt.Sprintf("the loop has not turned for %s", late.Round(time.Second)))
	}
	snapshot := a.Snapshot()
	for _, s := range snapshot.Sources {
		switch {
		case s.State == health.SourceSilent:
			reasons = append(reasons, strings.TrimSuffix(fmt.Sprintf("%s has no fresh reports: %s", s.Name, s.LastErr), ": "))
		case s.LastFrame.IsZero():
			reasons = append(reasons, strings.TrimSuffix(fmt.Sprintf("%s has not reported yet: %s", s.Name, s.LastErr), ": "))
		}
	}
	if snapshot.Book.LastManifest.IsZero() {
		reasons = append(reasons, strings.TrimSuffix("book's manifest has not been read yet: "+snapshot.Book.LastErr, ": "))
	}
	if a.outbox != nil {
		if since := a.outbox.Status().UndeliverableSince; !since.IsZero() && time.Since(since) >= undeliverable {
			reasons = append(reasons, "mail has been undeliverable since "+since.UTC().Format(time.RFC3339))
		}
	}
	if _, why := a.storeKind(); why != nil {
		reasons = append(reasons, inMemoryOnly(why))
	}
	if j := a.journal.Status(); !j.FailingSince.IsZero() {
		reasons = append(reasons, "the store can't be written: "+j.LastErr)
	}
	return reasons
}

// events gives an experiment's history, also what a failing store doesn't have yet.
func (a *App) events(ctx context.Context, name string) ([]health.Event, error) {
	owed := a.owedEvents()
	kept, err := a.store.Events(ctx, name)
	for _, e := range owed {
		if e.Experiment == name && !slices.ContainsFunc(kept, e.same) {
			kept = append(kept, e.Event)
		}
	}
	return kept, err
}

// owedEvents are those that readers see although the store doesn't have them, oldest
// first: all of them while it fails, which is said loudly, and else none. What is only on
// its way there would be shown a moment too early: after a crash in that moment it is
// decided anew, with another time, and what was shown would be lost.
func (a *App) owedEvents() []owedEvent {
	if a.journal.Status().FailingSince.IsZero() {
		return nil
	}
	var all []owedEvent
	for _, e := range a.journal.owedEvents() {
		all = append(all, owedEvent{e})
	}
	return all
}

// owedEvent may have been kept since it was seen to be owed.
type owedEvent struct{ health.Event }

func (o owedEvent) same(e health.Event) bool {
	return e.Experiment == o.Experiment && e.When.Equal(o.When)
}

func inMemoryOnly(why error) string {
	return "state is kept in memory only, until the store can be opened: " + why.Error()
}

// findEvents gives the API a page of events in its own words. While the store fails
// the first page begins with what it doesn't have yet.
func (a *App) findEvents(ctx context.Context, q serve.EventQuery) ([]health.Event, string, error) {
	owed := a.owedEvents()
	page, next, err := a.store.FindEvents(ctx, store.EventQuery{
		Since: q.Since, Until: q.Until, Experiment: q.Experiment, Text: q.Text,
	}, q.Limit, q.Cursor)
	if errors.Is(err, store.ErrBadCursor) {
		return nil, "", serve.ErrBadCursor
	}
	events := make([]health.Event, 0, len(page))
	for _, e := range page {
		events = append(events, e.Event)
	}
	if q.Cursor != "" {
		return events, next, err
	}
	var first []health.Event
	for _, e := range slices.Backward(owed) {
		if q.Matches(&e.Event) && len(first) < q.Limit && !slices.ContainsFunc(events, e.same) {
			first = append(first, e.Event)
		}
	}
	return append(first, events...), next, err
}

// announce says once, at start, what a maintainer may look for in the log.
func (a *App) announce(at net.Addr) {
	c := a.o.Config
	kind, _ := a.storeKind()
	a.log.WithFields(logrus.Fields{
		"version": a.o.Version, "listen": at.String(), "store": kind, "store_path": c.Store.String(),
		"book": c.Book.Audience(), "relay": c.Relay.Audience(), "jump": c.Jump.Audience(),
	}).Info("started")
	if len(a.mailOff) > 0 {
		a.log.WithField("missing", strings.Join(a.mailOff, " ")).Warn("mail is off: these settings are missing")
	}
}

// logStatus writes one entry with the overall status, now and then.
func (a *App) logStatus(ctx context.Context) {
	every := a.o.Config.Health.LogEvery
	if every <= 0 {
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s := a.Snapshot()
		var down []string
		for _, r := range s.Experiments {
			if r.State == health.StateUnhealthy || r.State == health.StateFlapping {
				down = append(down, r.Name)
			}
		}
		// At the default level, so that it shows unless only errors are wanted.
		a.log.WithFields(logrus.Fields{
			"experiments": s.Counts.Total, "healthy": s.Counts.Healthy, "unhealthy": s.Counts.Unhealthy,
			"flapping": s.Counts.Flapping, "unknown": s.Counts.Unknown, "starting": s.Counts.Starting,
			"down": strings.Join(down, " "), "relay": s.Sources[0].State, "jump": s.Sources[1].State,
			"book_answering": s.Book.Answering, "writes_pending": s.Book.Pending, "not_ready": strings.Join(a.notReady(), "; "),
		}).Warn("overall status")
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
