package app

import "labstatus/internal/telemetry"

// observerFigures are how telling each observer goes, in the metrics' words.
func (a *App) observerFigures() []telemetry.ObserverFigures {
	fates := a.reporter.List()
	all := make([]telemetry.ObserverFigures, len(fates))
	for i := range fates {
		f := &fates[i]
		all[i] = telemetry.ObserverFigures{
			Name: f.Observer.Name, Reports: f.Reports, Failures: f.Failures, Events: f.Events, Dropped: f.Dropped,
			Pending: f.Pending, OldestPending: f.OldestPending, LastOK: f.LastOK, FailingSince: f.FailingSince,
		}
	}
	return all
}

// observedFigures are what is reported to us, in the metrics' words.
func (a *App) observedFigures() telemetry.ObservedFigures {
	counted := a.receiver.Figures()
	f := telemetry.ObservedFigures{
		Reports: counted.Reports, Repeats: counted.Repeats, UnknownEvents: counted.Unknown,
		Refused: map[string]uint64{}, Sources: counted.Sources,
	}
	for reason, n := range counted.Refused {
		f.Refused[string(reason)] = n
	}
	known := a.receiver.Snapshot()
	f.Subjects = make([]telemetry.SubjectFigures, len(known))
	for i := range known {
		o := &known[i]
		f.Subjects[i] = telemetry.SubjectFigures{
			Source: o.Source, Kind: string(o.Kind), Service: o.Service, Client: o.Client, Experiment: o.Experiment, State: string(o.State),
			Counted: !o.Counted.IsZero(), Connections: o.TotalConns, Open: o.CurrentConns,
			InputBytes: o.InputBytes, OutputBytes: o.OutputBytes, Errors: o.TotalErrs, Restarts: o.Restarts,
		}
	}
	for _, r := range a.Snapshot().Experiments {
		for i := range r.Tunnels {
			f.Tunnels = append(f.Tunnels, telemetry.TunnelFigures{Experiment: r.Name, Name: r.Tunnels[i].Name, Verdict: r.Tunnels[i].Verdict})
		}
	}
	return f
}
