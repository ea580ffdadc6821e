package observer

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// table is what sources have told us. It knows no clock and no lock.
type table struct {
	ties    *Map
	max     int // subjects, of all sources together
	size    int
	sources map[string]*source
	changed []*entry // whose figures have not been handed on

	spoken map[*entry]bool // who has said how it is since that was handed on
	// fresh are tied clients that say nothing of their own state, which they take from
	// their service, and have not been handed on.
	fresh []*entry
}

// source is one who reports.
type source struct {
	name    string
	entries map[Subject]*entry
	groups  map[string]*group // of entries, by their service
	// lives are the senders that put a key beside their reports, with the number of
	// the latest report that we have taken.
	lives map[string]*life
}

// group is a service with its clients: of those there may be many, and a service that
// begins or changes costs no more than they.
type group struct {
	begun   uint64 // how often the service has begun in this run
	members map[*entry]bool
}

type life struct {
	seq uint64
	at  time.Time
}

// entry is one subject of a source.
type entry struct {
	origin  Origin
	group   *group
	state   State
	message string
	since   time.Time // state has been so, as far as was heard
	said    time.Time // and was said last
	first   time.Time // anything was heard of it; zero: in an earlier run
	last    time.Time
	counted time.Time
	count   counter

	restarts, repeats uint64

	// based: handed is to be compared with. It isn't before the first figures of a run:
	// they may hold connections of any age, and what was kept may be older than a crash.
	based  bool
	handed uint64 // connections in the figures that were handed on last

	words  []word // latest that it said in this run
	untold int    // of them, that its clients have not been handed
	fresh  bool   // it is in the table's list of these

	began     bool   // it is running and was not ready since
	begun     uint64 // its group's, as far as its figures know of it
	changed   bool   // it is in the table's list of these
	restarted bool   // and its figures begin anew
	renewed   bool   // which they have done in this run, and not some time before it
}

const (
	maxSources = 256
	maxLives   = 16
	// idleAfter is when a subject that is nobody's link may be forgotten to make room
	// for another.
	idleAfter = 24 * time.Hour
)

func newTable(ties *Map, most int) *table {
	return &table{ties: ties, max: most, sources: map[string]*source{}, spoken: map[*entry]bool{}}
}

func (t *table) source(name string) *source {
	s := t.sources[name]
	if s == nil {
		s = &source{name: name, entries: map[Subject]*entry{}, groups: map[string]*group{}, lives: map[string]*life{}}
		t.sources[name] = s
	}
	return s
}

func (t *table) entry(s *source, subject Subject) *entry {
	e := s.entries[subject]
	if e == nil {
		g := s.groups[subject.Service]
		if g == nil {
			g = &group{members: map[*entry]bool{}}
			s.groups[subject.Service] = g
		}
		// What a client counts has come since its service has begun.
		e = &entry{origin: t.ties.origin(s.name, subject), group: g, based: g.begun > 0, begun: g.begun}
		s.entries[subject], g.members[e] = e, true
		t.size++
		if e.inherits() {
			e.fresh = true
			t.fresh = append(t.fresh, e)
		}
	}
	return e
}

// room says whether all of a report can be taken, and forgets what has long been
// silent where that is needed for it. Nothing is forgotten in vain.
func (t *table) room(name string, events []*Event, now time.Time) bool {
	s := t.sources[name]
	if s == nil && len(t.sources) >= maxSources {
		return false
	}
	fresh := map[Subject]bool{}
	for i := range events {
		if s == nil || s.entries[events[i].Subject] == nil {
			fresh[events[i].Subject] = true
		}
	}
	excess := t.size + len(fresh) - t.max
	return excess <= 0 || t.evict(excess, events, name, now)
}

// evict forgets n subjects, those that have been silent longest.
func (t *table) evict(n int, events []*Event, name string, now time.Time) bool {
	type place struct {
		s *source
		e *entry
	}
	coming := map[Subject]bool{}
	for i := range events {
		coming[events[i].Subject] = true
	}
	var idle []place
	for _, s := range t.sources {
		for subject, e := range s.entries {
			if e.origin.Experiment == "" && now.Sub(e.last) > idleAfter && !(s.name == name && coming[subject]) {
				idle = append(idle, place{s, e})
			}
		}
	}
	if len(idle) < n {
		return false
	}
	slices.SortFunc(idle, func(a, b place) int { return a.e.last.Compare(b.e.last) })
	for _, p := range idle[:n] {
		p.s.drop(p.e)
		delete(t.spoken, p.e)
		t.size--
	}
	return true
}

// drop forgets a subject.
func (s *source) drop(e *entry) {
	delete(s.entries, e.origin.Subject)
	if delete(e.group.members, e); len(e.group.members) == 0 {
		delete(s.groups, e.origin.Service)
	}
}

