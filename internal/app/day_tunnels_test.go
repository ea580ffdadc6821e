package app_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"labstatus/internal/lab"
)

// Experiments of a day are reached through tunnels, too. Their GOST says how one is when
// that changes, once: what is said while nobody listens is lost.

const (
	dayTunnelSteady = 10 * time.Second // 2 P: what fails for less is no fault
	dayOverlap      = 6 * time.Second  // of what has just begun, closed may be the word of the instance before
	dayGOST         = "leeds"
)

// tunnelBound is after what time the verdict on a tunnel follows from what is the case.
func (c climate) tunnelBound() time.Duration {
	return max(dayTunnelSteady, c.lastChecked) + 3*time.Second
}

// passage is a tunnel as it is in the laboratory.
type passage struct {
	required bool
	unwell   bool
	closed   bool      // unwell, and closed is what was said of it
	conns    int       // so far
	moved    time.Time // when it last changed, or something was said of its state
}

// tunnelSubject is what issues call a tunnel.
func tunnelSubject(name string) string { return "tunnel " + dayGOST + "/" + name }

// dig gives an experiment tunnels, as observerMap ties them: some have none, some have
// one that they can't do without.
func (d *day) dig(stub string, link, required bool) {
	tunnels := map[string]*passage{}
	if link {
		tunnels["tunnel-"+stub] = &passage{}
	}
	if required {
		tunnels["tunnel-"+stub+"-cam"] = &passage{required: true}
	}
	d.truth.tunnels[stub] = tunnels
}

// begin has all of an experiment's tunnels begin.
func (d *day) begin(stub string) {
	for _, name := range slices.Sorted(maps.Keys(d.truth.tunnels[stub])) {
		d.truth.tunnels[stub][name].moved = time.Now()
		d.tells(name, "running", "ready")
	}
}

// tells has a tunnel's GOST report states of it, one after the other.
func (d *day) tells(name string, states ...string) {
	changes := make([]string, len(states))
	for i, s := range states {
		changes[i] = name + " " + s
	}
	if code := d.reports(observerToken, changes...); code != http.StatusOK {
		d.errorf("%s %v was answered %d", name, states, code)
	}
}

// someTunnel picks one; ok is false where there is none.
func (d *day) someTunnel() (stub, name string, p *passage, ok bool) {
	var all [][2]string
	for stub, tunnels := range d.truth.tunnels {
		for name := range tunnels {
			if isClient(name) {
				continue
			}
			all = append(all, [2]string{stub, name})
		}
	}
	if len(all) == 0 {
		return "", "", nil, false
	}
	slices.SortFunc(all, func(a, b [2]string) int { return strings.Compare(a[1], b[1]) })
	one := pick(d, all)
	return one[0], one[1], d.truth.tunnels[one[0]][one[1]], true
}

// tunnelIs notes how a tunnel is from now on.
func (d *day) tunnelIs(stub string, p *passage, unwell bool) {
	p.unwell, p.closed, p.moved = unwell, false, time.Now()
	d.truth.note(stub, p.moved)
}

// tunnel has a tunnel change, and its GOST say so.
func (d *day) tunnel() {
	stub, name, p, ok := d.someTunnel()
	if !ok {
		return
	}
	switch d.rng.IntN(6) {
	case 0, 1:
		d.did("%s fails", name)
		d.tunnelIs(stub, p, true)
		d.tells(name, "failed")
		if d.rng.IntN(3) == 0 { // these may be figures that were stuck
			p.conns++
			d.carries(name, p)
		}
	case 2:
		if time.Since(p.moved) <= dayOverlap {
			return
		}
		d.did("%s is closed", name)
		d.tunnelIs(stub, p, true)
		p.closed = true
		d.tells(name, "closed")
	case 3:
		states := []string{"running", "ready"}
		if !p.closed && d.rng.IntN(2) == 0 { // the one before says last that it is closed
			states = append(states, "closed")
		}
		d.did("%s begins anew: %v", name, states)
		d.tunnelIs(stub, p, false)
		p.conns = 0
		d.tells(name, states...)
	default:
		d.did("%s is ready", name)
		d.tunnelIs(stub, p, false)
		d.tells(name, "ready")
	}
}

// hiccup is too short a fault to be told of: the model knows nothing of it.
func (d *day) hiccup() {
	_, name, p, ok := d.someTunnel()
	if !ok || p.unwell || time.Since(p.moved) < 3*dayTunnelSteady || time.Since(d.started) < 3*dayTunnelSteady {
		return
	}
	word := pick(d, []string{"failed", "closed", "failed ready"})
	d.did("%s hiccups: %s", name, word)
	for range 1 + d.rng.IntN(int(dayTunnelSteady/time.Second)-1) {
		d.tells(name, strings.Fields(word)...)
		d.wait(time.Second)
	}
	d.tells(name, "ready")
	p.moved = time.Now()
}

