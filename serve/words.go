package serve

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"labstatus/internal/health"
)

// span words a length of time with as much precision as a person needs.
func span(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 24*time.Hour:
		return strings.TrimSuffix(fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60), " 0 min")
	default:
		return strings.TrimSuffix(fmt.Sprintf("%d d %d h", int(d.Hours())/24, int(d.Hours())%24), " 0 h")
	}
}

// moment is an instant as seen from another one.
type moment struct{ At, Now time.Time }

// Stamp is for machines.
func (m moment) Stamp() string { return m.At.UTC().Format(time.RFC3339) }

// Full is the moment itself.
func (m moment) Full() string { return m.At.UTC().Format("2006-01-02 15:04:05") + " UTC" }

// Span is how long ago it was.
func (m moment) Span() string { return span(m.Now.Sub(m.At)) }

// plural gives "1 experiment", "2 experiments".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// bookingWords says whether a resource can be booked, and why not.
func bookingWords(r *health.ResourceReport) string {
	var words string
	switch {
	case !r.Known:
		words = "booking not read yet"
	case r.Held:
		words = "held off booking by " + cmp.Or(r.HeldBy, "a person")
		if r.HeldReason != "" {
			words += ": " + r.HeldReason
		}
	case r.Available:
		words = "can be booked"
	default:
		words = "closed for booking"
		if reason := strings.TrimPrefix(r.Reason, "unavailable because "); reason != "" && !strings.HasPrefix(reason, health.OwnReason) {
			words += " (" + reason + ")" // ours is what the issues say
		}
	}
	switch r.Wanted {
	case health.Open:
		words += ", being opened"
	case health.Close:
		words += ", being closed"
	}
	return words
}

// bookingLine does so for an experiment: once, where all its resources agree.
func bookingLine(r *health.Report) string {
	if len(r.Resources) == 0 {
		return "not in the booking system"
	}
	first, agree := bookingWords(&r.Resources[0]), true
	each := make([]string, 0, len(r.Resources))
	for i := range r.Resources {
		words := bookingWords(&r.Resources[i])
		agree = agree && words == first
		each = append(each, r.Resources[i].Name+": "+words)
	}
	if agree {
		return first
	}
	return strings.Join(each, "; ")
}

// bookingMark is for the grid: only what differs from what a healthy experiment
// should show.
func bookingMark(r *health.Report) string {
	b := bookingOf(r)
	switch {
	case len(r.Resources) == 0:
		return ""
	case b.held:
		return "held"
	case !b.known:
		return "booking not read"
	case !b.available:
		return "closed"
	}
	return ""
}
