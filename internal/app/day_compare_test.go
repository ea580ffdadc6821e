package app_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"labstatus/internal/health"
	"labstatus/internal/lab"
)

// After these times with nothing new, what the server must know and have done is
// determined by the rules.
func (c climate) streamBound() time.Duration {
	return c.lastActive + time.Duration(2+2*c.confirm)*c.relayEvery + c.groupWait + 5*time.Second
}

func (c climate) jumpBound() time.Duration {
	return max(c.lastChecked, 2*time.Minute, 5*c.jumpEvery/2) + 3*c.jumpEvery + c.groupWait + 5*time.Second
}

// sourceBound: a reconnection, a first frame, and the time to settle. Who was
// refused in silence waits for its patience.
func (c climate) sourceBound() time.Duration {
	return c.startup + 3*max(c.relayEvery, c.jumpEvery) + 40*time.Second + 3*time.Minute
}

// manifestBound: an empty one has to be read twice, and what is new has its grace.
func (c climate) manifestBound() time.Duration {
	return 2*c.queryEvery + c.startup + 3*c.relayEvery + 90*time.Second
}

func (c climate) bookBound() time.Duration { return c.queryEvery + 90*time.Second }

const mailBound = 70 * time.Second

// apiReport is what the comparison reads of an experiment's report.
type apiReport struct {
	TopicName string `json:"topic_name"`
	State     string
	Healthy   bool
	JumpOK    bool `json:"jump_ok"`
	Issues    []string
	Resources []apiResource
}

type apiResource struct {
	Name      string
	Available bool
	Known     bool `json:"availability_known"`
	Held      bool
}

// compare checks everything that is determined now.
func (d *day) compare() {
	d.takeEvents()
	d.takeMails()
	d.takeCalls()
	d.saysOfStore()
	d.tunnelsAreTrue()
	sources := min(d.well(lab.Relay), d.well(lab.Jump)) - d.sourceBound()
	if sources <= 0 {
		return
	}
	said := d.says()
	for _, stub := range d.truth.stubs() {
		stable := min(sources, time.Since(d.truth.changed[stub])-max(d.streamBound(), d.jumpBound()))
		if stable <= 0 || !d.believed(stub) || !d.author.flapping[stub].IsZero() {
			continue
		}
		d.isTrue(stub, said(stub), stable)
	}
}

// says is what the server says of experiments: now and then as the API words it, and else
// as it has it in memory, which costs a fiftieth.
func (d *day) says() func(stub string) apiReport {
	if d.passes++; d.passes%20 == 0 {
		var all []apiReport
		d.get("/api/v1/experiments", &all)
		return func(stub string) apiReport {
			n := slices.IndexFunc(all, func(r apiReport) bool { return r.TopicName == stub })
			if n < 0 {
				return apiReport{}
			}
			return all[n]
		}
	}
	snapshot := d.app.Snapshot()
	return func(stub string) apiReport {
		r := snapshot.Find(stub)
		if r == nil {
			return apiReport{}
		}
		said := apiReport{TopicName: r.Name, State: string(r.State), Healthy: r.Healthy, JumpOK: r.JumpOK, Resources: make([]apiResource, 0, len(r.Resources))}
		for _, i := range r.Issues {
			said.Issues = append(said.Issues, i.String())
		}
		for _, res := range r.Resources {
			said.Resources = append(said.Resources, apiResource{res.Name, res.Available, res.Known, res.Held})
		}
		return said
	}
}

// believed says whether the server must have read what the manifest says of an
// experiment now.
func (d *day) believed(stub string) bool {
	since := time.Since(d.truth.listed[stub])
	return d.well(lab.Book) > d.manifestBound() && since > d.manifestBound()
}

