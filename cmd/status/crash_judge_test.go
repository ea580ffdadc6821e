package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
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

// known is when a server that lives so can know how an experiment is: when a stream
// that is gone has been silent for long enough, or one that is back has been seen;
// after a restart not before the first frames, and what is gone not before the grace
// that begins with them is over.
func (s *teller) known(stub string, l life) time.Time {
	at, first := s.since[stub], l.ready
	if s.down[stub] {
		at, first = at.Add(storyLastActive), first.Add(storyStartup)
	}
	if first.After(at) {
		return first
	}
	return at
}

// booked waits until book has the truth of every experiment, and notes how long after
// that could be known it was told.
func (s *teller) booked() {
	s.t.Helper()
	s.until(20*time.Second, "book to have the truth", func() (bool, string) {
		for stub, down := range s.down {
			if available, reason, _ := s.lab.Availability("r-" + stub); available == down {
				return false, fmt.Sprintf("%s is available: %v (%s), down: %v", stub, available, reason, down)
			}
		}
		return true, ""
	})
	for _, c := range s.lab.Calls() {
		stub := strings.TrimPrefix(c.Resource, "r-")
		if c.Method != http.MethodPut || c.Status != http.StatusNoContent || !s.asked[stub] || c.At.Before(s.since[stub]) {
			continue
		}
		delete(s.asked, stub)
		i := slices.IndexFunc(s.lives, func(l life) bool { return l.began.After(c.At) })
		if i < 0 {
			i = len(s.lives)
		}
		by := s.lives[i-1]
		if by.ready.IsZero() {
			continue // it was killed before anybody saw that it was ready: it can't be late
		}
		if after := c.At.Sub(s.known(stub, by)); s.down[stub] {
			s.closings = append(s.closings, after)
		} else {
			s.openings = append(s.openings, after)
		}
	}
	if len(s.asked) > 0 {
		s.fatal("book has the truth, and nobody has told it: %v", s.asked)
	}
}

// judge holds what was told against what has happened.
func (s *teller) judge() {
	s.t.Helper()
	events, texts, err := s.events()
	if err != nil {
		s.fatal("%v", err)
	}
	s.figures.events = len(events)
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
	for stub := range s.down {
		if began[stub] < 1 || ended[stub] < 1 {
			s.t.Errorf("%s: %d faults and %d returns are kept, want one of each", stub, began[stub], ended[stub])
		}
	}
	s.until(20*time.Second, "all mails", func() (bool, string) {
		toldNew, toldOver := s.told()
		if !maps.Equal(toldNew, began) || !maps.Equal(toldOver, ended) {
			return false, fmt.Sprintf("%v new and %v over in different mails, of %v and %v", toldNew, toldOver, began, ended)
		}
		_, body := get(s.socket, "/api/v1/system")
		return strings.Contains(body, `"queued":0`), body
	})
	s.copies()
	s.wroteInOrder()
	if s.t.Failed() {
		s.fatal("see above")
	}
}

// wroteInOrder sees to it that book was told of each experiment first that it is closed
// and then that it is open, each as often as a kill may make it: no restart opened what
// was down, nor closed what was well.
func (s *teller) wroteInOrder() {
	s.t.Helper()
	opened, closed := map[string]bool{}, map[string]bool{}
	for _, c := range s.lab.Calls() {
		if c.Method != http.MethodPut {
			continue
		}
		if open := c.Available == "true"; open && !closed[c.Resource] || !open && opened[c.Resource] {
			s.t.Errorf("book was told available=%s of %s (%s) at %s, out of order", c.Available, c.Resource, c.Reason, c.At)
		} else if open {
			opened[c.Resource] = true
		} else {
			closed[c.Resource] = true
		}
	}
}

// told counts the mails that tell of each experiment as new and as over, copies as
// one.
func (s *teller) told() (began, over map[string]int) {
	began, over = map[string]int{}, map[string]int{}
	seen := map[string]bool{}
	for _, m := range s.lab.Mails() {
		if seen[m.MessageID] {
			continue
		}
		seen[m.MessageID] = true
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

// copies sees to it that a mail came again only where a kill explains it.
func (s *teller) copies() {
	s.t.Helper()
	latest := map[string]lab.ReceivedMail{}
	for _, m := range s.lab.Mails() {
		if !m.Spoke.IsZero() {
			s.marks = append(s.marks, m.Spoke.Sub(m.Answered))
		}
		if before, again := latest[m.MessageID]; again {
			s.repeat(before, m)
		} else {
			s.figures.mails++
		}
		latest[m.MessageID] = m
	}
}

// repeat judges a message's second copy. It is right only where the server that sent
// the first one was killed when it could not know of the 250 yet, or could not have
// kept that it does. A server says the next thing to the mail server, QUIT or the next
// MAIL, when the mark is kept, so nothing may come again after that.
func (s *teller) repeat(before, m lab.ReceivedMail) {
	s.t.Helper()
	if !bytes.Equal(before.Raw, m.Raw) {
		s.t.Errorf("copies of %s differ", m.MessageID)
	}
	sender := slices.IndexFunc(s.lives, func(l life) bool { return l.killed.After(before.Opened) })
	if sender < 0 || s.lives[sender].killed.After(m.Opened) {
		s.t.Errorf("%s came twice from one server, in talks that began at %s and %s", m.MessageID, before.Opened, m.Opened)
		return
	}
	killed := s.lives[sender].killed
	if before.Answered.IsZero() || killed.Before(before.Answered) {
		s.beforeAnswer++
		return
	}
	s.beforeMark++
	window := killed.Sub(before.Answered)
	s.doubts = append(s.doubts, window)
	if !before.Spoke.IsZero() {
		s.t.Errorf("%s came again though its sender lived for %s after the 250, and went on after %s (0: it did not)",
			m.MessageID, window, max(0, before.Spoke.Sub(before.Answered)))
	}
}

func stubOf(item string) string {
	stub, _, _ := strings.Cut(item, ":")
	return stub
}
