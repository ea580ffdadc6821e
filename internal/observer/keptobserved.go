package observer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// KeptObserved is what a [Receiver] has heard, as it is kept from run to run. It
// encodes to JSON; a later version adds nothing that isn't nothing when it is zero.
type KeptObserved struct {
	Sources []KeptSource `json:"sources,omitempty"`
}

// KeptSource is one source of reports.
type KeptSource struct {
	Name     string        `json:"name"`
	Senders  []KeptSender  `json:"senders,omitempty"`
	Subjects []KeptSubject `json:"subjects,omitempty"`
}

// KeptSender is how far the reports of a sender that numbers them were taken.
type KeptSender struct {
	Life   string    `json:"life"`
	Number uint64    `json:"number"`
	At     time.Time `json:"at"`
}

// KeptSubject is a service or a client as it was last heard of.
type KeptSubject struct {
	Subject
	State    State     `json:"state,omitempty"`
	Message  string    `json:"message,omitempty"`
	Since    time.Time `json:"since,omitzero"`
	SaidAt   time.Time `json:"said_at,omitzero"` // State, last; zero in what older versions kept
	LastAt   time.Time `json:"last_at"`
	Counted  time.Time `json:"counted,omitzero"`
	Began    bool      `json:"began,omitempty"`
	Restarts uint64    `json:"restarts,omitempty"`
	Repeats  uint64    `json:"repeats,omitempty"`

	Counter KeptCounter `json:"counter,omitzero"`
}

// ReadKeptSource reads what was kept of a source under its name. What is another's would
// be counted as that one's.
func ReadKeptSource(name string, text []byte) (KeptSource, error) {
	var s KeptSource
	if err := json.Unmarshal(text, &s); err != nil {
		return KeptSource{}, unread(err)
	}
	if s.Name != name {
		return KeptSource{}, fmt.Errorf("what was kept of %s names itself %s", oneLine(name, 100), oneLine(s.Name, 100))
	}
	return s, nil
}

// usable leaves out what no source can have reported, and says how many services and
// clients these are.
func (s KeptSource) usable(now time.Time) (_ KeptSource, gone int) {
	senders, subjects := s.Senders, s.Subjects
	s.Senders, s.Subjects = nil, nil
	if !nameForm.MatchString(s.Name) {
		return KeptSource{}, len(subjects)
	}
	for _, l := range senders {
		if k, ok := readKey(reportKey{l.Life, l.Number}.String()); ok && k.life == l.Life {
			l.At = heardBy(now, l.At)
			s.Senders = append(s.Senders, l)
		}
	}
	for _, k := range subjects {
		said := Event{Subject: k.Subject, Type: TypeStatus, Status: &ServiceStatus{cmp.Or(k.State, Ready), k.Message}}
		said.clean()
		if !said.tells() {
			gone++
			continue
		}
		k.Subject, k.Message = said.Subject, said.Status.Msg
		for _, at := range []*time.Time{&k.Since, &k.SaidAt, &k.LastAt, &k.Counted} {
			*at = heardBy(now, *at)
		}
		s.Subjects = append(s.Subjects, k)
	}
	return s, gone
}

// kept copies the table, with the number of the report that it is as of.
func (r *Receiver) kept() (KeptObserved, uint64) {
	r.mu.Lock()
	k, taken := r.table.keep(), r.taken
	r.mu.Unlock()
	k.sort() // while others may go on
	return k, taken
}

func (k *KeptObserved) sort() {
	for _, s := range k.Sources {
		slices.SortFunc(s.Senders, func(a, b KeptSender) int { return strings.Compare(a.Life, b.Life) })
		slices.SortFunc(s.Subjects, func(a, b KeptSubject) int { return compareSubjects(a.Subject, b.Subject) })
	}
	slices.SortFunc(k.Sources, func(a, b KeptSource) int { return strings.Compare(a.Name, b.Name) })
}

func (t *table) keep() (k KeptObserved) {
	for _, s := range t.sources {
		source := KeptSource{Name: s.name}
		for name, l := range s.lives {
			source.Senders = append(source.Senders, KeptSender{name, l.seq, l.at})
		}
		for subject, e := range s.entries {
			e.follow()
			source.Subjects = append(source.Subjects, KeptSubject{
				Subject: subject, State: e.state, Message: e.message, Since: e.since, SaidAt: e.said, LastAt: e.last, Counted: e.counted,
				Began: e.began, Restarts: e.restarts, Repeats: e.repeats, Counter: e.count.KeptCounter,
			})
		}
		k.Sources = append(k.Sources, source)
	}
	return k
}

// restore begins with what was kept, as far as there is room, and gives the states in
// the order in which they came to be.
func (t *table) restore(k KeptObserved) []Status {
	var states []Status
	for _, source := range k.Sources {
		if len(t.sources) >= maxSources {
			break
		}
		s := t.source(source.Name)
		for _, l := range source.Senders {
			s.remember(reportKey{l.Life, l.Number}, l.At)
		}
		for _, kept := range source.Subjects {
			if t.size >= t.max {
				break
			}
			e := t.entry(s, kept.Subject)
			e.state, e.message, e.since, e.last, e.counted = kept.State, kept.Message, kept.Since, kept.LastAt, kept.Counted
			if e.said = kept.SaidAt; e.said.IsZero() {
				e.said = e.since
			}
			e.began, e.restarts, e.repeats, e.count.KeptCounter = kept.Began, kept.Restarts, kept.Repeats, kept.Counter
			if e.state != "" {
				states = append(states, Status{Origin: e.origin, State: e.state, Message: e.message, At: e.said, Since: e.since, Restored: true})
			}
		}
	}
	for _, s := range t.inherit() {
		s.Restored = true
		states = append(states, s)
	}
	slices.SortFunc(states, func(a, b Status) int {
		return cmp.Or(a.At.Compare(b.At), compareOrigins(a.Origin, b.Origin))
	})
	return states
}
