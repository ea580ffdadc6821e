package serve

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"labstatus/internal/health"
)

// secretPath is part of an address that only administrators may see.
const secretPath = "/observer/s3cret-path?key=s3cret-key"

// labObservers are one that hears us, one of the file that doesn't, and one that was
// never told anything.
func labObservers() []ObserverInfo {
	return []ObserverInfo{
		{
			Spec: ObserverSpec{Name: "collector", Type: "http", Address: "https://collector.example:8443" + secretPath, Token: "s3cret-token",
				TLS: &ObserverTLS{ServerName: "c.example", CA: "PEM"}, Timeout: "5s", Period: "10s"},
			LastTry: t0, LastOK: t0, Reports: 7, Events: 1 << 40,
		},
		{
			Spec:    ObserverSpec{Name: "grafana", Type: "grpc", Address: "10.0.0.7:8000", TLS: &ObserverTLS{Insecure: true}, Timeout: "5s", Period: "5s", ResetTraffic: true},
			Fixed:   true,
			LastTry: t0, FailingSince: t0.Add(-time.Hour), LastErr: "it said " + hostile, LastErrAt: t0, Pending: 17, OldestPending: t0.Add(-time.Hour),
			Failures: 12, Dropped: 3, KeepErr: "disk full",
		},
		{Spec: ObserverSpec{Name: "new-one", Type: "http", Address: "http://127.0.0.1:9/x", Timeout: "5s", Period: "5s"}},
	}
}

// labObserved has a subject in every state, and one with hostile texts.
func labObserved() []ObservedInfo {
	all := []ObservedInfo{
		{Source: "leeds", Kind: "service", Service: "tunnel-pend00", Experiment: "pend00", Required: true, State: "ready", Since: t0.Add(-time.Hour),
			TotalConns: 12, CurrentConns: 1, InputBytes: 1 << 52, OutputBytes: 34, TotalErrs: 2, Counted: t0, LastAt: t0, Restarts: 1, Repeats: 3},
		{Source: "leeds", Kind: "service", Service: "tunnel-pend01", Experiment: "pend01", State: "failed", Message: "dial tcp: refused", Since: t0, LastAt: t0.Add(time.Second)},
		{Source: "leeds", Kind: "handler", Service: "tunnel-pend01", Client: "anna", State: "", Incremental: true, LastAt: t0},
		{Source: "york", Kind: "service", Service: "spare", State: "closed", Since: t0, LastAt: t0},
		{Source: "york", Kind: "service", Service: "young", State: "running", Since: t0, LastAt: t0.Add(-time.Hour)},
		{Source: hostile, Kind: hostile, Service: hostile, Client: hostile, Experiment: hostile, State: "failed", Message: hostile, Since: t0, LastAt: t0},
	}
	slices.SortStableFunc(all, func(a, b ObservedInfo) int { return strings.Compare(a.Source, b.Source) })
	return all
}

func labReceiver() *ObserverInInfo {
	return &ObserverInInfo{
		Addresses: []string{"127.0.0.1:3008", "127.0.0.1:3009"}, Reports: 40, Repeats: 2, Events: 60, Unknown: 1,
		Refused: map[string]uint64{"token": 3, "body": 2, "room": 0}, Sources: 3, Subjects: 6,
	}
}

// labTunnels are those of an experiment, as the engine gives them.
func labTunnels() []health.TunnelStatus {
	return []health.TunnelStatus{
		{Name: "leeds/silent", Source: "leeds", Service: "silent", OK: true, Verdict: health.VerdictUnknown},
		{Name: "leeds/tunnel-pend01", Source: "leeds", Service: "tunnel-pend01", Required: true, State: health.TunnelFailed, Message: "dial tcp: refused",
			Since: t0.Add(-time.Minute), Verdict: health.VerdictUnhealthy, LastAt: t0},
		{Name: "leeds/tunnel-pend01/anna", Source: "leeds", Service: "tunnel-pend01", Client: "anna", State: health.TunnelClosed, Since: t0.Add(-time.Hour),
			Verdict: health.VerdictMissing, LastAt: t0},
		{Name: hostile, Source: hostile, Service: hostile, State: health.TunnelReady, Message: hostile, Since: t0, OK: true, Verdict: health.VerdictOK, LastAt: t0},
	}
}