// stutter is how a service that can't take connections speaks: GOST 3.3 says ready after
// each try, and 3.2.6 once it has come to an end.
func (d *day) stutter() {
	stub, name, p, ok := d.someTunnel()
	if !ok {
		return
	}
	n, words := 2+d.rng.IntN(60), pick(d, []string{"failed ready", "failed"})
	d.did("%s stutters for %d s: %s", name, n, words)
	d.tunnelIs(stub, p, true)
	for range n {
		d.tells(name, strings.Fields(words)...)
		d.pass(time.Second)
	}
	d.tells(name, "ready")
	d.tunnelIs(stub, p, false)
}

func (d *day) carries(name string, p *passage) {
	d.tells(name, fmt.Sprintf("%d %d>%d", p.conns, 10*p.conns, 20*p.conns))
}

// traffic is figures, of which those of a new connection are as good as a ready that was
// lost. The first since a start of the server say nothing.
func (d *day) traffic() {
	stub, name, p, ok := d.someTunnel()
	if !ok || time.Since(p.moved) < 2*dayTunnelSteady || time.Since(d.started) < 2*dayTunnelSteady {
		return
	}
	d.carried(stub, name, p)
}

func (d *day) carried(stub, name string, p *passage) {
	d.did("%s carries a connection; unwell is %t", name, p.unwell)
	// Whether the very first of an instance say something hangs on whether we have heard it
	// begin.
	if p.conns > 0 {
		d.carries(name, p)
		d.pass(d.tunnelBound())
	} else {
		p.conns++
		d.carries(name, p)
	}
	if p.unwell {
		d.tunnelIs(stub, p, false)
	}
	p.conns++
	d.carries(name, p)
}

// lost is a change of a tunnel while the server is down.
func (d *day) lost(settled map[string]bool) {
	stub, name, p, ok := d.someTunnel()
	if !ok {
		return
	}
	d.did("nobody hears that %s changes", name)
	settled[name] = false
	d.tunnelIs(stub, p, d.rng.IntN(2) == 0)
}

// settled are the tunnels on which the server must have its verdict, and have kept it.
func (d *day) settled() map[string]bool {
	settled := map[string]bool{}
	for stub, tunnels := range d.truth.tunnels {
		watched := d.truth.present[stub] && d.believed(stub) && min(d.well(lab.Relay), d.well(lab.Jump)) > d.sourceBound()
		for name, p := range tunnels {
			settled[name] = watched && time.Since(p.moved) > d.jumpBound()
		}
	}
	settled[daySharedTunnel] = time.Since(d.shared.moved) > d.jumpBound()
	return settled
}

// repeats is after a start of the server: what had not settled before its end is said
// again, as by a GOST that is set up anew. What was told long ago stands, and nobody
// repeats it.
func (d *day) repeats(settled map[string]bool) {
	for _, stub := range slices.Sorted(maps.Keys(d.truth.tunnels)) {
		for _, name := range slices.Sorted(maps.Keys(d.truth.tunnels[stub])) {
			if isClient(name) {
				continue
			}
			if settled[name] {
				d.stood++
				continue
			}
			p := d.truth.tunnels[stub][name]
			p.moved, p.closed = time.Now(), false
			if p.unwell { // which begins nothing anew: what it counts goes on
				d.tells(name, "failed")
			} else {
				p.conns = 0
				d.tells(name, "running", "ready")
			}
		}
	}
	d.repeatsShared(settled)
}

// tunnelsAreTrue compares the verdicts on tunnels of which nothing has changed for some
// time. They hang on no feed.
func (d *day) tunnelsAreTrue() {
	if d.started.IsZero() || time.Since(d.started) < d.tunnelBound() {
		return
	}
	for stub, tunnels := range d.truth.tunnels {
		r := d.app.Snapshot().Find(stub)
		if r == nil {
			continue
		}
		for _, said := range r.Tunnels {
			p := tunnels[strings.TrimPrefix(said.Name, dayGOST+"/")]
			if time.Since(p.moved) >= d.tunnelBound() && said.OK == p.unwell {
				d.errorf("%s is thought %s; it is unwell: %t since %s", said.Name, said.Verdict, p.unwell, p.moved.UTC().Format(time.TimeOnly))
			}
		}
	}
}
