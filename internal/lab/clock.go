package lab

import (
	"fmt"
	"net/http"
	"time"
)

// clock is how far the clock of a service is ahead of everybody else's, and has been.
// What a service times with it are the times in tokens, the Date of its answers, since
// when a connection is there, and when it last transmitted: what was noted before the
// clock was set is as much too old, or too new, until there is something newer.
//
// Connections that are there are dropped when their token's time is over as it was
// counted when they began: a timer doesn't know of a clock that is set.
//
// Guarded by Lab.mu.
type clock struct{ steps []clockStep }

type clockStep struct {
	at    time.Time
	ahead time.Duration
}

// show is what the clock showed at a moment.
func (c *clock) show(at time.Time) time.Time { return at.Add(c.ahead(at)) }

func (c *clock) ahead(at time.Time) (d time.Duration) {
	for _, s := range c.steps {
		if !s.at.After(at) {
			d = s.ahead
		}
	}
	return d
}

// between is how much time has passed for who only looks at the clock.
func (c *clock) between(from, to time.Time) time.Duration { return c.show(to).Sub(c.show(from)) }

// shows is what a service's clock shows now.
func (l *Lab) shows(service string) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.services[service].clock.show(time.Now())
}

// Clock sets the clock of book, relay or jump ahead of everybody else's, or behind
// where that is negative; zero sets it right.
func (o ServiceOrder) Clock(ahead time.Duration) error {
	if o.name != Book && o.name != Relay && o.name != Jump {
		return fmt.Errorf("set a clock: %q has none that matters: use book, relay or jump", o.name)
	}
	_, err := o.set(func(s *service) { s.clock.steps = append(s.clock.steps, clockStep{time.Now(), ahead}) })
	return err
}

// dated gives the answer the Date that the service's clock shows, where that is not the
// right one.
func (s *service) dated(w http.ResponseWriter) {
	now := time.Now()
	s.lab.mu.Lock()
	ahead := s.clock.ahead(now)
	s.lab.mu.Unlock()
	if ahead != 0 {
		w.Header().Set("Date", now.Add(ahead).UTC().Format(http.TimeFormat))
	}
}
