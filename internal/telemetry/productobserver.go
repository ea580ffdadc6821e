package telemetry

import (
	"cmp"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"labstatus/internal/health"
)

// What is said of those whom we tell how we are.
var (
	descToldReports  = productDesc("observer_reports_total", "Reports that the observer acknowledged.", "observer")
	descToldFailures = productDesc("observer_failures_total", "Attempts to report that the observer did not acknowledge.", "observer")
	descToldEvents   = productDesc("observer_events_total", "Events in reports that the observer acknowledged.", "observer")
	descToldDropped  = productDesc("observer_dropped_total", "Events that the observer will never be told: too many waited, or they were too old.", "observer")
	descToldPending  = productDesc("observer_pending", "Events that wait until the observer acknowledges them.", "observer")
	descToldOldest   = productDesc("observer_oldest_pending_timestamp_seconds",
		"Since when the oldest of these events has waited, as Unix time; none where none waits.", "observer")
	descToldOK = productDesc("observer_last_ok_timestamp_seconds",
		"When the observer last acknowledged a report, as Unix time; none where it never has.", "observer")
	descToldFailing = productDesc("observer_failing", "Whether the latest report was not acknowledged: 1, or 0.", "observer")
)

var observerDescs = []*prometheus.Desc{
	descToldReports, descToldFailures, descToldEvents, descToldDropped, descToldPending, descToldOldest, descToldOK, descToldFailing,
}

func (c collection) observers(all []ObserverFigures) {
	for i := range all {
		o := &all[i]
		c.count(descToldReports, o.Reports, o.Name)
		c.count(descToldFailures, o.Failures, o.Name)
		c.count(descToldEvents, o.Events, o.Name)
		c.count(descToldDropped, o.Dropped, o.Name)
		c.gauge(descToldPending, float64(o.Pending), o.Name)
		c.gauge(descToldFailing, bit(!o.FailingSince.IsZero()), o.Name)
		if !o.OldestPending.IsZero() {
			c.gauge(descToldOldest, unixSeconds(o.OldestPending), o.Name)
		}
		if !o.LastOK.IsZero() {
			c.gauge(descToldOK, unixSeconds(o.LastOK), o.Name)
		}
	}
}

// What is said of those who report to us.
var (
	descHeardReports  = productDesc("observed_reports_total", "Reports of others that were taken.")
	descHeardRepeats  = productDesc("observed_repeats_total", "Reports of others that came again, and were not counted again.")
	descHeardRefused  = productDesc("observed_refused_total", "Reports of others that were not taken, by reason.", "reason")
	descHeardUnknown  = productDesc("observed_unknown_events_total", "Reported events of kinds that this version doesn't know; they are ignored.")
	descHeardSources  = productDesc("observed_sources", "Sources that have reported.")
	descHeardSubjects = productDesc("observed_subjects", "Services and clients that were reported, by the state that they were last said to be in.", "state")
	descTunnels       = productDesc("tunnels", "Tunnels of experiments, by verdict.", "verdict")

	descSubjectConns    = subjectDesc("connections_total", "Connections that the service, or this client of it, has had.")
	descSubjectOpen     = subjectDesc("connections_open", "Connections that are open there now.")
	descSubjectInput    = subjectDesc("input_bytes_total", "Bytes that were received there from clients.")
	descSubjectOutput   = subjectDesc("output_bytes_total", "Bytes that were sent from there to clients.")
	descSubjectErrors   = subjectDesc("errors_total", "Requests that failed there.")
	descSubjectRestarts = subjectDesc("restarts_total", "How often the figures reported from there began anew.")
	descSubjectState    = subjectDesc("state", "The state that was last reported from there; the value is always 1. None where none was.", "state")

	descTunnelHealthy = productDesc("tunnel_healthy",
		"Whether the experiment's tunnel is healthy as last known: 1, or 0; none where it has not said.", "experiment", "tunnel")
)

var observedDescs = []*prometheus.Desc{
	descHeardReports, descHeardRepeats, descHeardRefused, descHeardUnknown, descHeardSources, descHeardSubjects, descTunnels,
	descSubjectConns, descSubjectOpen, descSubjectInput, descSubjectOutput, descSubjectErrors, descSubjectRestarts, descSubjectState,
	descTunnelHealthy,
}

