package health_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"labstatus/internal/health"
)

// tunnelPlay is a random script of tunnels in a laboratory in which all else is well.
type tunnelPlay struct {
	t      *rapid.T
	w      *world
	twin   *health.Engine // hears the reports of different tunnels in another order
	rng    *rand.Rand
	ledger ledger
	events map[string][]string // by experiment: what the latest said is wrong

	names     []string
	ties      map[string]string // by name: the experiment
	required  map[string]bool
	heard     map[string]health.TunnelReport // the latest that told a state, else the latest
	published []published
	steps     int
}

// TestTunnelProperties: whatever is said of tunnels, and in whatever order of theirs, an
// event changes something, nothing is told twice, and in the end people know what is
// wrong and book has closed what a required tunnel is missing for, and nothing else.
func TestTunnelProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := newTunnelPlay(t)
		for range rapid.IntRange(1, 30).Draw(t, "acts") {
			p.act(t)
			p.w.run(time.Duration(rapid.SampledFrom([]int{0, 1, 2, 9, 11, 32}).Draw(t, "seconds"))*time.Second, func(health.Decision) {})
		}
		p.calm()
		for _, was := range p.published {
			if now := looks(was.value); now != was.looks {
				t.Fatalf("what was published has been altered:\n%s\n%s", was.looks, now)
			}
		}
	})
}

func newTunnelPlay(t *rapid.T) *tunnelPlay {
	w := newWorld()
	w.cfg.Startup, w.cfg.FlapWindow = 20*time.Second, 2*time.Minute
	w.cfg.FlapEvents = rapid.SampledFrom([]int{0, 4}).Draw(t, "flap events")
	w.cfg.GroupWait = rapid.SampledFrom([]time.Duration{0, 0, 15 * time.Second}).Draw(t, "group wait")
	w.cfg.RemindEvery = rapid.SampledFrom([]time.Duration{0, time.Minute}).Draw(t, "remind every")
	p := &tunnelPlay{
		t: t, w: w, ledger: ledger{}, events: map[string][]string{}, rng: rand.New(rand.NewPCG(1, rapid.Uint64().Draw(t, "order"))),
		ties: map[string]string{}, required: map[string]bool{}, heard: map[string]health.TunnelReport{},
	}
	for _, stub := range []string{"pend00", "spin30"} {
		w.addResource("r-"+stub, stub, "st-data")
		w.connect(stub + "-st-data")
		w.hosts[stub] = true
	}
	for i := range rapid.IntRange(1, 5).Draw(t, "tunnels") {
		name := fmt.Sprintf("leeds/tunnel%d", i)
		p.names = append(p.names, name)
		p.ties[name] = rapid.SampledFrom([]string{"pend00", "pend00", "spin30", "trus05"}).Draw(t, "of")
		p.required[name] = rapid.Bool().Draw(t, "required")
	}
	w.after = p.check
	p.begin()
	w.query()
	w.run(time.Duration(rapid.SampledFrom([]int{0, 120}).Draw(t, "before"))*time.Second, func(health.Decision) {})
	return p
}

// begin starts the engine, and its twin from what is kept after a journey through JSON.
// Like the product it leaves out the tunnels that are tied to somebody else by now.
func (p *tunnelPlay) begin() {
	for i := range p.w.kept.Records {
		r := &p.w.kept.Records[i]
		r.Tunnels = slices.DeleteFunc(slices.Clone(r.Tunnels), func(t health.TunnelRecord) bool { return p.ties[t.Source+"/"+t.Service] != r.Name })
	}
	p.w.start()
	var kept health.Kept
	if err := json.Unmarshal([]byte(looks(p.w.kept)), &kept); err != nil {
		p.t.Fatal(err)
	}
	for _, r := range kept.Records {
		p.rng.Shuffle(len(r.Tunnels), reflect.Swapper(r.Tunnels))
	}
	p.rng.Shuffle(len(kept.Records), reflect.Swapper(kept.Records))
	p.twin = health.New(p.w.cfg, p.w.now, kept)
}

