package browsertest

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"labstatus/internal/health"
	"labstatus/serve"
)

const (
	secret   = "a-secret-of-tests"
	audience = "https://lab.example/status"
	prefix   = "/lab/status/" // as a reverse proxy has it

	// hostile is what an experiment, a stream's user agent or a person may call itself.
	hostile = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>"'` + "{{.}}\u202e"
)

// world is a laboratory as its server knows it, altered by tests and by acts.
type world struct {
	t    testing.TB
	url  string
	live *serve.Live

	mu      sync.Mutex
	snap    *health.Snapshot
	events  []health.Event // newest first
	acts    []health.Act   // newest first
	mails   []health.Mail  // newest first
	held    map[string]string
	info    serve.SystemInfo
	refuse  error // of acts
	down    bool  // the server answers nobody
	handler http.Handler
	asking  []string // as "GET /lab/status/…"
	cut     func()   // ends all connections
}

// newWorld serves a laboratory with an experiment of every kind.
func newWorld(t testing.TB, change ...func(*world, *serve.Options)) *world {
	t.Helper()
	return serveWorld(t, kinds(time.Now()), change...)
}

func serveWorld(t testing.TB, snap *health.Snapshot, change ...func(*world, *serve.Options)) *world {
	t.Helper()
	now := time.Now()
	w := &world{
		t: t, live: serve.NewLive(), snap: snap, held: map[string]string{},
		events: someEvents(now), acts: someActs(now), mails: []health.Mail{letter(now)},
		info: serve.SystemInfo{
			Version: "v1.2.3", Started: now.Add(-50 * time.Hour), Warnings: []string{"STATUS_EMAIL_TO is short"},
			Mail:     serve.MailInfo{Enabled: true, Queued: 1, Sent: 40, Failed: 1, LastErr: "451 try later"},
			Store:    serve.StoreInfo{Kind: "sqlite", OK: true},
			Settings: []serve.SettingInfo{{Name: "STATUS_SECRET_BOOK", Value: "***", Source: "environment"}},
			Connections: []serve.ConnectionInfo{{Name: "book", Attempted: 12, Established: 11, Open: 1, Failed: map[string]uint64{"refused": 1}, ReadBytes: 123456},
				{Name: "http", Listener: true, Attempted: 9, Established: 9, Open: 2}},
			Timings: []serve.TimingInfo{{Name: "dialer.relay.open", Count: 3, Mean: 0.012, Max: 0.2, P50: 0.01, P95: 0.19}},
		},
	}
	quiet := logrus.New()
	quiet.Out = io.Discard
	auth, err := serve.NewAuth(secret, audience, quiet)
	if err != nil {
		t.Fatal(err)
	}
	opts := serve.Options{
		Snapshot: w.snapshot, Live: w.live, AdminAuth: auth,
		Events: func(_ context.Context, name string) ([]health.Event, error) {
			return w.find(serve.EventQuery{Experiment: name, Limit: 1000}), nil
		},
		FindEvents: func(_ context.Context, q serve.EventQuery) ([]health.Event, string, error) { return w.find(q), "", nil },
		History: func(_ context.Context, _ string, from, to time.Time) (serve.History, error) {
			return past(from, to), nil
		},
		Uptime: func(string) (float64, bool) { return 0.987, true },
		Audit: func(context.Context, int, string) ([]health.Act, string, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return slices.Clone(w.acts), "", nil
		},
		Mails: func(context.Context, int, string) ([]health.Mail, string, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return slices.Clone(w.mails), "", nil
		},
		Mail: func(_ context.Context, id string) (health.Mail, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, m := range w.mails {
				if m.ID == id {
					return m, nil
				}
			}
			return health.Mail{}, serve.ErrUnknownMail
		},
		Act: w.act, Hold: w.hold,
		TestMail: func(_ context.Context, by string) (string, int, error) {
			m := letter(time.Now())
			m.ID, m.Subject = "test@lab.example", "A test mail"
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.refuse != nil {
				return "", 0, w.refuse
			}
			w.mails = append([]health.Mail{m}, w.mails...)
			w.acts = append([]health.Act{{At: time.Now(), Kind: health.ActTestMail, By: by}}, w.acts...)
			return m.ID, len(m.Recipients), nil
		},
		System: func() serve.SystemInfo { return w.info },
		Ready:  func() []string { return nil },
		Title:  "Test lab", Log: quiet,
	}
	for _, c := range change {
		c(w, &opts)
	}
	handler, err := serve.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	w.handler = http.StripPrefix(strings.TrimSuffix(prefix, "/"), handler)
	place, err := fronts.take()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { w.live.Run(ctx) })
	place.stand(http.HandlerFunc(w.proxy))
	w.url, w.cut = place.url, place.cut
	t.Cleanup(func() {
		cancel()
		running.Wait()
		fronts.give(place)
	})
	return w
}

