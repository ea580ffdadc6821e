package telemetry

import (
	"math"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// recentTimes is how many of the latest observations quantiles are taken from.
const recentTimes = 256

// Timer is a distribution of durations, in seconds: a histogram for Prometheus,
// which never forgets, and for people the extremes since the start and quantiles
// of the latest 256. An observation allocates nothing.
type Timer struct {
	name string
	hist prometheus.Observer

	mu       sync.Mutex
	count    uint64
	sum      float64
	min, max float64
	recent   [recentTimes]float64
}

// TimerSummary is what a [Timer] has seen. Times are in seconds; all are zero
// where Count is.
type TimerSummary struct {
	Name               string // dotted, e.g. dialer.book.open
	Count              uint64
	Min, Max, Mean     float64
	P50, P75, P95, P99 float64 // of the latest 256
}

func newTimer(name string, hist prometheus.Observer) *Timer {
	return &Timer{name: name, hist: hist, min: math.Inf(1)}
}

// Observe adds one duration. A negative one, from a clock that was set back,
// counts as none at all.
func (t *Timer) Observe(d time.Duration) {
	seconds := max(d, 0).Seconds()
	t.hist.Observe(seconds)
	t.mu.Lock()
	t.recent[t.count%recentTimes] = seconds
	t.count++
	t.sum += seconds
	t.min, t.max = min(t.min, seconds), max(t.max, seconds)
	t.mu.Unlock()
}

// Summary may be called at any time.
func (t *Timer) Summary() TimerSummary {
	t.mu.Lock()
	s := TimerSummary{Name: t.name, Count: t.count, Min: t.min, Max: t.max}
	sum, recent := t.sum, slices.Clone(t.recent[:min(t.count, recentTimes)])
	t.mu.Unlock()
	if s.Count == 0 {
		return TimerSummary{Name: t.name}
	}
	slices.Sort(recent)
	s.Mean = sum / float64(s.Count)
	s.P50, s.P75, s.P95, s.P99 = rank(recent, .50), rank(recent, .75), rank(recent, .95), rank(recent, .99)
	return s
}

// extremes gives the shortest and the longest time there was, in seconds.
func (t *Timer) extremes() (shortest, longest float64, any bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.min, t.max, t.count > 0
}

// rank is the smallest observation that at least the given part of all don't
// exceed.
func rank(sorted []float64, part float64) float64 {
	return sorted[max(int(math.Ceil(part*float64(len(sorted))))-1, 0)]
}
