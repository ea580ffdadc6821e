package telemetry

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Stage is a part of getting something done over a connection.
type Stage string

// Stages, in the order in which they are passed.
const (
	StageDNS     Stage = "dns"
	StageTCP     Stage = "tcp"
	StageTLS     Stage = "tls"
	StageUpgrade Stage = "upgrade" // a websocket's handshake
	StageHTTP    Stage = "http"    // from having a connection to the answer's head
)

// A stage ends well or doesn't; one that we cancelled ourselves didn't happen.
const (
	outcomeGo   = "go"
	outcomeNoGo = "no-go"
)

// Stages times the stages of connections, by the name of the dialer and the
// stage. It is a prometheus.Collector: that view never forgets. What accumulates
// for reports besides, and when it is reported and begun anew, is up to the
// policies. The nil *Stages can be called and does nothing.
type Stages struct {
	prefix   string
	times    *prometheus.HistogramVec
	min, max *prometheus.Desc
	failures *prometheus.CounterVec
	lost     prometheus.Counter

	mu       sync.RWMutex
	cells    map[cellKey]*cell
	tallies  map[string]*tally
	policies []Policy

	outliers chan Report   // on their way to Run
	changed  chan struct{} // the policies are others
}

type cellKey struct {
	name  string
	stage Stage
}

// NewStages makes stages without policies. Every metric's name, as policies and
// reports have it, begins with the prefix and a dot, unless it is empty: with the
// prefix lab, looking up book's address is lab.book.dns, and what failed there is
// counted in lab.book.failures.
func NewStages(prefix string) *Stages {
	labels := []string{"dialer_name", "stage", "outcome"}
	return &Stages{
		prefix: prefix,
		times: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "status_stage_duration_seconds", Buckets: stageBounds,
			Help: "How long the stages of connections took, by how they ended.",
		}, labels),
		min: prometheus.NewDesc("status_stage_duration_min_seconds", "The shortest time that a stage has taken since the start.", labels, nil),
		max: prometheus.NewDesc("status_stage_duration_max_seconds", "The longest time that a stage has taken since the start.", labels, nil),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "status_stage_failures_total", Help: "Stages that ended badly, by what was wrong.",
		}, []string{"dialer_name", "stage", "fault"}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "status_stage_outliers_lost_total", Help: "Outliers that were not reported, as too many came at once.",
		}),
		cells: map[cellKey]*cell{}, tallies: map[string]*tally{},
		outliers: make(chan Report, 64), changed: make(chan struct{}, 1),
	}
}

// Observe adds one passing of a stage under a dialer's name: err nil is go,
// anything else no-go, except that what was cancelled isn't counted. Nothing is
// allocated, except at the first of its kind.
func (s *Stages) Observe(name string, stage Stage, took time.Duration, err error) {
	if err == nil {
		s.observe(name, stage, took, "")
	} else if !errors.Is(err, context.Canceled) {
		s.observe(name, stage, took, faultOf(stage, err))
	}
}

// observe takes the empty fault for go.
func (s *Stages) observe(name string, stage Stage, took time.Duration, fault string) {
	if s == nil {
		return
	}
	name = cmp.Or(name, "default")
	c := s.cell(cellKey{name, stage})
	if report, outlier := c.add(took, fault == ""); outlier {
		select {
		case s.outliers <- report:
		default:
			s.lost.Inc() // whoever observes waits for nobody
		}
	}
	if fault != "" {
		s.tally(name).add(stage, fault)
	}
}

func (s *Stages) cell(key cellKey) *cell {
	s.mu.RLock()
	c := s.cells[key]
	s.mu.RUnlock()
	if c != nil {
		return c
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.cells[key]; c != nil {
		return c
	}
	c = &cell{metric: s.metric(key.name, string(key.stage)), key: key}
	for i, outcome := range [...]string{outcomeGo, outcomeNoGo} {
		c.timers[i] = newTimer("stage."+key.name+"."+string(key.stage)+"."+outcome, s.times.WithLabelValues(key.name, string(key.stage), outcome))
	}
	c.period.first = time.Now()
	c.bind(policyFor(s.policies, c.metric))
	s.cells[key] = c
	return c
}

func (s *Stages) tally(name string) *tally {
	s.mu.RLock()
	t := s.tallies[name]
	s.mu.RUnlock()
	if t != nil {
		return t
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tallies[name]; t != nil {
		return t
	}
	t = &tally{metric: s.metric(name, "failures"), name: name, totals: s.failures, first: time.Now(), kinds: map[tag]*kind{}}
	t.policy = policyFor(s.policies, t.metric)
	s.tallies[name] = t
	return t
}

func (s *Stages) metric(name, what string) string {
	if s.prefix == "" {
		return name + "." + what
	}
	return s.prefix + "." + name + "." + what
}

// Timers gives how long every stage has taken, by name, stage and outcome.
func (s *Stages) Timers() []TimerSummary {
	var all []TimerSummary
	for _, c := range s.sorted() {
		for _, t := range c.timers {
			if summary := t.Summary(); summary.Count > 0 {
				all = append(all, summary)
			}
		}
	}
	return all
}

func (s *Stages) sorted() []*cell {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.SortedFunc(maps.Values(s.cells), func(a, b *cell) int { return cmp.Compare(a.metric, b.metric) })
}

// Describe implements prometheus.Collector.
func (s *Stages) Describe(out chan<- *prometheus.Desc) {
	s.times.Describe(out)
	s.failures.Describe(out)
	s.lost.Describe(out)
	out <- s.min
	out <- s.max
}

// Collect implements prometheus.Collector.
func (s *Stages) Collect(out chan<- prometheus.Metric) {
	s.times.Collect(out)
	s.failures.Collect(out)
	s.lost.Collect(out)
	for _, c := range s.sorted() {
		for i, outcome := range [...]string{outcomeGo, outcomeNoGo} {
			shortest, longest, any := c.timers[i].extremes()
			if !any {
				continue
			}
			labels := []string{c.key.name, string(c.key.stage), outcome}
			out <- prometheus.MustNewConstMetric(s.min, prometheus.GaugeValue, shortest, labels...)
			out <- prometheus.MustNewConstMetric(s.max, prometheus.GaugeValue, longest, labels...)
		}
	}
}

var _ prometheus.Collector = (*Stages)(nil)
