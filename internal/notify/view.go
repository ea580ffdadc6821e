package notify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"labstatus/internal/health"
)

// view is an alert in words: what the templates show. Every string in it is
// clean and on one line.
type view struct {
	At       string
	Headline string
	New      list
	Over     list
	Current  list
	Lab      string // counts of experiments by state
	pageLink
}

// pageLink leads to the page: as shown, and as followed. Both are empty where there
// is none; URL alone where it isn't one to follow.
type pageLink struct{ Link, URL string }

// list is one section of a mail.
type list struct {
	Lines    []line
	More     int // lines left out
	pageLink     // where to see them
}

// line is one experiment, or one issue of the system, which has no Name.
type line struct{ Name, What string }

func (l line) String() string {
	if l.Name == "" {
		return l.What
	}
	return l.Name + ": " + l.What
}

// capped leaves out what is beyond limit lines.
func capped(lines []line, limit int, to pageLink) list {
	if len(lines) <= limit {
		return list{Lines: lines, pageLink: to}
	}
	return list{Lines: lines[:limit], More: len(lines) - limit, pageLink: to}
}

// headline gives the exact counts, in one sentence or two.
func headline(a health.Alert) string {
	var told []string
	if n := len(a.New); n > 0 {
		told = append(told, count(n, "new problem"))
	}
	if n := len(a.Resolved); n > 0 {
		told = append(told, fmt.Sprintf("%d %s", n, overWord(a.Resolved)))
	}
	var b strings.Builder
	if len(told) > 0 {
		b.WriteString(strings.Join(told, ", ") + ". ")
	}
	if len(a.Current) == 0 {
		return b.String() + "No problem now."
	}
	b.WriteString(count(len(a.Current), "problem") + " now")
	seen := map[string]bool{}
	for _, i := range a.Current {
		if !i.IsSystem() {
			seen[i.Experiment] = true
		}
	}
	if len(seen) > 0 {
		b.WriteString(", in " + count(len(seen), "experiment"))
	}
	b.WriteByte('.')
	return b.String()
}

// overWord sums up how things ended.
func overWord(rs []health.Resolved) string {
	for _, r := range rs {
		if r.Ending != health.OKAgain {
			return "over"
		}
	}
	return "ok again"
}

// problems words issues, one line for each experiment. Only what is new is
// explained. Neighbours that began at the same moment share its mention.
func problems(issues []health.Issue, explain bool) []line {
	var lines []line
	for group := range groups(issues, func(i health.Issue) string { return i.Experiment }) {
		var parts []string
		for n, i := range group {
			part := wording(i)
			if why := meaning(i); why != "" && explain {
				part += ": " + why
			}
			if n == len(group)-1 || !group[n+1].Since.Equal(i.Since) {
				part += since(i.Since)
			}
			parts = append(parts, part)
		}
		lines = append(lines, line{label(group[0].Experiment), joined(parts)})
	}
	return lines
}

func since(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " (since " + stamp(t) + ")"
}

// endings words what is over, one line for each experiment. Neighbours that
// ended alike share the words for it.
func endings(rs []health.Resolved) []line {
	var lines []line
	for group := range groups(rs, func(r health.Resolved) string { return r.Issue.Experiment }) {
		var parts []string
		for n, r := range group {
			what, how := ended(r)
			if n < len(group)-1 {
				if _, next := ended(group[n+1]); next == how {
					how = ""
				}
			}
			parts = append(parts, what+how)
		}
		lines = append(lines, line{label(group[0].Issue.Experiment), joined(parts)})
	}
	return lines
}

// joined puts an experiment's issues on its line; a stub with a thousand
// streams must not fill the mail.
func joined(parts []string) string {
	const most = 12
	if extra := len(parts) - most; extra > 0 {
		parts = append(slices.Clip(parts[:most]), fmt.Sprintf("and %d more", extra))
	}
	return strings.Join(parts, "; ")
}

// label is an experiment's name in a list; empty for the system.
func label(experiment string) string {
	if name := clean(experiment, maxName); name != "" || experiment == "" {
		return name
	}
	return "(a name that can't be shown)"
}

// groups yields the runs of neighbours with the same experiment. The system's
// issues, which have none, stay apart from each other. An alert is sorted, so
// neighbours are all there are.
func groups[T any](all []T, experiment func(T) string) func(yield func([]T) bool) {
	return func(yield func([]T) bool) {
		for len(all) > 0 {
			name := experiment(all[0])
			n := 1
			if name != "" {
				n = slices.IndexFunc(all, func(t T) bool { return experiment(t) != name })
				if n < 0 {
					n = len(all)
				}
			}
			if !yield(all[:n]) {
				return
			}
			all = all[n:]
		}
	}
}

// laboratory words the counts of experiments.
func laboratory(c health.Counts) string {
	if c.Total == 0 {
		return "No experiment is known."
	}
	var parts []string
	for _, p := range []struct {
		n    int
		word string
	}{
		{c.Healthy, "healthy"}, {c.Unhealthy, "unhealthy"}, {c.Flapping, "flapping"},
		{c.Unknown, "unknown"}, {c.Starting, "starting"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.word))
		}
	}
	return count(c.Total, "experiment") + ": " + strings.Join(parts, ", ") + "."
}
