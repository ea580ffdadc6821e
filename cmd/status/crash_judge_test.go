package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"labstatus/internal/lab"
)

type storyEvent struct {
	Experiment string
	When       time.Time
	Healthy    bool
}

// events reads the whole history: its events, and each as its JSON.
func (s *teller) events() (all []storyEvent, texts map[string]bool, err error) {
	texts = map[string]bool{}
	code, body := get(s.socket, "/api/v1/events?limit=1000")
	if code != http.StatusOK {
		return nil, nil, fmt.Errorf("GET events: %d %s", code, body)
	}
	var page struct {
		Events []json.RawMessage
		Next   string
	}
	if err := json.Unmarshal([]byte(body), &page); err != nil || page.Next != "" {
		return nil, nil, fmt.Errorf("GET events: %w, next page %q", err, page.Next)
	}
	for _, raw := range page.Events {
		var e storyEvent
		if err := json.Unmarshal(raw, &e); err != nil {
			return nil, nil, err
		}
		all, texts[string(raw)] = append(all, e), true
	}
	return all, texts, nil
}

// judge holds what was told against what has happened.
func (s *teller) judge() {
	s.t.Helper()
	s.until(20*time.Second, "the last mail", func() (bool, string) {
		_, body := get(s.socket, "/api/v1/system")
		return strings.Contains(body, `"queued":0`), body
	})
	events, texts, err := s.events()
	if err != nil {
		s.fatal("%v", err)
	}
	for e := range s.shown {
		if !texts[e] {
			s.t.Errorf("the API has lost the event %s", e)
		}
	}
	began, ended := map[string]int{}, map[string]int{}
	for _, e := range events {
		if e.Healthy {
			ended[e.Experiment]++
		} else {
			began[e.Experiment]++
		}
	}
	toldNew, toldOver := s.told()
	for stub := range s.down {
		if began[stub] < 1 || ended[stub] < 1 {
			s.t.Errorf("%s: %d faults and %d returns are kept, want one of each", stub, began[stub], ended[stub])
		}
		if toldNew[stub] != began[stub] || toldOver[stub] != ended[stub] {
			s.t.Errorf("%s: %d faults and %d returns, in %d and %d mails", stub, began[stub], ended[stub], toldNew[stub], toldOver[stub])
		}
	}
	s.figures.events = len(events)
	if s.t.Failed() {
		s.fatal("see above")
	}
}

// told counts the mails that tell of each experiment as new and as over, copies
// as one, and sees to it that there are copies only where a kill explains them.
func (s *teller) told() (began, over map[string]int) {
	s.t.Helper()
	began, over = map[string]int{}, map[string]int{}
	latest := map[string]lab.ReceivedMail{}
	for _, m := range s.lab.Mails() {
		before, again := latest[m.MessageID]
		latest[m.MessageID] = m
		if again {
			s.repeat(before, m)
			continue
		}
		s.figures.mails++
		section := ""
		for line := range strings.SplitSeq(m.Text, "\n") {
			line = strings.TrimSpace(line)
			item, isItem := strings.CutPrefix(line, "- ")
			switch {
			case !isItem && line != "":
				section, _, _ = strings.Cut(line, " at ")
			case isItem && section == "New problems":
				began[stubOf(item)]++
			case isItem && section == "Over":
				over[stubOf(item)]++
			}
		}
	}
	return began, over
}

// repeat judges a message's second copy.
func (s *teller) repeat(before, m lab.ReceivedMail) {
	s.t.Helper()
	s.repeats++
	if !bytes.Equal(before.Raw, m.Raw) {
		s.t.Errorf("copies of %s differ", m.MessageID)
	}
	// The laboratory stamps a message when it has read it, which may be a moment
	// after its sender was killed.
	i := slices.IndexFunc(s.killed, func(k time.Time) bool { return k.After(before.At.Add(-storyKilledAlready)) && k.Before(m.At) })
	if i < 0 {
		s.t.Errorf("%s came twice, at %s and %s, and nobody was killed between: %v", m.MessageID, before.At, m.At, s.killed)
		return
	}
	window := s.killed[i].Sub(before.At)
	if s.window = max(s.window, window); window > storySlack {
		s.t.Errorf("%s came again though the server lived for %s after its final dot", m.MessageID, window)
	}
}

func stubOf(item string) string {
	stub, _, _ := strings.Cut(item, ":")
	return stub
}
