package telemetry_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"

	"labstatus/internal/health"
	"labstatus/internal/telemetry"
)

// lab is a snapshot with one of everything.
func lab(now time.Time) *health.Snapshot {
	return &health.Snapshot{
		At: now, Version: 42,
		Counts: health.Counts{Total: 3, Healthy: 1, Unhealthy: 1, Starting: 1},
		Experiments: []*health.Report{
			{
				Name: "pend00", State: health.StateHealthy, Healthy: true,
				Streams: []health.StreamReport{
					{Topic: "pend00-st-data", Verdict: health.VerdictOK, LastActive: now.Add(-1500 * time.Millisecond)},
					{Topic: "pend00-st-video", Verdict: health.VerdictUnknown},
				},
				Resources: []health.ResourceReport{{Name: "r-pend00", Known: true, Available: true}},
			},
			{
				Name: "pend01", State: health.StateUnhealthy,
				Streams:   []health.StreamReport{{Topic: "pend01-st-video", Verdict: health.VerdictMissing, LastActive: now.Add(-time.Hour)}},
				Resources: []health.ResourceReport{{Name: "r-pend01", Known: true, Held: true}, {Name: "r-pend01b"}},
				Issues:    []health.Issue{{Code: health.MissingRequired, Experiment: "pend01"}, {Code: health.MissingJump, Experiment: "pend01"}},
			},
			{Name: "not\xfftext", State: health.StateStarting},
		},
		Issues: []health.Issue{{Code: health.NoReports, Subject: "jump"}},
		Sources: []health.SourceReport{
			{Name: health.Relay, State: health.SourceFresh, LastFrame: now.Add(-3 * time.Second), Connections: 7, Connected: true, Window: 30 * time.Second},
			{Name: health.Jump, State: health.SourceSilent, Window: 30 * time.Second},
		},
		Book: health.BookReport{Answering: true, LastManifest: now.Add(-4 * time.Minute)},
	}
}

func sources(now time.Time) telemetry.Sources {
	return telemetry.Sources{
		Snapshot:      func() *health.Snapshot { return lab(now) },
		SnapshotBytes: func() int { return 12345 },
		Turned:        func() time.Time { return now },
		Feeds: func() []telemetry.FeedFigures {
			return []telemetry.FeedFigures{{Source: health.Relay, Messages: 9, Bytes: 900, Frames: 8, Null: 1, Objects: 2, Others: 3, Rubbish: 4,
				Connects: 5, Failed: 6, Breaks: 7, Renewals: 8, Unheard: 9, Reconnects: 10}}
		},
		Book: func() telemetry.BookFigures {
			return telemetry.BookFigures{Calls: 10, Failures: 3, Pending: 2, Waiting: 1, InFlight: 1}
		},
		Mail: func() telemetry.MailFigures {
			return telemetry.MailFigures{Enabled: true, Queued: 2, Sent: 5, Failed: 1, OldestQueued: now.Add(-time.Minute),
				LastSent: now.Add(-time.Hour), UndeliverableSince: now.Add(-30 * time.Second)}
		},
		Store: func() telemetry.StoreFigures {
			return telemetry.StoreFigures{FailingSince: now, Pending: 4, Dropped: 1}
		},
		Observers: func() []telemetry.ObserverFigures { return observers(now) },
		Observed:  observed,
	}
}

