package health

import "time"

// The verdict on a tunnel follows from what is reported of it, and from time passing
// after what speaks against it. P is the period at which figures are reported.
//
//   - failed is a fault once it has lasted more than 2 P. Services that can't take
//     connections say failed, ready, failed, ready every second: what is ready for less
//     than 2 P in between is one spell of failing. A ready that has stood for 2 P ends
//     it, as of that ready; so does, where the spell was no fault yet, any 2 P without
//     failed.
//   - closed is gone when no ready follows within the grace. A service that is gone and
//     ready again has been restarted, and is ok at once.
//   - running says that an instance has begun. It mends nothing, and is no fault by
//     itself, also where a tunnel was ready before: the ready that follows may be lost,
//     since states are sent only once. For the same reason failed stands no longer; the
//     grace after closed runs on.
//   - failed after closed is an instance that is there, and fails: it is not gone.
//   - At a reload two instances speak at once. The old one's closed may come after the
//     new one's running and ready: see [tunnel.predecessors].
//   - New connections are as good as a ready that was lost, unless they come within 2 P
//     of what they contradict: those may be figures that were stuck.
//
// Where we ourselves were asleep a ready may have been missed, so that every time that
// runs begins anew when we wake. Over a restart of ours, which may last, none is taken
// along: only what is said then counts against a tunnel that was not unwell before.

// patience is how long what speaks for or against a tunnel has to last.
type patience struct {
	steady time.Duration // 2 P: failing that is longer is a fault, a ready that stands as long is its end
	grace  time.Duration // a tunnel that is closed for longer is gone
	awake  time.Time     // we have heard all since then
}

const (
	// restartTime is for how long a restart's two instances may be reported in any order.
	restartTime = 2 * time.Second
	// slowOverlap is the same where the old one was failing: it looks whether it has been
	// closed after its pause only, which GOST lets grow to five seconds.
	slowOverlap = 6 * time.Second
)

// lasted says for how long something that began at since has lasted, as far as we have
// been listening.
func (p *patience) lasted(since, now time.Time) time.Duration {
	if p.awake.After(since) {
		since = p.awake
	}
	return now.Sub(since)
}

// tunnel is what the engine remembers of one tunnel.
type tunnel struct {
	tunnelKey
	name       string
	experiment string
	of         *experiment // nil: it is not watched, and its tunnels wait for it
	required   bool

	state   TunnelState // as shown
	message string
	since   time.Time
	lastAt  time.Time
	live    bool // its state was heard in this run
	doubt   bool // an earlier run heard that it is not well, and the verdict says otherwise

	judged   bool // there is a verdict, of this run or an earlier one
	ok       bool
	missing  bool // gone; only meaningful when not ok
	okSince  time.Time
	failedAt time.Time // beginning of the spell of failing; zero: there is none
	failEnd  time.Time // when failed last ended in it; zero: it stands
	closedAt time.Time // closed since then, and not ready again; zero: it isn't
	readyAt  time.Time // ready since then; zero: it isn't
	accused  time.Time // latest failed or closed in this run since it was last ready

	begunAt time.Time // latest running
	served  bool      // ready has been said since
	readied time.Time // and was said first then
	quick   bool      // which followed upon running at once
	slow    bool      // the instance before it was failing when it began, or had been within 2 P
	alive   int       // instances that have not said closed, as far as is known
}

func newTunnel(k tunnelKey, experiment string) *tunnel {
	return &tunnel{
		tunnelKey: k, name: k.name(), experiment: experiment,
		alive: 1, // one that we have not heard of
	}
}

func (t *tunnel) bad() bool { return t.judged && !t.ok }

// says takes in a state that was reported now.
func (t *tunnel) says(p *patience, state TunnelState, message string, at time.Time) {
	t.advance(p, at)
	switch state {
	case TunnelRunning:
		switch {
		case !t.readyAt.IsZero() && at.Sub(t.readyAt) > t.overlap():
			t.alive = 1
		case !t.begunAt.IsZero() && at.Sub(t.begunAt) > t.overlap(): // whose ready was lost
			t.alive = min(t.alive, 1)
		}
		t.alive++
		t.slow = !t.failedAt.IsZero() || t.state == TunnelFailed
		t.begunAt, t.readyAt, t.served = at, time.Time{}, false
		t.failingEnds(at)
	case TunnelReady:
		if !t.served { // a later one, after failed, is no restart's
			t.served, t.readied, t.quick = true, at, !t.begunAt.IsZero() && at.Sub(t.begunAt) <= restartTime
		}
		t.alive = max(t.alive, 1)
		t.isReady(at)
	case TunnelFailed:
		if t.failedAt.IsZero() {
			t.failedAt = at
		}
		t.alive = max(t.alive, 1)
		t.failEnd, t.closedAt, t.readyAt, t.accused = time.Time{}, time.Time{}, time.Time{}, at
	case TunnelClosed:
		if t.predecessors(at) {
			t.alive--
			return
		}
		t.alive = max(t.alive-1, 0)
		if !t.readyAt.IsZero() && at.Sub(t.readyAt) > t.overlap() {
			t.alive = 0
		}
		if t.closedAt.IsZero() {
			t.closedAt = at
		}
		t.failingEnds(at)
		t.readyAt, t.accused = time.Time{}, at
	default:
		return // a state that this version doesn't know says nothing
	}
	t.show(state, message, at)
	t.live, t.doubt = true, false
}

