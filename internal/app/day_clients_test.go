package app_test

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Many experiments of a day share one tunnel, each as a client of it. GOST never says how a
// client is: it is as its service, from when it is first heard of, and it is first heard of
// when it carries something.

const (
	daySharedTunnel = "shared"
	dayClientRule   = `client (?P<stub>[a-z]+\d+)-user link service=` + daySharedTunnel
)

func clientOf(stub string) string { return daySharedTunnel + "/" + stub + "-user" }

func isClient(tunnel string) bool { return strings.Contains(tunnel, "/") }

// clients gives those that have been heard of, by their experiments.
func (d *day) clients() (stubs []string) {
	for _, stub := range slices.Sorted(maps.Keys(d.truth.tunnels)) {
		if d.truth.tunnels[stub][clientOf(stub)] != nil {
			stubs = append(stubs, stub)
		}
	}
	return stubs
}

// sharedIs notes how the shared tunnel is from now on, and all of its clients with it.
func (d *day) sharedIs(unwell bool) {
	d.shared.unwell, d.shared.closed, d.shared.moved = unwell, false, time.Now()
	for _, stub := range d.clients() {
		d.tunnelIs(stub, d.truth.tunnels[stub][clientOf(stub)], unwell)
	}
}

// sharedTunnel changes, and its GOST says so.
func (d *day) sharedTunnel() {
	switch d.rng.IntN(5) {
	case 0:
		d.did("the shared tunnel fails")
		d.sharedIs(true)
		d.tells(daySharedTunnel, "failed")
	case 1:
		if time.Since(d.shared.moved) <= dayOverlap {
			return
		}
		d.did("the shared tunnel is closed")
		d.sharedIs(true)
		d.shared.closed = true
		d.tells(daySharedTunnel, "closed")
	case 2:
		states := []string{"running", "ready"}
		if !d.shared.closed && d.rng.IntN(2) == 0 {
			states = append(states, "closed")
		}
		d.did("the shared tunnel begins anew: %v", states)
		d.sharedIs(false)
		for _, stub := range d.clients() {
			d.truth.tunnels[stub][clientOf(stub)].conns = 0
		}
		d.tells(daySharedTunnel, states...)
	default:
		d.did("the shared tunnel is ready")
		d.sharedIs(false)
		d.tells(daySharedTunnel, "ready")
	}
}

// user carries a connection through the shared tunnel: somebody new, who is never unwell
// for what the tunnel said before, or one for whom it is as good as a ready that was lost.
func (d *day) user() {
	stub := pick(d, slices.Sorted(maps.Keys(d.truth.tunnels)))
	name := clientOf(stub)
	p := d.truth.tunnels[stub][name]
	switch {
	case d.shared.moved.Equal(time.Now()): // which of the two came first nobody knows
	case p == nil:
		d.did("%s is heard of", name)
		p = &passage{conns: 1}
		d.truth.tunnels[stub][name] = p
		d.tunnelIs(stub, p, false)
		d.carries(name, p)
	case time.Since(p.moved) > 2*dayTunnelSteady && time.Since(d.started) > 2*dayTunnelSteady:
		d.carried(stub, name, p)
	}
}

// repeatsShared says anew how the shared tunnel is, where any of those who hang on it had
// not settled before the restart.
func (d *day) repeatsShared(settled map[string]bool) {
	clients, all := d.clients(), settled[daySharedTunnel]
	for _, stub := range clients {
		all = all && settled[clientOf(stub)]
	}
	if all {
		d.stood += len(clients)
		return
	}
	for _, stub := range clients { // what was heard in the last minute may be lost
		p := d.truth.tunnels[stub][clientOf(stub)]
		p.conns++
		d.carries(clientOf(stub), p)
	}
	d.sharedIs(d.shared.unwell)
	if d.shared.unwell {
		d.tells(daySharedTunnel, "failed")
		return
	}
	for _, stub := range clients {
		d.truth.tunnels[stub][clientOf(stub)].conns = 0
	}
	d.tells(daySharedTunnel, "running", "ready")
}
