package statusport

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// Value is one number under a dotted name, as /_metrics and the pushes have it.
type Value struct {
	Metric    string  `json:"metric"`
	Value     float64 `json:"value"`
	Timestamp int64   `json:"timestamp"` // Unix seconds
	Hostname  string  `json:"hostname"`
}

// Timer is a distribution of times, in seconds.
type Timer struct {
	Name               string // dotted, without prefix
	Count              uint64
	Min, Max, Mean     float64
	P50, P75, P95, P99 float64
}

// Values gives everything there is to show, sorted by name, all at one time. Where
// a collector fails, what the others gave is there, with the error.
func (p *Port) Values() ([]Value, error) {
	families, err := p.o.Gatherer.Gather()
	f := flat{prefix: p.o.Prefix, now: time.Now().Unix(), host: p.hostname}
	for _, family := range families {
		f.family(family)
	}
	f.aliases(families)
	if p.o.Timers != nil {
		for _, t := range p.o.Timers() {
			f.timer(t)
		}
	}
	slices.SortFunc(f.values, func(a, b Value) int { return cmp.Compare(a.Metric, b.Metric) })
	if err != nil {
		err = fmt.Errorf("gather the metrics: %w", err)
	}
	return f.values, err
}

// flat turns families into values.
type flat struct {
	prefix, host string // prefix is empty: names are whole
	now          int64
	values       []Value
}

// add leaves out what is no number: JSON has no word for it.
func (f *flat) add(name string, v float64) {
	if !math.IsNaN(v) && !math.IsInf(v, 0) {
		if f.prefix != "" {
			name = f.prefix + "." + name
		}
		f.values = append(f.values, Value{Metric: name, Value: v, Timestamp: f.now, Hostname: f.host})
	}
}

// family names a series by its family, without the status_ that the prefix stands
// for, followed by its labels' values in the order of the labels' names.
func (f *flat) family(family *dto.MetricFamily) {
	name := strings.TrimPrefix(family.GetName(), "status_")
	for _, m := range family.GetMetric() {
		parts := []string{name}
		for _, l := range m.GetLabel() {
			parts = append(parts, clean(l.GetValue()))
		}
		series := strings.Join(parts, ".")
		switch family.GetType() {
		case dto.MetricType_COUNTER:
			f.add(series, m.GetCounter().GetValue())
		case dto.MetricType_GAUGE:
			f.add(series, m.GetGauge().GetValue())
		case dto.MetricType_UNTYPED:
			f.add(series, m.GetUntyped().GetValue())
		case dto.MetricType_SUMMARY:
			f.summary(series, m.GetSummary())
		case dto.MetricType_HISTOGRAM, dto.MetricType_GAUGE_HISTOGRAM:
			if !strings.HasSuffix(name, "_duration_seconds") { // a Timer has it, exactly
				f.histogram(series, m.GetHistogram())
			}
		}
	}
}

// clean makes a label's value a part of a dotted name.
func clean(value string) string {
	return cmp.Or(strings.Map(func(r rune) rune {
		if r == '.' || r <= ' ' || r == '/' || r == 0x7f {
			return '_'
		}
		return r
	}, value), "_")
}

func (f *flat) timer(t Timer) {
	f.add(t.Name+".count", float64(t.Count))
	for _, part := range []struct {
		name  string
		value float64
	}{
		{"min", t.Min}, {"max", t.Max}, {"mean", t.Mean},
		{"50-percentile", t.P50}, {"75-percentile", t.P75}, {"95-percentile", t.P95}, {"99-percentile", t.P99},
	} {
		f.add(t.Name+"."+part.name, part.value)
	}
}

// summary gives the quantiles that there are; a program's own may lack some.
func (f *flat) summary(name string, s *dto.Summary) {
	f.add(name+".count", float64(s.GetSampleCount()))
	f.add(name+".mean", mean(s.GetSampleSum(), s.GetSampleCount()))
	for _, q := range s.GetQuantile() {
		switch at := q.GetQuantile(); at {
		case 0:
			f.add(name+".min", q.GetValue())
		case 1:
			f.add(name+".max", q.GetValue())
		default:
			f.add(name+"."+strconv.FormatFloat(at*100, 'g', 6, 64)+"-percentile", q.GetValue())
		}
	}
}

// histogram knows a value no better than by the bounds of its bucket: a percentile
// is the upper bound of the bucket that it is in.
func (f *flat) histogram(name string, h *dto.Histogram) {
	total := h.GetSampleCount()
	f.add(name+".count", float64(total))
	f.add(name+".mean", mean(h.GetSampleSum(), total))
	for _, percent := range []float64{50, 75, 95, 99} {
		for _, b := range h.GetBucket() {
			if total > 0 && float64(b.GetCumulativeCount()) >= percent/100*float64(total) {
				f.add(fmt.Sprintf("%s.%g-percentile", name, percent), b.GetUpperBound())
				break
			}
		}
	}
}

func mean(sum float64, count uint64) float64 {
	if count == 0 {
		return 0
	}
	return sum / float64(count)
}

// json answers with an array, one object for each value.
func (p *Port) json(w http.ResponseWriter, _ *http.Request) {
	values, err := p.Values()
	if err != nil && p.o.Log != nil {
		p.o.Log.WithError(err).Error("some metrics are missing")
	}
	text, err := encode(values)
	if err != nil {
		http.Error(w, "the metrics can't be worded: "+err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, http.StatusOK, "application/json", text)
}

// encode gives [] where there is nothing.
func encode(values []Value) ([]byte, error) {
	if values == nil {
		values = []Value{}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(values)
	return b.Bytes(), err
}
