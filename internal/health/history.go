package health

// chronicle adds a line to the history of each experiment whose state, or whether it
// is in maintenance, has changed in this check. The first line of a run is written
// whatever an earlier one wrote last: that may not have been kept, and nobody watched
// meanwhile.
func (e *Engine) chronicle() {
	for _, x := range e.order {
		if !x.turned {
			continue
		}
		x.turned = false
		line := StateChange{Experiment: x.name, At: e.now, State: x.state, Maintenance: x.maintenance != nil}
		if line.State == x.written.State && line.Maintenance == x.written.Maintenance {
			continue // one window after another
		}
		x.written = line
		e.d.History = append(e.d.History, line)
	}
}
