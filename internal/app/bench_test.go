package app_test

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"labstatus/internal/app"
	"labstatus/internal/config"
	"labstatus/internal/health"
	"labstatus/internal/lab"
)

// Periods of the laboratory in these tests: what real services measure.
const (
	relayEvery = 6 * time.Second
	jumpEvery  = 5 * time.Second
	lastActive = 10 * time.Second
	// noticed is how long it takes to notice that a stream is not well: it has to
	// be silent for lastActive, be seen to be so by a frame, and told.
	noticed = lastActive + 2*relayEvery
	// settled is when a server that has just started has judged everything.
	settled = 90 * time.Second
)

// bench is a whole server on a whole simulated laboratory, on a network in
// memory, in a synctest bubble: hours of faults take a moment.
type bench struct {
	t       *testing.T
	lab     *lab.Lab
	network *lab.Network
	env     map[string]string
	client  *http.Client

	labDone chan error
	stopLab context.CancelFunc

	options  app.Options   // what start gives the server beside its settings
	logged   *logtest.Hook // what it has logged
	app      *app.App
	appDone  chan error
	stopApp  context.CancelFunc
	mu       sync.Mutex
	events   []health.Event
	decision []health.Decision
	held     <-chan struct{} // the loop stands still until it is closed; nil: it turns
}

// inLab runs a story in a bubble, with a lab of the given experiments and a server
// that has settled. Stories share nothing and run beside each other.
func inLab(t *testing.T, experiments []lab.Experiment, env map[string]string, story func(*bench)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, experiments, env)
		b.start()
		b.wait(settled)
		story(b)
		b.stop()
		b.close()
	})
}

// inFile adds to settings that the store is a file, for stories of restarts and of the
// store itself. Both kinds of store pass the same tests in internal/store.
func inFile(t *testing.T, env map[string]string) map[string]string {
	t.Helper()
	with := map[string]string{"STATUS_STORE": filepath.Join(t.TempDir(), "status.db")}
	maps.Copy(with, env)
	return with
}

func newBench(t *testing.T, experiments []lab.Experiment, env map[string]string) *bench {
	t.Helper()
	return newBenchWith(t, experiments, env, lab.MailOptions{}, 0)
}

// newBenchWith is for a mail server of another kind, and a laboratory that was
// made some time ago.
func newBenchWith(t *testing.T, experiments []lab.Experiment, env map[string]string, mail lab.MailOptions, age time.Duration) *bench {
	t.Helper()
	b := &bench{t: t, network: lab.NewNetwork(), labDone: make(chan error, 1), logged: new(logtest.Hook)}
	var err error
	b.lab, err = lab.New(lab.Options{
		Experiments: experiments, RelayEvery: relayEvery, JumpEvery: jumpEvery, RelayStats: true,
		Network: b.network, Seed: 1, BookLatency: 50 * time.Millisecond, MailServer: mail,
	})
	if err != nil {
		t.Fatal(err)
	}
	b.options = app.Options{Version: "test", RootCAs: b.lab.CertPool(), Dial: b.network.DialContext}
	time.Sleep(age)
	b.env = b.lab.Env()
	maps.Copy(b.env, map[string]string{
		"STATUS_STORE":            "memory", // which is much faster; see inFile
		"STATUS_LISTEN":           "status.lab:80",
		"STATUS_LOG_FILE":         "stderr",
		"STATUS_QUERY_BOOK_EVERY": "15m",
		"STATUS_EMAIL_HELO":       "status.lab",
		"STATUS_EMAIL_SUBJECT":    "lab/status",
		"STATUS_EMAIL_LINK":       "lab.example/status",
	})
	maps.Copy(b.env, env)
	b.client = &http.Client{Transport: &http.Transport{DialContext: b.network.DialContext, DisableKeepAlives: true}}
	ctx, cancel := context.WithCancel(context.Background())
	b.stopLab = cancel
	go func() { b.labDone <- b.lab.Run(ctx) }()
	<-b.lab.Ready()
	return b
}

func (b *bench) close() {
	b.t.Helper()
	b.client.CloseIdleConnections()
	b.stopLab()
	if err := <-b.labDone; err != nil {
		b.t.Error("the lab:", err)
	}
}

