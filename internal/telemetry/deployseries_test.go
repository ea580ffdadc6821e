package telemetry_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"

	"labstatus/internal/health"
	"labstatus/internal/telemetry"
)

// shown are the series that a server can show: of each its labels, and of each label
// the values that it can have; none where these are open, as the names of places.
type shown map[string]map[string][]string

// openLabels have values that come from the settings or from the laboratory.
var openLabels = []string{
	"dialer_name", "listener_name", "experiment", "resource", "stream", "observer", "service", "client", "tunnel",
	"version", "goversion", "quantile", "le",
}

// open says whether a label of a series has such values. A source is relay or jump, but
// whoever reports to us names itself.
func open(series, label string) bool {
	return slices.Contains(openLabels, label) || label == "source" && strings.HasPrefix(series, "status_observed_")
}

// shownSeries shows everything once and reads it. It fails the test where a series is
// described that was not shown, since nothing could be said about its labels.
func shownSeries(t *testing.T) shown {
	t.Helper()
	stages := telemetry.NewStages("")
	tracker := telemetry.NewTracker(telemetry.TrackerOptions{Stages: stages})
	useConnections(t, tracker)
	passEveryStage(t, stages)
	metrics := useMetrics(t)
	registry := prometheus.NewRegistry()
	all := []prometheus.Collector{
		tracker, stages, metrics, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	}
	registry.MustRegister(all...)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := shown{}
	for _, f := range families {
		found.add(f)
	}
	for _, name := range described(t, all) {
		if found[name] == nil && found[name+"_count"] == nil {
			t.Errorf("%s is described and was not shown: this test has to make it happen, to know its labels", name)
		}
	}
	return found
}

func (s shown) add(f *dto.MetricFamily) {
	name := f.GetName()
	note := func(series string, labels ...*dto.LabelPair) {
		if s[series] == nil {
			s[series] = map[string][]string{}
		}
		for _, l := range labels {
			values := s[series][l.GetName()]
			if !open(series, l.GetName()) && !slices.Contains(values, l.GetValue()) {
				values = append(values, l.GetValue())
			}
			s[series][l.GetName()] = values
		}
	}
	for _, m := range f.GetMetric() {
		switch f.GetType() {
		case dto.MetricType_HISTOGRAM:
			note(name+"_bucket", append(m.GetLabel(), &dto.LabelPair{Name: new("le"), Value: new("1")})...)
			note(name+"_sum", m.GetLabel()...)
			note(name+"_count", m.GetLabel()...)
		case dto.MetricType_SUMMARY:
			note(name, append(m.GetLabel(), &dto.LabelPair{Name: new("quantile"), Value: new("1")})...)
			note(name+"_sum", m.GetLabel()...)
			note(name+"_count", m.GetLabel()...)
		default:
			note(name, m.GetLabel()...)
		}
	}
}

var descName = regexp.MustCompile(`^Desc\{fqName: "([^"]+)"`)

// described gives the names of all that can be shown.
func described(t *testing.T, all []prometheus.Collector) (names []string) {
	t.Helper()
	descs := make(chan *prometheus.Desc)
	go func() {
		defer close(descs)
		for _, c := range all {
			c.Describe(descs)
		}
	}()
	for d := range descs {
		m := descName.FindStringSubmatch(d.String())
		if m == nil {
			t.Errorf("what does %s describe?", d)
			continue
		}
		names = append(names, m[1])
	}
	return names
}

func useConnections(t *testing.T, tracker *telemetry.Tracker) {
	t.Helper()
	c, err := tracker.Dialer("book", pipes)(t.Context(), "tcp", "lab:80")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	tracker.Listener("http", nil)
}

