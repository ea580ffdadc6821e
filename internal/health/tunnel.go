package health

import (
	"strings"
	"time"
)

// A tunnel is a service somewhere else, or one of its clients, through which an
// experiment is reached. Whoever runs it reports its state when that changes, and its
// figures while they do. Nobody reports that all is as it was: silence says nothing.

// TunnelState is how a tunnel is, in its source's words.
type TunnelState string

// States of a tunnel.
const (
	TunnelRunning TunnelState = "running" // begins
	TunnelReady   TunnelState = "ready"   // takes connections
	TunnelFailed  TunnelState = "failed"  // can't take any at the moment, and goes on trying
	TunnelClosed  TunnelState = "closed"  // has ended
)

// Tunnels is what was reported of tunnels, in the order in which it came. Only the
// order of one tunnel's reports matters. Reports is only read during Step.
type Tunnels struct {
	At      time.Time
	Reports []TunnelReport
}

// TunnelReport is what a source said of one tunnel. Without a Source, a Service or an
// Experiment it says nothing.
type TunnelReport struct {
	Source, Service, Client string // Client is empty for the service itself
	Experiment              string
	// Required: the experiment can't be used without it, so that it closes bookings as
	// a required stream does.
	Required bool
	At       time.Time   // when it was heard; zero: at the moment of the input
	State    TunnelState // empty: only figures came
	Message  string      // the source's words, for people
	// NewConns is for an empty State: the figures show a connection that was opened since
	// those before.
	NewConns bool
	// Restored: it is not news. An earlier run heard it, and what was said since then may
	// have been missed; or it was said of a service before anything was heard of this
	// client of it.
	Restored bool
	Since    time.Time // State has been so since then, as far as was heard; zero: since At. Of Restored ones
}

func (in Tunnels) at() time.Time { return in.At }

// TunnelStatus is what is known of one tunnel.
type TunnelStatus struct {
	Name                    string // <source>/<service> or <source>/<service>/<client>
	Source, Service, Client string
	Required                bool
	State                   TunnelState // as last reported; empty: it has not said
	Message                 string
	Since                   time.Time // State has been so since then; zero: it has not said
	OK                      bool      // last verdict; true while nothing speaks against it
	// Verdict is VerdictUnknown while nothing is known, and where the last that an earlier
	// run heard speaks against a tunnel that was ok.
	Verdict Verdict
	LastAt  time.Time // when anything of it last came, to an earlier run too; zero: nothing has been heard
}

// TunnelRecord is what is kept of one tunnel on which there is a verdict. What was
// heard of it is kept by whoever heard it, and comes back as Restored reports.
type TunnelRecord struct {
	Source   string    `json:"source"`
	Service  string    `json:"service"`
	Client   string    `json:"client,omitempty"`
	Required bool      `json:"required,omitempty"`
	OK       bool      `json:"ok"`
	Missing  bool      `json:"missing,omitempty"` // gone, where not OK
	Since    time.Time `json:"since"`             // OK has been so since then
}

// tunnelKey is which tunnel is meant.
type tunnelKey struct{ source, service, client string }

// inName keeps the parts of a tunnel's name apart, whatever they hold.
var inName = strings.NewReplacer("%", "%25", "/", "%2F")

// name is the tunnel's name for people. No two tunnels have the same.
func (k tunnelKey) name() string {
	name := inName.Replace(k.source) + "/" + inName.Replace(k.service)
	if k.client != "" {
		name += "/" + k.client
	}
	return name
}
