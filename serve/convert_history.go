package serve

import (
	"math"
	"time"

	"labstatus/serve/models"
)

// mostIntervals bounds an answer: an experiment that changes every minute for a
// year would fill hundreds of megabytes.
const mostIntervals = 10_000

func history(name string, h *History) *models.History {
	cut := max(0, len(h.Intervals)-mostIntervals)
	out := &models.History{
		Experiment:         &name,
		From:               at(h.From),
		To:                 at(h.To),
		Uptime:             fraction(Uptime{ratio(h.Healthy, h.Healthy+h.Unhealthy), h.Healthy + h.Unhealthy}),
		HealthySeconds:     seconds(h.Healthy),
		UnhealthySeconds:   seconds(h.Unhealthy),
		UnknownSeconds:     seconds(h.Unknown),
		MaintenanceSeconds: seconds(h.Maintenance),
		UnwatchedSeconds:   seconds(h.Unwatched),
		Windows:            &models.HistoryWindows{Nr24h: uptime(h.Day), Nr7d: uptime(h.Week), Nr30d: uptime(h.Month)},
		Intervals:          make([]*models.HistoryInterval, 0, len(h.Intervals)-cut),
		Cut:                new(cut > 0),
	}
	for _, i := range h.Intervals[cut:] {
		out.Intervals = append(out.Intervals, &models.HistoryInterval{
			From: at(i.From), To: at(i.To), State: new(string(i.State)), Maintenance: new(i.Maintenance),
		})
	}
	return out
}

func uptime(u Uptime) *models.Uptime {
	return &models.Uptime{Uptime: fraction(u), KnownSeconds: seconds(u.Known)}
}

// fraction leaves out what nothing is known of, and rounds to what a person can
// read: a millionth of a year is half a minute.
func fraction(u Uptime) *float64 {
	if u.Known <= 0 || math.IsNaN(u.Fraction) {
		return nil
	}
	return new(math.Round(min(max(u.Fraction, 0), 1)*1e6) / 1e6)
}

func ratio(part, whole time.Duration) float64 {
	if whole <= 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// seconds are rounded to the millisecond, as times are.
func seconds(d time.Duration) *float64 { return new(d.Round(time.Millisecond).Seconds()) }
