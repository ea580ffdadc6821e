package health

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// resource is what the engine remembers of one bookable resource.
type resource struct {
	Resource
	of *experiment

	known     bool // book has said
	available bool
	reason    string
	readAt    time.Time

	wanted   Want      // asked of book and not confirmed yet; empty: nothing
	askedAt  time.Time // when
	words    string    // the reason given with the latest wish
	passing  bool      // it was asked because of maintenance
	declined bool      // book has said the opposite since
}

// manifest takes in the complete list of what book offers.
func (e *Engine) manifest(in Manifest) {
	e.bookAnswered(in.At)
	if len(in.Resources) == 0 && len(e.resources) > 0 {
		e.emptyManifests++
		if e.emptyManifests < 2 {
			e.note(Warn, "book's manifest is empty: the last one stands until it has been empty twice", "", Book)
			return
		}
	}
	e.emptyManifests = 0
	e.book.lastManifest = in.At
	e.believe(in.Resources, in.At)
}

// believe makes the given resources the ones that there are.
func (e *Engine) believe(list []Resource, at time.Time) {
	before := e.resources
	e.resources = make(map[string]*resource, len(list))
	for _, x := range e.order {
		x.resources = nil
	}
	for _, given := range list {
		r := before[given.Name]
		if r == nil {
			r = &resource{}
		}
		x := e.experiment(given.Stub)
		x.lastManifest, x.stale = at, true
		if !sameResource(r.Resource, given) {
			e.systemUnsaved = true
		}
		if r.of != nil && r.of != x && r.wanted != "" {
			e.ask(r, Leave, "") // it was about another experiment
		}
		r.Resource, r.of = given, x
		x.resources = append(x.resources, r)
		e.resources[given.Name] = r
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if e.resources[name] == nil {
			e.systemUnsaved = true
			if before[name].wanted != "" {
				e.d.Wishes = append(e.d.Wishes, Wish{Resource: name, Want: Leave})
			}
		}
	}
	for _, x := range e.order {
		e.require(x)
	}
	e.touched = true
}

func sameResource(a, b Resource) bool {
	return a.Name == b.Name && a.Stub == b.Stub && slices.Equal(a.Required, b.Required)
}

// require makes the experiment's required streams the union of what its
// resources require. A stream that nobody requires any more, and that isn't
// connected either, is dropped at the next relay frame.
func (e *Engine) require(x *experiment) {
	slices.SortFunc(x.resources, func(a, b *resource) int { return strings.Compare(a.Name, b.Name) })
	for _, s := range x.streams {
		s.required = false
	}
	for _, r := range x.resources {
		for _, topic := range r.Required {
			s := x.stream(topic)
			if s == nil {
				s = e.addStream(x, topic)
			}
			s.required = true
		}
	}
	x.stale, x.shownStreams = true, nil
}

// availability takes in what book said of one resource.
func (e *Engine) availability(in Availability) {
	e.bookAnswered(in.At)
	r := e.resources[in.Resource]
	if r == nil {
		return
	}
	r.of.stale = true
	if in.Gone {
		r.known, r.wanted = false, ""
		r.forgetHolder()
		return
	}
	r.known, r.available, r.reason, r.readAt = true, in.Available, in.Reason, in.At
	r.forgetHolder()
	// An answer that isn't what was asked for may be older than the question: the
	// wish stands until book confirms it.
	r.declined = r.wanted != "" && (r.wanted == Open) != in.Available
	if !r.declined {
		r.wanted = ""
	}
}

// held says whether a person keeps the resource unavailable, and why.
func (r *resource) held(override bool) (bool, string) {
	if !r.known || override {
		return false, ""
	}
	return PersonsHold(r.available, r.reason)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