// isTrue compares what is said of one experiment, and its bookings; all about it
// has been determined for some time.
func (d *day) isTrue(stub string, r apiReport, stable time.Duration) {
	d.t.Helper()
	d.counts(&d.states)
	wrong, state := d.truth.wrong(stub), "healthy"
	if len(wrong) > 0 {
		state = "unhealthy"
	}
	if said := inWords(r.Issues); !slices.Equal(said, wrong) || r.Healthy != (len(wrong) == 0) || r.State != state {
		d.errorf("the API says of %s: %s, healthy=%t, issues %q; wrong is %q", stub, r.State, r.Healthy, r.Issues, wrong)
	}
	if n := len(d.author.history[stub]); n > 0 && !d.author.forgotten[stub] && !slices.Equal(d.author.history[stub][n-1].issues, wrong) {
		d.errorf("the latest event of %s is %v; wrong is %q", stub, d.author.history[stub][n-1], wrong)
	} else if (n == 0 || d.author.forgotten[stub]) && len(wrong) > 0 {
		d.errorf("%s has no event; wrong is %q", stub, wrong)
	}
	if min(d.wellTold(), stable, d.unhushed(stub)) > mailBound {
		for who, reader := range d.readers {
			if knows := reader.about(stub); !reader.blurred && !slices.Equal(knows, wrong) {
				d.errorf("%s believes that %q is wrong with %s, and it is %q", who, knows, stub, wrong)
			}
		}
	}
	closed, edge := d.closed(stub)
	edge = min(edge, time.Since(d.author.steady[stub])) // what flapped was kept closed
	for _, name := range d.truth.offers(stub) {
		res := d.truth.manifest[name]
		if min(d.well(lab.Book), time.Since(res.touched), edge) > d.bookBound() && stable > time.Minute {
			d.counts(&d.bookings)
			d.isBooked(name, res, r, closed)
		}
	}
}

func (d *day) isBooked(name string, res *offered, r apiReport, closed bool) {
	d.t.Helper()
	available, reason, known := d.lab.Availability(name)
	d.closing = d.closing || d.agreeing && fault.MatchString(strings.TrimPrefix(reason, "unavailable because status server: "))
	if want := d.truth.open(res) && !closed; !known || available != want || !strings.Contains(reason, res.held) {
		d.errorf("%s is open=%t (%s); it should be %t, held %q", name, available, reason, want, res.held)
	}
	for _, said := range r.Resources {
		if said.Name == name && (!said.Known || said.Available != available || said.Held != (res.held != "")) {
			d.errorf("the API says of %s: %+v; book says %t, held %q", name, said, available, res.held)
		}
	}
}

func (d *day) errorf(format string, args ...any) {
	d.t.Helper()
	d.t.Errorf(time.Now().UTC().Format("15:04:05 ")+format, args...)
}

func (d *day) takeEvents() {
	d.seenMu.Lock()
	seen := d.seen
	d.seen = nil
	d.seenMu.Unlock()
	for _, decision := range seen {
		for _, e := range decision.Events {
			d.noFalseEvent(e)
		}
		d.author.decided(decision, d.flapWindow)
	}
}

// takeMails lets everybody read what has arrived for them.
func (d *day) takeMails() {
	mails := d.lab.Mails()
	if len(mails) == 5000 {
		d.t.Fatal("more mails than the lab keeps: take a shorter day")
	}
	if d.wellTold() < mailBound {
		return // they come in together
	}
	arrived := slices.Clone(mails[d.readMails:])
	if d.longWithoutMail {
		// A mail that has broken many sessions may be what the server chokes on, and
		// others may overtake it then.
		slices.SortStableFunc(arrived, func(a, b lab.ReceivedMail) int { return stampOf(a).Compare(stampOf(b)) })
	}
	d.longWithoutMail = false
	for _, m := range arrived {
		if m.Answer != "" && !m.Accepted() {
			continue
		}
		l, err := read(m.Text)
		if err != nil {
			d.errorf("%s: %v\n%s", m.Subject, err, m.Text)
			continue
		}
		fresh := !slices.ContainsFunc(slices.Collect(maps.Values(d.readers)), func(r *reader) bool { return r.seen[m.MessageID] != "" })
		for _, to := range m.To {
			r := d.readers[to]
			if r == nil {
				if to != goneRecipient {
					d.errorf("a mail to %s", to)
				}
				continue
			}
			if err := r.reads(m.MessageID, string(m.Raw), l, func(t told) bool { return d.untold(l.at, t.who) || d.connects(l.at, t) }); err != nil {
				d.errorf("%s reads %q of %s: %v\n%s", to, m.Subject, l.at.UTC().Format(time.TimeOnly), err, m.Text)
			}
		}
		if fresh {
			d.author.mailed(l, d.flapWindow)
			d.noFalseAlarm(l)
			d.nothingHushed(l)
		}
	}
	d.readMails = len(mails)
}

// wellTold is for how long nothing has kept mails from going out.
func (d *day) wellTold() time.Duration { return min(d.well(lab.Mail), d.well(dayStore)) }

