package health_test

import (
	"testing"
	"time"

	"labstatus/internal/health"
)

// feed gives the cadence frames with the given gaps between them, after a first.
func feed(c *health.Cadence, from time.Time, gaps ...time.Duration) time.Time {
	c.Frame(from)
	for _, g := range gaps {
		from = from.Add(g)
		c.Frame(from)
	}
	return from
}

func repeat(n int, d time.Duration) []time.Duration {
	gaps := make([]time.Duration, n)
	for i := range gaps {
		gaps[i] = d
	}
	return gaps
}

func TestCadenceValue(t *testing.T) {
	t.Parallel()
	t0 := time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC)
	s := time.Second
	for _, c := range []struct {
		name string
		gaps []time.Duration
		want time.Duration
	}{
		{"no gap", nil, 0},
		{"one gap", []time.Duration{6 * s}, 6 * s},
		{"two gaps: the larger", []time.Duration{s, 6 * s}, 6 * s},
		{"three gaps: the second largest", []time.Duration{6 * s, 7 * s, 6 * s}, 6 * s},
		{"a single hang is no cadence", append(repeat(8, 6*s), 300*s), 6 * s},
		{"frames that others asked for", []time.Duration{61 * s, s, s, s, 61 * s, s, s, s, s, s}, 61 * s},
		{"frames of one moment are one", []time.Duration{5 * s, 0, 5 * s, 0, 5 * s, 0}, 5 * s},
		{"a quicker cadence is learned", append(repeat(20, 61*s), repeat(120, 6*s)...), 6 * s},
		{"but not at once", append(repeat(20, 61*s), repeat(90, 6*s)...), 61 * s},
		{"a burst of requests teaches nothing", append(repeat(20, 61*s), repeat(60, s)...), 61 * s},
		{"a slower one from its second frame", append(repeat(100, 6*s), 61*s, 61*s), 61 * s},
	} {
		t.Run(c.name, func(t *testing.T) {
			var cad health.Cadence
			feed(&cad, t0, c.gaps...)
			if got := cad.Value(); got != c.want {
				t.Errorf("Value() = %v, want %v", got, c.want)
			}
		})
	}
}

func TestCadenceWindow(t *testing.T) {
	t.Parallel()
	t0 := time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC)
	const s = time.Second
	var c health.Cadence
	check := func(when string, want time.Duration) {
		t.Helper()
		if got := c.Window(30 * s); got != want {
			t.Errorf("%s: Window(30s) = %v, want %v", when, got, want)
		}
	}
	check("nothing known", 120*s)
	at := feed(&c, t0)
	check("after a first frame", 120*s)
	at = at.Add(60 * s)
	c.Frame(at)
	check("one gap of a minute", 150*s)
	for range 2 {
		at = at.Add(60 * s)
		c.Frame(at)
	}
	check("three gaps of a minute", 150*s)

	c = health.Cadence{}
	at = feed(&c, t0, 6*s, 6*s)
	check("two gaps of 6 s", 120*s)
	at = at.Add(6 * s)
	c.Frame(at)
	check("three gaps of 6 s", 30*s)
	if got := c.Window(10 * s); got != 15*s {
		t.Errorf("Window(10s) = %v, want two and a half cadences", got)
	}

	c.Break()
	check("broken: what was known decides", 30*s)
	at = at.Add(time.Hour)
	c.Frame(at)
	if got := c.Value(); got != 6*s {
		t.Errorf("the gap across a break was counted: %v", got)
	}
	check("first frame after a break", 120*s)
	for range 3 {
		at = at.Add(61 * s)
		c.Frame(at)
	}
	check("restarted with another cadence", 152500*time.Millisecond)
}

func TestCadenceSeed(t *testing.T) {
	t.Parallel()
	t0 := time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC)
	var c health.Cadence
	c.Seed(-time.Second)
	if c.Value() != 0 {
		t.Error("a senseless seed was taken")
	}
	c.Seed(time.Minute)
	if got := c.Window(30 * time.Second); got != 150*time.Second {
		t.Errorf("seeded, before any frame: window %v", got)
	}
	at := feed(&c, t0, time.Second)
	if got := c.Value(); got != time.Minute {
		t.Errorf("one short gap overruled the seed: %v", got)
	}
	c.Frame(at.Add(time.Second))
	c.Frame(at.Add(2 * time.Second))
	if got := c.Value(); got != time.Second {
		t.Errorf("three gaps did not overrule the seed: %v", got)
	}
	c.Seed(time.Hour)
	if got := c.Value(); got != time.Second {
		t.Errorf("a late seed overruled what was learned: %v", got)
	}
}
