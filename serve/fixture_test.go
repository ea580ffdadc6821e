package serve

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"labstatus/internal/health"
)

const hostile = `"><script>alert(1)</script><img src=x onerror=alert(2)>'` + "{{.}}\u202e\x00"

// t0 is before any clock that runs the tests.
var t0 = time.Date(2025, 3, 4, 5, 6, 7, 123456789, time.UTC)

// video is a stream's connection, alive and known in every respect.
func video(topic string) *health.Conn {
	return &health.Conn{
		Topic: topic, Scopes: []string{"write", "read", "expt"}, UserAgent: "camera/1.0", RemoteAddr: "192.0.2.7, 10.0.0.1",
		ConnectedAt: t0.Add(-time.Hour), ExpiresAt: t0.Add(23 * time.Hour), CanRead: true, CanWrite: true, StatsKnown: true,
		Tx: health.Traffic{Last: 648857445, Size: 41.6, FPS: 0.99988}, Rx: health.Traffic{Never: true},
	}
}

func host(stub string) *health.Conn {
	return &health.Conn{
		Topic: stub, Scopes: []string{"host", "read", "write"}, UserAgent: "host/1.0",
		ConnectedAt: t0.Add(-2 * time.Hour), ExpiresAt: t0.Add(22 * time.Hour), CanRead: true, CanWrite: true,
	}
}

// healthyReport is of an experiment that has nothing wrong with it.
func healthyReport(name string) *health.Report {
	topic := name + "-st-video"
	return &health.Report{
		Name: name, State: health.StateHealthy, Healthy: true, Since: t0.Add(-time.Hour),
		FirstSeen: t0.Add(-2 * time.Hour), LastCheckedStreams: t0, LastCheckedJump: t0.Add(-2 * time.Second), LastInManifest: t0.Add(-time.Minute),
		JumpOK: true, JumpKnown: true, Jump: host(name), Events: 1,
		Streams: []health.StreamReport{{
			Topic: topic, Required: true, Verdict: health.VerdictOK, OK: true, Since: t0.Add(-time.Hour), LastActive: t0.Add(-time.Second), Conn: video(topic),
		}},
		Resources: []health.ResourceReport{{
			Name: "r-" + name, Required: []string{topic}, Known: true, Available: true, Reason: "Loaded at 2025-03-04T00:00:00Z", ReadAt: t0.Add(-time.Minute),
		}},
	}
}

// labSnapshot has an experiment of every kind, one of them with hostile names.
func labSnapshot() *health.Snapshot {
	sick := healthyReport("pend01")
	sick.State, sick.Healthy, sick.JumpOK, sick.Jump = health.StateUnhealthy, false, false, nil
	sick.Streams[0].Verdict, sick.Streams[0].OK, sick.Streams[0].Conn = health.VerdictMissing, false, nil
	sick.Issues = []health.Issue{
		{Code: health.MissingJump, Experiment: "pend01", Since: t0.Add(-time.Minute)},
		{Code: health.MissingRequired, Experiment: "pend01", Subject: "pend01-st-video", Since: t0.Add(-2 * time.Minute)},
	}
	sick.Resources[0].Available, sick.Resources[0].Reason = false, "unavailable because status server: missing required pend01-st-video"
	sick.Resources[0].Wanted = health.Close

	held := healthyReport("pend02")
	held.Resources[0].Available, held.Resources[0].Held, held.Resources[0].HeldReason = false, true, "belt being changed"

	starting := &health.Report{Name: "spin30", State: health.StateStarting, Since: t0, FirstSeen: t0,
		Streams:   []health.StreamReport{{Topic: "spin30-st-data", Required: true, Verdict: health.VerdictUnknown}},
		Resources: []health.ResourceReport{{Name: "r-spin30"}}}

	unknown := healthyReport("trus05")
	unknown.State, unknown.Healthy, unknown.JumpKnown = health.StateUnknown, false, false
	unknown.Streams[0].Verdict = health.VerdictUnknown
	unknown.Streams[0].Conn.StatsKnown = false
	unknown.Resources = nil

	flapping := healthyReport("zeta")
	flapping.State, flapping.Healthy = health.StateFlapping, false
	flapping.Issues = []health.Issue{{Code: health.Flapping, Experiment: "zeta", Since: t0.Add(-time.Hour)}}

	evil := healthyReport(hostile)
	evil.State, evil.Healthy = health.StateUnhealthy, false
	evil.Streams[0].Conn.UserAgent, evil.Streams[0].Conn.RemoteAddr = hostile, hostile
	evil.Resources[0].Reason, evil.Resources[0].Held, evil.Resources[0].HeldReason = hostile, true, hostile
	evil.Issues = []health.Issue{{Code: health.UnhealthyStream, Experiment: hostile, Subject: hostile, Since: t0}}

	snap := &health.Snapshot{
		At: t0, Version: 7,
		Experiments: []*health.Report{healthyReport("pend00"), sick, held, starting, unknown, flapping, evil},
		Counts:      health.Counts{Total: 7, Starting: 1, Healthy: 2, Unhealthy: 2, Unknown: 1, Flapping: 1},
		Issues:      []health.Issue{{Code: health.NoReports, Subject: "jump", Since: t0.Add(-time.Minute)}},
		Sources: []health.SourceReport{
			{Name: health.Jump, State: health.SourceSilent, LastFrame: t0.Add(-2 * time.Minute), Window: 30 * time.Second, Reconnects: 3, LastErr: "jump refused: " + hostile},
			{Name: health.Relay, State: health.SourceSettling, LastFrame: t0, Cadence: 6001 * time.Millisecond, Window: 30 * time.Second, Connections: 9,
				Connected: true, ConnectedSince: t0.Add(-time.Minute), SettlesAt: t0.Add(time.Minute)},
		},
		Book: health.BookReport{LastManifest: t0.Add(-time.Minute), Resources: 5, Answering: false, FailingSince: t0.Add(-time.Minute), LastErr: "timeout", Pending: 1},
	}
	slices.SortFunc(snap.Experiments, func(a, b *health.Report) int { return strings.Compare(a.Name, b.Name) })
	return snap
}

