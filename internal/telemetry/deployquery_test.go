package telemetry_test

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// query is what a PromQL expression names. Whether it is well formed and means what it
// should is not asked here: promtool does, in scripts/prometheus-rules.sh.
type query struct {
	series  []selector
	grouped []string // labels in by, on, ignoring and group_left
	gone    []string // labels in without: the result has them no more
	by      bool     // it keeps only the labels that it names
}

// selector is one use of a series.
type selector struct {
	name    string
	matches []match
}

type match struct{ label, op, value string }

// lexeme finds the words of an expression; what is in none is left out.
var lexeme = regexp.MustCompile(`[a-zA-Z_:$][a-zA-Z0-9_:]*|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[0-9][0-9a-zA-Z.]*|=~|!~|!=|==|[={}(),]`)

var (
	operators   = []string{"and", "or", "unless", "offset", "bool", "atan2"}
	aggregators = []string{"sum", "min", "max", "avg", "group", "count", "count_values", "topk", "bottomk", "quantile", "stddev", "stdvar"}
	modifiers   = []string{"by", "without", "on", "ignoring", "group_left", "group_right"}
)

// readQuery takes an expression apart.
func readQuery(text string) (query, error) {
	words := lexeme.FindAllString(text, -1)
	var q query
	next := func() string {
		if len(words) == 0 {
			return ""
		}
		return words[0]
	}
	take := func() (w string) {
		w, words = words[0], words[1:]
		return w
	}
	for len(words) > 0 {
		w := take()
		if w == "{" {
			return q, errors.New("a series is chosen without its name")
		}
		word := w[0] == '_' || w[0] == ':' || w[0] >= 'a' && w[0] <= 'z' || w[0] >= 'A' && w[0] <= 'Z'
		switch {
		case !word, slices.Contains(operators, w), slices.Contains(aggregators, w):
		case slices.Contains(modifiers, w):
			q.by = q.by || w == "by"
			for next() != "" && take() != ")" {
				if l := next(); l != ")" && l != "," {
					if w == "without" {
						q.gone = append(q.gone, l)
					} else {
						q.grouped = append(q.grouped, l)
					}
				}
			}
		case next() == "(": // a function
		default:
			s := selector{name: w}
			if next() == "{" {
				for take() != "}" {
					if next() == "}" {
						continue
					}
					if len(words) < 4 {
						return q, fmt.Errorf("the labels of %s have no end", w)
					}
					s.matches = append(s.matches, match{take(), take(), strings.Trim(take(), `"'`)})
				}
			}
			q.series = append(q.series, s)
		}
	}
	return q, nil
}

// targetLabels are those that Prometheus itself and scrape.yml add to what is scraped.
var targetLabels = []string{"job", "instance", "lab"}

// alwaysThere are series of Prometheus' own.
var alwaysThere = shown{
	"up":     {},
	"ALERTS": {"alertname": nil, "alertstate": {"firing", "pending"}, "severity": {"critical", "warning", "info", "none"}},
}

var plainWords = regexp.MustCompile(`^[\w-]+(\|[\w-]+)*$`)

// check looks every name of an expression up and gives what nobody knows.
func (s shown) check(text string) (q query, faults []error) {
	q, err := readQuery(text)
	if err != nil {
		return q, []error{err}
	}
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	used := map[string]bool{}
	for _, l := range targetLabels {
		used[l] = true
	}
	for _, use := range q.series {
		labels := s[use.name]
		if labels == nil {
			labels = alwaysThere[use.name]
		}
		if labels == nil {
			fault("there is no series %s", use.name)
			continue
		}
		for l := range labels {
			used[l] = true
		}
		for _, m := range use.matches {
			values, has := labels[m.label]
			switch {
			case slices.Contains(targetLabels, m.label):
			case !has:
				fault("%s has no label %s, but %v", use.name, m.label, slices.Sorted(maps.Keys(labels)))
			case values == nil || strings.Contains(m.value, "$"):
			case strings.HasSuffix(m.op, "~") && !plainWords.MatchString(m.value):
				fault("%s: %s%s%q: only words with | between them can be checked here", use.name, m.label, m.op, m.value)
			default:
				for v := range strings.SplitSeq(m.value, "|") {
					if !slices.Contains(values, v) {
						fault("%s of %s is never %q, but one of %q", m.label, use.name, v, values)
					}
				}
			}
		}
	}
	for _, l := range slices.Concat(q.grouped, q.gone) {
		if !used[l] {
			fault("no series here has the label %s", l)
		}
	}
	return q, faults
}

// labels are those that the result of an expression can have.
func (s shown) labels(q query) (all []string) {
	if q.by {
		return q.grouped
	}
	all = slices.Clone(targetLabels)
	for _, use := range q.series {
		for l := range s[use.name] {
			all = append(all, l)
		}
		for l := range alwaysThere[use.name] {
			all = append(all, l)
		}
	}
	return slices.DeleteFunc(all, func(l string) bool { return slices.Contains(q.gone, l) })
}

func TestNamesInAQueryAreFound(t *testing.T) {
	known := shown{
		"status_experiments":  {"state": {"healthy", "unhealthy"}},
		"status_build_info":   {"version": nil},
		"status_turns_bucket": {"le": nil},
	}
	for _, c := range []struct{ about, text, want string }{
		{"a series alone", `status_build_info`, ""},
		{"one that isn't there", `status_builds > 1`, "there is no series status_builds"},
		{"within functions and beside others", `rate(status_turns_bucket[5m]) * on (job) group_left (version) status_build_info / nothing`, "there is no series nothing"},
		{"with a value that a label has", `status_experiments{state="healthy", job=~"$job"} offset 1h`, ""},
		{"with one that it hasn't", `status_experiments{state=~"healthy|ill"}`, `state of status_experiments is never "ill", but one of ["healthy" "unhealthy"]`},
		{"with one that can't be looked up", `status_experiments{state=~"un.*"}`, `status_experiments: state=~"un.*": only words with | between them can be checked here`},
		{"with one that could be anything", `status_build_info{version!="1.2"}`, ""},
		{"with a label that it hasn't", `status_build_info{state="healthy"}`, "status_build_info has no label state, but [version]"},
		{"grouped by a label that none has", `sum by (instance, stat) (status_experiments)`, "no series here has the label stat"},
		{"grouped after it", `histogram_quantile(0.9, sum(rate(status_turns_bucket[5m])) by (le))`, ""},
		{"without a name", `{job="status"}`, "a series is chosen without its name"},
	} {
		t.Run(c.about, func(t *testing.T) {
			_, faults := known.check(c.text)
			if got := errors.Join(faults...); (got == nil) != (c.want == "") || got != nil && got.Error() != c.want {
				t.Errorf("%s: %v, want %s", c.text, got, c.want)
			}
		})
	}
}
