package observer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// encodeJSON writes a report's body.
func encodeJSON(events []Event) ([]byte, error) {
	return json.Marshal(struct {
		Events []Event `json:"events"`
	}{events})
}

// decodeJSON reads a report's body, event by event, so that a small body can't grow
// large in memory.
func decodeJSON(body []byte) ([]Event, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	if err := delim(d, '{', "the report is no JSON object"); err != nil {
		return nil, err
	}
	var events []Event
	found := false
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, unreadable(err)
		}
		if key != "events" {
			var skipped json.RawMessage
			if err := d.Decode(&skipped); err != nil {
				return nil, unreadable(err)
			}
			continue
		}
		if found {
			return nil, errors.New("the report has events twice")
		}
		found = true
		if events, err = decodeEvents(d); err != nil {
			return nil, err
		}
	}
	if _, err := d.Token(); err != nil { // the closing brace
		return nil, unreadable(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the report")
	}
	if !found {
		return nil, errors.New("the report has no events")
	}
	return events, nil
}

func decodeEvents(d *json.Decoder) ([]Event, error) {
	if err := delim(d, '[', "events is no JSON array"); err != nil {
		return nil, err
	}
	events := []Event{}
	for d.More() {
		if len(events) == maxEvents {
			return nil, errTooManyEvents
		}
		var e Event
		if err := d.Decode(&e); err != nil {
			return nil, fmt.Errorf("events[%d]: %w", len(events), unreadable(err))
		}
		e.clean()
		events = append(events, e)
	}
	if _, err := d.Token(); err != nil { // the closing bracket
		return nil, unreadable(err)
	}
	return events, nil
}

var errTooManyEvents = fmt.Errorf("the report has more than %d events", maxEvents)

func delim(d *json.Decoder, want json.Delim, otherwise string) error {
	token, err := d.Token()
	if err != nil {
		return unreadable(err)
	}
	if token != want {
		return errors.New(otherwise)
	}
	return nil
}

// unreadable has words of our own for what the decoder says, which may quote what
// was sent at any length.
func unreadable(err error) error {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%s can't be %s", oneLine(e.Field, 100), oneLine(e.Value, 100))
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the report ends too early")
	}
	return fmt.Errorf("the report is no JSON: %s", oneLine(err.Error(), 200))
}

// decodeAnswer reads what an observer answered over HTTP: an object whose ok is
// true, whatever follows it.
func decodeAnswer(body []byte) bool {
	var answer struct {
		OK bool `json:"ok"`
	}
	return json.NewDecoder(bytes.NewReader(body)).Decode(&answer) == nil && answer.OK
}
