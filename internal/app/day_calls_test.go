package app_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"labstatus/internal/lab"
)

// Every write to book is judged as of its own moment. Comparing bookings once all about
// them has been stable for minutes shows what they come to, and not one that was closed or
// opened wrongly for a minute.

// takeCalls: nobody's hold is touched, every reason is ours, what maintenance leaves as
// it is isn't written, and what is written was right. What came at the moment of the
// comparison before is judged again: not all of it was there.
func (d *day) takeCalls() {
	for _, c := range d.lab.CallsSince(d.lastCall.Add(-1)) {
		if c.Method != http.MethodPut {
			continue
		}
		if strings.HasSuffix(c.Reason, " (anna)") {
			continue // a hold through the API
		}
		words, ours := strings.CutPrefix(c.Reason, "status server: ")
		if !ours {
			d.errorf("%s is written with the reason %q", c.Resource, c.Reason)
		}
		r := d.truth.manifest[c.Resource]
		if r == nil {
			continue
		}
		if r.held != "" && c.At.After(r.touched.Add(time.Second)) {
			d.errorf("%s is written at %s though somebody holds it: %s", c.Resource, c.At.UTC().Format(time.TimeOnly), r.held)
		}
		// What anna gives back is written for her.
		if c.At.After(r.touched) && d.leftAlone(r.stub, c.At) {
			d.errorf("%s is written at %s though maintenance leaves it as it is", c.Resource, c.At.UTC().Format(time.TimeOnly))
		}
		var why string
		switch {
		case words == "given back by anna, its streams decide":
			continue
		case c.Available == "true":
			why = d.mustNotOpen(r, words, c.At)
		case c.Available == "false":
			why = d.mustNotClose(r, words, c.At)
		default:
			why = "that is neither open nor closed"
		}
		if d.counts(&d.writes); why != "" {
			d.errorf("%s is set to available=%s at %s (%s): %s", c.Resource, c.Available, c.At.UTC().Format("15:04:05.000"), c.Reason, why)
		}
	}
	d.lastCall = time.Now()
}

// mustNotOpen says what speaks against having opened a resource at a moment; empty:
// nothing does. Something that it requires was not well all the time that it takes to be
// noticed, or flaps, or maintenance closes it.
func (d *day) mustNotOpen(r *offered, words string, at time.Time) string {
	if !strings.HasPrefix(words, "all required ") {
		return "that is no reason to open it"
	}
	if !d.believedAt(r.stub, at) {
		return "" // it may be opened by what it required before
	}
	for _, h := range d.hushes[r.stub] {
		if h.closes && h.from.Before(d.back(at, onItsWay, lab.Book)) && at.Before(h.to) && d.truth.listed[r.stub].Before(h.from) {
			return "maintenance closes it"
		}
	}
	for _, what := range d.truth.requiredBy(r) {
		noticed := d.streamNoticed()
		if sourceOf(what) == "" {
			noticed = d.tunnelBound()
		}
		if d.truth.allBad(r.stub, what, d.back(at, noticed+onItsWay, lab.Relay, lab.Book), at) {
			return what + " has not been well for long"
		}
		if d.author.unsteady(r.stub, what, d.back(at, onItsWay, lab.Book), at, d.flapWindow) {
			return what + " flaps"
		}
	}
	return ""
}

// fault is one of the reasons for which we close.
var fault = regexp.MustCompile(`^(missing required|unhealthy|missing|unsteady) ((?:tunnel )?\S+) since (\S+)$`)

// mustNotClose says what speaks against having closed a resource for what was said; empty:
// nothing does. What the reason names was not well just before, and the resource needs it.
func (d *day) mustNotClose(r *offered, words string, at time.Time) string {
	if strings.HasPrefix(words, "maintenance until ") {
		from := d.back(at, onItsWay, lab.Book)
		if !slices.ContainsFunc(d.hushes[r.stub], func(h hush) bool { return h.closes && !h.from.After(at) && !h.to.Before(from) }) {
			return "there is no maintenance that closes it"
		}
		return ""
	}
	from := d.back(at, d.reportSlack()+onItsWay, lab.Relay, lab.Book)
	for part := range strings.SplitSeq(strings.TrimSuffix(words, "; and more"), "; ") {
		m := fault.FindStringSubmatch(part)
		if m == nil {
			return "nobody understands that"
		}
		what := m[2]
		since, err := time.Parse(time.RFC3339, m[3])
		switch {
		case err != nil:
			return err.Error()
		case d.believedAt(r.stub, at) && !slices.Contains(d.truth.requiredBy(r), what):
			return "it doesn't need " + what
		case m[1] != "unsteady" && !d.truth.wasBad(r.stub, what, from, at):
			return what + " was well"
		case m[1] == "unsteady" && d.author.changesUntil(r.stub, since.Add(time.Second), d.flapWindow+time.Second) < flapEvents:
			return "it did not flap"
		}
	}
	return ""
}

