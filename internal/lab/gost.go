package lab

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The versions of GOST that differ in what they report.
const (
	// GOST33 is the development line, which calls itself 3.3.0.
	GOST33 = "3.3"
	// GOST326 is 3.2.6, which most installations run.
	GOST326 = "3.2.6"
)

// GOST is a simulated GOST (https://gost.run) with tunnels to experiments. It
// starts when Lab.Observe has told it whom to report to, and then reports as
// its version was measured to: see gostProcess.
type GOST struct {
	// Name is the source it reports as, "gost" by default.
	Name string
	// Version is GOST33 (the default) or GOST326.
	Version string
	// GRPC reports over gRPC, else over HTTP.
	GRPC bool

	// Tunnels are the stubs of experiments to which it has a service,
	// tunnel-<stub>, that is observed.
	Tunnels []string
	// Required makes them such that the experiments can't do without, in
	// Lab.ObserverMap.
	Required bool
	// NoStats leaves their enableStats off: only states are reported.
	NoStats bool
	// Clients are the users of a further service, "relay", whose handler is
	// observed and not the service: only their figures are reported.
	Clients []string

	// Token is what it is let in by, one of its own by default.
	Token string
	// TokenInPath puts it at the end of the address. Over HTTP GOST326 sends
	// none otherwise.
	TokenInPath bool
	// Timeout is its patience with one report over HTTP: 5s by default, none
	// below zero, as a GOST is that was told nothing of it. Over gRPC there is
	// none at all.
	Timeout time.Duration
	// Period of its reports of figures: 5s by default, at least 1s.
	Period time.Duration
	// ResetTraffic reports bytes since the report before.
	ResetTraffic bool
}

// relayService is the service that clients use.
const relayService = "relay"

func (s GOST) check() (GOST, error) {
	s.Name = cmp.Or(s.Name, "gost")
	s.Version = cmp.Or(s.Version, GOST33)
	s.Token = cmp.Or(s.Token, "token-of-the-simulated-"+s.Name)
	s.Timeout = cmp.Or(s.Timeout, 5*time.Second)
	s.Period = max(cmp.Or(s.Period, 5*time.Second), time.Second)
	s.Tunnels, s.Clients = slices.Clone(s.Tunnels), slices.Clone(s.Clients)
	if strings.ContainsAny(s.Name, "/?#% \t\n") {
		return s, fmt.Errorf("GOST options: name %q: it is one word that can be part of a path", s.Name)
	}
	if s.Version != GOST33 && s.Version != GOST326 {
		return s, fmt.Errorf("GOST options: version %q: use %s or %s", s.Version, GOST33, GOST326)
	}
	for _, name := range slices.Concat(s.Tunnels, s.Clients) {
		if name == "" || strings.ContainsAny(name, "/ \t\n") {
			return s, fmt.Errorf("GOST options: stub or client %q: it must be one word without a slash", name)
		}
	}
	return s, nil
}

// gost is a GOST of the lab: what is configured and ordered, of which each
// process of it has its own instances.
type gost struct {
	lab  *Lab
	spec GOST
	wake chan struct{} // there are errands

	// Guarded by Lab.mu.
	address  string // of the observer, as it is configured; empty: none is
	token    string
	silent   bool
	off      bool
	process  *gostProcess // nil while it isn't running
	services []*gostService
	errands  []func(context.Context)
	told     []Told
}

// gostService is one service as it is configured. Guarded by Lab.mu.
type gostService struct {
	gost     *gost
	name     string
	stub     string        // of the experiment it leads to; empty: clients use it
	instance *gostInstance // nil while there is none
	// ever is what it and its clients have carried in all instances.
	ever    GOSTStats
	clients map[string]*GOSTStats
}

func (l *Lab) addGOST(spec GOST) error {
	spec, err := spec.check()
	if err != nil {
		return err
	}
	if slices.ContainsFunc(l.gosts, func(g *gost) bool { return g.spec.Name == spec.Name }) {
		return fmt.Errorf("GOST options: two are called %q", spec.Name)
	}
	g := &gost{lab: l, spec: spec, wake: make(chan struct{}, 1)}
	for _, stub := range spec.Tunnels {
		g.services = append(g.services, &gostService{gost: g, name: "tunnel-" + stub, stub: stub})
	}
	if len(spec.Clients) > 0 {
		s := &gostService{gost: g, name: relayService, clients: map[string]*GOSTStats{}}
		for _, id := range spec.Clients {
			s.clients[id] = &GOSTStats{}
		}
		g.services = append(g.services, s)
	}
	l.gosts = append(l.gosts, g)
	return nil
}

// run carries out errands, one after another, until ctx ends, and then ends
// the process.
func (g *gost) run(ctx context.Context) error {
	for {
		g.lab.mu.Lock()
		var do func(context.Context)
		if len(g.errands) > 0 {
			do, g.errands = g.errands[0], g.errands[1:]
		}
		g.lab.mu.Unlock()
		if do != nil && ctx.Err() == nil {
			do(ctx)
			continue
		}
		select {
		case <-ctx.Done():
			g.end(ctx)
			return nil
		case <-g.wake:
		}
	}
}

// send lets the GOST do something soon. It is called with mu held.
func (g *gost) send(do func(context.Context)) {
	g.errands = append(g.errands, do)
	wake(g.wake)
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it will look anyway
	}
}
