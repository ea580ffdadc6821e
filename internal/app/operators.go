package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"labstatus/internal/config"
	"labstatus/internal/health"
	"labstatus/internal/stats"
	"labstatus/internal/store"
	"labstatus/internal/telemetry"
	"labstatus/internal/telemetry/statusport"
	"labstatus/serve"
)

// Names under which connections are made and accepted: each is a label.
const (
	placeBook  = "book" // relay's and jump's are their names as sources
	placeSMTP  = "smtp"
	placePush  = "push"
	placeHTTP  = "http"
	placeAdmin = "admin"

	placeObserver     = "observer"         // whom we tell
	placeObserverIn   = "observer-in"      // who tells us, over HTTP
	placeObserverGRPC = "observer-in-grpc" // and over gRPC
)

// operators is what the server tells of itself to those who run it: figures of its
// connections and its work, its condition, and what systemd wants to know.
type operators struct {
	stages   *telemetry.Stages
	tracker  *telemetry.Tracker
	metrics  *telemetry.Metrics
	registry *prometheus.Registry
	notifier *telemetry.Notifier
	port     *statusport.Port
	pusher   *statusport.Pusher
	cert     *statusport.Certificate // nil: the port speaks no TLS
	trusted  func(*http.Request) bool
}

// newOperators makes what counts; the parts that are counted are made with it.
func newOperators(c *config.Config) *operators {
	stages := telemetry.NewStages(c.Metrics.Prefix)
	return &operators{stages: stages, tracker: telemetry.NewTracker(telemetry.TrackerOptions{Trace: true, Stages: stages})}
}

// dial is how a part opens its connections.
func (o *Options) dial(place string) telemetry.DialFunc {
	if o.operators == nil {
		return o.Dial
	}
	return o.operators.tracker.Dialer(place, o.Dial)
}

// dialTLS is dial for parts that leave TLS to it, so that a handshake that fails
// counts as a connection that failed; nil: they do it themselves.
func (o *Options) dialTLS(place string) telemetry.DialFunc {
	if o.operators == nil {
		return nil
	}
	return o.operators.tracker.TLSDialer(place, o.Dial, &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.RootCAs})
}

// proxy is the environment's, on the real network.
func (o *Options) proxy() func(*http.Request) (*url.URL, error) {
	if o.Dial != nil {
		return nil
	}
	return http.ProxyFromEnvironment
}

// wrap times the requests of a part.
func (o *Options) wrap(place string) func(http.RoundTripper) http.RoundTripper {
	if o.operators == nil {
		return nil
	}
	return func(rt http.RoundTripper) http.RoundTripper { return o.operators.stages.Transport(place, rt) }
}

// trace times the opening of a part's websockets.
func (o *Options) trace(place string) func(context.Context) (context.Context, func(*http.Response, error)) {
	if o.operators == nil {
		return nil
	}
	return func(ctx context.Context) (context.Context, func(*http.Response, error)) {
		return o.operators.stages.Trace(ctx, place) //nolint:bodyclose // it only looks
	}
}

// decoded times the decoding of a source's messages.
func (o *Options) decoded(source health.Source) func(time.Duration) {
	if o.operators == nil {
		return nil
	}
	return func(took time.Duration) { o.operators.metrics.Decoded(source, took) }
}

// handshake times TLS with the mail server.
func (o *Options) handshake() func(time.Duration, error) {
	if o.operators == nil {
		return nil
	}
	return func(took time.Duration, err error) {
		o.operators.stages.Observe(placeSMTP, telemetry.StageTLS, took, err)
	}
}

// timedStore times commits.
type timedStore struct {
	store.Store
	committed func(took time.Duration, err error)
}

func (s timedStore) Commit(ctx context.Context, c store.Commit) error {
	began := time.Now()
	err := s.Store.Commit(ctx, c)
	s.committed(time.Since(began), err)
	return err
}

