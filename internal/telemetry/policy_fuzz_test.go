package telemetry_test

import (
	"encoding/json"
	"io"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"labstatus/internal/telemetry"
)

var patternForm = regexp.MustCompile(`^[A-Za-z0-9_.*-]+$`)

// FuzzReadPolicies: whatever stands in a policy file, its faults are short, what is taken
// beside them keeps to the bounds, can be reported by, and is the same when it is written
// and read again.
func FuzzReadPolicies(f *testing.F) {
	for _, text := range []string{
		``, `null`, `{}`, `{"metrics":[{}, null, 3]}`, `{"metrics":[{"name":"a","report":"*"},{"name":"a","report":"*"},{"name":"","report":","}]}`,
		`{"release":"01234567","metrics":[{"name":"often","us_schedule":5000000,"us_halflife":60000000,"min_outlier":8,"report":"lab.book.*, *.tls","outlier_percent":150,"to":["graphite",""]}]}`,
		`{"metrics":[{"name":"a","report":"*","us_schedule":31622400000000,"us_halflife":31622400000001,"outlier_percent":1e308},{"name":"b","report":"*","outlier_percent":-0.0},{"name":"c","report":"*","us_schedule":18446744073709551615,"min_outlier":256}]}`,
		`{"metrics":[{"name":"` + strings.Repeat("\x00", 500) + `","report":"` + strings.Repeat("ä,", 500) + `"},{"name":"b","` + strings.Repeat("x", 500) + `":1},{"name":"c","us_schedule":` + strings.Repeat("9", 500) + `}]}`,
		`{"metrics":[` + strings.Repeat(`{},`, 60) + `{"name":"last","report":"*"}]}`, `{"metrics":[` + strings.Repeat(`0,`, 2000) + `0]}`, `{"metrics":[],"METRICS":[{"NAME":"a","report":"*"}]} {}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		policies, err := telemetry.ReadPolicies(strings.NewReader(text))
		if err != nil {
			// A name of 80 characters may be quoted as \U0010ffff.
			for line := range strings.Lines(err.Error()) {
				if len(line) > 2000 {
					t.Errorf("a fault of %d bytes: %s", len(line), line)
				}
			}
			if n := strings.Count(err.Error(), "\n"); n > 300 {
				t.Errorf("%d lines of faults", n)
			}
		}
		names := map[string]bool{}
		var entries []map[string]any
		for _, p := range policies {
			const longest = 366 * 24 * time.Hour
			switch {
			case p.Name == "" || names[p.Name] || len(p.Patterns) == 0,
				p.Every != 0 && p.Every < 100*time.Millisecond || p.Every > longest,
				p.HalfLife < 0 || p.HalfLife > longest,
				!(p.OutlierPercent >= 0) || p.MinOutlier < 0 || p.MinOutlier > 255:
				t.Errorf("taken: %+v", p)
			}
			for _, pattern := range p.Patterns {
				if !patternForm.MatchString(pattern) {
					t.Errorf("taken: %q", pattern)
				}
			}
			names[p.Name] = true
			entries = append(entries, map[string]any{
				"name": p.Name, "us_schedule": p.Every.Microseconds(), "us_halflife": p.HalfLife.Microseconds(), "min_outlier": p.MinOutlier,
				"report": strings.Join(p.Patterns, ","), "outlier_percent": p.OutlierPercent, "to": p.To,
			})
		}
		written, err := json.Marshal(map[string]any{"metrics": entries})
		if err != nil {
			t.Fatal(err)
		}
		again, err := telemetry.ReadPolicies(strings.NewReader(string(written)))
		if err != nil || !reflect.DeepEqual(again, policies) {
			t.Errorf("%+v\nis read again as %+v, %v", policies, again, err)
		}
		s := telemetry.NewStages("lab")
		s.SetPolicies(policies)
		for i := range 20 {
			s.Observe("book", telemetry.StageTLS, time.Duration(i)*time.Hour, nil)
			s.Observe("book", telemetry.StageTLS, time.Duration(i), io.EOF)
		}
	})
}
