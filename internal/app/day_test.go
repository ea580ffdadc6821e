package app_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"labstatus/internal/app"
	"labstatus/internal/config"
	"labstatus/internal/health"
	"labstatus/internal/lab"
)

// A laboratory lives through days of random faults of every kind, each in a
// bubble of its own, against a model of what has to come of them that is written
// from the rules. Whatever is determined by the rules is compared after every
// step, and everything at quiet points.
//
// DAY_SEED picks a day (a failing one says its own), DAY_COUNT how many follow it,
// DAY_LENGTH and DAY_EXPERIMENTS their size. The orders of a seed are always the
// same, and so is the server's jitter: two runs of one seed are alike, but for which of
// two things of the same nanosecond came first. That they are is seen with the first day
// where none was asked for.
func TestDay(t *testing.T) {
	t.Parallel()
	number := func(name string, usual int) int {
		n, err := strconv.Atoi(cmp.Or(os.Getenv(name), strconv.Itoa(usual)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return n
	}
	first, count := number("DAY_SEED", 1), number("DAY_COUNT", len(climates))
	size := number("DAY_EXPERIMENTS", 5)
	long, err := time.ParseDuration(cmp.Or(os.Getenv("DAY_LENGTH"), "10m"))
	if err != nil {
		t.Fatalf("DAY_LENGTH: %v", err)
	}
	live := func(t *testing.T, seed int) (digest uint64) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) { digest = runDay(t, uint64(seed), size, long) })
		return digest
	}
	again := os.Getenv("DAY_SEED") == ""
	for seed := first; seed < first+count; seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			digest := live(t, seed)
			if again && seed == first && !t.Failed() && live(t, seed) != digest {
				t.Error("two runs of this seed differ")
			}
		})
	}
}

// climate is what kind of laboratory it is, and how the server is set up for it.
type climate struct {
	name                 string
	blind                bool // relay gives no statistics
	relayEvery           time.Duration
	jumpEvery            time.Duration
	lastActive           time.Duration
	lastChecked, startup time.Duration
	queryEvery           time.Duration
	flapWindow           time.Duration
	groupWait            time.Duration
	confirm              int
	tokens               time.Duration // how long ours for relay and jump last
	mailKind             lab.MailOptions
}

// jumpsPeriod is what was measured, and a little more: where jump and relay report at the
// same moment, which is heard first is no seed's doing.
const jumpsPeriod = 5*time.Second + 3*time.Millisecond

var climates = []climate{
	{
		name: "as measured", relayEvery: 6 * time.Second, jumpEvery: jumpsPeriod,
		lastActive: 10 * time.Second, lastChecked: 30 * time.Second, startup: time.Minute,
		queryEvery: 5 * time.Minute, flapWindow: 10 * time.Minute, confirm: 1, tokens: time.Hour,
	}, {
		name: "relay without statistics", blind: true, relayEvery: 6 * time.Second, jumpEvery: jumpsPeriod,
		lastActive: 10 * time.Second, lastChecked: 30 * time.Second, startup: time.Minute,
		queryEvery: 2 * time.Minute, flapWindow: 5 * time.Minute, confirm: 1, tokens: 3 * time.Minute,
		mailKind: realMailServer,
	}, {
		name: "a frame a minute", relayEvery: 61 * time.Second, jumpEvery: time.Minute + 7*time.Millisecond,
		lastActive: 5 * time.Minute, lastChecked: 5 * time.Minute, startup: 10 * time.Minute,
		queryEvery: 15 * time.Minute, flapWindow: 30 * time.Minute, confirm: 1, tokens: 17 * time.Minute,
	}, {
		name: "told in groups", relayEvery: 6 * time.Second, jumpEvery: jumpsPeriod,
		lastActive: 10 * time.Second, lastChecked: 30 * time.Second, startup: time.Minute,
		queryEvery: 5 * time.Minute, flapWindow: 10 * time.Minute, groupWait: 20 * time.Second, confirm: 2,
		tokens: 10 * time.Minute, mailKind: realMailServer,
	},
}

const (
	flapEvents    = 5
	eventsKept    = 100
	goneRecipient = "gone@lab.example"
)

