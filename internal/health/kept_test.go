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

// FuzzKept starts engines from whatever a database may hold: they never panic, and
// what they keep can be kept again.
func FuzzKept(f *testing.F) {
	w, _ := troubled(f, epoch)
	f.Add([]byte(looks(w.kept)), uint8(60))
	for i, text := range keptInABusyHour(f) {
		f.Add([]byte(text), uint8(20*i))
	}
	f.Add([]byte(`{}`), uint8(0))
	f.Add([]byte(`{"Records":[{"name":"pend00","assessed":true,"flapping":"2026-11-20T22:00:00Z","told":[{"code":"flapping","experiment":"x"},{"code":"missing_jump","experiment":"x"},{"code":"?","experiment":"x"}],"streams":[{"topic":"pend00-st-data"},{"topic":"pend00-st-data","ok":true},{"topic":"elsewhere"}],"unsteady":["b","a","a"],"events":-3},{"name":"pend00"},{"name":""}]}`), uint8(1))
	f.Add([]byte(`{"System":{"told":[{"code":"no_reports","subject":"relay"},{"code":"no_reports","subject":"moon"},{"code":"book_silent","subject":"book"}],"cadence":{"relay":9223372036854775807,"jump":-1,"book":5},"resources":[{"name":"r","stub":"pend00","required":["pend00-st-data","pend00-st-data"]},{"name":"r","stub":"spin30"},{"name":"","stub":"x"}]}}`), uint8(255))
	f.Add([]byte(`{"Records":[{"name":"pend00","assessed":true,"streams":[{"topic":"pend00-st-data"}],"silence":{"by":"anna","until":"9999-12-31T23:59:59-23:59"},"ack":{"by":"ben"},"holds":{"r-pend00":"anna"}},{"name":"spin30","silence":{"by":"anna","until":"2026-11-20T22:30:00Z"},"ack":{"by":"ben"}}]}`), uint8(30))
	f.Add([]byte(`{"System":{"reminded":"2126-11-20T22:00:00Z","windows":[{"id":"w1","names":["*"],"reason":"x","bookings":"close","from":"2026-11-20T22:00:00Z","weekly":{"days":["fri"],"start":"22:00","end":"00:30","zone":"Europe/London"}},{"id":"w1"},{"id":""},{"id":"w2","names":["?"],"from":"9999-12-31T23:59:59-23:59","until":"0000-01-01T00:00:00+23:59","weekly":{"zone":"Nowhere"}}],"untold":[{"kind":"?"},{"kind":"silence","experiment":"pend00"},{"kind":"remove_maintenance","window":{}},{"kind":"set_maintenance","by":"anna"},{}]}}`), uint8(60))
	f.Fuzz(func(t *testing.T, text []byte, startup uint8) {
		var kept health.Kept
		if json.Unmarshal(text, &kept) != nil || len(kept.Records) > 50 || len(kept.System.Resources) > 50 || len(kept.System.Windows) > 5 {
			return
		}
		for _, fault := range startsFrom(kept, startup) {
			t.Error(fault)
		}
	})
}

