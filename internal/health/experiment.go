package health

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// experiment is what the engine remembers of one experiment.
type experiment struct {
	name      string
	firstSeen time.Time
	graceEnds time.Time
	starting  bool // within its grace in this run; shown as such only where it has never been assessed
	assessed  bool // its grace has ended once, in this run or an earlier one
	leaving   bool // in neither manifest nor frames for too long: told, then dropped

	streams    []*stream   // sorted by topic
	resources  []*resource // sorted by name
	jump       jumpLink
	tunnels    []*tunnel // sorted by name
	tunnelsBad int       // of them are known not to be well
	// tunnelStatus is what was last shown of them; nil: it must be made anew.
	tunnelStatus []TunnelStatus

	lastRelay, lastJump, lastManifest time.Time
	absentSince                       time.Time // in neither manifest nor frames since then

	// noted is its health as of its latest event, by what each issue is about:
	// the last known truth that people and book are told of.
	noted map[subject]Issue
	// told are the issues whose beginning was mailed and whose end was not.
	told map[subject]Issue

	changes  []time.Time // events within the flap window
	unsteady []string    // topics that changed in them; the bare name for jump, "tunnel <name>" for a tunnel
	flapping time.Time   // since when; zero: not

	silence     *Silence
	ack         *Ack
	holds       map[string]string // by resource: who holds it through us
	windows     []*Window         // of maintenance that name it
	maintenance *Maintenance      // the one it is in

	events int
	state  State
	since  time.Time
	// What an earlier run knew, until this one knows better: a state that goes on
	// has been so since then.
	keptState State
	keptSince time.Time
	written   StateChange // latest line of its history in this run
	turned    bool        // and that may be out of date
	unsaved   bool        // its record differs from what is kept
	stale     bool        // its report must be made anew
	report    *Report
	// What was last shown of its streams, and of its host: a frame of one source changes
	// nothing of the other. Nil: it must be made anew.
	shownStreams []StreamReport
	shownJump    *Conn
}

// subject is what an issue is about. A stream that was silent and then vanishes
// has one issue all along, though its words change; so has a tunnel that failed and
// is then gone.
type subject struct {
	code Code // MissingJump, UnhealthyStream and UnhealthyTunnel (for either verdict), Flapping, NoReports, BookSilent, TooManyUnknown
	name string
}

func (i Issue) about() subject {
	switch i.Code {
	case MissingRequired:
		return subject{UnhealthyStream, i.Subject}
	case MissingTunnel:
		return subject{UnhealthyTunnel, i.Subject}
	}
	return subject{i.Code, i.Subject}
}

func compareIssues(a, b Issue) int {
	return cmp.Or(
		strings.Compare(a.Experiment, b.Experiment),
		cmp.Compare(rank(a.Code), rank(b.Code)),
		strings.Compare(a.Subject, b.Subject),
	)
}

// rank puts what closes a booking before what doesn't.
func rank(c Code) int {
	return slices.Index([]Code{NoReports, BookSilent, TooManyUnknown, Flapping, MissingRequired, UnhealthyStream, MissingTunnel, UnhealthyTunnel, MissingJump}, c)
}

// stream is what the engine remembers of one stream of one experiment.
type stream struct {
	topic    string
	of       *experiment
	required bool
	seenAt   time.Time // when we first heard of it

	frame      uint64 // number of the latest relay frame that listed it
	best       Conn   // its best connection in that frame
	bestAt     time.Time
	lastActive time.Time
	ahead      time.Time // of a message that lay in the future: when relay's clock comes to it

	ok      bool
	missing bool // not connected; only meaningful when not ok
	since   time.Time
	judged  bool // ok has been decided, in this run or an earlier one
	unknown bool // no verdict at present
	run     int  // frames in a row that disagree with ok
}

