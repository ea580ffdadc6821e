package health

import "time"

// watchSystem keeps the list of what is wrong with the system itself.
func (e *Engine) watchSystem() {
	for _, f := range []*feed{&e.relay, &e.jump} {
		since := f.last
		if !f.seen {
			since = e.started
		}
		e.systemIssue(Issue{Code: NoReports, Subject: string(f.name), Since: since}, f.silent)
		e.systemIssue(Issue{Code: TooManyUnknown, Subject: string(f.name), Since: f.fullSince}, !f.fullSince.IsZero())
	}
	failing := e.book.failingSince
	e.systemIssue(Issue{Code: BookSilent, Subject: string(Book), Since: failing},
		!failing.IsZero() && e.bookFailingFor() >= e.cfg.LastChecked)
}

// bookFailingFor is for how long book has failed, as far as we were awake to ask it.
func (e *Engine) bookFailingFor() time.Duration {
	return min(e.now.Sub(e.book.failingSince), e.now.Sub(e.tunnels.awake))
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

// systemNews adds what is new about the sources. Services that share a host fall
// and return together: news of one waits while another is in doubt, so that both
// stand in one mail.
func (e *Engine) systemNews(a *Alert) {
	doubt := e.relay.overdue(e.now) || e.jump.overdue(e.now)
	if failing := e.book.failingSince; !failing.IsZero() && e.bookFailingFor() < e.cfg.LastChecked {
		doubt = true
	}
	for about, i := range e.systemNoted {
		if _, told := e.systemTold[about]; !told && !doubt {
			i.Detail = e.detail(i)
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
		r := Resolved{Issue: e.lasting(i, ended), Until: ended, Ending: OKAgain}
		if i.Code == NoReports {
			r.Ending = ReportsResume
		}
		a.Resolved = append(a.Resolved, r)
	}
}

// detail is what is known of a system issue's cause, or what follows from it.
func (e *Engine) detail(i Issue) string {
	switch i.Code {
	case NoReports:
		return e.feed(Source(i.Subject)).lastErr
	case TooManyUnknown:
		return fullWords
	}
	return e.book.lastErr
}

// systemUnsure says that a source has not shown in this run how it is.
func (e *Engine) systemUnsure(about subject) bool {
	if about.code == BookSilent {
		return e.book.lastManifest.IsZero() || !e.book.failingSince.IsZero()
	}
	f := e.feed(Source(about.name))
	if f != nil && about.code == TooManyUnknown && e.now.Sub(e.started) < e.calm() {
		return true
	}
	return f != nil && !f.seen
}