func subjectDesc(name, help string, more ...string) *prometheus.Desc {
	return productDesc("observed_"+name, help, append([]string{"client", "experiment", "kind", "service", "source"}, more...)...)
}

// stateUnknown counts those that have not said how they are.
const stateUnknown = "unknown"

func (c collection) observed(f *ObservedFigures) {
	c.count(descHeardReports, f.Reports)
	c.count(descHeardRepeats, f.Repeats)
	for reason, n := range f.Refused {
		c.count(descHeardRefused, n, reason)
	}
	c.count(descHeardUnknown, f.UnknownEvents)
	c.gauge(descHeardSources, float64(f.Sources))

	states := map[string]int{"running": 0, "ready": 0, "failed": 0, "closed": 0, stateUnknown: 0}
	for i := range f.Subjects {
		states[cmp.Or(f.Subjects[i].State, stateUnknown)]++
	}
	for state, n := range states {
		c.gauge(descHeardSubjects, float64(n), state)
	}
	verdicts := map[health.Verdict]int{health.VerdictOK: 0, health.VerdictUnhealthy: 0, health.VerdictMissing: 0, health.VerdictUnknown: 0}
	for i := range f.Tunnels {
		verdicts[f.Tunnels[i].Verdict]++
	}
	for verdict, n := range verdicts {
		c.gauge(descTunnels, float64(n), string(verdict))
	}
}

// subjects leaves out what has not been reported, so that it isn't taken for nothing,
// and names that aren't text, see [collection.experiments].
func (c collection) subjects(all []SubjectFigures) {
	n := len(all)
	s := newSlab(room{gauges: 2 * n, counters: 5 * n, pairs: 6 * n, labels: (6 + 5) * n})
	for i := range all {
		x := &all[i]
		if !utf8.ValidString(x.Source) || !utf8.ValidString(x.Service) || !utf8.ValidString(x.Client) || !utf8.ValidString(x.Experiment) {
			continue
		}
		of := [...]*dto.LabelPair{
			s.pair(&labelClient, &x.Client), s.pair(&labelExperiment, &x.Experiment), s.pair(&labelKind, &x.Kind),
			s.pair(&labelService, &x.Service), s.pair(&labelSource, &x.Source),
		}
		if x.State != "" {
			c.out <- s.gauge(descSubjectState, 1, s.labels(append(of[:], s.pair(&labelState, &x.State))...))
		}
		if !x.Counted {
			continue
		}
		labels := s.labels(of[:]...)
		c.out <- s.counter(descSubjectConns, x.Connections, labels)
		c.out <- s.gauge(descSubjectOpen, float64(x.Open), labels)
		c.out <- s.counter(descSubjectInput, x.InputBytes, labels)
		c.out <- s.counter(descSubjectOutput, x.OutputBytes, labels)
		c.out <- s.counter(descSubjectErrors, x.Errors, labels)
		c.out <- s.counter(descSubjectRestarts, x.Restarts, labels)
	}
}

// tunnels gives one series where two tunnels of an experiment share a name, as those of
// leeds' service a/b and of client b of leeds' service a do: healthy if both are. Two
// series alike would cost the whole scrape.
func (c collection) tunnels(all []TunnelFigures) {
	type key struct{ experiment, name string }
	healthy := make(map[key]bool, len(all))
	for i := range all {
		x := &all[i]
		if x.Verdict == health.VerdictUnknown || !utf8.ValidString(x.Experiment) || !utf8.ValidString(x.Name) {
			continue
		}
		k := key{x.Experiment, x.Name}
		before, twice := healthy[k]
		healthy[k] = x.Verdict == health.VerdictOK && (before || !twice)
	}
	s := newSlab(room{gauges: len(healthy), pairs: 2 * len(healthy), labels: 2 * len(healthy)})
	for k, is := range healthy {
		c.out <- s.gauge(descTunnelHealthy, bit(is), s.labels(s.pair(&labelExperiment, &k.experiment), s.pair(&labelTunnel, &k.name)))
	}
}
