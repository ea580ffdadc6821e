package telemetry

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"
)

// Report is what a policy has reported of one metric: what has come in since the
// latest report, what failed, or one outlier.
type Report struct {
	Policy    string
	To        []string // targets; empty: all there are
	Metric    string   // prefixed and dotted, e.g. lab.book.dns
	First, At time.Time

	Go, NoGo Aggregate
	Faults   []FaultCount // of a metric that ends in .failures; sorted

	Outlier bool
	Value   time.Duration // the outlier, and
	Usual   time.Duration // the mean that it is far from
}

// FaultCount is how often a stage ended in a certain way.
type FaultCount struct {
	Stage Stage
	Fault string
	Count uint64
}

// Values gives the report as numbers under dotted names, times in seconds, for
// whoever pushes it: lab.book.dns.go.count and so on.
func (r Report) Values() iter.Seq2[string, float64] {
	return func(yield func(string, float64) bool) {
		if r.Outlier {
			_ = yield(r.Metric+".outlier", r.Value.Seconds()) && yield(r.Metric+".outlier.usual", r.Usual.Seconds())
			return
		}
		for _, a := range []struct {
			name string
			Aggregate
		}{{outcomeGo, r.Go}, {outcomeNoGo, r.NoGo}} {
			if a.Count == 0 {
				continue
			}
			name := r.Metric + "." + a.name
			if !yield(name+".count", float64(a.Count)) || !yield(name+".sum", a.Sum.Seconds()) || !yield(name+".mean", a.Mean().Seconds()) ||
				!yield(name+".min", a.Min.Seconds()) || !yield(name+".max", a.Max.Seconds()) {
				return
			}
		}
		for _, f := range r.Faults {
			if !yield(r.Metric+"."+string(f.Stage)+"."+f.Fault, float64(f.Count)) {
				return
			}
		}
	}
}

// SetPolicies puts every metric under the first of the policies that matches, from
// now on. What has accumulated stays, so that a metric that had no policy yet is
// there whole when one comes.
func (s *Stages) SetPolicies(policies []Policy) {
	s.mu.Lock()
	s.policies = slices.Clone(policies)
	for _, c := range s.cells {
		c.bind(policyFor(s.policies, c.metric))
	}
	for _, t := range s.tallies {
		t.bind(policyFor(s.policies, t.metric))
	}
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// Run reports as the policies say until ctx ends, then once more what is left, and
// returns nil. report is called by one goroutine and must not wait: a target that
// hangs would keep the others from their reports.
func (s *Stages) Run(ctx context.Context, report func(Report)) error {
	due := map[string]time.Time{}
	for {
		wake := s.plan(due, time.Now())
		timer := time.NewTimer(wake)
		select {
		case <-ctx.Done():
			timer.Stop()
			s.flush(report)
			return nil
		case <-s.changed:
		case r := <-s.outliers:
			report(r)
		case <-timer.C:
			s.reportDue(due, time.Now(), report)
		}
		timer.Stop()
	}
}

// plan gives each scheduled policy its next time, and says how long to wait for
// the first of them.
func (s *Stages) plan(due map[string]time.Time, now time.Time) time.Duration {
	s.mu.RLock()
	policies := s.policies
	s.mu.RUnlock()
	wake := time.Hour
	scheduled := map[string]bool{}
	for _, p := range policies {
		if p.Every <= 0 {
			continue
		}
		scheduled[p.Name] = true
		at, planned := due[p.Name]
		if next := now.Add(p.Every); !planned || at.After(next) { // the latter after a faster policy came
			at = next
			due[p.Name] = at
		}
		wake = min(wake, max(at.Sub(now), 0))
	}
	maps.DeleteFunc(due, func(name string, _ time.Time) bool { return !scheduled[name] })
	return wake
}

func (s *Stages) reportDue(due map[string]time.Time, now time.Time, report func(Report)) {
	for _, name := range slices.Sorted(maps.Keys(due)) {
		if due[name].After(now) {
			continue
		}
		delete(due, name)
		for _, r := range s.take(now, name) {
			report(r)
		}
	}
}

// flush reports everything that has a policy.
func (s *Stages) flush(report func(Report)) {
	for {
		select {
		case r := <-s.outliers:
			report(r)
			continue
		default:
		}
		break
	}
	s.mu.RLock()
	policies := s.policies
	s.mu.RUnlock()
	for _, p := range policies {
		for _, r := range s.take(time.Now(), p.Name) {
			report(r)
		}
	}
}

// take collects a policy's reports, sorted by metric; nothing is reported of what
// saw no event.
func (s *Stages) take(now time.Time, policy string) []Report {
	var reports []Report
	for _, c := range s.sorted() {
		if r, any := c.take(now, policy); any {
			reports = append(reports, r)
		}
	}
	s.mu.RLock()
	tallies := slices.Collect(maps.Values(s.tallies))
	s.mu.RUnlock()
	for _, t := range tallies {
		if r, any := t.take(now, policy); any {
			reports = append(reports, r)
		}
	}
	slices.SortFunc(reports, func(a, b Report) int { return strings.Compare(a.Metric, b.Metric) })
	return reports
}
