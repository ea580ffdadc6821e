package lab

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Network is an in-memory network with faults to order. Addresses are names
// with a port, such as "book.lab:80", compared as they are written.
//
// Connections are buffered, obey deadlines and wait only on things a
// testing/synctest bubble knows, so a server and a lab joined by a Network can
// live for hours in one bubble. The zero value is not ready: use NewNetwork,
// inside the bubble that is to use it.
type Network struct {
	mu        sync.Mutex
	listeners map[string]*memListener
	known     map[string]bool // names that ever had a listener: others do not resolve
	faults    map[string]netFault
	conns     map[*pipeConn]string // client ends, by the address dialled
	dials     map[string][]time.Time
	changed   chan struct{} // closed and replaced when a fault ends
	next      int
}

type netFault int

const (
	netRefuse netFault = iota + 1
	netBlackhole
	netPartition
)

// dialsKept bounds the record of each address.
const dialsKept = 10_000

// NewNetwork returns an empty network.
func NewNetwork() *Network {
	return &Network{
		listeners: map[string]*memListener{},
		known:     map[string]bool{},
		faults:    map[string]netFault{},
		conns:     map[*pipeConn]string{},
		dials:     map[string][]time.Time{},
		changed:   make(chan struct{}),
	}
}

// Listen binds an address; it fails with EADDRINUSE while another holds it.
func (n *Network) Listen(addr string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners[addr] != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, syscall.EADDRINUSE)
	}
	l := &memListener{network: n, addr: addr}
	l.cond.L = &l.mu
	n.listeners[addr] = l
	n.known[addr] = true
	return l, nil
}

// DialContext connects to a listener; it has the form net.Dialer,
// http.Transport, websocket.Dialer and mail clients ask for. A name never
// listened on does not resolve, one whose listener is gone refuses.
func (n *Network) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	fail := func(err error) error {
		return &net.OpError{Op: "dial", Net: network, Addr: pipeAddr(addr), Err: err}
	}
	n.mu.Lock()
	if len(n.dials[addr]) < dialsKept {
		n.dials[addr] = append(n.dials[addr], time.Now())
	}
	n.mu.Unlock()
	for {
		n.mu.Lock()
		fault, changed := n.faults[addr], n.changed
		l, known := n.listeners[addr], n.known[addr]
		n.mu.Unlock()
		switch {
		case ctx.Err() != nil:
			return nil, fail(context.Cause(ctx))
		case fault == netBlackhole || fault == netPartition:
			select {
			case <-ctx.Done():
				return nil, fail(context.Cause(ctx))
			case <-changed:
				continue
			}
		case !known:
			host, _, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, fail(err)
			}
			return nil, fail(&net.DNSError{Err: "no such host", Name: host, IsNotFound: true})
		case fault == netRefuse || l == nil:
			return nil, fail(syscall.ECONNREFUSED)
		}
		conn := n.connect(addr)
		if !l.offer(conn.server) {
			_ = conn.client.Close() // it never fails
			continue                // closed meanwhile: look again
		}
		return conn.client, nil
	}
}

type connected struct{ client, server *pipeConn }

func (n *Network) connect(addr string) connected {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.next++
	c, s := newPipe(fmt.Sprintf("192.0.2.1:%d", 10_000+n.next%50_000), addr)
	open := 2
	closed := func() { // once by each end: an end still open must be healed too
		n.mu.Lock()
		defer n.mu.Unlock()
		if open--; open == 0 {
			delete(n.conns, c)
		}
	}
	c.onClose, s.onClose = closed, closed
	n.conns[c] = addr
	return connected{client: c, server: s}
}

// Dials returns when the address was dialled, failures included, oldest
// first: what a test of backing off looks at.
func (n *Network) Dials(addr string) []time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.dials[addr])
}

// Refuse lets new connections to an address be refused.
func (n *Network) Refuse(addr string) { n.set(addr, netRefuse) }

// Blackhole lets dials of an address hang until their context ends.
// Connections already up go on.
func (n *Network) Blackhole(addr string) { n.set(addr, netBlackhole) }

// Partition lets everything to and from an address vanish without a sign:
// dials hang, and on existing connections neither data nor an end arrives. As
// with TCP, what was sent is delivered after Heal to those still waiting.
func (n *Network) Partition(addr string) { n.set(addr, netPartition) }

// Heal ends every fault of an address.
func (n *Network) Heal(addr string) { n.set(addr, 0) }

// Cut resets the existing connections to an address.
func (n *Network) Cut(addr string) {
	for _, c := range n.of(addr) {
		c.abort()
	}
}

func (n *Network) set(addr string, fault netFault) {
	n.mu.Lock()
	if fault == 0 {
		delete(n.faults, addr)
	} else {
		n.faults[addr] = fault
	}
	close(n.changed)
	n.changed = make(chan struct{})
	n.mu.Unlock()
	for _, c := range n.of(addr) {
		c.hold(fault == netPartition)
	}
}

func (n *Network) of(addr string) []*pipeConn {
	n.mu.Lock()
	defer n.mu.Unlock()
	var found []*pipeConn
	for c, a := range n.conns {
		if a == addr {
			found = append(found, c)
		}
	}
	return found
}

// memListener is a bound address: a queue of connections not yet accepted.
type memListener struct {
	network *Network
	addr    string
	mu      sync.Mutex
	cond    sync.Cond
	queue   []*pipeConn
	closed  bool
}

func (l *memListener) offer(c *pipeConn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.queue = append(l.queue, c)
	l.cond.Signal()
	return true
}

func (l *memListener) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) == 0 && !l.closed {
		l.cond.Wait()
	}
	if l.closed {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
	}
	c := l.queue[0]
	l.queue = slices.Delete(l.queue, 0, 1)
	return c, nil
}

// Close frees the address. Connections still queued are reset, as a kernel
// does; accepted ones live on.
func (l *memListener) Close() error {
	l.network.mu.Lock()
	if l.network.listeners[l.addr] == l {
		delete(l.network.listeners, l.addr)
	}
	l.network.mu.Unlock()
	l.mu.Lock()
	queue := l.queue
	l.queue, l.closed = nil, true
	l.cond.Broadcast()
	l.mu.Unlock()
	for _, c := range queue {
		c.abort()
		_ = c.Close() // it never fails
	}
	return nil
}

func (l *memListener) Addr() net.Addr { return pipeAddr(l.addr) }
