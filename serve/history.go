package serve

import (
	"time"

	"labstatus/internal/health"
)

// StateUnwatched is the state of an interval in which no server was running, or it
// did not know the experiment.
const StateUnwatched health.State = "unwatched"

// History is how one experiment was from one moment to another.
type History struct {
	From, To time.Time
	// The sums cover all of that time; together they are as long.
	Healthy     time.Duration
	Unhealthy   time.Duration // flapping included
	Unknown     time.Duration // starting included
	Maintenance time.Duration // whatever its state was meanwhile
	Unwatched   time.Duration

	// Of the last 24 hours, 7 days and 30 days, whatever From and To are.
	Day, Week, Month Uptime

	Intervals []Interval // without gaps, oldest first
}

// Uptime is the part of a time in which an experiment was well.
type Uptime struct {
	Fraction float64       // 0 to 1; says nothing where Known is 0
	Known    time.Duration // what it is made of: healthy, unhealthy and flapping, outside maintenance
}

// Interval is a time in which an experiment's state was the same.
type Interval struct {
	From, To    time.Time
	State       health.State // or StateUnwatched
	Maintenance bool
}
