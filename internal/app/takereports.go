package app

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"google.golang.org/grpc"

	"labstatus/serve"
)

// Bounds of a connection over which reports come; a report itself is bounded by the
// receiver.
const (
	reportHeaderTimeout = 5 * time.Second
	reportTimeout       = 30 * time.Second
	reportHeaderBytes   = 16 << 10
)

// takeReports serves the receiver on its listeners, each nil where it is not set, and
// gives what ends that at once. Not being able to go on with one of them is an end of
// all.
func (a *App) takeReports(servers *sync.WaitGroup, over, overGRPC net.Listener, failed func(error)) (stop func() error) {
	var stops []func() error
	if over != nil {
		plain := serve.NewServer(a.receiver.Handler(), a.log)
		plain.ReadHeaderTimeout, plain.ReadTimeout, plain.WriteTimeout = reportHeaderTimeout, reportTimeout, reportTimeout
		plain.MaxHeaderBytes = reportHeaderBytes
		servers.Go(func() {
			if err := plain.Serve(over); !errors.Is(err, http.ErrServerClosed) {
				failed(fmt.Errorf("take reports on %s: %w", over.Addr(), err))
			}
		})
		stops = append(stops, plain.Close)
	}
	if overGRPC != nil {
		calls := a.receiver.Server(grpc.MaxHeaderListSize(reportHeaderBytes), grpc.ConnectionTimeout(reportHeaderTimeout))
		held := &heldListener{Listener: overGRPC, open: map[net.Conn]struct{}{}}
		servers.Go(func() {
			if err := calls.Serve(held); err != nil {
				failed(fmt.Errorf("take reports by gRPC on %s: %w", overGRPC.Addr(), err))
			}
		})
		stops = append(stops, func() error {
			err := held.closeAll()
			calls.Stop()
			return err
		})
	}
	return func() error {
		var faults []error
		for _, stop := range stops {
			faults = append(faults, stop())
		}
		return errors.Join(faults...)
	}
}

// heldListener can close the connections that it has accepted. A gRPC server that stops
// waits for those whose handshake it has begun: whoever says nothing would hold it up.
type heldListener struct {
	net.Listener
	mu     sync.Mutex
	open   map[net.Conn]struct{}
	closed bool
}

// Accept implements net.Listener.
func (l *heldListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	held := &heldConn{Conn: conn, by: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errors.Join(net.ErrClosed, conn.Close())
	}
	l.open[held] = struct{}{}
	return held, nil
}

func (l *heldListener) closeAll() error {
	l.mu.Lock()
	l.closed = true
	open := l.open
	l.open = map[net.Conn]struct{}{}
	l.mu.Unlock()
	var faults []error
	for conn := range open {
		if err := conn.Close(); !errors.Is(err, net.ErrClosed) {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

type heldConn struct {
	net.Conn
	by *heldListener
}

// Close implements net.Conn.
func (c *heldConn) Close() error {
	c.by.mu.Lock()
	delete(c.by.open, c)
	c.by.mu.Unlock()
	return c.Conn.Close()
}