// bigSnapshot is a lab of n healthy experiments with two streams each.
func bigSnapshot(n int, version uint64) *health.Snapshot {
	snap := &health.Snapshot{At: t0, Version: version, Counts: health.Counts{Total: n, Healthy: n}}
	for i := range n {
		r := healthyReport(fmt.Sprintf("expt%06d", i))
		data := r.Streams[0]
		data.Topic = r.Name + "-st-data"
		data.Conn = video(data.Topic)
		r.Streams = []health.StreamReport{data, r.Streams[0]}
		snap.Experiments = append(snap.Experiments, r)
	}
	return snap
}

func labEvents(name string) []health.Event {
	return []health.Event{
		{Experiment: name, When: t0.Add(time.Minute), Healthy: false, JumpOK: true, StreamOK: map[string]bool{name + "-st-video": false}, Issues: []string{"missing required " + name + "-st-video"}},
		{Experiment: name, When: t0, Healthy: true, JumpOK: true}, // nothing known of streams
	}
}

func labSystem() SystemInfo {
	return SystemInfo{
		Version: "v1.2.3", Started: t0.Add(-time.Hour), Warnings: []string{"STATUS_EMAIL_TO is not set: mail is off"},
		Mail:  MailInfo{Enabled: true, Queued: 2, Sent: 40, Failed: 1, LastErr: "451 try later", UndeliverableSince: t0.Add(-time.Minute)},
		Store: StoreInfo{Kind: "sqlite", OK: false, LastErr: "disk full", Pending: 3},
	}
}

// newHandler serves the fixture, as changed by the test.
func newHandler(t testing.TB, change ...func(*Options)) http.Handler {
	t.Helper()
	quiet := logrus.New()
	quiet.Out = io.Discard
	snap := labSnapshot()
	opts := Options{
		Snapshot: func() *health.Snapshot { return snap },
		Events: func(_ context.Context, name string) ([]health.Event, error) {
			if name == "nobody" {
				return nil, nil
			}
			return labEvents(name), nil
		},
		AllEvents: func(_ context.Context, _ time.Time, _ int, cursor string) ([]health.Event, string, error) {
			if cursor != "" {
				return nil, "", fmt.Errorf("read events: %w", ErrBadCursor)
			}
			return labEvents("pend01"), "17", nil
		},
		System: labSystem,
		Ready:  func() []string { return []string{"jump has no fresh reports"} },
		Title:  "Test <lab>", Link: "https://lab.example/status/", Log: quiet,
	}
	for _, c := range change {
		c(&opts)
	}
	h, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func get(t testing.TB, h http.Handler, target string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	return do(t, h, http.MethodGet, target, headers...)
}

func do(t testing.TB, h http.Handler, method, target string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}