// keptInABusyHour is what was kept of a laboratory at some moments of an hour in which
// everything happens that is kept.
func keptInABusyHour(f *testing.F) (kept []string) {
	f.Helper()
	w := newWorld()
	w.cfg.FlapEvents, w.cfg.RemindEvery, w.tickEvery = 3, 5*time.Minute, 5*time.Second
	w.schedule()
	w.addResource("r-pend00", "pend00", "st-data", "st-video")
	w.addResource("r-spin30", "spin30", "st-data")
	for _, r := range w.resources {
		w.hosts[r.Stub] = true
		for _, topic := range r.Required {
			w.connect(topic)
		}
	}
	run := func(d time.Duration) { w.run(d, func(health.Decision) {}) }
	says := func(words ...string) {
		if _, err := w.tunnel(words); err != nil {
			f.Fatal(err)
		}
	}
	person := func(a health.Act) {
		a.At, a.By, a.Text = w.now, "anna", "rewiring"
		if a.Kind == health.ActHold {
			w.hold(a, a.Experiment)
			return
		}
		w.step(a)
	}
	keep := func() { kept = append(kept, looks(w.kept)) }
	w.start()
	w.query()
	says("leeds/tunnel-pend00", "pend00", "required", "ready")
	says("leeds/tunnel-pend00/york", "pend00", "ready")
	says("leeds/b", "spin30", "ready")
	run(3 * time.Minute)
	says("leeds/tunnel-pend00", "pend00", "required", "failed")
	says("leeds/tunnel-pend00/york", "pend00", "closed")
	w.conns["pend00-st-video"] = nil
	run(time.Minute)
	person(health.Act{Kind: health.ActAck, Experiment: "pend00"})
	person(health.Act{Kind: health.ActSilence, Experiment: "pend00", Until: w.now.Add(time.Hour)})
	person(health.Act{Kind: health.ActHold, Experiment: "spin30"})
	keep()
	for range 2 { // a tunnel, a stream and a host that flap together
		says("leeds/b", "spin30", "failed")
		w.conns["spin30-st-data"], w.hosts["spin30"] = nil, false
		run(time.Minute)
		says("leeds/b", "spin30", "ready")
		w.connect("spin30-st-data")
		w.hosts["spin30"] = true
		run(time.Minute)
	}
	keep()
	w.cfg.GroupWait = time.Minute
	w.schedule() // another run, and in its grace all is well again
	w.start()
	w.query()
	says("leeds/tunnel-pend00", "pend00", "required", "ready")
	w.connect("pend00-st-video")
	run(30 * time.Second)
	person(health.Act{Kind: health.ActUnack, Experiment: "pend00"})
	person(health.Act{Kind: health.ActSetMaintenance, Window: &health.Window{
		ID: "w1", Names: []string{"spin*"}, Reason: "lecture", Bookings: health.BookingsClose, From: w.now,
		Weekly: &health.Weekly{Days: []string{"fri"}, Start: "21:00", End: "23:30", Zone: "Europe/London"},
	}})
	keep()
	for _, what := range []string{"tunnels", "client", "missing", "holds", "silence", "ack", "flapping", "unsteady", "told", "untold", "windows", "weekly", "reminded", "cadence"} {
		if !strings.Contains(strings.Join(kept, ""), `"`+what+`":`) {
			f.Fatalf("nothing is kept in this laboratory under %q", what)
		}
	}
	return kept
}

