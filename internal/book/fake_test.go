package book

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"labstatus/internal/health"
)

const (
	testSecret   = "a secret that nobody may see"
	testAudience = "http://lab.test/lab/book"
	testLoaded   = "Loaded at 2026-11-20T23:10:02Z"
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

// fakeBook is a booking system that behaves, until fault says otherwise.
type fakeBook struct {
	mu        sync.Mutex
	delay     time.Duration     // of each call
	entries   map[string]string // manifest: name to JSON
	available map[string]bool
	reason    map[string]string
	calls     []call
	count     map[string]int // of them, by method and name
	now, peak int            // calls under way
	// fault, where not nil, sees each call first, numbered from 1 for its method
	// and resource. It answers true where it has dealt with it.
	fault func(w http.ResponseWriter, r *http.Request, name string, nth int) bool
}

type call struct {
	at     time.Time
	method string
	name   string // empty: manifest
	query  string
}

func newFakeBook(names ...string) *fakeBook {
	b := &fakeBook{entries: map[string]string{}, available: map[string]bool{}, reason: map[string]string{}, count: map[string]int{}}
	for _, n := range names {
		b.add(n)
	}
	return b
}

func (b *fakeBook) add(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	stub := strings.TrimPrefix(name, "r-")
	b.entries[name] = fmt.Sprintf(`{"description":"d","streams":["st-video","st-data"],"tests":null,"topic_stub":%q}`, stub)
	b.available[name], b.reason[name] = true, testLoaded
}

// set is what somebody else does to a resource.
func (b *fakeBook) set(name string, available bool, reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !available && reason != testLoaded {
		reason = "unavailable because " + reason
	}
	b.available[name], b.reason[name] = available, reason
}

func (b *fakeBook) remove(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.entries, name)
	delete(b.available, name)
}

func (b *fakeBook) setFault(fault func(w http.ResponseWriter, r *http.Request, name string, nth int) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fault = fault
}

func (b *fakeBook) setDelay(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.delay = d
}

// most is how many calls were under way at a time.
func (b *fakeBook) most() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.peak
}

// made counts the calls of a method about a resource.
func (b *fakeBook) made(method, name string) int { return len(b.times(method, name)) }

func (b *fakeBook) times(method, name string) []time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	var at []time.Time
	for _, c := range b.calls {
		if c.method == method && c.name == name {
			at = append(at, c.at)
		}
	}
	return at
}

func (b *fakeBook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/lab/book/api/v1/admin/resources"), "/")
	b.mu.Lock()
	b.calls = append(b.calls, call{time.Now(), r.Method, name, r.URL.RawQuery})
	b.count[r.Method+name]++
	nth := b.count[r.Method+name]
	b.now++
	b.peak = max(b.peak, b.now)
	fault, delay := b.fault, b.delay
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.now--
	}()

	time.Sleep(delay)
	if message := refusal(r); message != "" {
		answer(w, 500, map[string]any{"code": 500, "message": message})
		return
	}
	if fault != nil && fault(w, r, name, nth) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if name == "" {
		var lines []string
		for n, e := range b.entries {
			lines = append(lines, strconv.Quote(n)+":"+e)
		}
		_, _ = fmt.Fprintf(w, "{%s}\n", strings.Join(lines, ","))
		return
	}
	available, known := b.available[name]
	if !known {
		answer(w, 404, map[string]any{"code": "404", "message": "resource " + name + " not found"})
		return
	}
	if r.Method == http.MethodGet {
		answer(w, 200, map[string]any{"available": available, "reason": b.reason[name]})
		return
	}
	q := r.URL.Query()
	if q.Get("reason") == "" {
		answer(w, 422, map[string]any{"code": 602, "message": "reason in query is required"})
		return
	}
	b.available[name], b.reason[name] = q.Get("available") == "true", q.Get("reason")
	if !b.available[name] {
		b.reason[name] = "unavailable because " + b.reason[name]
	}
	w.WriteHeader(http.StatusNoContent)
}

// refusal checks a call's token as book does.
func refusal(r *http.Request) string {
	var c claims
	_, err := jwt.ParseWithClaims(r.Header.Get("Authorization"), &c, func(*jwt.Token) (any, error) { return []byte(testSecret), nil },
		jwt.WithIssuedAt(), jwt.WithExpirationRequired(), jwt.WithAudience(testAudience))
	if err != nil {
		return "error parsing claims was " + err.Error()
	}
	if c.Subject == "" || !slices.Equal(c.Scopes, []string{"booking:admin"}) {
		return "no scope booking:admin"
	}
	return ""
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// hang answers nothing until the caller gives up.
func hang(r *http.Request) bool { <-r.Context().Done(); return true }

// bench is a keeper at work on a fake book, and what it posted.
type bench struct {
	*Keeper
	book  *fakeBook
	start time.Time
	stop  func() // ends Run and waits for it

	mu     sync.Mutex
	posted []health.Input
}

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