// onItsWay is what a write that has been decided may take while all is well: book is asked
// before it is told.
const onItsWay = 10 * time.Second

// streamNoticed is after what time relay's reports must have shown that a stream isn't
// well.
func (c climate) streamNoticed() time.Duration {
	return c.lastActive + time.Duration(1+c.confirm)*c.relayEvery + 3*time.Second
}

// back is the earliest moment that something at a given one may speak of: so much before
// it; and where a part through which it came failed meanwhile, or the server saw nothing,
// so much before that. After a failure what was last reported stands until its source is
// silent for too long, and a write waits for its next attempt.
func (d *day) back(at time.Time, slack time.Duration, parts ...string) time.Time {
	after := max(d.lastChecked, 5*d.relayEvery/2) + 35*time.Second
	faults := d.pauses
	for _, name := range parts {
		faults = slices.Concat(faults, d.illness[name])
	}
	first := at.Add(-slack)
	for moved := true; moved; {
		moved = false
		for _, s := range faults {
			before := s.from.Add(-slack)
			if s.from.Before(at) && (s.to.IsZero() || s.to.Add(after).After(first)) && before.Before(first) {
				first, moved = before, true
			}
		}
	}
	return first
}

// believedAt says whether the server knew at a moment what the manifest says of an
// experiment now: it has since the latest quiet point, or nothing has kept it from reading
// it.
func (d *day) believedAt(stub string, at time.Time) bool {
	listed := d.truth.listed[stub]
	return listed.Before(d.agreed) ||
		at.Sub(listed) > d.manifestBound() && !slices.ContainsFunc(slices.Concat(d.pauses, d.illness[lab.Book]), func(s span) bool {
			return !s.from.After(at) && (s.to.IsZero() || at.Sub(s.to) < d.manifestBound())
		})
}

// requiredBy is all that a resource can't be booked without.
func (t *truth) requiredBy(r *offered) []string {
	all := slices.Clone(r.topics)
	for name, p := range t.tunnels[r.stub] {
		if p.required {
			all = append(all, tunnelSubject(name))
		}
	}
	slices.Sort(all)
	return all
}

// allBad says whether something was well at no moment of a time: that it is so again from
// the last one on is enough, as a tunnel's word is heard at once.
func (t *truth) allBad(stub, what string, from, to time.Time) bool {
	if what == "jump" {
		what = "jump " + stub
	}
	return slices.ContainsFunc(t.bad[what], func(s span) bool {
		return !s.from.After(from) && (s.to.IsZero() || s.to.After(to))
	})
}

// changesUntil is how many events there were in a window that ends with a moment.
func (l *ledgerOfEvents) changesUntil(who string, at time.Time, window time.Duration) (n int) {
	for _, e := range l.history[who] {
		if !e.when.After(at) && at.Sub(e.when) <= window {
			n++
		}
	}
	return n
}

// unsteady says whether an experiment flapped by something from before a time until its
// end. Where mails are late it may have been found steady and nobody knows yet.
func (l *ledgerOfEvents) unsteady(who, what string, from, to time.Time, window time.Duration) bool {
	since := l.flapping[who]
	if since.IsZero() || !since.Before(from) {
		return false
	}
	by, latest, was := false, since, []string(nil)
	for i, e := range l.history[who] {
		if e.when.After(to) {
			break
		}
		if e.when.After(latest) {
			if e.when.Sub(latest) > window-time.Second {
				return false
			}
			latest = e.when
		}
		if i > 0 && since.Sub(e.when) < window && e.when.Before(from) {
			by = by || slices.Contains(was, what) != slices.Contains(e.issues, what)
		}
		was = e.issues
	}
	return by && to.Sub(latest) < window-time.Second
}
