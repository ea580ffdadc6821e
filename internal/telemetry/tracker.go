package telemetry

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/trace"
)

// DialFunc opens a connection; net.Dialer's DialContext is one.
type DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// TrackerOptions say what a [Tracker] does besides counting.
type TrackerOptions struct {
	// Trace keeps a log of each live connection and of the latest dials, for
	// [Debug].
	Trace bool
	// Stages are told how long dns, tcp and tls took; nil: nobody is.
	Stages *Stages
}

// Tracker makes the dialers and listeners through which the server opens and
// accepts every connection, and counts what they do. It is a prometheus.Collector.
// The names and labels of its six oldest counters are those of go-conntrack, whose
// dashboards fit, with its faults left out: a failure has one reason, and a
// connection is closed once.
type Tracker struct {
	o     TrackerOptions
	times connTimes

	mu        sync.Mutex
	dialers   map[string]*place
	listeners map[string]*place
}

// NewTracker makes a tracker without any names yet.
func NewTracker(o TrackerOptions) *Tracker {
	return &Tracker{o: o, times: newConnTimes(), dialers: map[string]*place{}, listeners: map[string]*place{}}
}

// Dialer counts what inner opens under a name; one that is used twice is one
// dialer. The name becomes a label, so it is a part's, never an address. inner nil
// is the network.
func (t *Tracker) Dialer(name string, inner DialFunc) DialFunc {
	if inner == nil {
		inner = new(net.Dialer).DialContext
	}
	p := t.dialer(name)
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		return t.dial(ctx, p, network, addr, func(ctx context.Context) (*conn, net.Conn, error) {
			raw, err := t.open(ctx, p, inner, network, addr)
			if err != nil {
				return nil, nil, err
			}
			return raw, raw.outfit(), nil
		})
	}
}

// TLSDialer is a dialer whose connections are encrypted: an attempt that the
// handshake ends is a failure for [ReasonTLS], with an error that is a
// [HandshakeError]. Bytes are those on the wire. It fits where DialTLSContext and
// NetDialTLSContext are asked for, and gives what net/http doesn't take for a
// *tls.Conn, with which it would shake hands again. Without a ServerName in
// config the certificate has to be for the host that is dialled. How long the
// handshake may take is up to the caller's ctx.
func (t *Tracker) TLSDialer(name string, inner DialFunc, config *tls.Config) DialFunc {
	if inner == nil {
		inner = new(net.Dialer).DialContext
	}
	if config == nil {
		config = new(tls.Config)
	}
	p := t.dialer(name)
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		return t.dial(ctx, p, network, addr, func(ctx context.Context) (*conn, net.Conn, error) {
			raw, err := t.open(ctx, p, inner, network, addr)
			if err != nil {
				return nil, nil, err
			}
			secure, err := t.handshake(ctx, raw, addr, config)
			if err != nil {
				_ = raw.Close() // why it can't be closed adds nothing to why it is
				return nil, nil, err
			}
			return raw, secureConn{secure}, nil
		})
	}
}

// secureConn is a connection whose handshake is over.
type secureConn struct{ *tls.Conn }

// dial counts one attempt and its one outcome, whatever becomes of it.
func (t *Tracker) dial(ctx context.Context, p *place, network, addr string,
	try func(context.Context) (*conn, net.Conn, error)) (opened net.Conn, err error) {
	start := time.Now()
	p.attempt()
	failure := ReasonUnknown // what a panic leaves behind
	defer func() {
		if opened == nil {
			p.fail(failure)
		}
	}()
	var tr trace.Trace
	if t.o.Trace {
		tr = trace.New("dial."+p.name, network+" "+addr)
		defer tr.Finish()
	}
	raw, outer, err := try(ctx)
	if err != nil {
		failure = ReasonOf(ctx, err)
		if tr != nil {
			tr.LazyPrintf("%s: %v", failure, err)
			tr.SetError()
		}
		return nil, err
	}
	p.establish()
	p.open.Observe(time.Since(start))
	var events trace.EventLog
	if tr != nil {
		tr.LazyPrintf("established %v -> %v", raw.LocalAddr(), raw.RemoteAddr())
		events = trace.NewEventLog("net.ClientConn."+p.name, addr)
		events.Printf("established %v -> %v", raw.LocalAddr(), raw.RemoteAddr())
	}
	raw.established(events)
	return outer, nil
}

func (t *Tracker) open(ctx context.Context, p *place, inner DialFunc, network, addr string) (*conn, error) {
	watched, done := t.o.Stages.watchDial(ctx, p.name)
	c, err := inner(watched, network, addr)
	done(err)
	if err != nil {
		return nil, err
	}
	if c == nil {
		return nil, fmt.Errorf("dial %s: the dialer gave neither a connection nor an error", addr)
	}
	return newConn(c, p), nil
}

func (t *Tracker) handshake(ctx context.Context, raw *conn, addr string, config *tls.Config) (*tls.Conn, error) {
	config = config.Clone()
	if config.ServerName == "" {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, &HandshakeError{err}
		}
		config.ServerName = host
	}
	secure := tls.Client(raw.outfit(), config)
	start := time.Now()
	err := secure.HandshakeContext(ctx)
	t.o.Stages.Observe(raw.place.name, StageTLS, time.Since(start), err)
	if err != nil {
		return nil, &HandshakeError{err}
	}
	return secure, nil
}

// dialer gives the place of that name, with all its series at zero from the start.
func (t *Tracker) dialer(name string) *place {
	name = cmp.Or(name, "default")
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.dialers[name]
	if p == nil {
		p = &place{
			name: name,
			open: newTimer("dialer."+name+".open", t.times.dial.WithLabelValues(name)),
			life: newTimer("dialer."+name+".lifetime", t.times.dialled.WithLabelValues(name)),
		}
		t.dialers[name] = p
	}
	return p
}

// Places gives every dialer and every listener with its counts, sorted by name,
// dialers first.
func (t *Tracker) Places() []Place {
	dialers, listeners := t.places()
	views := make([]Place, 0, len(dialers)+len(listeners))
	for _, p := range dialers {
		views = append(views, p.view(false))
	}
	for _, p := range listeners {
		views = append(views, p.view(true))
	}
	return views
}

// Timers gives how long dials took and how long connections were open, by name.
func (t *Tracker) Timers() []TimerSummary {
	dialers, listeners := t.places()
	var all []TimerSummary
	for _, p := range dialers {
		all = append(all, p.life.Summary(), p.open.Summary())
	}
	for _, p := range listeners {
		all = append(all, p.life.Summary())
	}
	return all
}

func (t *Tracker) places() (dialers, listeners []*place) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(t.dialers)) {
		dialers = append(dialers, t.dialers[name])
	}
	for _, name := range slices.Sorted(maps.Keys(t.listeners)) {
		listeners = append(listeners, t.listeners[name])
	}
	return dialers, listeners
}

var _ prometheus.Collector = (*Tracker)(nil)
