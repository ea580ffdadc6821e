package lab

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"unicode/utf8"
)

// strictJSON reads a report to the letter: every key there, none besides, none
// twice, numbers whole and unsigned, and what goes together together.
func strictJSON(body []byte) ([]GOSTEvent, error) {
	report, err := members(body, []string{"events"}, nil)
	if err != nil {
		return nil, fmt.Errorf("the report: %w", err)
	}
	var rows []json.RawMessage
	if raw := report["events"]; raw[0] != '[' {
		return nil, fmt.Errorf("events is no array: %.40s", raw)
	} else if err := json.Unmarshal(raw, &rows); err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	var events []GOSTEvent
	for n, row := range rows {
		e, err := strictEvent(row)
		if err != nil {
			return nil, fmt.Errorf("event %d: %w", n, err)
		}
		events = append(events, e)
	}
	return events, together(events)
}

func strictEvent(row []byte) (e GOSTEvent, err error) {
	m, err := members(row, []string{"kind", "service", "type"}, []string{"client", "stats", "status"})
	if err != nil {
		return e, err
	}
	for key, into := range map[string]*string{"kind": &e.Kind, "service": &e.Service, "type": &e.Type, "client": &e.Client} {
		raw, there := m[key]
		if !there {
			continue
		}
		if *into, err = text(raw); err != nil {
			return e, fmt.Errorf("%s: %w", key, err)
		}
		if *into == "" && key == "client" {
			return e, errors.New("client is empty: it is left out then")
		}
	}
	if raw, there := m["stats"]; there {
		keys := []string{"totalConns", "currentConns", "inputBytes", "outputBytes", "totalErrs"}
		figures, err := members(raw, keys, nil)
		if err != nil {
			return e, fmt.Errorf("stats: %w", err)
		}
		var v [5]uint64
		for i, key := range keys {
			if v[i], err = strconv.ParseUint(string(figures[key]), 10, 64); err != nil {
				return e, fmt.Errorf("stats: %s is no unsigned number of 64 bits: %.40s", key, figures[key])
			}
		}
		e.Stats = &GOSTStats{v[0], v[1], v[2], v[3], v[4]}
	}
	if raw, there := m["status"]; there {
		words, err := members(raw, []string{"state", "msg"}, nil)
		if err != nil {
			return e, fmt.Errorf("status: %w", err)
		}
		e.Status = &GOSTStatus{}
		if e.Status.State, err = text(words["state"]); err != nil {
			return e, fmt.Errorf("state: %w", err)
		}
		if e.Status.Msg, err = text(words["msg"]); err != nil {
			return e, fmt.Errorf("msg: %w", err)
		}
	}
	return e, nil
}

// members takes an object apart; its keys are compared as they are written.
func members(raw []byte, required, optional []string) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("no JSON object: %.40q", raw)
	}
	m := map[string]json.RawMessage{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("no JSON: %w", err)
		}
		key, _ := t.(string) // a decoder gives no other keys
		if _, twice := m[key]; twice {
			return nil, fmt.Errorf("%q comes twice", key)
		}
		if !slices.Contains(required, key) && !slices.Contains(optional, key) {
			return nil, fmt.Errorf("%q is no key of it", key)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		m[key] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("no JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows it")
	}
	for _, key := range required {
		if _, there := m[key]; !there {
			return nil, fmt.Errorf("%q is missing", key)
		}
	}
	return m, nil
}

func text(raw json.RawMessage) (s string, err error) {
	if raw[0] != '"' {
		return "", fmt.Errorf("no string: %.40s", raw)
	}
	if !utf8.Valid(raw) {
		return "", errors.New("no UTF-8")
	}
	err = json.Unmarshal(raw, &s)
	return s, err
}

// together says what does not fit in events that could be read.
func together(events []GOSTEvent) error {
	if len(events) == 0 {
		return errors.New("a report is never empty")
	}
	for n, e := range events {
		var fault string
		switch {
		case e.Kind != kindService && e.Kind != kindHandler:
			fault = fmt.Sprintf("kind %q: it is service or handler", e.Kind)
		case e.Service == "":
			fault = "service is empty"
		case e.Kind == kindService && e.Client != "":
			fault = "a client, where kind is service"
		case e.Type == typeStats && (e.Stats == nil || e.Status != nil):
			fault = "type stats goes with stats and no status"
		case e.Type == typeStatus && (e.Status == nil || e.Stats != nil):
			fault = "type status goes with status and no stats"
		case e.Type != typeStats && e.Type != typeStatus:
			fault = fmt.Sprintf("type %q: it is status or stats", e.Type)
		case e.Status != nil && !slices.Contains([]string{stateRunning, stateReady, stateFailed, stateClosed}, e.Status.State):
			fault = fmt.Sprintf("state %q: it is running, ready, failed or closed", e.Status.State)
		}
		if fault != "" {
			return fmt.Errorf("event %d: %s", n, fault)
		}
	}
	return nil
}
