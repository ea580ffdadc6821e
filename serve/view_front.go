package serve

import (
	"slices"
	"strings"
	"time"

	"labstatus/internal/health"
)

// How much of a laboratory a page brings along; its script fetches the rest.
const (
	mostProblems = 60
	mostCells    = 1000
)

// frontFilter is the API's filter, and one by what people have done.
type frontFilter struct {
	filter
	mark string // acknowledged, silenced, maintenance or held; any other: none
}

func (f frontFilter) pick(all []*health.Report) []*health.Report {
	picked := f.filter.pick(all)
	has := map[string]func(*health.Report) bool{
		"acknowledged": func(r *health.Report) bool { return r.Ack != nil },
		"silenced":     func(r *health.Report) bool { return r.Silence != nil },
		"maintenance":  func(r *health.Report) bool { return r.Maintenance != nil },
		"held":         func(r *health.Report) bool { return bookingOf(r).held },
	}[f.mark]
	if has == nil {
		return picked
	}
	return slices.DeleteFunc(slices.Clone(picked), func(r *health.Report) bool { return !has(r) })
}

// frontView is what the front page shows.
type frontView struct {
	head
	Headline, Tone string
	AsOf           *moment
	systemView
	States      []stateCount
	State, Text string // the filter
	Shown       int
	Groups      []group
}

// stateCount is one of the filters on the page.
type stateCount struct {
	State  string
	Count  int
	Chosen bool
}

// group is a part of the experiments, under a heading.
type group struct {
	ID, Heading string
	Count       int
	Problems    []problem
	Cells       []gridCell
	More        int // that are not shown
}

// issueView is one thing wrong.
type issueView struct {
	Text  string
	Since moment
}

// problem is an experiment that needs somebody, or is cared for.
type problem struct {
	Name, State string
	Since       moment
	Issues      []issueView
	Booking     string
	Marks       []markView
}

// gridCell is any other experiment.
type gridCell struct{ Name, State, Mark string }

func newFrontView(opts *Options, f frontFilter, now time.Time) frontView {
	snap := opts.snapshot()
	v := frontView{State: f.state, Text: f.text, systemView: newSystemView(opts, now)}
	t := tallyOf(snap)
	v.Headline, v.Tone = t.sentence(!snap.At.IsZero())
	if !snap.At.IsZero() {
		v.AsOf = &moment{snap.At, now}
	}
	for _, s := range []stateCount{
		{State: string(health.StateUnhealthy), Count: t.Unhealthy},
		{State: string(health.StateFlapping), Count: t.Flapping},
		{State: string(health.StateUnknown), Count: t.Unknown},
		{State: string(health.StateStarting), Count: t.Starting},
		{State: string(health.StateHealthy), Count: t.Healthy},
	} {
		s.Chosen = s.State == f.state
		if s.Count > 0 || s.Chosen {
			v.States = append(v.States, s)
		}
	}
	picked := f.pick(snap.Experiments)
	v.Shown = len(picked)
	v.Groups = groups(picked, now)
	return v
}

// groups sorts experiments by how much they need a person: what is not known may be
// wrong, so it stands before what is well.
func groups(all []*health.Report, now time.Time) []group {
	found := []group{
		{ID: "need", Heading: "Needs you"},
		{ID: "cared", Heading: "Cared for: acknowledged, silenced or in maintenance"},
		{ID: "unknown", Heading: "Not known at the moment"},
		{ID: "starting", Heading: "Starting: not judged yet"},
		{ID: "healthy", Heading: "Well"},
	}
	members := make(map[string][]*health.Report)
	for _, r := range all {
		id := string(r.State)
		switch {
		case isWrong(r) && isCaredFor(r):
			id = "cared"
		case isWrong(r):
			id = "need"
		}
		members[id] = append(members[id], r)
	}
	room := mostCells
	var out []group
	for _, g := range found {
		rest := members[g.ID]
		if g.Count = len(rest); g.Count == 0 {
			continue
		}
		if isWrong(rest[0]) {
			slices.SortFunc(rest, byUrgency)
			for _, r := range rest[:min(len(rest), mostProblems)] {
				g.Problems = append(g.Problems, problemOf(r, now))
			}
			rest = rest[len(g.Problems):]
		}
		for _, r := range rest[:min(len(rest), room)] {
			g.Cells = append(g.Cells, gridCell{Name: r.Name, State: string(r.State), Mark: mark(r)})
		}
		room -= len(g.Cells)
		g.More = len(rest) - len(g.Cells)
		out = append(out, g)
	}
	return out
}

func problemOf(r *health.Report, now time.Time) problem {
	return problem{
		Name: r.Name, State: string(r.State), Since: moment{r.Since, now},
		Issues: issueViews(r.Issues, now), Booking: bookingLine(r), Marks: marksOf(r),
	}
}

// mark is the small print of a cell.
func mark(r *health.Report) string {
	var marks []string
	add := func(is bool, word string) {
		if is {
			marks = append(marks, word)
		}
	}
	add(r.State == health.StateUnknown && !r.Healthy, "was not well")
	add(r.Maintenance != nil, "maintenance")
	add(r.Silence != nil, "silenced")
	add(r.Ack != nil, "acknowledged")
	booking := bookingMark(r)
	add(booking != "", booking)
	return strings.Join(marks, ", ")
}

func issueViews(all []health.Issue, now time.Time) []issueView {
	out := make([]issueView, 0, len(all))
	for _, i := range all {
		out = append(out, issueView{i.String(), moment{i.Since, now}})
	}
	return out
}
