package health_test

import (
	"maps"
	"slices"
	"time"

	"pgregory.net/rapid"

	"labstatus/internal/health"
)

// person does something: to an experiment that there is, mostly.
func (p *play) person(t *rapid.T) {
	w := p.w
	one := func(of []string, label string) string { return rapid.SampledFrom(of).Draw(t, label) }
	seconds := func(from, to int, label string) time.Duration {
		return time.Duration(rapid.IntRange(from, to).Draw(t, label)) * time.Second
	}
	a := health.Act{
		At: w.now, By: one([]string{"anna", "ben"}, "who"), Text: one([]string{"rewiring", "new camera"}, "why"),
		Kind: health.ActKind(one([]string{
			"silence", "silence", "unsilence", "ack", "ack", "unack", "hold", "release",
			"set_maintenance", "set_maintenance", "set_maintenance", "set_maintenance", "remove_maintenance", "test_mail",
		}, "does")),
	}
	subject := one(append([]string{"pend99"}, p.stubs...), "to")
	switch a.Kind {
	case health.ActHold:
		w.hold(a, subject)
		return
	case health.ActRelease:
		w.release(a, subject)
		return
	case health.ActSilence:
		a.Until = w.now.Add(seconds(5, 200, "for"))
	case health.ActSetMaintenance, health.ActRemoveMaintenance:
		a.Window = &health.Window{
			ID: one([]string{"w1", "w2", "w3"}, "window"), Names: []string{one([]string{"pend00", "pend01", "pend0?", "*", "*"}, "names")}, Reason: a.Text,
			Bookings: health.Bookings(one([]string{"decide", "close", "leave"}, "bookings")), From: w.now.Add(seconds(-30, 60, "from")),
		}
		a.Window.Until = a.Window.From.Add(seconds(20, 200, "for"))
		if rapid.IntRange(0, 3).Draw(t, "weekly") == 0 {
			start := w.now.Add(seconds(-60, 120, "starts"))
			a.Window.Weekly = &health.Weekly{
				Days: []string{"fri", "sat"}, Start: start.Format("15:04"), End: start.Add(seconds(60, 180, "lasts")).Format("15:04"), Zone: "UTC",
			}
			a.Window.From = w.now.Add(-time.Hour)
			a.Window.Until = time.Time{}
			if rapid.Bool().Draw(t, "for some time") {
				a.Window.Until = w.now.Add(2 * time.Minute)
			}
		}
		subject = ""
	case health.ActTestMail:
		subject = ""
	}
	a.Experiment = subject
	w.step(a)
}

// absent says that an experiment is in neither manifest nor the latest frames.
func (p *play) absent(name string) bool {
	listed := p.model.listed[name]
	return !slices.Contains(slices.Collect(maps.Values(p.model.stubs)), name) && !p.model.here[name] &&
		(listed.IsZero() || !listed.Equal(p.latest[health.Jump]))
}

