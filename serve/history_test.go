package serve

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"
)

// What is asked for is the last seven days, or as far as is said and has happened.
func TestWhichHistory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // it is 2000-01-01T00:00:00Z
		now := time.Now().UTC()
		for query, want := range map[string][2]time.Time{
			"":                                {now.AddDate(0, 0, -7), now},
			"?from=1999-12-31T00:00:00Z":      {now.AddDate(0, 0, -1), now},
			"?to=1999-12-31T01:00:00%2B01:00": {now.AddDate(0, 0, -8), now.AddDate(0, 0, -1)},
			"?to=2010-01-01T00:00:00Z":        {now.AddDate(0, 0, -7), now},
			"?from=1998-11-27T00:00:00Z&to=2010-01-01T00:00:00Z": {now.AddDate(0, 0, -400), now},
		} {
			var got [2]time.Time
			h := newHandler(t, func(o *Options) {
				o.History = func(_ context.Context, _ string, from, to time.Time) (History, error) {
					got = [2]time.Time{from.UTC(), to.UTC()}
					return labHistory(from, to), nil
				}
			})
			if w := get(t, h, basePath+"/experiments/pend00/history"+query); w.Code != 200 || got != want {
				t.Errorf("%q: %d, %v, want %v", query, w.Code, got, want)
			}
		}
	})
}

// The sums and the windows are told; what nothing is known of has no uptime.
func TestHistoryTellsTheTruth(t *testing.T) {
	t.Parallel()
	var many []Interval
	for i := range mostIntervals + 5 {
		many = append(many, Interval{From: t0.Add(time.Duration(i) * time.Second), To: t0.Add(time.Duration(i+1) * time.Second), State: StateUnwatched})
	}
	h := newHandler(t, func(o *Options) {
		o.History = func(_ context.Context, name string, from, to time.Time) (History, error) {
			if name == "trus05" {
				return History{From: from, To: to, Unwatched: to.Sub(from), Intervals: many}, nil
			}
			return labHistory(from, to), nil
		}
	})
	type uptime struct {
		Uptime *float64
		Known  float64 `json:"known_seconds"`
	}
	type answer struct {
		uptime
		Healthy   float64 `json:"healthy_seconds"`
		Unhealthy float64 `json:"unhealthy_seconds"`
		Unwatched float64 `json:"unwatched_seconds"`
		Windows   map[string]uptime
		Intervals []struct{ From, To time.Time }
		Cut       bool
	}
	read := func(name string) (a answer) {
		if err := json.Unmarshal(get(t, h, basePath+"/experiments/"+name+"/history").Body.Bytes(), &a); err != nil {
			t.Fatal(err)
		}
		return a
	}
	a := read("pend00")
	if a.uptime.Uptime == nil || *a.uptime.Uptime != 0.75 || a.Healthy != 3*3600 || a.Unhealthy != 3600 || a.Cut || len(a.Intervals) != 6 {
		t.Errorf("%+v", a)
	}
	if day := a.Windows["24h"]; day.Uptime == nil || *day.Uptime != 0.75 || day.Known != 20*3600 {
		t.Errorf("the last day is %+v", day)
	}
	if month := a.Windows["30d"]; month.Uptime != nil || month.Known != 0 {
		t.Errorf("of the last month %+v is known", month)
	}
	a = read("trus05")
	if a.uptime.Uptime != nil || !a.Cut || len(a.Intervals) != mostIntervals || !a.Intervals[0].From.Equal(t0.Add(5*time.Second).Truncate(time.Millisecond)) {
		t.Errorf("of nothing: uptime %v, %d intervals, cut %v", a.uptime.Uptime, len(a.Intervals), a.Cut)
	}
}

// Each report tells the last day's uptime, where it is known.
func TestReportsHaveUptime(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	for name, want := range map[string]any{"pend00": 0.987654, "spin30": nil} {
		var got map[string]any
		if err := json.Unmarshal(get(t, h, basePath+"/experiments/"+name).Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if got["uptime_24h"] != want {
			t.Errorf("%s: %v, want %v", name, got["uptime_24h"], want)
		}
	}
}
