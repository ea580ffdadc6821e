package health

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// assess turns what is known of an experiment into an event where its health has
// changed, and sees to its grace, its flapping and its leaving.
func (e *Engine) assess(x *experiment) {
	if x.starting {
		if e.now.Before(x.graceEnds) {
			e.turn(x)
			return
		}
		x.starting, x.stale = false, true
		if !x.assessed {
			x.assessed, x.unsaved = true, true
		}
	}
	if e.attend(x); x.leaving {
		e.turn(x)
		return
	}
	if x.stale {
		if found := e.found(x); sameHealth(x.noted, found) {
			x.reword(found)
		} else {
			e.event(x, found)
		}
	}
	if !x.flapping.IsZero() && e.quiet(x) {
		x.flapping, x.changes, x.unsteady = time.Time{}, nil, nil
		delete(x.noted, subject{code: Flapping})
		x.unsaved, x.stale = true, true
		e.note(Info, "steady again: "+x.words(), x.name, "")
		e.endAck(x, "")
	}
	e.turn(x)
}

// sameHealth compares two sets of issues by what they are about; flapping is not
// health.
func sameHealth(noted, found map[subject]Issue) bool {
	n := len(noted)
	if _, flapping := noted[subject{code: Flapping}]; flapping {
		n--
	}
	if n != len(found) {
		return false
	}
	for about := range found {
		if _, there := noted[about]; !there {
			return false
		}
	}
	return true
}

// reword follows an issue that goes on under another name: a silent stream that
// has now vanished.
func (x *experiment) reword(found map[subject]Issue) {
	for about, i := range found {
		if was := x.noted[about]; was.Code != i.Code {
			was.Code = i.Code
			x.noted[about] = was
			x.unsaved = true
		}
	}
}

// event records a change of stream health, tunnel health or jump health.
func (e *Engine) event(x *experiment, found map[subject]Issue) {
	if found == nil {
		found = make(map[subject]Issue)
	}
	x.changes = slices.DeleteFunc(x.changes, func(t time.Time) bool { return e.now.Sub(t) > e.cfg.FlapWindow })
	if len(x.changes) == 0 {
		x.unsteady = nil
	}
	for _, about := range changedBetween(x.noted, found) {
		name := x.unsteadyName(about)
		if i, there := slices.BinarySearch(x.unsteady, name); !there {
			x.unsteady = slices.Insert(x.unsteady, i, name)
		}
	}
	flapping, wasFlapping := x.noted[subject{code: Flapping}]
	if !wasFlapping {
		e.endAck(x, "")
	}
	x.noted, x.shownStreams = found, nil
	x.changes = append(x.changes, e.now)
	if n := e.cfg.FlapEvents; n > 0 && e.cfg.FlapWindow > 0 && x.flapping.IsZero() && len(x.changes) >= n {
		x.flapping = e.now
		flapping, wasFlapping = Issue{Code: Flapping, Experiment: x.name, Since: e.now}, true
		e.note(Warn, "flapping: its changes are not mailed until it has been quiet for "+e.cfg.FlapWindow.String(), x.name, "")
	}
	if len(x.changes) > e.cfg.FlapEvents+1 { // only the latest matters while it flaps
		x.changes = slices.Delete(x.changes, 0, 1)
	}
	if wasFlapping {
		x.noted[subject{code: Flapping}] = flapping
	}
	if x.events < e.cfg.Events {
		x.events++
	}
	x.unsaved = true
	ev := Event{
		Experiment: x.name, When: e.now, Healthy: x.healthy(), JumpOK: x.jumpOK(),
		StreamOK: make(map[string]bool, len(x.streams)), TunnelOK: x.tunnelsOK(), Issues: []string{},
	}
	for _, s := range x.streams {
		if ok, _ := x.streamOK(s); ok {
			ev.StreamOK[s.topic] = true
		}
	}
	for about := range found {
		if about.code == UnhealthyStream {
			ev.StreamOK[about.name] = false
		}
	}
	for _, i := range slices.SortedFunc(maps.Values(found), compareIssues) {
		ev.Issues = append(ev.Issues, i.String())
	}
	e.d.Events = append(e.d.Events, ev)
	level := Info
	if len(found) > 0 {
		level = Warn
	}
	e.note(level, x.words(), x.name, "")
}

