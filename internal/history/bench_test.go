package history_test

import (
	"testing"
	"time"

	"labstatus/internal/health"
	"labstatus/internal/history"
)

// months makes what is known of an experiment that changes eight times a day, and of
// a server that is restarted every other day.
func months(days int) (changes []health.StateChange, watched []history.Span) {
	states := []health.State{health.StateHealthy, health.StateUnhealthy, health.StateHealthy, health.StateUnknown}
	for n := range days * 8 {
		changes = append(changes, health.StateChange{Experiment: "pend00", At: noon.Add(time.Duration(n) * 3 * time.Hour), State: states[n%len(states)]})
	}
	for n := range days / 2 {
		from := noon.Add(time.Duration(n) * 48 * time.Hour)
		watched = append(watched, history.Span{From: from, To: from.Add(48*time.Hour - time.Minute)})
	}
	return changes, watched
}

// Three months of 10,000 experiments.
func BenchmarkThreeMonthsOf10000(b *testing.B) {
	changes, watched := months(90)
	for b.Loop() {
		for range 10_000 {
			if s := history.Summarize(changes, watched, noon, noon.Add(90*24*time.Hour)); s.Healthy == 0 {
				b.Fatal(s)
			}
		}
	}
}

func BenchmarkIntervalsOfAYear(b *testing.B) {
	changes, watched := months(365)
	for b.Loop() {
		if all := history.Intervals(changes, watched, noon, noon.Add(365*24*time.Hour)); len(all) < 1000 {
			b.Fatal(len(all))
		}
	}
}