// passEveryStage lets every stage end in every way.
func passEveryStage(t *testing.T, stages *telemetry.Stages) {
	t.Helper()
	now := time.Now()
	for stage, faults := range map[telemetry.Stage][]error{
		telemetry.StageDNS: {
			nil, &net.DNSError{IsNotFound: true}, &net.DNSError{IsTimeout: true}, &net.DNSError{},
		},
		telemetry.StageTCP: {
			nil, syscall.ECONNREFUSED, context.DeadlineExceeded, syscall.EHOSTUNREACH, io.EOF, errors.New("something else"),
		},
		telemetry.StageTLS: {
			nil, x509.UnknownAuthorityError{}, x509.HostnameError{Certificate: new(x509.Certificate)}, tls.RecordHeaderError{},
			x509.CertificateInvalidError{Reason: x509.NotAuthorizedToSign},
			x509.CertificateInvalidError{Reason: x509.Expired, Cert: &x509.Certificate{NotBefore: now.Add(time.Hour)}},
			x509.CertificateInvalidError{Reason: x509.Expired, Cert: &x509.Certificate{NotBefore: now.Add(-time.Hour)}},
			&net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")},
		},
		telemetry.StageUpgrade: {nil, io.EOF},
		telemetry.StageHTTP:    {nil, io.EOF},
	} {
		for _, fault := range faults {
			stages.Observe("book", stage, time.Second, fault)
		}
	}
	for _, status := range []int{http.StatusNotFound, http.StatusBadGateway} {
		answers := roundTripper(func(r *http.Request) (*http.Response, error) {
			httptrace.ContextClientTrace(r.Context()).GotConn(httptrace.GotConnInfo{})
			return &http.Response{StatusCode: status, Body: http.NoBody, Request: r}, nil
		})
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://lab/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stages.Transport("book", answers).RoundTrip(r); err != nil {
			t.Error(err)
		}
		traced, done := stages.Trace(t.Context(), "book")
		httptrace.ContextClientTrace(traced).GotConn(httptrace.GotConnInfo{})
		done(&http.Response{StatusCode: status}, errors.New("bad handshake"))
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (rt roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return rt(r) }

// useMetrics shows a laboratory with one of everything.
func useMetrics(t *testing.T) *telemetry.Metrics {
	t.Helper()
	now := time.Now()
	from := sources(now)
	snapshot := lab(now)
	for i := range snapshot.Sources {
		snapshot.Sources[i].LastFrame = now
	}
	from.Snapshot = func() *health.Snapshot { return snapshot }
	feeds := from.Feeds()
	from.Feeds = func() []telemetry.FeedFigures {
		return append(feeds, telemetry.FeedFigures{Source: health.Jump})
	}
	m := telemetry.NewMetrics(telemetry.MetricsOptions{Version: "1.2.3", Started: now, PerExperiment: true, Sources: from})
	m.Committed(time.Millisecond, nil)
	return m
}

// A metric that nobody described, or that this file does not show, would be missed by
// the checks of rules and dashboard.
func TestEverySeriesIsKnown(t *testing.T) {
	known := shownSeries(t)
	for series, want := range map[string]map[string]string{
		"net_conntrack_dialer_conn_failed_total":       {"dialer_name": "", "reason": "resolution refused timeout tls canceled unknown"},
		"status_experiments":                           {"state": "starting healthy unhealthy unknown flapping"},
		"status_stage_duration_seconds_bucket":         {"dialer_name": "", "stage": "dns tcp tls upgrade http", "outcome": "go no-go", "le": ""},
		"status_source_links_total":                    {"source": "relay jump", "event": "opened failed broke renewed unheard came_back"},
		"status_experiment_healthy":                    {"experiment": ""},
		"go_gc_duration_seconds":                       {"quantile": ""},
		"process_open_fds":                             {},
		"status_loop_turn_duration_seconds_count":      {},
		"net_conntrack_listener_accept_failed_total":   {"listener_name": ""},
		"status_experiment_stream_last_active_seconds": {"experiment": "", "stream": ""},
		"status_observer_failing":                      {"observer": ""},
		"status_observed_refused_total":                {"reason": "body busy encoding gone method path room size source token"},
		"status_observed_subjects":                     {"state": "running ready failed closed unknown"},
		"status_observed_state":                        {"source": "", "kind": "service handler", "service": "", "client": "", "experiment": "", "state": "running ready failed closed"},
		"status_tunnel_healthy":                        {"experiment": "", "tunnel": ""},
	} {
		got := known[series]
		if got == nil || len(got) != len(want) {
			t.Errorf("%s has the labels %v", series, got)
			continue
		}
		for label, values := range want {
			expected := strings.Fields(values)
			slices.Sort(expected)
			slices.Sort(got[label])
			if !slices.Equal(got[label], expected) {
				t.Errorf("%s of %s can be %q", label, series, got[label])
			}
		}
	}
}
