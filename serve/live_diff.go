package serve

import (
	"slices"
	"strings"

	"labstatus/internal/health"
)

const (
	mostReports = 200  // to a message
	mostChanged = 2000 // to a flush: a lab of ten thousand comes in five
)

// difference is what has changed between two lists of reports.
type difference struct {
	changed []*health.Report // sorted by name, or from the turn's name on
	gone    []string
	told    []*health.Report // what is known once these are
	more    bool             // there is more than is given here
	turn    string           // the last name given, where there is more
}

// compare finds what has changed: unchanged reports are shared between snapshots.
// Both lists are sorted by name. Where too much has changed it begins after the name
// whose turn was last, so that everybody gets theirs.
func compare(before, after []*health.Report, turn string) difference {
	d := difference{told: after}
	rest := before
	known := make(map[*health.Report]*health.Report) // by the new report of those that have changed
	for _, r := range after {
		if len(rest) > 0 && rest[0] == r { // most are
			rest = rest[1:]
			continue
		}
		for len(rest) > 0 && rest[0].Name < r.Name {
			d.gone = append(d.gone, rest[0].Name)
			rest = rest[1:]
		}
		var old *health.Report
		if len(rest) > 0 && rest[0].Name == r.Name {
			old, rest = rest[0], rest[1:]
		}
		if old != r {
			d.changed = append(d.changed, r)
			known[r] = old
		}
	}
	for _, r := range rest {
		d.gone = append(d.gone, r.Name)
	}
	if len(d.changed) > mostChanged {
		d.postpone(after, known, turn)
	}
	return d
}

// postpone leaves for later what is more than one flush holds.
func (d *difference) postpone(after []*health.Report, known map[*health.Report]*health.Report, turn string) {
	begin, found := slices.BinarySearchFunc(d.changed, turn, func(r *health.Report, name string) int { return strings.Compare(r.Name, name) })
	if found {
		begin++
	}
	inTurn := slices.Concat(d.changed[begin:], d.changed[:begin])
	d.changed, d.more = inTurn[:mostChanged], true
	d.turn = d.changed[mostChanged-1].Name
	for _, r := range d.changed {
		delete(known, r)
	}
	d.told = make([]*health.Report, 0, len(after))
	for _, r := range after {
		if old, later := known[r]; !later {
			d.told = append(d.told, r)
		} else if old != nil {
			d.told = append(d.told, old)
		}
	}
}

// chunk is what one message holds.
type chunk struct {
	changed []*health.Report
	gone    []string
}

// chunks splits it into messages. What is gone stands in the first: a name never is
// both gone and changed.
func (d *difference) chunks() []chunk {
	var all []chunk
	for part := range slices.Chunk(d.changed, mostReports) {
		all = append(all, chunk{changed: part})
	}
	if len(d.gone) > 0 {
		if len(all) == 0 {
			all = []chunk{{}}
		}
		all[0].gone = d.gone
	}
	return all
}