// acts: what people do is done once, told once, and what ends by itself ends when it
// must and not before.
func (p *play) acts(in health.Input, d health.Decision, s *health.Snapshot) {
	fail := func(format string, args ...any) {
		p.t.Helper()
		p.t.Fatalf("%s: "+format, append([]any{offset(d.At)}, args...)...)
	}
	acts := d.Acts
	if a, is := in.(health.Act); is {
		refused, changes := p.people.takes(a, p.before)
		gone := a.Experiment != "" && p.absent(a.Experiment)
		holds := a.Kind == health.ActHold || a.Kind == health.ActRelease // said twice, or nothing to book: a report would tell
		switch {
		case gone && d.Refused != "" || holds && len(acts) == 0:
		case refused != (d.Refused != ""):
			fail("%s: refused %q, should be %v", a, d.Refused, refused)
		case changes && (len(acts) == 0 || acts[0].Kind != a.Kind || acts[0].By != a.By || !acts[0].At.Equal(d.At)):
			fail("%s is not among what was done: %v", a, acts)
		}
		if d.Refused == "" && changes && len(acts) > 0 {
			p.people.does(acts[0], p.before.Find(a.Experiment))
			acts = acts[1:]
		}
	}
	for _, a := range acts {
		silence, silenced := p.people.silences[a.Experiment]
		_, acked := p.people.acks[a.Experiment]
		switch {
		case a.By != "":
			fail("%s, and nobody did", a)
		case a.Kind == health.ActUnsilence && silenced && (!d.At.Before(silence.Until) || p.absent(a.Experiment)):
		case a.Kind == health.ActUnack && acked && (p.absent(a.Experiment) || p.ackIsOver(a.Experiment, s)):
		case a.Kind == health.ActRemoveMaintenance && over(p.people.windows[a.Window.ID], d.At):
		default:
			fail("%s, and it isn't", a)
		}
		p.people.does(a, nil)
	}
	for name, silence := range p.people.silences {
		if !d.At.Before(silence.Until) {
			fail("the silence of %s should be over", name)
		}
	}
	for _, name := range d.Forgotten {
		_, silenced := p.people.silences[name]
		if _, acked := p.people.acks[name]; silenced || acked {
			fail("%s is forgotten, and what was said of it never ended", name)
		}
	}
	for id, w := range p.people.windows {
		if over(w, d.At) {
			fail("maintenance %s should be over", id)
		}
	}
	for name := range p.people.acks {
		if p.ackIsOver(name, s) {
			fail("the acknowledgement of %s should be over", name)
		}
	}
	p.actsAreTold(d, s)
	p.careIsShown(d, s)
}

// ackIsOver says that an experiment is gone, or has other issues than when it was
// acknowledged.
func (p *play) ackIsOver(name string, s *health.Snapshot) bool {
	r := s.Find(name)
	return r == nil || !slices.Equal(issueSet(r), p.people.acks[name].issues)
}

// actsAreTold: each once, in their order, and none by itself about an experiment that
// nothing is to be told of.
func (p *play) actsAreTold(d health.Decision, s *health.Snapshot) {
	if d.Alert != nil {
		for _, a := range d.Alert.Acts {
			i := slices.IndexFunc(p.people.waiting, func(w health.Act) bool { return looks(w) == looks(a) })
			if i < 0 {
				p.t.Fatalf("%s: told twice, or never done: %s", offset(d.At), a)
			}
			if a.By == "" && a.Experiment != "" && p.people.suppressed(a.Experiment, d.At) {
				p.t.Fatalf("%s: told while it is silenced or in maintenance: %s", offset(d.At), a)
			}
			p.people.waiting = slices.Delete(p.people.waiting, i, i+1)
		}
		for _, i := range d.Alert.New {
			if p.people.suppressed(i.Experiment, d.At) {
				p.t.Fatalf("%s: told while it is silenced or in maintenance: %s %s", offset(d.At), i.Experiment, i)
			}
		}
		for _, r := range d.Alert.Resolved {
			if p.people.suppressed(r.Issue.Experiment, d.At) {
				p.t.Fatalf("%s: told to be over while it is silenced or in maintenance: %s %s", offset(d.At), r.Issue.Experiment, r.Issue)
			}
		}
	}
	if p.w.cfg.GroupWait > 0 {
		return
	}
	settled := true
	for _, src := range s.Sources {
		settled = settled && (src.State == health.SourceFresh || src.State == health.SourceSilent)
	}
	for _, a := range p.people.waiting {
		r := s.Find(a.Experiment)
		young := r != nil && (r.State == health.StateStarting || d.At.Sub(p.started) < p.w.cfg.Startup)
		if a.By != "" || settled && !young && !p.people.suppressed(a.Experiment, d.At) {
			p.t.Fatalf("%s: not told: %s", offset(d.At), a)
		}
	}
}

