package history

import (
	"cmp"
	"slices"
	"time"

	"labstatus/internal/health"
)

// Unwatched is the state of an experiment that nobody watched: no server was
// running, or the experiment was not known yet, or not any more.
const Unwatched health.State = "unwatched"

// Span is a time in which a server was running, from its first moment to the one
// after its last.
type Span struct{ From, To time.Time }

// Interval is a time in which nothing changed, from its first moment to the one
// after its last.
type Interval struct {
	From, To    time.Time
	State       health.State // one of health's, or Unwatched
	Maintenance bool         // never while unwatched
}

// walk calls visit for the pieces of [from, to), in order and without gaps.
// Neighbours may be alike.
func walk(changes []health.StateChange, watched []Span, from, to time.Time, visit func(Interval)) {
	changes, watched = inOrder(changes), disjoint(watched)
	now := Interval{State: Unwatched}
	for _, span := range watched {
		begin, end := later(span.From, from), earlier(span.To, to)
		if !begin.Before(end) {
			continue
		}
		if from.Before(begin) {
			visit(Interval{From: from, To: begin, State: Unwatched})
		}
		for len(changes) > 0 && !changes[0].At.After(begin) {
			now.take(&changes[0])
			changes = changes[1:]
		}
		for begin.Before(end) {
			now.From, now.To = begin, end
			if len(changes) > 0 && changes[0].At.Before(end) {
				now.To = changes[0].At
			}
			visit(now)
			if begin = now.To; begin.Before(end) {
				now.take(&changes[0])
				changes = changes[1:]
			}
		}
		from = end
	}
	if from.Before(to) {
		visit(Interval{From: from, To: to, State: Unwatched})
	}
}

// take makes the interval be as it is from a change on.
func (i *Interval) take(c *health.StateChange) {
	i.State, i.Maintenance = c.State, c.Maintenance
	switch c.State {
	case health.StateStarting, health.StateHealthy, health.StateUnhealthy, health.StateUnknown, health.StateFlapping:
	case "", Unwatched:
		i.State, i.Maintenance = Unwatched, false
	default:
		i.State = health.StateUnknown
	}
}

// inOrder gives changes by their moments, one for each moment. What is in order
// already, as the store gives it, isn't copied.
func inOrder(changes []health.StateChange) []health.StateChange {
	follows := func(i int) bool { return changes[i-1].At.Before(changes[i].At) }
	for i := 1; i < len(changes); i++ {
		if follows(i) {
			continue
		}
		sorted := slices.Clone(changes)
		slices.Reverse(sorted) // so that the last one given comes first among equals
		slices.SortStableFunc(sorted, func(a, b health.StateChange) int { return a.At.Compare(b.At) })
		return slices.CompactFunc(sorted, func(a, b health.StateChange) bool { return a.At.Equal(b.At) })
	}
	return changes
}

// disjoint gives spans in order, apart from each other. What is so already isn't
// copied.
func disjoint(spans []Span) []Span {
	apart := true
	for i, s := range spans {
		apart = apart && s.From.Before(s.To) && (i == 0 || spans[i-1].To.Before(s.From))
	}
	if apart {
		return spans
	}
	sorted := slices.DeleteFunc(slices.Clone(spans), func(s Span) bool { return !s.From.Before(s.To) })
	slices.SortFunc(sorted, func(a, b Span) int { return cmp.Or(a.From.Compare(b.From), a.To.Compare(b.To)) })
	out := sorted[:0]
	for _, s := range sorted {
		if last := len(out) - 1; last >= 0 && !out[last].To.Before(s.From) {
			out[last].To = later(out[last].To, s.To)
			continue
		}
		out = append(out, s)
	}
	return out
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
