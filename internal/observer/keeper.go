package observer

import (
	"context"
	"encoding/json"
	"fmt"
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

// UnmarshalJSON reads it and checks the settings, which an older version may have
// kept.
func (k *KeptObserver) UnmarshalJSON(text []byte) error {
	var f keptForm
	if err := json.Unmarshal(text, &f); err != nil {
		return fmt.Errorf("read a kept observer: %w", err)
	}
	o, err := f.Observer.observer()
	if err != nil {
		return fmt.Errorf("read kept observer %s: %w", oneLine(f.Observer.Name, 100), err)
	}
	*k = KeptObserver{o, f.Fixed, f.Reports, f.Waiting, f.LastOK}
	return nil
}