// predecessors says whether a closed that comes now is the word of an instance that has
// been replaced: its successor has just said running and ready, and the closed of one
// of them is still to come. The successor's own would have to come that soon after
// its ready; taking it for the other's then is the smaller mistake, since what is
// said of it next will mend that, and nothing would mend the other one.
func (t *tunnel) predecessors(at time.Time) bool {
	return t.alive >= 2 && t.quick && at.Sub(t.readied) <= t.overlap()
}

// overlap is for how long two instances may be reported in any order.
func (t *tunnel) overlap() time.Duration {
	if t.slow {
		return slowOverlap
	}
	return restartTime
}

// connects takes in figures that show a new connection.
func (t *tunnel) connects(p *patience, at time.Time) {
	t.advance(p, at)
	if !t.readyAt.IsZero() || t.state == "" && !t.bad() {
		return // nothing is to be contradicted, or it has never told a state
	}
	against := t.accused
	if against.IsZero() {
		against = t.begunAt
	}
	if p.lasted(against, at) <= p.steady {
		return
	}
	t.served, t.quick = true, false
	t.alive = max(t.alive, 1)
	t.isReady(at)
	if t.state != TunnelReady {
		t.show(TunnelReady, "", at)
	}
	t.live, t.doubt = true, false
}

// remembers takes in what an earlier run heard, or what was said of a service before
// anything was heard of its client. It is no more than what is shown where nothing newer
// is known, with one exception: a ready that was heard after the fault which is kept ends
// it, as any other does.
func (t *tunnel) remembers(state TunnelState, message string, since, at time.Time) {
	if t.live || state == "" {
		return
	}
	t.show(state, message, since)
	switch state {
	case TunnelReady:
		t.doubt = false
		if t.bad() && !at.Before(t.okSince) {
			t.isReady(at)
		}
	case TunnelFailed, TunnelClosed:
		t.doubt, t.accused = !t.bad(), at
	}
}

func (t *tunnel) show(state TunnelState, message string, at time.Time) {
	if state != t.state {
		t.state, t.since = state, at
	}
	t.message = message
}

func (t *tunnel) isReady(at time.Time) {
	if !t.readyAt.IsZero() {
		return // said twice
	}
	t.readyAt, t.closedAt, t.accused = at, time.Time{}, time.Time{}
	t.failingEnds(at)
	if t.failedAt.IsZero() {
		t.good(at)
	}
}

func (t *tunnel) failingEnds(at time.Time) {
	if !t.failedAt.IsZero() && t.failEnd.IsZero() {
		t.failEnd = at
	}
}

// advance gives the verdict that follows from time having passed.
func (t *tunnel) advance(p *patience, now time.Time) {
	if !t.closedAt.IsZero() && p.lasted(t.closedAt, now) > p.grace {
		t.failedAt, t.failEnd = time.Time{}, time.Time{}
		t.fault(t.closedAt, true)
	}
	switch {
	case t.failedAt.IsZero():
	case t.failEnd.IsZero():
		if p.lasted(t.failedAt, now) > p.steady {
			t.fault(t.failedAt, false)
		}
	case !t.readyAt.IsZero():
		if p.lasted(t.readyAt, now) >= p.steady {
			t.failedAt, t.failEnd = time.Time{}, time.Time{}
			t.good(t.readyAt)
		}
	case !t.bad(): // running or closed, and not long enough failed to be told
		if p.lasted(t.failEnd, now) >= p.steady {
			t.failedAt, t.failEnd = time.Time{}, time.Time{}
		}
	}
}

// waits says that the verdict may change by time passing.
func (t *tunnel) waits() bool {
	gone, failing := t.bad() && t.missing, t.bad() && !t.missing
	switch {
	case !t.closedAt.IsZero():
		return !gone
	case t.failedAt.IsZero():
		return false
	case t.failEnd.IsZero():
		return !failing
	}
	return !t.readyAt.IsZero()
}

func (t *tunnel) good(since time.Time) {
	if !t.judged || !t.ok {
		t.judged, t.ok, t.missing, t.okSince = true, true, false, since
	}
}

// fault finds the tunnel unwell. One that failed and is then gone, or the other way
// round, has been unwell all along.
func (t *tunnel) fault(since time.Time, gone bool) {
	if !t.bad() {
		t.judged, t.ok, t.okSince = true, false, since
	}
	t.missing = gone
}

func (t *tunnel) verdict() Verdict {
	switch {
	case !t.judged || t.doubt:
		return VerdictUnknown
	case t.ok:
		return VerdictOK
	case t.missing:
		return VerdictMissing
	}
	return VerdictUnhealthy
}
