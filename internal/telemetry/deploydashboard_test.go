package telemetry_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// dashboard is what is looked at of deploy/grafana/status.json.
type dashboard struct {
	Panels      []panel
	Templating  struct{ List []variable }
	Annotations struct{ List []target }
}

type panel struct {
	ID                       int
	Type, Title, Description string
	Datasource               struct{ UID string }
	GridPos                  struct{ X, Y, W, H int }
	Targets                  []target
}

type target struct{ RefID, Expr, LegendFormat, TextFormat string }

type variable struct{ Name, Type, Definition string }

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal(shipped(t, "deploy/grafana/status.json"), &d); err != nil {
		t.Fatal(err)
	}
	if len(d.Panels) < 10 || len(d.Templating.List) == 0 {
		t.Fatalf("the dashboard has %d panels and %d variables", len(d.Panels), len(d.Templating.List))
	}
	return d
}

var (
	legendLabel = regexp.MustCompile(`\{\{ *(\w+) *\}\}`)
	dollar      = regexp.MustCompile(`\$\{?(\w+)`)
	labelValues = regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)
	grafanas    = []string{"__rate_interval", "__range"}
)

func TestDashboardNamesWhatThereIs(t *testing.T) {
	d := readDashboard(t)
	known := shownSeries(t) // not what rules record: it works without them
	variables := slices.Clone(grafanas)
	for _, v := range d.Templating.List {
		variables = append(variables, v.Name)
	}
	look := func(where, text string) query {
		q, faults := known.check(text)
		for _, err := range faults {
			t.Errorf("%s: %v", where, err)
		}
		for _, m := range dollar.FindAllStringSubmatch(text, -1) {
			if !slices.Contains(variables, m[1]) {
				t.Errorf("%s: there is no variable %s", where, m[0])
			}
		}
		return q
	}
	for _, v := range d.Templating.List {
		if v.Type == "datasource" {
			continue
		}
		m := labelValues.FindStringSubmatch(v.Definition)
		if m == nil {
			t.Errorf("the variable %s is asked for as %q", v.Name, v.Definition)
			continue
		}
		if q := look("variable "+v.Name, m[1]); !slices.Contains(known.labels(q), m[2]) {
			t.Errorf("the variable %s takes values of the label %s, which %s doesn't have", v.Name, m[2], m[1])
		}
	}
	targets := func(where string, all []target, everywhere bool) {
		for _, query := range all {
			q := look(where, query.Expr)
			for _, m := range legendLabel.FindAllStringSubmatch(query.LegendFormat+query.TextFormat, -1) {
				if !slices.Contains(known.labels(q), m[1]) {
					t.Errorf("%s: the legend speaks of %s, which the query doesn't have", where, m[1])
				}
			}
			for _, use := range q.series {
				wants := []match{{"job", "=~", "$job"}, {"instance", "=~", "$instance"}}
				if everywhere {
					wants = wants[:1]
				}
				for _, want := range wants {
					if !slices.Contains(use.matches, want) {
						t.Errorf("%s: %s is not chosen by %s%s%q: laboratories would be mixed up", where, use.name, want.label, want.op, want.value)
					}
				}
			}
		}
	}
	everywhere := false
	for _, p := range d.Panels {
		if p.Type == "row" {
			everywhere = p.Title == "All laboratories"
			continue
		}
		targets(p.Title, p.Targets, everywhere)
	}
	targets("annotations", d.Annotations.List, false)
}

func TestDashboardIsWellMade(t *testing.T) {
	d := readDashboard(t)
	ids := map[int]string{}
	taken := map[string]string{} // by cell of the grid
	row := ""
	for _, p := range d.Panels {
		if ids[p.ID] != "" || p.ID == 0 {
			t.Errorf("%q and %q have the id %d", ids[p.ID], p.Title, p.ID)
		}
		ids[p.ID] = p.Title
		at := p.GridPos
		if at.W < 1 || at.H < 1 || at.X < 0 || at.X+at.W > 24 {
			t.Errorf("%q lies at %+v, which is outside", p.Title, at)
		}
		for x := range at.W {
			for y := range at.H {
				cell := fmt.Sprint(at.X+x, ",", at.Y+y)
				if taken[cell] != "" {
					t.Fatalf("%q lies over %q", p.Title, taken[cell])
				}
				taken[cell] = p.Title
			}
		}
		if p.Title == "" {
			t.Errorf("panel %d has no title", p.ID)
		}
		if p.Type == "row" {
			row = p.Title
			continue
		}
		if row == "" {
			t.Errorf("%q stands before the first row", p.Title)
		}
		if !strings.HasSuffix(p.Description, ".") {
			t.Errorf("%q is described as %q, which is no sentence", p.Title, p.Description)
		}
		if p.Datasource.UID != "${datasource}" {
			t.Errorf("%q reads from %q, and not from where the reader says", p.Title, p.Datasource.UID)
		}
		refs := map[string]bool{}
		for _, query := range p.Targets {
			if refs[query.RefID] || query.RefID == "" {
				t.Errorf("%q has two queries %q", p.Title, query.RefID)
			}
			refs[query.RefID] = true
		}
		if len(refs) == 0 {
			t.Errorf("%q asks nothing", p.Title)
		}
	}
}
