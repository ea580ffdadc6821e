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

	sick.Ack = &health.Ack{At: t0, By: "anna", Note: "on my way"}

	held := healthyReport("pend02")
	held.Resources[0].Available, held.Resources[0].Held, held.Resources[0].HeldReason = false, true, "belt being changed"
	held.Resources[0].HeldBy = "ben"
	held.Silence = &health.Silence{At: t0, By: "ben", Reason: "rewiring", Until: t0.Add(time.Hour)}

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
	evil.Silence = &health.Silence{At: t0, By: hostile, Reason: hostile, Until: t0.Add(time.Hour)}
	evil.Ack = &health.Ack{At: t0, By: hostile, Note: hostile}
	evil.Maintenance = &health.Maintenance{ID: "ev1l", Reason: hostile, By: hostile, Bookings: health.BookingsClose, Since: t0, Until: t0.Add(time.Hour)}

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
		Windows: labWindows(),
		Book:    health.BookReport{LastManifest: t0.Add(-time.Minute), Resources: 5, Answering: false, FailingSince: t0.Add(-time.Minute), LastErr: "timeout", Pending: 1},
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

// labWindows are a window that is over next century, and one every working day.
func labWindows() []health.Window {
	return []health.Window{
		{ID: "aaaa", Names: []string{"pend*", "<b>&"}, Reason: hostile, By: hostile, Bookings: health.BookingsClose,
			From: t0, Until: t0.AddDate(100, 0, 0), Weekly: &health.Weekly{
				Days: []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}, Start: "00:00", End: "00:00", Zone: "Europe/London"}},
		{ID: "bbbb", Names: []string{"spin30"}, Reason: "new motor", By: "anna", Bookings: health.BookingsDecide, From: t0, Until: t0.Add(time.Hour)},
	}
}

// labHistory is of an experiment that was everything once.
func labHistory(from, to time.Time) History {
	day := Uptime{Fraction: 0.75, Known: 20 * time.Hour}
	h := History{
		From: from, To: to, Healthy: 3 * time.Hour, Unhealthy: time.Hour, Unknown: time.Hour, Maintenance: time.Hour,
		Unwatched: to.Sub(from) - 6*time.Hour, Day: day, Week: day,
	}
	at := from
	for i, state := range []health.State{health.StateStarting, health.StateHealthy, health.StateUnhealthy, health.StateUnknown, health.StateFlapping, StateUnwatched} {
		next := at.Add(time.Hour)
		if state == StateUnwatched {
			next = to
		}
		h.Intervals = append(h.Intervals, Interval{From: at, To: next, State: state, Maintenance: i == 2})
		at = next
	}
	return h
}

func labActs() []health.Act {
	return []health.Act{
		{At: t0, Kind: health.ActSilence, By: hostile, Experiment: hostile, Until: t0.Add(time.Hour), Text: hostile},
		{At: t0, Kind: health.ActUnsilence, Experiment: "pend00"},
		{At: t0, Kind: health.ActSetMaintenance, By: "anna", Text: "new motor", Window: &labWindows()[0]},
		{At: t0, Kind: health.ActTestMail, By: "anna"},
	}
}

// labMail is a mail as internal/notify makes them.
func labMail() health.Mail {
	return health.Mail{
		ID: "abc123@lab.example", At: t0, From: "status@lab.example", Subject: "[lab] 1 new problem: pend01", Raw: []byte(labMailBytes),
		Recipients: []health.Recipient{
			{Address: "maint@lab.example", Fate: health.Sent, Attempts: 1, Done: t0.Add(time.Second)},
			{Address: "bob@lab.example", Fate: health.Failed, Attempts: 3, Done: t0.Add(time.Minute), LastErr: "550 5.1.1 <bob@lab.example> unknown"},
			{Address: "carol@lab.example", Fate: health.Queued, Next: t0.Add(time.Hour)},
		},
	}
}

