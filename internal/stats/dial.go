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
	d := websocket.Dialer{TLSClientConfig: s.cfg.TLS, HandshakeTimeout: handshakeTimeout, ReadBufferSize: readBuffer}
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
		d.Proxy = http.ProxyFromEnvironment
	}
	d.NetDialContext = func(dialing context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(dialing, network, addr)
		if err == nil {
			cut = context.AfterFunc(ctx, func() { _ = conn.Close() })
		}
		return conn, err
	}
	ws, resp, err := d.DialContext(ctx, uri, nil) //nolint:bodyclose // gorilla reads it and hands out a copy in memory
	if !cut() && err == nil {
		_ = ws.Close()
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("open %s's feed at %s: %w", s.cfg.Source, place(uri), s.whyNot(uri, resp, err))
	}
	return newLine(ws, s.cfg.limit), expires, nil
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
