package health_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"labstatus/internal/health"
)

// epoch is when every story begins.
var epoch = time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC)

// world is a small laboratory for stories about the engine: it makes the inputs
// that relay, jump, book and the clock would give, and plays book's part when the
// engine wishes something of it.
type world struct {
	cfg    health.Config
	engine *health.Engine
	now    time.Time
	began  time.Time // with a monotonic reading, where now has one
	kept   health.Kept

	resources    map[string]health.Resource
	availability map[string]bookEntry
	bookDown     bool // answers no call
	bookSlow     bool // wishes wait in queue until book works
	bookStubborn bool // confirms the opposite of what it is asked
	queue        map[string]health.Wish
	conns        map[string][]*wire
	hosts        map[string]bool

	relayEvery, jumpEvery, tickEvery time.Duration
	nextRelay, nextJump, nextTick    time.Time
	relayMute, jumpMute              bool
	noStats                          bool
	backwards                        bool                  // frames list their connections in reverse
	floods                           map[health.Source]int // unknown experiments that it lists besides
	crowd                            map[string]int        // by stub: streams that relay lists besides
	replay                           *health.Frame
	away                             time.Duration        // before this run
	history                          []health.StateChange // until a story asks for it

	after func(health.Input, health.Decision) // each Step; may be nil
}

type bookEntry struct {
	available bool
	reason    string
}

// wire is one connection to relay.
type wire struct {
	scope   string
	sending bool
	never   bool
	last    time.Time // latest transmission
	opened  time.Time
}

func newWorld() *world {
	w := &world{
		cfg: health.Config{
			LastActive: 10 * time.Second, LastChecked: 30 * time.Second, Startup: time.Minute,
			Events: 100, FlapEvents: 5, FlapWindow: 10 * time.Minute,
		},
		now:       epoch,
		resources: map[string]health.Resource{}, availability: map[string]bookEntry{},
		queue: map[string]health.Wish{},
		conns: map[string][]*wire{}, hosts: map[string]bool{},
		floods: map[health.Source]int{}, crowd: map[string]int{},
		relayEvery: 6 * time.Second, jumpEvery: 5 * time.Second, tickEvery: time.Second,
	}
	w.schedule()
	return w
}

func (w *world) schedule() {
	w.nextRelay, w.nextJump, w.nextTick = w.now.Add(w.relayEvery), w.now.Add(w.jumpEvery), w.now.Add(w.tickEvery)
}

func (w *world) start() {
	w.engine = health.New(w.cfg, w.now, w.kept)
}

// step gives the engine one fact, keeps what is to be kept and lets book answer.
func (w *world) step(in health.Input) []health.Decision {
	d := w.engine.Step(in)
	w.keep(d)
	w.history = append(w.history, d.History...)
	if w.after != nil {
		w.after(in, d)
	}
	decisions := []health.Decision{d}
	for _, wish := range d.Wishes {
		w.queue[wish.Resource] = wish // overtakes an earlier one
	}
	if !w.bookDown && !w.bookSlow {
		decisions = append(decisions, w.work()...)
	}
	return decisions
}

// work lets book do what is wished of it. Like the product's worker, it never
// opens what a person holds, and drops what it has been told to leave.
func (w *world) work() []health.Decision {
	var decisions []health.Decision
	for _, name := range slices.Sorted(maps.Keys(w.queue)) {
		wish, waiting := w.queue[name]
		if !waiting {
			continue // an answer made the engine step, and that did it
		}
		delete(w.queue, name)
		if _, known := w.resources[name]; !known || wish.Want == health.Leave {
			continue
		}
		open := (wish.Want == health.Open) != w.bookStubborn
		held, _ := health.PersonsHold(w.availability[name].available, w.availability[name].reason)
		if !held || w.cfg.OverrideHolds {
			w.availability[name] = bookEntry{available: open, reason: wish.Reason}
			if !open {
				w.availability[name] = bookEntry{reason: "unavailable because " + wish.Reason}
			}
		}
		decisions = append(decisions, w.answer(name)...)
	}
	return decisions
}

func (w *world) answer(name string) []health.Decision {
	e := w.availability[name]
	return w.step(health.Availability{At: w.now, Resource: name, Available: e.available, Reason: e.reason})
}

func (w *world) keep(d health.Decision) {
	for _, r := range d.Records {
		w.kept.Records = slices.DeleteFunc(w.kept.Records, func(k health.Record) bool { return k.Name == r.Name })
		w.kept.Records = append(w.kept.Records, r)
	}
	w.kept.Records = slices.DeleteFunc(w.kept.Records, func(k health.Record) bool { return slices.Contains(d.Forgotten, k.Name) })
	if d.System != nil {
		w.kept.System = *d.System
	}
}

