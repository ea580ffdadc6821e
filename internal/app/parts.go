package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"

	"labstatus/internal/book"
	"labstatus/internal/config"
	"labstatus/internal/health"
	"labstatus/internal/notify"
	"labstatus/internal/stats"
	"labstatus/internal/store"
	"labstatus/internal/telemetry/statusport"
	"labstatus/serve"
)

// openStore opens the store and reads what an earlier run kept. A store that
// can't be opened is no reason to leave a laboratory unwatched: this run then
// keeps its state in memory until it can, and says so everywhere. One that another
// server has open is: two would book and mail against each other.
func (a *App) openStore(ctx context.Context) (health.Kept, error) {
	c := a.o.Config
	o := store.Options{EventsPerExperiment: c.Health.Events, KeepHistory: c.Health.History, Log: a.log.WithField("part", "store")}
	if c.Store.Memory {
		m, err := store.OpenMemory(o)
		a.store = m
		return health.Kept{}, err
	}
	file, err := store.Open(ctx, c.Store.Path, o)
	if err == nil {
		var kept health.Kept
		var warnings []error
		if kept, warnings, err = file.Kept(ctx); err == nil {
			for _, w := range warnings {
				a.log.WithError(w).Error("a kept record can't be read, its experiment starts afresh")
			}
			a.store = file
			return kept, nil
		}
		err = errors.Join(err, file.Close())
	}
	if errors.Is(err, store.ErrServed) {
		return health.Kept{}, err
	}
	if ctx.Err() != nil {
		return health.Kept{}, fmt.Errorf("open the store: %w", context.Cause(ctx))
	}
	a.log.WithError(err).Error("state is kept in memory only until the store can be opened: after a restart before that everything counts as new")
	a.late, err = store.NewLate(store.LateOptions{Path: c.Store.Path, Options: o, Why: err, Moved: a.takeUp})
	a.store = a.late
	return health.Kept{}, err
}

// takeUp takes from a file that could be opened late what people had set for a time to
// come, and this run has not heard of.
func (a *App) takeUp(found health.Kept) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	a.journal.changes.Add(1)   // the file's history is ours now
	defer a.addKeptObservers() // last: what people have set comes first
	now, snapshot := time.Now(), a.Snapshot()
	var acts []health.Act
	for i := range found.System.Windows {
		w := &found.System.Windows[i]
		if !slices.ContainsFunc(snapshot.Windows, func(have health.Window) bool { return have.ID == w.ID }) {
			acts = append(acts, health.Act{At: now, Kind: health.ActSetMaintenance, By: w.By, Window: w})
		}
	}
	for _, r := range found.Records {
		have := snapshot.Find(r.Name)
		if have == nil {
			continue
		}
		if s := r.Silence; s != nil && have.Silence == nil && s.Until.After(now) {
			acts = append(acts, health.Act{At: now, Kind: health.ActSilence, By: s.By, Experiment: r.Name, Until: s.Until, Text: s.Reason})
		}
		if k := r.Ack; k != nil && have.Ack == nil && len(have.Issues) > 0 {
			acts = append(acts, health.Act{At: now, Kind: health.ActAck, By: k.By, Experiment: r.Name, Text: k.Note})
		}
	}
	for _, act := range acts {
		if err := a.loop.ask(ctx, act); err != nil {
			a.log.WithError(err).WithField("act", act.String()).Warn("what the store held from before could not be taken up: do it again")
		}
	}
}

// storeKind is where state is kept at the moment, and why that isn't where it was
// asked for; nil: it is.
func (a *App) storeKind() (kind string, why error) {
	if a.late != nil {
		why = a.late.Why()
	}
	if a.o.Config.Store.Memory || why != nil {
		return "memory", why
	}
	return "sqlite", nil
}

// BookClient makes the client of book that the settings describe.
func BookClient(c *config.Config, o Options) (*book.Client, error) {
	client, err := book.NewClient(book.Options{
		API: c.Book.API(), Audience: c.Book.Audience(), Secret: c.Book.Secret.Reveal(),
		Timeout: c.Booking.Timeout, Dial: o.dial(placeBook), DialTLS: o.dialTLS(placeBook),
		Proxy: o.proxy(), Wrap: o.wrap(placeBook),
	})
	if err != nil {
		return nil, fmt.Errorf("set up book: %w", err)
	}
	return client, nil
}

