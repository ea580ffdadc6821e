package app

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"labstatus/internal/book"
	"labstatus/internal/config"
	"labstatus/internal/health"
	"labstatus/internal/jump"
	"labstatus/internal/notify"
	"labstatus/internal/observer"
	"labstatus/internal/relay"
	"labstatus/internal/stats"
	"labstatus/internal/store"
	"labstatus/internal/telemetry"
	"labstatus/internal/telemetry/statusport"
	"labstatus/serve"
)

// How long the steps of stopping may take, so that a unit's stop never waits for
// something that hangs: two seconds in all.
const (
	partsTimeout   = 900 * time.Millisecond  // for all workers
	readersTimeout = 1500 * time.Millisecond // for readers of the API, from the beginning of the stop
	storeTimeout   = 150 * time.Millisecond  // for each of the store's last tasks, where it hangs
	leastGrace     = 50 * time.Millisecond   // for a step that comes late
)

// Options are what a server is made of.
type Options struct {
	Config   *config.Config
	Warnings []string // what the check of the settings had to say, for the page
	Version  string
	Log      logrus.FieldLogger

	// Dial makes every connection of ours; nil: the network.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Listen opens what we serve on; nil: the network.
	Listen func(ctx context.Context, network, addr string) (net.Listener, error)
	// RootCAs are whom a mail server's certificate is trusted from; nil: the system's.
	RootCAs *x509.CertPool
	// Jitter gives a random time below the given one, to a part of the server that will
	// try again; nil: from a source that nobody can repeat.
	Jitter func(part string, below time.Duration) time.Duration
	// OnDecision sees each decision after it has been carried out, in the loop:
	// it must not wait. Nil: nobody does.
	OnDecision func(health.Decision)

	wrapStore func(store.Store) store.Store // tests put faults in between; nil: none
	operators *operators                    // New makes them; nil where only a part is made
}

// jitter is what one part is given of Options.Jitter; nil: the part has its own.
func (o *Options) jitter(part string) func(time.Duration) time.Duration {
	if o.Jitter == nil {
		return nil
	}
	return func(below time.Duration) time.Duration { return o.Jitter(part, below) }
}

// App is one server: everything in it, made and not yet running.
type App struct {
	o       Options
	log     logrus.FieldLogger
	started time.Time

	store    store.Store
	late     *store.Late // the store, where it could not be opened at the start; else nil
	journal  *journal
	loop     *loop
	relay    *stats.Subscriber
	jump     *stats.Subscriber
	keeper   *book.Keeper
	outbox   *notify.Outbox     // nil where mail is off
	renderer *notify.Renderer   // as outbox
	mailOff  []string           // the settings it lacks, then
	reporter *observer.Reporter // tells observers how we are
	totals   *totals            // the figures that they are told
	receiver *observer.Receiver // takes reports of tunnels; nil where none are taken
	live     *serve.Live
	uptimes  atomic.Pointer[map[string]float64] // of the last 24 hours, by experiment; nil: not read yet
	listed   atomic.Int64                       // bytes of the list of all experiments as readers get it
	handler  http.Handler

	shutdown func(why error) // asks Run to stop, without waiting
	asked    <-chan error    // what shutdown was told
	stopping atomic.Bool
}

