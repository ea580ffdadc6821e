package observer

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var t0 = time.Date(2026, 11, 21, 5, 0, 0, 0, time.UTC)

func change(s Subject, state State, at time.Time) KeptEvent {
	return KeptEvent{at, Event{Subject: s, Type: TypeStatus, Status: &ServiceStatus{State: state}}}
}

func total(s Subject, in, out uint64) Total { return Total{s, Stats{InputBytes: in, OutputBytes: out}} }

// lines gives what is sealed, an event a line.
func lines(b *backlog) (all []string) {
	for _, r := range b.reports {
		for _, e := range r.Events {
			all = append(all, line(e))
		}
	}
	return all
}

func line(e Event) string {
	name := e.Service
	if e.Client != "" {
		name += "/" + e.Client
	}
	if e.Status != nil {
		return name + " " + string(e.Status.State)
	}
	return fmt.Sprintf("%s %d %d", name, e.Stats.InputBytes, e.Stats.OutputBytes)
}

func expect(t *testing.T, b *backlog, want ...string) {
	t.Helper()
	if got := lines(b); !slices.Equal(got, want) {
		t.Errorf("sealed are %q, want %q", got, want)
	}
}

func acknowledgeAll(b *backlog) {
	for len(b.reports) > 0 {
		b.acknowledged(b.reports[0].Key)
	}
}

func TestOnlyNewsIsTold(t *testing.T) {
	t.Parallel()
	relay, video := Service("relay"), Client("relay", "pend00")
	b := newBacklog(false)
	b.tell(change(relay, Running, t0))
	b.tell(change(relay, Ready, t0))
	b.seal([]Total{total(relay, 10, 20), total(video, 0, 0)}, t0)
	expect(t, b, "relay running", "relay ready", "relay 10 20")
	if len(b.reports) != 1 {
		t.Errorf("%d reports for three events", len(b.reports))
	}
	acknowledgeAll(b)
	b.seal([]Total{total(relay, 10, 20), total(video, 0, 0)}, t0)
	expect(t, b)
	b.seal([]Total{total(relay, 10, 20), total(video, 0, 1)}, t0)
	expect(t, b, "relay/pend00 0 1")
}

func TestIncrementsAreThoseSinceTheReportBefore(t *testing.T) {
	t.Parallel()
	relay := Service("relay")
	b := newBacklog(true)
	b.seal([]Total{total(relay, 10, 20)}, t0)
	expect(t, b, "relay 10 20")
	acknowledgeAll(b)
	b.seal([]Total{total(relay, 15, 20)}, t0)
	expect(t, b, "relay 5 0")
	acknowledgeAll(b)
	b.seal([]Total{total(relay, 3, 21)}, t0) // it was counted anew
	expect(t, b, "relay 3 1")
}

func TestWhatFailedIsToldAgainInOrder(t *testing.T) {
	t.Parallel()
	relay := Service("relay")
	b := newBacklog(true)
	b.tell(change(relay, Ready, t0))
	b.seal([]Total{total(relay, 10, 0)}, t0)
	first := b.reports[0].Key
	b.tell(change(relay, Failed, t0))
	expect(t, b, "relay ready", "relay 10 0") // as it was sent, under its key
	if b.reports[0].Key != first {
		t.Error("the report has another key")
	}
	b.acknowledged("another") // not ours
	b.acknowledged(first)
	b.seal([]Total{total(relay, 12, 0)}, t0)
	expect(t, b, "relay failed", "relay 2 0")
	if k, ok := readKey(b.reports[0].Key); !ok || k.seq != 2 || k.life != b.life {
		t.Errorf("the next key is %q", b.reports[0].Key)
	}
}

