package health_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"labstatus/internal/health"
)

// tunnelLab is a laboratory with one experiment, pend00, that is well and settled.
func tunnelLab(t testing.TB) *world {
	t.Helper()
	w := newWorld()
	w.addResource("r-pend00", "pend00", "st-data")
	w.connect("pend00-st-data")
	w.hosts["pend00"] = true
	w.start()
	w.query()
	w.run(2*time.Minute, func(health.Decision) {})
	if got := w.engine.Snapshot().Find("pend00").State; got != health.StateHealthy {
		t.Fatalf("pend00 is %s", got)
	}
	return w
}

// An event shows the verdicts on tunnels, those that there are, and nothing where there
// is none.
func TestTunnelEvents(t *testing.T) {
	t.Parallel()
	w := tunnelLab(t)
	var events []string
	w.after = func(_ health.Input, d health.Decision) {
		for _, ev := range d.Events {
			text, err := json.Marshal(ev.TunnelOK)
			if err != nil {
				t.Fatal(err)
			}
			events = append(events, string(text))
		}
	}
	idle := func(health.Decision) {}
	w.hosts["pend00"] = false
	w.run(time.Minute, idle)
	for _, words := range [][]string{{"leeds/a", "pend00", "ready"}, {"leeds/b", "pend00", "figures"}, {"leeds/c", "pend00", "failed"}} {
		if _, err := w.tunnel(words); err != nil {
			t.Fatal(err)
		}
	}
	w.run(time.Minute, idle)
	want := []string{"null", `{"leeds/a":true,"leeds/c":false}`}
	if !slices.Equal(events, want) {
		t.Errorf("events show %v, not %v", events, want)
	}
	text, err := json.Marshal(health.Event{})
	if err != nil || strings.Contains(string(text), "tunnel") {
		t.Errorf("an event without tunnels is %s, %v", text, err)
	}
}

// What says nothing of a tunnel changes nothing, and no two tunnels have one name.
func TestTunnelReportsOfAnyKind(t *testing.T) {
	t.Parallel()
	w := tunnelLab(t)
	report := func(source, service, client string) health.TunnelReport {
		return health.TunnelReport{Source: source, Service: service, Client: client, Experiment: "pend00", At: w.now, State: health.TunnelReady}
	}
	nobody := report("leeds", "a", "")
	nobody.Experiment = ""
	w.step(health.Tunnels{At: w.now, Reports: []health.TunnelReport{report("", "a", ""), report("leeds", "", "b"), nobody}})
	if got := w.engine.Snapshot().Find("pend00").Tunnels; len(got) != 0 {
		t.Errorf("reports of nothing made %v", got)
	}
	strange := report("leeds", "strange", "")
	strange.State = "paused"
	w.step(health.Tunnels{At: w.now, Reports: []health.TunnelReport{
		report("a", "b", "c"), report("a", "b/c", ""), report("a/b", "c", ""), report("a", "b%2Fc", ""), report("a", "b", "c/d"), report("a", "b/c", "d"), strange,
	}})
	var names []string
	for _, s := range w.engine.Snapshot().Find("pend00").Tunnels {
		names = append(names, s.Name)
		if strange := s.Service == "strange"; strange != (s.State == "") || strange != (s.Verdict == health.VerdictUnknown) {
			t.Errorf("a state that nobody knows: %+v", s)
		}
	}
	want := []string{"a%2Fb/c", "a/b%252Fc", "a/b%2Fc", "a/b%2Fc/d", "a/b/c", "a/b/c/d", "leeds/strange"}
	if !slices.Equal(names, want) {
		t.Errorf("names are %q, not %q", names, want)
	}
}

