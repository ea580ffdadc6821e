package statusport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
)

// graphite sends lines of name, value and time over a connection of their own.
func graphite(dial func(ctx context.Context, network, addr string) (net.Conn, error), addr string) func(context.Context, []Value) error {
	return func(ctx context.Context, values []Value) error {
		conn, err := dial(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // also of a peer that takes nothing
		_, err = conn.Write(lines(values))
		if err := errors.Join(err, conn.Close()); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("send to Graphite: %w", err)
		}
		return nil
	}
}

// lines are Graphite's plaintext protocol, with every digit there is.
func lines(values []Value) []byte {
	var b []byte
	for _, v := range values {
		b = append(b, graphiteName(v.Metric)...)
		b = append(b, ' ')
		b = strconv.AppendFloat(b, v.Value, 'f', -1, 64)
		b = append(b, ' ')
		b = strconv.AppendInt(b, v.Timestamp, 10)
		b = append(b, '\n')
	}
	return b
}

// maxReply is how much of an answer is read, so that its connection can be used
// again.
const maxReply = 64 << 10

// poster sends the JSON of /_metrics. Its errors name the host alone: an address
// may hold a password or a key.
func poster(client *http.Client, address string) (*target, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("it has to be http://host/path or https://host/path")
	}
	if client == nil {
		client = new(http.Client)
	}
	send := func(ctx context.Context, values []Value) error {
		text, err := encode(values)
		if err != nil {
			return fmt.Errorf("word the figures: %w", err)
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(text))
		if err != nil {
			return errors.New("make the request: the address can't be used")
		}
		r.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(r)
		if err != nil {
			if e, is := errors.AsType[*url.Error](err); is {
				err = e.Err
			}
			return fmt.Errorf("post to %s: %w", u.Host, err)
		}
		_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxReply))
		err = errors.Join(err, resp.Body.Close())
		if resp.StatusCode >= http.StatusMultipleChoices {
			return fmt.Errorf("post to %s: it answered %s", u.Host, resp.Status)
		}
		if err != nil {
			return fmt.Errorf("post to %s: %w", u.Host, err)
		}
		return nil
	}
	return &target{name: TargetURL, place: u.Host, send: send}, nil
}
