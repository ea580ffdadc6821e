package lab

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Experiment is a piece of lab equipment: its streams on relay, its host on
// jump and its resource in book.
type Experiment struct {
	// Stub is the first part of its topics, such as "pend00".
	Stub string
	// Resource is its name in book, "r-" and the stub by default.
	Resource string
	// Streams it sends; by default "st-data" (one message of 41 bytes a
	// second) and "st-video" (one of 2000 bytes).
	Streams []StreamSpec
	// Unlisted keeps it out of book's manifest.
	Unlisted bool
	// NoHost leaves out its connection to jump.
	NoHost bool
}

// StreamSpec describes one stream of an experiment.
type StreamSpec struct {
	// Name is the second part of the topic, such as "st-video".
	Name string
	// Period from message to message, a second by default.
	Period time.Duration
	// Size of a message in bytes.
	Size int
	// Optional streams are not required by the resource in book.
	Optional bool
}

// experiment is one present in the lab. Guarded by Lab.mu.
type experiment struct {
	stub    string
	streams []*stream
	host    *hostLink   // nil while dropped
	logins  []*hostLink // people on the experiment's shell
}

type stream struct {
	spec     StreamSpec
	topic    string
	links    []*link // the experiment's own connections, dead ones too
	students []*link
}

// link is one connection to relay. What relay says of it at any time follows
// from these instants.
type link struct {
	since  time.Time // connected; in the future while it is coming back
	until  time.Time // no longer listed from here on; zero for ever
	first  time.Time // first message sent, zero for none yet
	quiet  time.Time // silent from here on; zero while it sends
	period time.Duration
	size   int
	phase  time.Duration // from connecting to the first message
	shown  shown
}

// hostLink is one connection to jump.
type hostLink struct {
	topic string
	since time.Time
	until time.Time
	shown shown
}

// tokenLife is how long the connections of experiments are authorised: they
// reconnect when it is over.
const tokenLife = 24 * time.Hour

func listed(since, until, now time.Time) bool {
	return !since.After(now) && (until.IsZero() || until.After(now))
}

// sent returns when the link last transmitted and how often it has.
func (k *link) sent(now time.Time) (last time.Time, n int64) {
	if !k.quiet.IsZero() && k.quiet.Before(now) {
		now = k.quiet
	}
	if k.first.IsZero() || k.first.After(now) {
		return time.Time{}, 0
	}
	steps := int64(now.Sub(k.first) / k.period)
	return k.first.Add(time.Duration(steps) * k.period), steps + 1
}

// connect makes a new connection of the experiment on the stream. Its first
// message follows within one period: until then it reads Never.
func (l *Lab) connect(s *stream, at time.Time) *link {
	phase := time.Duration(1 + l.rng.Int64N(int64(s.spec.Period)))
	k := &link{since: at, first: at.Add(phase), period: s.spec.Period, size: s.spec.Size, phase: phase}
	s.links = append(s.links, k)
	return k
}

// AddExperiment connects a new experiment and, unless it is unlisted, enters
// it in book's manifest.
func (l *Lab) AddExperiment(e Experiment) error {
	if e.Stub == "" || strings.ContainsAny(e.Stub, "/ \t\n") {
		return fmt.Errorf("add experiment %q: its stub must be one word without a slash", e.Stub)
	}
	e.Resource = cmp.Or(e.Resource, "r-"+e.Stub)
	if e.Streams == nil {
		e.Streams = []StreamSpec{{Name: "st-data", Size: 41}, {Name: "st-video", Size: 2000}}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.experiments[e.Stub] != nil {
		return fmt.Errorf("add experiment %q: it is there already", e.Stub)
	}
	now := time.Now()
	x := &experiment{stub: e.Stub}
	required := []string{}
	for _, spec := range e.Streams {
		if spec.Name == "" {
			return fmt.Errorf("add experiment %q: a stream without a name", e.Stub)
		}
		spec.Period = cmp.Or(max(spec.Period, 0), time.Second)
		s := &stream{spec: spec, topic: e.Stub + "-" + spec.Name}
		l.connect(s, now)
		x.streams = append(x.streams, s)
		if !spec.Optional {
			required = append(required, spec.Name)
		}
	}
	if !e.NoHost {
		x.host = &hostLink{topic: e.Stub, since: now}
	}
	l.experiments[e.Stub], l.byStub = x, nil
	for _, s := range x.streams {
		l.topics[s.topic] = s
	}
	if !e.Unlisted {
		l.book.put(e.Resource, Resource{Stub: e.Stub, Streams: required}, l.services[Book].clock.show(now))
	}
	return nil
}

// RemoveExperiment disconnects an experiment for good. Book's manifest keeps
// its resources: see DropResource.
func (l *Lab) RemoveExperiment(stub string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	x := l.experiments[stub]
	if x == nil {
		return fmt.Errorf("remove experiment: no %q in the lab", stub)
	}
	delete(l.experiments, stub)
	l.byStub = nil
	for _, s := range x.streams {
		delete(l.topics, s.topic)
	}
	return nil
}

// find returns the stream of a topic. It is called with mu held.
func (l *Lab) find(topic string) (*stream, error) {
	if s := l.topics[topic]; s != nil {
		return s, nil
	}
	return nil, fmt.Errorf("no stream %q in the lab", topic)
}

// reconnect lets experiments come back to a restarted relay or jump, each at
// its own moment within Options.Reconnect.
func (l *Lab) reconnect(service string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	at := func() time.Time {
		return now.Add(time.Duration(1 + l.rng.Int64N(int64(l.opt.Reconnect))))
	}
	for _, x := range l.sorted() {
		if service == Jump {
			if x.host != nil {
				x.host.since = at()
			}
			x.logins = nil
		}
		if service != Relay {
			continue
		}
		for _, s := range x.streams {
			s.students = nil
			s.links = slices.DeleteFunc(s.links, func(k *link) bool { return !k.until.IsZero() })
			for _, k := range s.links {
				k.again(at())
			}
		}
	}
}

// again reconnects a link: one that was sending sends again, one that was
// silent connects and reads Never.
func (k *link) again(at time.Time) {
	silent := k.first.IsZero() || !k.quiet.IsZero()
	k.since, k.first, k.quiet = at, time.Time{}, time.Time{}
	if !silent {
		k.first = at.Add(k.phase)
	}
}

// sorted lists the experiments by stub, so that equal seeds give equal labs. It is
// called with mu held, and what it gives is not to be changed.
func (l *Lab) sorted() []*experiment {
	if l.byStub == nil {
		l.byStub = slices.SortedFunc(maps.Values(l.experiments), func(a, b *experiment) int { return strings.Compare(a.stub, b.stub) })
	}
	return l.byStub
}