func stampOf(m lab.ReceivedMail) time.Time {
	l, err := read(m.Text)
	if err != nil {
		return m.At
	}
	return l.at
}

// reportSlack is for how long a report may still speak of what is over.
func (c climate) reportSlack() time.Duration {
	return time.Duration(1+c.confirm)*max(c.relayEvery, c.jumpEvery) + 3*time.Second
}

// reported is the earliest moment of which a report that is heard at a given one speaks.
// Where its source has failed since, that is just before it did: what was reported last
// stands until the source is silent, and the end of a grace tells it.
func (d *day) reported(at time.Time, source string, slack time.Duration) time.Time {
	first := at.Add(-slack)
	for _, s := range d.illness[source] {
		failing := s.from.Before(at.Add(time.Second)) && (s.to.IsZero() || s.to.After(at.Add(-slack)))
		if before := later(s.from, at.Add(-d.lastChecked)).Add(-slack); failing && before.Before(first) {
			first = before
		}
	}
	return first
}

// noFalseEvent: what an event says to be wrong newly was so just before, and what it says
// no more was not so all the time that it takes to be noticed.
func (d *day) noFalseEvent(e health.Event) {
	is, was := inWords(e.Issues), d.author.last(e.Experiment)
	for _, what := range is {
		if !slices.Contains(was, what) && !d.truth.wasBad(e.Experiment, what, d.reported(e.When, sourceOf(what), d.reportSlack()), e.When) {
			d.errorf("a false event at %s: %s of %s was well", e.When.UTC().Format("15:04:05.000"), what, e.Experiment)
		}
	}
	for _, what := range was {
		if !slices.Contains(is, what) && d.lasts(e.Experiment, what, e.When) {
			d.errorf("a false event at %s: %s of %s was not well", e.When.UTC().Format("15:04:05.000"), what, e.Experiment)
		}
	}
}

// lasts says that something has not been well until a moment, for so long that nobody may
// take it for over. The absence of a stream that nobody requires is no fault.
func (d *day) lasts(stub, what string, at time.Time) bool {
	noticed, source := d.streamNoticed(), sourceOf(what)
	switch source {
	case lab.Jump:
		noticed = d.jumpBound()
	case "":
		noticed = d.tunnelBound()
	default:
		required := slices.ContainsFunc(d.truth.offers(stub), func(name string) bool { return slices.Contains(d.truth.manifest[name].topics, what) })
		if !required || !d.believedAt(stub, at) {
			return false
		}
	}
	return d.truth.allBad(stub, what, d.back(at, noticed, source), at)
}

// noFalseAlarm: what is told to be wrong was so just before.
func (d *day) noFalseAlarm(l letter) {
	until := l.at.Add(time.Second)
	for _, t := range l.news {
		switch {
		case t.who == "":
			ill := slices.ContainsFunc(d.illness[t.what], func(s span) bool {
				return !s.from.After(until) && (s.to.IsZero() || !s.to.Before(l.at.Add(-6*time.Minute)))
			})
			if !ill {
				d.errorf("a false alarm at %s: %s was well", l.at.UTC().Format(time.TimeOnly), t.what)
			}
		case t.what == "flapping":
		case !d.truth.wasBad(t.who, t.what, d.reported(l.at, sourceOf(t.what), d.reportSlack()+d.groupWait), until):
			d.errorf("a false alarm at %s: %s was well", l.at.UTC().Format(time.TimeOnly), t)
		}
	}
}

// sourceOf is who reports a thing; tunnels hang on none that can be ill.
func sourceOf(what string) string {
	switch {
	case what == "jump":
		return lab.Jump
	case strings.HasPrefix(what, tunnelSubject("")):
		return ""
	}
	return lab.Relay
}

// connects says whether a stream connects about a moment: until it has been seen to send,
// or for too long not to, nothing is known of it.
func (d *day) connects(at time.Time, t told) bool {
	x := d.truth.experiments[t.who]
	if x == nil || x.streams[t.what] == nil {
		return false
	}
	return x.streams[t.what].since.Sub(at).Abs() < d.lastActive+2*d.relayEvery
}

// untold says whether news of an experiment may be kept back at a moment.
func (d *day) untold(at time.Time, who string) bool { return d.inDoubt(at) || d.hushedAt(who, at) }

