package store_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"labstatus/internal/health"
	"labstatus/internal/store"
)

// changes reads "0 healthy, 60 unhealthy maintenance, 90": hours after t0 and what has
// been so since. No state at all: it is watched no more.
func changes(t *testing.T, experiment, text string) (all []health.StateChange) {
	t.Helper()
	for line := range strings.SplitSeq(text, ",") {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		var hour int
		if _, err := fmt.Sscan(words[0], &hour); err != nil {
			t.Fatal(err)
		}
		c := health.StateChange{Experiment: experiment, At: hours(hour)}
		if len(words) > 1 {
			c.State = health.State(words[1])
		}
		c.Maintenance = len(words) > 2
		all = append(all, c)
	}
	return all
}

func hours(n int) time.Time { return t0.Add(time.Duration(n) * time.Hour) }

// say words changes as changes reads them.
func say(all []health.StateChange) string {
	var lines []string
	for _, c := range all {
		line := strings.TrimSpace(fmt.Sprint(c.At.Sub(t0).Hours(), " ", c.State))
		if c.Maintenance {
			line += " maintenance"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, ", ")
}

func TestHistory(t *testing.T) {
	t.Parallel()
	const all = -10_000 // hours; no change is as old
	tests := map[string]struct {
		commits  []string
		from, to int
		want     string
	}{
		"nothing is known of a name that never was":               {nil, all, 100, ""},
		"changes come oldest first":                               {[]string{"0 starting", "1 healthy, 5 unhealthy", "6 unhealthy maintenance"}, all, 100, "0 starting, 1 healthy, 5 unhealthy, 6 unhealthy maintenance"},
		"what is in force at the beginning is part of it":         {[]string{"0 starting, 1 healthy, 5 unhealthy"}, 3, 100, "1 healthy, 5 unhealthy"},
		"what began long ago and still holds is in force":         {[]string{"0 starting, 1 healthy"}, 2000, 2100, "1 healthy"},
		"a change at the beginning is in force by itself":         {[]string{"0 starting, 1 healthy, 5 unhealthy"}, 5, 100, "5 unhealthy"},
		"a change at the end isn't part of it":                    {[]string{"0 starting, 1 healthy, 5 unhealthy"}, 0, 5, "0 starting, 1 healthy"},
		"nothing is in force before the first change":             {[]string{"5 healthy"}, 0, 5, ""},
		"nothing is in force once it is watched no more":          {[]string{"0 healthy, 5"}, 6, 100, ""},
		"that it is watched no more is a change":                  {[]string{"0 healthy, 5"}, 2, 100, "0 healthy, 5"},
		"it may come back":                                        {[]string{"0 healthy, 5", "9 starting"}, 2, 100, "0 healthy, 5, 9 starting"},
		"while it was away nothing was in force":                  {[]string{"0 healthy, 5, 9 starting"}, 7, 100, "9 starting"},
		"that it was watched no more was a moment":                {[]string{"0 healthy, 5, 9 starting"}, 5, 100, "9 starting"},
		"of the same moment the later one stands":                 {[]string{"0 healthy, 5 unknown", "5 unhealthy"}, all, 100, "0 healthy, 5 unhealthy"},
		"the same change again is no other":                       {[]string{"0 healthy", "0 healthy", "5 unhealthy", "5 unhealthy"}, all, 100, "0 healthy, 5 unhealthy"},
		"a commit that is repeated changes nothing":               {[]string{"0 healthy, 5 unhealthy, 7 healthy", "0 healthy, 5 unhealthy, 7 healthy"}, all, 100, "0 healthy, 5 unhealthy, 7 healthy"},
		"nor does one that is repeated with more to it":           {[]string{"0 healthy, 5 unhealthy", "0 healthy, 5 unhealthy, 7 healthy"}, all, 100, "0 healthy, 5 unhealthy, 7 healthy"},
		"nor does one with an end in it":                          {[]string{"0 healthy, 5, 9 starting", "0 healthy, 5, 9 starting"}, all, 100, "0 healthy, 5, 9 starting"},
		"a clock that is set back overrules what was noted":       {[]string{"0 healthy, 5 unhealthy, 10 unknown", "4 flapping"}, all, 100, "0 healthy, 4 flapping"},
		"also within one commit":                                  {[]string{"0 healthy, 5 unhealthy, 10 unknown, 4 flapping, 6 healthy"}, all, 100, "0 healthy, 4 flapping, 6 healthy"},
		"and goes on from there":                                  {[]string{"0 healthy, 5 unhealthy", "4 flapping", "5 healthy, 8 unhealthy"}, all, 100, "0 healthy, 4 flapping, 5 healthy, 8 unhealthy"},
		"of what lies more than a day ahead it says nothing":      {[]string{"0 healthy, 50 unhealthy, 60 unknown", "10 flapping"}, all, 100, "0 healthy, 10 flapping, 50 unhealthy, 60 unknown"},
		"a clock that is far behind for a moment destroys little": {[]string{"0 healthy, 50 unhealthy", "-9000 starting", "55 healthy"}, all, 100, "-9000 starting, 0 healthy, 50 unhealthy, 55 healthy"},
		"what it said then holds until what was known before":     {[]string{"0 healthy, 50 unhealthy", "-9000 starting"}, -1, 10, "-9000 starting, 0 healthy"},
		"a clock that was far ahead for a moment is not believed": {[]string{"0 healthy, 9000 unhealthy", "5 unknown", "6 healthy"}, all, 100, "0 healthy, 5 unknown, 6 healthy"},
		"an end that is overruled was none":                       {[]string{"0 healthy, 5, 9 starting", "3 unknown"}, all, 100, "0 healthy, 3 unknown"},
	}
	eachStore(t, store.Options{KeepHistory: 10_000 * time.Hour}, func(t *testing.T, s store.Store) {
		other := changes(t, "other", "0 healthy, 5 unhealthy")
		MustCommit(t, s, store.Commit{At: t0, History: other})
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				for _, c := range test.commits {
					MustCommit(t, s, store.Commit{At: t0, History: changes(t, name, c)})
				}
				if got := say(MustHistory(t, s, name, hours(test.from), hours(test.to))); got != test.want {
					t.Errorf("\ngot  %s\nwant %s", got, test.want)
				}
				same(t, "the other's", MustHistory(t, s, "other", time.Time{}, time.Time{}), other)
			})
		}
	})
}