// dayRecipients are those whose mails are to arrive.
var dayRecipients = []string{"anna@lab.example", "ben@lab.example"}

// day is one day of one laboratory.
type day struct {
	*bench
	climate
	rng     *rand.Rand
	seed    uint64
	size    int
	born    int
	passes  int
	latency map[string]time.Duration

	truth   *truth
	shared  passage // the tunnel of which experiments are clients
	ill     map[string]bool
	illness map[string][]span
	started time.Time // the server; zero while it is down
	pauses  []span    // in which it was down

	story []string // what happened, for whoever has to find out why
	log   *tail

	stood int // tunnels of which nothing was said over a restart

	readMails int
	// longWithoutMail: since mails were last read, the mail server has failed for so
	// long that their order says nothing.
	longWithoutMail bool
	lastCall        time.Time
	agreed          time.Time // the latest quiet point

	agreeing                 bool
	states, bookings, writes int  // compared between quiet points
	offering, closing        bool // at one of them book offered something, and had been told to close something

	readers      map[string]*reader
	author       *ledgerOfEvents
	refusing     bool            // mails may have been refused to everybody since the latest quiet point
	shownRefused map[string]bool // recipients with Message-IDs of which the API says why they haven't got them

	skewed     map[string]time.Duration // how far services' clocks are ahead
	distrusted time.Time                // since when the mail server's certificate isn't good; zero: it is

	do      func(method, path, body string) (int, string) // what anna does through the API
	hushes  map[string][]hush                             // by stub, in which nobody is mailed of it
	covered map[string]bool                               // by stub: hushed since the latest quiet point

	disk      *failingStore
	storeLoud bool      // the store's fault keeps whatever is to be kept from being so
	toKeep    time.Time // the latest decision with something to be kept

	standstill <-chan struct{} // the loop stands still until it is closed; nil: it turns

	seenMu   sync.Mutex // the loop of the server writes, the test reads
	seen     []health.Decision
	lastTurn time.Time
	awake    time.Time // the start of the server, or the end of its latest sleep
}

func runDay(t *testing.T, seed uint64, size int, long time.Duration) uint64 {
	c, asked := climates[seed%uint64(len(climates))], long
	if c.relayEvery > 10*time.Second && long < 6*time.Hour {
		long *= 4 // its frames are rarer, and nothing is quick there
	}
	d := &day{
		climate: c, rng: rand.New(rand.NewPCG(seed, 0xda7)), seed: seed, size: size, latency: map[string]time.Duration{lab.Book: 50 * time.Millisecond},
		truth: newTruth(c.blind), ill: map[string]bool{}, illness: map[string][]span{},
		readers: map[string]*reader{}, author: newLedgerOfEvents(), log: &tail{}, disk: &failingStore{},
		hushes: map[string][]hush{}, covered: map[string]bool{}, shownRefused: map[string]bool{}, skewed: map[string]time.Duration{},
	}
	for _, to := range dayRecipients {
		d.readers[to] = newReader()
	}
	d.bench = d.newLab(t, seed)
	defer func() { // also where a comparison has ended the test
		for _, at := range labAddresses {
			d.network.Heal(at)
		}
		d.disk.order(storeFault{})
		if !d.started.IsZero() {
			d.stop()
		}
		d.close()
		if t.Failed() {
			t.Logf("seed %d, %s, at %s; replay: DAY_SEED=%d DAY_COUNT=1 DAY_LENGTH=%s DAY_EXPERIMENTS=%d go test -run '^TestDay$' ./internal/app\n%s\n\nthe end of the log:\n%s",
				seed, c.name, time.Now().UTC().Format(time.TimeOnly), seed, asked, size, strings.Join(d.story, "\n"), d.log)
		}
	}()
	d.start()
	for _, stub := range slices.Sorted(maps.Keys(d.truth.tunnels)) {
		d.begin(stub)
	}
	d.tells(daySharedTunnel, "running", "ready")
	d.pass(d.startup)
	points := 0
	for began := time.Now(); time.Since(began) < long; points++ {
		d.actsAtLeisure()
		for range 5 + d.rng.IntN(25) {
			d.any()
			d.pass(d.someWait())
		}
		d.quiet()
	}
	t.Logf("%s: %d orders, %d quiet points, %d events, %d mails, %d tunnels over restarts, %d states compared, %d bookings compared, %d writes judged, story %x",
		c.name, len(d.story), points, d.author.events, d.readMails, d.stood, d.states, d.bookings, d.writes, d.digest())
	// The shortest days may be over before anything is determined, and in some book has no
	// manifest. With a frame a minute a day's bookings are hardly ever left alone for long
	// enough.
	if long >= time.Hour && (d.states == 0 || d.offering && d.relayEvery < time.Minute && d.bookings == 0 || d.closing && d.writes == 0) {
		t.Errorf("between quiet points %d states and %d bookings were compared, and %d writes judged", d.states, d.bookings, d.writes)
	}
	return d.digest()
}

