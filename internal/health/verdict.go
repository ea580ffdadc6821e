package health

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Scopes of the connections that count. A student who watches a stream has
// another one, and must never make it healthy.
const (
	scopeExperiment = "expt" // on relay
	scopeHost       = "host" // on jump
)

// relayFrame takes in the complete list of relay's connections and gives every
// stream its verdict.
func (e *Engine) relayFrame(in Frame) {
	e.relayFrames++
	fresh := newcomers{e: e}
	for i := range in.Conns {
		c := &in.Conns[i]
		if !c.HasScope(scopeExperiment) {
			continue
		}
		streams := e.byTopic[c.Topic]
		if len(streams) == 0 {
			if stub, _, ok := SplitTopic(c.Topic); ok {
				fresh.stream(stub, c)
			}
			continue
		}
		for _, s := range streams {
			s.saw(c, in.At, e.relayFrames)
		}
	}
	for _, c := range fresh.conns {
		stub, _, _ := SplitTopic(c.Topic)
		if !fresh.admits(stub) {
			continue
		}
		if len(e.byTopic[c.Topic]) == 0 {
			e.addStream(e.experiment(stub), c.Topic)
		}
		for _, s := range e.byTopic[c.Topic] {
			s.saw(c, in.At, e.relayFrames)
		}
	}
	e.overfull(&e.relay, &fresh)
	settling := e.relay.settling(in.At)
	for _, x := range e.order {
		x.lastRelay, x.stale, x.shownStreams = in.At, true, nil
		for i, s := range slices.Backward(x.streams) {
			if !s.required && (s.frame != e.relayFrames && !settling || !x.owns(s.topic)) {
				e.dropStream(s, i) // its absence is no fault
				continue
			}
			s.judge(e, in.At, settling)
		}
	}
}

// owns says whether the topic's name alone makes it a stream of the experiment.
func (x *experiment) owns(topic string) bool {
	stub, _, ok := SplitTopic(topic)
	return ok && stub == x.name
}

// saw notes one of the stream's connections. The best one counts, in whatever
// order the frame lists them.
func (s *stream) saw(c *Conn, at time.Time, frame uint64) {
	var active time.Time
	switch {
	case !c.StatsKnown:
		active = at // presence is all that this relay can tell
	case !c.Tx.Never:
		active = at.Add(-max(c.Tx.Last, 0))
		if s.wasAhead(active) {
			active = time.Time{}
		}
	case c.Tx.Last < 0:
		s.ahead = at.Add(-c.Tx.Last)
	}
	if s.frame != frame || betterConn(active, c, s.bestAt, &s.best) {
		s.frame, s.best, s.bestAt = frame, *c, active
	}
	if active.After(s.lastActive) {
		s.lastActive = active
	}
}

// sameMessage is how much the moment of one message may differ in two frames: a frame may
// be late, and a clock that is being set right may go slower.
const sameMessage = 5 * time.Second

// wasAhead says that the message of a moment lay in the future of relay's clock before,
// which was set back after it and has caught up. It is no sign of life at that moment. A
// new one that happens to come just then counts by the next.
func (s *stream) wasAhead(active time.Time) bool {
	return !s.ahead.IsZero() && active.Sub(s.ahead).Abs() <= sameMessage
}

// betterConn prefers the connection that transmitted last, and has an opinion on
// any two that differ, so that the order in a frame can't matter.
func betterConn(aAt time.Time, a *Conn, bAt time.Time, b *Conn) bool {
	return cmp.Or(
		aAt.Compare(bAt),
		a.ConnectedAt.Compare(b.ConnectedAt),
		strings.Compare(a.RemoteAddr, b.RemoteAddr),
		strings.Compare(a.UserAgent, b.UserAgent),
		a.ExpiresAt.Compare(b.ExpiresAt),
		compareTraffic(a.Tx, b.Tx),
		compareTraffic(a.Rx, b.Rx),
		slices.Compare(a.Scopes, b.Scopes),
		compareBool(a.StatsKnown, b.StatsKnown),
		compareBool(a.CanRead, b.CanRead),
		compareBool(a.CanWrite, b.CanWrite),
	) > 0
}

func compareTraffic(a, b Traffic) int {
	return cmp.Or(
		compareBool(a.Never, b.Never),
		cmp.Compare(a.Last, b.Last),
		cmp.Compare(a.Size, b.Size),
		cmp.Compare(a.FPS, b.FPS),
	)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// judge gives the stream its verdict at a relay frame.
func (s *stream) judge(e *Engine, at time.Time, settling bool) {
	connected := s.frame == e.relayFrames
	ok := !s.lastActive.IsZero() && at.Sub(s.lastActive) <= e.cfg.LastActive
	if !ok && settling {
		s.unknown, s.run = true, 0
		return
	}
	if !ok && !s.judged && connected && s.lastActive.IsZero() && at.Sub(s.seenAt) <= e.cfg.LastActive {
		s.unknown = true // has only just connected: nothing sent yet proves nothing
		return
	}
	if s.judged && ok == s.ok {
		s.run, s.unknown = 0, false
		s.missing = !ok && !connected
		return
	}
	s.run++
	need := e.cfg.ConfirmUp
	if !ok {
		need = e.cfg.ConfirmDown
	}
	if s.run < need && (s.judged || !ok) {
		s.unknown = !s.judged || s.unknown && !ok
		return
	}
	s.ok, s.missing, s.since = ok, !ok && !connected, at
	s.judged, s.unknown, s.run = true, false, 0
}

// saw notes one of the experiment's host connections. The best one is shown.
func (j *jumpLink) saw(c *Conn, at time.Time, frame uint64) {
	if j.frame != frame || betterConn(c.ConnectedAt, c, j.conn.ConnectedAt, &j.conn) {
		j.frame, j.conn = frame, *c
	}
	j.listed = at
}

// jumpFrame takes in the complete list of jump's connections and decides for
// every experiment whether it can be reached.
func (e *Engine) jumpFrame(in Frame) {
	e.jumpFrames++
	fresh := newcomers{e: e}
	for i := range in.Conns {
		c := &in.Conns[i]
		if c.Topic == "" || !c.HasScope(scopeHost) {
			continue
		}
		if x := e.experiments[c.Topic]; x != nil {
			x.jump.saw(c, in.At, e.jumpFrames)
		} else {
			fresh.host(c)
		}
	}
	for _, c := range fresh.conns {
		if fresh.admits(c.Topic) {
			e.experiment(c.Topic).jump.saw(c, in.At, e.jumpFrames)
		}
	}
	e.overfull(&e.jump, &fresh)
	window, settling := e.jump.window(), e.jump.settling(in.At)
	for _, x := range e.order {
		x.lastJump, x.stale, x.shownJump = in.At, true, nil
		j := &x.jump
		ok := !j.listed.IsZero() && in.At.Sub(j.listed) <= window
		if !ok && settling {
			j.unknown = true
			continue
		}
		if !j.judged || ok != j.ok {
			j.since = in.At
		}
		j.ok, j.judged, j.unknown = ok, true, false
	}
}
