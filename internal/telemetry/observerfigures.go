package telemetry

import (
	"time"

	"labstatus/internal/health"
)

// ObserverFigures are how the telling of one observer goes, as internal/observer
// keeps them. Counts are since the start.
type ObserverFigures struct {
	Name string // each is given once

	Reports, Failures uint64 // attempts that the observer acknowledged, and that it didn't
	Events, Dropped   uint64 // in acknowledged reports; that it will never be told
	Pending           int    // events that wait to be acknowledged
	OldestPending     time.Time
	LastOK            time.Time // zero: never
	FailingSince      time.Time // zero: the latest report was acknowledged, or there was none
}

// ObservedFigures are what others have reported to us.
type ObservedFigures struct {
	Reports, Repeats uint64            // taken, since the start; known already and not counted again
	UnknownEvents    uint64            // of kinds that this version doesn't know
	Refused          map[string]uint64 // reports that were not taken; by every reason that there is
	Sources          int               // that have reported
	Subjects         []SubjectFigures
	Tunnels          []TunnelFigures
}

// SubjectFigures are what is known of one service, or of one client of it. Source,
// kind, service and client together are given once.
type SubjectFigures struct {
	Source, Kind, Service, Client string // Client empty: a whole service, or an unnamed one
	Experiment                    string // empty: nobody's
	State                         string // running, ready, failed or closed; empty: it has not said

	Counted     bool   // figures of it have come; else all that follow are zero
	Connections uint64 // since we began to listen, as the rest
	Open        uint64 // now
	InputBytes  uint64 // that its clients have sent to it
	OutputBytes uint64
	Errors      uint64 // requests that failed
	Restarts    uint64 // that its figures showed
}

// TunnelFigures are how a tunnel of an experiment is judged.
type TunnelFigures struct {
	Experiment, Name string // Name for people: leeds/tunnel-pend00
	Verdict          health.Verdict
}
