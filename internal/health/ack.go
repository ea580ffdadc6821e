package health

import "time"

// An acknowledgement says that somebody cares for what is wrong with an experiment, so
// that nobody is reminded of it. It ends by itself when its set of issues changes: one
// more, one less, or none left. A stream that was silent and then vanishes is the same
// issue under another name. While the experiment flaps its issue is the flapping: the
// changes that are not mailed don't end what is said of that.

// ack begins one, or puts it in the place of another.
func (e *Engine) ack(x *experiment, a Act) (refused string) {
	if len(x.noted) == 0 {
		return "nothing is wrong with it"
	}
	if k := x.ack; k != nil && k.By == a.By && k.Note == a.Text {
		return "" // said twice
	}
	a.Until, a.Window = time.Time{}, nil
	x.ack = &Ack{At: a.At, By: a.By, Note: a.Text}
	x.changed()
	e.done(a)
	return ""
}

// endAck ends the acknowledgement there may be; by nobody: by itself.
func (e *Engine) endAck(x *experiment, by string) {
	k := x.ack
	if k == nil {
		return
	}
	x.ack = nil
	x.changed()
	e.done(Act{At: e.now, Kind: ActUnack, By: by, Experiment: x.name, Text: k.Note})
}
