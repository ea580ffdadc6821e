package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"labstatus/internal/app"
	"labstatus/internal/config"
	"labstatus/internal/health"
	"labstatus/internal/lab"
	"labstatus/internal/telemetry"
	"labstatus/serve"
)

// demo is what the demo's flags say.
type demo struct {
	port    int
	speed   float64
	script  string
	keep    string
	oldie   bool
	endless bool
}

func newDemo() *cobra.Command {
	var d demo
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the server on a simulated laboratory with scripted faults",
		Long: `Run a simulated laboratory (book, relay, jump, a mail server and twelve experiments)
and the server on it, both on loopback. A script tells a quarter of an hour of a
laboratory's life on a faster clock; what happens is printed as it happens. Ctrl-C
ends it. Nothing outside a temporary folder is touched.

Orders can also be given by hand, on the control page that is printed at the start,
and are the words of a script of your own (--script FILE):

` + indent(lab.Grammar()),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := d.run(cmd.Context(), cmd.OutOrStdout())
			if err != nil {
				return failure(err)
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&d.port, "port", 0, "port of the page and the API on loopback; 0: a free one")
	cmd.Flags().Float64Var(&d.speed, "speed", 10, "how many times faster than in a real laboratory time passes, 1 to 20")
	cmd.Flags().StringVar(&d.script, "script", "", "a script of your own in place of the built-in one")
	cmd.Flags().StringVar(&d.keep, "dir", "", "a folder for state, log and mails, kept afterwards; empty: a temporary one")
	cmd.Flags().BoolVar(&d.oldie, "no-stats", false, "a relay of version 0.8 or later, which reports no statistics")
	cmd.Flags().BoolVar(&d.endless, "stay", true, "go on after the script's end, until Ctrl-C")
	return cmd
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ")
}

// run is the whole demo. It ends when ctx does, or the script where asked to.
func (d *demo) run(ctx context.Context, out io.Writer) (err error) {
	ctx, ignore := signal.NotifyContext(ctx, syscall.SIGHUP) // its terminal is closed
	defer ignore()
	if d.speed < 1 || d.speed > 20 {
		return fmt.Errorf("--speed %g: 1 to 20 is possible", d.speed)
	}
	script := lab.DemoScript()
	if d.script != "" {
		text, err := os.ReadFile(d.script)
		if err != nil {
			return fmt.Errorf("read the script: %w", err)
		}
		if script, err = lab.ParseScript(string(text)); err != nil {
			return fmt.Errorf("%s:\n%w\n\nthe words of a script are:\n%s", d.script, err, indent(lab.Grammar()))
		}
	}
	folder, cleanUp, err := d.folder()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cleanUp()) }()

	log, warning := telemetry.NewLog(telemetry.LogOptions{Level: config.Default().Log.Level, File: filepath.Join(folder, "status.log"), Stderr: io.Discard})
	if warning != nil {
		return warning
	}
	defer func() { err = errors.Join(err, log.Close()) }()

	laboratory, err := lab.New(lab.Options{
		Experiments: d.experiments(), RelayStats: !d.oldie, MailDir: filepath.Join(folder, "mails"),
		RelayEvery: d.faster(6 * time.Second), JumpEvery: d.faster(5 * time.Second), Reconnect: d.faster(10 * time.Second),
		GOSTs: d.gosts(), Collector: &lab.CollectorOptions{},
		Seed: uint64(time.Now().UnixNano()), Log: log.WithField("part", "lab"),
	})
	if err != nil {
		return err
	}
	tell := &printer{out: out, began: time.Now()}
	on, err := d.listen(ctx)
	if err != nil {
		return err
	}
	page := "http://" + on[0].Addr().String() + "/"
	server, token, err := d.server(ctx, laboratory, folder, log, tell, on)
	if err != nil {
		return errors.Join(err, on.close())
	}

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var parts sync.WaitGroup
	fault := make(chan error, 3)
	part := func(run func(context.Context) error) {
		parts.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				fault <- err
				stop()
			}
		})
	}
	part(laboratory.Run)
	<-laboratory.Ready()
	part(server.Run)
	laboratory.Observe(on[1].Addr().String(), "")
	laboratory.ObserveGRPC(on[2].Addr().String(), "")
	tell.welcome(d, page, laboratory.ControlURL(), folder, token)
	part(func(ctx context.Context) error {
		defer func() {
			if !d.endless {
				stop()
			}
		}()
		if err := d.play(ctx, script, laboratory, tell); err != nil && ctx.Err() == nil {
			return err
		}
		return nil
	})
	<-ctx.Done()
	parts.Wait()
	tell.say("demo", "stopped")
	close(fault)
	for e := range fault {
		err = errors.Join(err, e)
	}
	return err
}

