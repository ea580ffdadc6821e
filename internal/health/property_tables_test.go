package health_test

import (
	"slices"
	"strings"
	"time"

	"labstatus/internal/health"
)

// known says that nothing about the experiment is hidden at present, nor waits for the
// end of its grace.
func (p *play) known(r *health.Report, s *health.Snapshot) bool {
	unknown := func(st health.StreamReport) bool { return st.Verdict == health.VerdictUnknown }
	young := s.At.Sub(p.started) < p.w.cfg.Startup // is only ever called healthy, or flapping as before
	known := r.State != health.StateStarting && r.JumpKnown && !slices.ContainsFunc(r.Streams, unknown) &&
		s.Sources[0].State != health.SourceStarting && s.Sources[1].State != health.SourceStarting
	if known && !young && r.State == health.StateUnknown && !p.absent(r.Name) {
		p.t.Fatalf("%s: all is known about %s, and it is called unknown", offset(s.At), r.Name)
	}
	if young && (r.State == health.StateUnhealthy || r.State == health.StateHealthy && (!known || !r.Healthy || len(r.Issues) > 0)) {
		p.t.Fatalf("%s: %s is called %s a moment after a restart: %+v", offset(s.At), r.Name, r.State, r.Issues)
	}
	if known && young && r.Healthy && len(r.Issues) == 0 && r.State == health.StateUnknown {
		p.t.Fatalf("%s: %s is well and called unknown", offset(s.At), r.Name)
	}
	return known && (!young || r.State == health.StateHealthy) && r.State != health.StateUnknown
}

// silenceHides: what rests on a silent source is unknown.
func (p *play) silenceHides(d health.Decision, s *health.Snapshot) {
	relay, jump := s.Sources[0].State == health.SourceSilent, s.Sources[1].State == health.SourceSilent
	for _, r := range s.Experiments {
		for _, st := range r.Streams {
			if relay && st.Verdict != health.VerdictUnknown {
				p.t.Fatalf("%s: relay is silent, and %s is called %s", offset(d.At), st.Topic, st.Verdict)
			}
		}
		if jump && r.JumpKnown || (relay && len(r.Streams) > 0 || jump) && r.State == health.StateHealthy {
			p.t.Fatalf("%s: a source is silent, and %s is called %s, jump known=%v", offset(d.At), r.Name, r.State, r.JumpKnown)
		}
	}
}

// silenceChangesNothing: while a source is silent no event changes what rests on it,
// and no mail tells of it.
func (p *play) silenceChangesNothing(d health.Decision, s *health.Snapshot, before map[string][]string) {
	hidden := func(subject string) bool {
		from := 0
		if subject == "jump" {
			from = 1
		}
		return s.Sources[from].State == health.SourceSilent
	}
	for _, ev := range d.Events {
		was, is := before[ev.Experiment], p.events[ev.Experiment]
		for _, subject := range slices.Concat(was, is) {
			if hidden(subject) && slices.Contains(was, subject) != slices.Contains(is, subject) {
				p.t.Fatalf("%s: %s of %s changes while its source is silent", offset(d.At), subject, ev.Experiment)
			}
		}
	}
	if d.Alert == nil {
		return
	}
	for _, i := range d.Alert.New {
		if i.Code == health.MissingJump && hidden("jump") || (i.Code == health.MissingRequired || i.Code == health.UnhealthyStream) && hidden(i.Subject) {
			p.t.Fatalf("%s: %s %s is told while its source is silent", offset(d.At), i.Experiment, i)
		}
	}
	for _, r := range d.Alert.Resolved {
		if r.Ending == health.OKAgain && !r.Issue.IsSystem() && (r.Issue.Code == health.MissingJump && hidden("jump") || r.Issue.Code != health.MissingJump && hidden(r.Issue.Subject)) {
			p.t.Fatalf("%s: %s %s is told to be over while its source is silent", offset(d.At), r.Issue.Experiment, r.Issue)
		}
	}
}

