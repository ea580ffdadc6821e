package health

import "slices"

// act takes in what a person did. What can't be is refused with its reason: the API
// has looked before, but an experiment may have left, or recovered, since then.
func (e *Engine) act(in Act) {
	in.At = e.now
	refused := e.take(in)
	if refused == "" {
		return
	}
	e.d.Refused = refused
	e.note(Warn, "not done: "+in.String()+": "+refused, in.Experiment, "")
}

// take does what a person wants; it says why where that can't be.
func (e *Engine) take(a Act) (refused string) {
	if a.By == "" {
		return "it doesn't say who does it"
	}
	switch a.Kind {
	case ActSetMaintenance:
		return e.setWindow(a)
	case ActRemoveMaintenance:
		return e.removeWindow(a)
	case ActTestMail:
		e.d.Acts = append(e.d.Acts, a) // it is a mail itself
		e.note(Info, a.String(), "", "")
		return ""
	}
	x := e.experiments[a.Experiment]
	if x == nil || x.leaving {
		return "no such experiment is watched"
	}
	switch a.Kind {
	case ActSilence:
		return e.silence(x, a)
	case ActUnsilence:
		e.endSilence(x, a.By)
	case ActAck:
		return e.ack(x, a)
	case ActUnack:
		e.endAck(x, a.By)
	case ActHold:
		return e.hold(x, a)
	case ActRelease:
		return e.release(x, a)
	default:
		return "no such act is known"
	}
	return ""
}

// done enters an act in the audit list, and among those that people are to be told of.
func (e *Engine) done(a Act) {
	e.d.Acts = append(e.d.Acts, a)
	e.untold = append(e.untold, a)
	e.untoldTouched = true
	e.note(Info, a.String(), a.Experiment, "")
}

// actsToTell are the acts that may be told with what is news now, and those that have
// to wait.
func (e *Engine) actsToTell(news *Alert) (now, later []Act) {
	for _, a := range e.untold {
		if e.waits(a, news) {
			later = append(later, a)
		} else {
			now = append(now, a)
		}
	}
	return now, later
}

// waits says whether an act is told later. What a person did is told at once. What
// ended by itself is told with what is wrong then, so it waits until that is known, or
// a part of it is news; and where its experiment is silenced or in maintenance, until
// that is over too.
func (e *Engine) waits(a Act, news *Alert) bool {
	if a.By != "" {
		return false
	}
	x := e.experiments[a.Experiment]
	if x != nil && (x.starting || x.suppressed()) {
		return true
	}
	for _, f := range []*feed{&e.relay, &e.jump} {
		if !f.silent && (!f.seen || f.settling(e.now)) {
			return !news.concerns(a)
		}
	}
	return false
}

// concerns says whether any of the news is about what an act is about.
func (a *Alert) concerns(act Act) bool {
	about := func(i Issue) bool {
		if act.Window != nil {
			return !i.IsSystem() && act.Window.Matches(i.Experiment)
		}
		return i.Experiment == act.Experiment
	}
	return slices.ContainsFunc(a.New, about) || slices.ContainsFunc(a.Resolved, func(r Resolved) bool { return about(r.Issue) })
}

// restoreActs takes up what people did in an earlier run and were not told of yet.
func (e *Engine) restoreActs(kept SystemRecord) {
	for _, a := range kept.Untold {
		if a.Kind == "" {
			continue
		}
		if a.Window != nil {
			a.Window = a.Window.own()
		}
		e.untold = append(e.untold, a)
	}
	e.untoldKept = len(e.untold) > 0
	e.restoreReminded(kept.Reminded)
}

// actsUnsaved says whether what is not told yet differs from what is kept of it.
func (e *Engine) actsUnsaved() bool {
	touched := e.untoldTouched && (len(e.untold) > 0 || e.untoldKept)
	e.untoldTouched, e.untoldKept = false, len(e.untold) > 0
	return touched
}
