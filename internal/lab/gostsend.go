package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

// Told is one report of a GOST and what became of it.
type Told struct {
	At     time.Time // when it was over
	Events []GOSTEvent
	// Err is why it failed, empty when it was taken.
	Err string
}

// toldKept bounds the record of each GOST.
const toldKept = 2000

var (
	errSilent  = errors.New("the network to the observer is down, as ordered")
	errRefused = errors.New("the observer has not answered ok")
)

// tell makes one report and says whether it was taken. Where no observer is
// configured everything is: GOST throws it away.
func (p *gostProcess) tell(ctx context.Context, c *gostChannel, events []GOSTEvent) bool {
	g := p.gost
	g.lab.mu.Lock()
	address, token, silent := g.address, g.token, g.silent
	g.lab.mu.Unlock()
	var err error
	switch {
	case address == "":
		return true
	case silent:
		err = errSilent
	case g.spec.GRPC:
		err = c.observe(ctx, g.lab, address, token, events)
	default:
		err = p.post(ctx, address, token, events)
	}
	done := Told{At: time.Now(), Events: events}
	if err != nil {
		done.Err = err.Error()
		g.lab.log.WithField("gost", g.spec.Name).WithError(err).Debug("a report was not taken")
	}
	g.lab.mu.Lock()
	defer g.lab.mu.Unlock()
	g.told = append(g.told, done)
	if n := len(g.told) - toldKept; n > 0 {
		g.told = slices.Delete(g.told, 0, n)
	}
	return err == nil
}

// post reports over HTTP: taken is what is answered 200 with an object that
// says ok, whatever follows it.
func (p *gostProcess) post(ctx context.Context, address, token string, events []GOSTEvent) error {
	if !strings.HasPrefix(address, "http") {
		address = "http://" + address
	}
	body, err := observeJSON(events)
	if err != nil {
		return fmt.Errorf("write a report: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("make a report: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" && p.gost.spec.Version == GOST33 {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := p.http.Do(r)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // it was only read
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: status %d", errRefused, res.StatusCode)
	}
	var reply struct {
		OK bool `json:"ok"`
	}
	if err := json.NewDecoder(res.Body).Decode(&reply); err != nil {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	if !reply.OK {
		return errRefused
	}
	return nil
}

// gostChannel is an observer's gRPC connection. One that was closed stays so
// until the observer is configured anew.
type gostChannel struct {
	mu     sync.Mutex
	conn   *grpc.ClientConn
	closed bool
}

var errChannel = errors.New("the client connection is closing")

func (c *gostChannel) observe(ctx context.Context, l *Lab, address, token string, events []GOSTEvent) error {
	conn, err := c.dial(l, address)
	if err != nil {
		return err
	}
	if token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "token", token)
	}
	request, reply := observeProto(events), []byte(nil)
	if err := conn.Invoke(ctx, observePath, &request, &reply, grpc.ForceCodec(rawCodec{})); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if !bytes.Equal(reply, replyProto(true)) {
		return errRefused
	}
	return nil
}

func (c *gostChannel) dial(l *Lab, address string) (*grpc.ClientConn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errChannel
	}
	if c.conn != nil {
		return c.conn, nil
	}
	conn, err := grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return l.dial(ctx, "tcp", address)
		}))
	if err != nil {
		return nil, fmt.Errorf("reach the observer: %w", err)
	}
	c.conn = conn
	return conn, nil
}

// close ends the channel; renew lets it be made again.
func (c *gostChannel) close() error { return c.end(true) }
func (c *gostChannel) renew() error { return c.end(false) }

func (c *gostChannel) end(closed bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	conn := c.conn
	c.conn, c.closed = nil, closed
	if conn == nil {
		return nil
	}
	if err := conn.Close(); err != nil {
		return fmt.Errorf("close the channel to the observer: %w", err)
	}
	return nil
}