func (p *tunnelPlay) says(name string, words ...string) []health.TunnelReport {
	text := append([]string{name, p.ties[name]}, words...)
	if p.required[name] {
		text = append(text, "required")
	}
	reports, err := tunnelReports(text)
	if err != nil {
		p.t.Fatal(err)
	}
	for i := range reports {
		r := &reports[i]
		r.At = p.w.now
		if was := p.heard[name]; r.State != "" || was.State == "" {
			p.heard[name] = *r
		}
	}
	return reports
}

func (p *tunnelPlay) act(t *rapid.T) {
	w := p.w
	one := func(of []string, label string) string { return rapid.SampledFrom(of).Draw(t, label) }
	switch one([]string{"says", "says", "says", "says", "says", "says", "restart", "source", "experiment", "person"}, "act") {
	case "says":
		in := health.Tunnels{At: w.now}
		for range rapid.IntRange(1, 6).Draw(t, "reports") {
			word := one([]string{"running", "ready", "ready", "failed", "failed", "closed", "closed", "new-conns", "figures"}, "word")
			in.Reports = append(in.Reports, p.says(one(p.names, "tunnel"), word)...)
		}
		w.step(in)
	case "restart":
		w.now = w.now.Add(time.Duration(rapid.SampledFrom([]int{1, 40, 300}).Draw(t, "away")) * time.Second)
		w.schedule()
		if rapid.IntRange(0, 3).Draw(t, "with other rules") == 0 {
			name := one(p.names, "moves")
			p.ties[name], p.required[name] = one([]string{"pend00", "spin30", "trus05"}, "to"), rapid.Bool().Draw(t, "required there")
			for stub, wrong := range p.events { // what isn't kept leaves without an event
				p.events[stub] = slices.DeleteFunc(wrong, func(s string) bool { return s == name && p.ties[name] != stub })
			}
		}
		p.begin()
		w.query()
		in := health.Tunnels{At: w.now}
		for _, name := range slices.Sorted(maps.Keys(p.heard)) {
			r := p.heard[name]
			r.Experiment, r.Required, r.NewConns, r.Restored = p.ties[name], p.required[name], false, true
			in.Reports = append(in.Reports, r)
		}
		w.step(in)
	case "person":
		w.step(health.Act{
			At: w.now, Kind: health.ActSilence, By: "anna", Text: "rewiring", Experiment: one([]string{"pend00", "spin30"}, "silenced"),
			Until: w.now.Add(time.Duration(rapid.SampledFrom([]int{5, 60}).Draw(t, "for")) * time.Second),
		})
	case "source":
		w.relayMute = !w.relayMute
	case "experiment":
		if w.hosts["trus05"] = !w.hosts["trus05"]; w.hosts["trus05"] {
			w.addResource("r-trus05", "trus05")
		} else {
			delete(w.resources, "r-trus05")
		}
		w.query()
	}
}

func (p *tunnelPlay) check(in health.Input, d health.Decision) {
	s := p.w.engine.Snapshot()
	if given, is := in.(health.Tunnels); is {
		given.Reports = p.shuffled(given.Reports)
		in = given
	}
	if other := p.twin.Step(in); !reflect.DeepEqual(d, other) {
		p.t.Fatalf("%s: two engines that know the same decide differently on %T:\n%s\n%s", offset(d.At), in, looks(d), looks(other))
	}
	if other := p.twin.Snapshot(); p.steps%10 == 0 && !reflect.DeepEqual(s, other) {
		p.t.Fatalf("%s: two engines that know the same show different things after %T:\n%s\n%s", offset(d.At), in, looks(s), looks(other))
	}
	if d.Alert != nil {
		if err := p.ledger.read(d.Alert, s); err != nil {
			p.t.Fatalf("%s: %v\n%s", offset(d.At), err, health.Describe(d))
		}
	}
	for _, ev := range d.Events {
		p.event(ev)
	}
	keepsWhatWasTold(p.t, p.w.cfg, d, p.events)
	for _, w := range d.Wishes {
		if w.Want == health.Open && slices.ContainsFunc(s.Find("pend00").Tunnels, closes) && w.Resource == "r-pend00" {
			p.t.Fatalf("%s: %s is opened while a required tunnel is unwell", offset(d.At), w.Resource)
		}
	}
	for _, name := range d.Forgotten {
		if len(p.ledger[name]) > 0 {
			p.t.Fatalf("%s: %s is forgotten, and people still think: %v", offset(d.At), name, p.ledger.of(name))
		}
		delete(p.events, name)
	}
	if p.steps++; p.steps%20 == 0 {
		p.published = append(p.published, published{s, looks(s)}, published{d, looks(d)})
	}
}

