package lab

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Observe tells the GOSTs that report over HTTP whom to report to, and starts
// those that have not run yet. To an address host:port the lab adds
// /observer/<name>, and the token where GOST.TokenInPath says so; one with a
// path is used as it is, as GOST does. An empty token is each GOST's own, see
// ObserverTokens. Later calls are as a change of the observer by GOST's API:
// they hold from the next report on.
func (l *Lab) Observe(addr, token string) {
	_, rest, found := strings.Cut(addr, "://")
	if !found {
		rest = addr
	}
	l.observe(false, func(g *gost) (string, string) {
		own := token
		if own == "" {
			own = g.spec.Token
		}
		switch {
		case strings.Contains(rest, "/"):
			return addr, own
		case g.spec.TokenInPath:
			return addr + "/observer/" + g.spec.Name + "/" + own, ""
		}
		return addr + "/observer/" + g.spec.Name, own
	})
}

// ObserveGRPC is Observe for the GOSTs that report over gRPC, to host:port.
func (l *Lab) ObserveGRPC(addr, token string) {
	l.observe(true, func(g *gost) (string, string) {
		if token == "" {
			return addr, g.spec.Token
		}
		return addr, token
	})
}

func (l *Lab) observe(overGRPC bool, configured func(*gost) (address, token string)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, g := range l.gosts {
		if g.spec.GRPC != overGRPC {
			continue
		}
		first := g.address == ""
		g.address, g.token = configured(g)
		if first {
			g.send(g.start)
		} else {
			g.send(g.renew)
		}
	}
}

// GOSTOrder is a handle on a GOST; its methods fail when the lab has none of
// that name.
type GOSTOrder struct {
	lab  *Lab
	name string
}

// GOST returns the handle of a GOST by its name.
func (l *Lab) GOST(name string) GOSTOrder { return GOSTOrder{lab: l, name: name} }

func (o GOSTOrder) do(f func(*gost)) error {
	o.lab.mu.Lock()
	defer o.lab.mu.Unlock()
	for _, g := range o.lab.gosts {
		if g.spec.Name == o.name {
			f(g)
			return nil
		}
	}
	return fmt.Errorf("order a fault: no GOST %q in the lab", o.name)
}

// Silence lets no report out any more: states are lost, and of figures the
// first report of each service waits. The tunnels go on.
func (o GOSTOrder) Silence() error { return o.do(func(g *gost) { g.silent = true }) }

// Speak lets reports out again.
func (o GOSTOrder) Speak() error { return o.do(func(g *gost) { g.silent = false }) }

// Stop ends it as SIGTERM does, see gost.stop.
func (o GOSTOrder) Stop() error {
	return o.do(func(g *gost) { g.off = true; g.interrupt(); g.send(g.stop) })
}

// Start lets it run again.
func (o GOSTOrder) Start() error {
	return o.do(func(g *gost) { g.off = false; g.send(g.start) })
}

// Restart is a stop and, a second later, a start.
func (o GOSTOrder) Restart() error {
	return o.do(func(g *gost) { g.off = false; g.interrupt(); g.again(g.stop, g.start) })
}

// Crash is as Restart, but it ends without a word.
func (o GOSTOrder) Crash() error {
	return o.do(func(g *gost) { g.off = false; g.kill(); g.again(g.end, g.start) })
}

// Forget is a restart of which nothing is told, as where the observer can't be
// reached meanwhile: all that shows is that it counts from zero.
func (o GOSTOrder) Forget() error {
	return o.do(func(g *gost) { g.off = false; g.kill(); g.again(g.end, g.startUnheard) })
}

// Reload is SIGHUP: it reads its configuration again and makes every service
// anew, those too that were closed by order. Each reports closed, running,
// ready; 3.3 over gRPC reports no more until it is observed anew.
func (o GOSTOrder) Reload() error {
	return o.do(func(g *gost) { g.send(g.reload) })
}

// Told returns what it has reported, or tried to, oldest first, at most the
// newest 2,000 reports.
func (o GOSTOrder) Told() (told []Told, err error) {
	err = o.do(func(g *gost) { told = slices.Clone(g.told) })
	return told, err
}

// interrupt ends a start that is under way. It is called with mu held.
func (g *gost) interrupt() {
	if g.process != nil && g.process.starting {
		g.process.cancel()
	}
}

// kill lets nothing more of the process out. It is called with mu held.
func (g *gost) kill() {
	if g.process != nil {
		g.process.cancel()
	}
}

// again ends the process and starts another. It is called with mu held.
func (g *gost) again(end, start func(context.Context)) {
	g.send(end)
	g.send(g.boot)
	g.send(start)
}
