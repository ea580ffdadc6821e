package health

import "time"

// A reminder lists what is still wrong, where nobody has been told of it for a while.
// Every mail lists all that is wrong now, whatever it was made for: so a reminder is
// due RemindEvery after the latest mail that listed a problem, and never makes one
// that has anything else to tell. What is held for more news keeps it waiting too.

// reminder gives what people are to be reminded of in this check; nil: nothing.
func (e *Engine) reminder() []Issue {
	if e.cfg.RemindEvery <= 0 || e.now.Sub(e.reminded) < e.cfg.RemindEvery {
		return nil
	}
	var still []Issue
	for about, i := range e.systemTold {
		if _, there := e.systemNoted[about]; there {
			still = append(still, i)
		}
	}
	for _, x := range e.order {
		if len(x.told) > 0 && !x.starting && !x.leaving && !x.suppressed() && x.ack == nil {
			still = e.stillWrong(x, still)
		}
	}
	for n, i := range still {
		still[n] = e.lasting(i, e.now)
	}
	return still
}

// stillWrong adds what people were told of an experiment, and is known to be so. What
// can't be known at the moment is no reminder's matter.
func (e *Engine) stillWrong(x *experiment, still []Issue) []Issue {
	for about := range x.told {
		if i, there := x.noted[about]; there && e.tellable(x, about) {
			still = append(still, i)
		}
	}
	return still
}

// restoreReminded takes up when people were last told what is wrong.
func (e *Engine) restoreReminded(at time.Time) {
	e.reminded = e.past(at)
	if at.IsZero() { // reminders were off
		e.reminded = e.started
	}
}
