package serve

import (
	"cmp"
	"fmt"
	"strings"

	"labstatus/internal/health"
)

// isWrong says whether something is known to be wrong with an experiment.
func isWrong(r *health.Report) bool {
	return r.State == health.StateUnhealthy || r.State == health.StateFlapping
}

// isCaredFor says whether somebody knows of it already.
func isCaredFor(r *health.Report) bool {
	return r.Ack != nil || r.Silence != nil || r.Maintenance != nil
}

// tally counts experiments: by state, and those that are wrong and cared for.
type tally struct {
	health.Counts
	Cared int
}

func tallyOf(snap *health.Snapshot) tally {
	t := tally{Counts: snap.Counts}
	for _, r := range snap.Experiments {
		if isWrong(r) && isCaredFor(r) {
			t.Cared++
		}
	}
	return t
}

// sentence says in one line what a maintainer wants to know first, and how bad it
// is: "bad", "unsure" or "good". The page's script says the same (words.js); a table
// of examples keeps both true. known is false before the first report.
func (t tally) sentence(known bool) (words, tone string) {
	all := thousands(t.Total, "experiment")
	need := t.Unhealthy + t.Flapping - t.Cared
	switch {
	case t.Total == 0 && !known:
		return "Nothing is known yet: the server has only just started", "unsure"
	case t.Total == 0:
		return "No experiments are known yet", "unsure"
	case need == 1:
		return "1 of " + all + " needs you", "bad"
	case need > 1:
		return grouped(need) + " of " + all + " need you", "bad"
	}
	var rest []string
	if t.Unknown > 0 {
		rest = append(rest, grouped(t.Unknown)+" not known")
	}
	if t.Starting > 0 {
		rest = append(rest, grouped(t.Starting)+" starting")
	}
	joined := func(first string) string { return strings.Join(append([]string{first}, rest...), ", ") }
	one := t.Total == 1
	switch {
	case t.Cared == 1:
		return joined("Nothing needs you: 1 of " + all + " is cared for"), "unsure"
	case t.Cared > 1:
		return joined("Nothing needs you: " + grouped(t.Cared) + " of " + all + " are cared for"), "unsure"
	case t.Unknown == t.Total && one:
		return "How the one experiment is, is not known at the moment", "unsure"
	case t.Unknown == t.Total:
		return "How the " + all + " are is not known at the moment", "unsure"
	case t.Starting == t.Total:
		return "Starting: " + all + " not judged yet", "unsure"
	case t.Healthy == t.Total && one:
		return "The one experiment is well", "good"
	case t.Healthy == t.Total:
		return "All " + all + " are well", "good"
	}
	return joined(grouped(t.Healthy) + " of " + all + " well"), "unsure"
}

// thousands is plural with its figure grouped: "10,000 experiments".
func thousands(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return grouped(n) + " " + noun + "s"
}

func grouped(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// byUrgency puts first what went wrong last.
func byUrgency(a, b *health.Report) int {
	return cmp.Or(b.Since.Compare(a.Since), strings.Compare(a.Name, b.Name))
}
