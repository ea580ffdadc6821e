package health

import (
	"sort"
	"time"
)

// State is an experiment's condition in one word.
type State string

// States of an experiment.
const (
	StateStarting  State = "starting"  // first seen less than the start-up time ago, in this run or an earlier one
	StateHealthy   State = "healthy"   // jump, every stream and every tunnel ok
	StateUnhealthy State = "unhealthy" // something is known not to be ok
	StateUnknown   State = "unknown"   // a source is silent or settling, or we have only just started; what was last known stands
	StateFlapping  State = "flapping"  // changes too often; what requires a stream that flaps stays closed until it is quiet
)

// Snapshot is the whole truth at one moment. It is never changed once handed
// out: readers share it without a lock.
type Snapshot struct {
	At      time.Time // of the input it follows
	Version uint64    // grows with each change; two with the same Version differ in nothing but At

	Experiments []*Report // sorted by Name
	Counts      Counts
	Issues      []Issue        // the system's, sorted
	Sources     []SourceReport // relay, jump
	Book        BookReport
	Windows     []Window // of maintenance, sorted by ID
}

// Find gives the report of one experiment, nil where there is none.
func (s *Snapshot) Find(name string) *Report {
	i := sort.Search(len(s.Experiments), func(i int) bool { return s.Experiments[i].Name >= name })
	if i < len(s.Experiments) && s.Experiments[i].Name == name {
		return s.Experiments[i]
	}
	return nil
}

// Report is what is known of one experiment.
type Report struct {
	Name  string
	State State
	// Healthy is the last known health: jump ok, every required stream ok, every
	// other connected stream ok, no tunnel known to be anything else. While State is unknown or starting it may be out
	// of date.
	Healthy bool
	Since   time.Time // State has been so since then

	FirstSeen          time.Time
	LastCheckedStreams time.Time // latest relay frame that was judged; zero: none yet
	LastCheckedJump    time.Time // latest jump frame that was judged; zero: none yet
	LastInManifest     time.Time // latest manifest that listed it; zero: none

	JumpOK    bool  // last known
	JumpKnown bool  // false while jump is silent, settling, or has not reported yet
	Jump      *Conn // host connection in the latest jump frame; nil: none

	Streams   []StreamReport   // sorted by Topic
	Tunnels   []TunnelStatus   // sorted by Name
	Resources []ResourceReport // sorted by Name
	Issues    []Issue          // last known, sorted
	Events    int              // events kept

	Silence     *Silence     // nil: none
	Ack         *Ack         // nil: none
	Maintenance *Maintenance // nil: not in maintenance
}

// Verdict is what is thought of a stream or a tunnel.
type Verdict string

// Verdicts on a stream or a tunnel.
const (
	VerdictOK        Verdict = "ok"
	VerdictUnhealthy Verdict = "unhealthy" // connected, but has not transmitted lately; a tunnel: it fails
	VerdictMissing   Verdict = "missing"   // required and not connected; a tunnel: it is gone
	VerdictUnknown   Verdict = "unknown"   // relay is silent, settling, or has not reported yet; a tunnel: it has not said
)

// StreamReport is what is known of one stream.
type StreamReport struct {
	Topic      string
	Required   bool
	Verdict    Verdict   // now; may be VerdictUnknown
	OK         bool      // last known
	Since      time.Time // OK has been so since then
	LastActive time.Time // latest moment it is known to have transmitted; zero: never
	Conn       *Conn     // best connection in the latest relay frame; nil: not connected
}

// ResourceReport is what is known of one resource's booking.
type ResourceReport struct {
	Name      string
	Required  []string
	Known     bool // book has been asked and has answered
	Available bool // as book last said
	Reason    string
	ReadAt    time.Time
	// Held: a person made it unavailable, and so it stays until a person makes it
	// available; HeldReason is that person's words, HeldBy who it is where it was done
	// through us.
	Held       bool
	HeldReason string
	HeldBy     string
	Wanted     Want // what we are asking book for at the moment; empty: nothing
}

// SourceState is how relay or jump is doing.
type SourceState string

// States of relay and jump.
const (
	SourceStarting SourceState = "starting" // no frame yet, and not overdue
	SourceFresh    SourceState = "fresh"
	SourceSettling SourceState = "settling" // fresh, but back only a moment ago
	SourceSilent   SourceState = "silent"   // no fresh frame
)

// SourceReport is what is known of relay or jump.
type SourceReport struct {
	Name           Source
	State          SourceState
	LastFrame      time.Time     // zero: none yet
	Connections    int           // listed in the latest frame
	Cadence        time.Duration // usual time between frames; zero: not known yet
	Window         time.Duration // a frame older than that is not fresh
	Widened        bool          // Window is more than was configured, because frames are rarer
	Connected      bool
	ConnectedSince time.Time // zero when not connected
	Reconnects     int       // unplanned
	LastErr        string
	SettlesAt      time.Time // zero: not settling
}

// BookReport is what is known of book.
type BookReport struct {
	LastManifest time.Time // zero: none yet
	Resources    int
	Answering    bool
	FailingSince time.Time // zero: not failing
	LastErr      string
	Pending      int // wishes that book has not confirmed yet
}
