package lab

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// CollectorOptions says what kind of observer the collector is. It takes
// reports over HTTP, at any path, and over gRPC, and takes only what GOST's
// protocol allows, to the letter; what it had to object to are its Complaints.
type CollectorOptions struct {
	// Token lets reports in, one of the lab's own by default. It comes as
	// GOST sends it, or as a part of the path.
	Token string
	// Genuine complains also of what a GOST itself never does, though the
	// protocol allows it: several services in one report, words or counters of
	// its own, another User-Agent. Such a report is taken.
	Genuine bool
	// Keyless knows nothing of the keys of reports, as observers made for GOST;
	// else a report whose number its sender has used before is answered and
	// not counted again.
	Keyless bool
}

// Collected is what the collector was told of a service or a client.
type Collected struct {
	// Source is the path reported to, without its token; over gRPC "grpc".
	Source  string `json:"source"`
	Kind    string `json:"kind"`
	Service string `json:"service"`
	Client  string `json:"client,omitempty"`
	// State and Message as they came last; empty where none did.
	State   string    `json:"state,omitempty"`
	Message string    `json:"message,omitempty"`
	At      time.Time `json:"at"`
	// States are all that came, in order, at most the newest 1,000.
	States []CollectedState `json:"-"`
	// Stats as they came last; nil where none did.
	Stats *GOSTStats `json:"stats,omitempty"`
	// InputSum and OutputSum add up the bytes of every report: the totals,
	// where a report says what came since the one before.
	InputSum  uint64 `json:"inputSum"`
	OutputSum uint64 `json:"outputSum"`
	Events    int    `json:"events"`

	begins bool // running has come, and no ready since
}

// CollectedState is a state as it came.
type CollectedState struct {
	At             time.Time
	State, Message string
}

// The kinds of complaints. A report with a fault of form or token is not
// taken, others are.
const (
	ComplaintForm  = "form"
	ComplaintToken = "token"
	// ComplaintOrder is a ready that no running came before.
	ComplaintOrder = "order"
	// ComplaintHabit is something a GOST never does.
	ComplaintHabit = "habit"
)

// Complaint is something the collector objected to in a report.
type Complaint struct {
	At     time.Time `json:"at"`
	Kind   string    `json:"kind"`
	Source string    `json:"source"`
	Text   string    `json:"text"`
}

// CollectorFigures count reports.
type CollectorFigures struct {
	Taken      int `json:"taken"`
	Repeated   int `json:"repeated"` // taken before, known by their key
	Refused    int `json:"refused"`  // for a fault of theirs, or as ordered while it was reached
	Complaints int `json:"complaints"`
}

// Bounds of what the collector keeps: the oldest are forgotten.
const (
	statesKept     = 1000
	complaintsKept = 1000
	collectedKept  = 100_000 // subjects; reports of further ones are refused
)

// collection is the collector's memory. Guarded by Lab.mu.
type collection struct {
	opt        CollectorOptions
	subjects   map[subject]*Collected
	senders    map[string]uint64 // highest number of each
	complaints []Complaint
	figures    CollectorFigures
	says       int  // instead of 200, as ordered
	denies     bool // ok is false
	loses      int  // so many answers; -1 all
}

// subject is whom an event is about.
type subject struct{ source, kind, service, client string }

// delivery is a report as it came, whichever way.
type delivery struct {
	source string
	key    string // as it was sent; empty for none
	events []GOSTEvent
	habits []string // in which it differs from a GOST's
}

func newCollection(opt CollectorOptions) collection {
	opt.Token = cmp.Or(opt.Token, "collector-token-of-the-simulated-lab")
	return collection{opt: opt, subjects: map[subject]*Collected{}, senders: map[string]uint64{}}
}

func (c *collection) complain(kind, source, format string, a ...any) {
	c.figures.Complaints++
	c.complaints = append(c.complaints, Complaint{At: time.Now(), Kind: kind, Source: source, Text: fmt.Sprintf(format, a...)})
	if n := len(c.complaints) - complaintsKept; n > 0 {
		c.complaints = slices.Delete(c.complaints, 0, n)
	}
}