// unsteadyName is what a subject is called among what flaps.
func (x *experiment) unsteadyName(about subject) string {
	switch about.code {
	case MissingJump:
		return x.name
	case UnhealthyTunnel:
		return unsteadyTunnel + about.name
	}
	return about.name
}

func changedBetween(a, b map[subject]Issue) (changed []subject) {
	for about := range a {
		if _, there := b[about]; !there && about.code != Flapping {
			changed = append(changed, about)
		}
	}
	for about := range b {
		if _, there := a[about]; !there && about.code != Flapping {
			changed = append(changed, about)
		}
	}
	return changed
}

// words says what is wrong with the experiment, or that nothing is.
func (x *experiment) words() string {
	var s []string
	for _, i := range slices.SortedFunc(maps.Values(x.noted), compareIssues) {
		s = append(s, i.String())
	}
	if len(s) == 0 {
		return "ok"
	}
	return strings.Join(s, ", ")
}

// whatFlaps names what changed in the events that made it flapping.
func (x *experiment) whatFlaps() string {
	names := make([]string, len(x.unsteady))
	for i, name := range x.unsteady {
		names[i] = name
		if name == x.name {
			names[i] = string(Jump)
		}
	}
	return strings.Join(names, ", ")
}

// quiet says whether a flapping experiment has been seen to be steady for the
// whole window. Time in which its source was silent proves nothing; of a tunnel silence
// is no news.
func (e *Engine) quiet(x *experiment) bool {
	since := x.flapping
	if n := len(x.changes); n > 0 {
		since = x.changes[n-1]
	}
	for _, name := range x.unsteady {
		if strings.HasPrefix(name, unsteadyTunnel) {
			continue
		}
		from := Relay
		if name == x.name {
			from = Jump
		}
		if e.hazyAt[from].After(since) {
			since = e.hazyAt[from]
		}
	}
	return e.now.Sub(since) >= e.cfg.FlapWindow
}

// attend notices that an experiment is in neither manifest nor frames. Only while
// both feeds are fresh and settled is that known. Tunnels keep nothing watched.
func (e *Engine) attend(x *experiment) {
	present := len(x.resources) > 0 ||
		x.jump.frame == e.jumpFrames && e.jumpFrames > 0 ||
		slices.ContainsFunc(x.streams, func(s *stream) bool { return s.frame == e.relayFrames && e.relayFrames > 0 })
	sure := e.hazyAt[Relay].Before(e.now) && e.hazyAt[Jump].Before(e.now)
	switch {
	case present:
		x.leaving, x.absentSince = false, time.Time{}
	case !sure:
		x.absentSince = time.Time{}
	case x.absentSince.IsZero():
		x.absentSince = e.now
	case !x.leaving && e.now.Sub(x.absentSince) >= e.cfg.Startup:
		x.leaving, x.stale = true, true // what is noted stands, in case it is back before this is told
		e.endCare(x)
		e.note(Info, "no longer watched: in neither book's manifest nor any report", x.name, "")
	}
}

// dropTold forgets the experiments that have left, once nobody has to be told of
// it any more.
func (e *Engine) dropTold() {
	e.order = slices.DeleteFunc(e.order, func(x *experiment) bool {
		if !x.leaving || len(x.told) > 0 {
			return false
		}
		for _, s := range x.streams {
			e.forgetTopic(s)
		}
		e.orphan(x)
		delete(e.experiments, x.name)
		e.d.Forgotten = append(e.d.Forgotten, x.name)
		e.d.History = append(e.d.History, StateChange{Experiment: x.name, At: e.now})
		e.touched = true
		return true
	})
}
