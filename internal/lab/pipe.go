package lab

import (
	"bytes"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// pipeBuffer is how much one direction of a connection holds before its
// writer waits: as a socket buffer, enough that two sides writing at once do
// not stop each other.
const pipeBuffer = 256 << 10

// half is one direction of an in-memory connection.
type half struct {
	mu      sync.Mutex
	cond    sync.Cond
	buf     bytes.Buffer
	wclosed bool // the writer has closed: end of file after buf
	rclosed bool // the reader has closed: writing is a broken pipe
	noticed bool // one write after rclosed was lost: the next one fails
	aborted bool // cut: what was in flight is lost
	held    bool // partitioned: nothing arrives, neither data nor an end
	rlimit  time.Time
	wlimit  time.Time
	rtimer  *time.Timer
	wtimer  *time.Timer
}

func newHalf() *half {
	h := &half{}
	h.cond.L = &h.mu
	return h
}

func past(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }

func (h *half) read(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.rclosed:
			return 0, net.ErrClosed
		case past(h.rlimit):
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		case h.held:
		case h.aborted:
			return 0, syscall.ECONNRESET
		case h.buf.Len() > 0:
			n, err := h.buf.Read(p)
			h.cond.Broadcast()
			return n, err
		case h.wclosed:
			return 0, io.EOF
		}
		h.cond.Wait()
	}
}

func (h *half) write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for sent := 0; ; {
		switch {
		case h.wclosed:
			return sent, net.ErrClosed
		case past(h.wlimit):
			return sent, os.ErrDeadlineExceeded
		case !h.held && h.rclosed && !h.noticed && !h.aborted:
			h.noticed = true // as with TCP, it takes an answer to notice
			return len(p), nil
		case !h.held && (h.rclosed || h.aborted):
			return sent, syscall.EPIPE
		case sent == len(p):
			return sent, nil
		case h.buf.Len() < pipeBuffer:
			n := min(len(p)-sent, pipeBuffer-h.buf.Len())
			h.buf.Write(p[sent : sent+n])
			sent += n
			h.cond.Broadcast()
		default:
			h.cond.Wait()
		}
	}
}

// change alters the half under its lock and wakes whoever waits on it.
func (h *half) change(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
	h.cond.Broadcast()
}

// wakeAt arranges that waiters look again when a deadline has passed.
func (h *half) wakeAt(t time.Time, timer **time.Timer) {
	if *timer != nil {
		(*timer).Stop()
		*timer = nil
	}
	if wait := time.Until(t); !t.IsZero() && wait > 0 {
		*timer = time.AfterFunc(wait, func() { h.change(func() {}) })
	}
}

// pipeConn is one end of an in-memory connection. It waits on condition
// variables only, so a bubble sees its readers and writers as blocked.
type pipeConn struct {
	in, out       *half
	local, remote net.Addr
	onClose       func()
	once          sync.Once
}

var _ net.Conn = (*pipeConn)(nil)

type pipeAddr string

func (pipeAddr) Network() string  { return "tcp" }
func (a pipeAddr) String() string { return string(a) }

// newPipe returns the two ends of a connection between the named addresses.
func newPipe(client, server string) (*pipeConn, *pipeConn) {
	up, down := newHalf(), newHalf()
	c := &pipeConn{in: down, out: up, local: pipeAddr(client), remote: pipeAddr(server)}
	s := &pipeConn{in: up, out: down, local: pipeAddr(server), remote: pipeAddr(client)}
	return c, s
}

func (c *pipeConn) fail(op string, err error) error {
	if err == nil || err == io.EOF { //nolint:errorlint // a bare EOF is what readers compare with
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}

func (c *pipeConn) Read(p []byte) (int, error) {
	n, err := c.in.read(p)
	return n, c.fail("read", err)
}

func (c *pipeConn) Write(p []byte) (int, error) {
	n, err := c.out.write(p)
	return n, c.fail("write", err)
}

func (c *pipeConn) Close() error {
	c.once.Do(func() {
		c.out.change(func() { c.out.wclosed = true; c.out.wakeAt(time.Time{}, &c.out.wtimer) })
		c.in.change(func() { c.in.rclosed = true; c.in.wakeAt(time.Time{}, &c.in.rtimer) })
		if c.onClose != nil {
			c.onClose()
		}
	})
	return nil
}

// abort breaks the connection for both ends as a reset does.
func (c *pipeConn) abort() {
	c.out.change(func() { c.out.aborted = true })
	c.in.change(func() { c.in.aborted = true })
}

// hold keeps back (or lets go) everything under way in both directions.
func (c *pipeConn) hold(on bool) {
	c.out.change(func() { c.out.held = on })
	c.in.change(func() { c.in.held = on })
}

func (c *pipeConn) LocalAddr() net.Addr  { return c.local }
func (c *pipeConn) RemoteAddr() net.Addr { return c.remote }

func (c *pipeConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

func (c *pipeConn) SetReadDeadline(t time.Time) error {
	c.in.change(func() {
		if !c.in.rclosed {
			c.in.rlimit = t
			c.in.wakeAt(t, &c.in.rtimer)
		}
	})
	return nil
}

func (c *pipeConn) SetWriteDeadline(t time.Time) error {
	c.out.change(func() {
		if !c.out.wclosed {
			c.out.wlimit = t
			c.out.wakeAt(t, &c.out.wtimer)
		}
	})
	return nil
}
