package notify

import (
	"fmt"
	"time"

	"labstatus/internal/health"
)

// Longest names in a mail, in runes. Topics are longer than stubs.
const (
	maxName   = 48
	maxTopic  = 64
	maxDetail = 300
)

// wording is an issue in a mail's words, without its experiment's name.
func wording(i health.Issue) string {
	i.Subject = clean(i.Subject, maxTopic)
	if i.Code != "" {
		i.Code = health.Code(clean(string(i.Code), maxName))
	}
	return i.String()
}

// meaning is what an issue implies that its name doesn't say, and what was known
// of its cause; empty for most.
func meaning(i health.Issue) string {
	detail := clean(i.Detail, maxDetail)
	because := func(means string) string {
		if detail == "" {
			return means
		}
		return means + "; the cause as far as is known: " + detail
	}
	switch i.Code {
	case health.NoReports:
		return because("experiments are shown as last known, no booking is changed")
	case health.BookSilent:
		return because("bookings can be neither read nor changed, the last manifest stands")
	case health.TooManyUnknown:
		return "new ones among them are not watched, experiments that book offers are; " +
			"look for what makes up names there"
	case health.Flapping:
		if detail == "" {
			detail = "it"
		}
		return detail + " changes too often to tell each time; while a required stream or tunnel flaps it can't be booked, " +
			"and the next mail about it comes when it is steady"
	}
	return ""
}

// ended is a resolved issue in a mail's words, without its experiment's name:
// what is over, and how it ended.
func ended(r health.Resolved) (what, how string) {
	after := "after " + humane(r.Until.Sub(r.Issue.Since))
	switch r.Issue.Code {
	case health.NoReports:
		return clean(r.Issue.Subject, maxTopic) + " is reporting again, ", after
	case health.BookSilent:
		return "book is answering again, ", after
	}
	return wording(r.Issue), ": " + clean(string(r.Ending), maxName) + " " + after
}

// stamp is a moment as mails show it.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// humane words a duration with its two largest units: "45s", "3m 20s", "2h 5m",
// "3d 4h".
func humane(d time.Duration) string {
	const day = 24 * time.Hour
	d = max(d, 0)
	two := func(large, small time.Duration, l, s string) string {
		d = d.Truncate(small)
		if rest := d % large / small; rest > 0 {
			return fmt.Sprintf("%d%s %d%s", d/large, l, rest, s)
		}
		return fmt.Sprintf("%d%s", d/large, l)
	}
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return two(time.Minute, time.Second, "m", "s")
	case d < day:
		return two(time.Hour, time.Minute, "h", "m")
	}
	return two(day, time.Hour, "d", "h")
}

// count words a number of things: "1 new problem", "3 new problems".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