func TestAReportIsNeverTooLarge(t *testing.T) {
	t.Parallel()
	b := newBacklog(false)
	var totals []Total
	for n := range 3_000 {
		totals = append(totals, total(Client(strings.Repeat("\x01", 100), fmt.Sprint(strings.Repeat("\x02", 100), n)), 1, 1))
	}
	b.seal(totals, t0)
	events := 0
	for _, r := range b.reports {
		body, err := encodeJSON(r.Events)
		if err != nil || len(body) > maxBody {
			t.Fatalf("a report of %d bytes, %v", len(body), err)
		}
		events += len(r.Events)
	}
	if events != len(totals) || len(b.reports) < 3 {
		t.Errorf("%d events in %d reports", events, len(b.reports))
	}
}

// Many changes while an observer is away: what is lost is what later ones have
// overtaken, never how things are.
func TestTooManyChanges(t *testing.T) {
	t.Parallel()
	b := newBacklog(false)
	b.tell(change(Service("quiet"), Ready, t0))
	for n := range 2 * maxWaiting {
		state := Ready
		if n%2 == 0 {
			state = Failed
		}
		b.tell(change(Service("loud"), state, t0))
	}
	if len(b.waiting) > maxWaiting || b.dropped < maxWaiting {
		t.Errorf("%d wait, %d were dropped", len(b.waiting), b.dropped)
	}
	b.seal(nil, t0)
	got := lines(b)
	if !slices.Contains(got, "quiet ready") || got[len(got)-1] != "loud ready" {
		t.Errorf("it ends with %q, and has the quiet one: %v", got[len(got)-1], slices.Contains(got, "quiet ready"))
	}
}

// How each subject that there is is now is never lost, nor, where there is room for
// it, that it has begun.
func TestManyChangesOfManySubjects(t *testing.T) {
	t.Parallel()
	b := newBacklog(false)
	const most = maxPresent / 5
	numbered := make([]Subject, maxPresent+most)
	for n := range numbered {
		numbered[n] = Service(fmt.Sprint("s", n))
	}
	tell := func(from, to int, states ...State) {
		for n := from; n < to; n++ {
			for _, state := range states {
				b.tell(change(numbered[n], state, t0))
			}
		}
	}
	count := func() (subjects map[Subject]State, running int) {
		subjects = map[Subject]State{}
		for _, w := range b.waiting {
			subjects[w.Event.Subject] = w.Event.Status.State
			if w.Event.Status.State == Running {
				running++
			}
		}
		return subjects, running
	}
	tell(0, most, Running, Ready)
	for range 3 {
		tell(0, most, Failed, Ready)
	}
	if all, running := count(); len(all) != most || running != most || b.dropped == 0 {
		t.Errorf("%d of %d subjects, and of %d that they began; %d were dropped", len(all), most, running, b.dropped)
	}
	tell(0, maxPresent, Running, Ready)
	if all, _ := count(); len(all) != maxPresent || len(b.waiting) > maxWaiting {
		t.Errorf("%d of %d subjects", len(all), maxPresent)
	}
	// Others end, and yet others come: those that are no more go first.
	tell(maxPresent-most, maxPresent, Closed)
	tell(maxPresent, maxPresent+most, Running, Ready)
	tell(0, most, Failed)
	all, _ := count()
	for n := range maxPresent + most {
		if want := all[numbered[n]]; want == "" && (n < maxPresent-most || n >= maxPresent) {
			t.Fatalf("s%d is lost, of %d", n, len(all))
		}
	}
}

func TestTooManySubjects(t *testing.T) {
	t.Parallel()
	b := newBacklog(false)
	for n := range maxWaiting + 1 {
		b.tell(change(Service(fmt.Sprint("s", n)), Ready, t0))
	}
	if len(b.waiting) > maxWaiting || b.dropped == 0 || b.waiting[len(b.waiting)-1].Event.Service != fmt.Sprint("s", maxWaiting) {
		t.Errorf("%d wait, %d were dropped", len(b.waiting), b.dropped)
	}
}

