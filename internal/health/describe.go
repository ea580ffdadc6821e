package health

import (
	"fmt"
	"strings"
	"time"
)

// Describe words a decision, one line for each thing that is to be done: the one
// voice of tests and debug logs. It is empty for a decision that does nothing, or only
// adds to the histories of state.
func Describe(d Decision) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	for _, ev := range d.Events {
		line("event %s: %s", ev.Experiment, orOK(ev.Issues))
	}
	if d.Refused != "" {
		line("refused: %s", d.Refused)
	}
	for _, a := range d.Acts {
		line("act %s", a)
	}
	for _, name := range d.Forgotten {
		line("forget %s", name)
	}
	if d.Alert != nil {
		line("mail: %s", d.Alert.sums())
		for _, i := range d.Alert.New {
			line("  new: %s", i.titled())
		}
		for _, r := range d.Alert.Resolved {
			line("  over: %s, %s, lasted %s", r.Issue.titled(), r.Ending, r.Until.Sub(r.Issue.Since).Round(time.Second))
		}
		for _, i := range d.Alert.Reminder {
			line("  reminder: %s", i.titled())
		}
		for _, i := range d.Alert.Current {
			line("  still: %s%s", i.titled(), d.Alert.Cared[i.Experiment].inBrackets())
		}
		for _, a := range d.Alert.Acts {
			line("  told: %s", a)
		}
	}
	for _, w := range d.Wishes {
		line("book %s %s %q", w.Want, w.Resource, w.Reason)
	}
	return b.String()
}

// sums counts what the mail holds.
func (a *Alert) sums() string {
	s := fmt.Sprintf("%d new, %d over, %d current", len(a.New), len(a.Resolved), len(a.Current))
	if n := len(a.Acts); n > 0 {
		s += fmt.Sprintf(", %d done", n)
	}
	if n := len(a.Reminder); n > 0 {
		s += fmt.Sprintf(", reminder of %d", n)
	}
	return s
}

// inBrackets words the care for the end of a line; empty where there is none.
func (c Care) inBrackets() string {
	var words []string
	if c.Silence != nil {
		words = append(words, "silenced")
	}
	if c.Maintenance != nil {
		words = append(words, "in maintenance")
	}
	if c.Ack != nil {
		words = append(words, "acknowledged")
	}
	if len(words) == 0 {
		return ""
	}
	return " [" + strings.Join(words, ", ") + "]"
}

func (i Issue) titled() string {
	words := i.String()
	if i.Detail != "" {
		words += " (" + i.Detail + ")"
	}
	if i.IsSystem() {
		return words
	}
	return i.Experiment + " " + words
}

func orOK(issues []string) string {
	if len(issues) == 0 {
		return "ok"
	}
	return strings.Join(issues, ", ")
}