// New makes the parts and joins them, in one straight line; nothing runs yet and
// nothing of the laboratory has been asked. What goes wrong here is worth ending
// for: settings that contradict each other, or a second server on the same store.
func New(ctx context.Context, o Options) (*App, error) {
	c := o.Config
	o.operators = newOperators(c)
	asked := make(chan error, 1)
	a := &App{o: o, log: o.Log, started: time.Now(), asked: asked, shutdown: func(why error) {
		select {
		case asked <- why:
		default: // it has been asked before
		}
	}}

	engineConfig := health.Config{
		LastActive: c.Health.LastActive, LastChecked: c.Health.LastChecked, Startup: c.Health.Startup,
		GroupWait: c.Email.GroupWait, Events: c.Health.Events,
		ConfirmDown: c.Health.ConfirmDown, ConfirmUp: c.Health.ConfirmUp,
		OverrideHolds: c.Booking.Holds == config.HoldsOverride, RemindEvery: c.Email.Remind,
		TunnelPeriod: c.Observer.Period,
	}
	if c.Health.Flapping() {
		engineConfig.FlapEvents, engineConfig.FlapWindow = c.Health.FlapEvents, c.Health.FlapWindow
	}

	kept, err := a.openStore(ctx)
	if err != nil {
		return nil, err
	}
	if o.wrapStore != nil {
		a.store = o.wrapStore(a.store)
	}
	ties, err := ObserverMap(c)
	if err != nil {
		return nil, errors.Join(err, a.store.Close())
	}
	retie(&kept, ties, c.Observer.Listens())
	timed := &timedStore{Store: a.store}
	a.journal = newJournal(timed, o.Log, &kept)

	bookClient, err := BookClient(c, o)
	if err != nil {
		return nil, errors.Join(err, a.store.Close())
	}
	a.keeper = book.NewKeeper(bookClient, book.KeeperOptions{
		QueryEvery: c.Booking.QueryEvery, Override: engineConfig.OverrideHolds, Jitter: o.jitter(placeBook), Log: o.Log.WithField("part", "book"),
	})
	a.relay = relay.New(RelayOptions(c, o, kept.System.Cadence[health.Relay]))
	a.jump = jump.New(JumpOptions(c, o, kept.System.Cadence[health.Jump]))

	a.live = serve.NewLive()
	a.loop = &loop{
		engine:  health.New(engineConfig, time.Now(), kept),
		journal: a.journal, wish: a.keeper.Want, publish: a.live.Publish, wakeMail: func() {}, seen: o.OnDecision,
		log: o.Log, every: tickEvery(engineConfig), inbox: make(chan message, 16), ended: make(chan struct{}),
	}
	a.loop.snapshot.Store(a.loop.engine.Snapshot())
	if err := a.setUpMail(); err != nil {
		return nil, errors.Join(err, a.store.Close())
	}
	a.journal.wakeMail, a.journal.render = a.loop.wakeMail, a.loop.render
	a.totals = newTotals(o.operators.tracker)
	if err := errors.Join(a.setUpReporter(ctx), a.setUpReceiver(ctx, ties)); err != nil {
		return nil, errors.Join(err, a.store.Close())
	}
	a.setUpMetrics()
	timed.committed, a.loop.took = o.operators.metrics.Committed, o.operators.metrics.Turned

	readers, admins, err := auths(c, o.Log)
	if err != nil {
		return nil, errors.Join(err, a.store.Close())
	}
	if err := a.setUpPort(admins); err != nil {
		return nil, errors.Join(err, a.store.Close())
	}
	api, err := serve.New(serve.Options{
		Snapshot: a.loop.snapshot.Load, Events: a.events, FindEvents: a.findEvents,
		History: a.history, Uptime: a.uptime, Audit: a.audit, Mails: a.mails, Mail: a.mail,
		Act: a.act, Hold: a.hold, TestMail: a.testMail, Live: a.live,
		Observers: a.observers, AddObserver: a.addObserver, ChangeObserver: a.changeObserver, RemoveObserver: a.removeObserver,
		Observed: a.observed, ObserverIn: a.observerIn,
		Listed: func(bytes int) { a.listed.Store(int64(bytes)) },
		System: a.system, Ready: a.notReady, ReadAuth: readers, AdminAuth: admins,
		Title: c.Email.Subject, Link: c.Email.Link, Log: o.Log.WithField("part", "api"),
	})
	if err != nil {
		return nil, errors.Join(err, a.store.Close())
	}
	a.handler = api
	if !c.Admin.Listen.IsSet() {
		a.handler = a.besideAPI(api, readers)
	}
	return a, nil
}

// setUpMail makes the renderer and the outbox where mail is configured. Without
// mail everything else works.
func (a *App) setUpMail() error {
	c := a.o.Config
	on, missing := c.Email.Enabled()
	if !on {
		a.mailOff = missing
		return nil
	}
	renderer, err := notify.NewRenderer(RendererOptions(c))
	if err != nil {
		return fmt.Errorf("set up mail: %w", err)
	}
	sender, err := notify.NewSMTP(SMTPOptions(c, a.o))
	if err != nil {
		return fmt.Errorf("set up mail: %w", err)
	}
	a.renderer = renderer
	a.outbox = notify.NewOutbox(a.store, sender.Open, a.o.Log.WithField("part", "mail"))
	if jitter := a.o.jitter(placeSMTP); jitter != nil {
		a.outbox.Jitter = jitter
	}
	a.loop.wakeMail = a.outbox.Wake
	a.loop.render = func(alert health.Alert) (*health.Mail, error) {
		m, err := renderer.Render(alert, notify.NewID(c.Email.HELO))
		if err != nil {
			return nil, err
		}
		return &m, nil
	}
	return nil
}

// Handler serves the API and the page; Run serves it on the configured listener.
func (a *App) Handler() http.Handler { return a.handler }

// Snapshot is the truth as readers get it now.
func (a *App) Snapshot() *health.Snapshot { return a.loop.snapshot.Load() }

