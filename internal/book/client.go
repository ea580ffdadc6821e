package book

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"labstatus/internal/health"
	"labstatus/internal/redirect"
)

// The most that is read of an answer, in bytes, and written of a reason: it
// travels in the address, which proxies commonly limit to 8 KiB.
const (
	maxManifest = 64 << 20
	maxAnswer   = 64 << 10
	maxReason   = 1000
)

// Options say where book is and who we are to it.
type Options struct {
	// API is the address that calls are made under, for instance
	// https://lab.example/tenant/book/api/v1.
	API string
	// Audience is what book calls itself, compared letter by letter, for instance
	// https://lab.example/tenant/book.
	Audience string
	Secret   string        // HS256 key that book was started with
	Timeout  time.Duration // of one call, connecting included; 0: 5 s
	// Dial makes connections; nil: a net.Dialer. DialTLS makes encrypted ones; nil:
	// Dial does, and TLS is spoken over them.
	Dial, DialTLS func(ctx context.Context, network, address string) (net.Conn, error)
	// Proxy names the proxy of a call; nil: there is none.
	Proxy func(*http.Request) (*url.URL, error)
	// Wrap is put around what makes the calls, to watch them; nil: nothing is. What
	// it gives should pass CloseIdleConnections on, for [Client.Close].
	Wrap func(http.RoundTripper) http.RoundTripper
}

// Client makes calls to book's admin API. It is safe for concurrent use.
type Client struct {
	api     string
	timeout time.Duration
	tokens  *tokens
	http    *http.Client
}

// NewClient makes a client; nothing is sent yet.
func NewClient(o Options) (*Client, error) {
	u, err := url.Parse(o.API)
	if err != nil {
		return nil, fmt.Errorf("read book's address: %w", err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("read book's address: %q is not http://host/path or https://host/path", o.API)
	}
	if o.Secret == "" {
		return nil, errors.New("book's secret is empty: set STATUS_SECRET_BOOK")
	}

	timeout := cmp.Or(max(o.Timeout, 0), 5*time.Second)
	dial := o.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	transport := &http.Transport{
		DialContext:            withinCall(dial),
		TLSHandshakeTimeout:    timeout,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        time.Minute,
		MaxResponseHeaderBytes: maxAnswer,
		// HTTP/1 alone: a call that times out closes its connection, where HTTP/2
		// would go on sending calls down the one that is dead.
		Protocols: new(http.Protocols),
	}
	transport.Protocols.SetHTTP1(true)
	transport.Proxy = o.Proxy
	if o.DialTLS != nil {
		transport.DialTLSContext = withinCall(o.DialTLS)
	}
	var rt http.RoundTripper = transport
	if o.Wrap != nil {
		rt = o.Wrap(rt)
	}

	client := &http.Client{Transport: rt}
	redirect.Refuse(client)
	return &Client{
		api:     strings.TrimRight(o.API, "/"),
		timeout: timeout,
		tokens:  newTokens(o.Audience, o.Secret),
		http:    client,
	}, nil
}

// Close ends the connections that are kept for further calls. The client can
// still be used.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Manifest reads what book offers, sorted by name. What can't be used is left
// out and said in warnings, which are for a maintainer.
func (c *Client) Manifest(ctx context.Context) (resources []health.Resource, warnings []string, err error) {
	err = c.call(ctx, request{op: OpManifest, method: http.MethodGet, limit: maxManifest,
		decode: func(body io.Reader) (err error) {
			resources, warnings, err = decodeManifest(body)
			return err
		}})
	return resources, warnings, err
}

// Availability reads whether a resource can be booked, with the reason as book
// words it. The error is [ErrUnknownResource] where book has no such resource.
func (c *Client) Availability(ctx context.Context, name string) (available bool, reason string, err error) {
	err = c.call(ctx, request{op: OpRead, resource: name, method: http.MethodGet, limit: maxAnswer,
		decode: func(body io.Reader) error {
			var answer struct {
				Available *bool  `json:"available"`
				Reason    string `json:"reason"`
			}
			b, err := io.ReadAll(body)
			if err != nil {
				return err
			}
			if err := json.Unmarshal(b, &answer); err != nil {
				return err
			}
			if answer.Available == nil {
				return errors.New(`"available" is missing`)
			}
			available, reason = *answer.Available, answer.Reason
			return nil
		}})
	return available, reason, err
}

// SetAvailability opens or closes a resource for booking. The reason is for
// students; book refuses an empty one, and more than 1000 bytes are cut. The
// error is [ErrUnknownResource] where book has no such resource.
func (c *Client) SetAvailability(ctx context.Context, name string, available bool, reason string) error {
	op := OpClose
	if available {
		op = OpOpen
	}
	reason = shorten(reason, maxReason)
	if reason == "" {
		return fmt.Errorf("%s: book needs a reason, and none was given", asked(op, name))
	}
	// In the query, as book reads it: a body is ignored.
	query := url.Values{"available": {strconv.FormatBool(available)}, "reason": {reason}}
	return c.call(ctx, request{op: op, resource: name, method: http.MethodPut, query: query, limit: maxAnswer,
		decode: func(body io.Reader) error {
			_, err := io.Copy(io.Discard, body)
			return err
		}})
}