// repeated says whether the source's report of that key was taken before. No key is
// no repeat.
func (t *table) repeated(name string, k reportKey) bool {
	s := t.sources[name]
	return k.seq > 0 && s != nil && s.lives[k.life] != nil && k.seq <= s.lives[k.life].seq
}

// remember notes that a report was taken.
func (s *source) remember(k reportKey, at time.Time) {
	if k.seq == 0 {
		return
	}
	if s.lives[k.life] == nil && len(s.lives) >= maxLives {
		var oldest string
		for name, l := range s.lives {
			if oldest == "" || l.at.Before(s.lives[oldest].at) {
				oldest = name
			}
		}
		delete(s.lives, oldest)
	}
	s.lives[k.life] = &life{k.seq, at}
}

// take takes one event, and gives what it says of a state, where it does.
func (t *table) take(s *source, ev *Event, at time.Time, increments bool) *Status {
	e := t.entry(s, ev.Subject)
	if e.last.IsZero() {
		e.first = at
	}
	e.last = at
	if ev.Type == TypeStats {
		if e.figures(*ev.Stats, at, increments) && !e.changed {
			e.changed = true
			t.changed = append(t.changed, e)
		}
		return nil
	}
	said := e.status(ev.Status, at)
	now := word{state: said.State, message: said.Message, at: at}
	if n := len(e.words); e.untold > 0 && e.words[n-1].covers(now) {
		return nil
	}
	if e.words = append(e.words, now); len(e.words) > mostInherited {
		e.words = slices.Delete(e.words, 0, 1)
	}
	e.untold = min(e.untold+1, len(e.words))
	t.spoken[e] = true
	return &said
}

// word is a state that was said.
type word struct {
	state   State
	message string
	at      time.Time
}

// covers says that w, which waits to be handed on, makes what is said now superfluous.
// Each running and each closed is another instance's.
func (w word) covers(now word) bool {
	return w.state == now.state && w.message == now.message && (w.state == Ready || w.state == Failed)
}

// figures counts, and says whether there was anything new to count.
func (e *entry) figures(s Stats, at time.Time, increments bool) bool {
	e.follow()
	e.counted = at
	became, based := e.count.take(s, at, increments), e.based
	e.base()
	switch became {
	case countedRepeat, countedLate:
		e.repeats++
		return false
	case countedRestarted:
		e.restarts++
		e.restarted, e.renewed = true, e.renewed || based
	}
	return true
}

// status takes what a subject says of itself. A service that is running and then
// ready has begun anew, and so have its clients: what they count begins at zero. One
// that is only running may still be an instance that waits for the old one's end.
//
// The same state again is handed on again: one in between may be lost, since each is sent
// only once, or it is another instance's. Some GOSTs say failed at each try.
func (e *entry) status(st *ServiceStatus, at time.Time) Status {
	switch st.State {
	case Running:
		e.began = true
	case Ready:
		if e.began {
			e.began = false
			e.begin()
		}
	}
	if e.state != st.State {
		e.since = at
	}
	e.state, e.message, e.said = st.State, st.Msg, at
	return Status{Origin: e.origin, State: e.state, Message: e.message, At: at, Since: e.since}
}

// begin marks the figures of a subject as beginning anew. Those of a service's clients
// follow when they are next looked at.
func (e *entry) begin() {
	if e.origin.Kind == KindService {
		e.group.begun++
		e.follow()
		return
	}
	e.anew()
}

// follow is begin for one whose service has begun since.
func (e *entry) follow() {
	if e.begun != e.group.begun {
		e.begun = e.group.begun
		e.anew()
	}
}

func (e *entry) anew() {
	e.count.Fresh = e.count.Heard
	e.base()
}

// base makes what is counted so far, unless there is something already, what figures to come are
// compared with.
func (e *entry) base() {
	if !e.based {
		e.based, e.handed = true, e.count.Total.TotalConns
	}
}

func (e *entry) observed() Observed {
	return Observed{
		Origin: e.origin, State: e.state, Message: e.message, Since: e.since, Stats: e.count.Total,
		Counted: e.counted, LastAt: e.last, Restarts: e.restarts, Repeats: e.repeats, Incremental: e.count.looksIncremental(),
	}
}

// counters hands on the figures that have changed, sorted.
func (t *table) counters() []Counters {
	slices.SortFunc(t.changed, func(a, b *entry) int { return compareOrigins(a.origin, b.origin) })
	var all []Counters
	for _, e := range t.changed {
		conns := e.count.Total.TotalConns
		all = append(all, Counters{
			Origin: e.origin, Stats: e.count.Total, At: e.counted, Restarted: e.restarted,
			NewConns: e.renewed || conns > e.handed,
		})
		e.changed, e.restarted, e.renewed, e.handed = false, false, false, conns
	}
	t.changed = nil
	return all
}

// compareOrigins sorts by source and subject.
func compareOrigins(a, b Origin) int {
	return cmp.Or(strings.Compare(a.Source, b.Source), compareSubjects(a.Subject, b.Subject))
}