// setUpMetrics joins the figures with the parts that they are read from.
func (a *App) setUpMetrics() {
	c, ops := a.o.Config, a.o.operators
	var observed func() telemetry.ObservedFigures
	if c.Observer.Listens() {
		observed = a.observedFigures
	}
	ops.metrics = telemetry.NewMetrics(telemetry.MetricsOptions{
		Version: a.o.Version, Started: a.started, PerExperiment: c.Metrics.PerExperiment,
		Sources: telemetry.Sources{
			Snapshot:  func() *health.Snapshot { return a.loop.snapshot.Load() },
			Turned:    a.loop.lastTurn,
			Observers: a.observerFigures,
			Observed:  observed,

			SnapshotBytes: func() int { return int(a.listed.Load()) },
			Feeds: func() []telemetry.FeedFigures {
				return []telemetry.FeedFigures{feedFigures(health.Relay, a.relay), feedFigures(health.Jump, a.jump)}
			},
			Book: func() telemetry.BookFigures {
				s := a.keeper.Status()
				return telemetry.BookFigures{
					Calls: uint64(s.Calls), Failures: uint64(s.Failures), Pending: s.Pending, Waiting: s.Waiting, InFlight: s.InFlight,
				}
			},
			Mail: func() telemetry.MailFigures {
				if a.outbox == nil {
					return telemetry.MailFigures{}
				}
				s := a.outbox.Status()
				return telemetry.MailFigures{
					Enabled: true, Queued: s.Queued, Sent: s.Sent, Failed: s.Failed,
					OldestQueued: s.OldestQueued, LastSent: s.LastSent, UndeliverableSince: s.UndeliverableSince,
				}
			},
			Store: func() telemetry.StoreFigures {
				s := a.journal.Status()
				if _, why := a.storeKind(); why != nil && s.FailingSince.IsZero() { // what is in memory alone is as good as not kept
					s.FailingSince = a.started
				}
				return telemetry.StoreFigures{FailingSince: s.FailingSince, Pending: s.Pending, Dropped: uint64(s.Dropped)}
			},
		},
	})
	ops.registry = prometheus.NewRegistry()
	ops.registry.MustRegister(ops.tracker, ops.stages, ops.metrics,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
}

func feedFigures(source health.Source, s *stats.Subscriber) telemetry.FeedFigures {
	c := s.Stats()
	return telemetry.FeedFigures{
		Source: source, Messages: c.Messages, Bytes: c.Bytes, Frames: c.Frames,
		Null: c.Null, Objects: c.Objects, Others: c.Others, Rubbish: c.Rubbish,
		Connects: c.Connects, Failed: c.Failed, Breaks: c.Breaks,
		Renewals: c.Renewals, Unheard: c.Unheard, Reconnects: c.Reconnects,
	}
}

// setUpPort makes what operators' tools ask, and who is told unasked. admin checks
// tokens; nil: there are none.
func (a *App) setUpPort(admin *serve.Auth) error {
	c, ops := a.o.Config, a.o.operators
	ops.notifier = telemetry.NewNotifier(a.log.WithField("part", "systemd"))
	ops.trusted = func(r *http.Request) bool {
		return telemetry.FromHere(r) || admin != nil && admin.Check(r, serve.ScopeAdmin) == nil
	}
	at := c.Serve.Listen
	if c.Admin.Listen.IsSet() {
		at = c.Admin.Listen
	}
	options := statusport.Options{
		ListenAddress: at.String(), ForwardAddress: c.Book.Audience(), Revision: a.o.Version,
		Backend: func() (bool, string) {
			reasons := a.notReady()
			return len(reasons) == 0, strings.Join(reasons, "; ")
		},
		Gatherer: ops.registry, Timers: ops.timers, Prefix: c.Metrics.Prefix,
		Debug: telemetry.Debug(ops.trusted), Pprof: c.Profile.On && c.Admin.Listen.IsSet(),
		Trusted: ops.trusted, Log: a.log.WithField("part", "port"),
	}
	if c.Admin.Shutdown {
		options.Shutdown = func() { a.shutdown(errors.New("somebody asked for it: POST /_shutdown")) }
	}
	ops.port = statusport.New(options)
	if c.Admin.Encrypted() {
		var err error
		ops.cert, err = statusport.NewCertificate(statusport.CertificateFiles{Cert: c.Admin.Cert, Key: c.Admin.Key, ClientCA: c.Admin.ClientCA})
		if err != nil {
			return fmt.Errorf("set up the operators' port (STATUS_ADMIN_TLS_CERT, STATUS_ADMIN_TLS_KEY, STATUS_ADMIN_CLIENT_CA): %w", err)
		}
	}
	if err := ops.readPolicies(c.Metrics); err != nil {
		return err
	}
	return a.setUpPush()
}

func (a *App) setUpPush() error {
	c, ops := a.o.Config, a.o.operators
	every := c.Metrics.Interval
	if every == 0 {
		every = -1
	}
	client := &http.Client{Transport: a.o.wrap(placePush)(&http.Transport{
		DialContext: a.o.dial(placePush), DialTLSContext: a.o.dialTLS(placePush), Proxy: a.o.proxy(),
		IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10,
	})}
	var err error
	ops.pusher, err = statusport.NewPusher(ops.port, statusport.PushOptions{
		Graphite: c.Metrics.Graphite, URL: c.Metrics.URL, Interval: every,
		Dial: a.o.dial(placePush), HTTP: client, Log: a.log.WithField("part", "push"),
	})
	if err != nil {
		return fmt.Errorf("set up pushing (STATUS_METRICS_GRAPHITE, STATUS_METRICS_URL): %w", err)
	}
	return nil
}

// readPolicies takes up the policy file, where there is one.
func (ops *operators) readPolicies(c config.Metrics) error {
	if c.PolicyFile == "" {
		return nil
	}
	f, err := os.Open(c.PolicyFile)
	if err != nil {
		return fmt.Errorf("STATUS_METRICS_POLICY_FILE: %w", err)
	}
	policies, err := telemetry.ReadPolicies(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("STATUS_METRICS_POLICY_FILE=%s: %w", c.PolicyFile, err)
	}
	ops.stages.SetPolicies(policies)
	return nil
}

// timers are all that has been timed, in the port's words.
func (ops *operators) timers() (all []statusport.Timer) {
	for _, some := range [][]telemetry.TimerSummary{ops.tracker.Timers(), ops.stages.Timers(), ops.metrics.Timers()} {
		for _, t := range some {
			all = append(all, statusport.Timer(t))
		}
	}
	return all
}

// operatorPaths are answered by the port.
var operatorPaths = []string{"/_status", "/_metrics", "/metrics", "/_shutdown", "/debug"}

func forOperators(path string) bool {
	for _, p := range operatorPaths {
		if path == p || strings.HasPrefix(path, p+"/") {
			return true
		}
	}
	return false
}

// besideAPI serves the port's paths beside the API, to those who may read.
func (a *App) besideAPI(api http.Handler, readers *serve.Auth) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !forOperators(r.URL.Path) {
			api.ServeHTTP(w, r)
			return
		}
		if readers != nil && r.URL.Path != "/_shutdown" {
			if refusal := readers.Check(r, serve.ScopeRead, serve.ScopeAdmin); refusal != nil {
				http.Error(w, refusal.Message, refusal.Status)
				return
			}
		}
		a.o.operators.port.ServeHTTP(w, r)
	})
}

