package main

import (
	"context"
	"net"
	"net/http"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"labstatus/internal/lab"
)

// registry knows which laboratory belongs to which story; stories run in parallel.
type registry struct {
	mu   sync.Mutex
	labs map[string]*lab.Lab // by the story's folder
}

func newRegistry() *registry { return &registry{labs: map[string]*lab.Lab{}} }

func (r *registry) of(ts *testscript.TestScript) *lab.Lab {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.labs[ts.Getenv("WORK")]
	if l == nil {
		ts.Fatalf("this story has not started a laboratory")
	}
	return l
}

// run starts a laboratory for a story; stop ends it and waits for that.
func (r *registry) run(ts *testscript.TestScript, l *lab.Lab) (stop func()) {
	work := ts.Getenv("WORK")
	r.mu.Lock()
	r.labs[work] = l
	r.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	<-l.Ready()
	return func() {
		cancel()
		err := <-ended
		r.mu.Lock()
		delete(r.labs, work)
		r.mu.Unlock()
		ts.Check(err)
	}
}

func unixTransport(socket string) *http.Transport {
	return &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
}
