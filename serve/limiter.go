package serve

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

const (
	wrongTokens   = 10              // at once, from one address
	wrongTokenPer = 6 * time.Second // one more is forgiven
	mostClients   = 4096            // remembered
)

// limiter forgives each address a few wrong tokens, then makes it wait. What it
// remembers is bounded.
type limiter struct {
	mu sync.Mutex
	// clean is when each address will have been forgiven everything.
	clean map[string]time.Time
}

func newLimiter() *limiter { return &limiter{clean: make(map[string]time.Time)} }

// wait says how long the address has to wait before it is listened to again.
func (l *limiter) wait(client string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.clean[client].Sub(now.Add((wrongTokens - 1) * wrongTokenPer))
}

// spend notes a wrong token; first says that nothing was held against the address.
func (l *limiter) spend(client string, now time.Time) (first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	until, known := l.clean[client]
	if !known && len(l.clean) >= mostClients {
		l.makeRoom(now)
	}
	first = !until.After(now)
	if first {
		until = now
	}
	l.clean[client] = until.Add(wrongTokenPer)
	return first
}

// makeRoom forgets the addresses that are forgiven, and then any others until an
// eighth of the room is free, so that a flood of addresses doesn't have it search
// each time.
func (l *limiter) makeRoom(now time.Time) {
	for client, until := range l.clean {
		if !until.After(now) {
			delete(l.clean, client)
		}
	}
	for client := range l.clean {
		if len(l.clean) <= mostClients-mostClients/8 {
			return
		}
		delete(l.clean, client)
	}
}

// clientOf names the client: its address, or an IPv6 client's network, of which
// it has all. A peer on this machine is the reverse proxy: what it has put last
// into X-Forwarded-For is whom it answers. What others put there is not believed.
func clientOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr // a unix socket has no port, often no name either
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.IsLoopback() {
		if lines := r.Header.Values("X-Forwarded-For"); len(lines) > 0 {
			last := lines[len(lines)-1]
			last = strings.TrimSpace(last[strings.LastIndex(last, ",")+1:])
			if forwarded, err := netip.ParseAddr(last); err == nil {
				addr = forwarded
			}
		}
	}
	if !addr.IsValid() {
		return "local"
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		network, err := addr.Prefix(64)
		if err == nil {
			return network.String()
		}
	}
	return addr.String()
}