// TestKept is the same with records that look like ours and make no sense together.
func TestKept(t *testing.T) {
	t.Parallel()
	when := rapid.Custom(func(t *rapid.T) time.Time {
		return rapid.SampledFrom([]time.Time{{}, epoch, epoch.Add(55 * time.Minute), epoch.Add(time.Hour), epoch.Add(48 * time.Hour)}).Draw(t, "when")
	})
	names := rapid.SampledFrom([]string{"pend00", "spin30", "trus05", ""})
	topics := rapid.SampledFrom([]string{"pend00-st-data", "pend00-st-video", "spin30-st-data", "sound", "", "-st-", "pend00"})
	issue := rapid.Custom(func(t *rapid.T) health.Issue {
		codes := []health.Code{health.MissingJump, health.MissingRequired, health.UnhealthyStream, health.Flapping, health.NoReports, health.BookSilent, "?", ""}
		return health.Issue{
			Code: rapid.SampledFrom(codes).Draw(t, "code"), Experiment: names.Draw(t, "experiment"), Since: when.Draw(t, "since"),
			Subject: rapid.OneOf(topics, rapid.SampledFrom([]string{"relay", "jump", "book"})).Draw(t, "subject"),
		}
	})
	persons := rapid.SampledFrom([]string{"anna", "ben", ""})
	record := rapid.Custom(func(t *rapid.T) health.Record {
		r := health.Record{
			Name: names.Draw(t, "name"), FirstSeen: when.Draw(t, "first seen"), State: "?", Assessed: rapid.Bool().Draw(t, "assessed"),
			JumpOK: rapid.Bool().Draw(t, "jump"), JumpSince: when.Draw(t, "jump since"), Flapping: when.Draw(t, "flapping"),
			Told: rapid.SliceOfN(issue, 0, 3).Draw(t, "told"), Changes: rapid.SliceOfN(when, 0, 9).Draw(t, "changes"),
			Unsteady: rapid.SliceOfN(topics, 0, 3).Draw(t, "unsteady"), Events: rapid.IntRange(-1, 200).Draw(t, "events"),
		}
		if rapid.Bool().Draw(t, "silenced") {
			r.Silence = &health.Silence{By: persons.Draw(t, "silenced by"), Until: when.Draw(t, "silenced until")}
		}
		if rapid.Bool().Draw(t, "acknowledged") {
			r.Ack = &health.Ack{By: persons.Draw(t, "acknowledged by"), At: when.Draw(t, "acknowledged at")}
		}
		if rapid.Bool().Draw(t, "held") {
			r.Holds = map[string]string{"r-pend00": persons.Draw(t, "held by")}
		}
		for _, topic := range rapid.SliceOfN(topics, 0, 4).Draw(t, "streams") {
			r.Streams = append(r.Streams, health.StreamRecord{
				Topic: topic, OK: rapid.Bool().Draw(t, "ok"), Missing: rapid.Bool().Draw(t, "missing"), Since: when.Draw(t, "since"), LastActive: when.Draw(t, "last active"),
			})
		}
		return r
	})
	window := rapid.Custom(func(t *rapid.T) health.Window {
		w := health.Window{
			ID: rapid.SampledFrom([]string{"w1", "w2", ""}).Draw(t, "id"), Names: []string{rapid.OneOf(names, rapid.Just("*")).Draw(t, "names")},
			Reason: "kept", By: persons.Draw(t, "by"), Bookings: rapid.SampledFrom([]health.Bookings{"decide", "close", "leave", "?"}).Draw(t, "bookings"),
			From: when.Draw(t, "from"), Until: when.Draw(t, "until"),
		}
		if rapid.Bool().Draw(t, "weekly") {
			w.Weekly = &health.Weekly{Days: []string{"fri", "sat"}, Start: "22:30", End: "23:05", Zone: rapid.SampledFrom([]string{"UTC", "Europe/London", "Nowhere"}).Draw(t, "zone")}
		}
		return w
	})
	act := rapid.Custom(func(t *rapid.T) health.Act {
		a := health.Act{
			At: when.Draw(t, "at"), Kind: rapid.SampledFrom([]health.ActKind{"silence", "unsilence", "ack", "unack", "hold", "release", "set_maintenance", "remove_maintenance", "test_mail", "?", ""}).Draw(t, "kind"),
			By: persons.Draw(t, "by"), Experiment: names.Draw(t, "of"), Until: when.Draw(t, "until"),
		}
		if rapid.Bool().Draw(t, "with a window") {
			w := window.Draw(t, "window")
			a.Window = &w
		}
		return a
	})
	resource := rapid.Custom(func(t *rapid.T) health.Resource {
		return health.Resource{Name: rapid.SampledFrom([]string{"r-pend00", "r", ""}).Draw(t, "resource"), Stub: names.Draw(t, "stub"), Required: rapid.SliceOfN(topics, 0, 3).Draw(t, "required")}
	})
	rapid.Check(t, func(t *rapid.T) {
		kept := health.Kept{
			Records: rapid.SliceOfN(record, 0, 4).Draw(t, "records"),
			System: health.SystemRecord{
				Told: rapid.SliceOfN(issue, 0, 3).Draw(t, "told"), Resources: rapid.SliceOfN(resource, 0, 4).Draw(t, "resources"),
				Windows: rapid.SliceOfN(window, 0, 3).Draw(t, "windows"), Untold: rapid.SliceOfN(act, 0, 3).Draw(t, "untold"), Reminded: when.Draw(t, "reminded"),
				Cadence: rapid.MapOf(rapid.SampledFrom([]health.Source{health.Relay, health.Jump, health.Book}), rapid.Map(rapid.Int64(), func(n int64) time.Duration { return time.Duration(n) })).Draw(t, "cadence"),
			},
		}
		for _, fault := range startsFrom(kept, rapid.Uint8().Draw(t, "startup")) {
			t.Fatal(fault)
		}
	})
}