// onItsOwn serves the port on a listener of its own. Profiles are for this machine
// and for admins: they can slow the server down.
func (ops *operators) onItsOwn() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/debug/pprof") && !ops.trusted(r) {
			http.Error(w, "only from this machine, or with an admin's token", http.StatusForbidden)
			return
		}
		ops.port.ServeHTTP(w, r)
	})
}

// listenAdmin opens the operators' own port; nil where there is none.
func (a *App) listenAdmin(ctx context.Context, sockets statusport.Sockets) (net.Listener, error) {
	at := a.o.Config.Admin.Listen
	if !at.IsSet() {
		return nil, nil
	}
	l, err := a.open(ctx, at, sockets, "STATUS_ADMIN_LISTEN")
	if err != nil {
		return nil, err
	}
	l = a.o.operators.tracker.Listener(placeAdmin, l)
	if cert := a.o.operators.cert; cert != nil {
		l = tls.NewListener(l, cert.TLS())
	}
	return l, nil
}

// tellSystemd keeps the line that systemctl status shows.
func (a *App) tellSystemd(ctx context.Context) {
	tick := time.NewTicker(statusEvery)
	defer tick.Stop()
	for {
		a.o.operators.notifier.Status(statusLine(a.Snapshot(), time.Now()))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

const statusEvery = 5 * time.Second

// statusLine sums the server up for a person: how many experiments, how many are
// not well, and how old the news of each source is.
func statusLine(s *health.Snapshot, now time.Time) string {
	line := fmt.Sprintf("%d experiments, %d unhealthy", s.Counts.Total, s.Counts.Unhealthy+s.Counts.Flapping)
	if n := s.Counts.Unknown + s.Counts.Starting; n > 0 {
		line += fmt.Sprintf(", %d not known yet", n)
	}
	age := func(name string, at time.Time) string {
		if at.IsZero() {
			return name + " not heard yet"
		}
		return name + " " + shortAge(now.Sub(at))
	}
	parts := make([]string, 0, len(s.Sources)+1)
	for i := range s.Sources {
		parts = append(parts, age(string(s.Sources[i].Name), s.Sources[i].LastFrame))
	}
	return line + "; " + strings.Join(append(parts, age(string(health.Book), s.Book.LastManifest)), ", ")
}

// shortAge is a duration in its largest unit: 3s, 4m, 2h, 5d.
func shortAge(d time.Duration) string {
	d = max(d, 0)
	for _, u := range []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}} {
		if d >= u.of {
			return fmt.Sprintf("%d%s", d/u.of, u.name)
		}
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

// Reload reads again what may change while the server runs: the operators' port's
// certificate and the metrics' policies. What can't be read leaves the former in
// force, and is an error.
func (a *App) Reload() error {
	ops := a.o.operators
	ops.notifier.Reloading()
	ops.port.Set(statusport.Reloading)
	err := ops.readPolicies(a.o.Config.Metrics)
	if ops.cert != nil {
		err = errors.Join(err, ops.cert.Reload())
	}
	ops.port.Reloaded(time.Now())
	ops.notifier.Ready()
	return err
}

// connections are the figures of every place, as the page and GET /system show
// them.
func (ops *operators) connections() []serve.ConnectionInfo {
	var all []serve.ConnectionInfo
	for _, p := range ops.tracker.Places() {
		info := serve.ConnectionInfo{
			Name: p.Name, Listener: p.Listener, Attempted: p.Attempted, Established: p.Established, Open: p.Open,
			Dialing: p.Dialing, ReadBytes: p.ReadBytes, WrittenBytes: p.WrittenBytes, AcceptErrors: p.AcceptErrors,
			Failed: map[string]uint64{},
		}
		for reason, n := range p.Failed {
			if n > 0 {
				info.Failed[string(reason)] = n
			}
		}
		all = append(all, info)
	}
	return all
}

// timings are how long things take, as the page and GET /system show it.
func (ops *operators) timings() []serve.TimingInfo {
	all := make([]serve.TimingInfo, 0, 32)
	for _, t := range ops.timers() {
		if t.Count > 0 {
			all = append(all, serve.TimingInfo{Name: t.Name, Count: t.Count, Mean: t.Mean, Max: t.Max, P50: t.P50, P95: t.P95})
		}
	}
	slices.SortFunc(all, func(a, b serve.TimingInfo) int { return strings.Compare(a.Name, b.Name) })
	return all
}
