package health

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Maintenance keeps mails about the experiments that its windows name from people, as
// a silence does, and says what becomes of their bookings meanwhile. Where several
// windows hold at once the strongest for bookings is the one that is shown; the mails
// wait until the last of them is over.
//
// An experiment that leaves meanwhile, and of which people were told that something is
// wrong, is shown as unknown until then: if it is back by that time, nothing is told of
// its leaving. One of which nothing was told is forgotten at once.
//
// Whom a window names is worked out when it is set, and when an experiment is first
// seen. Whether it holds is looked at when one of them begins or ends, not before.
type maintenance struct {
	windows map[string]*Window
	list    []Window // the same, by ID, as snapshot and record show them
	now     map[*Window]span

	from, to time.Time // what now says holds from then up to that moment; zero: for ever
	touched  bool      // and must be looked at again whatever they say
}

// span is when a window holds.
type span struct{ since, until time.Time }

func (e *Engine) setWindow(a Act) (refused string) {
	if a.Window == nil || a.Window.ID == "" {
		return "it names no window"
	}
	m := &e.maintenance
	w := a.Window.own()
	w.By = a.By
	if fault := w.Check(); fault != nil {
		return fault.Error()
	}
	was := m.windows[w.ID]
	if was != nil && was.same(w) {
		return "" // said twice
	}
	if was == nil && len(m.windows) >= MaxWindows {
		return "there are too many windows: remove one first"
	}
	if e.over(w) {
		return "no time of it is left to come"
	}
	e.putWindow(w)
	a.Experiment, a.Until, a.Text, a.Window = "", time.Time{}, w.Reason, w
	e.done(a)
	return ""
}

// removeWindow ends one before its time.
func (e *Engine) removeWindow(a Act) (refused string) {
	if a.Window == nil {
		return "it names no window"
	}
	e.endWindow(e.maintenance.windows[a.Window.ID], a.By)
	return ""
}

// endWindow drops a window, if it is one; by nobody: it is over.
func (e *Engine) endWindow(w *Window, by string) {
	if w == nil {
		return
	}
	e.dropWindow(w)
	e.done(Act{At: e.now, Kind: ActRemoveMaintenance, By: by, Text: w.Reason, Window: w})
}

// putWindow makes the window one of those that there are, in place of what had its ID.
func (e *Engine) putWindow(w *Window) {
	if was := e.maintenance.windows[w.ID]; was != nil {
		e.dropWindow(was)
	}
	e.maintenance.windows[w.ID] = w
	for _, x := range e.order {
		if w.Matches(x.name) {
			x.windows = append(x.windows, w)
		}
	}
	e.windowsChanged()
}

func (e *Engine) dropWindow(w *Window) {
	delete(e.maintenance.windows, w.ID)
	for _, x := range e.order {
		if i := slices.Index(x.windows, w); i >= 0 {
			x.windows = slices.Delete(x.windows, i, i+1)
		}
	}
	e.windowsChanged()
}

func (e *Engine) windowsChanged() {
	m := &e.maintenance
	m.touched, e.touched, e.systemUnsaved = true, true, true
	m.list = make([]Window, 0, len(m.windows))
	for _, id := range slices.Sorted(maps.Keys(m.windows)) {
		m.list = append(m.list, *m.windows[id])
	}
}

// over says that no time of the window is left to come. One that makes no sense any
// more, since its zone is not known here, stays: people should see and mend it.
func (e *Engine) over(w *Window) bool {
	if w.plan == nil {
		return false
	}
	_, _, holds := w.Active(e.now)
	_, _, comes := w.Next(e.now)
	return !holds && !comes
}

// maintain sees to it that every experiment knows which window it is in, and ends the
// windows that are over.
func (e *Engine) maintain() {
	if !e.lookAtWindows() {
		return
	}
	for _, w := range slices.SortedFunc(maps.Values(e.maintenance.windows), func(a, b *Window) int { return cmp.Compare(a.ID, b.ID) }) {
		if e.over(w) {
			e.endWindow(w, "")
		}
	}
	e.lookAtWindows() // where one has ended
}

// lookAtWindows works out which windows hold now, where that may have changed.
func (e *Engine) lookAtWindows() (looked bool) {
	m := &e.maintenance
	now := e.now.Round(0) // windows know the clock on the wall alone
	if !m.touched && !now.Before(m.from) && (m.to.IsZero() || now.Before(m.to)) {
		return false
	}
	m.touched, m.from, m.to = false, now, time.Time{}
	m.now = make(map[*Window]span)
	until := func(t time.Time) {
		if m.to.IsZero() || t.Before(m.to) {
			m.to = t
		}
	}
	for _, w := range m.windows {
		if w.plan == nil {
			continue
		}
		if since, ends, ok := w.Active(now); ok {
			m.now[w] = span{since, ends}
			until(ends)
		}
		if begins, _, ok := w.Next(now); ok {
			until(begins)
		}
	}
	for _, x := range e.order {
		e.place(x)
	}
	return true
}

// place finds the window that the experiment is in.
func (e *Engine) place(x *experiment) {
	if len(e.maintenance.now) == 0 && x.maintenance == nil {
		return
	}
	var in *Maintenance
	for _, w := range x.windows {
		if s, holds := e.maintenance.now[w]; holds {
			m := &Maintenance{ID: w.ID, Reason: w.Reason, By: w.By, Bookings: w.Bookings, Since: s.since, Until: s.until}
			if in == nil || m.before(in) {
				in = m
			}
		}
	}
	if in == x.maintenance || in != nil && x.maintenance != nil && *in == *x.maintenance {
		return
	}
	x.maintenance, x.turned, x.stale = in, true, true
}

// before says which of two windows counts for bookings: the stronger, then the one
// that lasts longer.
func (m *Maintenance) before(o *Maintenance) bool {
	strength := func(b Bookings) int { return slices.Index([]Bookings{BookingsDecide, BookingsLeave, BookingsClose}, b) }
	return cmp.Or(cmp.Compare(strength(m.Bookings), strength(o.Bookings)), m.Until.Compare(o.Until), cmp.Compare(o.ID, m.ID)) > 0
}

// enroll finds the windows that name an experiment which has just been seen.
func (e *Engine) enroll(x *experiment) {
	for i := range e.maintenance.list {
		if w := e.maintenance.windows[e.maintenance.list[i].ID]; w.Matches(x.name) {
			x.windows = append(x.windows, w)
		}
	}
	e.place(x)
}

// restoreWindows takes up the windows of an earlier run. What is over by now ends with
// the first input.
func (e *Engine) restoreWindows(windows []Window) {
	for i := range windows {
		w := windows[i].own()
		if w.ID == "" || e.maintenance.windows[w.ID] != nil {
			continue
		}
		if fault := w.Check(); fault != nil {
			e.note(Warn, "the maintenance window "+w.ID+" is kept and never begins: "+fault.Error()+"; change or remove it", "", "")
		}
		e.putWindow(w)
	}
	e.lookAtWindows()
	e.maintenance.touched = true
}