// startsFrom runs a laboratory on an engine that starts from what was kept, twice,
// and says what is wrong with it in the end.
func startsFrom(kept health.Kept, startup uint8) (faults []string) {
	w := newWorld()
	w.cfg.Startup = time.Duration(startup) * time.Second
	w.cfg.FlapEvents, w.cfg.RemindEvery = int(startup%4)-1, 3*time.Minute
	w.now, w.kept = epoch.Add(time.Hour), kept
	w.relayEvery, w.jumpEvery, w.tickEvery = 10*time.Second, 9*time.Second, 11*time.Second // as rare as no window minds
	w.schedule()
	w.hosts["pend00"] = true
	for _, r := range kept.Records {
		w.hosts[r.Name] = startup%2 == 0
		for _, s := range r.Streams {
			w.connect(s.Topic)
		}
	}
	w.addResource("r-pend00", "pend00", "st-data", "st-video")
	for _, r := range kept.System.Resources {
		if r.Name != "" && r.Stub != "" && len(r.Required) < 10 {
			w.resources[r.Name] = r
		}
	}
	w.connect("pend00-st-data")
	for range 2 {
		w.start()
		looks(w.engine.Snapshot())
		w.query()
		w.step(health.Tunnels{At: w.now, Reports: saidOfTunnels(kept, w.now)})
		w.run(5*time.Minute, func(health.Decision) {})
		w.conns, w.relayMute = map[string][]*wire{}, !w.relayMute
		w.run(5*time.Minute, func(health.Decision) {})
		if _, err := json.Marshal(w.kept); err != nil {
			faults = append(faults, "what is kept can't be kept again: "+err.Error())
		}
	}
	w.relayMute = false
	w.run(15*time.Minute+2*w.cfg.Startup, func(health.Decision) {})
	for _, r := range w.engine.Snapshot().Experiments {
		gone := r.Maintenance != nil && len(r.Resources) == 0 && r.Jump == nil && !w.hosts[r.Name] // told when that is over
		if r.State != health.StateHealthy && r.State != health.StateUnhealthy && !gone {
			faults = append(faults, r.Name+" is "+string(r.State)+" for ever")
		}
	}
	names := namesOf(w.engine.Snapshot())
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		faults = append(faults, "experiments are shown out of order, or twice")
	}
	return faults
}

// saidOfTunnels is something that was heard of every tunnel that is kept before the
// restart, and something that is said of some of them now.
func saidOfTunnels(kept health.Kept, now time.Time) (reports []health.TunnelReport) {
	states := []health.TunnelState{health.TunnelReady, health.TunnelFailed, health.TunnelClosed, health.TunnelRunning}
	for _, r := range kept.Records {
		for i, t := range r.Tunnels {
			report := health.TunnelReport{
				Source: t.Source, Service: t.Service, Client: t.Client, Experiment: r.Name, Required: t.Required,
				At: now.Add(-time.Minute), State: states[i%len(states)], Restored: true,
			}
			reports = append(reports, report)
			if i%3 == 0 {
				report.At, report.State, report.Restored = now, states[(i/3+1)%len(states)], false
				reports = append(reports, report)
			}
		}
	}
	return reports
}

// What was told of streams that are gone by now is kept in one order, whatever map it was
// remembered in.
func TestKeptOfStreamsThatAreGone(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.addResource("r-pend00", "pend00", "st-data")
	w.addResource("s-pend00", "pend00", "a", "b", "c", "d", "e", "f", "g", "h")
	w.hosts["pend00"] = true
	w.connect("pend00-st-data")
	w.start()
	w.query()
	w.run(2*time.Minute, func(health.Decision) {})
	w.start()
	delete(w.resources, "s-pend00")
	w.query()
	w.run(20*time.Second, func(health.Decision) {})
	d := w.step(health.Act{At: w.now, Kind: health.ActSilence, By: "anna", Experiment: "pend00", Until: w.now.Add(time.Minute)})[0]
	if len(d.Records) != 1 || len(d.Records[0].Streams) != 9 {
		t.Fatalf("one stream is ok, eight were told to be missing and are gone; this is kept: %s", looks(d.Records))
	}
	if !slices.IsSortedFunc(d.Records[0].Streams, func(a, b health.StreamRecord) int { return strings.Compare(a.Topic, b.Topic) }) {
		t.Errorf("kept out of order: %s", looks(d.Records[0].Streams))
	}
}
