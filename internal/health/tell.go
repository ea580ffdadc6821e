package health

import (
	"maps"
	"slices"
	"time"
)

// watchSystem keeps the list of what is wrong with the system itself.
func (e *Engine) watchSystem() {
	for _, f := range []*feed{&e.relay, &e.jump} {
		since := f.last
		if !f.seen {
			since = e.started
		}
		e.systemIssue(Issue{Code: NoReports, Subject: string(f.name), Since: since}, f.silent)
	}
	failing := e.book.failingSince
	e.systemIssue(Issue{Code: BookSilent, Subject: string(Book), Since: failing},
		!failing.IsZero() && e.now.Sub(failing) >= e.cfg.LastChecked)
}

func (e *Engine) systemIssue(i Issue, there bool) {
	about := i.about()
	_, was := e.systemNoted[about]
	switch {
	case there && !was:
		e.systemNoted[about] = i
		delete(e.systemEnded, about)
	case !there && was:
		delete(e.systemNoted, about)
		e.systemEnded[about] = e.now
	default:
		return
	}
	e.touched = true
}

// tell makes the mail of this check: all that differs now from what people were
// last told, as far as it is known.
func (e *Engine) tell(counts Counts) {
	a := Alert{At: e.now, Counts: counts}
	e.systemNews(&a)
	for _, x := range e.order {
		e.news(x, &a)
	}
	if len(a.New)+len(a.Resolved) == 0 {
		e.newsSince = time.Time{} // also where a change was undone while it was held
		return
	}
	if e.newsSince.IsZero() {
		e.newsSince = e.now
	}
	if e.now.Sub(e.newsSince) < e.cfg.GroupWait {
		return
	}
	e.newsSince = time.Time{}
	e.markTold(&a)
	for about, i := range e.systemTold {
		if _, still := e.systemNoted[about]; still {
			a.Current = append(a.Current, i)
		}
	}
	for _, x := range e.order {
		for about := range x.told {
			if i, still := x.noted[about]; still && !x.leaving {
				a.Current = append(a.Current, i)
			}
		}
	}
	slices.SortFunc(a.New, compareIssues)
	slices.SortFunc(a.Current, compareIssues)
	slices.SortFunc(a.Resolved, func(x, y Resolved) int { return compareIssues(x.Issue, y.Issue) })
	e.d.Alert = &a
}

// systemNews adds what is new about the sources. Services that share a host fall
// and return together: news of one waits while another is in doubt, so that both
// stand in one mail.
func (e *Engine) systemNews(a *Alert) {
	doubt := e.relay.overdue(e.now) || e.jump.overdue(e.now)
	if failing := e.book.failingSince; !failing.IsZero() && e.now.Sub(failing) < e.cfg.LastChecked {
		doubt = true
	}
	for about, i := range e.systemNoted {
		if _, told := e.systemTold[about]; !told && !doubt {
			i.Detail = e.book.lastErr
			if f := e.feed(Source(i.Subject)); f != nil {
				i.Detail = f.lastErr
			}
			a.New = append(a.New, i)
		}
	}
	for about, i := range e.systemTold {
		if _, still := e.systemNoted[about]; still {
			continue
		}
		ended := e.systemEnded[about]
		if ended.IsZero() { // told by an earlier run, and not found in this one yet
			if e.systemUnsure(about) {
				continue
			}
			ended = e.now
			e.systemEnded[about] = ended
		}
		if len(e.systemNoted) > 0 && e.now.Sub(ended) < e.cfg.LastChecked {
			continue
		}
		r := Resolved{Issue: i, Until: ended, Ending: OKAgain}
		if i.Code == NoReports {
			r.Ending = ReportsResume
		}
		a.Resolved = append(a.Resolved, r)
	}
}

// systemUnsure says that a source has not shown in this run how it is.
func (e *Engine) systemUnsure(about subject) bool {
	if about.code == BookSilent {
		return e.book.lastManifest.IsZero() || !e.book.failingSince.IsZero()
	}
	f := e.feed(Source(about.name))
	return f != nil && !f.seen
}

// news adds what is new about an experiment.
func (e *Engine) news(x *experiment, a *Alert) {
	if x.starting || len(x.noted) == 0 && len(x.told) == 0 {
		return
	}
	tellable := func(about subject) bool {
		if x.leaving {
			return true
		}
		if !x.flapping.IsZero() && about.code != Flapping {
			return false
		}
		return x.known(e, about)
	}
	for about, i := range x.noted {
		if _, told := x.told[about]; !told && !x.leaving && tellable(about) {
			if i.Code == Flapping {
				i.Detail = x.whatFlaps()
			}
			a.New = append(a.New, i)
		}
	}
	for about, i := range x.told {
		if _, still := x.noted[about]; (!still || x.leaving) && tellable(about) {
			until, ending := e.ended(x, about)
			a.Resolved = append(a.Resolved, Resolved{Issue: i, Until: until, Ending: ending})
		}
	}
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
