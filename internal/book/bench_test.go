package book

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"labstatus/internal/health"
)

// pipes is a listener whose connections are made in memory, so that a bubble's
// time can pass while they are idle.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes {
	return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (p *pipes) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.closed:
		return nil, fmt.Errorf("dial: %w", net.ErrClosed)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

// serveHTTP serves a handler in memory for the length of a test.
func serveHTTP(t *testing.T, h http.Handler) *pipes {
	t.Helper()
	p := newPipes()
	server := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(p) // ends with the test
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return p
}

func newTestClient(t *testing.T, p *pipes) *Client {
	t.Helper()
	c, err := NewClient(Options{API: testAudience + "/api/v1", Audience: testAudience, Secret: testSecret, Timeout: 5 * time.Second, Dial: p.Dial})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// bench is a keeper at work on a fake book, and what it posted.
type bench struct {
	*Keeper
	book  *fakeBook
	start time.Time
	stop  func() // ends Run and waits for it

	mu     sync.Mutex
	posted []health.Input
}

// longest is no jitter: attempts are 1, 2, 4, 8, 16, 30, 30... seconds apart.
func longest(below time.Duration) time.Duration { return below }

// newBench runs a keeper within a bubble.
func newBench(t *testing.T, b *fakeBook, o KeeperOptions) *bench {
	t.Helper()
	s := &bench{book: b, start: time.Now()}
	s.Keeper = NewKeeper(newTestClient(t, serveHTTP(t, b)), o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx, s.post)
	}()
	s.stop = func() { cancel(); <-done }
	t.Cleanup(s.stop)
	return s
}

func (s *bench) post(in health.Input) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.posted = append(s.posted, in)
}

// of gives what was posted of one kind, with a resource's availabilities alone
// where a name is given.
func of[T health.Input](s *bench, name ...string) []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []T
	for _, in := range s.posted {
		if v, ok := in.(T); ok {
			if a, ok := in.(health.Availability); !ok || len(name) == 0 || a.Resource == name[0] {
				found = append(found, v)
			}
		}
	}
	return found
}

// said words a resource's posted availabilities: "open", "closed: reason", "gone".
func (s *bench) said(name string) []string {
	var words []string
	for _, a := range of[health.Availability](s, name) {
		switch {
		case a.Gone:
			words = append(words, "gone")
		case a.Available:
			words = append(words, "open")
		default:
			words = append(words, "closed: "+strings.TrimPrefix(a.Reason, "unavailable because "))
		}
	}
	return words
}

func wish(name string, w health.Want, reason ...string) []health.Wish {
	return []health.Wish{{Resource: name, Want: w, Reason: cmp.Or(strings.Join(reason, ""), "status server: test")}}
}

// bubble runs a test in fake time, and fails it where something is left running.
func bubble(t *testing.T, about string, test func(t *testing.T)) {
	t.Run(about, func(t *testing.T) { synctest.Test(t, test) })
}

// settle lets time pass until nothing moves any more.
func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
