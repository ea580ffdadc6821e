package lab

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// gostProcess is one life of a GOST. Its services report states, once each and
// without caring whether they were heard, and figures, whose first report that
// failed is repeated each period as it was. What a process has counted, and
// what it still had to report, ends with it.
type gostProcess struct {
	gost   *gost
	ctx    context.Context // ends when it is killed
	cancel context.CancelFunc
	wg     sync.WaitGroup
	http   *http.Client
	// Over gRPC, the observer of services and that of handlers have a channel
	// each: 3.3 closes the former with any service that uses it.
	services, handlers gostChannel

	// Guarded by Lab.mu.
	starting bool
	unheard  bool // nobody hears how its services start then
}

func newGOSTProcess(ctx context.Context, g *gost) *gostProcess {
	p := &gostProcess{gost: g}
	p.ctx, p.cancel = context.WithCancel(ctx)
	p.http = &http.Client{
		Timeout:   max(g.spec.Timeout, 0),
		Transport: &http.Transport{DialContext: g.lab.dial},
	}
	return p
}

// dial is how the lab's own clients reach others.
func (l *Lab) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if l.opt.Network != nil {
		return l.opt.Network.DialContext(ctx, network, addr)
	}
	return new(net.Dialer).DialContext(ctx, network, addr)
}

// gostInstance is one service of a process, from its start or its last change
// on. It counts from zero.
type gostInstance struct {
	service *gostService
	process *gostProcess
	ctx     context.Context // ends when it is closed
	cancel  context.CancelFunc
	wake    chan struct{} // there is something to say

	// Guarded by Lab.mu.
	state   string   // as it was said last
	words   []string // states to be said
	begun   bool     // ready was said: it takes connections
	unheard bool     // nobody hears how it starts
	faulty  bool     // as ordered: accepting fails
	failing bool     // failed was said, and not ready since
	delay   time.Duration
	retry   time.Time // when it accepts again; zero: it does
	own     gostCounter
	clients map[string]*gostCounter
}

// build makes a service's new instance, in place of the one it has.
func (p *gostProcess) build(s *gostService) *gostInstance {
	i := &gostInstance{service: s, process: p, wake: make(chan struct{}, 1), clients: map[string]*gostCounter{}}
	i.ctx, i.cancel = context.WithCancel(p.ctx)
	i.own.ever = &s.ever
	for id, ever := range s.clients {
		i.clients[id] = &gostCounter{ever: ever}
	}
	p.gost.lab.mu.Lock()
	defer p.gost.lab.mu.Unlock()
	if old := s.instance; old != nil {
		i.faulty = old.faulty // what is wrong is with the machine
	}
	i.unheard = p.starting && p.unheard
	s.instance = i
	return i
}

// begin lets it say its next words, take connections and report figures.
func (i *gostInstance) begin(words ...string) {
	i.process.gost.lab.mu.Lock()
	i.words = append(i.words, words...)
	i.process.gost.lab.mu.Unlock()
	i.process.wg.Go(i.serve)
	if i.service.stub == "" {
		i.process.wg.Go(func() { i.report(i.clientReport()) })
	} else if !i.process.gost.spec.NoStats {
		i.process.wg.Go(func() { i.report(i.serviceReport()) })
	}
}

// say tells a state and waits until that is over; what became of it nobody
// asks. Only services that lead to experiments are observed.
func (i *gostInstance) say(ctx context.Context, state string) {
	l := i.process.gost.lab
	l.mu.Lock()
	i.state = state
	told := i.service.stub != "" && (i.begun || !i.unheard)
	l.mu.Unlock()
	if told {
		i.process.tell(ctx, &i.process.services, []GOSTEvent{statusEvent(i.service.name, state)})
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	i.begun = i.begun || state == stateReady
}

// close ends the instance. 3.3 closes the channel of its observer before that
// can be told, and with it that of everybody who shares it.
func (i *gostInstance) close(ctx context.Context) {
	i.cancel()
	if g := i.process.gost; g.spec.GRPC && g.spec.Version == GOST33 && i.service.stub != "" {
		g.note(i.process.services.close())
	}
	i.say(ctx, stateClosed)
}

// serve says what there is to say until the instance ends.
func (i *gostInstance) serve() {
	l := i.process.gost.lab
	for {
		l.mu.Lock()
		words, wait := i.due(time.Now())
		l.mu.Unlock()
		for _, state := range words {
			if i.ctx.Err() == nil {
				i.say(i.ctx, state)
			}
		}
		if len(words) > 0 && i.ctx.Err() == nil {
			continue
		}
		var later <-chan time.Time
		if wait > 0 {
			later = time.After(wait)
		}
		select {
		case <-i.ctx.Done():
			return
		case <-i.wake:
		case <-later:
		}
	}
}

// due is what is to be said at this moment, and when to look again, zero for
// when woken. It is called with mu held.
func (i *gostInstance) due(now time.Time) (words []string, wait time.Duration) {
	words, i.words = i.words, nil
	if !i.begun {
		return words, 0
	}
	if i.faulty && i.retry.IsZero() {
		i.retry = now
	}
	if i.retry.IsZero() {
		return words, 0
	}
	if now.Before(i.retry) {
		return words, i.retry.Sub(now)
	}
	// 3.3 believes itself ready before it has accepted anything, and so waits
	// for a second each time; 3.2.6 waits longer and longer, and is ready when
	// a connection has come.
	flaps := i.process.gost.spec.Version == GOST33
	if i.failing && flaps {
		words, i.failing, i.delay = append(words, stateReady), false, 0
	}
	if !i.faulty {
		i.retry, i.delay = time.Time{}, 0
		return words, 0
	}
	i.delay = min(max(2*i.delay, time.Second), 5*time.Second)
	i.failing, i.retry = true, now.Add(i.delay)
	return append(words, stateFailed), i.delay
}
