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
	Reminder list
	Acts     list
	Lab      string // counts of experiments by state
	pageLink
}

// list is one section of a mail.
type list struct {
	Lines    []line
	Page     string // of the only experiment in it, for the text part
	More     int    // lines left out
	pageLink        // where to see them
}

// line is one experiment, or one issue of the system, which has no Name. A notice is
// one sentence, in which Lead stands before the name and What after it.
type line struct {
	Lead, Name, What string
	URL              string // the experiment's page; empty where there is none
	experiment       string // as it is called, not as it is shown
}

func (l line) String() string {
	if l.Name == "" || l.Lead != "" {
		return l.Lead + l.Name + l.What
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

// alone gives a list of one experiment the address of its page, unless that is too
// long to stand in a line of text.
func (l list) alone() list {
	const short = 100
	if len(l.Lines) == 1 && l.More == 0 && len(l.Lines[0].URL) <= short {
		l.Page = l.Lines[0].URL
	}
	return l
}

// headline gives the exact counts, in one sentence or two.
func headline(a health.Alert) string {
	parts, _ := told(a)
	var b strings.Builder
	if len(parts) > 0 {
		s := strings.Join(parts, ", ")
		if rest, is := strings.CutPrefix(s, reminderOf); is && len(a.Reminder) > 0 {
			s = "Reminder: " + rest
		}
		b.WriteString(s + ". ")
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

// fresh words what is new, with what it means.
func fresh(issues []health.Issue) []line { return problems(issues, meaning, since) }

// current words what is wrong now, and what people have said of it.
func current(issues []health.Issue, said map[string]health.Care) []line {
	lines := problems(issues, nil, since)
	for i := range lines {
		if name := lines[i].experiment; name != "" {
			lines[i].What += cared(said[name])
		}
	}
	return lines
}

// stillWrong words what people are reminded of, and for how long it has been so.
func stillWrong(issues []health.Issue, now time.Time) []line {
	return problems(issues, nil, func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return " (since " + stamp(t) + ", for " + humane(now.Sub(t)) + ")"
	})
}

// problems words issues, one line for each experiment. Neighbours that began at the
// same moment share its mention.
func problems(issues []health.Issue, meaning func(health.Issue) string, since func(time.Time) string) []line {
	var lines []line
	for group := range groups(issues, func(i health.Issue) string { return i.Experiment }) {
		var parts []string
		for n, i := range group {
			part := wording(i)
			if meaning != nil {
				if why := meaning(i); why != "" {
					part += ": " + why
				}
			}
			if n == len(group)-1 || !group[n+1].Since.Equal(i.Since) {
				part += since(i.Since)
			}
			parts = append(parts, part)
		}
		name := group[0].Experiment
		lines = append(lines, line{Name: label(name), What: joined(parts), experiment: name})
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
		name := group[0].Issue.Experiment
		l := line{Name: label(name), What: joined(parts), experiment: name}
		if group[0].Ending == health.NotWatched {
			l.experiment = "" // it has no page any more
		}
		lines = append(lines, l)
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
	return unshowable
}

// unshowable stands for a name of which nothing is left when it is cleaned.
const unshowable = "(a name that can't be shown)"

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
