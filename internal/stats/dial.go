package stats

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"labstatus/internal/redirect"
)

const (
	accessTimeout    = 10 * time.Second
	handshakeTimeout = 10 * time.Second // dialling included
	readBuffer       = 32 << 10
)

// dial asks for access and opens the websocket. Its error says what to do, and
// doesn't hold the code that is part of the feed's address.
func (s *Subscriber) dial(ctx context.Context) (*line, time.Time, error) {
	asking, cancel := context.WithTimeout(ctx, accessTimeout)
	defer cancel()
	uri, expires, err := s.cfg.Access(asking)
	if err != nil {
		return nil, time.Time{}, err
	}

	// gorilla's handshake heeds a deadline but no cancelling, and a stop must not
	// wait for a peer that says nothing: the connection is cut under it.
	cut := func() bool { return true }
	dial := s.cfg.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	held := func(dial func(context.Context, string, string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
		return func(dialing context.Context, network, addr string) (net.Conn, error) {
			conn, err := dial(dialing, network, addr)
			if err == nil {
				cut = context.AfterFunc(ctx, func() { _ = conn.Close() })
			}
			return conn, err
		}
	}
	d := websocket.Dialer{
		NetDialContext: held(dial), Proxy: s.cfg.Proxy, TLSClientConfig: s.cfg.TLS,
		HandshakeTimeout: handshakeTimeout, ReadBufferSize: readBuffer,
	}
	if s.cfg.DialTLS != nil && s.direct(uri) {
		d.NetDialTLSContext = held(s.cfg.DialTLS)
	}
	traced, done := ctx, func(*http.Response, error) {}
	if s.cfg.Trace != nil {
		traced, done = s.cfg.Trace(ctx) //nolint:bodyclose // it only looks
	}
	ws, resp, err := d.DialContext(traced, uri, nil) //nolint:bodyclose // gorilla reads it and hands out a copy in memory
	done(resp, err)
	if !cut() && err == nil {
		_ = ws.Close()
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("open %s's feed at %s: %w", s.cfg.Source, redirect.Place(uri), s.whyNot(uri, resp, err))
	}
	return newLine(ws, s.cfg.limit), expires, nil
}

// direct says that no proxy stands before the address. gorilla would reach the proxy
// itself by what is for the service.
func (s *Subscriber) direct(uri string) bool {
	if s.cfg.Proxy == nil {
		return true
	}
	u, err := url.Parse(uri)
	if err != nil {
		return false
	}
	u.Scheme = strings.Replace(u.Scheme, "ws", "http", 1)
	proxy, err := s.cfg.Proxy(&http.Request{URL: u})
	return err == nil && proxy == nil
}

// whyNot words a failed handshake.
func (s *Subscriber) whyNot(uri string, resp *http.Response, err error) error {
	const advice = "is the address that %s hands out right, and passed on by its proxy?"
	if resp == nil {
		return fmt.Errorf("%w; "+advice, bare(err), s.cfg.Source)
	}
	text := resp.Status
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // its beginning, which is in memory
	if m := message(maskQuery(body, uri)); err == nil && m != "" && !strings.Contains(text, m) {
		text += " " + m
	}
	return fmt.Errorf("answered %s in place of a websocket; "+advice, text, s.cfg.Source)
}

// maskQuery hides the code of the address from an answer that repeats it.
func maskQuery(body []byte, uri string) []byte {
	u, err := url.Parse(uri)
	if err != nil {
		return nil // who knows what the answer repeats
	}
	for _, values := range u.Query() {
		for _, v := range values {
			if v != "" {
				body = bytes.ReplaceAll(body, []byte(v), []byte("***"))
			}
		}
	}
	if u.RawQuery != "" {
		body = bytes.ReplaceAll(body, []byte(u.RawQuery), []byte("***"))
	}
	return body
}