func TestOldChangesExpireWhenTheyAreOvertaken(t *testing.T) {
	t.Parallel()
	relay, jump := Service("relay"), Service("jump")
	b := newBacklog(false)
	b.tell(change(jump, Ready, t0))
	b.seal([]Total{total(relay, 7, 7)}, t0)
	b.tell(change(relay, Running, t0))
	b.tell(change(relay, Ready, t0))
	b.tell(change(jump, Failed, t0))
	b.tell(change(relay, Failed, t0.Add(time.Minute)))
	b.tell(change(relay, Ready, t0.Add(2*time.Minute)))
	b.tell(change(relay, Failed, t0.Add(maxAge)))
	b.expire(t0.Add(maxAge))
	if b.dropped != 0 {
		t.Fatalf("%d dropped before their time", b.dropped)
	}
	for _, now := range []time.Time{t0.Add(maxAge + time.Hour), t0.Add(100 * maxAge)} {
		b.expire(now)
		var left []string
		for _, w := range b.waiting {
			left = append(left, line(w.Event))
		}
		// How each began and how each is doesn't expire, nor what was carried.
		if want := []string{"relay running", "relay ready", "jump failed", "relay failed"}; !slices.Equal(left, want) || b.dropped != 2 {
			t.Errorf("%q wait, want %q; %d were dropped", left, want, b.dropped)
		}
		expect(t, b, "jump ready", "relay 7 7")
	}
}

func TestManyRunsLeaveOnlySoMuch(t *testing.T) {
	t.Parallel()
	var k KeptObserver
	for run := range 9 {
		r := KeptReport{Key: fmt.Sprintf("AAAAAAAAAAAAAAAAAAAAAAAAA%d-1", run), At: t0}
		for n := range maxPending / 5 {
			r.Events = append(r.Events, Event{Subject: Client("lab", fmt.Sprint(n)), Type: TypeStats, Stats: &Stats{TotalConns: uint64(run)}})
		}
		k.Reports = append(k.Reports, r)
	}
	b := newBacklog(false)
	b.restore(k)
	if n, _ := b.pending(); n != maxPending || b.reports[0].Key != k.Reports[4].Key || b.dropped != 4*maxPending/5 {
		t.Errorf("%d are pending from %s on, %d were dropped", n, b.reports[0].Key, b.dropped)
	}
}

func TestWhatIsForgotten(t *testing.T) {
	t.Parallel()
	b := newBacklog(false)
	var totals []Total
	for n := range 5_000 {
		totals = append(totals, total(Client("lab", fmt.Sprint(n)), 1, 1))
	}
	b.seal(totals, t0)
	acknowledgeAll(b)
	b.seal(totals[:10], t0)
	if len(b.sent) != 10 {
		t.Errorf("%d subjects are remembered, 10 are there", len(b.sent))
	}
}

// Another observer at another address knows nothing yet.
func TestRetarget(t *testing.T) {
	t.Parallel()
	relay := Service("relay")
	prepare := func(increments bool) *backlog {
		b := newBacklog(increments)
		b.tell(change(relay, Failed, t0))
		b.seal([]Total{total(relay, 5, 5)}, t0)
		return b
	}
	present := []KeptEvent{change(relay, Ready, t0)}

	b := prepare(false)
	b.retarget(false, present)
	b.seal([]Total{total(relay, 5, 5)}, t0)
	expect(t, b, "relay failed", "relay 5 5", "relay ready", "relay 5 5")

	b = prepare(true)
	b.retarget(true, present)
	b.seal([]Total{total(relay, 6, 5)}, t0)
	expect(t, b, "relay failed", "relay 5 5", "relay ready", "relay 1 0")

	b = prepare(true) // from increments to totals: neither may be taken for the other
	b.retarget(false, present)
	b.seal([]Total{total(relay, 6, 5)}, t0)
	expect(t, b, "relay failed", "relay ready", "relay 6 5")

	b = prepare(false)
	b.retarget(true, present)
	b.seal([]Total{total(relay, 6, 5)}, t0)
	expect(t, b, "relay failed", "relay ready", "relay 1 0")
}

