package health_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"labstatus/internal/health"
)

// silentGrace: something is seen in the grace of a new experiment, or after a restart,
// and then sources fall silent, mostly until the grace is over.
func (p *play) silentGrace(t *rapid.T) {
	w := p.w
	run := func(from, to int) {
		w.run(time.Duration(rapid.IntRange(from, to).Draw(t, "seconds"))*time.Second, func(health.Decision) {})
	}
	if rapid.Bool().Draw(t, "of a new experiment") {
		p.newcomer(t)
	} else {
		p.faults(t)
		run(35, 50)
		p.restart(t, 20)
		p.putRight()
	}
	run(20, 29) // a source whose cadence is known by then can be silent before a minute is over
	relay := rapid.SampledFrom([]bool{true, true, false}).Draw(t, "relay falls silent")
	w.relayMute = w.relayMute || relay
	w.jumpMute = w.jumpMute || !relay || rapid.Bool().Draw(t, "jump falls silent")
	run(30, 50)
	if rapid.Bool().Draw(t, "relay speaks again") {
		w.relayMute = false
	}
	if rapid.Bool().Draw(t, "jump speaks again") {
		w.jumpMute = false
	}
	run(0, 10)
}

// newcomer is an experiment that nobody has heard of, not all of it there, unless there
// are many already.
func (p *play) newcomer(t *rapid.T) {
	if len(p.stubs) > 8 {
		return
	}
	stub := fmt.Sprintf("pend%02d", len(p.stubs))
	p.stubs = append(p.stubs, stub)
	p.w.addResource("r-"+stub, stub, "st-data", "st-video")
	for _, s := range []string{"-st-data", "-st-video", "-st-log"} {
		p.topics = append(p.topics, stub+s)
		if rapid.Bool().Draw(t, "connected") {
			p.w.connect(stub + s)
		}
	}
	p.w.hosts[stub] = rapid.Bool().Draw(t, "host")
	p.w.query()
}

// faults are some streams that vanish, and a host.
func (p *play) faults(t *rapid.T) {
	for range rapid.IntRange(0, 4).Draw(t, "faults") {
		delete(p.w.conns, rapid.SampledFrom(p.topics).Draw(t, "is gone"))
	}
	p.w.hosts[rapid.SampledFrom(p.stubs).Draw(t, "host")] = false
}

// putRight has everything connected and sending.
func (p *play) putRight() {
	for _, topic := range p.topics {
		if !p.sends(topic) {
			p.w.connect(topic)
		}
	}
	for _, stub := range p.stubs {
		p.w.hosts[stub] = true
	}
}

// agrees: an event's verdicts and its issues say the same. What nobody has been told of,
// and nobody can know now, is in neither.
func (p *play) agrees(ev health.Event, wrong []string) {
	for topic, ok := range ev.StreamOK {
		if ok == slices.Contains(wrong, topic) {
			p.t.Fatalf("%s: an event of %s contradicts itself about %s: %+v", offset(ev.When), ev.Experiment, topic, ev)
		}
	}
	for _, subject := range wrong {
		_, shown := ev.StreamOK[subject]
		if jump := subject == "jump"; jump && ev.JumpOK || !jump && !shown {
			p.t.Fatalf("%s: an event of %s contradicts itself about %s: %+v", offset(ev.When), ev.Experiment, subject, ev)
		}
	}
}

// shownAsTold: after its grace an experiment is shown to be as its latest event says,
// also while that can't be known.
func (p *play) shownAsTold(at time.Time, r *health.Report) {
	if len(r.Issues) == 0 || r.State == health.StateStarting || at.Sub(p.started) < p.w.cfg.Startup || p.absent(r.Name) {
		return
	}
	wrong := wrongWith(r)
	if r.Healthy && len(wrong) > 0 || r.JumpOK && slices.Contains(wrong, "jump") {
		p.t.Fatalf("%s: %s is shown healthy=%v, jump ok=%v, and wrong is %q", offset(at), r.Name, r.Healthy, r.JumpOK, wrong)
	}
	for _, st := range r.Streams {
		if st.OK && slices.Contains(wrong, st.Topic) {
			p.t.Fatalf("%s: %s of %s is shown ok, and wrong is %q", offset(at), st.Topic, r.Name, wrong)
		}
	}
}

// A stream that was told to be missing is required no more after a restart, and relay falls
// silent before the grace is over: it is missing as before until relay speaks.
func TestRequiredNoMoreWhileRelayIsSilent(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.addResource("r-pend00", "pend00", "st-data")
	w.addResource("s-pend00", "pend00", "sound")
	w.hosts["pend00"] = true
	w.connect("pend00-st-data")
	run := func(d time.Duration) (events []health.Event) {
		w.run(d, func(d health.Decision) { events = append(events, d.Events...) })
		return events
	}
	w.start()
	w.query()
	run(2 * time.Minute)
	w.start()
	delete(w.resources, "s-pend00")
	w.query()
	run(25 * time.Second)
	w.relayMute = true
	if events := run(2 * time.Minute); len(events) > 0 {
		t.Errorf("while relay is silent: %+v", events)
	}
	r := w.engine.Snapshot().Find("pend00")
	if wrong := wrongWith(r); r.Healthy || len(r.Streams) != 1 || !slices.Equal(wrong, []string{"pend00-sound"}) {
		t.Errorf("while relay is silent: healthy=%v, wrong is %q, streams are %s", r.Healthy, wrong, looks(r.Streams))
	}
	w.relayMute = false
	if events := run(2 * time.Minute); len(events) != 1 || !events[0].Healthy || len(events[0].Issues) > 0 {
		t.Errorf("once relay has spoken: %+v", events)
	}
}
