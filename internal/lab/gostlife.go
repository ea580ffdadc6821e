package lab

import (
	"context"
	"errors"
	"slices"
	"time"
)

// gostBoot is how long a GOST takes to be back.
const gostBoot = time.Second

// lastWords is how long a process that ends still reports.
const lastWords = 100 * time.Millisecond

// start is a process's start, as long as that takes: GOST reports each state
// before it goes on, so an observer that hangs keeps back every service.
func (g *gost) start(ctx context.Context)        { g.launch(ctx, false) }
func (g *gost) startUnheard(ctx context.Context) { g.launch(ctx, true) }

func (g *gost) launch(ctx context.Context, unheard bool) {
	p := newGOSTProcess(ctx, g)
	g.lab.mu.Lock()
	if g.process != nil || g.off {
		g.lab.mu.Unlock()
		p.cancel()
		return
	}
	g.process, p.starting, p.unheard = p, true, unheard
	g.lab.mu.Unlock()
	p.startAll(g.services)
	g.lab.mu.Lock()
	defer g.lab.mu.Unlock()
	p.starting = false
}

// startAll makes an instance of each service, and lets them take connections
// once all are there.
func (p *gostProcess) startAll(services []*gostService) {
	built := make([]*gostInstance, len(services))
	for n, s := range services {
		built[n] = p.build(s)
		built[n].say(p.ctx, stateRunning)
	}
	for _, i := range built {
		i.begin(stateReady)
	}
}

// stop is SIGTERM: the services close, and as far as their last words get away
// before the process ends, they are heard. A process in the middle of its start
// has none.
func (g *gost) stop(ctx context.Context) {
	g.lab.mu.Lock()
	p := g.process
	var closing []*gostInstance
	for _, s := range g.services {
		i := s.instance
		// The last words of 3.2.6 race with its end: half of them win.
		if i != nil && i.begun && i.ctx.Err() == nil && (g.spec.Version == GOST33 || g.lab.rng.IntN(2) == 0) {
			closing = append(closing, i)
		}
	}
	g.lab.mu.Unlock()
	if p != nil && p.ctx.Err() == nil {
		last, cancel := context.WithTimeout(p.ctx, lastWords)
		defer cancel()
		for _, i := range closing {
			i.close(last)
		}
	}
	g.end(ctx)
}

// end ends the process without a word, and waits for it.
func (g *gost) end(context.Context) {
	g.lab.mu.Lock()
	p := g.process
	g.process = nil
	for _, s := range g.services {
		s.instance = nil
	}
	g.lab.mu.Unlock()
	if p == nil {
		return
	}
	p.cancel()
	p.wg.Wait()
	p.http.CloseIdleConnections()
	g.note(errors.Join(p.services.close(), p.handlers.close()))
}

// boot waits for a process to be back.
func (g *gost) boot(ctx context.Context) {
	timer := time.NewTimer(gostBoot)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// renew is a change of the observer: its channels are made anew.
func (g *gost) renew(context.Context) {
	if p := g.alive(); p != nil {
		g.note(errors.Join(p.services.renew(), p.handlers.renew()))
	}
}

// reload makes every service anew, and with 3.3 over gRPC an observer whose
// channel is closed from the first.
func (g *gost) reload(context.Context) {
	p := g.alive()
	if p == nil {
		return
	}
	g.lab.mu.Lock()
	var old []*gostInstance
	for _, s := range g.services {
		if s.instance != nil && s.instance.ctx.Err() == nil {
			old = append(old, s.instance)
		}
	}
	g.lab.mu.Unlock()
	for _, i := range old {
		i.close(p.ctx)
	}
	p.startAll(slices.Clone(g.services))
}

// alive is the process, where it runs.
func (g *gost) alive() *gostProcess {
	g.lab.mu.Lock()
	defer g.lab.mu.Unlock()
	if g.process == nil || g.process.ctx.Err() != nil {
		return nil
	}
	return g.process
}

// note logs what went wrong with a connection that is not needed any more.
func (g *gost) note(err error) {
	if err != nil {
		g.lab.log.WithField("gost", g.spec.Name).WithError(err).Debug("closing its channel to the observer")
	}
}

// open makes a service that was closed anew.
func (s *gostService) open(context.Context) {
	p := s.gost.alive()
	if p == nil || s.runs() != nil {
		return
	}
	p.startAll([]*gostService{s})
}

// shut closes a service for good.
func (s *gostService) shut(context.Context) {
	if i := s.runs(); i != nil {
		i.close(i.process.ctx)
	}
}

// runs is the service's instance, unless it is closed.
func (s *gostService) runs() *gostInstance {
	s.gost.lab.mu.Lock()
	defer s.gost.lab.mu.Unlock()
	if s.instance == nil || s.instance.ctx.Err() != nil {
		return nil
	}
	return s.instance
}

// Way is how the words of the old and the new instance of a service that is
// replaced come one after another.
type Way string

// The ways. GOST runs both instances at once and promises no order.
const (
	WayPut    Way = "put"    // running, closed, ready: as it is replaced by GOST's API
	WayReload Way = "reload" // closed, running, ready: as the configuration is read again
	WayLate   Way = "late"   // running, ready, closed: where the old one is slow to go
)

var ways = []Way{WayPut, WayReload, WayLate}

// replace gives the errand that makes a service anew.
func (s *gostService) replace(way Way) func(context.Context) {
	return func(context.Context) {
		old := s.runs()
		if old == nil {
			return
		}
		p := old.process
		if way == WayReload {
			old.close(p.ctx)
		}
		fresh := p.build(s)
		fresh.say(p.ctx, stateRunning)
		switch way {
		case WayPut:
			old.close(p.ctx)
			fresh.begin(stateReady)
		case WayReload:
			fresh.begin(stateReady)
		case WayLate:
			fresh.say(p.ctx, stateReady)
			fresh.begin()
			old.close(p.ctx)
		}
	}
}