// Whatever fails and whenever the server restarts, an observer that takes each
// report once, by its key, has in the end what was carried, and knows how things are.
func TestNothingIsLostOrToldTwice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		increments := rapid.Bool().Draw(rt, "increments")
		subjects := []Subject{Service("relay"), Client("relay", "pend00"), Client("relay", "pend01")}
		b := newBacklog(increments)
		now := t0

		truth, life := map[Subject]uint64{}, map[Subject]uint64{} // bytes: in all, and since the start
		state := map[Subject]State{}
		took, toldLast, toldState := map[Subject]uint64{}, map[Subject]uint64{}, map[Subject]State{}
		seen := map[string]bool{}
		var order []string
		var told []string

		totals := func() (all []Total) {
			for _, s := range subjects {
				all = append(all, total(s, life[s], 0))
			}
			return all
		}
		receive := func(r KeptReport) {
			if seen[r.Key] {
				return
			}
			seen[r.Key] = true
			lifeBegan := map[Subject]bool{}
			for _, e := range r.Events {
				switch {
				case e.Status != nil:
					told = append(told, line(e))
					toldState[e.Subject] = e.Status.State
				case increments:
					took[e.Subject] += e.Stats.InputBytes
				default:
					if e.Stats.InputBytes < toldLast[e.Subject] || strings.HasSuffix(r.Key, "-1") && !lifeBegan[e.Subject] {
						lifeBegan[e.Subject] = true
						toldLast[e.Subject] = 0
					}
					took[e.Subject] += e.Stats.InputBytes - toldLast[e.Subject]
					toldLast[e.Subject] = e.Stats.InputBytes
				}
			}
		}
		send := func(arrives, answered bool) {
			for len(b.reports) > 0 {
				if arrives {
					receive(b.reports[0])
				}
				if !arrives || !answered {
					return
				}
				b.acknowledged(b.reports[0].Key)
			}
		}
		for range rapid.IntRange(1, 80).Draw(rt, "steps") {
			now = now.Add(time.Second)
			s := rapid.SampledFrom(subjects).Draw(rt, "subject")
			switch rapid.SampledFrom([]string{"carry", "carry", "change", "turn", "turn", "turn", "restart"}).Draw(rt, "step") {
			case "carry":
				n := rapid.Uint64Range(1, 100).Draw(rt, "bytes")
				truth[s], life[s] = truth[s]+n, life[s]+n
			case "change":
				state[s] = rapid.SampledFrom([]State{Ready, Failed}).Draw(rt, "state")
				e := change(s, state[s], now)
				b.tell(e)
				order = append(order, line(e.Event))
			case "turn":
				b.expire(now)
				arrives, answered := rapid.Bool().Draw(rt, "arrives"), rapid.Bool().Draw(rt, "answered")
				send(arrives, answered)
				if len(b.reports) == 0 {
					b.seal(totals(), now)
					send(arrives, answered)
				}
			case "restart":
				b.seal(totals(), now)
				var k KeptObserver
				k.Reports, k.Waiting = b.keep()
				b = newBacklog(increments)
				b.restore(k)
				for _, s := range subjects { // every subject is new in a new process, so its first report holds it
					life[s] = 1
					truth[s]++
				}
			}
		}
		send(true, true)
		b.seal(totals(), now)
		send(true, true)

		for _, s := range subjects {
			if took[s] != truth[s] || toldState[s] != state[s] {
				rt.Fatalf("%v: told %d of %d bytes, and %s of %s", s, took[s], truth[s], toldState[s], state[s])
			}
		}
		if !slices.Equal(told, order) {
			rt.Fatalf("told %q\nof   %q", told, order)
		}
		if n, _ := b.pending(); n != 0 || b.dropped != 0 {
			rt.Fatalf("%d pending, %d dropped", n, b.dropped)
		}
	})
}
