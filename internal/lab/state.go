package lab

import (
	"cmp"
	"slices"
	"time"
)

// State is the answer of GET /state: what is true in the lab, which the
// status server has to find out.
type State struct {
	Now         time.Time         `json:"now"`
	Services    []ServiceState    `json:"services"`
	Experiments []ExperimentState `json:"experiments"`
	Resources   []ResourceState   `json:"resources"`
	// GOSTs and Collector are there where Options ask for them.
	GOSTs     []GOSTState         `json:"gosts,omitempty"`
	Collector *CollectorState     `json:"collector,omitempty"`
	Mails     int                 `json:"mails"`
	Orders    []map[string]string `json:"orders"`
}

// ServiceState is how one service behaves.
type ServiceState struct {
	Name    string `json:"name"`
	Addr    string `json:"addr"`
	Mode    string `json:"mode"`
	Latency string `json:"latency"`
	Mute    bool   `json:"mute,omitzero"`
	// Clock is how far its clock is ahead; empty: it is right.
	Clock string `json:"clock,omitzero"`
	// Clients of the statistics, on relay and jump.
	Clients int `json:"clients,omitzero"`
}

// ExperimentState is what one experiment does.
type ExperimentState struct {
	Stub    string            `json:"stub"`
	Jump    bool              `json:"jump"`
	Streams map[string]string `json:"streams"`
}

// ResourceState is what book says of one resource.
type ResourceState struct {
	Name      string `json:"name"`
	Stub      string `json:"stub"`
	Available bool   `json:"available"`
	Reason    string `json:"reason"`
}

// State tells what is true in the lab at this moment, sorted by name.
func (l *Lab) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	s := State{Now: now.UTC(), Mails: l.mail.arrived, Services: []ServiceState{}, Experiments: []ExperimentState{}, Resources: []ResourceState{}, Orders: []map[string]string{}}
	for _, name := range []string{Book, Relay, Jump, Mail, Collector} {
		svc := l.services[name]
		if svc == nil {
			continue
		}
		st := ServiceState{Name: name, Addr: svc.gate.addr, Mode: svc.mode.String(), Latency: svc.latency.String()}
		if ahead := svc.clock.ahead(now); ahead != 0 {
			st.Clock = ahead.String()
		}
		if f := l.feeds[name]; f != nil {
			st.Mute, st.Clients = f.mute || f.stuck, len(f.links)
		}
		s.Services = append(s.Services, st)
	}
	for _, x := range l.sorted() {
		e := ExperimentState{Stub: x.stub, Jump: x.host != nil && listed(x.host.since, x.host.until, now), Streams: map[string]string{}}
		for _, stream := range x.streams {
			e.Streams[stream.spec.Name] = stream.describe(now)
		}
		s.Experiments = append(s.Experiments, e)
	}
	for name, r := range l.book.manifest {
		a := l.book.state[name]
		s.Resources = append(s.Resources, ResourceState{Name: name, Stub: r.Stub, Available: a.available, Reason: a.reason})
	}
	slices.SortFunc(s.Resources, func(a, b ResourceState) int { return cmp.Compare(a.Name, b.Name) })
	for _, g := range l.gosts {
		s.GOSTs = append(s.GOSTs, g.state(now))
	}
	s.Collector = l.collectorState()
	for _, o := range l.orders {
		s.Orders = append(s.Orders, map[string]string{"at": o.At.UTC().Format(time.RFC3339), "order": o.Line, "say": o.Say, "error": o.Err})
	}
	return s
}

// describe is the stream as a person would call it: the best of its
// connections counts.
func (s *stream) describe(now time.Time) string {
	word := "absent"
	for _, k := range s.links {
		if !listed(k.since, k.until, now) {
			continue
		}
		switch {
		case !k.first.IsZero() && k.quiet.IsZero():
			return "sending"
		case k.first.IsZero():
			word = "never sent"
		default:
			word = "silent"
		}
	}
	return word
}
