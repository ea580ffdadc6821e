package health_test

import (
	"path"
	"slices"
	"strings"
	"time"

	"labstatus/internal/health"
)

// people is what was said of experiments, told by acts and the clock alone, and what
// others have not been told of it yet. Like model it calls nothing of the engine's.
type people struct {
	silences map[string]health.Silence
	acks     map[string]acked
	windows  map[string]health.Window
	waiting  []health.Act
}

// acked is an acknowledgement, and of what.
type acked struct {
	health.Ack
	issues []string
}

func newPeople() *people {
	return &people{silences: map[string]health.Silence{}, acks: map[string]acked{}, windows: map[string]health.Window{}}
}

// span finds the time of a window that holds the moment, or the next that begins
// after it. Weekly windows of these tests are on the clock of UTC.
func span(w health.Window, at time.Time) (since, until time.Time, holds, comes bool) {
	if w.Weekly == nil {
		return w.From, w.Until, !at.Before(w.From) && at.Before(w.Until), at.Before(w.From)
	}
	midnight := at.UTC().Truncate(24 * time.Hour)
	clock := func(day int, s string) time.Time {
		t, err := time.Parse("15:04", s)
		if err != nil {
			panic(err)
		}
		return midnight.AddDate(0, 0, day).Add(time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute)
	}
	for day := -1; day <= 8; day++ {
		since, until = clock(day, w.Weekly.Start), clock(day, w.Weekly.End)
		if !until.After(since) {
			until = clock(day+1, w.Weekly.End)
		}
		name := strings.ToLower(since.Weekday().String()[:3])
		if !slices.Contains(w.Weekly.Days, name) || since.Before(w.From) || !w.Until.IsZero() && since.After(w.Until) || !until.After(at) {
			continue
		}
		holds = !at.Before(since)
		return since, until, holds, !holds
	}
	return time.Time{}, time.Time{}, false, false
}

func over(w health.Window, at time.Time) bool {
	_, _, holds, comes := span(w, at)
	if holds || comes {
		return false
	}
	return true
}

func names(w health.Window, experiment string) bool {
	return slices.ContainsFunc(w.Names, func(pattern string) bool {
		matches, err := path.Match(pattern, experiment)
		return err == nil && matches
	})
}

// maintenance is what becomes of an experiment's bookings; empty: it is not in
// maintenance.
func (p *people) maintenance(experiment string, at time.Time) (bookings health.Bookings) {
	for _, w := range p.windows {
		if _, _, holds, _ := span(w, at); !holds || !names(w, experiment) {
			continue
		}
		if w.Bookings == health.BookingsClose || bookings == "" || bookings == health.BookingsDecide {
			bookings = w.Bookings
		}
	}
	return bookings
}

// suppressed says that nothing of the experiment may be told. The system is none.
func (p *people) suppressed(experiment string, at time.Time) bool {
	if experiment == "" {
		return false
	}
	_, silenced := p.silences[experiment]
	return silenced || p.maintenance(experiment, at) != ""
}

// issueSet is what is wrong with an experiment; of one that flaps only that.
func issueSet(r *health.Report) (set []string) {
	for _, i := range r.Issues {
		if i.Code == health.Flapping {
			return []string{"flapping"}
		}
		set = append(set, i.Subject) // empty for jump
	}
	slices.Sort(set)
	return set
}

// takes says what an act comes to: refused, or a change, or neither.
func (p *people) takes(a health.Act, before *health.Snapshot) (refused, changes bool) {
	r := before.Find(a.Experiment)
	switch a.Kind {
	case health.ActTestMail:
		return false, true
	case health.ActSetMaintenance:
		was, there := p.windows[a.Window.ID]
		same := there && was.By == a.By && was.Reason == a.Window.Reason && was.Bookings == a.Window.Bookings && was.From.Equal(a.Window.From) &&
			was.Until.Equal(a.Window.Until) && slices.Equal(was.Names, a.Window.Names) && (was.Weekly == nil) == (a.Window.Weekly == nil) &&
			(was.Weekly == nil || was.Weekly.Start == a.Window.Weekly.Start && was.Weekly.End == a.Window.Weekly.End)
		refused = !same && over(*a.Window, a.At)
		return refused, !same && !refused
	case health.ActRemoveMaintenance:
		_, there := p.windows[a.Window.ID]
		return false, there
	}
	if r == nil {
		return true, false
	}
	switch a.Kind {
	case health.ActSilence:
		s, there := p.silences[a.Experiment]
		return false, !there || s.By != a.By || s.Reason != a.Text || !s.Until.Equal(a.Until)
	case health.ActUnsilence:
		_, there := p.silences[a.Experiment]
		return false, there
	case health.ActAck:
		k, there := p.acks[a.Experiment]
		if len(r.Issues) == 0 {
			return true, false
		}
		return false, !there || k.By != a.By || k.Note != a.Text
	case health.ActUnack:
		_, there := p.acks[a.Experiment]
		return false, there
	}
	return false, true
}

// does takes up an act that changes something.
func (p *people) does(a health.Act, r *health.Report) {
	switch a.Kind {
	case health.ActSilence:
		p.silences[a.Experiment] = health.Silence{At: a.At, By: a.By, Reason: a.Text, Until: a.Until}
	case health.ActUnsilence:
		delete(p.silences, a.Experiment)
	case health.ActAck:
		p.acks[a.Experiment] = acked{health.Ack{At: a.At, By: a.By, Note: a.Text}, issueSet(r)}
	case health.ActUnack:
		delete(p.acks, a.Experiment)
	case health.ActSetMaintenance:
		w := *a.Window
		w.By = a.By
		p.windows[w.ID] = w
	case health.ActRemoveMaintenance:
		delete(p.windows, a.Window.ID)
	}
	if a.Kind != health.ActTestMail {
		p.waiting = append(p.waiting, a)
	}
}
