package health

import (
	"slices"
	"strings"
	"time"
)

// defaultTunnelPeriod is the period of reports where none is configured.
const defaultTunnelPeriod = 5 * time.Second

// tunnels are all that was ever reported in this run, or kept by an earlier one. Their
// number is bounded by who hears the reports.
type tunnels struct {
	patience
	all     map[tunnelKey]*tunnel
	waiting map[string][]*tunnel // by experiment, where that isn't watched
	running map[*tunnel]struct{} // whose verdict may change by time passing
}

func newTunnels(cfg Config, at time.Time) tunnels {
	period := cfg.TunnelPeriod
	if period <= 0 {
		period = defaultTunnelPeriod
	}
	return tunnels{
		patience: patience{steady: 2 * period, grace: max(2*period, cfg.LastChecked), awake: at},
		all:      make(map[tunnelKey]*tunnel),
		waiting:  make(map[string][]*tunnel),
		running:  make(map[*tunnel]struct{}),
	}
}

// hear takes in what was reported of tunnels.
func (e *Engine) hear(in Tunnels) {
	for i := range in.Reports {
		r := &in.Reports[i]
		if r.Source == "" || r.Service == "" || r.Experiment == "" {
			continue
		}
		t := e.tunnelOf(r)
		if r.Restored {
			e.recall(t, r)
			continue
		}
		at := e.heardAt(in.At, r.At)
		if at.Before(t.lastAt) {
			at = t.lastAt
		}
		e.judgeTunnel(t, func() {
			switch {
			case r.State != "":
				t.says(&e.tunnels.patience, r.State, r.Message, at)
			case r.NewConns:
				t.connects(&e.tunnels.patience, at)
			}
		})
		t.lastAt = at
		t.changed(false)
	}
}

// heardAt is a report's moment on the engine's clock, which is never set back.
func (e *Engine) heardAt(now, at time.Time) time.Time {
	if at.IsZero() || !at.Before(now) {
		return e.now
	}
	if e.now.Equal(now) {
		return at
	}
	return e.now.Add(at.Sub(now))
}

// recall takes in what was heard before it could be news.
func (e *Engine) recall(t *tunnel, r *TunnelReport) {
	at, since := agoOf(r.At, e.now), agoOf(r.Since, e.now)
	if at.IsZero() {
		at = e.now
	}
	if since.IsZero() || since.After(at) {
		since = at
	}
	e.judgeTunnel(t, func() { t.remembers(r.State, r.Message, since, at) })
	if at.After(t.lastAt) {
		t.lastAt = at
	}
	t.changed(false)
}

// tunnelOf finds or makes the tunnel that a report is about, at the experiment that the
// report ties it to.
func (e *Engine) tunnelOf(r *TunnelReport) *tunnel {
	key := tunnelKey{r.Source, r.Service, r.Client}
	t := e.tunnels.all[key]
	switch {
	case t == nil:
		t = newTunnel(key, r.Experiment)
		e.tunnels.all[key] = t
		e.tie(t)
	case t.experiment != r.Experiment:
		e.untie(t)
		t.experiment = r.Experiment
		e.tie(t)
	}
	if t.required != r.Required {
		t.required = r.Required
		t.changed(true)
	}
	return t
}

// tie gives the tunnel to its experiment, or lets it wait for that. It never makes one.
func (e *Engine) tie(t *tunnel) {
	x := e.experiments[t.experiment]
	if x == nil {
		e.tunnels.waiting[t.experiment] = append(e.tunnels.waiting[t.experiment], t)
		return
	}
	i, _ := x.findTunnel(t.name)
	x.tunnels = slices.Insert(x.tunnels, i, t)
	t.of = x
	t.count(+1)
	t.changed(t.judged)
}

// untie takes the tunnel from its experiment: it is another's from now on.
func (e *Engine) untie(t *tunnel) {
	t.changed(true)
	if x := t.of; x != nil {
		i, _ := x.findTunnel(t.name)
		x.tunnels = slices.Delete(x.tunnels, i, i+1)
		t.count(-1)
		t.of = nil
		return
	}
	left := slices.DeleteFunc(e.tunnels.waiting[t.experiment], func(o *tunnel) bool { return o == t })
	if e.tunnels.waiting[t.experiment] = left; len(left) == 0 {
		delete(e.tunnels.waiting, t.experiment)
	}
}

// tieWaiting gives an experiment that has just appeared the tunnels that waited for it.
func (e *Engine) tieWaiting(x *experiment) {
	waiting := e.tunnels.waiting[x.name]
	delete(e.tunnels.waiting, x.name)
	for _, t := range waiting {
		e.tie(t)
	}
}

// orphan lets the tunnels of an experiment that is watched no more wait for its return.
func (e *Engine) orphan(x *experiment) {
	if len(x.tunnels) == 0 {
		return
	}
	for _, t := range x.tunnels {
		t.of = nil
	}
	e.tunnels.waiting[x.name] = x.tunnels
	x.tunnels = nil
}

// watchTunnels notices that time has passed for those that it matters to.
func (e *Engine) watchTunnels() {
	for t := range e.tunnels.running {
		e.judgeTunnel(t, func() { t.advance(&e.tunnels.patience, e.now) })
	}
}

// judgeTunnel lets something happen to the tunnel, and sees to what depends on it.
func (e *Engine) judgeTunnel(t *tunnel, happens func()) {
	judged, ok, missing := t.judged, t.ok, t.missing
	t.count(-1)
	happens()
	t.count(+1)
	if t.waits() {
		e.tunnels.running[t] = struct{}{}
	} else {
		delete(e.tunnels.running, t)
	}
	if t.judged != judged || t.ok != ok || t.missing != missing {
		t.changed(true)
	}
}

// changed says that what is shown of the tunnel is out of date, and, where that is so,
// what is kept of it.
func (t *tunnel) changed(kept bool) {
	x := t.of
	if x == nil {
		return
	}
	x.stale, x.tunnelStatus = true, nil
	if kept && x.assessed { // until then nothing is kept of it
		x.unsaved = true
	}
}

// count keeps the number of its experiment's tunnels that are not well: each check looks
// at every experiment, and not at every tunnel.
func (t *tunnel) count(by int) {
	if t.of != nil && t.bad() {
		t.of.tunnelsBad += by
	}
}

func (x *experiment) findTunnel(name string) (int, bool) {
	return slices.BinarySearchFunc(x.tunnels, name, func(t *tunnel, n string) int { return strings.Compare(t.name, n) })
}

func (x *experiment) tunnel(name string) *tunnel {
	if i, found := x.findTunnel(name); found {
		return x.tunnels[i]
	}
	return nil
}

// unsteadyTunnel begins a tunnel's name among what flaps: no topic has a blank.
const unsteadyTunnel = "tunnel "
