package telemetry

import (
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/trace"
)

// conn counts what goes through a connection, and its end, once. What is written
// past it by way of SyscallConn isn't seen.
type conn struct {
	net.Conn
	place *place
	state atomic.Int32
	since time.Time      // counted as established
	log   trace.EventLog // nil: not traced
}

// States of a conn. One that is closed before it counted as established, as after
// a failed handshake, is a failure and no connection.
const (
	connPending int32 = iota
	connOpen
	connClosed
)

func newConn(inner net.Conn, p *place) *conn { return &conn{Conn: inner, place: p} }

// established counts the connection from now on. It is called before anybody
// else has the connection.
func (c *conn) established(log trace.EventLog) {
	c.since, c.log = time.Now(), log
	c.state.Store(connOpen)
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.place.read.Add(uint64(max(n, 0)))
	return n, err
}

func (c *conn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.place.sent.Add(uint64(max(n, 0)))
	return n, err
}

// Close passes every call on and counts the first.
func (c *conn) Close() error {
	err := c.Conn.Close()
	if c.state.Swap(connClosed) == connOpen {
		c.place.close(time.Since(c.since))
		if c.log != nil {
			c.log.Printf("closed")
			c.log.Finish()
		}
	}
	return err
}

// NetConn gives the connection beneath, as [crypto/tls.Conn.NetConn] does.
func (c *conn) NetConn() net.Conn { return c.Conn }

type (
	halfCloser interface{ CloseWrite() error }
	socket     interface {
		halfCloser
		CloseRead() error
		syscall.Conn
	}
	stream interface {
		socket
		io.ReaderFrom
		io.WriterTo
	}
)

// outfit gives the counting connection the further methods that the connection
// beneath has, and no others: who asks for one by a type assertion gets what is
// there.
func (c *conn) outfit() net.Conn {
	switch inner := c.Conn.(type) {
	case stream:
		return &streamConn{socketConn{halfConn{c, inner}, inner}, inner}
	case socket:
		return &socketConn{halfConn{c, inner}, inner}
	case halfCloser:
		return &halfConn{c, inner}
	}
	return c
}

// halfConn is a connection whose writing side can be closed alone, as TLS has it.
type halfConn struct {
	*conn
	half halfCloser
}

// CloseWrite ends the writing side; the connection is still open.
func (c *halfConn) CloseWrite() error { return c.half.CloseWrite() }

// socketConn is a connection of the operating system's, as a Unix socket.
type socketConn struct {
	halfConn
	socket socket
}

func (c *socketConn) CloseRead() error                      { return c.socket.CloseRead() }
func (c *socketConn) SyscallConn() (syscall.RawConn, error) { return c.socket.SyscallConn() }

// streamConn is a socket that can copy within the kernel, as TCP. Such bytes are
// counted when the copy ends.
type streamConn struct {
	socketConn
	stream stream
}

func (c *streamConn) ReadFrom(r io.Reader) (int64, error) {
	n, err := c.stream.ReadFrom(r)
	c.place.sent.Add(uint64(max(n, 0)))
	return n, err
}

func (c *streamConn) WriteTo(w io.Writer) (int64, error) {
	n, err := c.stream.WriteTo(w)
	c.place.read.Add(uint64(max(n, 0)))
	return n, err
}