// query is book's manifest followed by what it says of every resource.
func (w *world) query() []health.Decision {
	if w.bookDown {
		return w.step(health.BookFailed{At: w.now, Err: "book did not answer"})
	}
	m := health.Manifest{At: w.now}
	for _, name := range slices.Sorted(maps.Keys(w.resources)) {
		m.Resources = append(m.Resources, w.resources[name])
	}
	decisions := w.step(m)
	for _, r := range m.Resources {
		decisions = append(decisions, w.answer(r.Name)...)
	}
	return decisions
}

func (w *world) addResource(name, stub string, streams ...string) {
	r := health.Resource{Name: name, Stub: stub}
	for _, s := range streams {
		r.Required = append(r.Required, stub+"-"+s)
	}
	slices.Sort(r.Required)
	w.resources[name] = r
	if _, known := w.availability[name]; !known {
		w.availability[name] = bookEntry{available: true, reason: "Loaded at 2026-11-20T21:00:00Z"}
	}
}

// connect gives a topic one experiment connection that sends.
func (w *world) connect(topic string) {
	w.conns[topic] = append(w.conns[topic], &wire{scope: "expt", sending: true, opened: w.now})
}

func (w *world) relayFrame() health.Frame {
	f := health.Frame{At: w.now, Source: health.Relay, Conns: []health.Conn{
		{Topic: "stats", Scopes: []string{"read", "stats", "write"}, UserAgent: "crossbar", StatsKnown: !w.noStats, Tx: health.Traffic{Never: true}},
	}}
	for _, topic := range slices.Sorted(maps.Keys(w.conns)) {
		for i, c := range w.conns[topic] {
			conn := health.Conn{
				Topic: topic, Scopes: []string{"read", "write", c.scope}, ConnectedAt: c.opened,
				RemoteAddr: fmt.Sprintf("192.0.2.%d", i+1), StatsKnown: !w.noStats,
			}
			if c.sending {
				c.last = w.now.Add(-300 * time.Millisecond) // one message a second
			}
			conn.Tx.Never = c.never || c.last.IsZero()
			if !conn.Tx.Never {
				conn.Tx.Last = w.now.Sub(c.last)
			}
			f.Conns = append(f.Conns, conn)
		}
	}
	for i := range w.floods[health.Relay] {
		f.Conns = append(f.Conns, unknownStream(fmt.Sprintf("flood%06d-st-data", i)))
	}
	for _, stub := range slices.Sorted(maps.Keys(w.crowd)) {
		for i := range w.crowd[stub] {
			f.Conns = append(f.Conns, unknownStream(fmt.Sprintf("%s-st-%06d", stub, i)))
		}
	}
	if w.backwards {
		slices.Reverse(f.Conns)
	}
	return f
}

// unknownStream is a stream that sends and that nobody requires.
func unknownStream(topic string) health.Conn {
	return health.Conn{Topic: topic, Scopes: []string{"read", "write", "expt"}, ConnectedAt: epoch, StatsKnown: true}
}

func (w *world) jumpFrame() health.Frame {
	f := health.Frame{At: w.now, Source: health.Jump, Conns: []health.Conn{{Topic: "stats"}}}
	for _, stub := range slices.Sorted(maps.Keys(w.hosts)) {
		if w.hosts[stub] {
			f.Conns = append(f.Conns, health.Conn{Topic: stub, Scopes: []string{"host", "read", "write"}, ConnectedAt: epoch})
		}
	}
	for i := range w.floods[health.Jump] {
		f.Conns = append(f.Conns, health.Conn{Topic: fmt.Sprintf("flood%06d", i), Scopes: []string{"host"}, ConnectedAt: epoch})
	}
	if w.backwards {
		slices.Reverse(f.Conns)
	}
	return f
}

// run lets time pass, and hands over each moment's decisions.
func (w *world) run(d time.Duration, each func(health.Decision)) {
	for end := w.now.Add(d); ; {
		next := slices.MinFunc([]time.Time{w.nextRelay, w.nextJump, w.nextTick}, time.Time.Compare)
		if next.After(end) {
			w.now = end
			return
		}
		w.now = next
		var in health.Input
		switch {
		case next.Equal(w.nextRelay):
			w.nextRelay = next.Add(w.relayEvery)
			if w.relayMute {
				continue
			}
			in = w.relayFrame()
		case next.Equal(w.nextJump):
			w.nextJump = next.Add(w.jumpEvery)
			if w.jumpMute {
				continue
			}
			in = w.jumpFrame()
		default:
			w.nextTick = next.Add(w.tickEvery)
			in = health.Tick{At: next}
		}
		for _, decision := range w.step(in) {
			each(decision)
		}
	}
}

// offset words a moment as time since the story's beginning.
func offset(t time.Time) string {
	d := t.Sub(epoch).Round(time.Millisecond)
	if d < 0 {
		return d.String()
	}
	return "+" + d.String()
}

// told words a decision with its moment, nothing where nothing is done.
func told(d health.Decision) string {
	text := health.Describe(d)
	if text == "" {
		return ""
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		fmt.Fprintf(&b, "%s %s", offset(d.At), line)
	}
	return b.String()
}
