package history_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"labstatus/internal/health"
	"labstatus/internal/history"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// at gives the moment that is so many minutes after noon.
func at(minute int) time.Time { return noon.Add(time.Duration(minute) * time.Minute) }

// changes reads "0 healthy, 5 unhealthy maintenance, 9": minutes after noon and what
// has been so since. No state at all: it is watched no more.
func changes(t *testing.T, text string) (all []health.StateChange) {
	t.Helper()
	for line := range strings.SplitSeq(text, ",") {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		var minute int
		if _, err := fmt.Sscan(words[0], &minute); err != nil {
			t.Fatal(err)
		}
		c := health.StateChange{Experiment: "pend00", At: at(minute)}
		if len(words) > 1 {
			c.State = health.State(words[1])
		}
		c.Maintenance = len(words) > 2
		all = append(all, c)
	}
	return all
}

// spans reads "0-5 7-9".
func spans(t *testing.T, text string) (all []history.Span) {
	t.Helper()
	for word := range strings.FieldsSeq(text) {
		var from, to int
		if _, err := fmt.Sscanf(word, "%d-%d", &from, &to); err != nil {
			t.Fatal(err)
		}
		all = append(all, history.Span{From: at(from), To: at(to)})
	}
	return all
}

// say words intervals as the tables below do.
func say(all []history.Interval) string {
	var words []string
	for _, i := range all {
		word := fmt.Sprintf("%.4g-%.4g %s", i.From.Sub(noon).Minutes(), i.To.Sub(noon).Minutes(), i.State)
		if i.Maintenance {
			word += " maintenance"
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

// All ranges are from 0 to 10 minutes after noon.
func TestIntervals(t *testing.T) {
	for name, test := range map[string]struct{ changes, watched, want string }{
		"nothing is known of an experiment without changes":  {"", "0-10", "0-10 unwatched"},
		"nothing is known while no server runs":              {"0 healthy", "", "0-10 unwatched"},
		"nothing at all is unwatched":                        {"", "", "0-10 unwatched"},
		"what held before the range holds in it":             {"-500 healthy", "-600-20", "0-10 healthy"},
		"of what held before the range the latest holds":     {"-500 healthy, -3 unhealthy", "-600-20", "0-10 unhealthy"},
		"it is unwatched before it is known":                 {"4 starting, 6 healthy", "0-10", "0-4 unwatched, 4-6 starting, 6-10 healthy"},
		"it is unwatched after it is forgotten":              {"0 healthy, 4", "0-10", "0-4 healthy, 4-10 unwatched"},
		"it comes back after it was forgotten":               {"0 healthy, 4, 7 starting", "0-10", "0-4 healthy, 4-7 unwatched, 7-10 starting"},
		"a server that stops leaves a hole":                  {"0 healthy", "0-3 5-10", "0-3 healthy, 3-5 unwatched, 5-10 healthy"},
		"a change in the hole counts from the next span on":  {"0 healthy, 4 unhealthy", "0-3 5-10", "0-3 healthy, 3-5 unwatched, 5-10 unhealthy"},
		"the last change in the hole counts":                 {"0 healthy, 4 unhealthy, 5 unknown", "0-3 5-10", "0-3 healthy, 3-5 unwatched, 5-10 unknown"},
		"spans may overlap":                                  {"0 healthy", "2-6 0-3 1-2", "0-6 healthy, 6-10 unwatched"},
		"spans that touch are one":                           {"0 healthy", "0-3 3-10", "0-10 healthy"},
		"spans may be in any order":                          {"0 healthy", "7-10 0-3", "0-3 healthy, 3-7 unwatched, 7-10 healthy"},
		"a span that ends before it begins is none":          {"0 healthy", "0-3 9-4", "0-3 healthy, 3-10 unwatched"},
		"a span within another adds nothing":                 {"0 healthy", "0-9 2-3", "0-9 healthy, 9-10 unwatched"},
		"changes may be in any order":                        {"6 unhealthy, 0 healthy, 3 unknown", "0-10", "0-3 healthy, 3-6 unknown, 6-10 unhealthy"},
		"of two at the same moment the later given counts":   {"0 healthy, 3 unknown, 3 unhealthy", "0-10", "0-3 healthy, 3-10 unhealthy"},
		"also where they are out of order":                   {"3 unknown, 3 unhealthy, 0 healthy", "0-10", "0-3 healthy, 3-10 unhealthy"},
		"changes that change nothing don't show":             {"0 healthy, 3 healthy, 6 healthy", "0-10", "0-10 healthy"},
		"changes in the future don't count yet":              {"0 healthy, 10 unhealthy, 900 unknown", "0-10", "0-10 healthy"},
		"the future is unwatched":                            {"0 healthy", "0-8", "0-8 healthy, 8-10 unwatched"},
		"maintenance is apart from the state":                {"0 healthy, 3 healthy maintenance, 6 unhealthy maintenance, 8 unhealthy", "0-10", "0-3 healthy, 3-6 healthy maintenance, 6-8 unhealthy maintenance, 8-10 unhealthy"},
		"what nobody watches is in no maintenance":           {"0 healthy maintenance, 5 - maintenance, 7 unwatched maintenance", "0-4 5-10", "0-4 healthy maintenance, 4-5 unwatched, 5-7 unknown maintenance, 7-10 unwatched"},
		"a state of a newer version is unknown":              {"0 healthy, 5 resting", "0-10", "0-5 healthy, 5-10 unknown"},
		"flapping and starting are shown as what they are":   {"0 starting, 2 flapping, 5 unknown", "0-10", "0-2 starting, 2-5 flapping, 5-10 unknown"},
		"what changes at the range's first moment counts":    {"-5 healthy, 0 unhealthy", "-5-10", "0-10 unhealthy"},
		"what changes at a span's first moment counts there": {"-5 healthy, 2 unhealthy", "2-10", "0-2 unwatched, 2-10 unhealthy"},
	} {
		t.Run(name, func(t *testing.T) {
			c, w := changes(t, test.changes), spans(t, test.watched)
			before, beforeSpans := slices.Clone(c), slices.Clone(w)
			if got := say(history.Intervals(c, w, at(0), at(10))); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if !slices.Equal(c, before) || !slices.Equal(w, beforeSpans) {
				t.Error("what was given was changed")
			}
		})
	}
}

func TestSummary(t *testing.T) {
	for name, test := range map[string]struct {
		changes, watched string
		want             history.Summary
		uptime           float64
		known            bool
	}{
		"nothing is known":                 {"", "", history.Summary{Unwatched: 10}, 0, false},
		"starting and unknown say nothing": {"0 starting, 4 unknown", "0-10", history.Summary{Unknown: 10}, 0, false},
		"all day well":                     {"0 healthy", "0-10", history.Summary{Healthy: 10}, 1, true},
		"all day down":                     {"0 unhealthy", "0-10", history.Summary{Unhealthy: 10}, 0, true},
		"flapping is down":                 {"0 healthy, 5 flapping", "0-10", history.Summary{Healthy: 5, Unhealthy: 5}, 0.5, true},
		"maintenance is left out, well or not": {"0 healthy maintenance, 3 unhealthy maintenance, 6 healthy, 9 unhealthy", "0-10",
			history.Summary{Maintenance: 6, Healthy: 3, Unhealthy: 1}, 0.75, true},
		"what isn't known is left out": {"1 starting, 2 healthy, 4 unknown, 6 unhealthy", "0-8",
			history.Summary{Unwatched: 3, Unknown: 3, Healthy: 2, Unhealthy: 2}, 0.5, true},
	} {
		t.Run(name, func(t *testing.T) {
			got := history.Summarize(changes(t, test.changes), spans(t, test.watched), at(0), at(10))
			for _, d := range []*time.Duration{&test.want.Healthy, &test.want.Unhealthy, &test.want.Unknown, &test.want.Maintenance, &test.want.Unwatched} {
				*d *= time.Minute
			}
			if got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			if up, known := got.Uptime(); up != test.uptime || known != test.known {
				t.Errorf("uptime is %v, %t, want %v, %t", up, known, test.uptime, test.known)
			}
		})
	}
}

func TestEmptyRange(t *testing.T) {
	c, w := changes(t, "0 healthy"), spans(t, "0-10")
	for _, to := range []time.Time{at(5), at(4), {}} {
		if got := history.Intervals(c, w, at(5), to); len(got) != 0 {
			t.Errorf("until %v: %s", to, say(got))
		}
		if got := history.Summarize(c, w, at(5), to); got != (history.Summary{}) {
			t.Errorf("until %v: %+v", to, got)
		}
	}
}
