package health

import (
	"maps"
	"slices"
	"time"
)

// tell makes the mail of this check: all that differs now from what people were
// last told, as far as it is known.
func (e *Engine) tell(counts Counts) {
	a := Alert{At: e.now, Counts: counts}
	e.systemNews(&a)
	for _, x := range e.order {
		e.news(x, &a)
	}
	acts, later := e.actsToTell(&a)
	if len(a.New)+len(a.Resolved)+len(acts) == 0 {
		e.newsSince = time.Time{} // also where a change was undone while it was held
		if a.Reminder = e.reminder(); len(a.Reminder) == 0 {
			return
		}
	} else if e.heldForMore() {
		return
	}
	e.markTold(&a)
	if len(acts) > 0 {
		a.Acts, e.untold, e.untoldTouched = acts, later, true
	}
	e.listCurrent(&a)
	slices.SortFunc(a.New, compareIssues)
	slices.SortFunc(a.Current, compareIssues)
	slices.SortFunc(a.Reminder, compareIssues)
	slices.SortFunc(a.Resolved, func(x, y Resolved) int { return compareIssues(x.Issue, y.Issue) })
	if e.cfg.RemindEvery > 0 && len(a.Current) > 0 {
		e.reminded, e.systemUnsaved = e.now, true
	}
	e.d.Alert = &a
}

// heldForMore says whether news waits for more of it, and counts the time.
func (e *Engine) heldForMore() bool {
	if e.newsSince.IsZero() {
		e.newsSince = e.now
	}
	if e.now.Sub(e.newsSince) < e.cfg.GroupWait {
		return true
	}
	e.newsSince = time.Time{}
	return false
}

// listCurrent adds all that people know to be wrong and still is, and what some of
// them have said of it.
func (e *Engine) listCurrent(a *Alert) {
	for about, i := range e.systemTold {
		if _, still := e.systemNoted[about]; still {
			a.Current = append(a.Current, i)
		}
	}
	for _, x := range e.order {
		if x.leaving || len(x.told) == 0 {
			continue
		}
		before := len(a.Current)
		for about := range x.told {
			if i, still := x.noted[about]; still {
				a.Current = append(a.Current, i)
			}
		}
		if care, said := x.care(); said && len(a.Current) > before {
			if a.Cared == nil {
				a.Cared = make(map[string]Care)
			}
			a.Cared[x.name] = care
		}
	}
}

// news adds what is new about an experiment.
func (e *Engine) news(x *experiment, a *Alert) {
	if x.starting || x.suppressed() || len(x.noted) == 0 && len(x.told) == 0 {
		return
	}
	for about, i := range x.noted {
		if _, told := x.told[about]; !told && !x.leaving && e.tellable(x, about) {
			if i.Code == Flapping {
				i.Detail = x.whatFlaps()
			}
			a.New = append(a.New, i)
		}
	}
	for about, i := range x.told {
		if _, still := x.noted[about]; (!still || x.leaving) && e.tellable(x, about) {
			until, ending := e.ended(x, about)
			a.Resolved = append(a.Resolved, Resolved{Issue: e.lasting(i, until), Until: until, Ending: ending})
		}
	}
}

// tellable says whether people can be told how it is with something about an
// experiment. Of one that flaps only that is told, not what it is at the moment.
func (e *Engine) tellable(x *experiment, about subject) bool {
	if x.leaving {
		return true
	}
	if !x.flapping.IsZero() && about.code != Flapping {
		return false
	}
	return x.known(e, about)
}

// ended says when and how an issue came to its end.
func (e *Engine) ended(x *experiment, about subject) (time.Time, Ending) {
	switch {
	case x.leaving:
		return e.now, NotWatched
	case about.code == Flapping:
		return e.now, Steady
	case about.code == MissingJump:
		return x.jump.since, OKAgain
	case about.code == UnhealthyTunnel:
		if t := x.tunnel(about.name); t != nil && t.judged {
			return t.okSince, OKAgain
		}
		return e.now, NotWatched
	}
	if s := x.stream(about.name); s != nil {
		return s.since, OKAgain
	}
	if x.told[about].Code == MissingRequired {
		return e.now, NotRequired
	}
	return e.now, Gone
}

// markTold remembers what the mail says.
func (e *Engine) markTold(a *Alert) {
	for _, i := range a.New {
		if i.IsSystem() {
			e.systemTold[i.about()] = i
			e.systemUnsaved = true
			continue
		}
		x := e.experiments[i.Experiment]
		x.told[i.about()] = i
		x.unsaved = true
	}
	for _, r := range a.Resolved {
		if r.Issue.IsSystem() {
			delete(e.systemTold, r.Issue.about())
			delete(e.systemEnded, r.Issue.about())
			e.systemUnsaved = true
			continue
		}
		x := e.experiments[r.Issue.Experiment]
		delete(x.told, r.Issue.about())
		x.unsaved = true
	}
}

func sortedIssues(m map[subject]Issue) []Issue {
	if len(m) == 0 {
		return nil
	}
	return slices.SortedFunc(maps.Values(m), compareIssues)
}