// take keeps what a report says, once: a report with a key that came before is
// taken for itself.
func (c *collection) take(d delivery) error {
	sender, number, err := c.sender(d.key)
	if err != nil {
		return err
	}
	if highest, known := c.senders[sender]; known && number <= highest {
		c.figures.Repeated++
		return nil
	}
	if len(c.subjects)+len(d.events) > collectedKept {
		return fmt.Errorf("the collector knows %d services and clients already, it keeps no more", len(c.subjects))
	}
	if sender != "" {
		c.senders[sender] = number
	}
	c.figures.Taken++
	if c.opt.Genuine {
		for _, habit := range slices.Concat(d.habits, unlikeGOST(d.events)) {
			c.complain(ComplaintHabit, d.source, "%s", habit)
		}
	}
	now := time.Now()
	for _, e := range d.events {
		c.note(d.source, e, now)
	}
	return nil
}

func (c *collection) note(source string, e GOSTEvent, now time.Time) {
	who := subject{source, e.Kind, e.Service, e.Client}
	s := c.subjects[who]
	if s == nil {
		s = &Collected{Source: source, Kind: e.Kind, Service: e.Service, Client: e.Client}
		c.subjects[who] = s
	}
	s.At = now
	s.Events++
	if e.Stats != nil {
		figures := *e.Stats
		s.Stats = &figures
		s.InputSum += figures.InputBytes
		s.OutputSum += figures.OutputBytes
		return
	}
	state := e.Status.State
	// After failed a ready needs no running: the service has gone on.
	if state == stateReady && e.Kind == kindService && !s.begins && s.State != stateFailed {
		c.complain(ComplaintOrder, source, "%s is ready, and no running came before", e.Service)
	}
	s.begins = state == stateRunning || s.begins && state != stateReady
	s.State, s.Message = state, e.Status.Msg
	s.States = append(s.States, CollectedState{At: now, State: state, Message: s.Message})
	if n := len(s.States) - statesKept; n > 0 {
		s.States = slices.Delete(s.States, 0, n)
	}
}

// sender takes a key apart, "<sender>-<number>" in quotes; it is empty where
// there is none, or where the collector knows nothing of keys.
func (c *collection) sender(key string) (name string, number uint64, err error) {
	if key == "" || c.opt.Keyless {
		return "", 0, nil
	}
	bare, quoted := strings.CutPrefix(key, `"`)
	bare, closed := strings.CutSuffix(bare, `"`)
	at := strings.LastIndexByte(bare, '-')
	if !quoted || !closed || at < 1 {
		return "", 0, fmt.Errorf("key %q is not \"<sender>-<number>\" in quotes", key)
	}
	if number, err = strconv.ParseUint(bare[at+1:], 10, 64); err != nil {
		return "", 0, fmt.Errorf("key %q ends with no number", key)
	}
	return bare[:at], number, nil
}

// unlikeGOST says what no GOST would report.
func unlikeGOST(events []GOSTEvent) []string {
	var all []string
	clients := map[string]bool{}
	for _, e := range events {
		switch {
		case e.Kind == kindService && len(events) > 1:
			all = append(all, "a service's event is not alone in its report")
		case e.Kind == kindHandler && e.Type == typeStatus:
			all = append(all, "a client has a state")
		case e.Kind == kindHandler && e.Service != events[0].Service:
			all = append(all, "clients of two services are in one report")
		case e.Kind == kindHandler && clients[e.Client]:
			all = append(all, fmt.Sprintf("client %q comes twice in one report", e.Client))
		case e.Kind == kindHandler && e.Stats.TotalErrs != 0:
			all = append(all, "a client has errors")
		case e.Status != nil && e.Status.Msg != fmt.Sprintf("service %s is %s", e.Service, e.Status.State):
			all = append(all, fmt.Sprintf("msg %q is no sentence of GOST's", e.Status.Msg))
		}
		clients[e.Client] = true
	}
	return all
}
