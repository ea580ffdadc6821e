package app_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"labstatus/internal/health"
)

// Experiments of a day are reached through tunnels, too. Their GOST says how one is when
// that changes, once: what is said while nobody listens is lost.

const (
	dayTunnelSteady = 10 * time.Second // 2 P: what fails for less is no fault
	dayGOST         = "leeds"
)

// passage is a tunnel as it is in the laboratory.
type passage struct {
	required bool
	unwell   bool
	closed   bool      // and so it was said
	conns    int       // so far
	said     time.Time // when its GOST last spoke of its state
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
	p.unwell, p.closed, p.said = unwell, false, time.Now()
	d.truth.note(stub, p.said)
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
	case 2:
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
	if !ok || p.unwell || time.Since(p.said) < 3*dayTunnelSteady || time.Since(d.started) < 3*dayTunnelSteady {
		return
	}
	word := pick(d, []string{"failed", "closed"})
	d.did("%s hiccups: %s", name, word)
	d.tells(name, word)
	d.pass(time.Duration(d.rng.Int64N(int64(dayTunnelSteady - time.Second))))
	d.tells(name, "ready")
	p.said = time.Now()
}

// stutter is how a service that can't take connections speaks.
func (d *day) stutter() {
	stub, name, p, ok := d.someTunnel()
	if !ok {
		return
	}
	n := 2 + d.rng.IntN(60)
	d.did("%s stutters for %d s", name, n)
	d.tunnelIs(stub, p, true)
	for range n {
		d.tells(name, "failed", "ready")
		d.pass(time.Second)
	}
	d.tunnelIs(stub, p, false)
}

// traffic is figures, of which those of a new connection are as good as a ready that was
// lost.
func (d *day) traffic() {
	stub, name, p, ok := d.someTunnel()
	if !ok || time.Since(p.said) < 2*dayTunnelSteady || time.Since(d.started) < 2*dayTunnelSteady {
		return
	}
	carried := func() { d.tells(name, fmt.Sprintf("%d %d>%d", p.conns, 10*p.conns, 20*p.conns)) }
	carried() // the first since a start of ours says nothing
	if p.unwell {
		d.did("%s carries a connection though it is not well", name)
		d.tunnelIs(stub, p, false)
	}
	p.conns++
	carried()
}

// lost is a change of a tunnel while the server is down.
func (d *day) lost() {
	stub, name, p, ok := d.someTunnel()
	if !ok {
		return
	}
	d.did("nobody hears that %s changes", name)
	d.tunnelIs(stub, p, d.rng.IntN(2) == 0)
}

// judged are the experiments on which the server has its verdict.
func (d *day) judged() map[string]bool {
	judged := map[string]bool{}
	for _, r := range d.app.Snapshot().Experiments {
		judged[r.Name] = r.State != health.StateStarting
	}
	return judged
}

// repeats is after a start of the server: what has changed just before it, and what of it
// nobody had a verdict on, is said again, as by a GOST that is set up anew. What was told
// long ago stands, and nobody repeats it.
func (d *day) repeats(judged map[string]bool) {
	for _, stub := range slices.Sorted(maps.Keys(d.truth.tunnels)) {
		for _, name := range slices.Sorted(maps.Keys(d.truth.tunnels[stub])) {
			p := d.truth.tunnels[stub][name]
			settled := time.Since(later(d.truth.changed[stub], d.truth.listed[stub])) > max(d.streamBound(), d.jumpBound(), d.manifestBound())
			if settled && judged[stub] && time.Since(p.said) > d.jumpBound() {
				continue
			}
			p.said, p.conns = time.Now(), 0
			if p.unwell {
				d.tells(name, "running", "failed")
			} else {
				d.tells(name, "running", "ready")
			}
		}
	}
}
