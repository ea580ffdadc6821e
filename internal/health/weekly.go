package health

import (
	"fmt"
	"slices"
	"time"
)

// Weekly says when in a week, on the clock of a place: a window from 08:00 begins
// at 08:00 in summer and in winter.
//
// Where clocks are put forward, an hour that is left out has no moments: what should
// begin or end in it does so at the first moment after it, and what should do both is
// left out. Where they are put back, an hour comes twice: what should begin or end in
// it does so the first time.
type Weekly struct {
	Days  []string `json:"days"`  // mon tue wed thu fri sat sun: those on which it begins
	Start string   `json:"start"` // 08:00
	End   string   `json:"end"`   // 12:30; where not after Start, on the next day
	Zone  string   `json:"zone"`  // IANA name, e.g. Europe/London
}

// weekdays are the names of days as time.Weekday counts them.
var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// weeklyPlan is a Weekly worked out.
type weeklyPlan struct {
	days       [7]bool // by time.Weekday
	start, end int     // minutes after midnight; end may be of the next day
	zone       *time.Location
}

func (w *Weekly) workOut() (*weeklyPlan, *FieldError) {
	p := &weeklyPlan{}
	if len(w.Days) == 0 {
		return nil, &FieldError{"weekly.days", "is empty: name at least one of mon tue wed thu fri sat sun"}
	}
	for i, day := range w.Days {
		n := slices.Index(weekdays, day)
		switch {
		case n < 0:
			return nil, &FieldError{fmt.Sprintf("weekly.days[%d]", i), fmt.Sprintf("must be one of mon tue wed thu fri sat sun, not %q", day)}
		case p.days[n]:
			return nil, &FieldError{fmt.Sprintf("weekly.days[%d]", i), "names " + day + " again"}
		}
		p.days[n] = true
	}
	var ok bool
	if p.start, ok = minutes(w.Start); !ok {
		return nil, &FieldError{"weekly.start", fmt.Sprintf("must be a time of day from 00:00 to 23:59, such as 08:00, not %q", w.Start)}
	}
	if p.end, ok = minutes(w.End); !ok {
		return nil, &FieldError{"weekly.end", fmt.Sprintf("must be a time of day from 00:00 to 23:59, such as 12:30, not %q", w.End)}
	}
	if p.end <= p.start {
		p.end += 24 * 60
	}
	zone, err := time.LoadLocation(w.Zone)
	if err != nil || w.Zone == "" || w.Zone == "Local" { // neither says which place is meant
		return nil, &FieldError{"weekly.zone", fmt.Sprintf("must be an IANA name that this server knows, such as Europe/London or UTC, not %q", w.Zone)}
	}
	p.zone = zone
	return p, nil
}

func (w *Weekly) same(o *Weekly) bool {
	return slices.Equal(w.Days, o.Days) && w.Start == o.Start && w.End == o.End && w.Zone == o.Zone
}

// minutes reads a time of day, as minutes after midnight.
func minutes(clock string) (int, bool) {
	t, err := time.Parse("15:04", clock)
	if err != nil || t.Format("15:04") != clock { // as it is written, 8:00 is none
		return 0, false
	}
	return t.Hour()*60 + t.Minute(), true
}

// find gives the first span that suits, of those that begin on the days around the
// given moment's.
func (p *weeklyPlan) find(at time.Time, firstDay, lastDay int, suits func(since, until time.Time) bool) (since, until time.Time, ok bool) {
	year, month, day := at.In(p.zone).Date()
	for n := firstDay; n <= lastDay; n++ {
		midnight := time.Date(year, month, day+n, 0, 0, 0, 0, time.UTC) // a date, no moment
		if !p.days[midnight.Weekday()] {
			continue
		}
		since = moment(midnight.Add(time.Duration(p.start)*time.Minute), p.zone)
		until = moment(midnight.Add(time.Duration(p.end)*time.Minute), p.zone)
		if until.After(since) && suits(since, until) {
			return since, until, true
		}
	}
	return time.Time{}, time.Time{}, false
}

// moment is when a place's clock shows what wall shows in UTC: the first time where it
// does so twice, and the first moment after it where that is left out. time.Date leaves
// open which of the two it gives; here it has to be the same one for ever.
func moment(wall time.Time, zone *time.Location) time.Time {
	year, month, day := wall.Date()
	near := time.Date(year, month, day, wall.Hour(), wall.Minute(), 0, 0, zone)
	begins, ends := near.ZoneBounds() // of the time around it in which that clock was not changed
	around := []time.Time{near}
	if !begins.IsZero() {
		around = append(around, begins.Add(-1))
	}
	if !ends.IsZero() {
		around = append(around, ends)
	}
	var shown time.Time
	for _, t := range around {
		_, offset := t.Zone()
		at := wall.Add(-time.Duration(offset) * time.Second)
		if _, there := at.In(zone).Zone(); there == offset && (shown.IsZero() || at.Before(shown)) {
			shown = at
		}
	}
	if !shown.IsZero() {
		return shown
	}
	for _, change := range []time.Time{begins, ends} {
		_, before := change.Add(-1).Zone()
		_, after := change.Zone()
		if at, w := change.Unix(), wall.Unix(); !change.IsZero() && at+int64(before) <= w && w < at+int64(after) {
			return change.UTC()
		}
	}
	return near.UTC() // no zone's rules lead here
}