var labMailBytes = strings.ReplaceAll(`Date: Fri, 20 Nov 2026 22:10:05 +0000
Message-ID: <abc123@lab.example>
References: <pend00.labstatus@lab.example>
 <pend01.labstatus@lab.example>
Subject:
 =?UTF-8?q?[lab]_1_new_problem:_pend=C3=B6?=
From: "Lab Status" <status@lab.example>
To: <maint@lab.example>, =?utf-8?q?Bob_=C3=9Cnal?= <bob@lab.example>
Cc: <carol@lab.example>
Content-Type: multipart/alternative;
 boundary=labstatus-1a4f

--labstatus-1a4f
Content-Transfer-Encoding: quoted-printable
Content-Type: text/plain; charset=UTF-8

pend=C3=B6: missing jump, a very long line that has to be folded by who=
ever sends it. Ask bob@lab.example.

--labstatus-1a4f
Content-Transfer-Encoding: base64
Content-Type: text/html; charset=UTF-8

PHA+PGI+cGVuZMO2PC9iPjogbWlzc2luZyBqdW1wLCBieSBhbm5hQGxhYi5leGFtcGxlPC9wPg==
--labstatus-1a4f--
`, "\n", "\r\n")

func labSystem() SystemInfo {
	return SystemInfo{
		Version: "v1.2.3", Started: t0.Add(-time.Hour), Warnings: []string{"STATUS_EMAIL_TO is not set: mail is off"},
		Mail: MailInfo{Enabled: true, Queued: 2, Sent: 40, Failed: 1, LastErr: "451 try later, maint@lab.example", UndeliverableSince: t0.Add(-time.Minute),
			LastFailure: &MailFailure{At: t0, Subject: "[lab] trouble", Address: "bob@lab.example", Err: "550 <bob@lab.example> unknown"}},
		Settings: []SettingInfo{{"STATUS_SECRET_BOOK", "***", "environment"}, {"STATUS_HEALTH_STARTUP", "1m", "default"}},
		Store:    StoreInfo{Kind: "sqlite", OK: false, LastErr: "disk full", Pending: 3},
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
		FindEvents: func(_ context.Context, q EventQuery) ([]health.Event, string, error) {
			if q.Cursor != "" {
				return nil, "", fmt.Errorf("read events: %w", ErrBadCursor)
			}
			return labEvents("pend01"), "17", nil
		},
		History: func(_ context.Context, name string, from, to time.Time) (History, error) {
			if name == "nobody" {
				return History{From: from, To: to, Unwatched: to.Sub(from), Intervals: []Interval{{From: from, To: to, State: StateUnwatched}}}, nil
			}
			return labHistory(from, to), nil
		},
		Uptime: func(name string) (float64, bool) { return 0.987654321, name != "spin30" },
		Audit: func(_ context.Context, _ int, cursor string) ([]health.Act, string, error) {
			if cursor != "" {
				return nil, "", ErrBadCursor
			}
			return labActs(), "18", nil
		},
		Mails: func(_ context.Context, _ int, cursor string) ([]health.Mail, string, error) {
			if cursor != "" {
				return nil, "", ErrBadCursor
			}
			return []health.Mail{labMail()}, "19", nil
		},
		Mail: func(_ context.Context, id string) (health.Mail, error) {
			if id != labMail().ID {
				return health.Mail{}, fmt.Errorf("read mail: %w", ErrUnknownMail)
			}
			return labMail(), nil
		},
		Act:      func(context.Context, health.Act) error { return nil },
		Hold:     func(context.Context, string, []string, string, string) error { return nil },
		TestMail: func(context.Context, string) (string, int, error) { return "test1@lab.example", 3, nil },
		Live:     NewLive(),
		System:   labSystem,
		Ready:    func() []string { return []string{"jump has no fresh reports"} },
		Title:    "Test <lab>", Link: "https://lab.example/status/", Log: quiet,
	}
	observing(&opts)
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
	return send(t, h, method, target, "", headers...)
}

// send makes a request with a JSON body.
func send(t testing.TB, h http.Handler, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}
