package health_test

import (
	"fmt"
	"testing"
	"time"

	"labstatus/internal/health"
)

// large is an engine that watches the given number of experiments, each with two
// required streams, all of them settled, and the frames that keep it so.
func large(experiments int) (e *health.Engine, relay, jump health.Frame, at time.Time) {
	at = epoch
	relay, jump = health.Frame{Source: health.Relay}, health.Frame{Source: health.Jump}
	m := health.Manifest{At: at}
	for i := range experiments {
		r := health.Resource{Name: fmt.Sprintf("r-pend%05d", i), Stub: fmt.Sprintf("pend%05d", i)}
		jump.Conns = append(jump.Conns, health.Conn{Topic: r.Stub, Scopes: []string{"read", "write", "host"}, ConnectedAt: epoch})
		for _, s := range []string{"-st-data", "-st-video"} {
			r.Required = append(r.Required, r.Stub+s)
			relay.Conns = append(relay.Conns, health.Conn{
				Topic: r.Stub + s, Scopes: []string{"read", "write", "expt"}, UserAgent: "experiment", RemoteAddr: "192.0.2.1",
				ConnectedAt: epoch, CanRead: true, CanWrite: true, StatsKnown: true, Tx: health.Traffic{Last: 300 * time.Millisecond, Size: 41, FPS: 1},
			})
		}
		m.Resources = append(m.Resources, r)
	}
	cfg := newWorld().cfg
	cfg.FlapEvents = 0
	e = health.New(cfg, at, health.Kept{})
	e.Step(m)
	for _, r := range m.Resources {
		e.Step(health.Availability{At: at, Resource: r.Name, Available: true, Reason: "Loaded at 2026-11-20T21:00:00Z"})
		if len(e.Snapshot().Experiments) > 100 {
			break // each of these makes a snapshot: a few are enough to be like the rest
		}
	}
	for range 15 {
		at = at.Add(6 * time.Second)
		relay.At, jump.At = at, at
		e.Step(relay)
		e.Step(jump)
	}
	return e, relay, jump, at
}

// BenchmarkFrame is one frame of 20,000 connections over 10,000 experiments, all
// well, from its arrival to the new snapshot.
func BenchmarkFrame(b *testing.B) {
	e, relay, _, at := large(10_000)
	b.ReportAllocs()
	for b.Loop() {
		at = at.Add(time.Millisecond) // so that jump doesn't fall silent meanwhile
		relay.At = at
		if d := e.Step(relay); !d.Changed {
			b.Fatal("a frame made no snapshot")
		}
	}
}

// BenchmarkJumpFrame is the same of jump, with 10,000 connections.
func BenchmarkJumpFrame(b *testing.B) {
	e, _, jump, at := large(10_000)
	b.ReportAllocs()
	for b.Loop() {
		at = at.Add(time.Millisecond)
		jump.At = at
		e.Step(jump)
	}
}

// BenchmarkTick is a second in which nothing happens, with 10,000 experiments.
func BenchmarkTick(b *testing.B) {
	e, _, _, at := large(10_000)
	b.ReportAllocs()
	for b.Loop() {
		e.Step(health.Tick{At: at})
	}
}

// BenchmarkAnswer is one answer of book's, with 10,000 experiments.
func BenchmarkAnswer(b *testing.B) {
	e, _, _, at := large(10_000)
	in := health.Availability{At: at, Resource: "r-pend05000", Available: true, Reason: "Loaded at 2026-11-20T21:00:00Z"}
	b.ReportAllocs()
	for b.Loop() {
		e.Step(in)
	}
}

// BenchmarkOutage is the frame in which 10,000 experiments lose both streams, and the
// one in which they have them back.
func BenchmarkOutage(b *testing.B) {
	e, relay, jump, at := large(10_000)
	full := relay.Conns
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		at = at.Add(20 * time.Second)
		jump.At = at
		e.Step(jump)
		b.StartTimer()
		e.Step(health.Frame{At: at, Source: health.Relay, Conns: full[:0]})
		at = at.Add(5 * time.Second)
		e.Step(health.Frame{At: at, Source: health.Relay, Conns: full})
	}
}
