package observer

import (
	"errors"
	"fmt"
	"strings"
)

// EventType says what an [Event] holds.
type EventType string

// The types of the protocol.
const (
	TypeStatus EventType = "status"
	TypeStats  EventType = "stats"
)

// Event is one line of a report, as it is on the wire.
type Event struct {
	Subject
	Type   EventType      `json:"type"`
	Stats  *Stats         `json:"stats,omitempty"`
	Status *ServiceStatus `json:"status,omitempty"`
}

// ServiceStatus is what a status event holds.
type ServiceStatus struct {
	State State  `json:"state"`
	Msg   string `json:"msg"`
}

// Bounds of what we take and of what we send.
const (
	maxBody    = 1 << 20 // bytes of a report
	maxEvents  = 10_000  // of a report
	maxName    = 256     // bytes of a service's or client's name
	maxMessage = 500     // bytes of a message; the rest of it is cut off
)

// check refuses what nobody who speaks the protocol sends. What a later version of
// it may send is not refused, see known.
func (e *Event) check() error {
	switch {
	case e.Kind == "":
		return errors.New("kind is missing")
	case e.Type == "":
		return errors.New("type is missing")
	case len(e.Kind) > maxName || len(e.Type) > maxName:
		return fmt.Errorf("kind and type have at most %d bytes", maxName)
	case e.Service == "":
		return errors.New("service is missing")
	case len(e.Service) > maxName:
		return fmt.Errorf("service has %d bytes, at most %d are taken", len(e.Service), maxName)
	case len(e.Client) > maxName:
		return fmt.Errorf("client has %d bytes, at most %d are taken", len(e.Client), maxName)
	case e.Type == TypeStats && e.Stats == nil:
		return errors.New("stats is missing, and type says that it is there")
	case e.Type == TypeStatus && e.Status == nil:
		return errors.New("status is missing, and type says that it is there")
	}
	return nil
}

// clean makes text of what may be any bytes, and cuts a message to its bounds.
func (e *Event) clean() {
	for _, text := range []*string{(*string)(&e.Kind), &e.Service, &e.Client, (*string)(&e.Type)} {
		*text = strings.ToValidUTF8(*text, "\uFFFD")
	}
	if e.Status != nil {
		e.Status.State = State(strings.ToValidUTF8(string(e.Status.State), "\uFFFD"))
		e.Status.Msg = oneLine(e.Status.Msg, maxMessage)
	}
}

// known says whether we understand the event. One that we don't is counted and
// otherwise ignored: a GOST sends what is refused again and again, and nothing else
// before it.
func (e *Event) known() bool {
	if e.Kind != KindService && e.Kind != KindHandler {
		return false
	}
	switch e.Type {
	case TypeStats:
		return true
	case TypeStatus:
		switch e.Status.State {
		case Running, Ready, Failed, Closed:
			return true
		}
	}
	return false
}

// oneLine puts somebody else's text on one line of valid UTF-8, of at most so many
// bytes.
func oneLine(text string, most int) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "\uFFFD")), " ")
	if len(text) <= most {
		return text
	}
	const dots = "…"
	return strings.ToValidUTF8(text[:most-len(dots)], "") + dots
}