// proxy serves everything below the prefix, and nothing while the server is down. No
// page may ask for anything else.
func (w *world) proxy(rw http.ResponseWriter, r *http.Request) {
	below := strings.HasPrefix(r.URL.Path, prefix)
	if !below {
		w.t.Errorf("the page asks for %s %s, which is not below %s", r.Method, r.URL, prefix)
	}
	w.mu.Lock()
	w.asking = append(w.asking, r.Method+" "+r.URL.String())
	handler := w.handler
	if w.down || !below {
		handler = http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { http.Error(rw, "no server", http.StatusBadGateway) })
	}
	w.mu.Unlock()
	handler.ServeHTTP(rw, r)
}

// asked gives the requests made so far that hold the part.
func (w *world) asked(part string) (found []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, request := range w.asking {
		if strings.Contains(request, part) {
			found = append(found, request)
		}
	}
	return found
}

// become has the proxy lead to another server from now on.
func (w *world) become(other *world) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.handler = other.handler
}

func (w *world) snapshot() *health.Snapshot {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.snap
}

// alter makes another snapshot, in which one experiment differs, and tells it.
func (w *world) alter(name string, change func(*health.Report), events ...health.Event) {
	w.alterAll([]string{name}, change, events...)
}

func (w *world) alterAll(names []string, change func(*health.Report), events ...health.Event) {
	w.mu.Lock()
	next := *w.snap
	next.Version++
	next.At = time.Now()
	next.Experiments = slices.Clone(w.snap.Experiments)
	for _, name := range names {
		i, found := slices.BinarySearchFunc(next.Experiments, name, func(r *health.Report, name string) int { return cmp.Compare(r.Name, name) })
		if !found {
			w.t.Errorf("alter %q, which there isn't", name)
			continue
		}
		altered := *next.Experiments[i]
		altered.Streams = slices.Clone(altered.Streams)
		altered.Resources = slices.Clone(altered.Resources)
		change(&altered)
		next.Experiments[i] = &altered
	}
	next.Counts = count(next.Experiments)
	w.snap = &next
	w.events = append(slices.Clone(events), w.events...)
	w.mu.Unlock()
	w.live.Publish(&next, events)
}

// act does what the engine would, as far as a page can see it.
func (w *world) act(_ context.Context, a health.Act) error {
	w.mu.Lock()
	refused := w.refuse
	if refused == nil {
		w.acts = append([]health.Act{a}, w.acts...)
	}
	w.mu.Unlock()
	if refused != nil {
		return refused
	}
	switch a.Kind {
	case health.ActSetMaintenance, health.ActRemoveMaintenance:
		w.mu.Lock()
		next := *w.snap
		next.Version++
		next.Windows = slices.DeleteFunc(slices.Clone(next.Windows), func(other health.Window) bool { return other.ID == a.Window.ID })
		if a.Kind == health.ActSetMaintenance {
			next.Windows = append(next.Windows, *a.Window)
		}
		w.snap = &next
		w.mu.Unlock()
		w.live.Publish(&next, nil)
		return nil
	}
	w.alter(a.Experiment, func(r *health.Report) {
		switch a.Kind {
		case health.ActAck:
			r.Ack = &health.Ack{At: a.At, By: a.By, Note: a.Text}
		case health.ActUnack:
			r.Ack = nil
		case health.ActSilence:
			r.Silence = &health.Silence{At: a.At, By: a.By, Reason: a.Text, Until: a.Until}
		case health.ActUnsilence:
			r.Silence = nil
		}
	})
	return nil
}

func (w *world) hold(ctx context.Context, name string, resources []string, by, reason string) error {
	w.mu.Lock()
	refused := w.refuse
	kind := health.ActHold
	if reason == "" {
		kind = health.ActRelease
	}
	if refused == nil {
		w.acts = append([]health.Act{{At: time.Now(), Kind: kind, By: by, Experiment: name, Text: reason}}, w.acts...)
	}
	w.mu.Unlock()
	if refused != nil {
		return refused
	}
	w.alter(name, func(r *health.Report) {
		for i := range r.Resources {
			if slices.Contains(resources, r.Resources[i].Name) {
				r.Resources[i].Held, r.Resources[i].HeldReason, r.Resources[i].Available = reason != "", reason, reason == ""
			}
		}
	})
	return ctx.Err()
}

