package observer

import (
	"math"
	"time"
)

// counter makes totals that never fall of what somebody reports: figures that begin
// at zero with each start of the reporter, that come twice, late, or wrapped.
type counter struct {
	KeptCounter

	// Of totals, what was counted lately, to recognise what comes late. These are not
	// kept: what was on its way then has come by now.
	recent  [8]moment
	next    int
	suspect *Stats // a decrease that looked late, and was not counted
	falls   int    // of bytes while connections did not fall, since a plain restart
}

// KeptCounter is what is kept of a subject's figures.
type KeptCounter struct {
	Total Stats `json:"total"` // of all the reporter's lives that we have heard of
	Last  Stats `json:"last"`  // as they came last
	Heard bool  `json:"heard"` // Last is something
	// Fresh: the reporter has begun anew, so its next figures count from zero, however
	// large they are.
	Fresh bool `json:"fresh,omitempty"`
}

type moment struct {
	at time.Time
	s  Stats
}

// lateness is how long a report may be on its way.
const lateness = 2 * time.Minute

// counted is what became of figures.
type counted int

const (
	countedNews      counted = iota
	countedRepeat            // they are known already
	countedLate              // they are older than what is known
	countedRestarted         // they count from zero
	countedWrapped           // one of them has passed the largest number there is
)

// take counts what was reported. With increments the bytes in s are since the
// report before; such a report that comes twice can't be recognised here.
func (c *counter) take(s Stats, at time.Time, increments bool) counted {
	if int64(s.CurrentConns) < 0 { // one was closed more often than opened, as some GOSTs count
		s.CurrentConns = 0
	}
	switch {
	case !c.Heard || c.Fresh:
		restarted := c.Heard
		c.falls = 0
		c.restart(s)
		c.note(s, at)
		if restarted {
			return countedRestarted
		}
		return countedNews
	case increments:
		return c.takeIncrements(s, at)
	case s == c.Last:
		c.suspect = nil
		return countedRepeat
	}
	fell, wrapped := c.compare(s)
	if !fell {
		c.suspect = nil
		c.grow(s)
		c.note(s, at)
		if wrapped {
			return countedWrapped
		}
		return countedNews
	}
	// Lower figures are those of a new life, or old ones that were stuck on their way:
	// such have been seen before. A second report that is lower as well, and no repeat
	// of the first, settles it.
	if c.seen(s, at) && (c.suspect == nil || *c.suspect == s) {
		c.suspect = &s
		return countedLate
	}
	c.noteFall(s)
	c.restart(s)
	c.note(s, at)
	return countedRestarted
}

func (c *counter) takeIncrements(s Stats, at time.Time) counted {
	became := countedNews
	if s.TotalConns < c.Last.TotalConns || s.TotalErrs < c.Last.TotalErrs {
		became = countedRestarted
	}
	c.Total.TotalConns = sum(c.Total.TotalConns, grown(c.Last.TotalConns, s.TotalConns))
	c.Total.TotalErrs = sum(c.Total.TotalErrs, grown(c.Last.TotalErrs, s.TotalErrs))
	c.Total.InputBytes = sum(c.Total.InputBytes, s.InputBytes)
	c.Total.OutputBytes = sum(c.Total.OutputBytes, s.OutputBytes)
	c.Total.CurrentConns = s.CurrentConns
	c.Last = s
	c.note(s, at)
	return became
}

// compare says whether any of the figures that only grow has fallen, or wrapped.
func (c *counter) compare(s Stats) (fell, wrapped bool) {
	was, is := c.Last.growing(), s.growing()
	for i := range was {
		if *is[i] >= *was[i] {
			continue
		}
		if wraps(*was[i], *is[i]) {
			wrapped = true
		} else {
			fell = true
		}
	}
	return fell, wrapped
}

// wraps says whether a fall is that of a number which has passed the largest there
// is: from the highest sixteenth of all to the lowest.
func wraps(was, is uint64) bool { return was >= 15<<60 && is < 1<<60 }

// grow counts figures of the same life.
func (c *counter) grow(s Stats) {
	was, is, total := c.Last.growing(), s.growing(), c.Total.growing()
	for i := range total {
		*total[i] = sum(*total[i], *is[i]-*was[i]) // modulo 2^64, as they wrap
	}
	c.Total.CurrentConns = s.CurrentConns
	c.Last = s
}

// restart counts figures from zero.
func (c *counter) restart(s Stats) {
	c.Heard, c.Fresh, c.suspect = true, false, nil
	c.recent, c.next = [8]moment{}, 0
	is, total := s.growing(), c.Total.growing()
	for i := range total {
		*total[i] = sum(*total[i], *is[i])
	}
	c.Total.CurrentConns = s.CurrentConns
	c.Last = s
}

// growing are the figures that only grow.
func (s *Stats) growing() [4]*uint64 {
	return [4]*uint64{&s.TotalConns, &s.InputBytes, &s.OutputBytes, &s.TotalErrs}
}

// sum stays at the largest number there is: a total never falls.
func sum(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}

func (c *counter) note(s Stats, at time.Time) {
	c.recent[c.next] = moment{at, s}
	c.next = (c.next + 1) % len(c.recent)
}

func (c *counter) seen(s Stats, at time.Time) bool {
	for _, m := range c.recent {
		if m.s == s && !m.at.IsZero() && at.Sub(m.at) <= lateness {
			return true
		}
	}
	return false
}

// noteFall looks for figures that are increments though nobody said so: a new life
// has no more connections than the one before only by chance.
func (c *counter) noteFall(s Stats) {
	bytesFell := s.InputBytes < c.Last.InputBytes || s.OutputBytes < c.Last.OutputBytes
	if bytesFell && s.TotalConns >= c.Last.TotalConns && s.TotalErrs >= c.Last.TotalErrs {
		c.falls++
		return
	}
	c.falls = 0
}

// looksIncremental says that the totals are probably wrong, because the reporter's
// bytes are increments and it was not said so.
func (c *counter) looksIncremental() bool { return c.falls >= 3 }
