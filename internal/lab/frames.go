package lab

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// saturated is how jump words it: the longest duration there is.
const saturated = "2562047h47m16.854775807s"

// relayRecord is one connection in a frame of relay. It is written by hand: a frame
// has hundreds, and the most of each stays as it is for a day.
type relayRecord struct {
	head   []byte // its first members, up to the scopes
	stats  bool   // relay 0.9 leaves them out
	tx, rx traffic
	tail   []byte // topic and user agent
}

func (r *relayRecord) append(b []byte) []byte {
	b = append(b, r.head...)
	if r.stats {
		b = append(b, `"stats":{"tx":`...)
		b = r.tx.append(b)
		b = append(b, `,"rx":`...)
		b = r.rx.append(b)
		b = append(b, `},`...)
	}
	return append(b, r.tail...)
}

// traffic is one direction of a connection; n is zero where nothing was sent, which
// relay words as Never.
type traffic struct {
	n         int64
	last      time.Duration // since then
	size, fps float64
}

func (t traffic) append(b []byte) []byte {
	if t.n == 0 {
		return append(b, `{"last":"Never","size":0,"fps":0}`...)
	}
	b = append(b, `{"last":"`...)
	b = append(b, t.last.String()...)
	b = append(b, `","size":`...)
	b = strconv.AppendFloat(b, t.size, 'g', -1, 64)
	b = append(b, `,"fps":`...)
	b = strconv.AppendFloat(b, t.fps, 'g', -1, 64)
	return append(b, '}')
}

// relayHead gives the first members of a record, in the order measured.
func relayHead(reads, writes bool, connected, expires time.Time, remote string, scopes []string) []byte {
	b := fmt.Appendf(nil, `{"canRead":%t,"canWrite":%t,"connected":"`, reads, writes)
	b = connected.AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","expiresAt":"`...)
	b = expires.AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","remoteAddr":`...)
	b = appendText(b, remote)
	b = append(b, `,"scopes":`...)
	return append(appendTexts(b, scopes), ',')
}

func relayTail(topic, agent string) []byte {
	b := appendText([]byte(`"topic":`), topic)
	b = appendText(append(b, `,"userAgent":`...), agent)
	return append(b, '}')
}

// appendText appends a string as JSON writes it.
func appendText(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, err := json.Marshal(text)
			if err != nil { // there is no string that can't be written
				panic(err)
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"')
}

func appendTexts(b []byte, all []string) []byte {
	if all == nil {
		return append(b, `null`...)
	}
	b = append(b, '[')
	for i, text := range all {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, text)
	}
	return append(b, ']')
}

// shown is what a frame says of a connection that stays the same while it lasts.
type shown struct {
	since  time.Time // of this term of it
	scopes int
	first  []byte
	rest   []byte
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
	// The means are over the life of the connection and settle with time:
	// silence does not show in them.
	fps := float64(time.Second) / float64(period) * (1 - 1e-3/float64(n+1))
	return traffic{n: n, last: c.between(last, now), size: float64(size), fps: fps}
}

var (
	exptScopes = []string{"write", "read", "expt"}
	userScopes = []string{"read", "write", "user"}
	readScopes = []string{"read"}
)

// relayRecords lists the simulated connections to relay. It is called with mu
// held.
func (l *Lab) relayRecords(now time.Time) []relayRecord {
	all := l.records[:0]
	for _, x := range l.sorted() {
		for _, s := range x.streams {
			var heard traffic
			for _, k := range s.links {
				if !listed(k.since, k.until, now) {
					continue
				}
				last, n := k.sent(now)
				tx := l.services[Relay].clock.rate(last, n, k.period, k.size, now)
				if k.quiet.IsZero() {
					heard = tx
				}
				all = append(all, l.relayRecord(k, now, s.topic, "labsim/expt", exptScopes, tx, traffic{}))
			}
			for i, k := range s.students {
				scopes := userScopes
				if i%2 == 1 {
					scopes = readScopes
				}
				all = append(all, l.relayRecord(k, now, s.topic, "labsim/user", scopes, traffic{}, heard))
			}
		}
	}
	return all
}

// relayRecord shows a link; most of it was made when the link was first shown.
func (l *Lab) relayRecord(k *link, now time.Time, topic, agent string, scopes []string, tx, rx traffic) relayRecord {
	connected, expires := l.services[Relay].clock.term(k.since, now)
	if k.shown.first == nil || !k.shown.since.Equal(connected) || k.shown.scopes != len(scopes) {
		k.shown = shown{
			since: connected, scopes: len(scopes),
			first: relayHead(slices.Contains(scopes, "read"), slices.Contains(scopes, "write"), l.inGeneration(connected), expires, simulatedAddr, scopes),
			rest:  relayTail(topic, agent),
		}
	}
	return relayRecord{head: k.shown.first, stats: l.opt.RelayStats, tx: tx, rx: rx, tail: k.shown.rest}
}

