package health_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"labstatus/internal/health"
)

// model is the two truth tables, told by frames and manifests alone: what is wrong
// with whom. It knows nothing of grace, silence, flapping or mail, and calls
// nothing of the engine's.
type model struct {
	lastActive time.Duration
	required   map[string][]string // by resource
	stubs      map[string]string   // of resources
	empty      int                 // empty manifests in a row

	active map[string]time.Time            // by topic: latest known transmission
	here   map[string]bool                 // stubs with a stream in the latest relay frame
	bad    map[string]map[string]bool      // by stub: streams that aren't ok, as of the latest relay frame
	listed map[string]time.Time            // by stub: latest jump frame with it
	noJump map[string]bool                 // as of the latest jump frame
	said   map[string]*health.Availability // by resource: what book said last
}

func newModel(lastActive time.Duration) *model {
	return &model{
		lastActive: lastActive, required: map[string][]string{}, stubs: map[string]string{},
		active: map[string]time.Time{}, bad: map[string]map[string]bool{}, listed: map[string]time.Time{},
		here: map[string]bool{}, noJump: map[string]bool{}, said: map[string]*health.Availability{},
	}
}

// restart: whom jump listed in an earlier run, and how often the manifest was empty
// in it, says nothing.
func (m *model) restart() {
	clear(m.listed)
	m.empty = 0
}

func (m *model) manifest(in health.Manifest) {
	if len(in.Resources) == 0 && len(m.required) > 0 {
		if m.empty++; m.empty < 2 {
			return
		}
	}
	m.empty = 0
	clear(m.required)
	clear(m.stubs)
	for _, r := range in.Resources {
		m.required[r.Name], m.stubs[r.Name] = r.Required, r.Stub
	}
}

// relay judges every stream that is required or connected. In the laboratories of
// these tests a topic is never required by two stubs.
func (m *model) relay(in health.Frame) {
	owner := map[string]string{}
	for _, c := range in.Conns {
		if !slices.Contains(c.Scopes, "expt") {
			continue
		}
		owner[c.Topic] = ownerOf(c.Topic)
		at := in.At
		if c.StatsKnown {
			if c.Tx.Never {
				continue
			}
			at = at.Add(-c.Tx.Last)
		}
		if at.After(m.active[c.Topic]) {
			m.active[c.Topic] = at
		}
	}
	clear(m.here)
	connected := maps.Clone(owner)
	for name, topics := range m.required {
		for _, topic := range topics {
			owner[topic] = m.stubs[name]
		}
	}
	for topic := range connected {
		m.here[owner[topic]] = true
	}
	clear(m.bad)
	for topic, stub := range owner {
		if m.bad[stub] == nil {
			m.bad[stub] = map[string]bool{}
		}
		if last, ever := m.active[topic]; !ever || in.At.Sub(last) > m.lastActive {
			m.bad[stub][topic] = true
		}
	}
}

var topicShape = regexp.MustCompile(`^(.+)-st-.+$`)

func ownerOf(topic string) string {
	if parts := topicShape.FindStringSubmatch(topic); parts != nil {
		return parts[1]
	}
	return ""
}

// jump decides who can be reached; window is what the engine says jump's is.
func (m *model) jump(in health.Frame, window time.Duration, stubs []string) {
	for _, c := range in.Conns {
		if slices.Contains(c.Scopes, "host") {
			m.listed[c.Topic] = in.At
		}
	}
	clear(m.noJump)
	for _, stub := range stubs {
		last, ever := m.listed[stub]
		m.noJump[stub] = !ever || in.At.Sub(last) > window
	}
}

// wrong is the second table's left half: what isn't ok about one experiment, with
// "" for jump.
func (m *model) wrong(stub string) []string {
	topics := slices.Collect(maps.Keys(m.bad[stub]))
	if m.noJump[stub] {
		topics = append(topics, "")
	}
	slices.Sort(topics)
	return topics
}

// open is the first table.
func (m *model) open(resource string) bool {
	for _, topic := range m.required[resource] {
		if m.bad[m.stubs[resource]][topic] {
			return false
		}
	}
	return true
}

// held says whether a person's is the last word on a resource.
func (m *model) held(resource string) bool {
	said := m.said[resource]
	return said != nil && !said.Available &&
		!strings.Contains(said.Reason, "status server:") && !strings.Contains(said.Reason, "Loaded at ")
}

// ledger is what people know from their mails.
type ledger map[string]map[string]bool // by experiment ("" is the system): code or subject

func subjectOf(i health.Issue) string {
	switch i.Code {
	case health.Flapping, health.NoReports, health.BookSilent, health.TooManyUnknown:
		return "(" + string(i.Code) + ") " + i.Subject
	}
	return i.Subject
}

// read takes in one mail; the error says why its reader would be confused.
func (l ledger) read(a *health.Alert, s *health.Snapshot) error {
	if len(a.New)+len(a.Resolved)+len(a.Acts)+len(a.Reminder) == 0 {
		return fmt.Errorf("a mail without news")
	}
	for _, r := range a.Resolved {
		if about := subjectOf(r.Issue); !l[r.Issue.Experiment][about] {
			return fmt.Errorf("%s is told to be over and was never told: %s", r.Issue.Experiment, r.Issue)
		}
		if r.Until.Before(r.Issue.Since) {
			return fmt.Errorf("%s ended before it began: %s, %s to %s", r.Issue.Experiment, r.Issue, r.Issue.Since, r.Until)
		}
		delete(l[r.Issue.Experiment], subjectOf(r.Issue))
	}
	for _, i := range a.New {
		if l[i.Experiment] == nil {
			l[i.Experiment] = map[string]bool{}
		}
		if l[i.Experiment][subjectOf(i)] {
			return fmt.Errorf("%s is told twice: %s", i.Experiment, i)
		}
		l[i.Experiment][subjectOf(i)] = true
	}
	// Current is what has been told and is still so.
	want, maybe := map[string]bool{}, map[string]bool{}
	for _, i := range s.Issues {
		want[" "+subjectOf(i)] = l[""][subjectOf(i)]
	}
	for _, r := range s.Experiments {
		if r.State == health.StateUnknown && r.Maintenance != nil && len(r.Resources) == 0 {
			// It may be leaving: what was told of it is over once its maintenance is.
			for about := range l[r.Name] {
				maybe[r.Name+" "+about] = true
			}
			continue
		}
		for _, i := range r.Issues {
			want[r.Name+" "+subjectOf(i)] = l[r.Name][subjectOf(i)]
		}
	}
	for _, i := range a.Current {
		if about := i.Experiment + " " + subjectOf(i); want[about] || maybe[about] {
			delete(want, about)
			delete(maybe, about)
		} else {
			return fmt.Errorf("listed as still so, and it isn't, or was never told: %s %s", i.Experiment, i)
		}
	}
	for about, told := range want {
		if told {
			return fmt.Errorf("told, still so, and not listed: %s", about)
		}
	}
	return nil
}

func (l ledger) of(experiment string) []string { return slices.Sorted(maps.Keys(l[experiment])) }
