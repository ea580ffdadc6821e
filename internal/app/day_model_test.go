package app_test

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// truth is what is the case in the laboratory, kept by the side that gives the
// orders: who sends, who can be reached, what book's manifest holds and what
// people hold. It is written from the rules alone and asks nothing of the
// server, so that the two can disagree.
type truth struct {
	blind       bool // relay gives no statistics: whoever is connected counts as sending
	experiments map[string]*placed
	manifest    map[string]*offered
	tunnels     map[string]map[string]*passage // by stub and service; they outlive the experiment
	shelved     map[string]*offered            // the manifest while book has forgotten it; nil otherwise
	byStub      map[string][]string            // names in the manifest; nil: it has changed

	bad     map[string][]span    // by topic, tunnel, or "jump " and the stub: when it was not well
	changed map[string]time.Time // by stub: the latest change of anything about it
	listed  map[string]time.Time // by stub: the latest change of what the manifest says of it, or of its being there
	present map[string]bool      // by stub: somebody says that it is there
}

// placed is an experiment in the laboratory.
type placed struct {
	streams map[string]*wire // by topic
	host    bool
}

type wire struct {
	connected, sending bool
	since              time.Time // it connected last
}

// offered is a resource in the manifest.
type offered struct {
	stub    string
	topics  []string
	held    string    // a person's reason; empty: nobody holds it
	touched time.Time // when somebody else than the server last set it
}

// span is a time in which something was not well; to is zero while it lasts.
type span struct{ from, to time.Time }

func newTruth(blind bool) *truth {
	return &truth{
		blind: blind, experiments: map[string]*placed{}, manifest: map[string]*offered{}, tunnels: map[string]map[string]*passage{},
		bad: map[string][]span{}, changed: map[string]time.Time{}, listed: map[string]time.Time{},
		present: map[string]bool{},
	}
}

// sends says whether a topic's stream is on the air.
func (t *truth) sends(stub, topic string) bool {
	x := t.experiments[stub]
	if x == nil {
		return false
	}
	w := x.streams[topic]
	return w != nil && w.connected && (w.sending || t.blind)
}

// stubs are all that there is to watch, by either side.
func (t *truth) stubs() []string {
	all := map[string]bool{}
	for stub, x := range t.experiments {
		connected := func(w *wire) bool { return w.connected }
		if x.host || slices.ContainsFunc(slices.Collect(maps.Values(x.streams)), connected) {
			all[stub] = true
		}
	}
	for _, r := range t.manifest {
		all[r.stub] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// offers are the names of an experiment's resources in the manifest.
func (t *truth) offers(stub string) []string {
	if t.byStub == nil {
		t.byStub = map[string][]string{}
		for name, r := range t.manifest {
			t.byStub[r.stub] = append(t.byStub[r.stub], name)
		}
	}
	return t.byStub[stub]
}

// wrong lists what is not well about an experiment: topics, "jump", and tunnels.
func (t *truth) wrong(stub string) []string {
	found := map[string]bool{}
	for _, name := range t.offers(stub) {
		for _, topic := range t.manifest[name].topics {
			if !t.sends(stub, topic) {
				found[topic] = true
			}
		}
	}
	x := t.experiments[stub]
	if x == nil || !x.host {
		found["jump"] = true
	}
	if x != nil {
		for topic, w := range x.streams {
			if w.connected && !t.sends(stub, topic) {
				found[topic] = true
			}
		}
	}
	for name, p := range t.tunnels[stub] {
		if p.unwell {
			found[tunnelSubject(name)] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// open is the first table, and a person's hold.
func (t *truth) open(r *offered) bool {
	if r.held != "" {
		return false
	}
	for _, p := range t.tunnels[r.stub] {
		if p.required && p.unwell {
			return false
		}
	}
	return !slices.ContainsFunc(r.topics, func(topic string) bool { return !t.sends(r.stub, topic) })
}

// note brings the record of what was not well up to date, after an order that
// changed something about an experiment.
func (t *truth) note(stub string, now time.Time) {
	t.changed[stub] = now
	if here := slices.Contains(t.stubs(), stub); here != t.present[stub] {
		t.present[stub], t.listed[stub] = here, now
	}
	all := map[string]bool{"jump " + stub: t.experiments[stub] == nil || !t.experiments[stub].host}
	for _, name := range t.offers(stub) {
		for _, topic := range t.manifest[name].topics {
			all[topic] = !t.sends(stub, topic)
		}
	}
	if x := t.experiments[stub]; x != nil {
		for topic := range x.streams {
			all[topic] = !t.sends(stub, topic)
		}
	}
	for topic := range t.bad {
		if strings.HasPrefix(topic, stub+"-st-") {
			all[topic] = !t.sends(stub, topic)
		}
	}
	for name, p := range t.tunnels[stub] {
		all[tunnelSubject(name)] = p.unwell
	}
	for what, bad := range all {
		spans := t.bad[what]
		open := len(spans) > 0 && spans[len(spans)-1].to.IsZero()
		switch {
		case bad && !open:
			t.bad[what] = append(spans, span{from: now})
		case !bad && open:
			spans[len(spans)-1].to = now
		}
	}
}

// wasBad says whether something was not well at any moment of a time.
func (t *truth) wasBad(stub, what string, from, to time.Time) bool {
	if what == "jump" {
		what = "jump " + stub
	}
	return slices.ContainsFunc(t.bad[what], func(s span) bool {
		return !s.from.After(to) && (s.to.IsZero() || !s.to.Before(from))
	})
}

// reload: book forgets what was set, by whomever.
func (t *truth) reload(now time.Time) {
	for _, r := range t.manifest {
		r.held, r.touched = "", now
	}
}

// offer enters a resource in the manifest.
func (t *truth) offer(name string, r *offered, now time.Time) {
	r.touched = now
	into := t.manifest
	if t.shelved != nil {
		into = t.shelved
	}
	if was := into[name]; was != nil {
		t.listed[was.stub] = now
		defer t.note(was.stub, now)
	}
	into[name] = r
	t.byStub = nil
	t.listed[r.stub] = now
	t.note(r.stub, now)
}

func (t *truth) withdraw(name string, now time.Time) {
	for _, from := range []map[string]*offered{t.manifest, t.shelved} {
		if r := from[name]; r != nil {
			delete(from, name)
			t.byStub = nil
			t.listed[r.stub] = now
			t.note(r.stub, now)
		}
	}
}

// shelve and unshelve empty the manifest and bring it back.
func (t *truth) shelve(now time.Time) {
	if t.shelved != nil {
		return
	}
	t.shelved, t.manifest, t.byStub = t.manifest, map[string]*offered{}, nil
	for _, r := range t.shelved {
		t.listed[r.stub] = now
		t.note(r.stub, now)
	}
}

func (t *truth) unshelve(now time.Time) {
	if t.shelved != nil {
		t.manifest, t.shelved, t.byStub = t.shelved, nil, nil
		for _, r := range t.manifest {
			t.listed[r.stub] = now
			t.note(r.stub, now)
		}
	}
	t.reload(now)
}
