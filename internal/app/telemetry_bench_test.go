package app

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"labstatus/internal/health"
	"labstatus/internal/stats"
	"labstatus/internal/store"
	"labstatus/internal/telemetry"
)

// BenchmarkTelemetryCost compares a check of 20,000 connections of 10,000
// experiments, from the bytes that arrive to the snapshot that readers get, with
// everything counted and timed and without. Pairs are run one after the other; what
// it gives is the CPU time with telemetry as a multiple of that without: the median
// of all pairs, and between which values nine in ten lie.
func BenchmarkTelemetryCost(b *testing.B) {
	const experiments = 10_000
	message := frameOf(experiments)
	with, without := newCheck(b, message, true), newCheck(b, message, false)
	for range 3 {
		with.run(b)
		without.run(b)
	}
	var ratios []float64
	for i := 0; b.Loop(); i++ {
		first, second := with, without
		if i%2 == 1 {
			first, second = without, with
		}
		took := map[*check]time.Duration{first: first.run(b), second: 0}
		took[second] = second.run(b)
		ratios = append(ratios, float64(took[with])/float64(took[without]))
	}
	slices.Sort(ratios)
	at := func(part float64) float64 { return ratios[int(part*float64(len(ratios)-1))] }
	b.ReportMetric(at(0.5), "cpu-ratio")
	b.ReportMetric(at(0.05), "cpu-ratio-p5")
	b.ReportMetric(at(0.95), "cpu-ratio-p95")
	b.ReportMetric(0, "ns/op")
}

// check is one loop with all that a frame passes on its way.
type check struct {
	loop    *loop
	dial    telemetry.DialFunc
	decoded func(time.Duration)
	decoder stats.Decoder
	message []byte
	buffer  []byte
	at      time.Time
}

func newCheck(b *testing.B, message []byte, counted bool) *check {
	b.Helper()
	log := logrus.New()
	log.SetOutput(io.Discard)
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	memory, err := store.OpenMemory(store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = memory.Close() })
	c := &check{message: message, buffer: make([]byte, len(message)), at: at, decoded: func(time.Duration) {}}
	c.dial = func(context.Context, string, string) (net.Conn, error) {
		return &arriving{rest: bytes.NewReader(c.message)}, nil
	}
	timed := &timedStore{Store: memory, committed: func(time.Duration, error) {}}
	c.loop = &loop{
		engine: health.New(health.Config{
			LastActive: 10 * time.Second, LastChecked: 30 * time.Second, Startup: time.Minute, Events: 100, FlapEvents: 5, FlapWindow: 10 * time.Minute,
		}, at, health.Kept{}),
		journal: newJournal(timed, log, &health.Kept{}), wish: func([]health.Wish) {}, wakeMail: func() {}, log: log,
		publish: func(*health.Snapshot, []health.Event) {}, took: func(health.Input, *health.Decision, time.Duration, time.Duration) {},
	}
	if counted {
		stages := telemetry.NewStages("status")
		tracker := telemetry.NewTracker(telemetry.TrackerOptions{Trace: true, Stages: stages})
		metrics := telemetry.NewMetrics(telemetry.MetricsOptions{PerExperiment: true, Sources: telemetry.Sources{Snapshot: c.loop.snapshot.Load}})
		c.dial = tracker.Dialer("relay", c.dial)
		c.decoded = func(took time.Duration) { metrics.Decoded(health.Relay, took) }
		c.loop.took, timed.committed = metrics.Turned, metrics.Committed
	}
	return c
}

// run takes one frame in, and gives the CPU time that this process used for it.
func (c *check) run(b *testing.B) time.Duration {
	b.Helper()
	runtime.GC() // what the other left behind is not this one's
	c.at = c.at.Add(6 * time.Second)
	began := cpuTime(b)
	conn, err := c.dial(b.Context(), "tcp", "relay.lab:80")
	if err != nil {
		b.Fatal(err)
	}
	for read := 0; read < len(c.buffer); { // as a websocket's reader does
		n, err := conn.Read(c.buffer[read:min(read+32<<10, len(c.buffer))])
		if err != nil {
			b.Fatal(err)
		}
		read += n
	}
	start := time.Now()
	var handled time.Duration
	c.decoder.Decode(c.buffer, func(conns []health.Conn) {
		begun := time.Now()
		c.loop.turn(b.Context(), health.Frame{At: c.at, Source: health.Relay, Conns: conns})
		handled = time.Since(begun)
	})
	c.decoded(time.Since(start) - handled)
	if err := conn.Close(); err != nil {
		b.Fatal(err)
	}
	return cpuTime(b) - began
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// arriving is a connection on which a message has come.
type arriving struct {
	net.Conn
	rest *bytes.Reader
}

func (c *arriving) Read(b []byte) (int, error) { return c.rest.Read(b) }
func (c *arriving) Close() error               { return nil }
func (c *arriving) LocalAddr() net.Addr        { return &net.TCPAddr{} }
func (c *arriving) RemoteAddr() net.Addr       { return &net.TCPAddr{} }

// frameOf is a frame of relay's with two streams of each experiment, all well.
func frameOf(experiments int) []byte {
	var all bytes.Buffer
	for i := range experiments {
		for _, stream := range []string{"data", "video"} {
			fmt.Fprintf(&all, `,{"topic":"exp%05d-st-%s","canRead":true,"canWrite":true,"connected":"2026-11-20T11:00:00Z","expiresAt":"2026-11-21T11:00:00Z",`+
				`"remoteAddr":"10.0.0.1, 10.1.2.3","scopes":["write","expt"],"stats":{"tx":{"last":"1.2s","size":1024.5,"fps":24.1,"never":false},`+
				`"rx":{"last":"Never","size":0,"fps":0,"never":true}},"userAgent":"Go-http-client/1.1"}`, i, stream)
		}
	}
	message := all.Bytes()
	message[0] = '['
	return append(message, ']')
}