// start runs a server on what an earlier one has kept.
func (b *bench) start() {
	b.t.Helper()
	c, _, err := config.LoadMap(b.env)
	if err != nil {
		b.t.Fatal(err)
	}
	log := logrus.New()
	log.SetOutput(b.t.Output())
	log.SetLevel(logrus.InfoLevel)
	log.SetFormatter(&logrus.TextFormatter{DisableColors: true, TimestampFormat: "15:04:05.000"})
	log.AddHook(b.logged)
	ctx, cancel := context.WithCancel(context.Background())
	b.stopApp = cancel
	o := b.options
	o.Config, o.Log = c, log
	o.Listen = func(_ context.Context, _, addr string) (net.Listener, error) { return b.network.Listen(addr) }
	o.OnDecision = func(d health.Decision) {
		b.mu.Lock()
		held := b.held
		b.mu.Unlock()
		if held != nil {
			<-held
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.events = append(b.events, d.Events...)
		b.decision = append(b.decision, d)
	}
	b.app, err = app.New(ctx, o)
	if err != nil {
		b.t.Fatal(err)
	}
	b.appDone = make(chan error, 1)
	running, done := b.app, b.appDone
	go func() { done <- running.Run(ctx) }()
	synctest.Wait()
}

// stop ends the server as SIGTERM does, and reports how long that took.
func (b *bench) stop() time.Duration {
	b.t.Helper()
	began := time.Now()
	b.stopApp()
	if err := <-b.appDone; err != nil {
		b.t.Error("the server:", err)
	}
	return time.Since(began)
}

func (b *bench) wait(d time.Duration) {
	time.Sleep(d) // the bubble's time
	synctest.Wait()
}

// must fails the test where an order to the lab was refused.
func (b *bench) must(errs ...error) {
	b.t.Helper()
	for _, err := range errs {
		if err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *bench) available(resource string) bool {
	b.t.Helper()
	available, _, known := b.lab.Availability(resource)
	if !known {
		b.t.Fatalf("book has no %s", resource)
	}
	return available
}

// becomes waits until a resource's availability is as wanted, and fails the test
// where that takes longer than within.
func (b *bench) becomes(resource string, available bool, within time.Duration) {
	b.t.Helper()
	began := time.Now()
	for b.available(resource) != available {
		if time.Since(began) > within {
			b.t.Fatalf("%s is not %s after %s", resource, map[bool]string{true: "open", false: "closed"}[available], within)
		}
		b.wait(100 * time.Millisecond)
	}
}

// writes counts the changes that book was asked for since a moment.
func (b *bench) writes(since time.Time) (n int) {
	for _, c := range b.lab.Calls() {
		if c.Method == http.MethodPut && c.At.After(since) {
			n++
		}
	}
	return n
}

// mails gives the subjects of the mails that were accepted since a moment.
func (b *bench) mails(since time.Time) (subjects []string) {
	for _, m := range b.lab.Mails() {
		if m.Accepted() && m.At.After(since) {
			subjects = append(subjects, m.Subject)
		}
	}
	return subjects
}

// told fails the test unless exactly these mails came since a moment; each is
// known by words in its subject.
func (b *bench) told(since time.Time, want ...string) {
	b.t.Helper()
	got := b.mails(since)
	if len(got) != len(want) {
		b.t.Fatalf("mails since %s: %q, want %d: %q", since.Format(time.TimeOnly), got, len(want), want)
	}
	for i := range want {
		if !strings.Contains(got[i], want[i]) {
			b.t.Errorf("mail %d is %q, want %q in it", i+1, got[i], want[i])
		}
	}
}

// get reads the API, and fails the test where that takes longer than 50 ms.
func (b *bench) get(path string, into any) int {
	b.t.Helper()
	began := time.Now()
	resp, err := b.client.Get("http://status.lab" + path)
	if err != nil {
		b.t.Fatalf("GET %s: %v", path, err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatalf("GET %s: %v", path, err)
	}
	if err := resp.Body.Close(); err != nil {
		b.t.Fatal(err)
	}
	if took := time.Since(began); took > 50*time.Millisecond {
		b.t.Errorf("GET %s took %s, want at most 50ms", path, took)
	}
	if into != nil {
		if err := json.Unmarshal(body, into); err != nil {
			b.t.Fatalf("GET %s: %v in %q", path, err, body)
		}
	}
	return resp.StatusCode
}

// state is how the API words an experiment's state.
func (b *bench) state(name string) string {
	b.t.Helper()
	var report struct{ State string }
	if code := b.get("/api/v1/experiments/"+name, &report); code != http.StatusOK {
		b.t.Fatalf("GET %s: %d", name, code)
	}
	return report.State
}

// paceKept fails the test where the loop stood still: it turns at least once a
// second, whatever else hangs, up to this moment.
func (b *bench) paceKept(since time.Time) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	last := since
	turned := func(at time.Time) {
		b.t.Helper()
		if gap := at.Sub(last); gap > 1100*time.Millisecond {
			b.t.Errorf("the loop stood still for %s at %s", gap, last.Format(time.TimeOnly))
		}
		last = at
	}
	for _, d := range b.decision {
		if !d.At.Before(since) {
			turned(d.At)
		}
	}
	turned(time.Now()) // it may stand still since the latest
}

func experiments(stubs ...string) (all []lab.Experiment) {
	for _, s := range stubs {
		all = append(all, lab.Experiment{Stub: s})
	}
	return all
}
