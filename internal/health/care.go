package health

import "maps"

// suppressed says that no news of the experiment is told.
func (x *experiment) suppressed() bool { return x.silence != nil || x.maintenance != nil }

// changed says that something about the experiment is to be kept and shown.
func (x *experiment) changed() { x.unsaved, x.stale = true, true }

// care is what people have said of the experiment; false: nothing.
func (x *experiment) care() (c Care, said bool) {
	c = Care{Silence: x.silence, Ack: x.ack, Maintenance: x.maintenance}
	return c, c != Care{}
}

// endCare ends what people have said of an experiment that is watched no more.
func (e *Engine) endCare(x *experiment) {
	e.endSilence(x, "")
	e.endAck(x, "")
}

// restoreCare takes up what an earlier run kept of that. A silence that is over by now
// ends with the first input.
func (e *Engine) restoreCare(x *experiment, r Record) {
	if r.Silence != nil && r.Silence.By != "" && !r.Silence.Until.IsZero() {
		s := *r.Silence
		s.Until = inUTC(s.Until)
		if latest := e.started.Add(LongestSpan).UTC(); s.Until.After(latest) {
			s.Until = latest // a clock that was wrong then
		}
		x.silence = &s
		e.silences++
	}
	if r.Ack != nil && r.Ack.By != "" && len(x.noted) > 0 {
		k := *r.Ack
		x.ack = &k
	}
	if len(r.Holds) > 0 {
		x.holds = maps.Clone(r.Holds)
	}
}
