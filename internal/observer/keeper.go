package observer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Keeper keeps, for each observer, what has to outlive the server. Both calls are
// given a deadline, and are durable when they return nil.
type Keeper interface {
	// KeepObserver replaces what was kept under the same name.
	KeepObserver(ctx context.Context, k KeptObserver) error
	// ForgetObserver drops it; it is no error where there is none.
	ForgetObserver(ctx context.Context, name string) error
}

// KeptObserver is one observer as it is kept: its settings and what it has not
// acknowledged. Encoded to JSON it holds the token in clear.
type KeptObserver struct {
	Observer Observer
	Fixed    bool // from the file of STATUS_OBSERVERS: kept for what is pending only
	Reports  []KeptReport
	Waiting  []KeptEvent
	LastOK   time.Time
}

// KeptReport is a report that was sent and not acknowledged. It is sent again as it
// is.
type KeptReport struct {
	Key    string    `json:"key"`
	At     time.Time `json:"at"`
	Events []Event   `json:"events"`
}

// KeptEvent is a change of status that is in no report yet.
type KeptEvent struct {
	At    time.Time `json:"at"`
	Event Event     `json:"event"`
}

type keptForm struct {
	Observer observerForm `json:"observer"`
	Fixed    bool         `json:"fixed,omitempty"`
	Reports  []KeptReport `json:"reports,omitempty"`
	Waiting  []KeptEvent  `json:"waiting,omitempty"`
	LastOK   time.Time    `json:"last_ok,omitzero"`
}

// MarshalJSON writes what UnmarshalJSON reads, the token in clear.
func (k KeptObserver) MarshalJSON() ([]byte, error) {
	return json.Marshal(keptForm{k.Observer.form(k.Observer.Token.Reveal()), k.Fixed, k.Reports, k.Waiting, k.LastOK})
}

// ReadKeptObserver reads what was kept of an observer under its name. What is another's
// would be told in that one's place.
func ReadKeptObserver(name string, text []byte) (KeptObserver, error) {
	var k KeptObserver
	if err := json.Unmarshal(text, &k); err != nil {
		return KeptObserver{}, unread(err)
	}
	if k.Observer.Name != name {
		return KeptObserver{}, fmt.Errorf("what was kept of %s names itself %s", oneLine(name, 100), k.Observer.Name)
	}
	return k, nil
}

// unread words why what was kept can't be read, of which the decoder may quote as much as
// there is.
func unread(err error) error { return errors.New(oneLine(err.Error(), 2000)) }

// usable leaves out what an observer would refuse, or what we could not even send: it
// would keep back all that follows. It says how many events these are.
func (k KeptObserver) usable(now time.Time) (_ KeptObserver, gone int) {
	reports, waiting := k.Reports, k.Waiting
	k.Reports, k.Waiting, k.LastOK = nil, nil, heardBy(now, k.LastOK)
	for _, r := range reports {
		all := len(r.Events)
		r.Events = slices.Clone(r.Events)
		for i := range r.Events {
			r.Events[i].clean()
		}
		r.Events = slices.DeleteFunc(r.Events, func(e Event) bool { return !e.tells() })
		gone += all - len(r.Events)
		if len(r.Events) > 0 {
			r.At = heardBy(now, r.At)
			k.Reports = append(k.Reports, r)
		}
	}
	for _, w := range waiting {
		w.Event.clean()
		if !w.Event.tells() || w.Event.Type != TypeStatus {
			gone++
			continue
		}
		w.At = heardBy(now, w.At)
		k.Waiting = append(k.Waiting, w)
	}
	return k, gone
}

// tells says whether it is an event that we would send.
func (e *Event) tells() bool { return e.check() == nil && e.known() }

// heardBy takes up a moment that was kept, and so has but a time of day. It is none to
// come: it was kept by a clock that was ahead then, and would be waited for. (Where the
// clock is behind now it is lost by that, as what it is compared with is no better.) And it
// is so long before now, whatever the clock is set to later.
func heardBy(now, at time.Time) time.Time {
	if at.After(now) {
		return now
	}
	if ago := now.Add(-now.Sub(at)); ago.Equal(at) {
		return ago.In(at.Location())
	}
	return at // never, or centuries ago
}

// UnmarshalJSON reads it and checks the settings, which an older version may have
// kept.
func (k *KeptObserver) UnmarshalJSON(text []byte) error {
	var f keptForm
	if err := json.Unmarshal(text, &f); err != nil {
		return fmt.Errorf("read a kept observer: %s", oneLine(err.Error(), 200)) // it quotes numbers and times at any length
	}
	o, err := f.Observer.observer()
	if err != nil {
		return fmt.Errorf("read kept observer %s: %w", oneLine(f.Observer.Name, 100), err)
	}
	*k = KeptObserver{o, f.Fixed, f.Reports, f.Waiting, f.LastOK}
	return nil
}
