package observer

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A step is one report of a subject.
type step struct {
	after   time.Duration // since the report before
	fresh   bool          // it said before that it has begun anew
	report  Stats
	became  counted
	total   Stats
	suspect bool // the totals look like increments that nobody announced
}

func TestCounting(t *testing.T) {
	t.Parallel()
	const huge = math.MaxUint64
	conns := func(total, current, in, out uint64) Stats { return Stats{total, current, in, out, 0} }
	for name, tc := range map[string]struct {
		increments bool
		steps      []step
	}{
		"totals grow as they are reported": {steps: []step{
			{report: conns(1, 1, 10, 20), total: conns(1, 1, 10, 20)},
			{report: conns(3, 0, 30, 90), total: conns(3, 0, 30, 90)},
		}},
		"the same report again changes nothing": {steps: []step{
			{report: conns(3, 1, 30, 90), total: conns(3, 1, 30, 90)},
			{report: conns(3, 1, 30, 90), total: conns(3, 1, 30, 90), became: countedRepeat},
			{report: conns(4, 0, 40, 99), total: conns(4, 0, 40, 99)},
		}},
		"figures that fall begin anew, and what was counted stays": {steps: []step{
			{report: conns(5, 2, 500, 900), total: conns(5, 2, 500, 900)},
			{report: conns(1, 1, 10, 20), total: conns(6, 1, 510, 920), became: countedRestarted},
			{report: conns(2, 0, 15, 25), total: conns(7, 0, 515, 925)},
		}},
		"one figure that falls is enough": {steps: []step{
			{report: conns(2, 0, 500, 900), total: conns(2, 0, 500, 900)},
			{report: conns(2, 0, 501, 30), total: conns(4, 0, 1001, 930), became: countedRestarted},
		}},
		"fewer open connections are no new beginning": {steps: []step{
			{report: conns(5, 4, 500, 900), total: conns(5, 4, 500, 900)},
			{report: conns(5, 0, 500, 900), total: conns(5, 0, 500, 900)},
		}},
		"a service that said it begins anew counts from zero, however much it has done since": {steps: []step{
			{report: conns(5, 0, 500, 900), total: conns(5, 0, 500, 900)},
			{fresh: true, report: conns(9, 0, 700, 999), total: conns(14, 0, 1200, 1899), became: countedRestarted},
		}},
		"also where its figures are what they were": {steps: []step{
			{report: conns(1, 0, 78, 154), total: conns(1, 0, 78, 154)},
			{fresh: true, report: conns(1, 0, 78, 154), total: conns(2, 0, 156, 308), became: countedRestarted},
		}},
		"a report that was stuck on its way is older than what is known": {steps: []step{
			{report: conns(1, 1, 100, 100), total: conns(1, 1, 100, 100)},
			{report: conns(2, 0, 200, 200), total: conns(2, 0, 200, 200)},
			{report: conns(1, 1, 100, 100), total: conns(2, 0, 200, 200), became: countedLate},
			{report: conns(1, 1, 100, 100), total: conns(2, 0, 200, 200), became: countedLate},
			{report: conns(3, 0, 250, 260), total: conns(3, 0, 250, 260)},
		}},
		"a service that does the same again after a restart is believed at its second report": {steps: []step{
			{report: conns(1, 0, 78, 154), total: conns(1, 0, 78, 154)},
			{report: conns(2, 0, 156, 308), total: conns(2, 0, 156, 308)},
			{report: conns(3, 0, 234, 462), total: conns(3, 0, 234, 462)},
			{report: conns(1, 0, 78, 154), total: conns(3, 0, 234, 462), became: countedLate},
			{report: conns(2, 0, 156, 308), total: conns(5, 0, 390, 770), became: countedRestarted},
		}},
		"what was known long ago is not on its way any more": {steps: []step{
			{report: conns(1, 0, 78, 154), total: conns(1, 0, 78, 154)},
			{report: conns(2, 0, 156, 308), total: conns(2, 0, 156, 308)},
			{after: lateness + time.Second, report: conns(1, 0, 78, 154), total: conns(3, 0, 234, 462), became: countedRestarted},
		}},
		"more connections closed than opened are none open": {steps: []step{
			{report: conns(1, huge, 10, 10), total: conns(1, 0, 10, 10)},
			{report: conns(1, 0, 10, 10), total: conns(1, 0, 10, 10), became: countedRepeat},
		}},
		"a figure that passes the largest number there is goes on, and its total stays there": {steps: []step{
			{report: conns(1, 0, huge-9, 5), total: conns(1, 0, huge-9, 5)},
			{report: conns(2, 0, 10, 6), total: conns(2, 0, huge, 6), became: countedWrapped},
			{report: conns(2, 0, 30, 7), total: conns(2, 0, huge, 7)},
		}},
		"a wrap beside a fall is a new beginning": {steps: []step{
			{report: conns(9, 0, huge-9, 5), total: conns(9, 0, huge-9, 5)},
			{report: conns(1, 0, 10, 6), total: conns(10, 0, huge, 11), became: countedRestarted},
		}},
		"increments add up, and connections are totals all the same": {increments: true, steps: []step{
			{report: conns(1, 1, 100, 200), total: conns(1, 1, 100, 200)},
			{report: conns(3, 2, 10, 0), total: conns(3, 2, 110, 200)},
			{report: conns(3, 2, 10, 0), total: conns(3, 2, 120, 200)},
			{report: conns(1, 0, 5, 5), total: conns(4, 0, 125, 205), became: countedRestarted},
			{fresh: true, report: conns(2, 0, 1, 1), total: conns(6, 0, 126, 206), became: countedRestarted},
		}},
		"increments that nobody announced are noticed": {steps: []step{
			{report: conns(1, 0, 100, 200), total: conns(1, 0, 100, 200)},
			{report: conns(2, 0, 90, 10), total: conns(3, 0, 190, 210), became: countedRestarted},
			{report: conns(3, 0, 80, 9), total: conns(6, 0, 270, 219), became: countedRestarted},
			{report: conns(4, 0, 95, 9), total: conns(7, 0, 285, 219)},
			{report: conns(5, 0, 70, 8), total: conns(12, 0, 355, 227), became: countedRestarted, suspect: true},
			{report: conns(1, 0, 7, 7), total: conns(13, 0, 362, 234), became: countedRestarted}, // a restart: it may have been mended
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var c counter
			now := time.Date(2026, 11, 21, 5, 0, 0, 0, time.UTC)
			for i, s := range tc.steps {
				now = now.Add(max(s.after, 5*time.Second))
				c.Fresh = s.fresh
				if became := c.take(s.report, now, tc.increments); became != s.became || c.Total != s.total {
					t.Fatalf("report %d: %d, total %+v; want %d, %+v", i+1, became, c.Total, s.became, s.total)
				}
				if c.looksIncremental() != s.suspect {
					t.Errorf("report %d: looks incremental: %v", i+1, c.looksIncremental())
				}
			}
		})
	}
}

