package telemetry_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"labstatus/internal/health"
	"labstatus/internal/telemetry"
)

// observers are one that is well, and one that has never answered.
func observers(now time.Time) []telemetry.ObserverFigures {
	return []telemetry.ObserverFigures{
		{Name: "collector", Reports: 100, Failures: 1, Events: 450, LastOK: now.Add(-5 * time.Second)},
		{Name: "grafana", Failures: 90, Dropped: 3, Pending: 12, OldestPending: now.Add(-time.Hour), FailingSince: now.Add(-50 * time.Minute)},
	}
}

// observed is a subject in every state, of both kinds, tied to an experiment and
// nobody's, with figures, status, or both.
func observed() telemetry.ObservedFigures {
	refused := map[string]uint64{}
	for reason := range strings.FieldsSeq("body busy encoding gone method path room size source token") {
		refused[reason] = 0
	}
	refused["token"] = 7
	return telemetry.ObservedFigures{
		Reports: 200, Repeats: 2, UnknownEvents: 1, Refused: refused, Sources: 2,
		Subjects: []telemetry.SubjectFigures{
			{
				Source: "leeds", Kind: "service", Service: "tunnel-pend00", Experiment: "pend00", State: "ready",
				Counted: true, Connections: 40, Open: 2, InputBytes: 4000, OutputBytes: 8000, Errors: 1, Restarts: 3,
			},
			{Source: "leeds", Kind: "handler", Service: "tunnel-pend00", Client: "ann", Experiment: "pend00", Counted: true, Connections: 4},
			{Source: "leeds", Kind: "service", Service: "tunnel-pend01", Experiment: "pend01", State: "failed"},
			{Source: "leeds", Kind: "service", Service: "relay", State: "closed"},
			{Source: "york", Kind: "service", Service: "relay", State: "running"},
			{Source: "york", Kind: "handler", Service: "relay", State: "ready"},
			{Source: "york", Kind: "service", Service: "not\xfftext", State: "ready", Counted: true},
		},
		Tunnels: []telemetry.TunnelFigures{
			{Experiment: "pend00", Name: "leeds/tunnel-pend00", Verdict: health.VerdictOK},
			{Experiment: "pend01", Name: "leeds/tunnel-pend01", Verdict: health.VerdictUnhealthy},
			{Experiment: "pend01", Name: "york/relay", Verdict: health.VerdictUnknown},
			{Experiment: "pend01", Name: "york/not\xfftext", Verdict: health.VerdictMissing},
		},
	}
}

// Two series alike would leave a scrape with nothing.
func TestTunnelsThatShareANameAreOneSeries(t *testing.T) {
	const name = "leeds/a/b" // service a/b, or client b of service a
	for _, c := range []struct {
		about    string
		verdicts []health.Verdict
		want     string
	}{
		{"both well", []health.Verdict{health.VerdictOK, health.VerdictOK}, "1"},
		{"the first gone", []health.Verdict{health.VerdictMissing, health.VerdictOK}, "0"},
		{"the second ill", []health.Verdict{health.VerdictOK, health.VerdictUnhealthy}, "0"},
		{"one has not said", []health.Verdict{health.VerdictUnknown, health.VerdictOK}, "1"},
		{"none has said", []health.Verdict{health.VerdictUnknown, health.VerdictUnknown}, ""},
	} {
		t.Run(c.about, func(t *testing.T) {
			var tunnels []telemetry.TunnelFigures
			for _, v := range c.verdicts {
				tunnels = append(tunnels, telemetry.TunnelFigures{Experiment: "pend00", Name: name, Verdict: v})
			}
			m := telemetry.NewMetrics(telemetry.MetricsOptions{PerExperiment: true, Sources: telemetry.Sources{
				Observed: func() telemetry.ObservedFigures { return telemetry.ObservedFigures{Tunnels: tunnels} },
			}})
			want := ""
			if c.want != "" {
				want = fmt.Sprintf(`
# HELP status_tunnel_healthy Whether the experiment's tunnel is healthy as last known: 1, or 0; none where it has not said.
# TYPE status_tunnel_healthy gauge
status_tunnel_healthy{experiment="pend00",tunnel="%s"} %s
`, name, c.want)
			}
			if err := testutil.GatherAndCompare(registry(t, m), strings.NewReader(want), "status_tunnel_healthy"); err != nil {
				t.Error(err)
			}
		})
	}
}

// BenchmarkScrapeObserved is a scrape of as many services and clients as may be known,
// each with all of its series, and of as many tunnels, down to the text.
func BenchmarkScrapeObserved(b *testing.B) {
	var f telemetry.ObservedFigures
	for i := range 20_000 {
		service, experiment := fmt.Sprintf("tunnel-pend%05d", i), fmt.Sprintf("pend%05d", i)
		f.Subjects = append(f.Subjects, telemetry.SubjectFigures{
			Source: "leeds", Kind: "service", Service: service, Experiment: experiment, State: "ready",
			Counted: true, Connections: uint64(i), Open: 3, InputBytes: 1 << 40, OutputBytes: 1 << 41,
		})
		f.Tunnels = append(f.Tunnels, telemetry.TunnelFigures{Experiment: experiment, Name: "leeds/" + service, Verdict: health.VerdictOK})
	}
	scrape(b, telemetry.Sources{Observed: func() telemetry.ObservedFigures { return f }})
}
