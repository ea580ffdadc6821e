package health

// A silence keeps mails about one experiment from people until a moment. Its events
// are kept as ever, and what was last told stands: when it ends, what then differs
// from that is told.
//
// An experiment that leaves takes its silence with it: nobody watches it any more,
// which is told at once, and if it comes back it is a new one.

// silence begins one, or puts it in the place of another.
func (e *Engine) silence(x *experiment, a Act) (refused string) {
	switch {
	case !a.Until.After(e.now):
		return "it would end before it begins"
	case a.Until.Sub(e.now) > LongestSpan:
		return "it would last longer than 366 days"
	}
	a.Until, a.Window = a.Until.UTC(), nil
	if s := x.silence; s != nil && s.By == a.By && s.Reason == a.Text && s.Until.Equal(a.Until) {
		return "" // said twice
	}
	if x.silence == nil {
		e.silences++
	}
	x.silence = &Silence{At: a.At, By: a.By, Reason: a.Text, Until: a.Until}
	x.changed()
	e.done(a)
	return ""
}

// endSilence ends the silence there may be; by nobody: by itself.
func (e *Engine) endSilence(x *experiment, by string) {
	s := x.silence
	if s == nil {
		return
	}
	e.silences--
	x.silence = nil
	x.changed()
	e.done(Act{At: e.now, Kind: ActUnsilence, By: by, Experiment: x.name, Until: s.Until, Text: s.Reason})
}

// endSilences ends those whose moment has come.
func (e *Engine) endSilences() {
	if e.silences == 0 {
		return
	}
	for _, x := range e.order {
		if x.silence != nil && !e.now.Before(x.silence.Until) {
			e.endSilence(x, "")
		}
	}
}