// What the store gives of everybody is what it gives of each.
func TestAllHistory(t *testing.T) {
	t.Parallel()
	eachStore(t, store.Options{}, func(t *testing.T, s store.Store) {
		if all := MustAllHistory(t, s, time.Time{}, time.Time{}); len(all) != 0 {
			t.Fatalf("out of nothing: %v", all)
		}
		for name, c := range map[string]string{"a": "0 healthy, 5 unhealthy", "b": "3 healthy, 4", "c": "0 starting, 7 healthy, 9 unknown", "d": "50 healthy"} {
			MustCommit(t, s, store.Commit{At: t0, History: changes(t, name, c)})
		}
		for _, r := range [][2]int{{-10, 100}, {0, 1}, {3, 5}, {4, 8}, {8, 8}, {9, 3}, {60, 70}} {
			var want [][]health.StateChange
			for _, name := range []string{"a", "b", "c", "d"} {
				if one := MustHistory(t, s, name, hours(r[0]), hours(r[1])); len(one) > 0 {
					want = append(want, one)
				}
			}
			same(t, fmt.Sprint("from and to ", r), MustAllHistory(t, s, hours(r[0]), hours(r[1])), want)
		}
		n := 0
		for changes, err := range s.AllHistory(t.Context(), time.Time{}, time.Time{}) {
			if n++; err != nil || len(changes) == 0 {
				t.Fatal(changes, err)
			}
			// The store can be used meanwhile, and what is handed out is the caller's.
			changes[0].State = "spoilt"
			MustCommit(t, s, store.Commit{At: t0, History: changes[:0:0], System: &health.SystemRecord{}})
			break
		}
		if n != 1 || strings.Contains(fmt.Sprint(MustAllHistory(t, s, time.Time{}, time.Time{})), "spoilt") {
			t.Errorf("%d handed out", n)
		}
	})
}

