package book

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	testSecret   = "a secret that nobody may see"
	testAudience = "http://lab.test/lab/book"
	testLoaded   = "Loaded at 2026-11-20T23:10:02Z"
)

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
