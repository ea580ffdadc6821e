package observer

import "time"

// Origin is whose report it was, and what that means to us.
type Origin struct {
	Source string `json:"source"` // who reported: from the token or the path
	Subject
	// Experiment is whose link the subject is, as the [Map] has it; empty: nobody's.
	Experiment string `json:"experiment,omitempty"`
	// Required: without it the experiment can't be used, as without a stream. Else it
	// is one of its accesses, as jump is.
	Required bool `json:"required,omitempty"`
}

// Status is what a subject said of its state, also where it has said the same before:
// what it said in between may be lost. GOSTs tell it of services only: a client that is
// tied to an experiment and says nothing of its own is as its service, and changes with it.
type Status struct {
	Origin
	State   State
	Message string // in the words of the source, on one line
	At      time.Time
	Since   time.Time // it has been so since then, as far as was heard
	// Restored: it was heard by an earlier run, or of a service before anything was of its
	// client. A GOST doesn't say again how it is.
	Restored bool
}

// Counters are a subject's totals.
type Counters struct {
	Origin
	Stats // of all the time that we have listened; CurrentConns is of now
	At    time.Time
	// Restarted: the source has begun anew since the Counters before.
	Restarted bool
	// NewConns: a connection was opened since the Counters before, so the subject
	// works, whatever it said of itself. The first figures of a run say it only where
	// the subject has begun in this run: else they may be of any age.
	NewConns bool
}

// Heard is what has come since the Heard before: every state that was said, in the
// order of each subject, and of figures the newest of each subject, sorted.
type Heard struct {
	Statuses []Status
	Counters []Counters
}

// Observed is all that is known of one subject.
type Observed struct {
	Origin
	State   State // empty: it has not said
	Message string
	Since   time.Time // State has been so since then; zero: it has not said
	Stats             // totals
	Counted time.Time // when its figures last came; zero: never
	LastAt  time.Time // when anything of it last came

	Restarts uint64 // that its figures showed
	Repeats  uint64 // figures that came again or late, and were not counted
	// Incremental: its bytes look like increments, so its totals are probably wrong;
	// its GOST has resetTraffic on, and its token doesn't say increments.
	Incremental bool
}
