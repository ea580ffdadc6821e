package health

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// keep adds to the decision what must survive a restart.
func (e *Engine) keep() {
	for _, x := range e.order {
		if x.unsaved {
			x.unsaved = false
			e.d.Records = append(e.d.Records, x.record())
		}
	}
	for _, f := range []*feed{&e.relay, &e.jump} {
		was, is := e.savedCadence[f.name], f.cadence.Value()
		if diff := (is - was).Abs(); is > 0 && diff > was/4 {
			e.savedCadence[f.name] = is
			e.systemUnsaved = true
		}
	}
	if e.actsUnsaved() {
		e.systemUnsaved = true
	}
	if !e.systemUnsaved {
		return
	}
	e.systemUnsaved = false
	rec := SystemRecord{
		Told: sortedIssues(e.systemTold), Cadence: maps.Clone(e.savedCadence),
		Windows: e.maintenance.list, Untold: slices.Clone(e.untold), Reminded: e.reminded,
	}
	for _, name := range slices.Sorted(maps.Keys(e.resources)) {
		rec.Resources = append(rec.Resources, e.resources[name].Resource)
	}
	e.d.System = &rec
}

func (x *experiment) record() Record {
	r := Record{
		Name: x.name, FirstSeen: x.firstSeen, State: x.state, Since: x.since, Assessed: x.assessed,
		Told: sortedIssues(x.told), Changes: slices.Clone(x.changes), Unsteady: slices.Clone(x.unsteady),
		Flapping: x.flapping, Events: x.events,
		Silence: x.silence, Ack: x.ack, Holds: maps.Clone(x.holds),
	}
	if x.keptState != "" {
		r.State, r.Since = x.keptState, x.keptSince
	}
	r.JumpOK, r.JumpSince = x.toldJump()
	r.Streams = x.streamRecords()
	r.Tunnels = x.tunnelRecords()
	return r
}

// toldJump is the verdict on jump that is kept. Verdicts go with the events: while the
// experiment is in its grace, or leaves, no event tells of a new one. The one that was
// told before is kept then, and where there is none, nothing: the next run tells what it
// finds.
func (x *experiment) toldJump() (ok bool, since time.Time) {
	j := &x.jump
	switch noted, unwell := x.noted[subject{code: MissingJump}]; {
	case unwell && j.ok:
		return false, noted.Since
	case !j.judged || !unwell && !j.ok:
		return false, time.Time{}
	}
	return j.ok, j.since
}

// streamRecords are what is kept of the experiment's streams, by the same rule. A stream
// that was told to be unwell and is gone by now is kept too, until an event has told that.
func (x *experiment) streamRecords() (records []StreamRecord) {
	for _, s := range x.streams {
		r := StreamRecord{Topic: s.topic, OK: s.ok, Missing: s.missing, Since: s.since, LastActive: s.lastActive}
		switch noted, unwell := x.noted[subject{UnhealthyStream, s.topic}]; {
		case unwell && (!s.judged || s.ok):
			r.OK, r.Missing, r.Since = false, noted.Code == MissingRequired, noted.Since
		case !s.judged || !unwell && !s.ok:
			continue
		}
		records = append(records, r)
	}
	for about, i := range x.noted {
		if about.code == UnhealthyStream && x.stream(about.name) == nil {
			records = append(records, StreamRecord{Topic: about.name, Missing: i.Code == MissingRequired, Since: i.Since})
		}
	}
	slices.SortFunc(records, func(a, b StreamRecord) int { return strings.Compare(a.Topic, b.Topic) })
	return records
}

// restore takes up what an earlier run kept. What makes no sense is left out:
// the first frames will tell.
func (e *Engine) restore(kept Kept) {
	for _, r := range kept.Records {
		if r.Name == "" || e.experiments[r.Name] != nil {
			continue
		}
		e.restoreExperiment(e.experiment(r.Name), r)
	}
	for _, i := range kept.System.Told {
		if i.IsSystem() && slices.Contains([]Code{NoReports, BookSilent, TooManyUnknown}, i.Code) {
			i.Since = e.past(i.Since)
			e.systemTold[i.about()] = i
		}
	}
	for s, d := range kept.System.Cadence {
		if f := e.feed(s); f != nil && d > 0 {
			f.cadence.Seed(d)
			e.savedCadence[s] = d
		}
	}
	var resources []Resource
	for _, r := range kept.System.Resources {
		if r.Name != "" && r.Stub != "" {
			resources = append(resources, r)
		}
	}
	e.believe(resources, time.Time{})
	e.restoreWindows(kept.System.Windows)
	e.restoreActs(kept.System)
	e.systemUnsaved = false
}

// past takes up a moment that was kept. A clock that was wrong then must not hold us up
// now, so it is none to come; nor must one that is set later, so it is so long before our
// start, and goes by the clock that only goes forward as our own moments do.
func (e *Engine) past(t time.Time) time.Time {
	return agoOf(t, e.started)
}

// agoOf puts a moment that may have been kept, and so has but a time of day, on the clock
// of another: it was so long before that, and not after it.
func agoOf(t, now time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return now.Add(-max(now.Sub(t), 0))
}

// lasting gives an issue so that the time from its beginning to a moment is what people
// are to be told. What began before our start goes by the clock that only goes forward
// only as far as the time of day was right at the start: a host without a clock of its own
// begins with that of its last shutdown, and is set when it finds a network. Then the time
// of day gives more, and is right.
func (e *Engine) lasting(i Issue, until time.Time) Issue {
	if since := i.Since.Round(0); i.Since.Before(e.started) && until.Round(0).Sub(since) > until.Sub(i.Since) {
		i.Since = since
	}
	return i
}

func (e *Engine) restoreExperiment(x *experiment, r Record) {
	if !r.FirstSeen.IsZero() {
		x.firstSeen = e.past(r.FirstSeen)
	}
	if !r.Since.IsZero() && r.State != StateStarting {
		x.keptState, x.keptSince = r.State, e.past(r.Since)
	}
	x.assessed, x.events = r.Assessed, min(max(r.Events, 0), e.cfg.Events)
	if x.assessed {
		x.state = StateUnknown
	}
	if !r.JumpSince.IsZero() {
		x.jump.judged, x.jump.ok, x.jump.since = true, r.JumpOK, e.past(r.JumpSince)
	}
	for _, k := range r.Streams {
		if k.Topic == "" || x.stream(k.Topic) != nil {
			continue
		}
		s := e.addStream(x, k.Topic)
		s.judged, s.ok, s.missing = true, k.OK, k.Missing && !k.OK
		s.since, s.lastActive = e.past(k.Since), e.past(k.LastActive)
	}
	for _, k := range r.Tunnels {
		e.restoreTunnel(x, k, e.past(k.Since))
	}
	if r.Assessed {
		maps.Copy(x.noted, x.seen())
	}
	if !r.Flapping.IsZero() {
		x.flapping = e.past(r.Flapping)
		i := Issue{Code: Flapping, Experiment: x.name, Since: x.flapping}
		x.noted[i.about()] = i
	}
	for _, t := range r.Changes {
		x.changes = append(x.changes, e.past(t))
	}
	x.unsteady = slices.Compact(slices.Sorted(slices.Values(r.Unsteady)))
	for _, i := range r.Told {
		if rank(i.Code) >= 0 && !i.IsSystem() {
			i.Experiment, i.Since = x.name, e.past(i.Since)
			x.told[i.about()] = i
		}
	}
	e.restoreCare(x, r)
}
