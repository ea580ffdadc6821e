package health_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"labstatus/internal/health"
)

// TestMain sets what the command line may still change: enough scripts of each property
// for every day, which with -race are most of what this package's tests cost
// (-rapid.checks=1000 after a change of the engine, 10000 for a night), and no files in
// testdata, which is for stories; a failure prints its seed.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{"rapid.checks": "15", "rapid.nofailfile": "true"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	debug.SetGCPercent(400) // with -race a quarter of the work is to collect garbage
	os.Exit(m.Run())
}

// TestProperties plays random scripts in random laboratories and holds the engine,
// after every step, against what must always be so.
func TestProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := newPlay(t)
		for range rapid.IntRange(1, 25).Draw(t, "acts") {
			p.act(t)
		}
		p.calm()
		p.unaltered()
	})
}

// play is one script: a world, the engine in it, and those who watch it.
type play struct {
	t      *rapid.T
	w      *world
	model  *model
	people *people
	ledger ledger
	twin   *health.Engine // is given the same, with each frame shuffled; restarts from JSON
	rng    *rand.Rand

	topics    []string
	stubs     []string
	events    map[string][]string           // by experiment: what the latest said is wrong
	wished    map[string]time.Time          // by resource: the latest wish
	latest    map[health.Source]time.Time   // frames
	lines     map[string]health.StateChange // by experiment: the latest of its history
	listed    time.Time                     // latest mail that listed a problem
	started   time.Time                     // this run
	before    *health.Snapshot
	published []published
	steps     int
}

// published is something that must never change, and how it looked.
type published struct {
	value any
	looks string
}

func newPlay(t *rapid.T) *play {
	w := newWorld()
	w.tickEvery = 2 * time.Second
	w.cfg.FlapWindow = time.Minute
	w.cfg.Startup = rapid.SampledFrom([]time.Duration{20 * time.Second, time.Minute}).Draw(t, "startup")
	w.cfg.GroupWait = rapid.SampledFrom([]time.Duration{0, 0, 0, 15 * time.Second}).Draw(t, "group wait")
	w.cfg.FlapEvents = rapid.SampledFrom([]int{5, 3, 0}).Draw(t, "flap events")
	w.cfg.ConfirmDown = rapid.SampledFrom([]int{1, 1, 3}).Draw(t, "confirm down")
	w.cfg.ConfirmUp = rapid.SampledFrom([]int{1, 1, 2}).Draw(t, "confirm up")
	w.cfg.OverrideHolds = rapid.SampledFrom([]bool{false, false, false, true}).Draw(t, "override holds")
	w.cfg.RemindEvery = rapid.SampledFrom([]time.Duration{0, 0, 40 * time.Second}).Draw(t, "remind every")
	w.cfg.Events = 10
	w.noStats = rapid.SampledFrom([]bool{false, false, true}).Draw(t, "no statistics")
	w.schedule()
	p := &play{
		t: t, w: w, model: newModel(w.cfg.LastActive), people: newPeople(), listed: w.now, ledger: ledger{}, rng: rand.New(rand.NewPCG(1, rapid.Uint64().Draw(t, "order"))),
		events: map[string][]string{}, wished: map[string]time.Time{},
		latest: map[health.Source]time.Time{},
	}
	streams := []string{"st-data", "st-video", "sound"} // the last is found by its resource alone
	for i := range rapid.IntRange(1, 6).Draw(t, "experiments") {
		stub := fmt.Sprintf("pend%02d", i)
		p.stubs = append(p.stubs, stub)
		required := streams[:rapid.IntRange(0, 3).Draw(t, "required")]
		if rapid.IntRange(0, 5).Draw(t, "in the manifest") > 0 {
			w.addResource("r-"+stub, stub, required...)
		}
		if rapid.IntRange(0, 3).Draw(t, "offered twice") == 0 {
			w.addResource("s-"+stub, stub, streams[rapid.IntRange(0, 2).Draw(t, "from"):]...)
		}
		for _, s := range append(streams, "st-log") { // st-log is required by nobody
			p.topics = append(p.topics, stub+"-"+s)
			if rapid.IntRange(0, 5).Draw(t, "connected") > 0 {
				w.connect(stub + "-" + s)
			}
		}
		w.hosts[stub] = rapid.IntRange(0, 5).Draw(t, "host") > 0
	}
	w.after = p.check
	p.begin()
	w.step(health.Link{At: w.now, Source: health.Relay, Up: true})
	w.step(health.Link{At: w.now, Source: health.Jump, Up: true})
	w.query()
	return p
}

// begin starts the engine, and its twin from the same record after a journey
// through JSON, with what has no order shuffled.
func (p *play) begin() {
	p.w.start()
	var kept health.Kept
	text, err := json.Marshal(p.w.kept)
	if err == nil {
		err = json.Unmarshal(text, &kept)
	}
	if err != nil {
		p.t.Fatalf("what is kept can't be kept: %v", err)
	}
	p.rng.Shuffle(len(kept.Records), reflect.Swapper(kept.Records))
	p.rng.Shuffle(len(kept.System.Resources), reflect.Swapper(kept.System.Resources))
	p.twin = health.New(p.w.cfg, p.w.now, kept)
	p.started, p.before, p.lines = p.w.now, p.w.engine.Snapshot(), map[string]health.StateChange{}
}

