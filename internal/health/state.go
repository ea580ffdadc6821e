package health

import "slices"

// turn brings the experiment's state up to date.
func (e *Engine) turn(x *experiment) {
	if state := e.stateOf(x); state != x.state {
		x.state, x.since, x.turned, x.stale = state, e.now, true, true
		if state == StateUnknown || x.keptState == "" {
			return
		}
		if state == x.keptState {
			x.since = x.keptSince
		}
		x.keptState = ""
	}
}

// stateOf is the experiment's condition in one word.
func (e *Engine) stateOf(x *experiment) State {
	switch {
	case x.starting && !x.assessed:
		return StateStarting
	case x.starting && !e.confirmed(x):
		return StateUnknown
	case x.leaving:
		return StateUnknown // nobody tells of it any more
	case !x.flapping.IsZero():
		return StateFlapping
	case x.knownBad():
		return StateUnhealthy
	case x.hazy():
		return StateUnknown
	}
	return StateHealthy
}

// confirmed says of an experiment in its grace after a restart that it has been seen
// to be as an earlier run knew it: well, or flapping. Anything else stands as it was
// known then until the grace is over.
func (e *Engine) confirmed(x *experiment) bool {
	if x.hazy() || !e.relay.seen || !e.jump.seen {
		return false
	}
	return !x.flapping.IsZero() || len(x.noted) == 0 && x.healthy()
}

func (x *experiment) knownBad() bool {
	if x.jump.judged && !x.jump.ok && !x.jump.unknown {
		return true
	}
	return x.tunnelsBad > 0 || slices.ContainsFunc(x.streams, func(s *stream) bool { return s.judged && !s.ok && !s.unknown })
}

func (e *Engine) count() Counts {
	c := Counts{Total: len(e.order)}
	for _, x := range e.order {
		switch x.state {
		case StateStarting:
			c.Starting++
		case StateHealthy:
			c.Healthy++
		case StateUnhealthy:
			c.Unhealthy++
		case StateFlapping:
			c.Flapping++
		default:
			c.Unknown++
		}
	}
	return c
}
