package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"labstatus/internal/health"
	"labstatus/internal/history"
	"labstatus/internal/store"
	"labstatus/serve"
)

const (
	aliveEvery = time.Minute // how exactly it is known until when a server ran that was killed, and how old uptimes in reports may be
	day        = 24 * time.Hour
)

// history tells how an experiment was between two moments.
func (a *App) history(ctx context.Context, name string, from, to time.Time) (serve.History, error) {
	now := time.Now()
	begin, end := from, to // of all that has to be read
	if month := now.Add(-30 * day); month.Before(begin) {
		begin = month
	}
	if now.After(end) {
		end = now
	}
	changes, err := a.store.History(ctx, name, begin, end)
	if err != nil {
		return serve.History{}, fmt.Errorf("read the history of %s: %w", name, err)
	}
	for _, c := range a.journal.owedHistory() {
		if c.Experiment == name {
			changes = append(changes, c)
		}
	}
	watched, err := a.watched(ctx, begin, end)
	if err != nil {
		return serve.History{}, err
	}
	sum := history.Summarize(changes, watched, from, to)
	h := serve.History{
		From: from, To: to, Healthy: sum.Healthy, Unhealthy: sum.Unhealthy, Unknown: sum.Unknown,
		Maintenance: sum.Maintenance, Unwatched: sum.Unwatched,
	}
	for into, span := range map[*serve.Uptime]time.Duration{&h.Day: day, &h.Week: 7 * day, &h.Month: 30 * day} {
		s := history.Summarize(changes, watched, now.Add(-span), now)
		into.Fraction, _ = s.Uptime()
		into.Known = s.Known()
	}
	for _, i := range history.Intervals(changes, watched, from, to) {
		h.Intervals = append(h.Intervals, serve.Interval{From: i.From, To: i.To, State: i.State, Maintenance: i.Maintenance})
	}
	return h, nil
}

// watched gives the times in which a server was running. This one is, whatever the
// store knows of it.
func (a *App) watched(ctx context.Context, from, to time.Time) ([]history.Span, error) {
	kept, err := a.store.Watched(ctx, from, to)
	if err != nil {
		return nil, fmt.Errorf("read when a server was running: %w", err)
	}
	spans := make([]history.Span, 0, len(kept)+1)
	for _, s := range kept {
		spans = append(spans, history.Span(s))
	}
	return spans, nil
}

// uptime is the part of the last 24 hours in which an experiment was well, as of a
// minute ago at most.
func (a *App) uptime(name string) (fraction float64, known bool) {
	if all := a.uptimes.Load(); all != nil {
		fraction, known = (*all)[name]
	}
	return fraction, known
}

// keepTime notes that the server is running, and keeps the uptimes up to date. What
// can't be read or noted is said in the log, once until it works again.
func (a *App) keepTime(ctx context.Context) {
	tick := time.NewTicker(aliveEvery)
	defer tick.Stop()
	failing := false
	var past pastDay
	for {
		err := errors.Join(a.alive(ctx), a.readUptimes(ctx, &past))
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failing {
			a.log.WithError(err).Warn("the history can't be kept up to date")
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			// To the moment: what comes after it nobody watches.
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
			defer cancel()
			if err := a.alive(last); err != nil {
				a.log.WithError(err).Warn("when this server stopped is known to the minute only")
			}
			return
		case <-tick.C:
		}
	}
}

func (a *App) alive(ctx context.Context) error {
	if err := a.store.Alive(ctx, time.Now()); err != nil {
		return fmt.Errorf("note that the server is running: %w", err)
	}
	return nil
}

// pastDay is what was read of all histories, from the beginning of a day on. It stays
// true, for later days too, until the store has taken in more.
type pastDay struct {
	histories [][]health.StateChange // of one experiment each
	read      bool
	changes   int64 // that had been kept by then
}

func (a *App) readUptimes(ctx context.Context, past *pastDay) error {
	to := time.Now()
	from := to.Add(-day)
	if changes := a.journal.changes.Load(); !past.read || changes != past.changes {
		fresh := pastDay{read: true, changes: changes}
		for history, err := range a.store.AllHistory(ctx, from, time.Time{}) { // also of this very moment
			if err != nil {
				return fmt.Errorf("read all histories: %w", err)
			}
			fresh.histories = append(fresh.histories, history)
		}
		*past = fresh
	}
	watched, err := a.watched(ctx, from, to)
	if err != nil {
		return err
	}
	all := make(map[string]float64, len(past.histories))
	for _, changes := range past.histories {
		if fraction, known := history.Summarize(changes, watched, from, to).Uptime(); known {
			all[changes[0].Experiment] = fraction
		}
	}
	a.uptimes.Store(&all)
	return nil
}

// audit gives a page of what people did.
func (a *App) audit(ctx context.Context, limit int, cursor string) ([]health.Act, string, error) {
	page, next, err := a.store.Audit(ctx, limit, cursor)
	if cursor == "" { // while the store fails the first page begins with what it doesn't have yet
		page = append(slices.Clip(a.latestOwedActs(limit)), page...)
	}
	return page, next, inItsWords(err)
}

func (a *App) latestOwedActs(limit int) []health.Act {
	acts := a.journal.owedActs()
	slices.Reverse(acts)
	return acts[:min(limit, len(acts))]
}

func (a *App) mails(ctx context.Context, limit int, cursor string) ([]health.Mail, string, error) {
	page, next, err := a.store.Mails(ctx, limit, cursor)
	return page, next, inItsWords(err)
}

func (a *App) mail(ctx context.Context, id string) (health.Mail, error) {
	m, err := a.store.Mail(ctx, id)
	return m, inItsWords(err)
}

// inItsWords turns the store's errors that are answers into the API's.
func inItsWords(err error) error {
	switch {
	case errors.Is(err, store.ErrBadCursor):
		return serve.ErrBadCursor
	case errors.Is(err, store.ErrUnknownMail):
		return serve.ErrUnknownMail
	}
	return err
}
