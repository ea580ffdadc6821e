package telemetry

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"
)

// watchDial times dns and tcp of one dial by the hooks of package net. A dialer
// that calls none, as a simulated network's, is taken as one tcp stage, or as dns
// where the name was the trouble.
func (s *Stages) watchDial(ctx context.Context, name string) (context.Context, func(error)) {
	if s == nil {
		return ctx, func(error) {}
	}
	w := &dialWatch{stages: s, name: name, start: time.Now()}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart:     func(httptrace.DNSStartInfo) { w.begin(&w.dns) },
		DNSDone:      w.dnsDone,
		ConnectStart: func(string, string) { w.begin(&w.connect) },
	})
	return ctx, w.done
}

type dialWatch struct {
	stages *Stages
	name   string
	start  time.Time

	mu           sync.Mutex
	dns, connect time.Time // begun; zero: not at all
}

// begin notes the first of several: addresses of both families are tried at once.
func (w *dialWatch) begin(at *time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if at.IsZero() {
		*at = time.Now()
	}
}

func (w *dialWatch) dnsDone(info httptrace.DNSDoneInfo) {
	w.mu.Lock()
	began := w.dns
	w.mu.Unlock()
	w.stages.Observe(w.name, StageDNS, time.Since(began), info.Err)
}

func (w *dialWatch) done(err error) {
	w.mu.Lock()
	dns, connect := w.dns, w.connect
	w.mu.Unlock()
	switch {
	case !connect.IsZero():
		w.stages.Observe(w.name, StageTCP, time.Since(connect), err)
	case !dns.IsZero(): // that is what failed
	case has[*net.DNSError](err):
		w.stages.Observe(w.name, StageDNS, time.Since(w.start), err)
	default:
		w.stages.Observe(w.name, StageTCP, time.Since(w.start), err)
	}
}

// Trace times tls and upgrade of opening one websocket, by the hooks that
// net/http and gorilla/websocket call on the context. done takes what the opening
// came to; resp may be nil.
func (s *Stages) Trace(ctx context.Context, name string) (traced context.Context, done func(resp *http.Response, err error)) {
	if s == nil {
		return ctx, func(*http.Response, error) {}
	}
	w := &requestWatch{stages: s, name: name}
	return w.watch(ctx), func(resp *http.Response, err error) { w.done(StageUpgrade, resp, err) }
}

// Transport times tls, and http or upgrade, of every request made through rt. http
// is go where the answer is below 400. Its connections should come from a
// dialer of the same name, which times what comes before.
func (s *Stages) Transport(name string, rt http.RoundTripper) http.RoundTripper {
	if s == nil {
		return rt
	}
	return &timedTransport{stages: s, name: name, rt: rt}
}

type timedTransport struct {
	stages *Stages
	name   string
	rt     http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *timedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	w := &requestWatch{stages: t.stages, name: t.name}
	resp, err := t.rt.RoundTrip(r.WithContext(w.watch(r.Context())))
	stage := StageHTTP
	if resp != nil && resp.StatusCode == http.StatusSwitchingProtocols {
		stage = StageUpgrade
	}
	w.done(stage, resp, err)
	return resp, err
}

// CloseIdleConnections passes http.Client's wish on.
func (t *timedTransport) CloseIdleConnections() {
	if c, is := t.rt.(interface{ CloseIdleConnections() }); is {
		c.CloseIdleConnections()
	}
}

// requestWatch follows one request. Its handshake may be made for it and then be
// used by another, so its hooks may be called after the request has ended.
type requestWatch struct {
	stages *Stages
	name   string

	mu    sync.Mutex
	tls   time.Time // the handshake began; zero: it didn't, or it is over
	ready time.Time // the request could be sent; zero: never
}

func (w *requestWatch) watch(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:           func(httptrace.GotConnInfo) { w.set(&w.ready, time.Now()) },
		TLSHandshakeStart: func() { w.set(&w.tls, time.Now()) },
		TLSHandshakeDone:  w.tlsDone,
	})
}

func (w *requestWatch) set(at *time.Time, t time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	*at = t
}

func (w *requestWatch) tlsDone(_ tls.ConnectionState, err error) {
	w.mu.Lock()
	began := w.tls
	w.tls = time.Time{}
	if !w.ready.IsZero() { // a websocket has its connection before it is encrypted
		w.ready = time.Now()
		if err != nil {
			w.ready = time.Time{}
		}
	}
	w.mu.Unlock()
	w.stages.Observe(w.name, StageTLS, time.Since(began), err)
}

func (w *requestWatch) done(stage Stage, resp *http.Response, err error) {
	w.mu.Lock()
	ready, encrypting := w.ready, !w.tls.IsZero()
	w.mu.Unlock()
	if ready.IsZero() || encrypting && stage == StageUpgrade {
		return // it never got that far
	}
	took := time.Since(ready)
	switch {
	case errors.Is(err, context.Canceled):
	case resp != nil && resp.StatusCode >= http.StatusBadRequest:
		w.stages.observe(w.name, stage, took, statusFault(resp.StatusCode))
	default:
		w.stages.Observe(w.name, stage, took, err)
	}
}
