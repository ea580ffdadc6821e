package app

import (
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"labstatus/internal/health"
	"labstatus/internal/observer"
	"labstatus/internal/telemetry"
)

// totals are the figures that observers are told: of our services, as the tracker has
// counted them, and of experiments, as relay reports their streams.
type totals struct {
	tracker *telemetry.Tracker

	mu          sync.Mutex
	experiments map[string]*experimentTotals
}

// experimentTotals add up what the connections of an experiment's streams have
// carried, one after another, since the start of this process.
type experimentTotals struct {
	observer.Stats
	streams map[string]*streamTotals
}

// maxPastStreams is of how many streams that are gone it is remembered what they carried.
const maxPastStreams = 50

// streamTotals are what the present connection of a stream was counted with.
type streamTotals struct {
	connected time.Time
	in, out   uint64 // bytes
}

func newTotals(tracker *telemetry.Tracker) *totals {
	return &totals{tracker: tracker, experiments: map[string]*experimentTotals{}}
}

// placesOf are the places at which each service's connections are counted.
var placesOf = map[string][]string{
	serviceRelay: {string(health.Relay)}, serviceJump: {string(health.Jump)}, serviceBook: {placeBook}, serviceMail: {placeSMTP},
	serviceAPI: {placeHTTP}, serviceObserverIn: {placeObserverIn, placeObserverGRPC},
}

// all is asked for in each period of each observer.
func (t *totals) all() []observer.Total {
	places := map[string]telemetry.Place{}
	for _, p := range t.tracker.Places() {
		places[p.Name] = p
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]observer.Total, 0, len(placesOf)+len(t.experiments))
	for service, names := range placesOf {
		sum, used := observer.Stats{}, false
		for _, name := range names {
			if p, there := places[name]; there {
				used = true
				addPlace(&sum, &p)
			}
		}
		if used {
			all = append(all, observer.Total{Subject: observer.Service(service), Stats: sum})
		}
	}
	for name, x := range t.experiments {
		all = append(all, observer.Total{Subject: observer.Client(serviceLab, name), Stats: x.Stats})
	}
	return all
}

func addPlace(sum *observer.Stats, p *telemetry.Place) {
	sum.TotalConns += p.Established
	sum.CurrentConns += p.Open
	sum.InputBytes += p.ReadBytes
	sum.OutputBytes += p.WrittenBytes
	sum.TotalErrs += p.AcceptErrors
	for _, n := range p.Failed {
		sum.TotalErrs += n
	}
}

// look takes in what an experiment's connections have carried by now.
func (t *totals) look(r *health.Report) {
	t.mu.Lock()
	defer t.mu.Unlock()
	x := t.experiments[r.Name]
	if x == nil {
		x = &experimentTotals{streams: map[string]*streamTotals{}}
		t.experiments[r.Name] = x
	}
	x.CurrentConns = 0
	for i := range r.Streams {
		if c := r.Streams[i].Conn; c != nil {
			x.CurrentConns++
			x.add(r.Streams[i].Topic, c, r.LastCheckedStreams)
		}
	}
	if len(x.streams) > 2*len(r.Streams)+maxPastStreams { // somebody makes up names
		maps.DeleteFunc(x.streams, func(topic string, _ *streamTotals) bool {
			return !slices.ContainsFunc(r.Streams, func(s health.StreamReport) bool { return s.Topic == topic })
		})
	}
}

// add counts what is new of a connection. Relay gives means over its life: what they
// come to is never counted twice, and where it falls nothing is.
func (x *experimentTotals) add(topic string, c *health.Conn, at time.Time) {
	s := x.streams[topic]
	if s == nil || !s.connected.Equal(c.ConnectedAt) {
		s = &streamTotals{connected: c.ConnectedAt}
		x.streams[topic] = s
		x.TotalConns++
	}
	if !c.StatsKnown {
		return
	}
	age := at.Sub(c.ConnectedAt)
	in, out := carried(c.Tx, age), carried(c.Rx, age)
	x.InputBytes = sum(x.InputBytes, in-min(in, s.in))
	x.OutputBytes = sum(x.OutputBytes, out-min(out, s.out))
	s.in, s.out = max(in, s.in), max(out, s.out)
}

// sum adds up to the largest number that there is: a total never falls.
func sum(a, b uint64) uint64 {
	if both := a + b; both >= a {
		return both
	}
	return math.MaxUint64
}

// carried is how many bytes one direction of a connection has carried by its age.
func carried(t health.Traffic, age time.Duration) uint64 {
	const most = 1 << 62 // beyond it somebody's figures are rubbish
	bytes := t.Size * t.FPS * age.Seconds()
	if t.Never || !(bytes > 0 && bytes < most) { // also what is no number
		return 0
	}
	return uint64(bytes)
}

// fault counts that an experiment has become unwell.
func (t *totals) fault(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if x := t.experiments[name]; x != nil {
		x.TotalErrs++
	}
}

// forget lets go of an experiment that is watched no more.
func (t *totals) forget(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.experiments, name)
}
