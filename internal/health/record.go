package health

import "time"

// Record is what is kept of one experiment across restarts. internal/store keeps
// it as JSON. A field that a future version adds must mean nothing when zero.
type Record struct {
	Name      string         `json:"name"`
	FirstSeen time.Time      `json:"first_seen"`
	State     State          `json:"state"`
	Since     time.Time      `json:"since"`
	Assessed  bool           `json:"assessed"` // its start-up time has ended once
	JumpOK    bool           `json:"jump_ok"`
	JumpSince time.Time      `json:"jump_since"`
	Streams   []StreamRecord `json:"streams,omitempty"`
	Tunnels   []TunnelRecord `json:"tunnels,omitempty"`
	Told      []Issue        `json:"told,omitempty"`     // issues that people have been told of and not yet told the end of
	Changes   []time.Time    `json:"changes,omitempty"`  // events within the flap window
	Unsteady  []string       `json:"unsteady,omitempty"` // streams and tunnels that changed in these events
	Flapping  time.Time      `json:"flapping,omitzero"`  // since when; zero: not flapping
	Events    int            `json:"events"`
	Silence   *Silence       `json:"silence,omitempty"`
	Ack       *Ack           `json:"ack,omitempty"`
	// Holds is, by resource, who holds it, as far as that was done through us.
	Holds map[string]string `json:"holds,omitempty"`
}

// StreamRecord is what is kept of one stream: the verdict that was last told.
type StreamRecord struct {
	Topic      string    `json:"topic"`
	OK         bool      `json:"ok"`
	Missing    bool      `json:"missing,omitempty"` // not connected, where not OK
	Since      time.Time `json:"since"`
	LastActive time.Time `json:"last_active,omitzero"`
}

// SystemRecord is what is kept of the laboratory as a whole.
type SystemRecord struct {
	Resources []Resource               `json:"resources,omitempty"` // the latest believed manifest
	Told      []Issue                  `json:"told,omitempty"`      // system issues told and not over
	Cadence   map[Source]time.Duration `json:"cadence,omitempty"`
	Windows   []Window                 `json:"windows,omitempty"` // of maintenance
	Untold    []Act                    `json:"untold,omitempty"`  // acts that the next mail tells
	Reminded  time.Time                `json:"reminded,omitzero"` // latest mail that listed a problem: reminders count from there
}

// Kept is everything that was kept, as it is read at start.
type Kept struct {
	Records []Record
	System  SystemRecord
}
