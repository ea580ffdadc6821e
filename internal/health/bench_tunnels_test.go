package health_test

import (
	"fmt"
	"testing"
	"time"

	"labstatus/internal/health"
)

// tunnelled is an engine that watches 10,000 experiments with two tunnels each, all of
// them ready, and a report of each tunnel's, to be filled in.
func tunnelled() (*health.Engine, health.Tunnels, time.Time) {
	e, _, _, at := large(10_000)
	in := health.Tunnels{At: at}
	for i := range 20_000 {
		in.Reports = append(in.Reports, health.TunnelReport{
			Source: "leeds", Service: fmt.Sprintf("tunnel%05d", i), Experiment: fmt.Sprintf("pend%05d", i/2), Required: i%2 == 0,
		})
	}
	say(e, &in, at, health.TunnelReady)
	return e, in, at
}

// say has every tunnel report the same.
func say(e *health.Engine, in *health.Tunnels, at time.Time, state health.TunnelState) {
	in.At = at
	for i := range in.Reports {
		in.Reports[i].At, in.Reports[i].State = at, state
	}
	e.Step(*in)
}

// BenchmarkTickWithTunnels is a second in which nothing happens to 20,000 tunnels.
func BenchmarkTickWithTunnels(b *testing.B) {
	e, _, at := tunnelled()
	b.ReportAllocs()
	for b.Loop() {
		e.Step(health.Tick{At: at})
	}
}

// BenchmarkTickWithTunnelsClosed is the same while all of them have just been closed,
// and their grace runs.
func BenchmarkTickWithTunnelsClosed(b *testing.B) {
	e, in, at := tunnelled()
	say(e, &in, at, health.TunnelClosed)
	b.ReportAllocs()
	for b.Loop() {
		e.Step(health.Tick{At: at})
	}
}

// BenchmarkTunnelFigures is one batch of the figures of 20,000 tunnels.
func BenchmarkTunnelFigures(b *testing.B) {
	e, in, at := tunnelled()
	b.ReportAllocs()
	for b.Loop() {
		at = at.Add(time.Millisecond)
		say(e, &in, at, "")
	}
}

// BenchmarkFrameWithTunnels is one frame of relay's where there are 20,000 tunnels: what
// is shown of them is not made anew.
func BenchmarkFrameWithTunnels(b *testing.B) {
	e, relay, _, at := large(10_000)
	in := health.Tunnels{}
	for i := range 20_000 {
		in.Reports = append(in.Reports, health.TunnelReport{Source: "leeds", Service: fmt.Sprintf("tunnel%05d", i), Experiment: fmt.Sprintf("pend%05d", i/2)})
	}
	say(e, &in, at, health.TunnelReady)
	b.ReportAllocs()
	for b.Loop() {
		at = at.Add(time.Millisecond)
		relay.At = at
		e.Step(relay)
	}
}