// jumpLink is what the engine remembers of an experiment's host connection.
type jumpLink struct {
	frame   uint64
	conn    Conn
	listed  time.Time // latest frame that listed it
	ok      bool
	since   time.Time
	judged  bool
	unknown bool
}

func (x *experiment) stream(topic string) *stream {
	i, found := slices.BinarySearchFunc(x.streams, topic, func(s *stream, t string) int { return strings.Compare(s.topic, t) })
	if !found {
		return nil
	}
	return x.streams[i]
}

// issueOf is what is wrong with the stream as far as is known; false: nothing.
func (x *experiment) issueOf(s *stream) (Issue, bool) {
	if s == nil || !s.judged || s.ok {
		return Issue{}, false
	}
	code := UnhealthyStream
	if s.missing {
		code = MissingRequired
	}
	return Issue{Code: code, Experiment: x.name, Subject: s.topic, Since: s.since}, true
}

// found lists what is wrong. What can't be known at present is as it was told: a grace
// may end while its source is silent, and then nobody has been told what was seen in it.
func (e *Engine) found(x *experiment) map[subject]Issue {
	m := x.seen()
	for about := range m {
		if _, told := x.noted[about]; !told && !x.known(e, about) {
			delete(m, about)
		}
	}
	for about, i := range x.noted {
		if x.known(e, about) {
			continue
		}
		if m == nil {
			m = make(map[subject]Issue)
		}
		m[about] = i
	}
	return m
}

// seen lists what is wrong by the latest verdicts, whoever knows of them.
func (x *experiment) seen() map[subject]Issue {
	var m map[subject]Issue // mostly there is nothing to find
	add := func(i Issue) {
		if m == nil {
			m = make(map[subject]Issue)
		}
		m[i.about()] = i
	}
	for _, s := range x.streams {
		if i, bad := x.issueOf(s); bad {
			add(i)
		}
	}
	if x.tunnelsBad > 0 {
		for _, t := range x.tunnels {
			if i, bad := t.issue(); bad {
				add(i)
			}
		}
	}
	if x.jump.judged && !x.jump.ok {
		add(Issue{Code: MissingJump, Experiment: x.name, Since: x.jump.since})
	}
	return m
}

// healthy is the last known health.
func (x *experiment) healthy() bool {
	if !x.jumpOK() || x.tunnelsBad > 0 {
		return false
	}
	for _, s := range x.streams {
		if ok, _ := x.streamOK(s); !ok {
			return false
		}
	}
	for about := range x.noted {
		if about.code == UnhealthyStream && x.stream(about.name) == nil {
			return false // it is gone, and no event has told that
		}
	}
	return true
}

// jumpOK says whether jump is ok as far as is known; where it can't be known at present,
// only if nobody was told otherwise.
func (x *experiment) jumpOK() bool {
	if x.jump.unknown {
		if _, unwell := x.noted[subject{code: MissingJump}]; unwell {
			return false
		}
	}
	return x.jump.judged && x.jump.ok
}

// streamOK is the same of a stream, and since when that is so.
func (x *experiment) streamOK(s *stream) (ok bool, since time.Time) {
	if s.unknown {
		if i, unwell := x.noted[subject{UnhealthyStream, s.topic}]; unwell {
			return false, i.Since
		}
	}
	return s.judged && s.ok, s.since
}

// hazy says whether anything about the experiment can't be told at present. A tunnel of
// which nothing is known yet makes no experiment hazy: it may never say anything.
func (x *experiment) hazy() bool {
	if x.jump.unknown {
		return true
	}
	return slices.ContainsFunc(x.streams, func(s *stream) bool { return s.unknown })
}

// known says whether the subject's present state rests on a fresh source.
func (x *experiment) known(e *Engine, about subject) bool {
	switch about.code {
	case MissingJump:
		return !e.jump.silent && !x.jump.unknown
	case UnhealthyStream:
		if s := x.stream(about.name); s != nil {
			return !s.unknown
		}
		return !e.relay.silent
	default:
		return true
	}
}
