package health_test

import (
	"fmt"
	"slices"
	"strings"

	"labstatus/internal/health"
)

// tunnelReports are what a source says of one tunnel, as stories word it: its name,
// the experiment, and then what is said of it, one thing after the other, with
// "required" and "restored" somewhere among them.
func tunnelReports(words []string) ([]health.TunnelReport, error) {
	if len(words) < 3 {
		return nil, fmt.Errorf("a tunnel needs a name, an experiment and what is said of it: %q", words)
	}
	name := strings.SplitN(words[0], "/", 3)
	if len(name) < 2 {
		return nil, fmt.Errorf("a tunnel's name is SOURCE/SERVICE or SOURCE/SERVICE/CLIENT, not %q", words[0])
	}
	report := health.TunnelReport{
		Source: name[0], Service: name[1], Client: strings.Join(name[2:], ""), Experiment: words[1],
		Required: slices.Contains(words, "required"), Restored: slices.Contains(words, "restored"),
	}
	var reports []health.TunnelReport
	for _, word := range words[2:] {
		r := report
		switch word {
		case "required", "restored":
			continue
		case "running", "ready", "failed", "closed":
			r.State, r.Message = health.TunnelState(word), "service "+r.Service+" is "+word
		case "figures":
		case "new-conns":
			r.NewConns = true
		default:
			return nil, fmt.Errorf("nothing says of a tunnel that it is %q", word)
		}
		reports = append(reports, r)
	}
	return reports, nil
}

// tunnel hands over what a source says now. What was heard by an earlier run was heard
// before now, and kept with the time of day alone.
func (w *world) tunnel(words []string) ([]health.Decision, error) {
	reports, err := tunnelReports(words)
	for i := range reports {
		reports[i].At = w.now
		if reports[i].Restored {
			reports[i].At = w.now.Add(-w.away).Round(0)
		}
	}
	return w.step(health.Tunnels{At: w.now, Reports: reports}), err
}

// describeTunnels is what a snapshot shows of tunnels, a line for each.
func describeTunnels(s *health.Snapshot) string {
	var b strings.Builder
	for _, r := range s.Experiments {
		for _, t := range r.Tunnels {
			fmt.Fprintf(&b, "%s %s %s", r.Name, map[bool]string{true: "needs", false: "has"}[t.Required], t.Name)
			switch {
			case t.State != "":
				fmt.Fprintf(&b, ", %s since %s", t.State, offset(t.Since))
			case t.LastAt.IsZero():
				b.WriteString(", silent in this run")
			default:
				b.WriteString(", has not said")
			}
			fmt.Fprintf(&b, ": %s\n", t.Verdict)
		}
	}
	return b.String()
}

// forgetTunnels leaves tunnels out of what is kept, as the product does with those that
// its rules tie to nobody any more.
func (w *world) forgetTunnels(names []string) {
	for i := range w.kept.Records {
		r := &w.kept.Records[i]
		r.Tunnels = slices.DeleteFunc(slices.Clone(r.Tunnels), func(t health.TunnelRecord) bool {
			return slices.Contains(names, t.Source+"/"+t.Service)
		})
	}
}
