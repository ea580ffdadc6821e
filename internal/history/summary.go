package history

import (
	"time"

	"labstatus/internal/health"
)

// Summary is how long it was how, within a range. Its parts add up to the range.
type Summary struct {
	Healthy     time.Duration
	Unhealthy   time.Duration // flapping too
	Unknown     time.Duration // starting too
	Maintenance time.Duration // in whatever state
	Unwatched   time.Duration
}

// Known is the time that uptime is a part of.
func (s Summary) Known() time.Duration { return s.Healthy + s.Unhealthy }

// Uptime is the healthy part of the known time, from 0 to 1; false where nothing is
// known.
func (s Summary) Uptime() (fraction float64, known bool) {
	if s.Known() <= 0 {
		return 0, false
	}
	return float64(s.Healthy) / float64(s.Known()), true
}

func (s *Summary) add(i Interval) {
	lasted := i.To.Sub(i.From)
	switch {
	case i.State == Unwatched:
		s.Unwatched += lasted
	case i.Maintenance:
		s.Maintenance += lasted
	case i.State == health.StateHealthy:
		s.Healthy += lasted
	case i.State == health.StateUnhealthy, i.State == health.StateFlapping:
		s.Unhealthy += lasted
	default:
		s.Unknown += lasted
	}
}

// Summarize sums up [from, to): of one experiment, by its changes of state and the
// times in which a server was running. The range is at most 290 years long.
func Summarize(changes []health.StateChange, watched []Span, from, to time.Time) Summary {
	var s Summary
	walk(changes, watched, from, to, s.add)
	return s
}

// Intervals gives [from, to) piece by piece, in order and without gaps. No two
// neighbours are alike.
func Intervals(changes []health.StateChange, watched []Span, from, to time.Time) []Interval {
	var all []Interval
	walk(changes, watched, from, to, func(i Interval) {
		if last := len(all) - 1; last >= 0 && all[last].State == i.State && all[last].Maintenance == i.Maintenance {
			all[last].To = i.To
			return
		}
		all = append(all, i)
	})
	return all
}
