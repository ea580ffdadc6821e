package app

import (
	"cmp"
	"maps"
	"slices"

	"labstatus/internal/health"
)

// joinAlerts makes one alert of two that were to be told one after the other: new is
// what is still wrong, over is how each thing ended last, and what people did is told
// in full. All else is as the newer one has it.
func joinAlerts(older, newer *health.Alert) *health.Alert {
	fresh, over := map[about]health.Issue{}, map[about]health.Resolved{}
	for _, a := range []*health.Alert{older, newer} {
		for _, r := range a.Resolved {
			delete(fresh, aboutOf(r.Issue))
			over[aboutOf(r.Issue)] = r
		}
		for _, i := range a.New {
			fresh[aboutOf(i)] = i
		}
	}
	joined := *newer
	joined.New = slices.SortedFunc(maps.Values(fresh), byExperiment)
	joined.Resolved = slices.SortedFunc(maps.Values(over), func(a, b health.Resolved) int { return byExperiment(a.Issue, b.Issue) })
	joined.Acts = newest(slices.Concat(older.Acts, newer.Acts), maxOwedActs, new(int))
	if len(joined.New)+len(joined.Resolved)+len(joined.Acts) > 0 {
		joined.Reminder = nil // it is all in Current
	}
	return &joined
}

// about is what an issue is about, whatever is said of it.
type about struct{ experiment, kind, subject string }

func aboutOf(i health.Issue) about {
	switch i.Code {
	case health.MissingRequired: // not connected, or connected and silent: the same stream
		i.Code = health.UnhealthyStream
	case health.MissingTunnel: // gone, or there and failing: the same tunnel
		i.Code = health.UnhealthyTunnel
	}
	return about{i.Experiment, string(i.Code), i.Subject}
}

func byExperiment(a, b health.Issue) int {
	return cmp.Or(cmp.Compare(a.Experiment, b.Experiment), cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Code, b.Code))
}