// tables: where nothing is hidden, verdicts, events, what people know and book's
// availability are what the two truth tables say.
func (p *play) tables(at time.Time, r *health.Report, s *health.Snapshot) {
	cfg := p.w.cfg
	if !p.known(r, s) || cfg.ConfirmDown > 1 || cfg.ConfirmUp > 1 {
		return
	}
	wrong := p.model.wrong(r.Name)
	if healthy := len(wrong) == 0; r.Healthy != healthy {
		p.t.Fatalf("%s: %s is called healthy=%v, and wrong is %q", offset(at), r.Name, r.Healthy, wrong)
	}
	said := slices.Clone(p.events[r.Name])
	if i := slices.Index(said, "jump"); i >= 0 {
		said[i] = ""
		slices.Sort(said)
	}
	if !slices.Equal(said, wrong) {
		p.t.Fatalf("%s: the latest event of %s says that %q is wrong, and it is %q", offset(at), r.Name, said, wrong)
	}
	if told := p.ledger.of(r.Name); at.Sub(p.started) >= cfg.Startup && !p.people.suppressed(r.Name, at) && r.State != health.StateFlapping && cfg.GroupWait == 0 && !slices.Equal(told, wrong) {
		p.t.Fatalf("%s: people think that %q is wrong with %s, and it is %q", offset(at), told, r.Name, wrong)
	}
	if s.Sources[0].LastFrame.IsZero() {
		return // nothing is booked before relay has shown anything in this run
	}
	for _, res := range r.Resources {
		if at.Sub(p.started) >= cfg.Startup && p.people.maintenance(r.Name, at) != health.BookingsLeave {
			p.booking(at, r, res)
		}
	}
}

// booking: what book said last of a resource is what the first table says, or it is
// being changed, or a person holds it.
func (p *play) booking(at time.Time, r *health.Report, res health.ResourceReport) {
	open, want := p.model.open(res.Name) && p.people.maintenance(r.Name, at) != health.BookingsClose, health.Close
	if open {
		want = health.Open
	}
	lately := p.wished[res.Name]
	switch said := p.model.said[res.Name]; {
	case said == nil || said.Gone || !res.Known:
	case r.State == health.StateFlapping:
	case said.Available == open || res.Wanted == want:
	case p.model.held(res.Name) && !p.w.cfg.OverrideHolds:
	case !lately.IsZero() && at.Sub(lately) < p.w.cfg.LastChecked: // not asked again at once
	default:
		p.t.Fatalf("%s: %s should be %s, book says available=%v %q, and nothing is asked", offset(at), res.Name, want, said.Available, said.Reason)
	}
}

// wishesAreAllowed: nothing is asked for while relay is silent, before the grace is
// over or without need, and nobody's hold is opened.
func (p *play) wishesAreAllowed(d health.Decision, s *health.Snapshot) {
	for _, w := range d.Wishes {
		if w.Want == health.Leave {
			continue
		}
		bookings := p.people.maintenance(p.model.stubs[w.Resource], d.At)
		closed := bookings == health.BookingsClose && w.Want == health.Close
		fail := func(why string) { p.t.Fatalf("%s: %s %s is wished, %s", offset(d.At), w.Want, w.Resource, why) }
		p.wished[w.Resource] = d.At
		if relay := s.Sources[0].State; !closed && (relay == health.SourceSilent || relay == health.SourceStarting) {
			fail("while relay is " + string(relay))
		}
		if p.model.held(w.Resource) && w.Want == health.Open && !p.w.cfg.OverrideHolds {
			fail("while a person holds it")
		}
		if !strings.HasPrefix(w.Reason, health.OwnReason+" ") {
			fail("with a reason that isn't ours: " + w.Reason)
		}
		if _, listed := p.model.stubs[w.Resource]; !listed {
			fail("which the manifest doesn't list")
		}
		r := s.Find(p.model.stubs[w.Resource])
		if r == nil || r.State == health.StateStarting || d.At.Sub(p.started) < p.w.cfg.Startup {
			fail("while its experiment is in its grace")
		}
		if bookings == health.BookingsLeave || bookings == health.BookingsClose && !closed {
			fail("while maintenance wants otherwise")
		}
		if maintenance := strings.Contains(w.Reason, "maintenance until"); maintenance != closed {
			fail("for a reason that isn't so: " + w.Reason)
		}
		if closed {
			continue
		}
		open := w.Want == health.Open
		if p.known(r, s) && r.State != health.StateFlapping && p.w.cfg.ConfirmDown == 1 && p.w.cfg.ConfirmUp == 1 && open != p.model.open(w.Resource) {
			fail("against the table")
		}
	}
}

