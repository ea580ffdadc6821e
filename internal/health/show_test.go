package health_test

import (
	"fmt"
	"strings"

	"labstatus/internal/health"
)

// describeSnapshot is a snapshot in short, for stories: the sources, what is wrong
// with the system, and a line for each experiment.
func describeSnapshot(s *health.Snapshot) string {
	var b strings.Builder
	for _, src := range s.Sources {
		fmt.Fprintf(&b, "%s %s", src.Name, src.State)
		if src.Widened {
			fmt.Fprintf(&b, ", fresh for %s", src.Window)
		}
		b.WriteString("\n")
	}
	for _, i := range s.Issues {
		fmt.Fprintf(&b, "issue: %s\n", i)
	}
	for _, r := range s.Experiments {
		fmt.Fprintf(&b, "%s %s", r.Name, r.State)
		for _, st := range r.Streams {
			required := ""
			if !st.Required {
				required = " (optional)"
			}
			fmt.Fprintf(&b, "; %s%s %s", strings.TrimPrefix(st.Topic, r.Name+"-"), required, st.Verdict)
		}
		switch {
		case !r.JumpKnown:
			b.WriteString("; jump unknown")
		case r.JumpOK:
			b.WriteString("; jump ok")
		default:
			b.WriteString("; jump missing")
		}
		for _, res := range r.Resources {
			switch {
			case !res.Known:
				fmt.Fprintf(&b, "; %s not read", res.Name)
			case res.Held:
				fmt.Fprintf(&b, "; %s held: %s", res.Name, res.HeldReason)
				if res.HeldBy != "" {
					fmt.Fprintf(&b, ", by %s", res.HeldBy)
				}
			case res.Available:
				fmt.Fprintf(&b, "; %s open", res.Name)
			default:
				fmt.Fprintf(&b, "; %s closed", res.Name)
			}
			if res.Wanted != "" {
				fmt.Fprintf(&b, " (asked to %s)", res.Wanted)
			}
		}
		b.WriteString(describeCare(r) + "\n")
	}
	return b.String()
}