// listeners are the demo's: of the page and the API, of reports of tunnels over HTTP, and
// of those over gRPC.
type listeners [3]net.Listener

func (d *demo) listen(ctx context.Context) (on listeners, err error) {
	for i, port := range []int{d.port, 0, 0} {
		if on[i], err = new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err != nil {
			return on, errors.Join(fmt.Errorf("open a port for the server: %w", err), on.close())
		}
	}
	return on, nil
}

// at gives the one at an address.
func (on listeners) at(_ context.Context, _, addr string) (net.Listener, error) {
	for _, l := range on {
		if l.Addr().String() == addr {
			return l, nil
		}
	}
	return nil, fmt.Errorf("the demo has no port at %s", addr)
}

func (on listeners) close() error {
	var faults []error
	for _, l := range on {
		if l != nil {
			faults = append(faults, l.Close())
		}
	}
	return errors.Join(faults...)
}

// folder makes the demo's folder; cleanUp takes it away where it is temporary.
func (d *demo) folder() (folder string, cleanUp func() error, err error) {
	cleanUp = func() error { return nil }
	if folder = d.keep; folder == "" {
		if folder, err = os.MkdirTemp("", "status-demo-"); err != nil {
			return "", nil, fmt.Errorf("make a folder: %w", err)
		}
		made := folder
		cleanUp = func() error { return os.RemoveAll(made) }
	}
	if folder, err = filepath.Abs(folder); err == nil {
		err = os.MkdirAll(filepath.Join(folder, "mails"), 0o700)
	}
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("make a folder for mails: %w", err), cleanUp())
	}
	return folder, cleanUp, nil
}

// faster is a real laboratory's time on the demo's clock.
func (d *demo) faster(real time.Duration) time.Duration {
	return time.Duration(float64(real) / d.speed)
}

// experiments are the lab's, sending as often as the demo's clock wants it.
func (d *demo) experiments() []lab.Experiment {
	all := lab.DemoExperiments()
	for i := range all {
		if len(all[i].Streams) == 0 {
			all[i].Streams = []lab.StreamSpec{{Name: "st-data", Size: 41}, {Name: "st-video", Size: 2000}}
		}
		for j := range all[i].Streams {
			all[i].Streams[j].Period = d.faster(time.Second)
		}
	}
	return all
}

// gosts are those whose tunnels reach the lab's experiments, reporting as often as the
// demo's clock wants it.
func (d *demo) gosts() []lab.GOST {
	all := lab.DemoGOSTs()
	for i := range all {
		all[i].Period = d.faster(5 * time.Second)
	}
	return all
}

