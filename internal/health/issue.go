package health

import "time"

// Code is a kind of issue.
type Code string

// The catalogue of issues. Each is shown as its title, followed by its subject
// where it has one.
const (
	MissingJump     Code = "missing_jump"     // no host connection on jump
	MissingRequired Code = "missing_required" // a required stream is not connected and has not transmitted lately
	UnhealthyStream Code = "unhealthy_stream" // a connected stream has not transmitted lately
	MissingTunnel   Code = "missing_tunnel"   // a tunnel has been closed, and is not ready again
	UnhealthyTunnel Code = "unhealthy_tunnel" // a tunnel takes no connections
	Flapping        Code = "flapping"         // changes too often to be told each time
	NoReports       Code = "no_reports"       // relay or jump has no fresh reports
	BookSilent      Code = "book_silent"      // book is not answering
	TooManyUnknown  Code = "too_many_unknown" // relay or jump lists more that book doesn't offer than is watched
)

// Issue is one thing wrong with an experiment, or with the system.
type Issue struct {
	Code Code `json:"code"`
	// Experiment is empty for an issue of the system.
	Experiment string `json:"experiment,omitempty"`
	// Subject is the stream's topic, the tunnel's name, or the source for an issue of
	// the system.
	Subject string    `json:"subject,omitempty"`
	Since   time.Time `json:"since"`
	// Detail is what was known of it when it was told: what flaps, why a source
	// can't be reached. It is for people and not part of the issue's identity.
	Detail string `json:"detail,omitempty"`
}

// String words the issue without its experiment's name, as API, page and mail
// show it: "missing required pend00-st-video", "relay has no fresh reports".
func (i Issue) String() string {
	switch i.Code {
	case MissingJump:
		return "missing jump"
	case MissingRequired:
		return "missing required " + i.Subject
	case UnhealthyStream:
		return "unhealthy " + i.Subject
	case MissingTunnel:
		return "missing tunnel " + i.Subject
	case UnhealthyTunnel:
		return "unhealthy tunnel " + i.Subject
	case Flapping:
		return "flapping"
	case NoReports:
		return i.Subject + " has no fresh reports"
	case BookSilent:
		return "book is not answering"
	case TooManyUnknown:
		return i.Subject + " lists too many unknown experiments or streams"
	}
	return string(i.Code) + " " + i.Subject
}

// IsSystem says whether the issue is the system's rather than an experiment's.
func (i Issue) IsSystem() bool { return i.Experiment == "" }

// Ending is how an issue ended.
type Ending string

// How issues end.
const (
	OKAgain       Ending = "ok again"
	NotRequired   Ending = "no longer required"     // the stream is gone and nobody asks for it any more
	Gone          Ending = "gone, and not required" // the stream was optional, or was connected until now
	NotWatched    Ending = "no longer watched"      // the experiment left manifest and frames, or the tunnel is not its own any more
	Steady        Ending = "steady again"           // flapping ended
	ReportsResume Ending = "reporting again"
)

// Resolved is an issue that is over.
type Resolved struct {
	Issue  Issue     `json:"issue"`
	Until  time.Time `json:"until"` // it lasted from Issue.Since until then
	Ending Ending    `json:"ending"`
}

// Alert is what one mail tells: one check, or what group wait held together.
// Everything in it is sorted: the system first, then by experiment and subject.
type Alert struct {
	At       time.Time  `json:"at"`
	New      []Issue    `json:"new"`      // not told before
	Resolved []Resolved `json:"resolved"` // told before, over now
	Current  []Issue    `json:"current"`  // all that is wrong now, New included
	Counts   Counts     `json:"counts"`

	Acts []Act `json:"acts,omitempty"` // what people did, and what ended by itself, since the last mail; oldest first
	// Reminder is what is still wrong, told long ago and cared for by nobody. Where there
	// is one, nothing is new, over or done: any other mail takes its place.
	Reminder []Issue `json:"reminder,omitempty"`
	// Cared is, by experiment, what people have said of those in Current.
	Cared map[string]Care `json:"cared,omitempty"`
}

// Counts are of experiments, by state.
type Counts struct {
	Total     int `json:"total"`
	Starting  int `json:"starting"`
	Healthy   int `json:"healthy"`
	Unhealthy int `json:"unhealthy"`
	Unknown   int `json:"unknown"`
	Flapping  int `json:"flapping"`
}