// Whatever is reported, a total never falls.
func TestTotalsNeverFall(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var c counter
		now := time.Date(2026, 11, 21, 5, 0, 0, 0, time.UTC)
		increments := rapid.Bool().Draw(rt, "increments")
		figure := rapid.OneOf(rapid.Uint64Range(0, 5), rapid.Uint64())
		for range rapid.IntRange(1, 30).Draw(rt, "reports") {
			before := c.Total
			if rapid.IntRange(0, 9).Draw(rt, "begins anew") == 0 {
				c.Fresh = c.Heard
			}
			s := Stats{figure.Draw(rt, "conns"), figure.Draw(rt, "open"), figure.Draw(rt, "in"), figure.Draw(rt, "out"), figure.Draw(rt, "errs")}
			now = now.Add(time.Duration(rapid.IntRange(0, 200).Draw(rt, "after")) * time.Second)
			c.take(s, now, increments)
			was, is := before.growing(), c.Total.growing()
			for i := range was {
				if *is[i] < *was[i] {
					rt.Fatalf("%+v after %+v made %+v of %+v", s, c.Last, c.Total, before)
				}
			}
			if int64(c.Total.CurrentConns) < 0 {
				rt.Fatalf("%d open connections", c.Total.CurrentConns)
			}
		}
	})
}

// A reporter that restarts now and then, and says so as GOST does, is counted
// exactly, whatever is repeated.
func TestTotalsAreThoseOfAllLives(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var c counter
		var truth, life Stats
		now := time.Date(2026, 11, 21, 5, 0, 0, 0, time.UTC)
		small := rapid.Uint64Range(0, 3)
		for range rapid.IntRange(1, 60).Draw(rt, "reports") {
			now = now.Add(5 * time.Second)
			switch rapid.IntRange(0, 9).Draw(rt, "what") {
			case 0:
				life, c.Fresh = Stats{}, c.Heard
			case 1, 2:
				if !c.Fresh {
					c.take(c.Last, now, false)
				}
			}
			more := Stats{TotalConns: small.Draw(rt, "conns"), InputBytes: small.Draw(rt, "in"), OutputBytes: small.Draw(rt, "out"), TotalErrs: small.Draw(rt, "errs")}
			add(&life, more)
			add(&truth, more)
			c.take(life, now, false)
		}
		if c.Total != truth {
			rt.Fatalf("counted %+v of %+v", c.Total, truth)
		}
	})
}

func add(to *Stats, more Stats) {
	for i, n := range more.growing() {
		*to.growing()[i] += *n
	}
}
