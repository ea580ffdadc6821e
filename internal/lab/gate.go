package lab

import (
	"errors"
	"fmt"
	"net"
	"sync"
)

// gate is a listener that can be closed to the world and opened again at the
// same address while one server serves it, and that knows its connections so
// that they can be cut.
type gate struct {
	addr   string
	listen func(addr string) (net.Listener, error)

	mu     sync.Mutex
	cond   sync.Cond
	inner  net.Listener // nil while shut
	conns  map[*gateConn]struct{}
	closed bool
}

func listenGate(listen func(string) (net.Listener, error), addr string) (*gate, error) {
	inner, err := listen(addr)
	if err != nil {
		return nil, err
	}
	g := &gate{addr: inner.Addr().String(), listen: listen, inner: inner, conns: map[*gateConn]struct{}{}}
	g.cond.L = &g.mu
	return g, nil
}

type gateConn struct {
	net.Conn
	gate *gate
}

func (c *gateConn) Close() error {
	c.gate.mu.Lock()
	delete(c.gate.conns, c)
	c.gate.mu.Unlock()
	return c.Conn.Close()
}

// Accept waits through the times the gate is shut; it fails only when the
// gate is closed for good, or when the listener fails by itself.
func (g *gate) Accept() (net.Conn, error) {
	for {
		g.mu.Lock()
		for g.inner == nil && !g.closed {
			g.cond.Wait()
		}
		inner, closed := g.inner, g.closed
		g.mu.Unlock()
		if closed {
			return nil, net.ErrClosed
		}
		c, err := inner.Accept()
		g.mu.Lock()
		stale := g.inner != inner
		if err == nil && !stale {
			gc := &gateConn{Conn: c, gate: g}
			g.conns[gc] = struct{}{}
			g.mu.Unlock()
			return gc, nil
		}
		g.mu.Unlock()
		if !stale {
			return nil, err
		}
		if err == nil { // accepted while the gate was being shut
			if err := c.Close(); err != nil {
				return nil, err
			}
		}
	}
}

func (g *gate) Addr() net.Addr { return pipeAddr(g.addr) }

// Close is what http.Server calls; the gate belongs to its service, which
// closes it.
func (g *gate) Close() error { return nil }

func (g *gate) close() error {
	g.mu.Lock()
	inner := g.inner
	g.inner, g.closed = nil, true
	g.cond.Broadcast()
	g.mu.Unlock()
	var err error
	if inner != nil {
		err = inner.Close()
	}
	return errors.Join(err, g.cut())
}

// shut refuses new connections and cuts the existing ones.
func (g *gate) shut() error {
	g.mu.Lock()
	inner := g.inner
	g.inner = nil
	g.mu.Unlock()
	if inner == nil {
		return nil
	}
	return errors.Join(inner.Close(), g.cut())
}

// open listens again at the same address.
func (g *gate) open() error {
	g.mu.Lock()
	done := g.inner != nil || g.closed
	g.mu.Unlock()
	if done {
		return nil
	}
	inner, err := g.listen(g.addr)
	if err != nil {
		return fmt.Errorf("listen at %s again: %w", g.addr, err)
	}
	g.mu.Lock()
	if late := g.inner != nil || g.closed; !late {
		g.inner, inner = inner, nil
		g.cond.Broadcast()
	}
	g.mu.Unlock()
	if inner != nil {
		return inner.Close()
	}
	return nil
}

// cut closes every connection at once, without a goodbye.
func (g *gate) cut() error {
	g.mu.Lock()
	conns := g.conns
	g.conns = map[*gateConn]struct{}{}
	g.mu.Unlock()
	var all error
	for c := range conns {
		if err := c.Conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			all = errors.Join(all, err)
		}
	}
	return all
}

// cutFrom closes the connection from an address.
func (g *gate) cutFrom(addr string) error {
	g.mu.Lock()
	var found *gateConn
	for c := range g.conns {
		if c.RemoteAddr().String() == addr {
			found = c
		}
	}
	g.mu.Unlock()
	if found == nil {
		return nil // it is gone
	}
	return found.Close()
}
