package health

import (
	"slices"
	"time"
)

// Source is a service that tells us about experiments.
type Source string

// The sources of one laboratory.
const (
	Relay Source = "relay" // video and data streams
	Jump  Source = "jump"  // ssh access to experiments
	Book  Source = "book"  // bookings: manifest and availability
)

// Input is one fact that has become known. Every input carries the moment at
// which it did, on our own clock.
type Input interface{ at() time.Time }

// Frame is the complete list of a source's connections at one moment. What it
// doesn't list is gone. Conns is only read during Step: the caller may use the
// memory again afterwards.
type Frame struct {
	At     time.Time
	Source Source // Relay or Jump
	Conns  []Conn
}

// Link tells how our own connection to relay or jump is doing.
type Link struct {
	At     time.Time
	Source Source // Relay or Jump
	Up     bool   // a websocket is open
	// Planned is true where a connection was replaced on purpose, as for a new
	// token: nothing was missed, so nothing has to settle.
	Planned bool
	// Err is why the link is down or could not be made, with advice, in words
	// for a maintainer; it never holds a token. With Up it is why a link that is
	// open may be of no use, and nothing else about the link has changed.
	Err string
}

// Manifest is the complete list of what book offers.
type Manifest struct {
	At        time.Time
	Resources []Resource
}

// Resource is one thing that can be booked, as book's manifest describes it.
type Resource struct {
	Name string `json:"name"` // e.g. r-pend00
	Stub string `json:"stub"` // topic stub of the experiment behind it, e.g. pend00
	// Required are full topics, e.g. pend00-st-video; sorted, without repeats.
	Required []string `json:"required,omitempty"`
}

// Availability is what book said of one resource.
type Availability struct {
	At        time.Time
	Resource  string
	Available bool
	Reason    string // as book words it
	Gone      bool   // book doesn't know this resource (any more)
}

// BookFailed reports that a call to book failed or timed out.
type BookFailed struct {
	At  time.Time
	Err string // what was asked and what went wrong, in words; never a token
}

// Tick reports that time has passed. One is due every second, and four in each window: a
// longer time without any is one in which the engine was not asked, and heard nothing.
type Tick struct{ At time.Time }

func (in Frame) at() time.Time        { return in.At }
func (in Link) at() time.Time         { return in.At }
func (in Manifest) at() time.Time     { return in.At }
func (in Availability) at() time.Time { return in.At }
func (in BookFailed) at() time.Time   { return in.At }
func (in Tick) at() time.Time         { return in.At }

// Conn is one connection as a stats frame of relay or jump lists it. The wire
// formats are decoded by internal/stats. Strings and Scopes may be kept; they are
// never changed after decoding.
type Conn struct {
	Topic       string
	Scopes      []string
	UserAgent   string
	RemoteAddr  string
	ConnectedAt time.Time
	ExpiresAt   time.Time // zero where the service gives none
	CanRead     bool
	CanWrite    bool
	// StatsKnown is false where the service reported no statistics for this
	// connection (relay 0.8 and later); Tx and Rx are then meaningless.
	StatsKnown bool
	Tx         Traffic // sent by the client to the service
	Rx         Traffic // delivered by the service to the client
}

// Traffic is one direction of a connection's statistics.
type Traffic struct {
	// Last is the time since the latest message. Below 0 it is in the future of the
	// service, whose clock was set back since: Never is true then, and this is how long it
	// takes for its clock to come to it.
	Last  time.Duration
	Never bool    // no message yet, or nobody knows when; Last is 0 or less
	Size  float64 // bytes, mean over the connection's life
	FPS   float64 // messages a second, mean over the connection's life
}

// HasScope says whether the connection was made with the given scope.
func (c *Conn) HasScope(scope string) bool { return slices.Contains(c.Scopes, scope) }