// calm lets everything be as it is, with every source speaking, for longer than any
// patience of the engine: then nothing may be hidden, and everybody knows the truth.
func (p *play) calm() {
	w := p.w
	w.relayMute, w.jumpMute, w.bookDown, w.bookSlow, w.bookStubborn = false, false, false, false, false
	// Most of a script's steps are here: as rare as no window minds.
	w.relayEvery, w.jumpEvery, w.tickEvery = 10*time.Second, 9*time.Second, 11*time.Second
	w.step(health.Link{At: w.now, Source: health.Relay, Up: true})
	w.step(health.Link{At: w.now, Source: health.Jump, Up: true})
	p.leaveBe()
	quiet := 2*w.cfg.Startup + w.cfg.FlapWindow + w.cfg.GroupWait + 2*w.cfg.LastChecked + 2*time.Minute
	for range 2 { // an empty manifest has to be read twice
		w.work()
		w.query()
		w.run(quiet/2+10*time.Second, func(health.Decision) {})
	}
	s := w.engine.Snapshot()
	if len(s.Issues) > 0 || len(p.ledger[""]) > 0 {
		p.t.Fatalf("all is calm, and the system's issues are %v, those told %q", s.Issues, p.ledger.of(""))
	}
	if len(p.people.waiting) > 0 {
		p.t.Fatalf("all is calm, and nobody was told of this: %v", p.people.waiting)
	}
	truth := p.truth()
	if names := namesOf(s); len(names) != len(truth) {
		p.t.Fatalf("all is calm, %v are watched and there are %v", names, truth)
	}
	for _, r := range s.Experiments {
		wrong, there := truth[r.Name]
		told := p.ledger.of(r.Name)
		if !there || !p.known(r, s) || r.State == health.StateFlapping || r.Healthy != (len(wrong) == 0) || !slices.Equal(told, wrong) {
			p.t.Fatalf("all is calm: %s is %s, healthy=%v; wrong is %q (%v), told %q", r.Name, r.State, r.Healthy, wrong, there, told)
		}
	}
	for name, res := range w.resources {
		open := !slices.ContainsFunc(res.Required, func(topic string) bool { return !p.sends(topic) })
		entry := w.availability[name]
		held := !entry.available && !strings.Contains(entry.reason, "status server:")
		if entry.available != open && (w.cfg.OverrideHolds || !held) {
			p.t.Fatalf("all is calm, %s should be open=%v, and book says %+v", name, open, entry)
		}
	}
}

// truth is what is wrong with each experiment, as one who walks through the
// laboratory sees it.
func (p *play) truth() map[string][]string {
	wrong := map[string][]string{}
	connected := func(topic string) bool {
		return slices.ContainsFunc(p.w.conns[topic], func(c *wire) bool { return c.scope == "expt" })
	}
	required := map[string]string{}
	for _, r := range p.w.resources {
		wrong[r.Stub] = nil
		for _, topic := range r.Required {
			required[topic] = r.Stub
		}
	}
	for topic := range p.w.conns {
		if stub := ownerOf(topic); connected(topic) && stub != "" && required[topic] == "" {
			wrong[stub] = append(wrong[stub], []string{topic}[:1-btoi(p.sends(topic))]...)
		}
	}
	for topic, stub := range required {
		wrong[stub] = append(wrong[stub], []string{topic}[:1-btoi(p.sends(topic))]...)
	}
	for stub, here := range p.w.hosts {
		if _, there := wrong[stub]; here && !there {
			wrong[stub] = nil
		}
	}
	for stub := range wrong {
		if !p.w.hosts[stub] {
			wrong[stub] = append(wrong[stub], "")
		}
		slices.Sort(wrong[stub])
	}
	return wrong
}

// sends says whether a stream is on the air, as far as this relay can tell.
func (p *play) sends(topic string) bool {
	return slices.ContainsFunc(p.w.conns[topic], func(c *wire) bool {
		return c.scope == "expt" && (c.sending || p.w.noStats)
	})
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
