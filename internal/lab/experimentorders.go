package lab

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

// halfDeadFor is how long relay lists a connection whose peer is gone.
const halfDeadFor = time.Minute

// StreamOrder is a handle on one stream; its methods fail when the lab has no
// such topic.
type StreamOrder struct {
	lab   *Lab
	topic string
}

// Stream returns the handle of a topic such as "pend00-st-video".
func (l *Lab) Stream(topic string) StreamOrder { return StreamOrder{lab: l, topic: topic} }

func (o StreamOrder) do(verb string, f func(s *stream, now time.Time)) error {
	o.lab.mu.Lock()
	defer o.lab.mu.Unlock()
	s, err := o.lab.find(o.topic)
	if err != nil {
		return fmt.Errorf("%s stream: %w", verb, err)
	}
	f(s, time.Now())
	return nil
}

// Silence stops its messages; its connections stay.
func (o StreamOrder) Silence() error {
	return o.do("silence", func(s *stream, now time.Time) {
		for _, k := range s.links {
			if k.quiet.IsZero() {
				k.quiet = now
			}
		}
	})
}

// Resume lets it transmit again, the first message at once, on the newest of
// its connections. It does not bring back a stream that vanished.
func (o StreamOrder) Resume() error {
	return o.do("resume", func(s *stream, now time.Time) {
		if n := len(s.links); n > 0 {
			s.links[n-1].first, s.links[n-1].quiet = now, time.Time{}
		}
	})
}

// Vanish closes all its connections; students stay.
func (o StreamOrder) Vanish() error {
	return o.do("remove", func(s *stream, _ time.Time) { s.links = nil })
}

// Return connects it afresh, in place of what connections it has. It reads
// Never until its first message, within one period.
func (o StreamOrder) Return() error {
	return o.do("return", func(s *stream, now time.Time) {
		s.links = nil
		o.lab.connect(s, now)
	})
}

// Never reconnects it without a message following, as a camera does that has
// come up without its picture.
func (o StreamOrder) Never() error {
	return o.do("reconnect", func(s *stream, now time.Time) {
		s.links = nil
		o.lab.connect(s, now).first = time.Time{}
	})
}

// HalfDead lets the stream reconnect without relay noticing that the old
// connection is gone: it stays listed, silent, for a minute beside the new.
func (o StreamOrder) HalfDead() error {
	return o.do("half kill", func(s *stream, now time.Time) {
		for _, k := range s.links {
			if k.quiet.IsZero() {
				k.quiet = now
			}
			if k.until.IsZero() {
				k.until = now.Add(halfDeadFor)
			}
		}
		o.lab.connect(s, now)
	})
}

// Student lets one more person (or one less) watch a topic on relay. Nobody
// leaves a topic nobody watches.
func (l *Lab) Student(topic string, on bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, err := l.find(topic)
	if err != nil {
		return fmt.Errorf("let a student watch: %w", err)
	}
	if on {
		s.students = append(s.students, &link{since: time.Now(), period: time.Second})
	} else if n := len(s.students); n > 0 {
		s.students = s.students[:n-1]
	}
	return nil
}

// HostOrder is a handle on an experiment's connection to jump; its methods
// fail when the lab has no such experiment.
type HostOrder struct {
	lab  *Lab
	stub string
}

// Jump returns the handle of an experiment's host on jump.
func (l *Lab) Jump(stub string) HostOrder { return HostOrder{lab: l, stub: stub} }

func (o HostOrder) do(verb string, f func(x *experiment, now time.Time)) error {
	o.lab.mu.Lock()
	defer o.lab.mu.Unlock()
	x := o.lab.experiments[o.stub]
	if x == nil {
		return fmt.Errorf("%s jump host: no experiment %q in the lab", verb, o.stub)
	}
	f(x, time.Now())
	return nil
}

// Drop closes the connection.
func (o HostOrder) Drop() error {
	return o.do("drop", func(x *experiment, _ time.Time) { x.host = nil })
}

// Return opens it again.
func (o HostOrder) Return() error {
	return o.do("return", func(x *experiment, now time.Time) {
		x.host = &hostLink{topic: x.stub, since: now}
	})
}

// Login lets a maintainer log in over jump: two more records, with topics
// below the stub, which Logout leaves behind for a minute.
func (o HostOrder) Login() error {
	return o.do("log in over", func(x *experiment, now time.Time) {
		x.logins = slices.DeleteFunc(x.logins, func(h *hostLink) bool { return !listed(h.since, h.until, now) })
		topic := x.stub + "/" + o.lab.uuid() + o.lab.uuid()
		x.logins = append(x.logins, &hostLink{topic: topic, since: now}, &hostLink{topic: topic, since: now})
	})
}

// Logout ends every login.
func (o HostOrder) Logout() error {
	return o.do("log out of", func(x *experiment, now time.Time) {
		for _, h := range x.logins {
			if h.until.IsZero() {
				h.until = now.Add(halfDeadFor)
			}
		}
	})
}

// uuid is one from the lab's own source of chance. It is called with mu held.
func (l *Lab) uuid() string {
	var b [16]byte
	for i := range b {
		b[i] = byte(l.rng.Uint32())
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return uuid.UUID(b).String()
}