// A report tells when it was heard, on a clock that may have been set since. However
// that is, no more time has passed than has.
func TestTunnelReportsOfAnyTime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		at   func(now time.Time) (input, heard time.Time)
		gone time.Duration // after now
	}{
		{"at the moment", func(now time.Time) (time.Time, time.Time) { return now, now }, 31 * time.Second},
		{"no time", func(now time.Time) (time.Time, time.Time) { return now, time.Time{} }, 31 * time.Second},
		{"a moment ago", func(now time.Time) (time.Time, time.Time) { return now, now.Add(-5 * time.Second) }, 26 * time.Second},
		{"in the future", func(now time.Time) (time.Time, time.Time) { return now, now.Add(time.Hour) }, 31 * time.Second},
		{"the clock was put back", func(now time.Time) (time.Time, time.Time) {
			return now.Add(-time.Hour), now.Add(-time.Hour)
		}, 31 * time.Second},
		{"put back a moment after it was heard", func(now time.Time) (time.Time, time.Time) {
			return now.Add(-time.Hour), now.Add(-time.Hour - 5*time.Second)
		}, 26 * time.Second},
	} {
		w := tunnelLab(t)
		begin := w.now
		in, heard := c.at(w.now)
		w.step(health.Tunnels{At: in, Reports: []health.TunnelReport{
			{Source: "leeds", Service: "a", Experiment: "pend00", At: heard, State: health.TunnelClosed},
		}})
		var gone []time.Duration
		w.after = func(_ health.Input, d health.Decision) {
			if len(d.Events) > 0 {
				gone = append(gone, d.At.Sub(begin))
			}
		}
		w.run(2*time.Minute, func(health.Decision) {})
		if !slices.Equal(gone, []time.Duration{c.gone}) {
			t.Errorf("%s: told after %v, not %s", c.name, gone, c.gone)
		}
	}
}

// Reports of one tunnel count in the order in which they come, whatever their times say,
// and what an earlier run heard before the fault that it told doesn't end it.
func TestTunnelReportsThatContradict(t *testing.T) {
	t.Parallel()
	report := func(at time.Time, state health.TunnelState) health.TunnelReport {
		return health.TunnelReport{Source: "leeds", Service: "a", Experiment: "pend00", At: at, State: state, Message: "it is " + string(state)}
	}
	w := tunnelLab(t)
	w.step(health.Tunnels{At: w.now, Reports: []health.TunnelReport{report(w.now, health.TunnelClosed), report(w.now.Add(-5*time.Second), health.TunnelReady)}})
	if got := w.engine.Snapshot().Find("pend00").Tunnels[0]; got.State != health.TunnelReady || !got.Since.Equal(w.now) || !got.LastAt.Equal(w.now) {
		t.Errorf("ready came last, and is older: %+v", got)
	}

	old := report(epoch, health.TunnelReady)
	old.Service, old.Restored = "b", true
	figures := health.TunnelReport{Source: "leeds", Service: "b", Experiment: "pend00", At: w.now}
	connects := figures
	connects.NewConns = true
	w.step(health.Tunnels{At: w.now, Reports: []health.TunnelReport{figures, old}})
	if got := w.engine.Snapshot().Find("pend00").Tunnels[1]; !got.LastAt.Equal(w.now) || got.Verdict != health.VerdictUnknown {
		t.Errorf("figures came, and then what an earlier run heard: %+v", got)
	}
	w.step(health.Tunnels{At: w.now, Reports: []health.TunnelReport{connects}})
	if got := w.engine.Snapshot().Find("pend00").Tunnels[1]; got.Message != "it is ready" || !got.Since.Equal(epoch) || !got.LastAt.Equal(w.now) || got.Verdict != health.VerdictOK {
		t.Errorf("its state was heard by an earlier run, and is handed over after figures: %+v", got)
	}

	since := epoch.Add(-time.Hour)
	kept := health.Kept{Records: []health.Record{{
		Name: "pend00", Assessed: true, FirstSeen: since, State: health.StateUnhealthy, Since: since,
		Tunnels: []health.TunnelRecord{{Source: "leeds", Service: "a", Missing: true, Since: since}},
	}}}
	for ago, want := range map[time.Duration]health.Verdict{time.Hour + time.Second: health.VerdictMissing, time.Hour - time.Second: health.VerdictOK} {
		e := health.New(w.cfg, epoch, kept)
		r := report(epoch.Add(-ago), health.TunnelReady)
		r.Restored = true
		figures := report(epoch.Add(15*time.Second), "")
		figures.NewConns = want == health.VerdictOK
		e.Step(health.Tunnels{At: epoch, Reports: []health.TunnelReport{r}})
		e.Step(health.Tunnels{At: figures.At, Reports: []health.TunnelReport{figures}})
		if got := e.Snapshot().Find("pend00").Tunnels[0]; got.Verdict != want || got.State != health.TunnelReady || got.Message != "it is ready" {
			t.Errorf("ready was heard %s ago, gone since an hour: %+v", ago, got)
		}
	}
}

