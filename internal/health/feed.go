package health

import "time"

// feed is what the engine remembers of relay or jump as a source.
type feed struct {
	name    Source
	least   time.Duration // configured window
	cadence Cadence

	started   time.Time // the engine's start
	seen      bool      // a frame has come in this run
	wokeAt    time.Time // we ourselves were asleep until then
	last      time.Time // latest frame
	listed    int       // connections in it
	silent    bool      // not fresh, noticed
	broken    bool      // our connection broke after the last frame
	settles   time.Time // settling until then
	up        bool
	upSince   time.Time
	firstUp   time.Time
	relinks   int
	lastErr   string
	saidWider bool
	fullSince time.Time // it lists more than is taken in since then; zero: it doesn't
	fullAt    time.Time // the latest frame that did
}

// window is how old the latest frame may be.
func (f *feed) window() time.Duration { return f.cadence.Window(f.least) }

func (f *feed) settling(now time.Time) bool { return now.Before(f.settles) }

// overdue says that the next frame should have come by now: not yet a reason to
// call the source silent, but one to wait a moment before telling of another's
// silence, since services that share a host fall together.
func (f *feed) overdue(now time.Time) bool {
	if f.silent {
		return false // settled: it is silent
	}
	if !f.seen {
		return !f.up && f.lastErr != ""
	}
	usual := f.cadence.Value()
	if usual == 0 {
		usual = f.window() * 2 / 5
	}
	return f.broken || now.Sub(f.last) > usual*3/2
}

// late says whether the source has been without a frame for too long.
func (f *feed) late(now time.Time, startup time.Duration) bool {
	switch {
	case f.seen:
		return now.Sub(f.last) > f.window() && now.Sub(f.wokeAt) > f.window()
	case f.up:
		return min(now.Sub(f.firstUp), now.Sub(f.wokeAt)) >= silentAfterConnect
	default:
		return min(now.Sub(f.started), now.Sub(f.wokeAt)) >= max(startup, f.least)
	}
}

// frame notes a frame's arrival. A source that is new, was silent, or that we lost
// sight of settles: what it doesn't list yet may be about to reconnect.
func (f *feed) frame(at time.Time, n int, startup time.Duration) (back bool) {
	back = !f.seen || f.silent || f.broken
	if back {
		f.settles = at.Add(startup)
	}
	f.cadence.Frame(at)
	f.seen, f.silent, f.broken, f.lastErr = true, false, false, ""
	f.last, f.listed = at, n
	return back
}

func (f *feed) link(in Link) {
	if in.Up && in.Err != "" {
		f.lastErr = in.Err
		return
	}
	if in.Up {
		if !in.Planned && !f.firstUp.IsZero() && !f.up {
			f.relinks++
		}
		if f.firstUp.IsZero() {
			f.firstUp = in.At
		}
		f.up, f.upSince, f.lastErr = true, in.At, ""
		return
	}
	f.lastErr = in.Err
	if in.Planned {
		return
	}
	if f.up || f.seen {
		f.broken = f.seen
		f.cadence.Break()
	}
	f.up, f.upSince = false, time.Time{}
}

func (f *feed) report(now time.Time) SourceReport {
	r := SourceReport{
		Name: f.name, State: SourceFresh,
		LastFrame: f.last, Connections: f.listed,
		Cadence: f.cadence.Value(), Window: f.window(),
		Connected: f.up, ConnectedSince: f.upSince, Reconnects: f.relinks, LastErr: f.lastErr,
	}
	r.Widened = f.cadence.Value()*5/2 > f.least
	switch {
	case f.silent:
		r.State = SourceSilent
	case !f.seen:
		r.State = SourceStarting
	case f.settling(now):
		r.State, r.SettlesAt = SourceSettling, f.settles
	}
	return r
}