// server makes the server as its environment would, and a token for whoever plays
// the maintainer.
func (d *demo) server(ctx context.Context, l *lab.Lab, folder string, log *telemetry.Log, tell *printer, on listeners) (server *app.App, token string, err error) {
	env, secret := l.Env(), rand.Text()
	tokens, observers := filepath.Join(folder, "observer-tokens"), filepath.Join(folder, "observers.json")
	if err := errors.Join(os.WriteFile(tokens, []byte(l.ObserverTokens()), 0o600), os.WriteFile(observers, []byte(l.Observers()), 0o600)); err != nil {
		return nil, "", fmt.Errorf("write the files of observers: %w", err)
	}
	maps.Copy(env, map[string]string{
		"STATUS_LISTEN":               on[0].Addr().String(),
		"STATUS_EMAIL_LINK":           "http://" + on[0].Addr().String() + "/",
		"STATUS_OBSERVER_LISTEN":      on[1].Addr().String(),
		"STATUS_OBSERVER_GRPC_LISTEN": on[2].Addr().String(),
		"STATUS_OBSERVER_TOKENS":      tokens,
		"STATUS_OBSERVERS":            observers,
		"STATUS_SECRET_STATUS":        secret,
		"STATUS_STORE":                filepath.Join(folder, "status.db"),
		"STATUS_EMAIL_SUBJECT":        "demo lab/status",
		"STATUS_EMAIL_GROUP_WAIT":     d.faster(10 * time.Second).String(), // so that a failure of many is one mail
		"STATUS_HEALTH_LAST_ACTIVE":   d.faster(10 * time.Second).String(),
		"STATUS_HEALTH_LAST_CHECKED":  d.faster(30 * time.Second).String(),
		"STATUS_HEALTH_STARTUP":       d.faster(30 * time.Second).String(),
		"STATUS_HEALTH_FLAP_EVENTS":   "4",
		"STATUS_HEALTH_FLAP_WINDOW":   d.faster(2 * time.Minute).String(),
		"STATUS_QUERY_BOOK_EVERY":     d.faster(time.Minute).String(),
		"STATUS_TIMEOUT_BOOK":         d.faster(5 * time.Second).String(),
	})
	c, warnings, err := config.LoadMap(env)
	if err != nil {
		return nil, "", fmt.Errorf("the demo's own settings: %w", err)
	}
	if token, err = serve.MintToken(secret, app.Audience(c), "demo", []string{serve.ScopeAdmin}, 24*time.Hour); err != nil {
		return nil, "", fmt.Errorf("make a token for the demo: %w", err)
	}
	texts := make([]string, len(warnings))
	for i, w := range warnings {
		texts[i] = w.String()
	}
	server, err = app.New(ctx, app.Options{
		Config: c, Warnings: texts, Version: versionText(), Log: log, OnDecision: tell.decision,
		Listen: on.at,
	})
	return server, token, err
}

// play gives the script's orders at their times, and tells of each.
func (d *demo) play(ctx context.Context, script lab.Script, l *lab.Lab, tell *printer) error {
	for i := range script {
		step := &script[i]
		do, say := step.Do, step.Say
		step.Do = func(l *lab.Lab) error {
			tell.say("lab", say)
			return do(l)
		}
	}
	if err := script.Run(ctx, l, d.speed); err != nil {
		return err
	}
	if d.endless {
		tell.say("demo", "the script has ended, the laboratory goes on: give it orders on its control page, Ctrl-C ends")
	}
	return nil
}

// printer tells what happens, a line each, with the time since the start.
type printer struct {
	mu    sync.Mutex
	out   io.Writer
	began time.Time
}

func (p *printer) say(who, what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.out, "%7.1fs  %-6s %s\n", time.Since(p.began).Seconds(), who, strings.Map(printable, what))
}

// printable keeps what a stream calls itself from moving the terminal's cursor.
func printable(r rune) rune {
	if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
		return -1
	}
	return r
}

func (p *printer) welcome(d *demo, page, control, folder, token string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.out, `A simulated laboratory, time passes %g times as fast as in a real one.

  page      %s
  API       %sapi/v1/experiments
  mails     %smails  (files: %s)
  orders    %s
  log       %s
  token     %s
            (enter it on the page to acknowledge, silence and hold; it is good for this demo alone)

`, d.speed, page, page, control, filepath.Join(folder, "mails"), control, filepath.Join(folder, "status.log"), token)
}

// decision tells what the server has just decided. It is called in the server's
// loop, and writes without waiting for anything but the terminal.
func (p *printer) decision(d health.Decision) {
	for _, ev := range d.Events {
		words := "ok"
		if len(ev.Issues) > 0 {
			words = strings.Join(ev.Issues, ", ")
		}
		p.say("status", ev.Experiment+": "+words)
	}
	for _, w := range d.Wishes {
		if w.Want != health.Leave {
			p.say("status", fmt.Sprintf("asks book to %s %s", w.Want, w.Resource))
		}
	}
	if d.Alert != nil {
		p.say("status", fmt.Sprintf("queues a mail: %d new, %d over, %d current problems", len(d.Alert.New), len(d.Alert.Resolved), len(d.Alert.Current)))
	}
	for _, n := range d.Notes {
		if n.Experiment == "" {
			p.say("status", n.Text)
		}
	}
}
