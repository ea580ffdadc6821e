package telemetry

import (
	"cmp"
	"errors"
	"net"

	"golang.org/x/net/trace"
)

// Listener counts what is accepted under a name. Where there is TLS, the listener
// of bytes goes in here and what comes out goes into tls.NewListener.
func (t *Tracker) Listener(name string, inner net.Listener) net.Listener {
	return &listener{Listener: inner, place: t.listener(name), trace: t.o.Trace}
}

type listener struct {
	net.Listener
	place *place
	trace bool
}

// Accept counts each connection. The end of listening is no failure.
func (l *listener) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		if !errors.Is(err, net.ErrClosed) {
			l.place.breakAccept()
		}
		return nil, err
	}
	c := newConn(raw, l.place)
	l.place.accept()
	var events trace.EventLog
	if l.trace {
		remote := c.RemoteAddr().String()
		events = trace.NewEventLog("net.ServerConn."+l.place.name, remote)
		events.Printf("accepted %s -> %v", remote, c.LocalAddr())
	}
	c.established(events)
	return c.outfit(), nil
}

func (t *Tracker) listener(name string) *place {
	name = cmp.Or(name, "default")
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.listeners[name]
	if p == nil {
		p = &place{name: name, life: newTimer("listener."+name+".lifetime", t.times.accepted.WithLabelValues(name))}
		t.listeners[name] = p
	}
	return p
}
