package health_test

import (
	"fmt"
	"testing"
	"time"

	"labstatus/internal/health"
)

// crowded is an engine that watches 10,000 experiments, with as many windows of
// maintenance as there may be, weekly ones that name every experiment, and the time
// after them.
func crowded(b *testing.B) (*health.Engine, time.Time) {
	b.Helper()
	e, _, _, at := large(10_000)
	for i := range health.MaxWindows {
		d := e.Step(health.Act{At: at, Kind: health.ActSetMaintenance, By: "anna", Window: &health.Window{
			ID: fmt.Sprintf("w%03d", i), Names: []string{"pend0*", "pend1?000", "spin30"}, Reason: "lectures", Bookings: health.BookingsDecide, From: at,
			Weekly: &health.Weekly{Days: []string{"mon", "wed"}, Start: fmt.Sprintf("08:%02d", i%60), End: "12:30", Zone: "Europe/London"},
		}})
		if d.Refused != "" {
			b.Fatal(d.Refused)
		}
	}
	return e, at
}

// BenchmarkTickWithWindows is a second in which nothing happens and no window begins
// or ends.
func BenchmarkTickWithWindows(b *testing.B) {
	e, at := crowded(b)
	b.ReportAllocs()
	for b.Loop() {
		e.Step(health.Tick{At: at})
	}
}

// BenchmarkWindowTurns is the moment at which one of 200 windows begins or ends, or is
// set: all experiments are looked at.
func BenchmarkWindowTurns(b *testing.B) {
	e, at := crowded(b)
	w := &health.Window{ID: "w000", Names: []string{"*"}, Reason: "lectures", Bookings: health.BookingsDecide, From: at.Add(time.Hour)}
	for n := 0; b.Loop(); n++ {
		w.Until = at.Add(2*time.Hour + time.Duration(n)*time.Second)
		if d := e.Step(health.Act{At: at, Kind: health.ActSetMaintenance, By: "anna", Window: w}); len(d.Acts) != 1 {
			b.Fatal(d.Refused)
		}
	}
}

// BenchmarkActive is what one look at one weekly window costs.
func BenchmarkActive(b *testing.B) {
	e, at := crowded(b)
	w := e.Snapshot().Windows[0]
	b.ReportAllocs()
	for b.Loop() {
		w.Active(at)
		w.Next(at)
	}
}
