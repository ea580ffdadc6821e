package telemetry

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// cell accumulates one stage of one name.
type cell struct {
	metric string
	key    cellKey
	timers [2]*Timer // go, no-go; since the start

	mu     sync.Mutex
	policy *Policy
	period period
	mean   decayingMean
}

// period is what has come in since the latest report.
type period struct {
	first    time.Time
	outcomes [2]Aggregate // go, no-go
}

// Aggregate is what is kept of any number of events.
type Aggregate struct {
	Count    uint64
	Sum      time.Duration
	Min, Max time.Duration // 0 where Count is
}

// Mean is 0 where nothing has happened.
func (a Aggregate) Mean() time.Duration {
	if a.Count == 0 {
		return 0
	}
	return a.Sum / time.Duration(a.Count)
}

func (a *Aggregate) add(d time.Duration) {
	if a.Count == 0 || d < a.Min {
		a.Min = d
	}
	a.Max = max(a.Max, d)
	a.Count++
	a.Sum += d
}

func (c *cell) add(took time.Duration, well bool) (report Report, outlier bool) {
	took, i := max(took, 0), 0
	if !well {
		i = 1
	}
	c.timers[i].Observe(took)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.period.outcomes[i].add(took)
	if c.policy == nil || c.policy.OutlierPercent <= 0 || !well {
		return Report{}, false
	}
	now := time.Now()
	mean, contributors := c.mean.at(now, c.policy.HalfLife)
	c.mean.add(took)
	if contributors < float64(max(c.policy.MinOutlier, 1)) || math.Abs(float64(took)-mean) <= mean*c.policy.OutlierPercent/100 {
		return Report{}, false
	}
	return Report{
		Policy: c.policy.Name, To: c.policy.To, Metric: c.metric, First: now, At: now,
		Outlier: true, Value: took, Usual: time.Duration(mean),
	}, true
}

// decayingMean forgets half of its weight in each half-life.
type decayingMean struct {
	sum, weight float64
	seen        time.Time
}

// at gives the mean and how many events it stands for, after it has aged.
func (m *decayingMean) at(now time.Time, halfLife time.Duration) (mean, contributors float64) {
	if halfLife > 0 && !m.seen.IsZero() {
		left := math.Exp2(-float64(now.Sub(m.seen)) / float64(halfLife))
		m.sum, m.weight = m.sum*left, m.weight*left
	}
	m.seen = now
	if m.weight == 0 {
		return 0, 0
	}
	return m.sum / m.weight, m.weight
}

func (m *decayingMean) add(took time.Duration) {
	m.sum, m.weight = m.sum+float64(took), m.weight+1
}

// bind puts the cell under another policy; what has accumulated stays.
func (c *cell) bind(p *Policy) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.policy = p
}

// take gives a report of what has come in, if there is any, and begins
// anew.
func (c *cell) take(now time.Time, policy string) (Report, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.policy
	if p == nil || p.Name != policy || c.period.outcomes[0].Count+c.period.outcomes[1].Count == 0 {
		return Report{}, false
	}
	r := Report{
		Policy: p.Name, To: p.To, Metric: c.metric, First: c.period.first, At: now,
		Go: c.period.outcomes[0], NoGo: c.period.outcomes[1],
	}
	c.period = period{first: now}
	return r, true
}

// tally counts the faults of one name by their kind.
type tally struct {
	metric string
	name   string
	totals *prometheus.CounterVec

	mu     sync.Mutex
	policy *Policy
	first  time.Time
	kinds  map[tag]*kind
}

type tag struct {
	stage Stage
	fault string
}

type kind struct {
	total  prometheus.Counter
	period uint64
}

func (t *tally) add(stage Stage, fault string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := tag{stage, fault}
	k := t.kinds[key]
	if k == nil {
		k = &kind{total: t.totals.WithLabelValues(t.name, string(stage), fault)}
		t.kinds[key] = k
	}
	k.total.Inc()
	k.period++
}

func (t *tally) bind(p *Policy) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.policy = p
}

func (t *tally) take(now time.Time, policy string) (Report, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.policy
	if p == nil || p.Name != policy {
		return Report{}, false
	}
	r := Report{Policy: p.Name, To: p.To, Metric: t.metric, First: t.first, At: now}
	for _, key := range slices.SortedFunc(maps.Keys(t.kinds), compareTags) {
		if k := t.kinds[key]; k.period > 0 {
			r.Faults = append(r.Faults, FaultCount{Stage: key.stage, Fault: key.fault, Count: k.period})
			k.period = 0
		}
	}
	t.first = now
	return r, len(r.Faults) > 0
}

func compareTags(a, b tag) int {
	return cmp.Or(cmp.Compare(a.stage, b.stage), cmp.Compare(a.fault, b.fault))
}
