package health

import (
	"slices"
	"time"
)

// Bookings says what becomes of bookings during maintenance.
type Bookings string

// What maintenance does to bookings, from the weakest to the strongest.
const (
	BookingsDecide Bookings = "decide" // as ever: the streams decide
	BookingsLeave  Bookings = "leave"  // nothing is changed
	BookingsClose  Bookings = "close"  // nothing can be booked
)

// Window is a time of maintenance, once or every week: what happens in it to the
// experiments it names is kept, shown as maintenance, and not mailed. One that the
// engine has taken is never changed again; it may be read from any goroutine.
type Window struct {
	ID string `json:"id"`
	// Names are of experiments, or patterns of them: * stands for any letters or
	// none, ? for one. Everything else stands for itself.
	Names    []string  `json:"names"`
	Reason   string    `json:"reason"`
	By       string    `json:"by"` // who set it, or changed it last
	Bookings Bookings  `json:"bookings"`
	From     time.Time `json:"from"`             // once: its beginning; weekly: none begins before it
	Until    time.Time `json:"until,omitzero"`   // once: its end; weekly: none begins after it; zero: for ever
	Weekly   *Weekly   `json:"weekly,omitempty"` // nil: it comes once

	plan *plan // all of it, worked out; nil until it is
}

// Maintenance is the window that an experiment is in.
type Maintenance struct {
	ID       string    `json:"id"`
	Reason   string    `json:"reason"`
	By       string    `json:"by"`
	Bookings Bookings  `json:"bookings"`
	Since    time.Time `json:"since"`
	Until    time.Time `json:"until"`
}

// plan is a window worked out: what is needed to say whom it names and when it is,
// without another look at the clock's rules on disk.
type plan struct {
	exact    map[string]bool
	patterns [][]rune
	weekly   *weeklyPlan // nil: once
}

// planned gives the plan, nil where the window makes no sense.
func (w *Window) planned() *plan {
	if w.plan != nil {
		return w.plan
	}
	p, _ := w.workOut() // Check tells why
	return p
}

// Matches says whether the window names the experiment. One that makes no sense
// names nobody.
func (w *Window) Matches(experiment string) bool {
	p := w.planned()
	if p == nil {
		return false
	}
	if p.exact[experiment] || len(p.patterns) == 0 {
		return p.exact[experiment]
	}
	name := []rune(experiment)
	return slices.ContainsFunc(p.patterns, func(pattern []rune) bool { return like(pattern, name) })
}

// Active gives the span of the window that holds the moment: from since, up to but
// not including until, both in UTC. ok is false where there is none.
func (w *Window) Active(at time.Time) (since, until time.Time, ok bool) {
	p := w.planned()
	switch {
	case p == nil:
		return time.Time{}, time.Time{}, false
	case p.weekly == nil:
		return w.From.UTC(), w.Until.UTC(), !at.Before(w.From) && at.Before(w.Until)
	}
	return p.weekly.find(at, -2, 1, func(since, until time.Time) bool {
		return w.allows(since) && !at.Before(since) && at.Before(until)
	})
}

// Next gives the first span of the window that begins after the moment, in UTC. ok
// is false where none does.
func (w *Window) Next(at time.Time) (since, until time.Time, ok bool) {
	p := w.planned()
	switch {
	case p == nil:
		return time.Time{}, time.Time{}, false
	case p.weekly == nil:
		return w.From.UTC(), w.Until.UTC(), at.Before(w.From)
	}
	if at.Before(w.From) {
		at = w.From.Add(-time.Nanosecond)
	}
	// Three weeks: the only day of one may be a day that a clock change swallows.
	return p.weekly.find(at, -2, 21, func(since, until time.Time) bool {
		return w.allows(since) && since.After(at)
	})
}

// allows says whether one of the weekly spans may begin at that moment.
func (w *Window) allows(since time.Time) bool {
	return !since.Before(w.From) && (w.Until.IsZero() || !since.After(w.Until))
}

// same says whether two windows mean the same.
func (w *Window) same(o *Window) bool {
	if (w.Weekly == nil) != (o.Weekly == nil) || w.Weekly != nil && !w.Weekly.same(o.Weekly) {
		return false
	}
	return w.ID == o.ID && w.By == o.By && w.Reason == o.Reason && w.Bookings == o.Bookings &&
		slices.Equal(w.Names, o.Names) && w.From.Equal(o.From) && w.Until.Equal(o.Until)
}

// own makes a copy that nobody else can change, with its plan where it makes sense.
func (w *Window) own() *Window {
	c := *w
	c.Names = slices.Clone(w.Names)
	c.From, c.Until = inUTC(w.From), inUTC(w.Until)
	if w.Weekly != nil {
		weekly := *w.Weekly
		weekly.Days = slices.Clone(weekly.Days)
		c.Weekly = &weekly
	}
	c.plan, _ = c.workOut() // a plan that its owner made may be of other fields
	return &c
}

// inUTC leaves alone what could not be written down any more.
func inUTC(t time.Time) time.Time {
	if u := t.UTC(); u.Year() >= 0 && u.Year() <= 9999 {
		return u
	}
	return t
}
