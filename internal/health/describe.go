package health

import (
	"fmt"
	"strings"
	"time"
)

// Describe words a decision, one line for each thing that is to be done: the one
// voice of tests and debug logs. It is empty for a decision that does nothing.
func Describe(d Decision) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	for _, ev := range d.Events {
		line("event %s: %s", ev.Experiment, orOK(ev.Issues))
	}
	for _, name := range d.Forgotten {
		line("forget %s", name)
	}
	if d.Alert != nil {
		line("mail: %d new, %d over, %d current", len(d.Alert.New), len(d.Alert.Resolved), len(d.Alert.Current))
		for _, i := range d.Alert.New {
			line("  new: %s", i.titled())
		}
		for _, r := range d.Alert.Resolved {
			line("  over: %s, %s, lasted %s", r.Issue.titled(), r.Ending, r.Until.Sub(r.Issue.Since).Round(time.Second))
		}
		for _, i := range d.Alert.Current {
			line("  still: %s", i.titled())
		}
	}
	for _, w := range d.Wishes {
		line("book %s %s %q", w.Want, w.Resource, w.Reason)
	}
	return b.String()
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
