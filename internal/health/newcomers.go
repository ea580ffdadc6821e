package health

import (
	"fmt"
	"time"
)

// What frames may bring that book doesn't offer. A relay or jump gone wrong, or
// somebody who makes up topics, must cost neither the memory nor the time that the
// rest needs. What the manifest lists has its place whatever else there is.
const (
	// mostUnlisted is how many experiments may be watched that aren't in book's
	// manifest: several times the largest of real laboratories.
	mostUnlisted = 1000
	// mostExtra is how many streams of one experiment may be watched that none of its
	// resources requires.
	mostExtra = 50
)

// newcomers are what a frame lists and nobody has heard of. They are taken in when
// all of the frame has been seen, and where there are too many none of them is: which
// of them come first in a frame is chance, and a flood is not worth a choice.
type newcomers struct {
	e       *Engine
	room    int // for experiments; counted when there is a first one
	strange int // experiments that are new
	byStub  map[string]*newcomer
	conns   []*Conn // whose topics are new
	flood   bool    // more experiments than there is room for
	crowd   bool    // more streams of one experiment than it may have
}

// newcomer is an experiment that is new, or has new streams.
type newcomer struct {
	of     *experiment // nil: it is new
	topics map[string]struct{}
	room   int // for streams; less than none: there are too many
}

// meet notes a new experiment, or one that has a new stream; nil where there are too
// many.
func (n *newcomers) meet(stub string) *newcomer {
	of := n.e.experiments[stub]
	if of == nil && n.flood {
		return nil
	}
	if known := n.byStub[stub]; known != nil {
		return known
	}
	if n.byStub == nil {
		n.byStub = make(map[string]*newcomer)
		n.room = mostUnlisted
		for _, x := range n.e.order {
			if len(x.resources) == 0 {
				n.room--
			}
		}
	}
	met := &newcomer{of: of, room: mostExtra}
	if of == nil {
		if n.strange++; n.strange > n.room {
			n.flood = true
			return nil
		}
	} else {
		for _, s := range of.streams {
			if !s.required {
				met.room--
			}
		}
	}
	n.byStub[stub] = met
	return met
}

// stream notes a connection whose topic is new.
func (n *newcomers) stream(stub string, c *Conn) {
	met := n.meet(stub)
	if met == nil || met.room < 0 {
		n.crowd = n.crowd || met != nil
		return
	}
	if _, again := met.topics[c.Topic]; !again {
		if met.room--; met.room < 0 {
			met.topics, n.crowd = nil, true
			return
		}
		if met.topics == nil {
			met.topics = make(map[string]struct{})
		}
		met.topics[c.Topic] = struct{}{}
	}
	n.conns = append(n.conns, c)
}

// host notes a connection of a host that is new.
func (n *newcomers) host(c *Conn) {
	if n.meet(c.Topic) != nil {
		n.conns = append(n.conns, c)
	}
}

// admits says whether what was met by that name is taken in.
func (n *newcomers) admits(stub string) bool {
	met := n.byStub[stub]
	return met != nil && met.room >= 0 && (met.of != nil || !n.flood)
}

// overfull keeps in mind that a source lists more than is taken in. That is over when
// no frame has done so for a while: a flood that comes and goes is one.
func (e *Engine) overfull(f *feed, n *newcomers) {
	switch too := n.flood || n.crowd; {
	case too && len(e.resources) == 0 && e.now.Sub(e.started) < e.cfg.Startup:
		// Book may just not have said yet what it offers.
	case too:
		if f.fullSince.IsZero() {
			f.fullSince = e.now
			e.note(Warn, string(f.name)+" lists too many unknown experiments or streams: the new ones are not watched; "+fullWords, "", f.name)
		}
		f.fullAt = e.now
	case !f.fullSince.IsZero() && e.now.Sub(f.fullAt) >= e.calm():
		f.fullSince = time.Time{}
		e.note(Info, string(f.name)+" lists no more unknown experiments and streams than are watched", "", f.name)
	}
}

// calm is how long no frame must have listed too many.
func (e *Engine) calm() time.Duration { return max(e.cfg.Startup, e.cfg.FlapWindow) }

// fullWords says what may be watched.
var fullWords = fmt.Sprintf("at most %d experiments that book doesn't offer are, and %d streams of one experiment that nobody requires", mostUnlisted, mostExtra)
