package health_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"labstatus/internal/health"
)

// troubled is a laboratory in which everything goes wrong once, and what the engine
// said about it; begin is when.
func troubled(t testing.TB, begin time.Time) (*world, string) {
	t.Helper()
	var said strings.Builder
	w := newWorld()
	w.now = begin
	w.cfg.FlapEvents = 3
	w.schedule()
	w.addResource("r-pend00", "pend00", "st-data", "st-video")
	w.addResource("r-spin30", "spin30", "st-data")
	for _, topic := range []string{"pend00-st-data", "pend00-st-video", "spin30-st-data", "spin30-st-log"} {
		w.connect(topic)
	}
	w.hosts["pend00"], w.hosts["spin30"] = true, true
	w.after = func(_ health.Input, d health.Decision) {
		if text := health.Describe(d); text != "" {
			said.WriteString(d.At.Sub(begin).String() + " " + text)
		}
	}
	w.start()
	w.query()
	run := func(d time.Duration) { w.run(d, func(health.Decision) {}) }
	run(3 * time.Minute)
	for range 3 {
		w.conns["spin30-st-data"] = nil
		run(30 * time.Second)
		w.connect("spin30-st-data")
		run(30 * time.Second)
	}
	w.hosts["pend00"] = false
	run(time.Minute)
	w.relayMute = true
	run(3 * time.Minute)
	w.relayMute = false
	w.conns["pend00-st-video"] = nil
	run(3 * time.Minute)
	w.hosts["pend00"] = true
	w.schedule()
	w.start()
	w.query()
	run(4 * time.Minute)
	return w, said.String()
}

// A time that carries the process' own clock and one that has lost it, as after a
// journey through a codec, are the same to the engine.
func TestTimesWithAndWithoutMonotonicClock(t *testing.T) {
	t.Parallel()
	carries := time.Now().Truncate(0).Add(-time.Hour)
	_, plain := troubled(t, carries)
	_, own := troubled(t, time.Now().Add(time.Until(carries)))
	cut := func(s string) string { // the stamps differ by the moment between the two
		i := strings.Index(s, "since ")
		for ; i >= 0; i = strings.Index(s, "since ") {
			s = s[:i] + s[i+len("since 2026-11-20T22:10:05Z"):]
		}
		return s
	}
	if cut(plain) != cut(own) {
		t.Errorf("without the process' clock:\n%s\nwith it:\n%s", plain, own)
	}
	if !strings.Contains(plain, "flapping") || !strings.Contains(plain, "no fresh reports") {
		t.Errorf("nothing went wrong in this laboratory:\n%s", plain)
	}
}

// Inputs that come some milliseconds out of order, as they do from several
// goroutines, are no news.
func TestSlightlyOutOfOrder(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.addResource("r-pend00", "pend00", "st-data")
	w.connect("pend00-st-data")
	w.hosts["pend00"] = true
	w.start()
	w.query()
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		w.now = w.now.Add(time.Second)
		at := w.now
		inputs := []health.Input{w.relayFrame(), w.jumpFrame()}
		w.now = at.Add(time.Duration(rng.IntN(40)-20) * time.Millisecond)
		inputs = append(inputs, health.Tick{At: w.now})
		w.now = at
		rng.Shuffle(len(inputs), reflect.Swapper(inputs))
		for _, in := range inputs {
			if d := w.engine.Step(in); len(d.Events) > 0 || d.Alert != nil || len(d.Wishes) > 0 {
				t.Fatalf("%s: %T is news:\n%s", offset(at), in, health.Describe(d))
			}
		}
	}
}

// Of several connections of one topic the same one is shown in whatever order a
// frame lists them, however little they differ.
func TestBestConnectionWhateverTheOrder(t *testing.T) {
	t.Parallel()
	same := health.Conn{Topic: "pend00-st-data", Scopes: []string{"expt"}, ConnectedAt: epoch, StatsKnown: true}
	changes := map[string]func(*health.Conn){
		"scopes":    func(c *health.Conn) { c.Scopes = []string{"expt", "read"} },
		"agent":     func(c *health.Conn) { c.UserAgent = "other" },
		"address":   func(c *health.Conn) { c.RemoteAddr = "192.0.2.1" },
		"connected": func(c *health.Conn) { c.ConnectedAt = epoch.Add(time.Second) },
		"expires":   func(c *health.Conn) { c.ExpiresAt = epoch },
		"read":      func(c *health.Conn) { c.CanRead = true },
		"write":     func(c *health.Conn) { c.CanWrite = true },
		"stats":     func(c *health.Conn) { c.StatsKnown = false },
		"tx never":  func(c *health.Conn) { c.Tx.Never = true },
		"tx last":   func(c *health.Conn) { c.Tx.Last = time.Second },
		"tx size":   func(c *health.Conn) { c.Tx.Size = 41 },
		"tx fps":    func(c *health.Conn) { c.Tx.FPS = 25 },
		"rx never":  func(c *health.Conn) { c.Rx.Never = true },
		"rx last":   func(c *health.Conn) { c.Rx.Last = time.Second },
		"rx size":   func(c *health.Conn) { c.Rx.Size = 41 },
		"rx fps":    func(c *health.Conn) { c.Rx.FPS = 25 },
	}
	for name, change := range changes {
		a, b := same, same
		change(&b)
		var shown []*health.Conn
		for _, order := range [][]health.Conn{{a, b}, {b, a}} {
			e := health.New(newWorld().cfg, epoch, health.Kept{})
			e.Step(health.Frame{At: epoch.Add(10 * time.Second), Source: health.Relay, Conns: order})
			shown = append(shown, e.Snapshot().Find("pend00").Streams[0].Conn)
		}
		if !reflect.DeepEqual(shown[0], shown[1]) {
			t.Errorf("two that differ in %q: the order decides which is shown", name)
		}
	}
}

// Wishes for many resources come in one order, whatever map they were kept in.
func TestWishesHaveAnOrder(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.cfg.Startup, w.bookSlow = time.Second, true
	for i := range 20 {
		w.addResource(fmt.Sprintf("r-pend%02d", i), fmt.Sprintf("pend%02d", i), "st-data")
	}
	w.start()
	w.query()
	w.run(time.Minute, func(health.Decision) {})
	if len(w.queue) != 20 {
		t.Fatalf("%d resources are wished to be closed, not 20", len(w.queue))
	}
	d := w.step(health.Manifest{At: w.now, Resources: []health.Resource{{Name: "r-other", Stub: "other"}}})[0]
	byName := func(a, b health.Wish) int { return strings.Compare(a.Resource, b.Resource) }
	if len(d.Wishes) != 20 || !slices.IsSortedFunc(d.Wishes, byName) {
		t.Errorf("20 resources with a wish leave at once, and this is asked: %v", d.Wishes)
	}
}