// keepsWhatWasTold: whatever has been seen, what is kept is what the latest event said,
// so that a restart at this moment tells all that has changed since, and no more.
func keepsWhatWasTold(t *rapid.T, cfg health.Config, d health.Decision, events map[string][]string) {
	if len(d.Records) == 0 {
		return
	}
	next := health.New(cfg, d.At, health.Kept{Records: d.Records}).Snapshot()
	for _, k := range d.Records {
		r, said := next.Find(k.Name), events[k.Name]
		if wrong := wrongWith(r); !slices.Equal(wrong, said) {
			t.Fatalf("%s: after a restart %q would be wrong with %s, and the latest event said %q", offset(d.At), wrong, r.Name, said)
		}
		for _, s := range k.Streams {
			if s.OK == slices.Contains(said, s.Topic) {
				t.Fatalf("%s: of %s it is kept that ok=%v, and the latest event of %s said %q", offset(d.At), s.Topic, s.OK, r.Name, said)
			}
		}
		for _, s := range r.Tunnels {
			if s.OK == slices.Contains(said, s.Name) {
				t.Fatalf("%s: of %s it is kept that ok=%v, and the latest event of %s said %q", offset(d.At), s.Name, s.OK, r.Name, said)
			}
		}
		if judged := !k.JumpSince.IsZero(); judged && k.JumpOK == slices.Contains(said, "jump") {
			t.Fatalf("%s: it is kept that jump is ok=%v, and the latest event of %s said %q", offset(d.At), k.JumpOK, r.Name, said)
		}
	}
}

// wrongWith lists what is wrong as a play remembers events.
func wrongWith(r *health.Report) (wrong []string) {
	for _, i := range r.Issues {
		switch i.Code {
		case health.Flapping:
		case health.MissingJump:
			wrong = append(wrong, "jump")
		default:
			wrong = append(wrong, i.Subject)
		}
	}
	slices.Sort(wrong)
	return wrong
}