// RelayOptions are relay's address and token as the settings describe them.
func RelayOptions(c *config.Config, o Options, cadence time.Duration) stats.Options {
	return feedOptions(c.Relay, c.Reconnect.Relay, c, o, cadence, health.Relay)
}

// JumpOptions are jump's address and token as the settings describe them.
func JumpOptions(c *config.Config, o Options, cadence time.Duration) stats.Options {
	return feedOptions(c.Jump, c.Reconnect.Jump, c, o, cadence, health.Jump)
}

func feedOptions(s config.Service, life time.Duration, c *config.Config, o Options, cadence time.Duration, source health.Source) stats.Options {
	place := string(source)
	return stats.Options{
		Audience: s.Audience(), Secret: s.Secret.Reveal(), Life: life,
		Dial: o.dial(place), DialTLS: o.dialTLS(place), Proxy: o.proxy(), Wrap: o.wrap(place),
		Trace:    o.trace(place), //nolint:bodyclose // it only looks
		Decoded:  o.decoded(source),
		Patience: c.Health.LastChecked, Cadence: cadence, Jitter: o.jitter(place), Log: o.Log.WithField("part", place),
	}
}

// RendererOptions say how mails look and to whom they go.
func RendererOptions(c *config.Config) notify.Options {
	r := notify.Options{From: c.Email.From.String(), Subject: c.Email.Subject, Link: c.Email.Link, Host: c.Email.HELO}
	for _, to := range c.Email.To {
		r.To = append(r.To, to.String())
	}
	for _, cc := range c.Email.CC {
		r.CC = append(r.CC, cc.String())
	}
	return r
}

// SMTPOptions say how the mail server is reached.
func SMTPOptions(c *config.Config, o Options) notify.SMTPOptions {
	return notify.SMTPOptions{
		Host: c.Email.Host, Port: c.Email.Port, Auth: notify.AuthType(c.Email.AuthType), TLS: notify.TLSMode(c.Email.TLS),
		User: c.Email.User, Password: c.Email.Password.Reveal(), HELO: c.Email.HELO,
		Dial: o.dial(placeSMTP), RootCAs: o.RootCAs, Handshake: o.handshake(),
	}
}

// Audience is what this server's own tokens are for: its address as people know
// it, so that two labs that share a key don't share tokens.
func Audience(c *config.Config) string {
	return cmp.Or(strings.TrimSuffix(c.Email.Link, "/"), "status")
}

// auths are the checks of tokens: of readers, nil where anybody may read, and of
// those who may change something, nil where nobody can.
func auths(c *config.Config, log logrus.FieldLogger) (readers, admins *serve.Auth, err error) {
	if !c.Serve.Secret.IsSet() {
		return nil, nil, nil // the settings' check sees to it that reading is open then
	}
	admins, err = serve.NewAuth(c.Serve.Secret.Reveal(), Audience(c), log)
	if err != nil {
		return nil, nil, fmt.Errorf("STATUS_SECRET_STATUS: %w", err)
	}
	if c.Serve.Read == config.ReadToken {
		readers = admins
	}
	return readers, admins, nil
}

// listeners are what we serve on; all but public are nil where they are not set.
type listeners struct {
	public, admin        net.Listener
	reports, reportsGRPC net.Listener // of tunnels
}