// shuffled puts the reports in another order, in which each tunnel's own are as they
// were.
func (p *tunnelPlay) shuffled(reports []health.TunnelReport) []health.TunnelReport {
	by := map[string][]health.TunnelReport{}
	var order []string
	for _, r := range reports {
		name := r.Source + "/" + r.Service
		by[name] = append(by[name], r)
		order = append(order, name)
	}
	p.rng.Shuffle(len(order), reflect.Swapper(order))
	var mixed []health.TunnelReport
	for _, name := range order {
		mixed, by[name] = append(mixed, by[name][0]), by[name][1:]
	}
	return mixed
}

// event changes something, agrees with itself, and shows every tunnel that it is about.
func (p *tunnelPlay) event(ev health.Event) {
	var wrong []string
	for _, text := range ev.Issues {
		if text != "flapping" { // is told there, and is no health of its own
			wrong = append(wrong, text[strings.LastIndex(text, " ")+1:])
		}
	}
	slices.Sort(wrong)
	if was, there := p.events[ev.Experiment]; there && slices.Equal(was, wrong) {
		p.t.Fatalf("%s: an event of %s changes nothing: %v", offset(ev.When), ev.Experiment, ev.Issues)
	}
	p.events[ev.Experiment] = wrong
	for name, ok := range ev.TunnelOK {
		if ok == slices.Contains(wrong, name) || !ok && ev.Healthy {
			p.t.Fatalf("%s: an event of %s contradicts itself: %+v", offset(ev.When), ev.Experiment, ev)
		}
	}
	for _, name := range wrong {
		if _, there := ev.TunnelOK[name]; strings.Contains(name, "/") && !there {
			p.t.Fatalf("%s: an event of %s doesn't show %s: %+v", offset(ev.When), ev.Experiment, name, ev)
		}
	}
}

func unwell(t health.TunnelStatus) bool { return !t.OK }
func closes(t health.TunnelStatus) bool { return t.Required && !t.OK }

// calm lets nothing happen any more: then everybody knows how it is.
func (p *tunnelPlay) calm() {
	w := p.w
	w.relayMute = false
	w.relayEvery, w.jumpEvery, w.tickEvery = 10*time.Second, 9*time.Second, 11*time.Second // as rare as no window minds
	w.run(8*time.Minute, func(health.Decision) {})
	s := w.engine.Snapshot()
	for _, r := range s.Experiments {
		var wrong []string
		for _, t := range r.Tunnels {
			if p.ties[t.Name] != r.Name || p.required[t.Name] != t.Required {
				p.t.Fatalf("%s shows %s, which is %s's: %s", r.Name, t.Name, p.ties[t.Name], looks(t))
			}
			if bad := t.Verdict == health.VerdictMissing || t.Verdict == health.VerdictUnhealthy; bad == t.OK {
				p.t.Fatalf("%s is ok and isn't: %s", t.Name, looks(t))
			}
			if unwell(t) {
				wrong = append(wrong, t.Name)
			}
		}
		if told := p.ledger.of(r.Name); !slices.Equal(told, wrong) {
			p.t.Fatalf("people think that %q is wrong with %s, and it is %q", told, r.Name, wrong)
		}
		if r.Healthy != (len(wrong) == 0) || r.State == health.StateUnknown || r.State == health.StateStarting {
			p.t.Fatalf("%s is %s, healthy=%v, and wrong is %q", r.Name, r.State, r.Healthy, wrong)
		}
		for _, res := range r.Resources {
			if open := !slices.ContainsFunc(r.Tunnels, closes); res.Available != open {
				p.t.Fatalf("%s should be open=%v: %s", res.Name, open, looks(r.Tunnels))
			}
		}
	}
	if told := slices.Sorted(maps.Keys(p.ledger)); slices.ContainsFunc(told, func(name string) bool { return s.Find(name) == nil && len(p.ledger[name]) > 0 }) {
		p.t.Fatalf("people think that something is wrong with what is gone: %v", p.ledger)
	}
}
