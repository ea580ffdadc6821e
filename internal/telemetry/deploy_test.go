package telemetry_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// What is shipped for Prometheus and Grafana speaks of the server in the names of its
// series: a series that is renamed must not leave an alert behind that never fires.

// shipped reads a file of deploy.
func shipped(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// ruleFile is what is looked at of status.rules.yml.
type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []rule
	}
}

type rule struct {
	Record, Alert, Expr string
	Labels, Annotations map[string]string
}

func readRules(t *testing.T) (all []rule) {
	t.Helper()
	var file ruleFile
	if err := yaml.Unmarshal(shipped(t, "deploy/prometheus/status.rules.yml"), &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) < 20 {
		t.Fatalf("only %d rules were found", len(all))
	}
	return all
}

// seriesAndRecords are what rules can speak of: the server's series, and what rules
// before have recorded.
func seriesAndRecords(t *testing.T, rules []rule) shown {
	t.Helper()
	known := shownSeries(t)
	for _, r := range rules {
		if r.Record == "" {
			continue
		}
		q, faults := known.check(r.Expr)
		for _, err := range faults {
			t.Errorf("%s: %v", r.Record, err)
		}
		known[r.Record] = map[string][]string{}
		for _, l := range known.labels(q) {
			if !slices.Contains(targetLabels, l) {
				known[r.Record][l] = nil
			}
		}
	}
	return known
}

var (
	templateLabel = regexp.MustCompile(`\$labels\.(\w+)`)
	severities    = []string{"critical", "warning", "info", "none"}
)

func TestRulesNameWhatThereIs(t *testing.T) {
	rules := readRules(t)
	known := seriesAndRecords(t, rules)
	for _, r := range rules {
		if r.Alert == "" {
			continue
		}
		q, faults := known.check(r.Expr)
		for _, err := range faults {
			t.Errorf("%s: %v", r.Alert, err)
		}
		if q.by {
			t.Errorf("%s keeps only some labels (by): whatever the scrape adds, to tell laboratories apart, would be lost; say without", r.Alert)
		}
		labels := known.labels(q)
		for _, text := range r.Annotations {
			for _, m := range templateLabel.FindAllStringSubmatch(text, -1) {
				if !slices.Contains(labels, m[1]) {
					t.Errorf("%s speaks of the label %s, which its expression doesn't have: %v", r.Alert, m[1], labels)
				}
			}
		}
	}
}

func TestAlertsSayWhatToDo(t *testing.T) {
	handbook := headings(t)
	var alerts []string
	for _, r := range readRules(t) {
		if r.Alert == "" {
			continue
		}
		alerts = append(alerts, r.Alert)
		if !slices.Contains(severities, r.Labels["severity"]) {
			t.Errorf("%s has the severity %q, known are %v", r.Alert, r.Labels["severity"], severities)
		}
		for _, a := range []string{"summary", "description"} {
			if r.Annotations[a] == "" {
				t.Errorf("%s has no %s", r.Alert, a)
			}
		}
		if want := "docs/alerts.md#" + strings.ToLower(r.Alert); r.Annotations["runbook_url"] != want {
			t.Errorf("%s points to %q, not to %s", r.Alert, r.Annotations["runbook_url"], want)
		}
		if !slices.Contains(handbook, r.Alert) {
			t.Errorf("docs/alerts.md has no heading %q", "### "+r.Alert)
		}
	}
	for _, h := range handbook {
		if !slices.Contains(alerts, h) {
			t.Errorf("docs/alerts.md speaks of %s, which no rule raises", h)
		}
	}
}

func headings(t *testing.T) (all []string) {
	t.Helper()
	for line := range strings.Lines(string(shipped(t, "docs/alerts.md"))) {
		if name, is := strings.CutPrefix(line, "### "); is {
			all = append(all, strings.TrimSpace(name))
		}
	}
	return all
}

// testFile is what is looked at of status.rules.test.yml.
type testFile struct {
	Tests []struct {
		Name   string
		Series []struct{ Series string } `yaml:"input_series"`
		Alerts []struct {
			Name     string `yaml:"alertname"`
			Expected []any  `yaml:"exp_alerts"`
		} `yaml:"alert_rule_test"`
		Queries []struct{ Expr string } `yaml:"promql_expr_test"`
	}
}

// The tests of the rules are fed with series that the server shows, and no others: an
// alert that is only tested with invented ones would be tested in vain.
func TestRulesAreTestedWithWhatThereIs(t *testing.T) {
	rules := readRules(t)
	known := seriesAndRecords(t, rules)
	var file testFile
	if err := yaml.Unmarshal(shipped(t, "deploy/prometheus/status.rules.test.yml"), &file); err != nil {
		t.Fatal(err)
	}
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		instances := map[string]bool{}
		for _, s := range test.Series {
			q, faults := known.check(s.Series)
			for _, err := range faults {
				t.Errorf("%s: %v", test.Name, err)
			}
			for _, m := range q.series[0].matches {
				if m.label == "instance" {
					instances[m.value] = true
				}
			}
		}
		for _, q := range test.Queries {
			for _, err := range second(known.check(q.Expr)) {
				t.Errorf("%s: %v", test.Name, err)
			}
		}
		for _, a := range test.Alerts {
			fires[a.Name] = fires[a.Name] || len(a.Expected) > 0
			quiet[a.Name] = quiet[a.Name] || len(a.Expected) < max(len(instances), 1)
		}
	}
	for _, r := range rules {
		if r.Alert == "" {
			continue
		}
		if !fires[r.Alert] {
			t.Errorf("no test lets %s fire", r.Alert)
		}
		if !quiet[r.Alert] && r.Alert != "StatusWatchdog" {
			t.Errorf("no test has a laboratory for which %s is quiet", r.Alert)
		}
		delete(fires, r.Alert)
	}
	if len(fires) > 0 {
		t.Errorf("tested, and there is no such alert: %v", slices.Sorted(maps.Keys(fires)))
	}
}

func second[A, B any](_ A, b B) B { return b }
