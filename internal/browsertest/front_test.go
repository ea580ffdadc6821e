package browsertest

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"

	"github.com/sirupsen/logrus"

	"labstatus/serve"
)

// front is an address behind which one world after another stands, so that the browser
// keeps the page's own files from one test to the next.
type front struct {
	url string

	mu          sync.Mutex
	handler     http.Handler // nil between two worlds
	connections map[net.Conn]bool
}

// fronts that nobody stands behind. They serve until the tests end.
var fronts frontPool

type frontPool struct {
	mu   sync.Mutex
	free []*front
}

func (p *frontPool) take() (*front, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.free); n > 0 {
		f := p.free[n-1]
		p.free = p.free[:n-1]
		return f, nil
	}
	return newFront()
}

func (p *frontPool) give(f *front) {
	f.stand(nil)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, f)
}

func newFront() (*front, error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f := &front{url: "http://" + listener.Addr().String() + prefix, connections: map[net.Conn]bool{}}
	quiet := logrus.New()
	quiet.Out = io.Discard
	server := serve.NewServer(f, quiet)
	server.ConnState = func(c net.Conn, state http.ConnState) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if state == http.StateClosed {
			delete(f.connections, c)
			return
		}
		f.connections[c] = true
	}
	go func() { _ = server.Serve(listener) }() // as long as the tests
	return f, nil
}

func (f *front) stand(handler http.Handler) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.handler = handler
}

// cut ends all connections.
func (f *front) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.connections {
		_ = c.Close()
	}
}

func (f *front) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	handler := f.handler
	f.mu.Unlock()
	if handler == nil {
		http.Error(rw, "no server", http.StatusBadGateway)
		return
	}
	handler.ServeHTTP(rw, r)
}
