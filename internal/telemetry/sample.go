package telemetry

import (
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"labstatus/internal/health"
)

// sample is one series of an experiment or of something observed. There may be a
// hundred thousand of them in a scrape, so they and all that hangs from them are made
// in a few large pieces.
type sample struct {
	desc    *prometheus.Desc
	labels  []*dto.LabelPair
	gauge   *dto.Gauge // or
	counter *dto.Counter
}

var _ prometheus.Metric = (*sample)(nil)

// Desc implements prometheus.Metric.
func (s *sample) Desc() *prometheus.Desc { return s.desc }

// Write implements prometheus.Metric.
func (s *sample) Write(m *dto.Metric) error {
	m.Label, m.Gauge, m.Counter = s.labels, s.gauge, s.counter
	return nil
}

// room is for how many of each a [slab] has memory.
type room struct{ gauges, counters, pairs, labels int }

// slab gives samples out of memory that was made at once.
type slab struct {
	samples  []sample
	gauges   []dto.Gauge
	counters []dto.Counter
	values   []float64
	pairs    []dto.LabelPair
	lists    []*dto.LabelPair
}

func newSlab(r room) *slab {
	n := r.gauges + r.counters
	return &slab{
		samples: make([]sample, n), gauges: make([]dto.Gauge, r.gauges), counters: make([]dto.Counter, r.counters),
		values: make([]float64, n), pairs: make([]dto.LabelPair, r.pairs), lists: make([]*dto.LabelPair, r.labels),
	}
}

// Names of labels, to be pointed at.
var (
	labelClient     = "client"
	labelExperiment = "experiment"
	labelKind       = "kind"
	labelResource   = "resource"
	labelService    = "service"
	labelSource     = "source"
	labelState      = "state"
	labelStream     = "stream"
	labelTunnel     = "tunnel"
)

func (s *slab) pair(name, value *string) *dto.LabelPair {
	p := &s.pairs[0]
	s.pairs = s.pairs[1:]
	p.Name, p.Value = name, value
	return p
}

// labels lists the labels of one sample or of several, in the order of their names.
func (s *slab) labels(pairs ...*dto.LabelPair) []*dto.LabelPair {
	n := copy(s.lists, pairs)
	list := s.lists[:n:n]
	s.lists = s.lists[n:]
	return list
}

func (s *slab) sample(d *prometheus.Desc, v float64, labels []*dto.LabelPair) (m *sample, value *float64) {
	m, value = &s.samples[0], &s.values[0]
	s.samples, s.values = s.samples[1:], s.values[1:]
	m.desc, m.labels, *value = d, labels, v
	return m, value
}

func (s *slab) gauge(d *prometheus.Desc, v float64, labels []*dto.LabelPair) *sample {
	m, value := s.sample(d, v, labels)
	m.gauge = &s.gauges[0]
	m.gauge.Value = value
	s.gauges = s.gauges[1:]
	return m
}

func (s *slab) counter(d *prometheus.Desc, v uint64, labels []*dto.LabelPair) *sample {
	m, value := s.sample(d, float64(v), labels)
	m.counter = &s.counters[0]
	m.counter.Value = value
	s.counters = s.counters[1:]
	return m
}

// experiments leaves out names that aren't text: they can't be labels, and one of
// them would cost the whole scrape.
func (c collection) experiments(all []*health.Report) {
	n := 0
	for _, r := range all {
		n += 1 + len(r.Resources) + len(r.Streams)
	}
	s := newSlab(room{gauges: n, pairs: n + len(all), labels: 2 * n})
	for _, r := range all {
		if !utf8.ValidString(r.Name) {
			continue
		}
		name := s.pair(&labelExperiment, &r.Name)
		c.out <- s.gauge(descExpHealthy, bit(r.Healthy), s.labels(name))
		for i := range r.Resources {
			if x := &r.Resources[i]; x.Known && utf8.ValidString(x.Name) {
				c.out <- s.gauge(descExpAvail, bit(x.Available), s.labels(name, s.pair(&labelResource, &x.Name)))
			}
		}
		for i := range r.Streams {
			if x := &r.Streams[i]; !x.LastActive.IsZero() && utf8.ValidString(x.Topic) {
				c.out <- s.gauge(descExpActive, c.age(x.LastActive), s.labels(name, s.pair(&labelStream, &x.Topic)))
			}
		}
	}
}
