package telemetry

import (
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"labstatus/internal/health"
)

// sample is one gauge of an experiment. There may be fifty thousand of them in a
// scrape, so they and all that hangs from them are made in a few large pieces.
type sample struct {
	desc   *prometheus.Desc
	labels []*dto.LabelPair
	gauge  *dto.Gauge
}

var _ prometheus.Metric = (*sample)(nil)

// Desc implements prometheus.Metric.
func (s *sample) Desc() *prometheus.Desc { return s.desc }

// Write implements prometheus.Metric.
func (s *sample) Write(m *dto.Metric) error {
	m.Label, m.Gauge = s.labels, s.gauge
	return nil
}

// slab gives samples out of memory that was made at once.
type slab struct {
	samples []sample
	gauges  []dto.Gauge
	values  []float64
	pairs   []dto.LabelPair
	labels  []*dto.LabelPair
}

// newSlab makes room for n samples of some experiments.
func newSlab(n, experiments int) *slab {
	return &slab{
		samples: make([]sample, n), gauges: make([]dto.Gauge, n), values: make([]float64, n),
		pairs: make([]dto.LabelPair, n+experiments), labels: make([]*dto.LabelPair, 2*n),
	}
}

// Names of labels, to be pointed at.
var (
	labelExperiment = "experiment"
	labelResource   = "resource"
	labelStream     = "stream"
)

func (s *slab) pair(name, value *string) *dto.LabelPair {
	p := &s.pairs[0]
	s.pairs = s.pairs[1:]
	p.Name, p.Value = name, value
	return p
}

// sample takes labels in the order of their names.
func (s *slab) sample(d *prometheus.Desc, v float64, labels ...*dto.LabelPair) *sample {
	m, g := &s.samples[0], &s.gauges[0]
	s.values[0] = v
	g.Value = &s.values[0]
	n := copy(s.labels, labels)
	m.desc, m.gauge, m.labels = d, g, s.labels[:n:n]
	s.samples, s.gauges, s.values, s.labels = s.samples[1:], s.gauges[1:], s.values[1:], s.labels[n:]
	return m
}

// experiments leaves out names that aren't text: they can't be labels, and one of
// them would cost the whole scrape.
func (c collection) experiments(all []*health.Report) {
	n := 0
	for _, r := range all {
		n += 1 + len(r.Resources) + len(r.Streams)
	}
	s := newSlab(n, len(all))
	for _, r := range all {
		if !utf8.ValidString(r.Name) {
			continue
		}
		name := s.pair(&labelExperiment, &r.Name)
		c.out <- s.sample(descExpHealthy, bit(r.Healthy), name)
		for i := range r.Resources {
			if x := &r.Resources[i]; x.Known && utf8.ValidString(x.Name) {
				c.out <- s.sample(descExpAvail, bit(x.Available), name, s.pair(&labelResource, &x.Name))
			}
		}
		for i := range r.Streams {
			if x := &r.Streams[i]; !x.LastActive.IsZero() && utf8.ValidString(x.Topic) {
				c.out <- s.sample(descExpActive, c.age(x.LastActive), name, s.pair(&labelStream, &x.Topic))
			}
		}
	}
}