func (d *day) newLab(t *testing.T, seed uint64) *bench {
	t.Helper()
	b := &bench{t: t, network: lab.NewNetwork(), labDone: make(chan error, 1)}
	var err error
	b.lab, err = lab.New(lab.Options{
		RelayEvery: d.relayEvery, JumpEvery: d.jumpEvery, RelayStats: !d.blind,
		Network: b.network, Seed: seed, BookLatency: d.latency[lab.Book], MailServer: d.mailKind,
	})
	if err != nil {
		t.Fatal(err)
	}
	d.bench = b
	d.refuseOne()
	for i := range d.size {
		e := lab.Experiment{Stub: fmt.Sprintf("%s%02d", []string{"pend", "spin", "trus"}[i%3], i)}
		if i%4 == 3 {
			e.Streams = []lab.StreamSpec{{Name: "st-data"}, {Name: "st-video"}, {Name: "st-log", Optional: true, Period: 700 * time.Millisecond}}
		}
		d.dig(e.Stub, i%2 == 0, i%3 == 0)
		d.place(e)
	}
	b.env = b.lab.Env()
	maps.Copy(b.env, withTunnels(t))
	b.env["STATUS_OBSERVER_MAP"] += " ; " + dayClientRule
	maps.Copy(b.env, map[string]string{
		"STATUS_STORE":                 filepath.Join(t.TempDir(), "status.db"),
		"STATUS_LISTEN":                "status.lab:80",
		"STATUS_LOG_FILE":              "stderr",
		"STATUS_EMAIL_HELO":            "status.lab",
		"STATUS_EMAIL_TO":              strings.Join(append(slices.Clone(dayRecipients), goneRecipient), ","),
		"STATUS_EMAIL_LINK":            "lab.example/status",
		"STATUS_EMAIL_GROUP_WAIT":      d.groupWait.String(),
		"STATUS_HEALTH_LAST_ACTIVE":    d.lastActive.String(),
		"STATUS_HEALTH_LAST_CHECKED":   d.lastChecked.String(),
		"STATUS_HEALTH_STARTUP":        d.startup.String(),
		"STATUS_HEALTH_FLAP_WINDOW":    d.flapWindow.String(),
		"STATUS_HEALTH_FLAP_EVENTS":    strconv.Itoa(flapEvents),
		"STATUS_HEALTH_EVENTS":         strconv.Itoa(eventsKept),
		"STATUS_HEALTH_CONFIRM_DOWN":   strconv.Itoa(d.confirm),
		"STATUS_HEALTH_CONFIRM_UP":     strconv.Itoa(d.confirm),
		"STATUS_QUERY_BOOK_EVERY":      d.queryEvery.String(),
		"STATUS_RECONNECT_RELAY_EVERY": d.tokens.String(),
		"STATUS_RECONNECT_JUMP_EVERY":  d.tokens.String(),
		"STATUS_SECRET_STATUS":         actsSecret,
	})
	b.client = &http.Client{Transport: &http.Transport{DialContext: b.network.DialContext, DisableKeepAlives: true}}
	ctx, cancel := context.WithCancel(context.Background())
	b.stopLab = cancel
	go func() { b.labDone <- b.lab.Run(ctx) }()
	<-b.lab.Ready()
	d.do = b.anna()
	time.Sleep(137 * time.Millisecond) // so that what the lab does and what the server does never fall together
	return b
}