// listen opens what we serve on: all of it, or nothing.
func (a *App) listen(ctx context.Context) (on listeners, err error) {
	var sockets statusport.Sockets
	c := a.o.Config
	wanted := []config.Listen{c.Serve.Listen, c.Admin.Listen, c.Observer.Listen, c.Observer.GRPCListen}
	if slices.ContainsFunc(wanted, func(l config.Listen) bool { return l.Network == "systemd" }) {
		if sockets, err = statusport.Inherited(); err != nil {
			return on, err
		}
	}
	defer func() {
		closed := sockets.Close()
		if err != nil {
			err = errors.Join(err, closed, on.close())
		} else if closed != nil {
			a.log.WithError(closed).Warn("sockets of systemd's that no setting names can't be closed")
		}
	}()
	steps := []struct {
		at   config.Listen
		open func() error
	}{
		{c.Admin.Listen, func() (err error) { on.admin, err = a.listenAdmin(ctx, sockets); return err }},
		{c.Observer.Listen, func() (err error) {
			on.reports, err = a.listenReports(ctx, c.Observer.Listen, sockets, placeObserverIn, "STATUS_OBSERVER_LISTEN")
			return err
		}},
		{c.Observer.GRPCListen, func() (err error) {
			on.reportsGRPC, err = a.listenReports(ctx, c.Observer.GRPCListen, sockets, placeObserverGRPC, "STATUS_OBSERVER_GRPC_LISTEN")
			return err
		}},
		{c.Serve.Listen, func() (err error) {
			on.public, err = a.open(ctx, c.Serve.Listen, sockets, "STATUS_PORT_SERVE or STATUS_LISTEN")
			return err
		}},
	}
	// Whoever doesn't say which socket of systemd's is meant comes last, when it is the only
	// one left.
	for _, nameless := range []bool{false, true} {
		for _, step := range steps {
			if nameless != (step.at.Network == "systemd" && step.at.Address == "") {
				continue
			}
			if err := step.open(); err != nil {
				return on, err
			}
		}
	}
	return on, nil
}

// close gives up what was opened of them.
func (on *listeners) close() error {
	var faults []error
	for _, l := range []net.Listener{on.public, on.admin, on.reports, on.reportsGRPC} {
		if l != nil {
			faults = append(faults, l.Close())
		}
	}
	return errors.Join(faults...)
}

// listenReports opens one of the ways by which reports of tunnels come; nil where it
// is not set.
func (a *App) listenReports(ctx context.Context, at config.Listen, sockets statusport.Sockets, place, setting string) (net.Listener, error) {
	if !at.IsSet() {
		return nil, nil
	}
	l, err := a.open(ctx, at, sockets, setting)
	if err != nil {
		return nil, err
	}
	a.log.WithField("listen", l.Addr().String()).Info("taking reports of tunnels")
	return a.o.operators.tracker.Listener(place, l), nil
}

// open begins to listen. A socket file that an earlier run left behind is taken
// away where nobody listens on it any more.
func (a *App) open(ctx context.Context, at config.Listen, sockets statusport.Sockets, setting string) (net.Listener, error) {
	if at.Network == "systemd" {
		l, err := sockets.Take(at.Address)
		if err != nil {
			return nil, fmt.Errorf("listen on %s (%s): %w", at, setting, err)
		}
		return l, nil
	}
	listen := a.o.Listen
	if listen == nil {
		listen = new(net.ListenConfig).Listen
	}
	if at.Network == "unix" {
		if err := removeDeadSocket(ctx, at.Address); err != nil {
			return nil, err
		}
	}
	l, err := listen(ctx, at.Network, at.Address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s (%s): %w", at, setting, err)
	}
	if at.Network == "unix" {
		// As open as a port: whoever may reach the folder may ask, a proxy under
		// another user too.
		if err := os.Chmod(at.Address, 0o666); err != nil {
			return nil, errors.Join(fmt.Errorf("let others connect to unix:%s: %w", at.Address, err), l.Close())
		}
	}
	return l, nil
}

func removeDeadSocket(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return nil // nothing there, or something that net.Listen will name
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		return errors.Join(fmt.Errorf("listen on unix:%s: another server is listening there", path), conn.Close())
	case !errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("listen on unix:%s: find out whether another server does: %w", path, err)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("take away the socket of an earlier run: %w", err)
	}
	return nil
}

// profile serves pprof on loopback where that is switched on. Not being able to
// is no reason to leave a laboratory unwatched.
func (a *App) profile(servers *sync.WaitGroup) (stop func() error) {
	p := a.o.Config.Profile
	if !p.On {
		return func() error { return nil }
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	server := &http.Server{Addr: p.Address(), Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	servers.Go(func() {
		if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
			a.log.WithError(err).Error("no profiles are served (STATUS_PROFILE, STATUS_PORT_PROFILE)")
		}
	})
	return server.Close
}
