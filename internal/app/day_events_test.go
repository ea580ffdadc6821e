package app_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"labstatus/internal/health"
)

// ledgerOfEvents joins events and mails: every event is told in the mail of its
// moment, or flapping keeps it back; and no mail tells what no event says.
type ledgerOfEvents struct {
	events    int                    // ever
	history   map[string][]pastEvent // by experiment
	forgotten map[string]bool        // has had no event since it was
	changes   map[string][]time.Time // events that count towards flapping
	flapping  map[string]time.Time   // since when, as the rules have it; cleared by a mail
	steady    map[string]time.Time   // when the latest of those mails was written
	entries   []entry                // not joined yet
	knows     map[told]bool          // as of what is joined
	latest    map[string][]string    // issues of the latest event that is joined
	kept      map[string][]time.Time // changes, as of what is joined
	silenced  map[string]bool        // flapping, as of what is joined
	owed      map[told]time.Time     // said by events while a source was in doubt, to be told after
}

type pastEvent struct {
	when   time.Time
	issues []string // in the model's words, sorted
}

// entry is one thing that happened: an event, a mail, or an experiment forgotten.
type entry struct {
	at     time.Time
	who    string
	event  *pastEvent
	letter *letter
	gone   bool
}

func newLedgerOfEvents() *ledgerOfEvents {
	return &ledgerOfEvents{
		history: map[string][]pastEvent{}, forgotten: map[string]bool{}, changes: map[string][]time.Time{}, flapping: map[string]time.Time{}, steady: map[string]time.Time{},
		knows: map[told]bool{}, latest: map[string][]string{}, kept: map[string][]time.Time{}, silenced: map[string]bool{},
		owed: map[told]time.Time{},
	}
}

// inWords gives issues in the model's words: what they are about.
func inWords(issues []string) []string {
	words := []string{}
	for _, i := range issues {
		for _, kind := range []string{"missing required ", "unhealthy ", "missing "} {
			if about, ok := strings.CutPrefix(i, kind); ok {
				words = append(words, about)
				break
			}
		}
	}
	slices.Sort(words)
	return words
}

// within gives the moments of the flap window that ends with the given one, which
// is added.
func within(changes []time.Time, at time.Time, window time.Duration) []time.Time {
	changes = slices.DeleteFunc(slices.Clone(changes), func(t time.Time) bool { return at.Sub(t) > window })
	return append(changes, at)
}

func (l *ledgerOfEvents) decided(d health.Decision, window time.Duration) {
	for _, e := range d.Events {
		l.events++
		past := pastEvent{when: e.When, issues: inWords(e.Issues)}
		l.history[e.Experiment] = append(l.history[e.Experiment], past)
		delete(l.forgotten, e.Experiment)
		l.entries = append(l.entries, entry{at: e.When.Truncate(time.Second), who: e.Experiment, event: &past})
		l.counts(e.Experiment, e.When, window)
	}
	for _, name := range d.Forgotten {
		l.forgotten[name] = true
		delete(l.changes, name)
		delete(l.flapping, name)
		l.entries = append(l.entries, entry{at: d.At.Truncate(time.Second), who: name, gone: true})
	}
}

// last is what the latest event of an experiment says to be wrong.
func (l *ledgerOfEvents) last(who string) []string {
	if n := len(l.history[who]); n > 0 && !l.forgotten[who] {
		return l.history[who][n-1].issues
	}
	return nil
}

// counts counts an event towards flapping.
func (l *ledgerOfEvents) counts(who string, when time.Time, window time.Duration) {
	l.changes[who] = within(l.changes[who], when, window)
	if len(l.changes[who]) >= flapEvents && l.flapping[who].IsZero() {
		l.flapping[who] = when
	}
}

// covered: nobody was told of an experiment for a time, nor that it began to flap and was
// steady again in it.
func (l *ledgerOfEvents) covered(who string, window time.Duration) {
	if n := len(l.history[who]); n == 0 || time.Since(l.history[who][n-1].when) > window+time.Minute {
		delete(l.flapping, who)
		delete(l.changes, who)
	}
}

// mailed takes in a mail, which may come late: what it says to be over may have begun
// again since.
func (l *ledgerOfEvents) mailed(m letter, window time.Duration) {
	l.entries = append(l.entries, entry{at: m.at, letter: &m})
	until := m.at.Add(time.Second)
	for _, t := range m.over {
		if t.what != "flapping" || !until.After(l.flapping[t.who]) {
			continue
		}
		delete(l.flapping, t.who)
		delete(l.changes, t.who)
		l.steady[t.who] = m.at
		for _, e := range l.history[t.who] {
			if e.when.After(until) {
				l.counts(t.who, e.when, window)
			}
		}
	}
}

