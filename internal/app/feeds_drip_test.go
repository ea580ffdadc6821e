package app_test

import (
	"testing"
	"time"
)

// A relay that sends a byte now and then, so seldom that its line is dead or often
// enough to keep it up, is one that doesn't report: found in time, told once, no
// booking touched, and over by itself.
func TestRelayDrips(t *testing.T) {
	t.Parallel()
	for _, every := range []string{"1m", "20s"} {
		t.Run(every, func(t *testing.T) {
			inLab(t, experiments("pend00", "spin30"), nil, func(b *bench) {
				began := time.Now()
				b.must(b.lab.Order("relay drips every " + every))
				b.wait(30*time.Second + relayEvery) // STATUS_HEALTH_LAST_CHECKED, from the latest frame
				b.told(began, "1 new problem: relay has no fresh reports")
				b.must(b.lab.Stream("pend00-st-video").Vanish(), b.lab.Jump("spin30").Drop())
				b.wait(15 * time.Minute)
				b.told(began, "1 new problem: relay has no fresh reports", "1 new problem: spin30")
				if n := b.writes(time.Time{}); n != 0 {
					t.Errorf("book was written %d times", n)
				}
				b.must(b.lab.Stream("pend00-st-video").Return(), b.lab.Jump("spin30").Return())
				b.wait(time.Minute)

				back := time.Now()
				b.must(b.lab.Order("relay drips every 0s"))
				b.wait(5 * time.Minute)
				b.told(back, "1 over, none left: relay")
				if n := b.writes(time.Time{}); n != 0 || b.state("pend00") != "healthy" {
					t.Errorf("book was written %d times, pend00 is %s", n, b.state("pend00"))
				}
				b.paceKept(began)
			})
		})
	}
}
