package book

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"
)

// request is one call to be made.
type request struct {
	op       Op
	resource string // empty: the manifest
	method   string
	query    url.Values
	limit    int64                 // bytes of a good answer
	decode   func(io.Reader) error // reads a good answer to its end
}

func (c *Client) call(ctx context.Context, r request) error {
	address := c.api + "/admin/resources"
	if r.resource != "" {
		address += "/" + url.PathEscape(r.resource)
	}
	if r.query != nil {
		address += "?" + r.query.Encode()
	}
	token, err := c.tokens.get(time.Now())
	if err != nil {
		return fmt.Errorf("%s: make a token: %w", asked(r.op, r.resource), err)
	}

	var connected atomic.Bool
	within, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	within = context.WithValue(within, callKey{}, within)
	within = httptrace.WithClientTrace(within, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	req, err := http.NewRequestWithContext(within, r.method, address, nil)
	if err != nil {
		return fmt.Errorf("%s: make the request: %w", asked(r.op, r.resource), err)
	}
	req.Header.Set("Authorization", token) // bare: book refuses a "Bearer " before it
	req.Header.Set("Accept", "application/json")

	// fault words what kept us from an answer.
	fault := func(err error) error {
		switch {
		case ctx.Err() != nil:
			return &CallError{Op: r.op, Resource: r.resource, Err: ctx.Err()}
		case within.Err() != nil && connected.Load():
			return &CallError{Op: r.op, Resource: r.resource, Err: fmt.Errorf("%w after %s: connected, but no whole answer", ErrTimeout, c.timeout),
				Advice: "see whether book hangs, or raise STATUS_TIMEOUT_BOOK"}
		case within.Err() != nil:
			return &CallError{Op: r.op, Resource: r.resource, Err: fmt.Errorf("%w after %s: no connection", ErrTimeout, c.timeout),
				Advice: "check STATUS_HOST_BOOK, and that no firewall stands between"}
		}
		return &CallError{Op: r.op, Resource: r.resource, Err: err, Advice: adviseOnConnection(err)}
	}

	resp, err := c.http.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // which leaves out the address: the operation says it shorter
		}
		return fault(err)
	}
	defer func() { _ = resp.Body.Close() }() // it was only read

	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		if err != nil && len(body) == 0 {
			return fault(err)
		}
		if resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusInternalServerError {
			c.tokens.drop() // refused, perhaps: after a step of our clock a new one is good
		}
		return newStatusError(r, resp, body, time.Now())
	}

	body := &io.LimitedReader{R: resp.Body, N: r.limit + 1}
	err = r.decode(body)
	switch {
	case body.N <= 0:
		return &CallError{Op: r.op, Resource: r.resource, Err: fmt.Errorf("the answer is longer than %d bytes", r.limit), Advice: adviceNotBook}
	case within.Err() != nil && err != nil:
		return fault(err)
	case err != nil:
		return &CallError{Op: r.op, Resource: r.resource, Err: fmt.Errorf("understand the answer: %w", err), Advice: adviceNotBook}
	}
	return nil
}

// callKey is where a call's context carries itself.
type callKey struct{}

// withinCall makes a dial end with the call that needed it. By itself a
// transport goes on dialling, for the sake of calls to come: towards a host that
// answers nothing those dials would pile up for minutes, and outlive us.
func withinCall(dial func(context.Context, string, string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if call, ok := ctx.Value(callKey{}).(context.Context); ok {
			var cancel context.CancelFunc
			ctx, cancel = context.WithCancel(ctx)
			defer cancel()
			defer context.AfterFunc(call, cancel)()
		}
		return dial(ctx, network, address)
	}
}
