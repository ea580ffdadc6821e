package app_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"labstatus/internal/lab"
)

// A relay that lists thousands of experiments that book doesn't know is told of once,
// by mail and figures, and nothing of it stays; what book offers is watched as ever.
func TestRelayFloods(t *testing.T) {
	inLab(t, experiments("pend00"), nil, func(b *bench) {
		began := time.Now()
		var frame strings.Builder
		frame.WriteString(`[{"topic":"pend00-st-data","scopes":["expt"]},{"topic":"pend00-st-video","scopes":["expt"]}`)
		for i := range 5000 {
			frame.WriteString(`,{"topic":"flood` + strconv.Itoa(i) + `-st-a","scopes":["expt"],"stats":{"tx":{"last":"1ms"}}}`)
		}
		frame.WriteByte(']')
		b.wait(time.Second)
		for range 10 {
			b.must(b.lab.Feed(lab.Relay).Rubbish(frame.String()))
			b.wait(time.Second)
		}
		b.told(began, "1 new problem: relay lists too many unknown experiments")
		if n := len(b.app.Snapshot().Experiments); n != 1 {
			t.Errorf("%d experiments are watched, want one", n)
		}
		if n := b.figures().of("status_issues", "code", "too_many_unknown"); n != 1 {
			t.Errorf("the figures say %v", n)
		}
		b.wait(5 * time.Minute)
		b.faultFound(lab.Relay, "pend00")
		over := time.Now()
		b.wait(11 * time.Minute)
		b.told(over, "1 ok again, none left")
		if n := b.writes(began); n != 2 {
			t.Errorf("book was written %d times, want for pend00 twice", n)
		}
	})
}