func (w *world) find(q serve.EventQuery) (found []health.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		fits := (q.Experiment == "" || e.Experiment == q.Experiment) && !e.When.Before(q.Since) && (q.Until.IsZero() || e.When.Before(q.Until)) &&
			strings.Contains(strings.ToLower(e.Experiment+" "+strings.Join(e.Issues, " ")), strings.ToLower(q.Text))
		if fits && len(found) < q.Limit {
			found = append(found, e)
		}
	}
	return found
}

// lose has the server answer nobody, until it is back.
func (w *world) lose(down bool) {
	w.mu.Lock()
	w.down = down
	w.mu.Unlock()
}

func token(t testing.TB, subject string, scopes ...string) string {
	t.Helper()
	made, err := serve.MintToken(secret, audience, subject, scopes, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func count(all []*health.Report) (c health.Counts) {
	for _, r := range all {
		c.Total++
		switch r.State {
		case health.StateStarting:
			c.Starting++
		case health.StateHealthy:
			c.Healthy++
		case health.StateUnhealthy:
			c.Unhealthy++
		case health.StateUnknown:
			c.Unknown++
		case health.StateFlapping:
			c.Flapping++
		}
	}
	return c
}

// well is an experiment with nothing wrong.
func well(name string, now time.Time) *health.Report {
	r := &health.Report{
		Name: name, State: health.StateHealthy, Healthy: true, Since: now.Add(-3 * time.Hour), FirstSeen: now.Add(-300 * time.Hour),
		LastCheckedStreams: now, LastCheckedJump: now, LastInManifest: now, JumpOK: true, JumpKnown: true, Events: 3,
		Jump: &health.Conn{Topic: name, UserAgent: "jump host 1.2", RemoteAddr: "192.0.2.9", ConnectedAt: now.Add(-30 * time.Hour)},
	}
	var required []string
	for _, stream := range []string{"-st-data", "-st-video"} {
		topic := name + stream
		required = append(required, topic)
		r.Streams = append(r.Streams, health.StreamReport{
			Topic: topic, Required: true, Verdict: health.VerdictOK, OK: true, Since: now.Add(-3 * time.Hour), LastActive: now.Add(-time.Second),
			Conn: &health.Conn{
				Topic: topic, Scopes: []string{"read", "write", "expt"}, UserAgent: "camera/1.0", RemoteAddr: "192.0.2.7, 10.0.0.1", CanRead: true, CanWrite: true,
				ConnectedAt: now.Add(-30 * time.Hour), ExpiresAt: now.Add(5 * time.Hour), StatsKnown: true, Tx: health.Traffic{Last: time.Second, Size: 1400, FPS: 24.6},
			},
		})
	}
	r.Resources = []health.ResourceReport{{Name: "r-" + name, Required: required, Known: true, Available: true, Reason: "Loaded at start", ReadAt: now.Add(-time.Minute)}}
	return r
}

// unwell lacks its video since a while.
func unwell(name string, now time.Time, since time.Duration) *health.Report {
	r := well(name, now)
	r.State, r.Healthy, r.Since = health.StateUnhealthy, false, now.Add(-since)
	video := &r.Streams[1]
	video.Verdict, video.OK, video.Conn, video.Since, video.LastActive = health.VerdictMissing, false, nil, r.Since, r.Since.Add(-2*time.Second)
	r.Issues = []health.Issue{{Code: health.MissingRequired, Experiment: name, Subject: video.Topic, Since: r.Since}}
	r.Resources[0].Available, r.Resources[0].Reason = false, "unavailable because status server: missing required "+video.Topic
	return r
}

// kinds is a laboratory with an experiment of every kind.
func kinds(now time.Time) *health.Snapshot {
	snap := &health.Snapshot{At: now, Version: 7}
	add := func(r *health.Report) { snap.Experiments = append(snap.Experiments, r) }
	for i := range 24 {
		add(well(fmt.Sprintf("%s%02d", []string{"pend", "spin", "trus", "pvna"}[i%4], i/4), now))
	}
	add(unwell("pend31", now, 12*time.Minute))

	flaps := well("spin31", now)
	flaps.State, flaps.Healthy, flaps.Since = health.StateFlapping, false, now.Add(-40*time.Minute)
	flaps.Issues = []health.Issue{{Code: health.Flapping, Experiment: flaps.Name, Since: flaps.Since}}
	add(flaps)

	silenced := unwell("spin32", now, 26*time.Hour)
	silenced.Silence = &health.Silence{At: now.Add(-time.Hour), By: "anna", Reason: "camera is on order", Until: now.Add(30 * time.Hour)}
	add(silenced)

	maintained := unwell("trus31", now, 20*time.Minute)
	maintained.Maintenance = &health.Maintenance{ID: "w1", Reason: "new springs", By: "bob", Bookings: health.BookingsClose, Since: now.Add(-time.Hour), Until: now.Add(time.Hour)}
	add(maintained)

	held := well("pend32", now)
	held.Resources[0].Available, held.Resources[0].Held, held.Resources[0].HeldReason = false, true, "belt being changed"
	add(held)

	unknown := well("trus32", now)
	unknown.State, unknown.Healthy, unknown.JumpKnown, unknown.Since = health.StateUnknown, false, false, now.Add(-2*time.Minute)
	unknown.Streams[0].Verdict, unknown.Streams[1].Verdict = health.VerdictUnknown, health.VerdictUnknown
	add(unknown)

	add(&health.Report{
		Name: "spin33", State: health.StateStarting, Since: now.Add(-10 * time.Second), FirstSeen: now.Add(-10 * time.Second),
		Streams:   []health.StreamReport{{Topic: "spin33-st-data", Required: true, Verdict: health.VerdictUnknown}},
		Resources: []health.ResourceReport{{Name: "r-spin33"}},
	})

	evil := unwell(hostile, now, time.Minute)
	evil.Streams[0].Conn.UserAgent, evil.Streams[0].Conn.RemoteAddr, evil.Streams[0].Conn.Scopes = hostile, hostile, []string{hostile}
	evil.Resources[0].Held, evil.Resources[0].HeldReason = true, hostile
	evil.Silence = &health.Silence{At: now, By: hostile, Reason: hostile, Until: now.Add(time.Hour)}
	evil.Ack = &health.Ack{At: now, By: hostile, Note: hostile}
	evil.Maintenance = &health.Maintenance{ID: "w2", Reason: hostile, By: hostile, Bookings: health.BookingsDecide, Since: now, Until: now.Add(time.Hour)}
	add(evil)

	slices.SortFunc(snap.Experiments, func(a, b *health.Report) int { return cmp.Compare(a.Name, b.Name) })
	snap.Counts = count(snap.Experiments)
	snap.Sources = []health.SourceReport{
		{Name: health.Jump, State: health.SourceFresh, LastFrame: now.Add(-2 * time.Second), Window: 30 * time.Second, Cadence: 5 * time.Second, Connections: 31, Connected: true, ConnectedSince: now.Add(-5 * time.Hour)},
		{Name: health.Relay, State: health.SourceSettling, LastFrame: now, Window: 30 * time.Second, Cadence: 6 * time.Second, Connections: 62, Connected: true, ConnectedSince: now.Add(-time.Minute), SettlesAt: now.Add(time.Minute), Reconnects: 1},
	}
	snap.Book = health.BookReport{LastManifest: now.Add(-5 * time.Minute), Resources: 32, Answering: true}
	snap.Windows = []health.Window{
		{ID: "w1", Names: []string{"trus31"}, Reason: "new springs", By: "bob", Bookings: health.BookingsClose, From: now.Add(-time.Hour), Until: now.Add(time.Hour)},
		{ID: "w2", Names: []string{"pend*", hostile}, Reason: hostile, By: hostile, Bookings: health.BookingsDecide, From: now.Add(-time.Hour),
			Weekly: &health.Weekly{Days: []string{"mon", "fri"}, Start: "08:00", End: "07:00", Zone: "Europe/London"}},
	}
	return snap
}

// many is a laboratory of n experiments, every hundredth of them unwell.
func many(n int, now time.Time) *health.Snapshot {
	snap := &health.Snapshot{At: now, Version: 7, Sources: kinds(now).Sources, Book: kinds(now).Book}
	for i := range n {
		name := fmt.Sprintf("expt%05d", i)
		if i%100 == 50 {
			snap.Experiments = append(snap.Experiments, unwell(name, now, time.Duration(i)*time.Second))
			continue
		}
		snap.Experiments = append(snap.Experiments, well(name, now))
	}
	snap.Counts = count(snap.Experiments)
	return snap
}

func someEvents(now time.Time) []health.Event {
	return []health.Event{
		{Experiment: hostile, When: now.Add(-time.Minute), JumpOK: true, Issues: []string{"unhealthy " + hostile}},
		{Experiment: "pend31", When: now.Add(-12 * time.Minute), JumpOK: true, Issues: []string{"missing required pend31-st-video"}},
		{Experiment: "pend31", When: now.Add(-2 * time.Hour), Healthy: true, JumpOK: true},
		{Experiment: "pend31", When: now.Add(-3 * time.Hour), Issues: []string{"missing jump"}},
	}
}

func someActs(now time.Time) []health.Act {
	return []health.Act{
		{At: now.Add(-time.Minute), Kind: health.ActSilence, By: hostile, Experiment: hostile, Until: now.Add(time.Hour), Text: hostile},
		{At: now.Add(-time.Hour), Kind: health.ActUnsilence, Experiment: "pend00"},
		{At: now.Add(-2 * time.Hour), Kind: health.ActSetMaintenance, By: "bob", Window: &health.Window{ID: "w1", Names: []string{"trus31"}, Reason: "new springs", By: "bob", Bookings: health.BookingsClose, From: now}},
	}
}

// past is a month in which everything happened.
func past(from, to time.Time) serve.History {
	h := serve.History{From: from, To: to, Day: serve.Uptime{Fraction: 0.9312, Known: 22 * time.Hour}, Week: serve.Uptime{Fraction: 0.9991, Known: 160 * time.Hour}}
	at := from
	add := func(state health.State, long time.Duration, maintenance bool) {
		until := at.Add(long)
		if until.After(to) || long == 0 {
			until = to
		}
		h.Intervals = append(h.Intervals, serve.Interval{From: at, To: until, State: state, Maintenance: maintenance})
		at = until
	}
	whole := to.Sub(from)
	add(serve.StateUnwatched, whole/6, false)
	add(health.StateStarting, time.Minute, false)
	for range 5 {
		add(health.StateHealthy, whole/12, false)
		add(health.StateUnhealthy, 50*time.Minute, false)
	}
	add(health.StateHealthy, to.Add(-23*time.Hour).Sub(at), false)
	add(health.StateUnhealthy, 2*time.Hour, true)
	add(health.StateHealthy, 5*time.Hour, false)
	add(health.StateUnknown, 2*time.Hour, false)
	add(health.StateFlapping, 90*time.Minute, false)
	add(health.StateHealthy, 6*time.Hour, false)
	add(health.StateUnhealthy, 12*time.Minute, false)
	add(health.StateHealthy, 0, false)
	for _, i := range h.Intervals {
		long := i.To.Sub(i.From)
		switch {
		case i.Maintenance:
			h.Maintenance += long
		case i.State == health.StateHealthy:
			h.Healthy += long
		case i.State == health.StateUnhealthy || i.State == health.StateFlapping:
			h.Unhealthy += long
		case i.State == serve.StateUnwatched:
			h.Unwatched += long
		default:
			h.Unknown += long
		}
	}
	return h
}

// letter is a mail as it is kept, with an HTML part that would like to do harm.
func letter(now time.Time) health.Mail {
	raw := strings.ReplaceAll(`Date: Fri, 20 Nov 2026 22:10:05 +0000
Message-ID: <one@lab.example>
Subject: 1 new problem: pend31
From: "Lab Status" <status@lab.example>
To: <maint@lab.example>
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary=edge

--edge
Content-Type: text/plain; charset=UTF-8

pend31: missing required pend31-st-video

--edge
Content-Type: text/html; charset=UTF-8

<p style="color: #b00">pend31: <b>missing required pend31-st-video</b></p><script>parent.document.title = "owned"</script><img src="http://elsewhere.example/pixel">

--edge--
`, "\n", "\r\n")
	return health.Mail{
		ID: "one@lab.example", At: now.Add(-12 * time.Minute), From: "status@lab.example", Subject: "1 new problem: pend31 " + hostile, Raw: []byte(raw),
		Recipients: []health.Recipient{
			{Address: "maint@lab.example", Fate: health.Sent, Attempts: 1, Done: now.Add(-11 * time.Minute)},
			{Address: "bob@lab.example", Fate: health.Failed, Attempts: 3, Done: now.Add(-5 * time.Minute), LastErr: "550 unknown " + hostile},
			{Address: "carol@lab.example", Fate: health.Queued, Attempts: 1},
		},
	}
}
