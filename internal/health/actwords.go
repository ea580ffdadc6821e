package health

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// String words the act for people, in one line: "anna silenced pend00 until
// 2026-11-21 14:00 UTC: rewiring". Names and texts are as they were given, but for
// their line ends.
func (a Act) String() string {
	words, text := a.what(), ""
	if a.Kind != ActUnsilence && a.Kind != ActUnack && a.Kind != ActRemoveMaintenance {
		text = oneLine(a.Text)
	} else if a.By == "" && oneLine(a.Text) != "" {
		words += " (" + oneLine(a.Text) + ")"
	}
	if text != "" {
		words += ": " + text
	}
	return words
}

// what is the act without the words that a person gave with it.
func (a Act) what() string {
	if a.By == "" {
		return a.Short()
	}
	switch a.Kind {
	case ActSilence:
		return a.By + " silenced " + a.Experiment + " until " + minute(a.Until)
	case ActUnsilence:
		return a.By + " ended the silence of " + a.Experiment
	case ActAck:
		return a.By + " acknowledged " + a.Experiment
	case ActUnack:
		return a.By + " took back the acknowledgement of " + a.Experiment
	case ActHold:
		return a.By + " took " + a.Experiment + " off booking"
	case ActRelease:
		return a.By + " put " + a.Experiment + " back on booking"
	case ActSetMaintenance:
		return a.By + " set maintenance of " + a.Window.whom() + a.Window.when()
	case ActRemoveMaintenance:
		return a.By + " removed the maintenance of " + a.Window.whom()
	case ActTestMail:
		return a.By + " asked for a test mail"
	}
	return a.By + " " + string(a.Kind) + " " + a.Experiment
}

// Short words the act in a few words that begin with what it is about, for a subject:
// "pend00 silenced by anna".
func (a Act) Short() string {
	by := " by " + a.By
	if a.By == "" {
		by = ""
	}
	switch a.Kind {
	case ActSilence:
		return a.Experiment + " silenced" + by
	case ActUnsilence:
		return "silence of " + a.Experiment + overBy(by)
	case ActAck:
		return a.Experiment + " acknowledged" + by
	case ActUnack:
		return "acknowledgement of " + a.Experiment + overBy(by)
	case ActHold:
		return a.Experiment + " off booking" + by
	case ActRelease:
		return a.Experiment + " back on booking" + by
	case ActSetMaintenance:
		return "maintenance of " + a.Window.whom() + " set" + by
	case ActRemoveMaintenance:
		return "maintenance of " + a.Window.whom() + overBy(by)
	case ActTestMail:
		return "test mail" + by
	}
	return string(a.Kind) + " " + a.Experiment + by
}

func overBy(by string) string {
	if by == "" {
		return " is over"
	}
	return " ended" + by
}

// whom names whom the window is about, the first few of them.
func (w *Window) whom() string {
	const most = 3
	if w == nil || len(w.Names) == 0 {
		return "nothing"
	}
	names := strings.Join(w.Names[:min(most, len(w.Names))], ", ")
	if more := len(w.Names) - most; more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	return names
}

// when says when the window is, and what it does to bookings.
func (w *Window) when() string {
	if w == nil {
		return ""
	}
	var b strings.Builder
	if w.Weekly == nil {
		fmt.Fprintf(&b, " from %s until %s", minute(w.From), minute(w.Until))
	} else {
		fmt.Fprintf(&b, " every %s from %s until %s in %s", days(w.Weekly.Days), w.Weekly.Start, w.Weekly.End, w.Weekly.Zone)
		if !w.Until.IsZero() {
			fmt.Fprintf(&b, ", none after %s", minute(w.Until))
		}
	}
	switch w.Bookings {
	case BookingsClose:
		b.WriteString(", bookings closed")
	case BookingsLeave:
		b.WriteString(", bookings left as they are")
	}
	return b.String()
}

// days words days of the week, in their order.
func days(names []string) string {
	monday := []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}
	if len(names) == len(monday) {
		return "day"
	}
	sorted := slices.SortedFunc(slices.Values(names), func(a, b string) int { return slices.Index(monday, a) - slices.Index(monday, b) })
	return strings.Join(sorted, ", ")
}

// minute words a moment as people write it; seconds only where there are some.
func minute(t time.Time) string {
	t = t.UTC()
	if t.Second() != 0 {
		return t.Format("2006-01-02 15:04:05 UTC")
	}
	return t.Format("2006-01-02 15:04 UTC")
}