// join compares what has come in. It is called when every mail has arrived. Where
// a source was in doubt at the moment of an event, what the event says may be told
// later.
func (l *ledgerOfEvents) join(window time.Duration, atOnce bool, doubt func(time.Time, string) bool) (faults []error) {
	slices.SortStableFunc(l.entries, func(a, b entry) int { return a.at.Compare(b.at) })
	for len(l.entries) > 0 {
		n := slices.IndexFunc(l.entries, func(e entry) bool { return !e.at.Equal(l.entries[0].at) })
		if n < 0 {
			n = len(l.entries)
		}
		faults = append(faults, l.second(l.entries[:n], window, atOnce, func(who string) bool { return doubt(l.entries[0].at, who) })...)
		l.entries = l.entries[n:]
	}
	for t, since := range l.owed {
		faults = append(faults, fmt.Errorf("an event of %s says that %s is not well, and no mail does", since.UTC().Format(time.TimeOnly), t))
	}
	clear(l.owed)
	return faults
}

// second joins what is stamped with the same second.
func (l *ledgerOfEvents) second(entries []entry, window time.Duration, atOnce bool, doubt func(who string) bool) (faults []error) {
	news, over, shortened := map[told]bool{}, map[told]bool{}, false
	for _, e := range entries {
		if e.letter == nil {
			continue
		}
		shortened = shortened || e.letter.shortened
		for _, t := range e.letter.news {
			news[t] = true
		}
		for _, t := range e.letter.over {
			over[told{who: t.who, what: t.what}] = true
		}
	}
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s: "+format, append([]any{entries[0].at.UTC().Format(time.TimeOnly)}, args...)...))
	}
	// Where relay and jump report at the same moment, a mail may be of what is known
	// between the two; where news waits, also of what was known before both.
	passed := map[string][][]string{}
	had := func(t told, ill bool) bool {
		states := append(passed[t.who], l.latest[t.who])
		if len(states) > 1 && atOnce && !doubt(t.who) {
			states = states[1:]
		}
		return slices.ContainsFunc(states, func(issues []string) bool { return slices.Contains(issues, t.what) == ill })
	}
	for _, e := range entries {
		if e.event == nil {
			continue
		}
		passed[e.who] = append(passed[e.who], l.latest[e.who])
		l.kept[e.who] = within(l.kept[e.who], e.event.when, window)
		if len(l.kept[e.who]) >= flapEvents {
			l.silenced[e.who] = true
		}
		for _, what := range e.event.issues {
			t := told{who: e.who, what: what}
			switch {
			case !atOnce || slices.Contains(l.latest[e.who], what) || news[t] || l.silenced[e.who]:
			case shortened: // it is among the "and so many more"
				l.knows[t] = true
			case doubt(e.who) && l.knows[t]: // its end was kept back, and is over already
			case doubt(e.who):
				l.owed[t] = e.at
			default:
				fault("an event says that %s is not well, and no mail does", t)
			}
		}
		for _, what := range l.latest[e.who] {
			t := told{who: e.who, what: what}
			if !slices.Contains(e.event.issues, what) {
				delete(l.owed, t)
			}
			if shortened && !slices.Contains(e.event.issues, what) {
				delete(l.knows, t)
			}
			if atOnce && !slices.Contains(e.event.issues, what) && l.knows[t] && !over[t] && !l.silenced[e.who] && !doubt(e.who) {
				fault("an event says that %s is well again, and no mail does", t)
			}
		}
		l.latest[e.who] = e.event.issues
	}
	for _, e := range entries {
		if e.letter == nil {
			continue
		}
		for _, t := range e.letter.news {
			if t.who != "" && t.what != "flapping" && !had(t, true) {
				fault("a mail says that %s is not well, and no event does", t)
			}
			l.knows[t] = true
			delete(l.owed, t)
		}
		for _, t := range e.letter.over {
			if t.who != "" && !had(t, false) && t.ending != "no longer watched" {
				fault("a mail says that %s is over, and no event does", t)
			}
			if t.what == "flapping" {
				l.silenced[t.who] = false
				delete(l.kept, t.who)
			}
			delete(l.knows, told{who: t.who, what: t.what})
		}
	}
	for _, e := range entries {
		if e.gone {
			delete(l.latest, e.who)
			delete(l.kept, e.who)
			delete(l.silenced, e.who)
			maps.DeleteFunc(l.owed, func(t told, _ time.Time) bool { return t.who == e.who })
		}
	}
	return faults
}
