package telemetry

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// place is one named dialer or listener, and the one spot where its connections
// are counted. The counts that belong together change under one lock, so whoever
// reads them always finds
//
//	attempted = established + failed + dialing
//	established = closed + open
type place struct {
	name string
	read atomic.Uint64 // bytes
	sent atomic.Uint64
	open *Timer // how long opening took; nil for a listener
	life *Timer // how long connections were open

	mu sync.Mutex
	n  counts
}

type counts struct {
	attempted, established, closed uint64
	failed                         [len(reasons)]uint64
	broken                         uint64 // accepts that failed; of a listener
}

func (p *place) attempt() {
	p.mu.Lock()
	p.n.attempted++
	p.mu.Unlock()
}

func (p *place) establish() {
	p.mu.Lock()
	p.n.established++
	p.mu.Unlock()
}

func (p *place) fail(r Reason) {
	p.mu.Lock()
	p.n.failed[slices.Index(reasons[:], r)]++
	p.mu.Unlock()
}

// accept counts a connection that somebody opened to us.
func (p *place) accept() {
	p.mu.Lock()
	p.n.attempted++
	p.n.established++
	p.mu.Unlock()
}

func (p *place) breakAccept() {
	p.mu.Lock()
	p.n.broken++
	p.mu.Unlock()
}

func (p *place) close(lasted time.Duration) {
	p.mu.Lock()
	p.n.closed++
	p.mu.Unlock()
	p.life.Observe(lasted)
}

// Place is what is known of one named dialer or listener.
type Place struct {
	Name     string
	Listener bool
	// Attempted is always Established + Dialing + the sum of Failed; a listener
	// has neither of these two.
	Attempted, Established, Closed uint64
	Failed                         map[Reason]uint64 // a dialer's, with every reason in it
	Dialing                        uint64            // under way
	Open                           uint64            // Established - Closed
	AcceptErrors                   uint64            // a listener's
	ReadBytes, WrittenBytes        uint64
}

func (p *place) view(listener bool) Place {
	p.mu.Lock()
	n := p.n
	p.mu.Unlock()
	v := Place{
		Name: p.name, Listener: listener, Attempted: n.attempted, Established: n.established, Closed: n.closed,
		Open: n.established - n.closed, AcceptErrors: n.broken, ReadBytes: p.read.Load(), WrittenBytes: p.sent.Load(),
	}
	if listener {
		return v
	}
	v.Failed = make(map[Reason]uint64, len(reasons))
	v.Dialing = n.attempted - n.established
	for i, r := range reasons {
		v.Failed[r] = n.failed[i]
		v.Dialing -= n.failed[i]
	}
	return v
}