// inDoubt says whether a source had not settled at a moment.
func (d *day) inDoubt(at time.Time) bool {
	for _, name := range []string{lab.Relay, lab.Jump} {
		for _, s := range slices.Concat(d.illness[name], d.pauses) {
			if !s.from.After(at) && (s.to.IsZero() || at.Sub(s.to) < d.sourceBound()) {
				return true
			}
		}
	}
	return false
}

// counts counts a comparison, unless it is one that a quiet point ends with: were no other
// ever made, nothing else would show it.
func (d *day) counts(n *int) {
	if !d.agreeing {
		*n++
	}
}

// quiet mends every service and waits until everything has settled: then all is
// determined, and all must agree.
func (d *day) quiet() {
	for _, name := range []string{lab.Relay, lab.Jump, lab.Book, lab.Mail} {
		d.mend(name)
	}
	if d.ill[dayStore] {
		d.mendStore()
	}
	d.unhush()
	d.must(d.lab.Feed(lab.Relay).Fragment(0), d.lab.Feed(lab.Jump).Fragment(0))
	// Sources and manifest settle beside each other, and so do mail and bookings.
	settle := max(d.manifestBound(), d.sourceBound()) + max(d.streamBound(), d.jumpBound()) + d.flapWindow + max(mailBound, d.bookBound())
	for range 5 {
		d.pass(settle / 5)
	}
	d.did("quiet: everything must agree")
	d.agree()
	if d.t.Failed() {
		d.t.FailNow()
	}
}

func (d *day) agree() {
	d.agreeing = true
	defer func() { d.agreeing, d.agreed = false, time.Now() }()
	d.offering = d.offering || len(d.truth.manifest) > 0
	var reports []apiReport
	d.get("/api/v1/experiments", &reports)
	stubs, total := d.truth.stubs(), 0
	names := []string{}
	for _, r := range reports {
		names = append(names, r.TopicName)
	}
	if !slices.Equal(names, stubs) {
		d.errorf("the API knows %q; there are %q", names, stubs)
		return
	}
	d.refusedForGood()
	for stub := range d.covered {
		d.author.covered(stub, d.flapWindow)
	}
	for i, stub := range stubs {
		if since, still := d.author.flapping[stub]; still {
			d.errorf("%s is flapping since %s, and nobody was told that it is steady", stub, since.UTC().Format(time.TimeOnly))
		}
		d.isTrue(stub, reports[i], time.Hour)
		total += len(d.truth.wrong(stub))
		d.sameHistory(stub)
	}
	for who, r := range d.readers {
		if r.blurred { // from here on it is known again what it has been told
			r.blurred, r.knows = false, map[told]bool{}
			for _, stub := range stubs {
				for _, what := range d.truth.wrong(stub) {
					r.knows[told{who: stub, what: what}] = true
				}
			}
		}
		if len(r.knows) != total {
			d.errorf("%s believes in %d problems, and there are %d: %v", who, len(r.knows), total, slices.Collect(maps.Keys(r.knows)))
		}
	}
	if code := d.get("/readyz", nil); code != http.StatusOK {
		d.errorf("readyz is %d", code)
	}
	var system struct {
		Issues []any
		Book   struct{ Pending int }
		Mail   struct{ Queued int }
		Store  struct{ Pending int }
	}
	d.get("/api/v1/system", &system)
	if len(system.Issues)+system.Book.Pending+system.Mail.Queued+system.Store.Pending > 0 {
		d.errorf("all is quiet, and the system says %+v", system)
	}
	for _, err := range d.author.join(d.flapWindow, d.groupWait == 0, d.untold) {
		d.errorf("%v", err)
	}
	for stub := range d.covered {
		delete(d.author.silenced, stub)
		delete(d.author.kept, stub)
	}
	clear(d.covered)
}

// sameHistory: the API has every event, as it was decided.
func (d *day) sameHistory(stub string) {
	var events []struct {
		When   time.Time
		Issues []string
	}
	d.get("/api/v1/experiments/events/"+stub, &events)
	want := d.author.history[stub]
	want = want[max(0, len(want)-eventsKept):]
	if len(events) != len(want) {
		d.errorf("the API has %d events of %s, %d were decided", len(events), stub, len(want))
		return
	}
	for i, e := range events {
		if !slices.Equal(inWords(e.Issues), want[i].issues) || e.When.Sub(want[i].when).Abs() > time.Millisecond {
			d.errorf("event %d of %s is %+v, decided was %+v", i, stub, e, want[i])
		}
	}
}
