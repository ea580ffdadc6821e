package observer

import (
	"cmp"
	"strings"
)

// Kind says whether a report is about a service or about one of its clients.
type Kind string

// The kinds of the protocol.
const (
	KindService Kind = "service"
	KindHandler Kind = "handler" // a client of the service
)

// Subject is what a report is about.
type Subject struct {
	Kind    Kind   `json:"kind"`
	Service string `json:"service"`
	Client  string `json:"client,omitempty"` // of KindHandler; a GOST without authentication has none there either
}

// Service is the subject that stands for a whole service.
func Service(name string) Subject { return Subject{Kind: KindService, Service: name} }

// Client is the subject that stands for one client of a service.
func Client(service, client string) Subject {
	return Subject{Kind: KindHandler, Service: service, Client: client}
}

// compareSubjects sorts by service, the service itself before its clients.
func compareSubjects(a, b Subject) int {
	return cmp.Or(strings.Compare(a.Service, b.Service), -strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.Client, b.Client))
}

// State is what a service says of itself.
type State string

// The states of the protocol.
const (
	Running State = "running" // it has begun, and doesn't accept yet
	Ready   State = "ready"   // it accepts
	Failed  State = "failed"  // it can't accept for now, and tries again
	Closed  State = "closed"  // it has ended; a GOST that is replaced says so too, sometimes after its successor is ready
)

// Stats are the figures of a subject. Bytes and connections are as the subject
// sees them: input is what its clients have sent to it.
type Stats struct {
	TotalConns   uint64 `json:"totalConns"`   // connections since its start
	CurrentConns uint64 `json:"currentConns"` // open now
	InputBytes   uint64 `json:"inputBytes"`
	OutputBytes  uint64 `json:"outputBytes"`
	TotalErrs    uint64 `json:"totalErrs"` // requests that failed
}

// Total is a subject with its figures since the start of the process.
type Total struct {
	Subject
	Stats
}