// Run serves until ctx ends or something that it can't do without fails, then
// stops within a bounded time: input first, then workers, then readers, then the
// store. A stop that was asked for is no error.
func (a *App) Run(ctx context.Context) error {
	on, err := a.listen(ctx)
	if err != nil {
		return errors.Join(err, a.store.Close())
	}
	a.announce(on.public.Addr())

	asked := ctx // ends where somebody wants us to stop; ctx also where we can't go on
	ctx, cancel := context.WithCancelCause(asked)
	defer cancel(nil)
	ops := a.o.operators
	var parts, servers sync.WaitGroup
	serving := func(what *http.Server, on net.Listener) *http.Server {
		servers.Go(func() {
			if err := what.Serve(on); !errors.Is(err, http.ErrServerClosed) {
				cancel(fmt.Errorf("serve %s: %w", on.Addr(), err))
			}
		})
		return what
	}
	public := serving(serve.NewServer(a.handler, a.log), ops.tracker.Listener(placeHTTP, on.public))
	var own *http.Server // nil where operators ask beside the API
	if on.admin != nil {
		own = serving(serve.NewServer(ops.onItsOwn(), a.log), on.admin)
	}
	stopReports := a.takeReports(&servers, on.reports, on.reportsGRPC, cancel)
	parts.Go(func() { a.loop.run(ctx) })
	parts.Go(func() { a.feed(ctx, a.relay, health.Relay) })
	parts.Go(func() { a.feed(ctx, a.jump, health.Jump) })
	parts.Go(func() { a.keeper.Run(ctx, func(in health.Input) { a.loop.post(ctx, in) }) })
	parts.Go(func() { a.logStatus(ctx) })
	parts.Go(func() { a.tellSystemd(ctx) })
	parts.Go(func() { a.live.Run(ctx) })
	parts.Go(func() { a.keepTime(ctx) })
	failing := func(what string, run func(context.Context) error) {
		parts.Go(func() {
			if err := run(ctx); err != nil {
				cancel(fmt.Errorf("%s: %w", what, err))
			}
		})
	}
	failing("tell systemd that the loop turns", func(ctx context.Context) error { return ops.notifier.Watchdog(ctx, a.loop.lastTurn) })
	failing("push figures", ops.pusher.Run)
	failing("report figures", func(ctx context.Context) error {
		return ops.stages.Run(ctx, func(r telemetry.Report) { ops.pusher.Offer(r.To, r.Values()) })
	})
	if a.outbox != nil {
		failing("deliver mail", a.outbox.Run)
	}
	failing("tell observers", a.tellObservers)
	if a.receiver != nil {
		failing("take reports", func(ctx context.Context) error {
			return a.receiver.Run(ctx, func(h observer.Heard) { a.heard(ctx, h) })
		})
	}
	stopProfile := a.profile(&servers)
	ops.port.Set(statusport.Listening)
	ops.notifier.Ready()

	shutDown := false
	select {
	case <-ctx.Done():
	case why := <-a.asked:
		shutDown = true
		cancel(why)
	}
	a.log.WithField("why", context.Cause(ctx).Error()).Warn("stopping")
	a.stopping.Store(true)
	ops.port.Set(statusport.Stopping)
	within(leastGrace, ops.notifier.Stopping) // a service manager that hangs is no reason to go on
	a.stop(ctx, stops{parts: &parts, servers: &servers, public: public, own: own, profile: stopProfile, reports: stopReports})
	if asked.Err() != nil || shutDown {
		return nil
	}
	return context.Cause(ctx)
}

// stops are what a stop has to end.
type stops struct {
	parts, servers *sync.WaitGroup
	public, own    *http.Server // own may be nil
	profile        func() error
	reports        func() error // taking reports of tunnels
}

// stop unwinds what Run started. Each step is bounded, so a step that hangs
// doesn't keep the others from being taken; what could not be ended well is said
// in the log, and ends with the process. Readers are answered until the workers
// have ended, and operators to the last.
func (a *App) stop(ctx context.Context, s stops) {
	began := time.Now()
	failed := func(what string, err error) {
		if err != nil {
			a.log.WithError(err).Error("stopping: " + what)
		}
	}
	if !within(leastGrace, func() { failed("take reports no more", s.reports()) }) {
		failed("take reports no more", errors.New("a connection doesn't close"))
	}
	parted := within(partsTimeout, s.parts.Wait)
	grace, done := context.WithTimeout(context.WithoutCancel(ctx), max(readersTimeout-time.Since(began), leastGrace))
	defer done()
	if err := s.public.Shutdown(grace); err != nil {
		failed("close the API", s.public.Close()) // readers that won't go
	}
	failed("close the profile listener", s.profile())
	defer func() {
		if s.own != nil {
			failed("close the operators' port", s.own.Close())
		}
		if !within(leastGrace, s.servers.Wait) {
			failed("end all servers", errors.New("a listener doesn't close"))
		}
	}()
	parted = parted || within(max(readersTimeout-time.Since(began), leastGrace), s.parts.Wait)
	select {
	case <-a.loop.ended: // nobody else asks the journal for anything
		failed("keep what is owed", a.journal.finish(ctx, storeTimeout))
	default:
		failed("keep what is owed", errors.New("the loop has not ended"))
	}
	if !parted {
		failed("end all parts", errors.New("something still waits for the disk, or for an observer"))
		return // the store is in use
	}
	if a.journal.flying != nil || !within(storeTimeout, func() { failed("close the store", a.store.Close()) }) {
		failed("close the store", errors.New("it doesn't answer"))
	}
}

// within runs what may hang, and says whether it ended in time. What doesn't is
// left behind: the process is about to end.
func within(patience time.Duration, run func()) bool {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		run()
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-ended:
		return true
	case <-timer.C:
		return false
	}
}

// feed follows one source. A subscriber never gives up, so its only end is ours.
func (a *App) feed(ctx context.Context, s *stats.Subscriber, source health.Source) {
	err := s.Run(ctx, func(in health.Input) { a.loop.hand(ctx, in) })
	if err != nil && ctx.Err() == nil {
		a.log.WithError(err).WithField("source", source).Error("the subscription ended")
	}
}
