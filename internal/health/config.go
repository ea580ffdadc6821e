package health

import "time"

// Config says how patient the engine is. See docs and HEALTH settings of
// internal/config for defaults; Config itself has none, so that nothing is
// decided in two places.
type Config struct {
	LastActive  time.Duration // a stream that has not transmitted for longer is not ok
	LastChecked time.Duration // a source without a frame for longer is not fresh
	Startup     time.Duration // grace for what has just been seen, and for a source that is back
	GroupWait   time.Duration // how long the first news waits for more; 0: not at all
	Events      int           // kept per experiment

	// TunnelPeriod is the period at which tunnels' figures are reported; 0: 5 s. What
	// is over within two of them is no fault.
	TunnelPeriod time.Duration

	// FlapEvents changes within FlapWindow are flapping; either 0: never.
	FlapEvents int
	FlapWindow time.Duration

	// Checks in a row before a stream is taken as not ok, and as ok again; less
	// than 1 means 1.
	ConfirmDown, ConfirmUp int

	// RemindEvery is how often people are reminded of what is still wrong; 0: never.
	RemindEvery time.Duration

	// OverrideHolds opens also what a person made unavailable.
	OverrideHolds bool
}

// silentAfterConnect is how long a source may be connected before its very first
// frame: labs run their services at one frame a minute.
const silentAfterConnect = 2 * time.Minute
