package telemetry

import (
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"labstatus/internal/health"
)

// MetricsOptions say what [Metrics] are of.
type MetricsOptions struct {
	Sources Sources
	Version string
	Started time.Time
	// PerExperiment adds series for each experiment, resource and stream, and for each
	// tunnel and whatever else reports to us: with 10,000 experiments that is some
	// 50,000 series, with 20,000 services and clients that report 140,000.
	PerExperiment bool
}

// Metrics show the laboratory and the server to Prometheus. Almost everything is
// read from the latest snapshot and the parts' own counts when somebody scrapes;
// only what can't be read afterwards is counted as it happens.
type Metrics struct {
	o     MetricsOptions
	build prometheus.Metric

	events       *prometheus.CounterVec
	told         *prometheus.CounterVec
	availability *prometheus.CounterVec
	frames       *prometheus.CounterVec
	reports      *prometheus.CounterVec
	commits      *prometheus.CounterVec
	alerts       prometheus.Counter
	turn, step   *Timer
	commit       *Timer
	decode       map[health.Source]*Timer
	vectors      []prometheus.Collector // all of the above, to be collected

	available map[string]bool // by resource, as book last said; the loop's own
}

// Bounds of what is timed within the process, in seconds.
var innerBounds = []float64{.00001, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}

// NewMetrics makes metrics; they are a prometheus.Collector.
func NewMetrics(o MetricsOptions) *Metrics {
	m := &Metrics{o: o, available: map[string]bool{}, decode: map[health.Source]*Timer{}}
	m.build = prometheus.MustNewConstMetric(
		prometheus.NewDesc("status_build_info", "What is running; the value is always 1.", []string{"version", "goversion"}, nil),
		prometheus.GaugeValue, 1, o.Version, runtime.Version())

	counter := func(name, help string, label string, values ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
		for _, value := range values {
			v.WithLabelValues(value)
		}
		m.vectors = append(m.vectors, v)
		return v
	}
	relay, jump := string(health.Relay), string(health.Jump)
	m.events = counter("status_events_total", "Changes of an experiment's health, by what it became.", "health", "healthy", "unhealthy")
	m.told = counter("status_issues_told_total", "Issues that people were told of, by kind.", "code",
		string(health.MissingJump), string(health.MissingRequired), string(health.UnhealthyStream),
		string(health.MissingTunnel), string(health.UnhealthyTunnel),
		string(health.Flapping), string(health.NoReports), string(health.BookSilent), string(health.TooManyUnknown))
	m.availability = counter("status_availability_changes_total", "Changes of a resource's booking that book has confirmed.", "to", "available", "unavailable")
	m.frames = counter("status_source_frames_total", "Complete lists of connections taken in.", "source", relay, jump)
	m.reports = counter("status_source_reports_total", "Connections listed in the frames taken in.", "source", relay, jump)
	m.commits = counter("status_store_transactions_total", "Transactions that keep a decision.", "outcome", "ok", "failed")
	m.alerts = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "status_alerts_total", Help: "Checks of which people were told, whether or not mail is set up.",
	})
	m.vectors = append(m.vectors, m.alerts)

	timer := func(name, metric, help string) *Timer {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: metric, Help: help, Buckets: innerBounds})
		m.vectors = append(m.vectors, h)
		return newTimer(name, h)
	}
	m.turn = timer("loop.turn", "status_loop_turn_duration_seconds", "How long turns of the loop took: deciding, keeping, publishing.")
	m.step = timer("loop.step", "status_engine_step_duration_seconds", "How long the engine took to decide.")
	m.commit = timer("store.transaction", "status_store_transaction_duration_seconds", "How long transactions that keep a decision took.")
	decode := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "status_source_decode_duration_seconds", Help: "How long it took to decode frames.", Buckets: innerBounds,
	}, []string{"source"})
	m.vectors = append(m.vectors, decode)
	for _, source := range []health.Source{health.Relay, health.Jump} {
		m.decode[source] = newTimer("source."+string(source)+".decode", decode.WithLabelValues(string(source)))
	}
	return m
}

// Timers gives how long the loop, the store and decoding took.
func (m *Metrics) Timers() []TimerSummary {
	return []TimerSummary{
		m.turn.Summary(), m.step.Summary(), m.commit.Summary(),
		m.decode[health.Jump].Summary(), m.decode[health.Relay].Summary(),
	}
}

// Turned counts one turn of the loop; the loop calls it at each turn's end, and
// nobody else does. step is what the engine took of it. Nothing is allocated.
func (m *Metrics) Turned(in health.Input, d *health.Decision, step, took time.Duration) {
	m.step.Observe(step)
	m.turn.Observe(took)
	switch in := in.(type) {
	case health.Frame:
		m.frames.WithLabelValues(string(in.Source)).Inc()
		m.reports.WithLabelValues(string(in.Source)).Add(float64(len(in.Conns)))
	case health.Availability:
		m.confirmed(in)
	}
	for i := range d.Events {
		if d.Events[i].Healthy {
			m.events.WithLabelValues("healthy").Inc()
		} else {
			m.events.WithLabelValues("unhealthy").Inc()
		}
	}
	if d.Alert != nil {
		m.alerts.Inc()
		for _, issue := range d.Alert.New {
			m.told.WithLabelValues(string(issue.Code)).Inc()
		}
	}
}

// confirmed counts what is other than book said before.
func (m *Metrics) confirmed(in health.Availability) {
	was, known := m.available[in.Resource]
	if in.Gone {
		delete(m.available, in.Resource)
		return
	}
	m.available[in.Resource] = in.Available
	if !known || was == in.Available {
		return
	}
	to := "unavailable"
	if in.Available {
		to = "available"
	}
	m.availability.WithLabelValues(to).Inc()
}

// Committed counts one transaction of the store, from any goroutine.
func (m *Metrics) Committed(took time.Duration, err error) {
	m.commit.Observe(took)
	outcome := "ok"
	if err != nil {
		outcome = "failed"
	}
	m.commits.WithLabelValues(outcome).Inc()
}

// Decoded notes how long a frame took to decode, from any goroutine.
func (m *Metrics) Decoded(source health.Source, took time.Duration) {
	if t := m.decode[source]; t != nil {
		t.Observe(took)
	}
}
