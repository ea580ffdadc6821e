package health

import (
	"slices"
	"strings"
	"time"
)

// Engine is the state machine. It is not safe for concurrent use: one loop owns
// it and calls Step.
type Engine struct {
	cfg     Config
	started time.Time
	now     time.Time // latest time of any input
	awake   time.Time // latest tick, or when we woke: longer without a tick and we missed something

	relay, jump             feed
	relayFrames, jumpFrames uint64 // since the start
	book                    bookState

	tunnels     tunnels
	experiments map[string]*experiment
	order       []*experiment // the same, by name
	byTopic     map[string][]*stream
	resources   map[string]*resource

	emptyManifests int // in a row

	systemNoted   map[subject]Issue
	systemTold    map[subject]Issue
	systemEnded   map[subject]time.Time // when what was told was over
	systemUnsaved bool
	savedCadence  map[Source]time.Duration

	newsSince time.Time            // when the oldest news not told yet came up
	reminded  time.Time            // latest mail that listed a problem: reminders count from there
	hazyAt    map[Source]time.Time // last moment at which a source was silent or settling

	silences      int // experiments that are silenced
	maintenance   maintenance
	untold        []Act // what people have not been told of yet, oldest first
	untoldTouched bool  // and has changed since it was kept
	untoldKept    bool  // the record that is kept has some

	notes    []Note // from the start, for the first decision
	touched  bool   // the snapshot must be made anew
	snapshot *Snapshot
	d        *Decision // being made
}

// bookState is what the engine remembers of book as a source.
type bookState struct {
	lastManifest time.Time
	failingSince time.Time
	lastErr      string
}

// New makes an engine that starts at the given moment from what an earlier run
// kept; the zero Kept is a first start.
func New(cfg Config, at time.Time, kept Kept) *Engine {
	cfg.ConfirmDown, cfg.ConfirmUp = max(cfg.ConfirmDown, 1), max(cfg.ConfirmUp, 1)
	e := &Engine{
		cfg: cfg, started: at, now: at, awake: at,
		relay:        feed{name: Relay, least: cfg.LastChecked, started: at},
		jump:         feed{name: Jump, least: cfg.LastChecked, started: at},
		tunnels:      newTunnels(cfg, at),
		experiments:  make(map[string]*experiment),
		byTopic:      make(map[string][]*stream),
		resources:    make(map[string]*resource),
		systemNoted:  make(map[subject]Issue),
		systemTold:   make(map[subject]Issue),
		systemEnded:  make(map[subject]time.Time),
		savedCadence: make(map[Source]time.Duration),
		hazyAt:       map[Source]time.Time{Relay: at, Jump: at},
		maintenance:  maintenance{windows: make(map[string]*Window)},
		d:            &Decision{},
	}
	e.restore(kept)
	e.touched = true
	e.publish()
	e.notes, e.d = e.d.Notes, nil
	return e
}

// Step takes in one fact and says what follows from it.
func (e *Engine) Step(in Input) Decision {
	if at := in.at(); at.After(e.now) {
		e.now = at
	}
	d := Decision{At: e.now, Notes: e.notes}
	e.d, e.notes = &d, nil
	if missed := e.now.Sub(e.awake); missed > e.asleep() {
		e.woke(missed)
	}
	e.watch() // silence that nobody has noticed yet comes before what ends it
	switch in := in.(type) {
	case Frame:
		e.frame(in)
	case Link:
		e.link(in)
	case Manifest:
		e.manifest(in)
	case Availability:
		e.availability(in)
	case BookFailed:
		e.bookFailed(in)
	case Act:
		e.act(in)
	case Tunnels:
		e.hear(in)
	case Tick:
		e.awake = e.now
	}
	e.watchTunnels()
	e.watchSystem()
	e.endSilences()
	e.maintain()
	for _, x := range e.order {
		e.assess(x)
	}
	counts := e.count()
	e.tell(counts)
	e.wishes()
	e.dropTold()
	e.chronicle()
	e.keep()
	e.publish()
	e.d = nil
	return d
}

// longestAsleep is the longest that asleep may be.
const longestAsleep = 15 * time.Second

// asleep is a time without a tick after which it was we who missed it: they come every
// second, and four times in each window. The machine was suspended, this process was
// stopped, or the loop was held up, in which case what waited for it has the time at which
// it came.
func (e *Engine) asleep() time.Duration {
	if half := e.cfg.LastChecked / 2; half > 0 {
		return min(half, longestAsleep)
	}
	return longestAsleep
}

// woke: what the sources sent meanwhile was not heard, so their silence says nothing.
// Each has its window again from now on, and settles with its next frame. Tunnels have
// their patience again, too.
func (e *Engine) woke(missed time.Duration) {
	e.note(Warn, "this server has stood still for "+missed.Round(time.Second).String()+": what it has not heard meanwhile blames nobody", "", "")
	e.awake = e.now
	for _, f := range []*feed{&e.relay, &e.jump} {
		f.wokeAt = e.now
		if f.seen && !f.silent {
			f.broken = true
			f.cadence.Break()
			e.hide(f)
		}
	}
	e.tunnels.awake = e.now
	e.touched = true
}