// inGeneration is how exactly relay says when somebody has connected: 0.9 to the second.
func (l *Lab) inGeneration(connected time.Time) time.Time {
	if !l.opt.RelayStats {
		return connected.Truncate(time.Second)
	}
	return connected
}

// relayFrame is the complete frame of relay: experiments, students, stats
// clients and the generator of the statistics itself.
func (l *Lab) relayFrame(f *feed, now time.Time) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	ours := &f.svc.clock
	all := l.relayRecords(now)
	add := func(reads, writes bool, connected, expires time.Time, remote string, scopes []string, agent string, rx traffic) {
		all = append(all, relayRecord{
			head:  relayHead(reads, writes, l.inGeneration(connected.UTC()), expires.UTC(), remote, scopes),
			stats: l.opt.RelayStats, rx: rx, tail: relayTail("stats", agent),
		})
	}
	var expires time.Time // of relay's own
	if !l.opt.RelayStats {
		expires = time.Unix(0, 0)
	}
	add(true, true, ours.show(f.started), expires, "internal", []string{"read", "stats", "write"}, "crossbar", traffic{})
	for _, c := range f.sorted() {
		add(c.reads, c.writes, ours.show(c.since), c.expires, c.remote, c.scopes, c.agent, c.heard(ours, now))
	}
	l.rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	frame := append(make([]byte, 0, f.size+f.size/16), '[')
	for i := range all {
		if i > 0 {
			frame = append(frame, ',')
		}
		frame = all[i].append(frame)
	}
	frame = append(frame, ']')
	l.records, f.size = all, len(frame)
	return frame
}

// jumpHead gives the first members of a record of jump, in its own spelling.
func jumpHead(connected, expires time.Time, remote string) []byte {
	b := append([]byte(nil), `{"can_read":true,"can_write":true,"connected_at":"`...)
	b = connected.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","expires_at":"`...)
	b = expires.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","remote_address":`...)
	b = appendText(b, remote)
	return append(b, `,"scopes":`...)
}

func jumpTail(topic, agent string) []byte {
	b := appendText([]byte(`,"statistcs":{"last":"`+saturated+`"},"topic":`), topic)
	b = appendText(append(b, `,"user_agent":`...), agent)
	return append(b, '}')
}

// jumpRecord is one connection in a frame of jump.
type jumpRecord struct {
	head   []byte // up to the scopes
	scopes []string
	tail   []byte // what follows them
}

// jumpFrame is the complete frame of jump.
func (l *Lab) jumpFrame(f *feed, now time.Time) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	ours := &f.svc.clock
	var all []jumpRecord
	add := func(h *hostLink, agent, scope string) {
		connected, expires := ours.term(h.since, now)
		if h.shown.first == nil || !h.shown.since.Equal(connected) {
			h.shown = shown{since: connected, first: jumpHead(connected, expires, simulatedAddr), rest: jumpTail(h.topic, agent)}
		}
		scopes := []string{"read", "write", scope}
		l.rng.Shuffle(len(scopes), func(i, j int) { scopes[i], scopes[j] = scopes[j], scopes[i] })
		all = append(all, jumpRecord{h.shown.first, scopes, h.shown.rest})
	}
	for _, x := range l.sorted() {
		if x.host != nil && listed(x.host.since, x.host.until, now) {
			add(x.host, "labsim/host", "host")
		}
		for _, h := range x.logins {
			if listed(h.since, h.until, now) {
				add(h, "labsim/client", "client")
			}
		}
	}
	all = append(all, jumpRecord{jumpHead(ours.show(f.started), time.Time{}, "internal"), nil, jumpTail("stats", "internal")})
	for _, c := range f.sorted() {
		all = append(all, jumpRecord{jumpHead(ours.show(c.since), c.expires, c.remote), c.scopes, jumpTail("stats", c.agent)})
	}
	l.rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	frame := append(make([]byte, 0, f.size+f.size/16), '[')
	for i, r := range all {
		if i > 0 {
			frame = append(frame, ',')
		}
		frame = append(frame, r.head...)
		frame = appendTexts(frame, r.scopes)
		frame = append(frame, r.tail...)
	}
	frame = append(frame, ']')
	f.size = len(frame)
	return frame
}