// tunnelled is the laboratory of the fixture, with tunnels to pend01.
func tunnelled(o *Options) {
	snap := labSnapshot()
	r := snap.Find("pend01")
	r.Tunnels = labTunnels()
	r.Issues = append(r.Issues,
		health.Issue{Code: health.MissingTunnel, Experiment: "pend01", Subject: "leeds/tunnel-pend01/anna", Since: t0.Add(-time.Hour)},
		health.Issue{Code: health.UnhealthyTunnel, Experiment: "pend01", Subject: "leeds/tunnel-pend01", Since: t0.Add(-time.Minute)})
	o.Snapshot = func() *health.Snapshot { return snap }
}

// observing has observers that can be changed, and reports that come in.
func observing(o *Options) {
	all := labObservers()
	find := func(name string) int {
		return slices.IndexFunc(all, func(one ObserverInfo) bool { return one.Spec.Name == name })
	}
	changeable := func(name string) (int, error) {
		switch i := find(name); {
		case i < 0:
			return i, &ActError{Status: 404, Message: "there is no such observer"}
		case all[i].Fixed:
			return i, &ActError{Status: 409, Message: "the observer is set in the file"}
		default:
			return i, nil
		}
	}
	o.Observers = func() []ObserverInfo { return slices.Clone(all) }
	o.AddObserver = func(_ context.Context, _ string, spec ObserverSpec) error {
		if find(spec.Name) >= 0 {
			return &ActError{Status: 409, Message: "there is an observer of that name already"}
		}
		all = append(all, ObserverInfo{Spec: spec})
		return nil
	}
	o.ChangeObserver = func(_ context.Context, _, name string, spec ObserverSpec) error {
		i, err := changeable(name)
		if err == nil {
			all[i].Spec = spec
		}
		return err
	}
	o.RemoveObserver = func(_ context.Context, _, name string) error {
		i, err := changeable(name)
		if err == nil {
			all = slices.Delete(all, i, i+1)
		}
		return err
	}
	o.Observed, o.ObserverIn = labObserved, labReceiver
}

func notObserving(o *Options) {
	o.Observers, o.AddObserver, o.ChangeObserver, o.RemoveObserver, o.Observed, o.ObserverIn = nil, nil, nil, nil, nil, nil
}

// observerChanges are the calls that change an observer.
var observerChanges = []struct{ method, path, body string }{
	{"POST", "/observers", `{"name":"another","address":"https://another.example/observer","token":"t0ken"}`},
	{"PUT", "/observers/collector", `{"address":"https://another.example/observer","token":"t0ken","period":"1m"}`},
	{"DELETE", "/observers/collector", ""},
}

// recordObservers tells of each change that is made.
func recordObservers(o *Options, tell func(string)) {
	add, change, remove := o.AddObserver, o.ChangeObserver, o.RemoveObserver
	heard := func(err error, what ...any) error {
		if err == nil {
			tell(fmt.Sprintln(what...))
		}
		return err
	}
	o.AddObserver = func(ctx context.Context, by string, spec ObserverSpec) error {
		return heard(add(ctx, by, spec), by, "adds", fmt.Sprintf("%+v", spec))
	}
	o.ChangeObserver = func(ctx context.Context, by, name string, spec ObserverSpec) error {
		return heard(change(ctx, by, name, spec), by, "changes", name, fmt.Sprintf("%+v", spec))
	}
	o.RemoveObserver = func(ctx context.Context, by, name string) error {
		return heard(remove(ctx, by, name), by, "removes", name)
	}
}
