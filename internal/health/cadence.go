package health

import (
	"slices"
	"time"
)

const (
	// cadenceGaps is how many gaps between frames are remembered.
	cadenceGaps = 16
	// cadenceSure is how many gaps it takes to trust what they say.
	cadenceSure = 3
	// cadenceStands is for how many of its own lengths an estimate stands against
	// smaller ones.
	cadenceStands = 10
	// cadenceUnsure is the least window until then: labs send one frame a minute
	// (relay: every 61 s), so after a first frame two minutes of silence still say
	// nothing.
	cadenceUnsure = 2 * time.Minute
)

// Cadence learns how often a source sends frames, from the times at which they
// come. The services don't tell, and labs run them at anything from one second
// to a minute. The zero value is ready, and knows nothing.
//
// The estimate is the second largest of the latest 16 gaps. Anybody on the same
// feed can ask for a frame at once, which makes gaps shorter than the cadence, in
// whatever number: hence not a mean. And one hang makes one gap that is longer:
// hence not the largest. So that a burst of such requests doesn't push the real
// gaps out of memory, an estimate also stands for ten of its own cadences before a
// smaller one takes its place.
type Cadence struct {
	last time.Time // of the latest frame; zero: the next frame begins, its gap doesn't count
	gaps [cadenceGaps]time.Duration
	n    int           // gaps seen since the beginning; the latest are kept
	kept time.Duration // what was known before the beginning

	high   time.Duration // the largest estimate since the beginning that is not too old
	highAt time.Time
}

// Frame observes a frame that came on the same unbroken connection as the one
// before it. Several frames of one moment count as one.
func (c *Cadence) Frame(at time.Time) {
	if c.last.IsZero() {
		c.kept, c.n, c.high = c.Value(), 0, 0
		c.last = at
		return
	}
	gap := at.Sub(c.last)
	c.last = at
	if gap <= 0 {
		return
	}
	c.gaps[c.n%cadenceGaps] = gap
	c.n++
	if c.n == 2*cadenceGaps {
		c.n = cadenceGaps // the same place in the ring; only "enough" matters from here
	}
	if c.n < cadenceSure {
		return
	}
	if latest := c.estimate(); latest >= c.high || at.Sub(c.highAt) > cadenceStands*c.high {
		c.high, c.highAt = latest, at
	}
}

// estimate is the second largest of the gaps that are remembered.
func (c *Cadence) estimate() time.Duration {
	seen := min(c.n, cadenceGaps)
	sorted := c.gaps
	slices.Sort(sorted[:seen])
	return sorted[seen-2]
}

// Break says that the connection broke: the time until the next frame is no
// cadence, and learning begins again with it, since the service may have been
// restarted with another one. What is known stands meanwhile.
func (c *Cadence) Break() { c.last = time.Time{} }

// Seed gives the cadence that was learned before a restart. It stands until
// frames say otherwise; it changes nothing once they have.
func (c *Cadence) Seed(d time.Duration) {
	if d > 0 && c.n == 0 {
		c.kept = d
	}
}

// Value is the usual time between frames, 0 while nothing is known of it. Until
// three gaps have been seen a gap may raise it and none lowers it: a first gap is
// short where somebody asked for a frame.
func (c *Cadence) Value() time.Duration {
	seen := min(c.n, cadenceGaps)
	if seen < cadenceSure {
		v := c.kept
		for _, g := range c.gaps[:seen] {
			v = max(v, g)
		}
		return v
	}
	return c.high
}

// Window is how old the latest frame may be while its source is still taken to
// be reporting: least, as configured, or two and a half cadences where that is
// more, so that one frame lost or late is no silence.
//
// It is no less than two minutes until three gaps have been seen, counted from
// the first frame ever or the first after a Break. Between a Break and that first
// frame what was known before it decides; a source of which nothing was known has
// its two minutes.
func (c *Cadence) Window(least time.Duration) time.Duration {
	v := c.Value()
	w := max(least, v*5/2)
	waiting := c.last.IsZero() && v > 0
	if c.n < cadenceSure && !waiting {
		w = max(w, cadenceUnsure)
	}
	return w
}
