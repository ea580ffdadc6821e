package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
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
	one := map[string]int{}
	for stub := range s.down {
		one[stub] = 1
	}
	s.until(20*time.Second, "all mails", func() (bool, string) {
		began, over := s.told()
		if !maps.Equal(began, one) || !maps.Equal(over, one) {
			return false, fmt.Sprintf("%v new and %v over in different mails, want each once", began, over)
		}
		_, body := get(s.socket, "/api/v1/system")
		return strings.Contains(body, `"queued":0`), body
	})
	// Only now: where the store was late, a server may have booked what it had not kept yet
	// when it was killed, and the next one finds that anew. A mail is kept with what it
	// tells.
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
	// Exactly one of each, on a late machine as well: what the laboratory lists is as
	// fresh as its frame, however late that comes, so that no stream seems to be down
	// that is not.
	began, ended := map[string]int{}, map[string]int{}
	for _, e := range events {
		if e.Healthy {
			ended[e.Experiment]++
		} else {
			began[e.Experiment]++
		}
	}
	if !maps.Equal(began, one) || !maps.Equal(ended, one) {
		s.t.Errorf("%v faults and %v returns are kept, want one of each", began, ended)
	}
	mails := s.lab.Mails()
	s.copies(mails)
	for _, id := range untold(mails, s.lives) {
		s.t.Errorf("%s is done with, and whoever sent it was dead before it was answered", id)
	}
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
func (s *teller) copies(mails []lab.ReceivedMail) {
	s.t.Helper()
	latest := map[string]lab.ReceivedMail{}
	for _, m := range mails {
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
	sender := senderOf(before, s.lives)
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

// untold gives the messages of which no sender can have known that they were taken:
// one that was answered at all was dead when that began. The mail server has them from
// their dots, but a server that is done with one has only hoped so, and would not send
// it again to a mail server that had not taken it.
func untold(mails []lab.ReceivedMail, lives []life) (ids []string) {
	known := map[string]bool{}
	for _, m := range mails {
		if _, seen := known[m.MessageID]; !seen {
			ids = append(ids, m.MessageID)
		}
		sender := senderOf(m, lives)
		known[m.MessageID] = known[m.MessageID] || m.Accepted() && !m.Answering.IsZero() &&
			(sender < 0 || lives[sender].dead.After(m.Answering))
	}
	return slices.DeleteFunc(ids, func(id string) bool { return known[id] })
}

// senderOf is whose life a message came from; -1: from the last one's, which lasts.
func senderOf(m lab.ReceivedMail, lives []life) int {
	return slices.IndexFunc(lives, func(l life) bool { return l.killed.After(m.Opened) })
}

// The judge of TestKilledAtAnyPoint finds a mail out that was marked as sent before it
// was answered, and no other: lives that were never lived.
func TestUntoldIsFound(t *testing.T) {
	t.Parallel()
	began := time.Now()
	at := func(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }
	lives := []life{{began: at(0), killed: at(100), dead: at(103)}, {began: at(110), killed: at(200), dead: at(203)}, {began: at(210)}}
	mail := func(opened, answering int, answer string) lab.ReceivedMail {
		m := lab.ReceivedMail{MessageID: "1", Opened: at(opened), Answer: answer}
		if answering > 0 {
			m.Answering = at(answering)
		}
		return m
	}
	for _, test := range []struct {
		what   string
		copies []lab.ReceivedMail
		untold bool
	}{
		{"answered", []lab.ReceivedMail{mail(50, 60, "250")}, false},
		{"answered while it was killed", []lab.ReceivedMail{mail(90, 102, "250")}, false},
		{"its sender dead before the answer", []lab.ReceivedMail{mail(90, 104, "250")}, true},
		{"never answered", []lab.ReceivedMail{mail(90, 0, "250")}, true},
		{"refused", []lab.ReceivedMail{mail(50, 60, "451")}, true},
		{"both senders dead before the answer", []lab.ReceivedMail{mail(90, 104, "250"), mail(190, 204, "250")}, true},
		{"the second time answered", []lab.ReceivedMail{mail(90, 104, "250"), mail(150, 160, "250")}, false},
		{"the first time answered", []lab.ReceivedMail{mail(90, 102, "250"), mail(190, 204, "250")}, false},
		{"by the last server", []lab.ReceivedMail{mail(90, 0, "250"), mail(220, 230, "250")}, false},
		{"by the last server, not answered", []lab.ReceivedMail{mail(220, 0, "250")}, true},
	} {
		if ids := untold(test.copies, lives); len(ids) > 0 != test.untold {
			t.Errorf("%s: untold %q", test.what, ids)
		}
	}
}

func stubOf(item string) string {
	stub, _, _ := strings.Cut(item, ":")
	return stub
}
