package browsertest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"labstatus/internal/health"
	"labstatus/serve"
)

// observing is what a server tells its observers, and what is reported to it.
type observing struct {
	mu       sync.Mutex
	all      []serve.ObserverInfo
	observed []serve.ObservedInfo
	receiver *serve.ObserverInInfo
	asked    []string // changes, in words
	refuse   error
}

// someObserving has observers of every fate, and a source with hostile texts.
func someObserving(now time.Time) *observing {
	return &observing{
		all: []serve.ObserverInfo{
			{
				Spec:    serve.ObserverSpec{Name: "collector", Type: "http", Address: "https://collector.example/observer/s3cret", Token: "s3cret", Timeout: "5s", Period: "5s"},
				LastTry: now, LastOK: now.Add(-3 * time.Second), Reports: 1234, Events: 5678,
			},
			{
				Spec:  serve.ObserverSpec{Name: "grafana", Type: "grpc", Address: "10.0.0.7:8000", TLS: &serve.ObserverTLS{ServerName: "observer.lab"}, Timeout: "5s", Period: "5s"},
				Fixed: true, LastTry: now, FailingSince: now.Add(-5 * time.Minute), LastErr: "it said " + hostile, LastErrAt: now, Failures: 60,
				Pending: 17, OldestPending: now.Add(-5 * time.Minute), Dropped: 2, KeepErr: hostile,
			},
		},
		observed: []serve.ObservedInfo{
			{Source: hostile, Kind: "service", Service: hostile, Client: hostile, Experiment: hostile, State: "failed", Message: hostile, Since: now, LastAt: now},
			{Source: "leeds", Kind: "service", Service: "tunnel-pend31", Experiment: "pend31", Required: true, State: "failed", Message: "dial tcp: refused",
				Since: now.Add(-4 * time.Minute), TotalConns: 12, CurrentConns: 1, InputBytes: 3_400_000, OutputBytes: 120, TotalErrs: 2, Counted: now, LastAt: now.Add(-time.Second), Restarts: 1, Repeats: 2},
			{Source: "leeds", Kind: "handler", Service: "tunnel-pend31", Client: "anna", Experiment: "pend31", State: "ready", Since: now.Add(-time.Hour), LastAt: now, Incremental: true, Counted: now},
			{Source: "york", Kind: "service", Service: "spare", State: "ready", Since: now.Add(-time.Hour), LastAt: now.Add(-time.Minute)},
		},
		receiver: &serve.ObserverInInfo{Addresses: []string{"127.0.0.1:3008"}, Reports: 40, Events: 60, Repeats: 1, Unknown: 2,
			Refused: map[string]uint64{"token": 3, "body": 2}, Sources: 3, Subjects: 4},
	}
}

// into has a world's server observe and be observed, and gives pend31 tunnels.
func (o *observing) into(w *world, opts *serve.Options) {
	now := time.Now()
	locked := func(change func() error) error {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.refuse != nil {
			return o.refuse
		}
		return change()
	}
	opts.Observers = func() []serve.ObserverInfo {
		o.mu.Lock()
		defer o.mu.Unlock()
		return slices.Clone(o.all)
	}
	opts.AddObserver = func(_ context.Context, by string, spec serve.ObserverSpec) error {
		return locked(func() error {
			o.asked = append(o.asked, fmt.Sprintf("%s adds %+v", by, spec))
			o.all = append(o.all, serve.ObserverInfo{Spec: spec})
			return nil
		})
	}
	opts.ChangeObserver = func(_ context.Context, by, name string, spec serve.ObserverSpec) error {
		return locked(func() error {
			o.asked = append(o.asked, fmt.Sprintf("%s changes %s to %+v", by, name, spec))
			for i := range o.all {
				if o.all[i].Spec.Name == name {
					o.all[i].Spec = spec
				}
			}
			return nil
		})
	}
	opts.RemoveObserver = func(_ context.Context, by, name string) error {
		return locked(func() error {
			o.asked = append(o.asked, by+" removes "+name)
			o.all = slices.DeleteFunc(o.all, func(one serve.ObserverInfo) bool { return one.Spec.Name == name })
			return nil
		})
	}
	opts.Observed = func() []serve.ObservedInfo {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.observed
	}
	opts.ObserverIn = func() *serve.ObserverInInfo { return o.receiver }

	i := slices.IndexFunc(w.snap.Experiments, func(r *health.Report) bool { return r.Name == "pend31" })
	if i < 0 {
		return
	}
	sick := *w.snap.Experiments[i]
	sick.Tunnels = []health.TunnelStatus{
		{Name: "leeds/silent", Source: "leeds", Service: "silent", OK: true, Verdict: health.VerdictUnknown},
		{Name: "leeds/tunnel-pend31", Source: "leeds", Service: "tunnel-pend31", Required: true, State: health.TunnelFailed, Message: "dial tcp: refused",
			Since: now.Add(-4 * time.Minute), Verdict: health.VerdictUnhealthy, LastAt: now},
		{Name: hostile, Source: hostile, Service: hostile, State: health.TunnelReady, Message: hostile, Since: now, OK: true, Verdict: health.VerdictOK, LastAt: now},
	}
	sick.Issues = append(slices.Clone(sick.Issues), health.Issue{Code: health.UnhealthyTunnel, Experiment: "pend31", Subject: "leeds/tunnel-pend31", Since: now.Add(-4 * time.Minute)})
	w.snap.Experiments[i] = &sick
}

// changes are what was asked for so far.
func (o *observing) changes() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.asked)
}

// report has a source say that a tunnel is in another state.
func (o *observing) report(service, state string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	next := slices.Clone(o.observed)
	for i := range next {
		if next[i].Service == service && next[i].Client == "" {
			next[i].State, next[i].Since, next[i].LastAt = state, time.Now(), time.Now()
		}
	}
	o.observed = next
}

// manyObserved are n subjects of fifty sources, every hundredth of them failed.
func manyObserved(n int, now time.Time) []serve.ObservedInfo {
	all := make([]serve.ObservedInfo, n)
	for i := range all {
		all[i] = serve.ObservedInfo{
			Source: fmt.Sprintf("source%02d", i*50/n), Kind: "service", Service: fmt.Sprintf("tunnel-%05d", i), Experiment: fmt.Sprintf("expt%05d", i),
			State: "ready", Since: now.Add(-time.Hour), TotalConns: uint64(i), InputBytes: 1 << 40, Counted: now, LastAt: now,
		}
		if i%100 == 50 {
			all[i].State = "failed"
		}
	}
	return all
}
