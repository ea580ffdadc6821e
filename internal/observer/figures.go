package observer

import "maps"

// Figures count what a [Receiver] has done since its start.
type Figures struct {
	Reports uint64            // taken
	Repeats uint64            // known by their key, answered ok and not counted again
	Events  uint64            // taken
	Unknown uint64            // of kinds that we don't know; answered ok and ignored
	Refused map[Reason]uint64 // reports that were not taken, with every reason in it

	Sources, Subjects int // known now
	Waiting           int // states that wait to be handed on

	KeepError string // why what is known can't be kept; empty: it can
}

// Figures may be called at any time.
func (r *Receiver) Figures() Figures {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.figures
	f.Refused = make(map[Reason]uint64, len(reasons))
	for _, reason := range reasons {
		f.Refused[reason] = 0
	}
	maps.Copy(f.Refused, r.figures.Refused)
	f.Sources, f.Subjects, f.Waiting = len(r.table.sources), r.table.size, len(r.statuses)
	return f
}