// start runs a server on what an earlier one has kept.
func (d *day) start() {
	c, _, err := config.LoadMap(d.env)
	d.must(err)
	log := logrus.New()
	log.SetOutput(d.log)
	log.SetFormatter(&logrus.TextFormatter{DisableColors: true, TimestampFormat: "15:04:05.000"})
	ctx, cancel := context.WithCancel(context.Background())
	d.stopApp = cancel
	o := app.Options{
		Config: c, Version: "test", Log: log, Dial: d.network.DialContext, RootCAs: d.lab.CertPool(), Jitter: d.jitter,
		Listen:     func(_ context.Context, _, addr string) (net.Listener, error) { return d.network.Listen(addr) },
		OnDecision: d.decided,
	}
	o.WrapStore(d.wrapStore)
	d.app, err = app.New(ctx, o)
	d.must(err)
	d.appDone = make(chan error, 1)
	d.up()
	running, done := d.app, d.appDone
	go func() { done <- running.Run(ctx) }()
	synctest.Wait()
}

// up notes that the server sees what happens, from now on.
func (d *day) up() {
	d.seenMu.Lock()
	d.awake = time.Now()
	d.started, d.lastTurn = d.awake, d.awake
	d.seenMu.Unlock()
	if n := len(d.pauses); n > 0 {
		d.pauses[n-1].to = time.Now()
	}
}

func (d *day) stop() {
	d.bench.stop()
	d.down()
}

// down notes that the server sees nothing, until it is up.
func (d *day) down() {
	d.started = time.Time{}
	d.pauses = append(d.pauses, span{from: time.Now()})
}

// decided sees each decision, in the server's loop.
func (d *day) decided(decision health.Decision) {
	d.seenMu.Lock()
	standstill := d.standstill
	d.seenMu.Unlock()
	if standstill != nil {
		<-standstill
	}
	d.seenMu.Lock()
	defer d.seenMu.Unlock()
	// What waited while the machine was asleep has its own time.
	if gap := decision.At.Sub(d.lastTurn); gap > 1100*time.Millisecond && decision.At.After(d.awake) {
		d.t.Errorf("the loop stood still for %s at %s", gap, decision.At.UTC().Format(time.TimeOnly))
	}
	d.lastTurn = later(d.lastTurn, decision.At)
	if !decision.NothingToKeep() {
		d.toKeep = decision.At
		d.seen = append(d.seen, decision)
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// did notes what happens now.
func (d *day) did(format string, args ...any) {
	d.story = append(d.story, time.Now().UTC().Format("15:04:05 ")+fmt.Sprintf(format, args...))
}

func (d *day) fell(name string) {
	d.ill[name] = true
	d.illness[name] = append(d.illness[name], span{from: time.Now()})
}

func (d *day) rose(name string) {
	d.ill[name] = false
	for i := range d.illness[name] {
		if s := &d.illness[name][i]; s.to.IsZero() {
			s.to = time.Now()
			d.longWithoutMail = d.longWithoutMail || (name == lab.Mail || name == dayStore) && s.to.Sub(s.from) > 90*time.Second
		}
	}
}

// well is for how long a service has had nothing wrong with it, and the server
// was up to see it.
func (d *day) well(name string) time.Duration {
	if d.started.IsZero() || d.ill[name] {
		return 0
	}
	since := d.started
	for _, s := range d.illness[name] {
		if s.to.After(since) {
			since = s.to
		}
	}
	return time.Since(since)
}

func (d *day) someWait() time.Duration {
	longest := pick(d, []time.Duration{d.relayEvery, 5 * d.relayEvery, 5 * d.relayEvery, 50 * d.relayEvery})
	return time.Duration(1 + d.rng.Int64N(int64(longest)))
}

// pass lets time go by, and compares.
func (d *day) pass(long time.Duration) {
	d.wait(long)
	d.compare()
	if d.t.Failed() {
		d.t.FailNow()
	}
}

// tail keeps the end of a log.
type tail struct {
	mu    sync.Mutex
	lines []string
}

func (l *tail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lines = append(l.lines, strings.TrimRight(string(p), "\n")); len(l.lines) > 600 {
		l.lines = slices.Delete(l.lines, 0, 300)
	}
	return len(p), nil
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}
