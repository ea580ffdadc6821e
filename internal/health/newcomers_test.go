package health_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"labstatus/internal/health"
)

// mostRecords is how many connections a frame may list; internal/stats drops larger
// ones.
const mostRecords = 200_000

// flood is a frame of as many experiments that nobody has heard of as it may list.
func flood(source health.Source) health.Frame {
	f := health.Frame{Source: source, Conns: make([]health.Conn, mostRecords)}
	for i := range f.Conns {
		topic, scope := "flood"+strconv.Itoa(i), "host"
		if source == health.Relay {
			topic, scope = topic+"-st-data", "expt"
		}
		f.Conns[i] = health.Conn{Topic: topic, Scopes: []string{scope}}
	}
	return f
}

// The largest frames, all of experiments that nobody knows, leave nothing behind, and
// the loop keeps its pace: it turns once a second.
func TestFloodCostsLittle(t *testing.T) {
	const most = 100 * time.Millisecond
	e, _, _, at := large(200)
	for _, f := range []health.Frame{flood(health.Relay), flood(health.Jump)} {
		fastest := time.Hour
		for range 20 { // machines are busy: once in the time is proof
			at = at.Add(time.Second)
			f.At = at
			began := time.Now()
			e.Step(f)
			if fastest = min(fastest, time.Since(began)); fastest <= most || raceDetector {
				break
			}
		}
		t.Logf("%d connections of %s: %s", mostRecords, f.Source, fastest)
		if !raceDetector && fastest > most {
			t.Errorf("a frame of %s takes %s, want at most %s", f.Source, fastest, most)
		}
	}
	if n := len(e.Snapshot().Experiments); n != 200 {
		t.Errorf("%d experiments are watched, want 200", n)
	}
}

// As many unknown experiments as there is room for are watched, in whatever order they
// come; one more, and none is. The first ones stay.
func TestRoomForUnknownExperiments(t *testing.T) {
	t.Parallel()
	for _, source := range []health.Source{health.Relay, health.Jump} {
		at := epoch
		e := health.New(newWorld().cfg, at, health.Kept{})
		e.Step(health.Manifest{At: at, Resources: []health.Resource{{Name: "r-pend00", Stub: "pend00"}}})
		rng := rand.New(rand.NewPCG(1, 2))
		step := func(from, to int) []string {
			f := health.Frame{At: at, Source: source}
			for i := from; i < to; i++ {
				stub := fmt.Sprintf("new%04d", i)
				for _, s := range []string{"-st-data", "-st-video"} {
					if source == health.Jump {
						s = ""
					}
					f.Conns = append(f.Conns, health.Conn{Topic: stub + s, Scopes: []string{"expt", "host"}, ConnectedAt: epoch})
				}
			}
			rng.Shuffle(len(f.Conns), func(i, j int) { f.Conns[i], f.Conns[j] = f.Conns[j], f.Conns[i] })
			e.Step(f)
			at = at.Add(time.Second)
			var names []string
			for _, r := range e.Snapshot().Experiments {
				names = append(names, r.Name)
			}
			return names
		}
		step(0, 600)
		if names := step(0, 1001); len(names) != 601 || names[600] != "pend00" {
			t.Errorf("%s: %d experiments, want 600 and pend00", source, len(names))
		}
		if len(e.Snapshot().Issues) != 1 {
			t.Errorf("%s: issues %v, want one", source, e.Snapshot().Issues)
		}
		if names := step(0, 1000); len(names) != 1001 || names[999] != "new0999" {
			t.Errorf("%s: %d experiments, want 1000 and pend00", source, len(names))
		}
	}
}

// BenchmarkFloodedFrame is the largest frame, of 200,000 experiments that nobody knows,
// for an engine that watches 200.
func BenchmarkFloodedFrame(b *testing.B) {
	e, _, _, at := large(200)
	f := flood(health.Relay)
	b.ReportAllocs()
	for b.Loop() {
		at = at.Add(time.Millisecond)
		f.At = at
		e.Step(f)
	}
}
