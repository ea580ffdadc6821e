package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Bounds of the histograms, in seconds. A dial takes from a millisecond in the
// house to the ten seconds after which everybody gives up; a connection lives from
// one request to weeks.
var (
	stageBounds = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	lifeBounds  = []float64{.1, 1, 10, 60, 600, 3600, 6 * 3600, 24 * 3600, 7 * 24 * 3600}
)

// connTimes are the histograms of a tracker.
type connTimes struct{ dial, dialled, accepted *prometheus.HistogramVec }

func newConnTimes() connTimes {
	vec := func(name, help, label string, bounds []float64) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: bounds}, []string{label})
	}
	return connTimes{
		dial: vec("net_conntrack_dialer_conn_open_duration_seconds",
			"How long it took to open connections that could be opened.", "dialer_name", stageBounds),
		dialled: vec("net_conntrack_dialer_conn_duration_seconds",
			"How long connections that were dialled had been open when they were closed.", "dialer_name", lifeBounds),
		accepted: vec("net_conntrack_listener_conn_duration_seconds",
			"How long connections that were accepted had been open when they were closed.", "listener_name", lifeBounds),
	}
}

func connDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("net_conntrack_"+name, help, labels, nil)
}

// What is said of a dialer.
var (
	dialAttempted   = connDesc("dialer_conn_attempted_total", "Connections that were begun.", "dialer_name")
	dialEstablished = connDesc("dialer_conn_established_total", "Connections that were opened.", "dialer_name")
	dialFailed      = connDesc("dialer_conn_failed_total", "Connections that could not be opened, each for one reason.", "dialer_name", "reason")
	dialClosed      = connDesc("dialer_conn_closed_total", "Connections that were opened and are closed, each counted once.", "dialer_name")
	dialDialing     = connDesc("dialer_conn_dialing", "Connections that are being opened.", "dialer_name")
	dialOpen        = connDesc("dialer_conn_open", "Connections that are open.", "dialer_name")
	dialRead        = connDesc("dialer_conn_read_bytes_total", "Bytes received on the wire.", "dialer_name")
	dialWritten     = connDesc("dialer_conn_written_bytes_total", "Bytes sent on the wire.", "dialer_name")
)

// What is said of a listener.
var (
	acceptAccepted = connDesc("listener_conn_accepted_total", "Connections that were accepted.", "listener_name")
	acceptClosed   = connDesc("listener_conn_closed_total", "Connections that were accepted and are closed, each counted once.", "listener_name")
	acceptErrors   = connDesc("listener_accept_failed_total", "Accepts that failed, other than by the listener's own end.", "listener_name")
	acceptOpen     = connDesc("listener_conn_open", "Connections that are open.", "listener_name")
	acceptRead     = connDesc("listener_conn_read_bytes_total", "Bytes received on the wire.", "listener_name")
	acceptWritten  = connDesc("listener_conn_written_bytes_total", "Bytes sent on the wire.", "listener_name")
)

// Describe implements prometheus.Collector.
func (t *Tracker) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		dialAttempted, dialEstablished, dialFailed, dialClosed, dialDialing, dialOpen, dialRead, dialWritten,
		acceptAccepted, acceptClosed, acceptErrors, acceptOpen, acceptRead, acceptWritten,
	} {
		out <- d
	}
	t.times.dial.Describe(out)
	t.times.dialled.Describe(out)
	t.times.accepted.Describe(out)
}

// Collect implements prometheus.Collector. The counts of one name agree with each
// other in every scrape.
func (t *Tracker) Collect(out chan<- prometheus.Metric) {
	for _, p := range t.Places() {
		count := func(d *prometheus.Desc, v uint64, labels ...string) {
			out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), append([]string{p.Name}, labels...)...)
		}
		gauge := func(d *prometheus.Desc, v uint64) {
			out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), p.Name)
		}
		if p.Listener {
			count(acceptAccepted, p.Established)
			count(acceptClosed, p.Closed)
			count(acceptErrors, p.AcceptErrors)
			gauge(acceptOpen, p.Open)
			count(acceptRead, p.ReadBytes)
			count(acceptWritten, p.WrittenBytes)
			continue
		}
		count(dialAttempted, p.Attempted)
		count(dialEstablished, p.Established)
		for _, r := range reasons {
			count(dialFailed, p.Failed[r], string(r))
		}
		count(dialClosed, p.Closed)
		gauge(dialDialing, p.Dialing)
		gauge(dialOpen, p.Open)
		count(dialRead, p.ReadBytes)
		count(dialWritten, p.WrittenBytes)
	}
	t.times.dial.Collect(out)
	t.times.dialled.Collect(out)
	t.times.accepted.Collect(out)
}
