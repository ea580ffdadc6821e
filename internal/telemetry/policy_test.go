package telemetry_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"labstatus/internal/telemetry"
)

func TestReadPolicies(t *testing.T) {
	got, err := telemetry.ReadPolicies(strings.NewReader(`{
		"release": "01234567", "metrics": [
		{"name": "often", "us_schedule": 5000000, "us_halflife": 60000000, "min_outlier": 8,
		 "report": "lab.book.*, *.tls", "outlier_percent": 150, "to": ["graphite"]},
		{"name": "rest", "report": "*"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 {
		t.Fatalf("read %+v", got)
	}
	p := got[0]
	if p.Name != "often" || p.Every != 5*time.Second || p.HalfLife != time.Minute || p.MinOutlier != 8 || p.OutlierPercent != 150 ||
		!slices.Equal(p.Patterns, []string{"lab.book.*", "*.tls"}) || !slices.Equal(p.To, []string{"graphite"}) {
		t.Errorf("read %+v", p)
	}
	if got[1].Every != 0 || got[1].Name != "rest" {
		t.Errorf("read %+v", got[1])
	}
}

func TestEveryFaultOfAPolicyFileIsNamed(t *testing.T) {
	policies, err := telemetry.ReadPolicies(strings.NewReader(`{"metrics": [
		{"name": "good", "report": "*"},
		{"name": "good", "report": "*.dns"},
		{"report": "*"},
		{"name": "spaces", "report": "a b"},
		{"name": "fast", "report": "*", "us_schedule": 10},
		{"name": "slow", "report": "*", "us_schedule": 99000000000000},
		{"name": "typo", "raport": "*"},
		{"name": "less", "report": "*", "outlier_percent": -1}]}`))
	if len(policies) != 1 {
		t.Errorf("%d policies are taken, want the good one", len(policies))
	}
	for _, want := range []string{
		`policy 2 "good": another one`, "policy 3 \"\": it has no name", `"a b" is no pattern`,
		"us_schedule is 10:", "us_schedule is 99000000000000:", `"raport"`, "outlier_percent",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	for _, text := range []string{"", "[]", `{"metrics": 3}`, strings.Repeat(" ", 2<<20)} {
		if _, err := telemetry.ReadPolicies(strings.NewReader(text)); err == nil {
			t.Errorf("%.10q is taken", text)
		}
	}
}

// reports collects what Run reports, in a bubble.
type reports struct {
	mu  sync.Mutex
	all []telemetry.Report
}

func (r *reports) add(report telemetry.Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, report)
}

// take gives what has come in since the last take.
func (r *reports) take() []telemetry.Report {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.all
	r.all = nil
	return all
}

func start(t *testing.T, s *telemetry.Stages) (got *reports, stop func()) {
	got = new(reports)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, got.add) }()
	synctest.Wait()
	return got, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// A metric that no policy names accumulates, and is there whole when one comes.
func TestAMetricWithoutAPolicyIsThereWhenOneComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := telemetry.NewStages("lab")
		got, stop := start(t, s)
		began := time.Now()
		s.Observe("book", telemetry.StageDNS, 10*time.Millisecond, nil)
		s.Observe("book", telemetry.StageDNS, 30*time.Millisecond, nil)
		s.Observe("book", telemetry.StageDNS, 500*time.Millisecond, io.EOF)
		s.Observe("book", telemetry.StageDNS, time.Hour, context.Canceled) // didn't happen
		time.Sleep(time.Hour)
		if all := got.take(); len(all) != 0 {
			t.Fatalf("reported without a policy: %+v", all)
		}
		s.SetPolicies([]telemetry.Policy{{Name: "often", Patterns: []string{"lab.book.*"}, Every: time.Minute, To: []string{"url"}}})
		time.Sleep(time.Minute)
		all := got.take()
		if len(all) != 2 {
			t.Fatalf("got %+v", all)
		}
		r := all[0]
		if r.Metric != "lab.book.dns" || r.Policy != "often" || !slices.Equal(r.To, []string{"url"}) || !r.First.Equal(began) {
			t.Errorf("got %+v", r)
		}
		if want := (telemetry.Aggregate{Count: 2, Sum: 40 * time.Millisecond, Min: 10 * time.Millisecond, Max: 30 * time.Millisecond}); r.Go != want || r.Go.Mean() != 20*time.Millisecond {
			t.Errorf("go: %+v, want %+v", r.Go, want)
		}
		if r.NoGo.Count != 1 || r.NoGo.Min != 500*time.Millisecond {
			t.Errorf("no-go: %+v", r.NoGo)
		}
		if f := all[1]; f.Metric != "lab.book.failures" || !slices.Equal(f.Faults, []telemetry.FaultCount{{Stage: telemetry.StageDNS, Fault: "badsrv", Count: 1}}) {
			t.Errorf("failures: %+v", f)
		}

		var values strings.Builder
		for name, v := range all[0].Values() {
			fmt.Fprintf(&values, "%s=%v ", name, v)
		}
		for name, v := range all[1].Values() {
			fmt.Fprintf(&values, "%s=%v", name, v)
		}
		if want := "lab.book.dns.go.count=2 lab.book.dns.go.sum=0.04 lab.book.dns.go.mean=0.02 lab.book.dns.go.min=0.01 lab.book.dns.go.max=0.03 " +
			"lab.book.dns.no-go.count=1 lab.book.dns.no-go.sum=0.5 lab.book.dns.no-go.mean=0.5 lab.book.dns.no-go.min=0.5 lab.book.dns.no-go.max=0.5 " +
			"lab.book.failures.dns.badsrv=1"; values.String() != want {
			t.Errorf("as values %s\nwant      %s", values.String(), want)
		}

		// begun anew: nothing to say of an idle minute, and the shortest is the new one's
		time.Sleep(time.Minute)
		if all := got.take(); len(all) != 0 {
			t.Errorf("an idle metric is reported: %+v", all)
		}
		s.Observe("book", telemetry.StageDNS, 70*time.Millisecond, nil)
		time.Sleep(time.Minute)
		if all := got.take(); len(all) != 1 || all[0].Go.Min != 70*time.Millisecond || all[0].Go.Count != 1 {
			t.Errorf("the second period: %+v", all)
		}

		// what is left is said at the end
		s.Observe("book", telemetry.StageTCP, time.Millisecond, nil)
		s.Observe("relay", telemetry.StageTCP, time.Millisecond, nil)
		stop()
		if all := got.take(); len(all) != 1 || all[0].Metric != "lab.book.tcp" {
			t.Errorf("at the end: %+v", all)
		}
	})
}

func TestFirstPolicyThatMatchesHasTheMetricAndAFasterOneIsHeededAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := telemetry.NewStages("")
		got, stop := start(t, s)
		defer stop()
		slow := telemetry.Policy{Name: "slow", Patterns: []string{"*"}, Every: 24 * time.Hour}
		s.SetPolicies([]telemetry.Policy{slow})
		s.Observe("book", telemetry.StageTLS, time.Millisecond, nil)
		time.Sleep(time.Minute)
		s.SetPolicies([]telemetry.Policy{{Name: "none", Patterns: []string{"relay.*"}}, {Name: "fast", Patterns: []string{"*k.t*s"}, Every: time.Second}, slow})
		s.Observe("book", telemetry.StageTCP, time.Millisecond, nil)
		time.Sleep(time.Second)
		if all := got.take(); len(all) != 1 || all[0].Policy != "fast" || all[0].Metric != "book.tls" {
			t.Errorf("got %+v", all)
		}
		slow.Every = 2 * time.Second
		s.SetPolicies([]telemetry.Policy{slow})
		time.Sleep(2 * time.Second)
		if all := got.take(); len(all) != 1 || all[0].Policy != "slow" || all[0].Metric != "book.tcp" {
			t.Errorf("got %+v", all)
		}
	})
}

func TestOutliersAreReportedAsTheyHappen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := telemetry.NewStages("")
		s.SetPolicies([]telemetry.Policy{{Name: "odd", Patterns: []string{"*"}, OutlierPercent: 50, MinOutlier: 3, HalfLife: time.Minute}})
		got, stop := start(t, s)
		observe := func(d time.Duration) []telemetry.Report {
			s.Observe("relay", telemetry.StageTCP, d, nil)
			return got.take()
		}
		for _, d := range []time.Duration{100, 1000, 100, 100} { // the second has too few before it
			if all := observe(d * time.Millisecond); len(all) != 0 {
				t.Errorf("%d ms: %+v", d, all)
			}
			time.Sleep(time.Millisecond)
		}
		all := observe(time.Second)
		if len(all) != 1 || !all[0].Outlier || all[0].Value != time.Second || all[0].Metric != "relay.tcp" || all[0].Policy != "odd" {
			t.Fatalf("got %+v", all)
		}
		if usual := all[0].Usual; usual < 300*time.Millisecond || usual > 350*time.Millisecond {
			t.Errorf("usual is %s, want about 325 ms", usual)
		}
		time.Sleep(time.Hour) // everything is forgotten: there is nothing to differ from
		if all := observe(10 * time.Second); len(all) != 0 {
			t.Errorf("after an hour: %+v", all)
		}
		stop()
		_ = got.take()
	})
}

// Nobody who observes waits, even where nobody takes the outliers.
func TestOutliersWithoutAnybodyToTakeThemAreCounted(t *testing.T) {
	s := telemetry.NewStages("")
	s.SetPolicies([]telemetry.Policy{{Name: "odd", Patterns: []string{"*"}, OutlierPercent: 1, MinOutlier: 1}})
	for i := range 500 {
		s.Observe("relay", telemetry.StageTCP, time.Duration(1+i%2*1000)*time.Millisecond, nil)
	}
	families, err := registry(t, s).Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "status_stage_outliers_lost_total" && f.GetMetric()[0].GetCounter().GetValue() > 100 {
			return
		}
	}
	t.Error("the lost outliers are not counted")
}

func TestObservingAllocatesNothing(t *testing.T) {
	s := telemetry.NewStages("lab")
	s.SetPolicies([]telemetry.Policy{{Name: "p", Patterns: []string{"*"}, OutlierPercent: 1000, HalfLife: time.Minute}})
	observe := func() {
		s.Observe("book", telemetry.StageTLS, time.Millisecond, nil)
		s.Observe("book", telemetry.StageTCP, time.Millisecond, context.DeadlineExceeded)
		s.Observe("book", telemetry.StageTLS, time.Millisecond, context.Canceled)
	}
	observe()
	if n := testing.AllocsPerRun(1000, observe); n != 0 {
		t.Errorf("three observations make %v allocations", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	s := telemetry.NewStages("lab")
	s.SetPolicies([]telemetry.Policy{{Name: "p", Patterns: []string{"*"}, OutlierPercent: 1000, HalfLife: time.Minute}})
	b.Run("go", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s.Observe("book", telemetry.StageTLS, time.Millisecond, nil)
		}
	})
	b.Run("no-go", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s.Observe("book", telemetry.StageTLS, time.Millisecond, context.DeadlineExceeded)
		}
	})
	b.Run("without policy", func(b *testing.B) {
		s := telemetry.NewStages("")
		b.ReportAllocs()
		for b.Loop() {
			s.Observe("book", telemetry.StageTLS, time.Millisecond, nil)
		}
	})
}
