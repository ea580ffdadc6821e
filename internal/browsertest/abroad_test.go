package browsertest

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// abroad is the browser's way to everything that isn't on this machine: it leads
// nowhere, and whatever is asked for is noted.
type abroad struct {
	blank string // the address of an empty page

	mu    sync.Mutex
	asked []string // as "GET http://…", or "CONNECT host:443"
}

func (a *abroad) serve() (address string, stop func(), err error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	address = "http://" + listener.Addr().String()
	a.blank = address + "/blank"
	server := &http.Server{Handler: a, ReadHeaderTimeout: 10 * time.Second}
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(listener) })
	return address, func() {
		_ = server.Close()
		running.Wait()
	}, nil
}

func (a *abroad) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Host == "" && r.URL.Path == "/blank" {
		w.Header().Set("Content-Type", "text/html")
		return
	}
	a.mu.Lock()
	a.asked = append(a.asked, r.Method+" "+r.URL.String())
	a.mu.Unlock()
	http.Error(w, "nowhere", http.StatusBadGateway)
}

// take gives what was asked for since it was last taken. With several tests at once
// nobody can say whose page it was.
func (a *abroad) take() (asked []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	asked, a.asked = slices.Clone(a.asked), nil
	return asked
}