// The whole exposition, as it is scraped; UPDATE_GOLDEN=1 writes it anew.
func TestProductMetricsAsScraped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		m := telemetry.NewMetrics(telemetry.MetricsOptions{
			Sources: sources(now), Version: "1.2.3", Started: now.Add(-time.Hour), PerExperiment: true,
		})
		d := &health.Decision{
			Events: []health.Event{{Healthy: true}, {}, {}},
			Alert:  &health.Alert{New: []health.Issue{{Code: health.NoReports}, {Code: health.MissingJump}}},
		}
		m.Turned(health.Frame{Source: health.Relay, Conns: make([]health.Conn, 7)}, d, time.Millisecond, 2*time.Millisecond)
		for _, available := range []bool{true, true, false, true} {
			m.Turned(health.Availability{Resource: "r-pend00", Available: available}, new(health.Decision), 0, 0)
		}
		m.Turned(health.Availability{Resource: "r-pend00", Gone: true}, new(health.Decision), 0, 0)
		m.Turned(health.Availability{Resource: "r-pend00", Available: false}, new(health.Decision), 0, 0)
		m.Committed(time.Millisecond, nil)
		m.Committed(time.Second, errors.New("disk full"))
		m.Decoded(health.Relay, time.Millisecond)

		r := registry(t, m)
		lint(t, r)
		golden := filepath.Join("testdata", "product.prom")
		if os.Getenv("UPDATE_GOLDEN") != "" {
			families, err := r.Gather()
			if err != nil {
				t.Fatal(err)
			}
			var text bytes.Buffer
			for _, f := range families {
				if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
					t.Fatal(err)
				}
			}
			got := strings.ReplaceAll(text.String(), runtime.Version(), "GOVERSION")
			if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if err := testutil.GatherAndCompare(r, strings.NewReader(strings.ReplaceAll(string(want), "GOVERSION", runtime.Version()))); err != nil {
			t.Error(err)
		}
	})
}

func TestSeriesOfEachExperimentCanBeTurnedOff(t *testing.T) {
	m := telemetry.NewMetrics(telemetry.MetricsOptions{Sources: sources(time.Now()), Started: time.Now()})
	families, err := registry(t, m).Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, metric := range f.GetMetric() {
			for _, label := range metric.GetLabel() {
				if slices.Contains([]string{"experiment", "service", "client", "tunnel"}, label.GetName()) || strings.Contains(label.GetValue(), "pend0") {
					t.Errorf("%s has the label %s", f.GetName(), label)
				}
			}
		}
	}
}

// A server that has nothing yet, and no parts, still answers.
func TestMetricsWithoutSources(t *testing.T) {
	m := telemetry.NewMetrics(telemetry.MetricsOptions{Started: time.Now()})
	lint(t, registry(t, m))
}

func BenchmarkTurned(b *testing.B) {
	m := telemetry.NewMetrics(telemetry.MetricsOptions{})
	var in health.Input = health.Frame{Source: health.Relay, Conns: make([]health.Conn, 100)}
	var book health.Input = health.Availability{Resource: "r-pend00", Available: true}
	d := &health.Decision{}
	b.ReportAllocs()
	for b.Loop() {
		m.Turned(in, d, time.Millisecond, time.Millisecond)
		m.Turned(book, d, time.Millisecond, time.Millisecond)
	}
}

// BenchmarkScrape is a scrape of 10,000 experiments with two streams each, series
// of each experiment included, down to the text.
func BenchmarkScrape(b *testing.B) {
	now := time.Now()
	s := &health.Snapshot{At: now}
	for i := range 10_000 {
		name := fmt.Sprintf("pend%05d", i)
		s.Experiments = append(s.Experiments, &health.Report{
			Name: name, Healthy: true,
			Streams: []health.StreamReport{
				{Topic: name + "-st-data", Verdict: health.VerdictOK, LastActive: now},
				{Topic: name + "-st-video", Verdict: health.VerdictOK, LastActive: now},
			},
			Resources: []health.ResourceReport{{Name: "r-" + name, Known: true}},
		})
	}
	scrape(b, telemetry.Sources{Snapshot: func() *health.Snapshot { return s }})
}

// scrape measures scrapes of what the sources give, down to the text.
func scrape(b *testing.B, from telemetry.Sources) {
	b.Helper()
	m := telemetry.NewMetrics(telemetry.MetricsOptions{Sources: from, Started: time.Now(), PerExperiment: true})
	r := prometheus.NewRegistry()
	r.MustRegister(m)
	b.ReportAllocs()
	for b.Loop() {
		families, err := r.Gather()
		if err != nil {
			b.Fatal(err)
		}
		var text bytes.Buffer
		for _, f := range families {
			if _, err := expfmt.MetricFamilyToOpenMetrics(&text, f); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(text.Len())/1e6, "MB")
	}
}