// What is shown of tunnels is shared between snapshots while it is the same, and a new
// version is made only where something is.
func TestTunnelSnapshots(t *testing.T) {
	t.Parallel()
	w := tunnelLab(t)
	for _, words := range [][]string{{"leeds/a", "pend00", "ready"}, {"leeds/b", "pend00", "closed"}} {
		if _, err := w.tunnel(words); err != nil {
			t.Fatal(err)
		}
	}
	before := w.engine.Snapshot()
	w.step(health.Tick{At: w.now.Add(time.Second)}) // b's time runs
	if got := w.engine.Snapshot(); got.Version != before.Version {
		t.Errorf("a second in which nothing happens makes version %d of %d", got.Version, before.Version)
	}
	w.run(6*time.Second, func(health.Decision) {}) // a frame is the news
	shared, was := w.engine.Snapshot().Find("pend00"), before.Find("pend00")
	if shared == was || &shared.Tunnels[0] != &was.Tunnels[0] {
		t.Errorf("the tunnels are as they were, and are listed anew")
	}
	looked := looks(was.Tunnels)
	w.run(time.Minute, func(health.Decision) {})
	if is := w.engine.Snapshot().Find("pend00").Tunnels[1]; is.Verdict != health.VerdictMissing {
		t.Errorf("b is %s", is.Verdict)
	}
	if looks(was.Tunnels) != looked {
		t.Errorf("what was shown has been altered: %s", looks(was.Tunnels))
	}
}

// TestKeptTunnels starts engines from records of tunnels that make no sense together:
// they never panic, show no tunnel twice, and know in the end how their experiments are.
func TestKeptTunnels(t *testing.T) {
	t.Parallel()
	when := rapid.SampledFrom([]time.Time{{}, epoch, epoch.Add(55 * time.Minute), epoch.Add(time.Hour), epoch.Add(48 * time.Hour)})
	sources, services := rapid.SampledFrom([]string{"leeds", "york", ""}), rapid.SampledFrom([]string{"a", "b", "a/b", ""})
	tunnel := rapid.Custom(func(t *rapid.T) health.TunnelRecord {
		return health.TunnelRecord{
			Source: sources.Draw(t, "source"), Service: services.Draw(t, "service"), Client: services.Draw(t, "client"),
			Required: rapid.Bool().Draw(t, "required"), OK: rapid.Bool().Draw(t, "ok"), Missing: rapid.Bool().Draw(t, "missing"), Since: when.Draw(t, "since"),
		}
	})
	told := rapid.Custom(func(t *rapid.T) health.Issue {
		return health.Issue{
			Code: rapid.SampledFrom([]health.Code{health.MissingTunnel, health.UnhealthyTunnel}).Draw(t, "code"), Experiment: "pend00",
			Subject: rapid.SampledFrom([]string{"leeds/a", "york/b/a", "", "a"}).Draw(t, "subject"), Since: when.Draw(t, "told since"),
		}
	})
	record := rapid.Custom(func(t *rapid.T) health.Record {
		return health.Record{
			Name: rapid.SampledFrom([]string{"pend00", "spin30"}).Draw(t, "name"), Assessed: rapid.Bool().Draw(t, "assessed"), FirstSeen: when.Draw(t, "first seen"),
			Tunnels: rapid.SliceOfN(tunnel, 0, 5).Draw(t, "tunnels"), Told: rapid.SliceOfN(told, 0, 3).Draw(t, "told"),
			Flapping: when.Draw(t, "flapping"), Unsteady: rapid.SliceOf(rapid.SampledFrom([]string{"tunnel leeds/a", "tunnel ", "pend00"})).Draw(t, "unsteady"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		kept := health.Kept{Records: rapid.SliceOfN(record, 1, 3).Draw(t, "records")}
		e := health.New(newWorld().cfg, epoch.Add(time.Hour), kept)
		seen := map[string]bool{}
		for _, r := range e.Snapshot().Experiments {
			for _, s := range r.Tunnels {
				if seen[s.Name] || s.Source == "" || s.Service == "" {
					t.Fatalf("shown twice, or without a name: %s", looks(s))
				}
				seen[s.Name] = true
			}
		}
		for _, fault := range startsFrom(kept, rapid.SampledFrom([]uint8{0, 1, 60}).Draw(t, "startup")) {
			t.Fatal(fault)
		}
	})
}