// Snapshot is the whole truth after the latest Step.
func (e *Engine) Snapshot() *Snapshot { return e.snapshot }

func (e *Engine) feed(s Source) *feed {
	switch s {
	case Relay:
		return &e.relay
	case Jump:
		return &e.jump
	}
	return nil
}

func (e *Engine) frame(in Frame) {
	f := e.feed(in.Source)
	if f == nil || in.At.Before(f.last) {
		return // an older frame can't be the whole truth any more
	}
	wasSilent, wasSeen := f.silent, f.seen
	if f.frame(in.At, len(in.Conns), e.cfg.Startup) {
		e.hide(f)
		switch {
		case wasSilent:
			e.note(Info, string(in.Source)+" is reporting again", "", in.Source)
		case !wasSeen:
			e.note(Info, string(in.Source)+" has sent its first report", "", in.Source)
		}
	}
	if w := f.window(); w > f.least && f.cadence.Value()*5/2 > f.least && !f.saidWider {
		f.saidWider = true
		e.note(Warn, string(in.Source)+" reports only every "+f.cadence.Value().Round(time.Second).String()+
			": it is called silent after "+w.Round(time.Second).String()+", not after STATUS_HEALTH_LAST_CHECKED="+f.least.String(), "", in.Source)
	}
	if in.Source == Relay {
		e.relayFrame(in)
	} else {
		e.jumpFrame(in)
	}
	e.touched = true
}

func (e *Engine) link(in Link) {
	if f := e.feed(in.Source); f != nil {
		f.link(in)
		e.touched = true
	}
}

func (e *Engine) bookFailed(in BookFailed) {
	if e.book.failingSince.IsZero() {
		e.book.failingSince = in.At
	}
	e.book.lastErr = in.Err
	e.touched = true
}

func (e *Engine) bookAnswered(time.Time) {
	e.book.failingSince, e.book.lastErr = time.Time{}, ""
	e.touched = true
}

// watch notices that a source has fallen silent.
func (e *Engine) watch() {
	for _, f := range []*feed{&e.relay, &e.jump} {
		if !f.silent && f.late(e.now, e.cfg.Startup) {
			f.silent = true
			f.cadence.Break() // a silence is no cadence
			e.hide(f)
			e.note(Warn, string(f.name)+" has no fresh reports: experiments are shown as last known", "", f.name)
		}
		if f.silent || !f.seen || f.settling(e.now) {
			e.hazyAt[f.name] = e.now
		}
	}
}

// hide makes every verdict that rests on the source unknown. What was last known
// stands.
func (e *Engine) hide(f *feed) {
	e.touched = true
	for _, x := range e.order {
		x.stale = true
		if f.name == Jump {
			x.jump.unknown = true
			continue
		}
		x.shownStreams = nil
		for _, s := range x.streams {
			s.unknown, s.run = true, 0
		}
	}
}

// experiment finds or makes the experiment with that name. What is new is in its
// grace.
func (e *Engine) experiment(name string) *experiment {
	if x := e.experiments[name]; x != nil {
		return x
	}
	x := &experiment{
		name: name, firstSeen: e.now, graceEnds: e.now.Add(e.cfg.Startup), starting: true,
		noted: make(map[subject]Issue), told: make(map[subject]Issue),
		state: StateStarting, since: e.now, turned: true, stale: true,
		jump: jumpLink{unknown: true},
	}
	e.experiments[name] = x
	e.enroll(x)
	e.tieWaiting(x)
	i, _ := slices.BinarySearchFunc(e.order, name, func(x *experiment, n string) int { return strings.Compare(x.name, n) })
	e.order = slices.Insert(e.order, i, x)
	e.touched = true
	return x
}

func (e *Engine) addStream(x *experiment, topic string) *stream {
	s := &stream{topic: topic, of: x, seenAt: e.now, unknown: true}
	i, _ := slices.BinarySearchFunc(x.streams, topic, func(s *stream, t string) int { return strings.Compare(s.topic, t) })
	x.streams = slices.Insert(x.streams, i, s)
	x.shownStreams = nil
	e.byTopic[topic] = append(e.byTopic[topic], s)
	return s
}

// dropStream forgets the i-th stream of its experiment.
func (e *Engine) dropStream(s *stream, i int) {
	s.of.streams = slices.Delete(s.of.streams, i, i+1)
	s.of.shownStreams = nil
	e.forgetTopic(s)
}

func (e *Engine) forgetTopic(s *stream) {
	left := slices.DeleteFunc(e.byTopic[s.topic], func(o *stream) bool { return o == s })
	if len(left) == 0 {
		delete(e.byTopic, s.topic)
		return
	}
	e.byTopic[s.topic] = left
}

func (e *Engine) note(level Level, text, experiment string, source Source) {
	e.d.Notes = append(e.d.Notes, Note{Level: level, Text: text, Experiment: experiment, Source: source})
}
