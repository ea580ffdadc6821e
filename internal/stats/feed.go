package stats

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
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
	// HTTP makes the access calls; nil: a client made of Dial, DialTLS, TLS, Proxy
	// and Wrap.
	HTTP *http.Client
	// Dial makes connections; nil: a net.Dialer. DialTLS makes encrypted ones; nil:
	// Dial does, and TLS is spoken over them as TLS says.
	Dial, DialTLS func(ctx context.Context, network, addr string) (net.Conn, error)
	TLS           *tls.Config                                                          // nil: the system's
	Proxy         func(*http.Request) (*url.URL, error)                                // of a connection; nil: none
	Wrap          func(http.RoundTripper) http.RoundTripper                            // put around what makes access calls; nil: nothing is
	Trace         func(context.Context) (context.Context, func(*http.Response, error)) // see Config
	Decoded       func(took time.Duration)                                             // see Config

	Patience time.Duration                     // see Config
	Cadence  time.Duration                     // see Config
	Jitter   func(time.Duration) time.Duration // see Config
	Log      logrus.FieldLogger
}

// New joins a service's access calls and its subscriber. Of the service's
// configuration, what Options hold is taken from there.
func New(o Options, c ServiceConfig) *Subscriber {
	c.Audience, c.Secret, c.Life, c.HTTP = o.Audience, o.Secret, o.Life, o.HTTP
	if c.HTTP == nil {
		var rt http.RoundTripper = transport(o)
		if o.Wrap != nil {
			rt = o.Wrap(rt)
		}
		c.HTTP = &http.Client{Transport: rt}
	}
	return NewSubscriber(Config{
		Source: c.Name, Access: NewService(c).Access, Dial: o.Dial, DialTLS: o.DialTLS, TLS: o.TLS, Proxy: o.Proxy,
		Trace: o.Trace, Decoded: o.Decoded,
		Patience: o.Patience, Cadence: o.Cadence, Jitter: o.Jitter, Log: o.Log,
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
		DialContext:            withinCall(dial),
		Proxy:                  o.Proxy,
		TLSClientConfig:        o.TLS,
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: maxAnswer,
	}
	if o.DialTLS != nil {
		t.DialTLSContext = withinCall(o.DialTLS)
	}
	return t
}

func withinCall(dial func(context.Context, string, string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if call, ok := ctx.Value(callKey{}).(context.Context); ok {
			ctx = call
		}
		return dial(ctx, network, addr)
	}
}

// callKey is where a call's context carries itself.
type callKey struct{}