// What is too old is dropped, but not what still held at the limit.
func TestOldHistoryIsDropped(t *testing.T) {
	t.Parallel()
	const aDay = 24
	eachStore(t, store.Options{KeepHistory: 10 * aDay * time.Hour}, func(t *testing.T, s store.Store) {
		MustCommit(t, s, store.Commit{At: t0, Acts: []health.Act{act(0)}, History: append(append(
			changes(t, "lively", "0 starting, 24 healthy, 480 unhealthy, 500 healthy"),
			changes(t, "steady", "0 healthy")...),
			changes(t, "gone", "0 healthy, 100")...)})
		MustAlive(t, s, t0)
		MustAlive(t, s, t0.Add(time.Minute))
		MustAlive(t, s, hours(400))
		MustAlive(t, s, hours(400).Add(time.Minute))
		check := func(at int, lively, steady, gone string, spans int) {
			t.Helper()
			MustCommit(t, s, store.Commit{At: hours(at), System: &health.SystemRecord{}})
			for name, want := range map[string]string{"lively": lively, "steady": steady, "gone": gone} {
				if got := say(MustHistory(t, s, name, time.Time{}, time.Time{})); got != want {
					t.Errorf("after %d hours %s is %s, want %s", at, name, got, want)
				}
			}
			if n := len(MustWatched(t, s, time.Time{}, time.Time{})); n != spans {
				t.Errorf("after %d hours %d spans, want %d", at, n, spans)
			}
		}
		check(200, "0 starting, 24 healthy, 480 unhealthy, 500 healthy", "0 healthy", "0 healthy, 100", 2)
		check(10*aDay+50, "24 healthy, 480 unhealthy, 500 healthy", "0 healthy", "0 healthy, 100", 1)
		check(10*aDay+100, "24 healthy, 480 unhealthy, 500 healthy", "0 healthy", "", 1)
		check(200*aDay, "500 healthy", "0 healthy", "", 1) // the last span is the one that runs
		MustCommit(t, s, store.Commit{At: hours(200 * aDay), History: changes(t, "lively", "4800 unknown")})
		if got := say(MustHistory(t, s, "lively", time.Time{}, time.Time{})); got != "500 healthy, 4800 unknown" {
			t.Errorf("it goes on as %s", got)
		}
		if n := len(MustAudit(t, s, 10)); n != 1 {
			t.Errorf("%d acts after 200 days", n)
		}
		MustCommit(t, s, store.Commit{At: hours(401 * aDay), System: &health.SystemRecord{}})
		if n := len(MustAudit(t, s, 10)); n != 0 {
			t.Errorf("%d acts after 401 days", n)
		}
	})
}

// A history that was dropped in part, even all of it but what stands, leads nowhere
// wrong when its numbers are given to others.
func TestHistoryAfterItWasDropped(t *testing.T) {
	t.Parallel()
	s := MustOpen(t, filepath.Join(t.TempDir(), "status.db"), store.Options{KeepHistory: 24 * time.Hour})
	for _, name := range []string{"a", "b", "c"} {
		MustCommit(t, s, store.Commit{At: t0, History: changes(t, name, "0 healthy, 1 unhealthy, 2 healthy")})
	}
	MustCommit(t, s, store.Commit{At: hours(100), System: &health.SystemRecord{}}) // only what stands is left
	for n := 200; n < 210; n++ {
		for _, name := range []string{"c", "b", "a"} {
			MustCommit(t, s, store.Commit{At: hours(100), History: changes(t, name, fmt.Sprint(n, " unknown"))})
		}
	}
	for _, name := range []string{"a", "b", "c"} {
		var want strings.Builder
		want.WriteString("2 healthy")
		for n := 200; n < 210; n++ {
			fmt.Fprint(&want, ", ", n, " unknown")
		}
		if got := say(MustHistory(t, s, name, time.Time{}, time.Time{})); got != want.String() {
			t.Errorf("%s: %s", name, got)
		}
	}
}
