package app_test

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// letter is what a mail's text part says to its reader.
type letter struct {
	at        time.Time // of the check it tells about, in whole seconds
	news      []told
	over      []told
	current   []told
	shortened bool // a list says that there is more
}

// told is one thing in a mail: about an experiment, or about the system.
type told struct {
	who    string // empty: the system
	what   string // a topic, "jump", a tunnel, "flapping"; "relay", "jump" or "book" for the system
	ending string // of what is over
}

func (t told) String() string { return strings.TrimSpace(t.who + " " + t.what) }

// read takes the text part apart. A line it doesn't understand is an error: a
// reader wouldn't either.
func read(text string) (letter, error) {
	var l letter
	var into *[]told
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		item, listed := strings.CutPrefix(line, "- ")
		switch {
		case line == "New problems":
			into = &l.news
		case line == "Over":
			into = &l.over
		case line == "Notices":
			into = nil
		case strings.HasPrefix(line, "All current problems at "):
			into = &l.current
			at, err := time.Parse(time.RFC3339, strings.TrimPrefix(line, "All current problems at "))
			if err != nil {
				return l, err
			}
			l.at = at
		case !listed || into == nil || item == "none":
		case andMore.MatchString(item):
			l.shortened = true
		default:
			things, err := readItem(item)
			if err != nil {
				return l, err
			}
			*into = append(*into, things...)
		}
	}
	if l.at.IsZero() {
		return l, fmt.Errorf("no list of all current problems in %q", text)
	}
	return l, nil
}

var (
	andMore     = regexp.MustCompile(`^and \d+ more`)
	systemLine  = regexp.MustCompile(`^(relay|jump) (?:has no fresh reports|is reporting again)|^(book) is (?:not answering|answering again)`)
	flapMeaning = regexp.MustCompile(`flapping: .*? when it is steady`)
	caredFor    = regexp.MustCompile(` \[(?:acknowledged|silenced|in maintenance|maintenance)\b[^\]]*\]`)
	nameOfLine  = regexp.MustCompile(`^([^\s:]+): `)
	thing       = regexp.MustCompile(`^(?:missing required (\S+?)|unhealthy ((?:tunnel )?\S+?)|missing (jump|tunnel \S+?)|(flapping))(?:: ([a-z, ]+?)(?: after .*)?)?(?: \(since [^)]+\))?$`)
)

func readItem(item string) ([]told, error) {
	if m := systemLine.FindStringSubmatch(item); m != nil {
		return []told{{what: m[1] + m[2]}}, nil
	}
	item = caredFor.ReplaceAllString(item, "")
	m := nameOfLine.FindStringSubmatch(item)
	if m == nil {
		return nil, fmt.Errorf("a line that names nobody: %q", item)
	}
	var all []told
	// What flapping means is explained, with semicolons of its own.
	rest := flapMeaning.ReplaceAllString(strings.TrimPrefix(item, m[0]), "flapping")
	for part := range strings.SplitSeq(rest, "; ") {
		w := thing.FindStringSubmatch(part)
		if w == nil {
			return nil, fmt.Errorf("a line that says nothing known: %q in %q", part, item)
		}
		all = append(all, told{who: m[1], what: w[1] + w[2] + w[3] + w[4], ending: w[5]})
	}
	for i := len(all) - 2; i >= 0; i-- { // those that ended alike share the words for it
		all[i].ending = cmp.Or(all[i].ending, all[i+1].ending)
	}
	return all, nil
}

// reader is somebody who reads every mail that arrives and believes it.
type reader struct {
	seen  map[string]string // by Message-ID: the bytes
	knows map[told]bool     // what is wrong, as far as was told
	// blurred: a mail was so long that it named only some of its news. Until the
	// next quiet point this reader can't be held to what it knows by name.
	blurred bool
}

func newReader() *reader { return &reader{seen: map[string]string{}, knows: map[told]bool{}} }

// reads takes in a mail; the error says what confuses its reader. In doubt, while
// a source has not settled, the end of what was told is kept back until it is sure.
func (r *reader) reads(id, raw string, l letter, doubt func(told) bool) error {
	if was, again := r.seen[id]; again {
		if was != raw {
			return fmt.Errorf("two mails with the Message-ID %s differ", id)
		}
		return nil
	}
	r.seen[id] = raw
	if r.blurred = r.blurred || l.shortened; r.blurred {
		return nil
	}
	for _, t := range l.over {
		t.ending = ""
		if !r.knows[t] {
			return fmt.Errorf("%s is told to be over and was never told", t)
		}
		delete(r.knows, t)
	}
	for _, t := range l.news {
		if r.knows[t] {
			return fmt.Errorf("%s is told twice", t)
		}
		r.knows[t] = true
	}
	for _, t := range l.current {
		if !r.knows[t] {
			return fmt.Errorf("%s is listed and was never told", t)
		}
	}
	// What is told and not listed is over, and its end is kept back: the experiment
	// is flapping, or a source's return waits for that of another, or a stream that nobody
	// required any more has just connected, of which nothing is known yet.
	for t := range r.knows {
		if t.who != "" && !doubt(t) && !slices.Contains(l.current, t) && !r.knows[told{who: t.who, what: "flapping"}] {
			return fmt.Errorf("%s was told, is not listed, and was not told to be over", t)
		}
	}
	return nil
}

// about lists what the reader believes to be wrong with somebody.
func (r *reader) about(who string) []string {
	var all []string
	for t := range r.knows {
		if t.who == who {
			all = append(all, t.what)
		}
	}
	slices.Sort(all)
	return all
}
