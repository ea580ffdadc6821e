package lab

import (
	"maps"
	"slices"
	"time"
)

// GOSTState is what is true of a GOST.
type GOSTState struct {
	Name     string             `json:"name"`
	Version  string             `json:"version"`
	GRPC     bool               `json:"grpc,omitzero"`
	Observed bool               `json:"observed"` // it knows whom to report to
	Running  bool               `json:"running"`
	Silent   bool               `json:"silent,omitzero"`
	Services []GOSTServiceState `json:"services"`
}

// GOSTServiceState is what is true of one of its services, or of a client of
// one.
type GOSTServiceState struct {
	Name       string `json:"name"`
	Client     string `json:"client,omitempty"`
	Experiment string `json:"experiment,omitempty"`
	// State is the service's last word, whether it was heard or not; empty
	// while it does not run.
	State string `json:"state"`
	// Usable: connections are taken.
	Usable bool `json:"usable"`
	// Now are the counters of the service's present instance, Ever add up all
	// it has had. Ever counts bytes that resetTraffic has taken away from Now.
	Now  GOSTStats `json:"now"`
	Ever GOSTStats `json:"ever"`
}

// CollectorState is what the collector has been told.
type CollectorState struct {
	Addr       string           `json:"addr"`
	AddrGRPC   string           `json:"addrGRPC"`
	Mode       string           `json:"mode"`
	Figures    CollectorFigures `json:"figures"`
	Complaints []Complaint      `json:"complaints"`
	Collected  []Collected      `json:"collected"`
}

// state is called with mu held.
func (g *gost) state(now time.Time) GOSTState {
	s := GOSTState{Name: g.spec.Name, Version: g.spec.Version, GRPC: g.spec.GRPC, Observed: g.address != "",
		Running: g.process != nil && g.process.ctx.Err() == nil, Silent: g.silent, Services: []GOSTServiceState{}}
	for _, svc := range g.services {
		i := svc.instance
		one := GOSTServiceState{Name: svc.name, Experiment: svc.stub}
		if i != nil {
			i.own.advance(now)
			one.State, one.Usable, one.Now = i.state, i.usable(), i.own.GOSTStats
		}
		one.Ever = svc.ever
		one.Ever.CurrentConns = one.Now.CurrentConns
		s.Services = append(s.Services, one)
		for _, id := range slices.Sorted(maps.Keys(svc.clients)) {
			user := GOSTServiceState{Name: svc.name, Client: id, State: one.State, Usable: one.Usable}
			if i != nil {
				i.clients[id].advance(now)
				user.Now = i.clients[id].GOSTStats
			}
			user.Ever = *svc.clients[id]
			user.Ever.CurrentConns = user.Now.CurrentConns
			s.Services = append(s.Services, user)
		}
	}
	return s
}

// collectorState is called with mu held; nil where there is no collector.
func (l *Lab) collectorState() *CollectorState {
	s := l.services[Collector]
	if s == nil {
		return nil
	}
	c := &l.collected
	mode := s.mode.String()
	switch {
	case s.mode != modeWell:
	case c.says != 0:
		mode = "refusing"
	case c.denies:
		mode = "denying"
	case c.loses != 0:
		mode = "losing answers"
	}
	complaints := slices.Clone(c.complaints)
	if complaints == nil {
		complaints = []Complaint{}
	}
	return &CollectorState{Addr: s.gate.addr, AddrGRPC: s.side.addr, Mode: mode, Figures: c.figures, Complaints: complaints, Collected: c.sorted()}
}