// careIsShown: reports say who has said what.
func (p *play) careIsShown(d health.Decision, s *health.Snapshot) {
	for _, r := range s.Experiments {
		silence, silenced := p.people.silences[r.Name]
		ack, acked := p.people.acks[r.Name]
		bookings := p.people.maintenance(r.Name, d.At)
		if silenced != (r.Silence != nil) || silenced && *r.Silence != silence || acked != (r.Ack != nil) || acked && *r.Ack != ack.Ack {
			p.t.Fatalf("%s: %s is shown with %s, %s", offset(d.At), r.Name, looks(r.Silence), looks(r.Ack))
		}
		if (bookings == "") != (r.Maintenance == nil) || bookings != "" && r.Maintenance.Bookings != bookings {
			p.t.Fatalf("%s: %s is shown in maintenance %s, bookings should be %q", offset(d.At), r.Name, looks(r.Maintenance), bookings)
		}
	}
	if len(s.Windows) != len(p.people.windows) || !slices.IsSortedFunc(s.Windows, func(a, b health.Window) int { return compareText(a.ID, b.ID) }) {
		p.t.Fatalf("%s: windows are %s", offset(d.At), looks(s.Windows))
	}
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// reminders: they come when nobody was told what is wrong for so long, hold nothing
// else, and nothing that somebody cares for.
func (p *play) reminders(d health.Decision, s *health.Snapshot) {
	every := p.w.cfg.RemindEvery
	cared := func(name string) bool {
		_, acked := p.people.acks[name]
		return acked || p.people.suppressed(name, d.At)
	}
	due := every > 0 && d.At.Sub(p.listed) >= every
	if a := d.Alert; a != nil {
		if len(a.Reminder) > 0 && (!due || len(a.New)+len(a.Resolved)+len(a.Acts) > 0) {
			p.t.Fatalf("%s: a reminder at the wrong time, or with something else:\n%s", offset(d.At), health.Describe(d))
		}
		for _, i := range a.Reminder {
			if !p.ledger[i.Experiment][subjectOf(i)] || !i.IsSystem() && cared(i.Experiment) {
				p.t.Fatalf("%s: reminded of what was never told, or is cared for: %s %s", offset(d.At), i.Experiment, i)
			}
		}
		if len(a.Current) > 0 {
			p.listed = d.At
		}
		return
	}
	if !due || p.w.cfg.GroupWait > 0 {
		return
	}
	for _, r := range s.Experiments {
		if p.known(r, s) && r.State == health.StateUnhealthy && len(p.ledger[r.Name]) > 0 && !cared(r.Name) {
			p.t.Fatalf("%s: nobody is reminded of %s", offset(d.At), r.Name)
		}
	}
}

// histories: a line for each change, no line twice, and the last one is what is so.
func (p *play) histories(d health.Decision, s *health.Snapshot) {
	for _, c := range d.History {
		was, there := p.lines[c.Experiment]
		if there && was.State == c.State && was.Maintenance == c.Maintenance || !c.At.Equal(d.At) {
			p.t.Fatalf("%s: a line of history that changes nothing: %+v", offset(d.At), c)
		}
		if p.lines[c.Experiment] = c; c.State == "" {
			delete(p.lines, c.Experiment)
			if !slices.Contains(d.Forgotten, c.Experiment) {
				p.t.Fatalf("%s: %s has left its history and not the laboratory", offset(d.At), c.Experiment)
			}
		}
	}
	if len(p.lines) != len(s.Experiments) {
		p.t.Fatalf("%s: %d experiments, and %d have a history", offset(d.At), len(s.Experiments), len(p.lines))
	}
	for _, r := range s.Experiments {
		if c := p.lines[r.Name]; c.State != r.State || c.Maintenance != (r.Maintenance != nil) {
			p.t.Fatalf("%s: %s is %s, and its history says %+v", offset(d.At), r.Name, r.State, c)
		}
	}
}

// leaveBe has everybody take back what they said.
func (p *play) leaveBe() {
	for _, name := range slices.Sorted(maps.Keys(p.people.silences)) {
		p.w.step(health.Act{At: p.w.now, Kind: health.ActUnsilence, By: "anna", Experiment: name})
	}
	for _, id := range slices.Sorted(maps.Keys(p.people.windows)) {
		p.w.step(health.Act{At: p.w.now, Kind: health.ActRemoveMaintenance, By: "anna", Window: &health.Window{ID: id}})
	}
}
