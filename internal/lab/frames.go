package lab

import (
	"encoding/json"
	"slices"
	"time"
)

// never is how relay words a connection that has not transmitted.
const never = "Never"

// saturated is how jump words it: the longest duration there is.
const saturated = "2562047h47m16.854775807s"

// relayRecord is one connection in a frame of relay, its keys in the order
// measured. Relay 0.9 leaves stats out.
type relayRecord struct {
	CanRead    bool        `json:"canRead"`
	CanWrite   bool        `json:"canWrite"`
	Connected  time.Time   `json:"connected"`
	ExpiresAt  time.Time   `json:"expiresAt"`
	RemoteAddr string      `json:"remoteAddr"`
	Scopes     []string    `json:"scopes"`
	Stats      *relayStats `json:"stats,omitempty"`
	Topic      string      `json:"topic"`
	UserAgent  string      `json:"userAgent"`
}

type relayStats struct {
	Tx traffic `json:"tx"`
	Rx traffic `json:"rx"`
}

type traffic struct {
	Last string  `json:"last"`
	Size float64 `json:"size"`
	FPS  float64 `json:"fps"`
}

// jumpRecord is one connection in a frame of jump, with jump's own spelling.
type jumpRecord struct {
	CanRead       bool      `json:"can_read"`
	CanWrite      bool      `json:"can_write"`
	ConnectedAt   time.Time `json:"connected_at"`
	ExpiresAt     time.Time `json:"expires_at"`
	RemoteAddress string    `json:"remote_address"`
	Scopes        []string  `json:"scopes"`
	Statistics    struct {
		Last string `json:"last"`
	} `json:"statistcs"`
	Topic     string `json:"topic"`
	UserAgent string `json:"user_agent"`
}

// simulatedAddr is where the simulated experiments and people come from.
const simulatedAddr = "127.0.0.1"

// term returns the connect and expiry times of a connection that renews
// itself when its token ends; the first is by the service's own clock.
func (c *clock) term(since, now time.Time) (connected, expires time.Time) {
	since = since.Add(now.Sub(since) / tokenLife * tokenLife)
	return c.show(since).UTC(), since.Add(tokenLife).Truncate(time.Second).UTC()
}

func (c *clock) rate(last time.Time, n int64, period time.Duration, size int, now time.Time) traffic {
	if n == 0 {
		return traffic{Last: never}
	}
	// The means are over the life of the connection and settle with time:
	// silence does not show in them.
	fps := float64(time.Second) / float64(period) * (1 - 1e-3/float64(n+1))
	return traffic{Last: c.between(last, now).String(), Size: float64(size), FPS: fps}
}

// relayRecords lists the simulated connections to relay. It is called with mu
// held.
func (l *Lab) relayRecords(now time.Time) []relayRecord {
	var all []relayRecord
	for _, x := range l.sorted() {
		for _, s := range x.streams {
			heard := traffic{Last: never}
			for _, k := range s.links {
				if !listed(k.since, k.until, now) {
					continue
				}
				last, n := k.sent(now)
				tx := l.services[Relay].clock.rate(last, n, k.period, k.size, now)
				if k.quiet.IsZero() {
					heard = tx
				}
				all = append(all, l.relayRecord(k, now, s.topic, "labsim/expt", []string{"write", "read", "expt"},
					relayStats{Tx: tx, Rx: traffic{Last: never}}))
			}
			for i, k := range s.students {
				scopes := []string{"read", "write", "user"}
				if i%2 == 1 {
					scopes = []string{"read"}
				}
				all = append(all, l.relayRecord(k, now, s.topic, "labsim/user", scopes,
					relayStats{Tx: traffic{Last: never}, Rx: heard}))
			}
		}
	}
	return all
}

func (l *Lab) relayRecord(k *link, now time.Time, topic, agent string, scopes []string, st relayStats) relayRecord {
	connected, expires := l.services[Relay].clock.term(k.since, now)
	return l.generation(relayRecord{
		CanRead: slices.Contains(scopes, "read"), CanWrite: slices.Contains(scopes, "write"),
		Connected: connected, ExpiresAt: expires, RemoteAddr: simulatedAddr,
		Scopes: scopes, Stats: &st, Topic: topic, UserAgent: agent,
	})
}

// generation cuts a record of relay 0.7 down to one of 0.9.
func (l *Lab) generation(r relayRecord) relayRecord {
	if !l.opt.RelayStats {
		r.Stats = nil
		r.Connected = r.Connected.Truncate(time.Second)
	}
	return r
}

// relayFrame is the complete frame of relay: experiments, students, stats
// clients and the generator of the statistics itself.
func (l *Lab) relayFrame(f *feed, now time.Time) ([]byte, error) {
	l.mu.Lock()
	ours := &f.svc.clock
	all := l.relayRecords(now)
	own := relayRecord{
		CanRead: true, CanWrite: true, Connected: ours.show(f.started).UTC(), RemoteAddr: "internal",
		Scopes: []string{"read", "stats", "write"}, Topic: "stats", UserAgent: "crossbar",
		Stats: &relayStats{Tx: traffic{Last: never}, Rx: traffic{Last: never}},
	}
	if !l.opt.RelayStats {
		own.ExpiresAt = time.Unix(0, 0).UTC()
	}
	all = append(all, l.generation(own))
	for _, c := range f.sorted() {
		all = append(all, l.generation(relayRecord{
			CanRead: c.reads, CanWrite: c.writes, Connected: ours.show(c.since).UTC(), ExpiresAt: c.expires.UTC(),
			RemoteAddr: c.remote, Scopes: c.scopes, Topic: "stats", UserAgent: c.agent,
			Stats: &relayStats{Tx: traffic{Last: never}, Rx: c.heard(ours, now)},
		}))
	}
	l.rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	l.mu.Unlock()
	return json.Marshal(all)
}

// jumpFrame is the complete frame of jump.
func (l *Lab) jumpFrame(f *feed, now time.Time) ([]byte, error) {
	l.mu.Lock()
	ours := &f.svc.clock
	var all []jumpRecord
	add := func(topic, agent string, since time.Time, scopes ...string) {
		connected, expires := ours.term(since, now)
		l.rng.Shuffle(len(scopes), func(i, j int) { scopes[i], scopes[j] = scopes[j], scopes[i] })
		all = append(all, jumpRecord{ConnectedAt: connected, ExpiresAt: expires,
			RemoteAddress: simulatedAddr, Scopes: scopes, Topic: topic, UserAgent: agent})
	}
	for _, x := range l.sorted() {
		if x.host != nil && listed(x.host.since, x.host.until, now) {
			add(x.host.topic, "labsim/host", x.host.since, "read", "write", "host")
		}
		for _, h := range x.logins {
			if listed(h.since, h.until, now) {
				add(h.topic, "labsim/client", h.since, "read", "write", "client")
			}
		}
	}
	all = append(all, jumpRecord{ConnectedAt: ours.show(f.started).UTC(), RemoteAddress: "internal",
		Topic: "stats", UserAgent: "internal"})
	for _, c := range f.sorted() {
		all = append(all, jumpRecord{ConnectedAt: ours.show(c.since).UTC(), ExpiresAt: c.expires.UTC(),
			RemoteAddress: c.remote, Scopes: c.scopes, Topic: "stats", UserAgent: c.agent})
	}
	l.rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	l.mu.Unlock()
	for i := range all {
		all[i].CanRead, all[i].CanWrite = true, true
		all[i].Statistics.Last = saturated
	}
	return json.Marshal(all)
}
