package stats

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"github.com/sirupsen/logrus"
)

// Options say how a lab's relay or jump is reached; they are the same for both.
type Options struct {
	// Audience is where the service is, as scheme, host and base path without a
	// slash at its end: https://example.org/lab/access. It must be spelt as the
	// service itself was told.
	Audience string
	Secret   string        // HS256 key of its tokens
	Life     time.Duration // of a token; 0: a day
	// HTTP makes the access calls; nil: a client made of Dial and TLS.
	HTTP     *http.Client
	Dial     func(ctx context.Context, network, addr string) (net.Conn, error) // nil: net.Dialer
	TLS      *tls.Config                                                       // nil: the system's
	Patience time.Duration                                                     // see Config
	Cadence  time.Duration                                                     // see Config
	Log      logrus.FieldLogger
}

// New joins a service's access calls and its subscriber. Of the service's
// configuration, what Options hold is taken from there.
func New(o Options, c ServiceConfig) *Subscriber {
	c.Audience, c.Secret, c.Life, c.HTTP = o.Audience, o.Secret, o.Life, o.HTTP
	if c.HTTP == nil {
		c.HTTP = &http.Client{Transport: transport(o)}
	}
	return NewSubscriber(Config{
		Source: c.Name, Access: NewService(c).Access, Dial: o.Dial, TLS: o.TLS,
		Patience: o.Patience, Cadence: o.Cadence, Log: o.Log,
	})
}

// transport is for one call a day: it keeps no connection. By itself it would go
// on dialling for calls to come when the one that wanted the connection has given
// up, and end with the kernel's patience: here a dial ends with its call.
func transport(o Options) *http.Transport {
	dial := o.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	t := &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if call, ok := ctx.Value(callKey{}).(context.Context); ok {
				ctx = call
			}
			return dial(ctx, network, addr)
		},
		TLSClientConfig:        o.TLS,
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: maxAnswer,
	}
	if o.Dial == nil {
		t.Proxy = http.ProxyFromEnvironment
	}
	return t
}

// callKey is where a call's context carries itself.
type callKey struct{}
