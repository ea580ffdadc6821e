package health

import (
	"slices"
	"strings"
)

// wishes compares what book should say with what it said.
func (e *Engine) wishes() {
	blind := e.relay.silent || !e.relay.seen
	for _, x := range e.order {
		if x.starting || x.leaving {
			continue
		}
		for _, r := range x.resources {
			e.wish(r, blind)
		}
	}
}

// wish asks book for what the resource should be. While relay is silent the last known
// availability stands; what maintenance wants needs no relay.
func (e *Engine) wish(r *resource, blind bool) {
	var want Want
	switch maintenance := r.of.bookings(); {
	case maintenance == BookingsClose:
		want = Close
	case maintenance == BookingsLeave || blind && r.passing: // a wish for what is over by now, too
		if r.wanted != "" {
			e.ask(r, Leave, "")
		}
		return
	case !blind:
		want = desired(r)
	}
	if want == "" || !r.known {
		return
	}
	if held, _ := r.held(e.cfg.OverrideHolds); held && want == Open {
		if r.wanted != "" {
			e.ask(r, Leave, "")
		}
		return
	}
	satisfied := (want == Open) == r.available && !(want == Close && r.outdated())
	switch {
	case r.wanted == "" && satisfied:
		return
	case r.wanted == want && (!r.declined || e.now.Sub(r.askedAt) < e.cfg.LastChecked):
		return // under way; where book took the call and said otherwise, ask again, but not at once
	}
	e.ask(r, want, reasonFor(r))
}

func (e *Engine) ask(r *resource, want Want, reason string) {
	e.d.Wishes = append(e.d.Wishes, Wish{Resource: r.Name, Want: want, Reason: reason})
	r.of.stale = true
	r.words, r.passing = reason, want == Close && r.of.bookings() == BookingsClose
	if want == Leave {
		r.wanted, r.declined = "", false
		return
	}
	r.wanted, r.askedAt, r.declined = want, e.now, false
}

// bookings is what the maintenance that the experiment is in does to its bookings;
// empty: it is in none.
func (x *experiment) bookings() Bookings {
	if x.maintenance == nil {
		return ""
	}
	return x.maintenance.Bookings
}

// ownMaintenance begins the reasons for maintenance.
const ownMaintenance = OwnReason + " maintenance until "

// outdated says that a student would read of a maintenance that is over, or lasts
// longer than it was to. Book is told once: what it makes of a reason is its own.
func (r *resource) outdated() bool {
	if r.available {
		return false
	}
	said := withoutPreamble(r.reason)
	if !strings.HasPrefix(said, ownMaintenance) {
		return false
	}
	words := reasonFor(r)
	return said != words && r.words != words
}

// desired is table one of the rules; the empty Want means: leave it as it is. A required
// tunnel of which nothing is known stops nothing.
func desired(r *resource) Want {
	want := Open
	for _, topic := range r.Required {
		s := r.of.stream(topic)
		switch {
		case r.unsteady(topic), s != nil && s.judged && !s.unknown && !s.ok:
			return Close
		case s == nil || s.unknown || !s.judged:
			want = ""
		}
	}
	if r.of.tunnelsBad == 0 && r.of.flapping.IsZero() {
		return want
	}
	for _, t := range r.of.tunnels {
		if t.required && (t.bad() || r.unsteady(unsteadyTunnel+t.name)) {
			return Close
		}
	}
	return want
}

// unsteady says that a stream, or a tunnel, keeps its resource closed because it flaps, whatever
// it is at the moment.
func (r *resource) unsteady(topic string) bool {
	return !r.of.flapping.IsZero() && slices.Contains(r.of.unsteady, topic)
}

// reasonFor words what is desired, for a student.
func reasonFor(r *resource) string {
	if m := r.of.maintenance; m != nil && m.Bookings == BookingsClose {
		return ownMaintenance + stamp(m.Until) + ": " + oneLine(m.Reason)
	}
	var faults []string
	since := r.of.firstSeen
	for _, topic := range r.Required {
		s := r.of.stream(topic)
		switch i, bad := r.of.issueOf(s); {
		case bad && !s.unknown:
			faults = append(faults, i.String()+" since "+stamp(i.Since))
		case r.unsteady(topic):
			faults = append(faults, "unsteady "+topic+" since "+stamp(r.of.flapping))
		case s != nil && s.since.After(since):
			since = s.since
		}
	}
	of := "streams"
	for _, t := range r.of.tunnels {
		if !t.required {
			continue
		}
		of = "streams and tunnels"
		switch i, bad := t.issue(); {
		case bad:
			faults = append(faults, i.String()+" since "+stamp(i.Since))
		case r.unsteady(unsteadyTunnel + t.name):
			faults = append(faults, "unsteady "+unsteadyTunnel+t.name+" since "+stamp(r.of.flapping))
		case t.judged && t.okSince.After(since):
			since = t.okSince
		}
	}
	switch {
	case len(faults) > 3:
		return OwnReason + " " + strings.Join(faults[:3], "; ") + "; and more"
	case len(faults) > 0:
		return OwnReason + " " + strings.Join(faults, "; ")
	}
	return OwnReason + " all required " + of + " ok since " + stamp(since)
}
