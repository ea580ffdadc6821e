package serve

import "labstatus/internal/health"

// markView is something that people have done about an experiment, or maintenance.
type markView struct {
	Kind, Word string
	By, Text   string // their words
	Until      *moment
}

// marksOf lists them in the order in which a maintainer wants them.
func marksOf(r *health.Report) []markView {
	var out []markView
	if m := r.Maintenance; m != nil {
		out = append(out, markView{Kind: "maintenance", Word: "Maintenance", By: m.By, Text: m.Reason, Until: &moment{At: m.Until}})
	}
	if s := r.Silence; s != nil {
		out = append(out, markView{Kind: "silence", Word: "Silenced", By: s.By, Text: s.Reason, Until: &moment{At: s.Until}})
	}
	if a := r.Ack; a != nil {
		out = append(out, markView{Kind: "ack", Word: "Acknowledged", By: a.By, Text: a.Note})
	}
	return out
}