// act is one thing that happens in the laboratory.
func (p *play) act(t *rapid.T) {
	w := p.w
	one := func(of []string, label string) string { return rapid.SampledFrom(of).Draw(t, label) }
	names := slices.Sorted(maps.Keys(w.resources))
	var err error
	switch what := one([]string{
		"run", "run", "run", "stream", "stream", "stream", "stream", "jump", "source", "book", "resource", "restart", "restarts", "silent grace",
		"person", "person", "person",
	}, "act"); {
	case what == "person":
		p.person(t)
	case what == "run":
		w.run(time.Duration(rapid.IntRange(1, 75).Draw(t, "seconds"))*time.Second, func(health.Decision) {})
	case what == "stream":
		acts := []string{"silent", "sends", "vanishes", "vanishes", "returns", "reconnects", "never", "student", "half-dead"}
		err = w.streamDoes(one(p.topics, "topic"), []string{one(acts, "stream does")})
		w.run(time.Duration(rapid.IntRange(0, 20).Draw(t, "seconds"))*time.Second, func(health.Decision) {})
	case what == "jump":
		w.hosts[one(p.stubs, "host")] = rapid.Bool().Draw(t, "returns")
	case what == "source":
		_, err = w.sourceDoes(one([]string{"relay", "jump-source"}, "source"),
			one([]string{"mute", "speaks", "speaks", "breaks", "up", "renews", "hears", "hears", "delivers"}, "source does"))
		if w.replay == nil { // a frame can be delivered that was on its way
			err = nil
		}
	case what == "book":
		_, err = w.bookDoes([]string{one([]string{"down", "up", "up", "query", "query", "fails", "slow", "works", "forgets", "stubborn"}, "book does")})
		w.bookSlow = w.bookSlow && rapid.Bool().Draw(t, "still slow")
		w.bookStubborn = w.bookStubborn && rapid.Bool().Draw(t, "still stubborn")
	case what == "resource" && len(names) > 0:
		words := []string{one([]string{"hold", "release", "drop", "reads", "gone", "add"}, "done to it"), one(names, "resource")}
		switch words[0] {
		case "hold":
			words = append(words, "lens is being cleaned")
		case "add": // it stands for another experiment from now on, or requires another stream
			words = append(words, one(p.stubs, "stub"), one([]string{"st-data", "st-log"}, "stream"))
		}
		_, err = w.bookDoes(words)
	case what == "resource":
		w.addResource("t-pend00", one(p.stubs, "stub"), "st-data", "st-new")
	case what == "restart":
		p.restart(t, 300)
	case what == "restarts":
		p.restarts(t)
	case what == "silent grace":
		p.silentGrace(t)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// restarts is one after the other, most of them in the grace of the one before, while
// what was wrong is put right and people say something of it.
func (p *play) restarts(t *rapid.T) {
	w := p.w
	run := func(longest int) {
		w.run(time.Duration(rapid.IntRange(0, longest).Draw(t, "seconds"))*time.Second, func(health.Decision) {})
	}
	p.faults(t)
	run(90)
	for range rapid.IntRange(1, 4).Draw(t, "restarts") {
		p.restart(t, 20)
		if rapid.Bool().Draw(t, "all is put right") {
			p.putRight()
		}
		run(30)
		p.person(t)
	}
}

// restart starts the engine anew after some time without one.
func (p *play) restart(t *rapid.T, longest int) {
	p.w.now = p.w.now.Add(time.Duration(rapid.IntRange(0, longest).Draw(t, "away")) * time.Second)
	p.w.schedule()
	p.model.restart()
	clear(p.latest)
	p.begin()
	p.w.query()
}

// check holds one step of the engine against what must always be so.
func (p *play) check(in health.Input, d health.Decision) {
	s := p.w.engine.Snapshot()
	switch in := in.(type) {
	case health.Manifest:
		p.model.manifest(in)
	case health.Availability:
		p.model.said[in.Resource] = &in
	case health.Frame:
		switch {
		case in.At.Before(p.latest[in.Source]): // older than what is known: nothing follows from it
		case in.Source == health.Relay:
			p.latest[in.Source] = in.At
			p.model.relay(in)
		default:
			p.latest[in.Source] = in.At
			p.model.jump(in, s.Sources[1].Window, namesOf(s))
		}
	}
	p.sameFromTwin(in, d, s)
	before := maps.Clone(p.events)
	p.eventsAreChanges(d)
	keepsWhatWasTold(p.t, p.w.cfg, d, p.events)
	p.silenceChangesNothing(d, s, before)
	if d.Alert != nil {
		if err := p.ledger.read(d.Alert, s); err != nil {
			p.t.Fatalf("%s: %v\n%s", offset(d.At), err, health.Describe(d))
		}
	}
	p.acts(in, d, s)
	p.wishesAreAllowed(d, s)
	p.reminders(d, s)
	p.histories(d, s)
	p.silenceHides(d, s)
	for _, r := range s.Experiments {
		p.tables(d.At, r, s)
		p.shownAsTold(d.At, r)
	}
	for _, name := range d.Forgotten {
		if len(p.ledger[name]) > 0 {
			p.t.Fatalf("%s: %s is forgotten, and people still think: %v", offset(d.At), name, p.ledger.of(name))
		}
		delete(p.events, name)
	}
	p.before = s
	if p.steps++; p.steps%20 == 0 { // now and then: it costs more than all the rest
		p.published = append(p.published, published{s, looks(s)}, published{d, looks(d)})
	}
}

// sameFromTwin: the same inputs give the same decisions and snapshots, in whatever
// order a frame or a manifest lists what it lists.
func (p *play) sameFromTwin(in health.Input, d health.Decision, s *health.Snapshot) {
	switch given := in.(type) {
	case health.Frame:
		given.Conns = slices.Clone(given.Conns)
		p.rng.Shuffle(len(given.Conns), reflect.Swapper(given.Conns))
		in = given
	case health.Manifest:
		given.Resources = slices.Clone(given.Resources)
		p.rng.Shuffle(len(given.Resources), reflect.Swapper(given.Resources))
		in = given
	}
	if other := p.twin.Step(in); !reflect.DeepEqual(d, other) {
		p.t.Fatalf("%s: two engines that know the same decide differently on %T:\n%s\n%s", offset(d.At), in, looks(d), looks(other))
	}
	if p.steps%10 == 0 || len(d.Events) > 0 { // what shows for fewer steps and in no decision matters to nobody
		if other := p.twin.Snapshot(); !reflect.DeepEqual(s, other) {
			p.t.Fatalf("%s: two engines that know the same show different things after %T:\n%s\n%s", offset(d.At), in, looks(s), looks(other))
		}
	}
}

// eventsAreChanges: no event repeats the one before it.
func (p *play) eventsAreChanges(d health.Decision) {
	for _, ev := range d.Events {
		var now []string
		for _, text := range ev.Issues {
			if text != "flapping" { // is told there, and is no health of its own
				now = append(now, text[strings.LastIndex(text, " ")+1:]) // a topic, or "jump"
			}
		}
		slices.Sort(now)
		if slices.Equal(now, p.events[ev.Experiment]) {
			p.t.Fatalf("%s: an event of %s changes nothing: %v", offset(d.At), ev.Experiment, ev.Issues)
		}
		if ev.Healthy && (len(now) > 0 || !ev.JumpOK) {
			p.t.Fatalf("%s: an event of %s contradicts itself: %+v", offset(d.At), ev.Experiment, ev)
		}
		p.agrees(ev, now)
		p.events[ev.Experiment] = now
	}
}

func (p *play) unaltered() {
	for _, was := range p.published {
		if now := looks(was.value); now != was.looks {
			p.t.Fatalf("what was published has been altered:\n%s\n%s", was.looks, now)
		}
	}
}

func looks(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func namesOf(s *health.Snapshot) []string {
	var names []string
	for _, r := range s.Experiments {
		names = append(names, r.Name)
	}
	return names
}
