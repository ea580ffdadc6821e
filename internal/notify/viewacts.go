package notify

import (
	"cmp"
	"fmt"
	"strings"

	"labstatus/internal/health"
)

// Longest words of people in a mail, in runes.
const (
	maxText  = 300
	maxWords = 120 // beside a problem
)

// nameMark stands for an experiment's name in a sentence about it. No text that has
// been cleaned holds one.
const nameMark = "\x00"

// notices words what people did, and what ended by itself, one line for each.
func notices(acts []health.Act) []line {
	lines := make([]line, 0, len(acts))
	for _, given := range acts {
		a := cleanAct(given, maxName)
		l := line{Name: a.Experiment, experiment: given.Experiment}
		if a.Experiment != "" {
			a.Experiment = nameMark
		}
		var named bool
		if l.Lead, l.What, named = strings.Cut(a.String(), nameMark); !named {
			l.Name, l.experiment = "", ""
		}
		l.What += " (" + stamp(a.At) + ")"
		lines = append(lines, l)
	}
	return lines
}

// cleanAct makes an act's names and words fit for a line of a mail, each by itself, so
// that none of them pushes out the others.
func cleanAct(a health.Act, limit int) health.Act {
	if a.By != "" { // nobody is what ended by itself
		a.By = cmp.Or(clean(a.By, limit), unshowable)
	}
	a.Kind = health.ActKind(clean(string(a.Kind), limit))
	a.Text = clean(a.Text, maxText)
	if a.Experiment != "" {
		a.Experiment = cmp.Or(clean(a.Experiment, limit), unshowable)
	}
	if a.Window != nil {
		w := *a.Window
		w.Names = nil
		for _, name := range a.Window.Names {
			w.Names = append(w.Names, cmp.Or(clean(name, limit), unshowable))
		}
		if w.Weekly != nil {
			weekly := health.Weekly{Start: clean(w.Weekly.Start, 5), End: clean(w.Weekly.End, 5), Zone: clean(w.Weekly.Zone, limit)}
			for _, day := range w.Weekly.Days[:min(len(w.Weekly.Days), 7)] {
				weekly.Days = append(weekly.Days, clean(day, 3))
			}
			w.Weekly = &weekly
		}
		a.Window = &w
	}
	return a
}

// reminderOf begins the subject of a reminder.
const reminderOf = "reminder: "

// told sums an alert up: what is new and what is over; where neither is, what people
// are reminded of, or what was done.
func told(a health.Alert) (parts []string, names []string) {
	if n := len(a.New); n > 0 {
		parts = append(parts, count(n, "new problem"))
	}
	if n := len(a.Resolved); n > 0 {
		parts = append(parts, fmt.Sprintf("%d %s", n, overWord(a.Resolved)))
	}
	switch {
	case len(parts) > 0:
	case len(a.Reminder) > 0:
		parts = append(parts, reminderOf+count(len(a.Reminder), "problem"))
	case len(a.Acts) == 1:
		parts = append(parts, cleanAct(a.Acts[0], maxNameInSubject).Short())
	case len(a.Acts) > 1:
		parts = append(parts, count(len(a.Acts), "notice"))
		for _, act := range a.Acts[:min(len(a.Acts), maxSubject)] {
			names = append(names, cleanAct(act, maxNameInSubject).Short())
		}
	}
	return parts, names
}

// cared words what people have said of an experiment that is not well.
func cared(c health.Care) string {
	var parts []string
	add := func(what, by, words string) {
		what += " by " + cmp.Or(clean(by, maxName), unshowable)
		if words = clean(words, maxWords); words != "" {
			what += ": " + words
		}
		parts = append(parts, what)
	}
	if k := c.Ack; k != nil {
		add("acknowledged", k.By, k.Note)
	}
	if s := c.Silence; s != nil {
		add("silenced until "+stamp(s.Until), s.By, s.Reason)
	}
	if m := c.Maintenance; m != nil {
		add("in maintenance until "+stamp(m.Until), m.By, m.Reason)
	}
	if len(parts) == 0 {
		return ""
	}
	return " [" + strings.Join(parts, "; ") + "]"
}
