package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"labstatus/internal/health"
	"labstatus/internal/store"
)

// The events of these tests, at the minutes they are numbered by.
var findable = []struct {
	experiment string
	issues     []string
}{
	0:  {"pend00", []string{"missing jump"}},
	1:  {"pend00", nil},
	2:  {"Pend01", []string{"missing required Pend01-st-video", "unhealthy Pend01-st-data"}},
	3:  {"100%_sure", []string{`unhealthy 100%_sure-st-"quoted"`}},
	4:  {"spin01", []string{"missing jump", "unhealthy spin01-st-video"}},
	5:  {"spin01", []string{}},
	6:  {"größe", []string{"unhealthy GRÖSSE-st-ä"}},
	7:  {"<b>&", []string{`back\slash`, "tab\there", "null\x00byte"}},
	8:  {"pend00", []string{"unhealthy pend00-st-video"}},
	9:  {"pend00", []string{"unhealthy pend00-st-data", "unhealthy pend00-st-video"}},
	10: {"x", []string{`\u003c`, `[",]`}},
}

func TestFindEvents(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		q    store.EventQuery
		want string // numbers of the events, newest first
	}{
		"everything":                                {store.EventQuery{}, "10 9 8 7 6 5 4 3 2 1 0"},
		"since a moment":                            {store.EventQuery{Since: minutes(8)}, "10 9 8"},
		"until a moment, which isn't part of it":    {store.EventQuery{Until: minutes(3)}, "2 1 0"},
		"from one moment to another":                {store.EventQuery{Since: minutes(3), Until: minutes(6)}, "5 4 3"},
		"a range that ends before it begins":        {store.EventQuery{Since: minutes(6), Until: minutes(3)}, ""},
		"of one experiment":                         {store.EventQuery{Experiment: "pend00"}, "9 8 1 0"},
		"of one experiment in a range":              {store.EventQuery{Experiment: "pend00", Since: minutes(1), Until: minutes(9)}, "8 1"},
		"an experiment's name is taken as it is":    {store.EventQuery{Experiment: "pend01"}, ""},
		"nor is it a pattern":                       {store.EventQuery{Experiment: "pend%"}, ""},
		"of nobody that is known":                   {store.EventQuery{Experiment: "nobody"}, ""},
		"with a text in an issue":                   {store.EventQuery{Text: "missing jump"}, "4 0"},
		"with a text in the name":                   {store.EventQuery{Text: "spin"}, "5 4"},
		"with a text in either case":                {store.EventQuery{Text: "PEND01"}, "2"},
		"with a text and an experiment":             {store.EventQuery{Text: "video", Experiment: "pend00"}, "9 8"},
		"with a text in a range":                    {store.EventQuery{Text: "video", Since: minutes(3), Until: minutes(9)}, "8 4"},
		"percent is no pattern":                     {store.EventQuery{Text: "%"}, "3"},
		"underscore is no pattern":                  {store.EventQuery{Text: "_"}, "3"},
		"percent and underscore as they are":        {store.EventQuery{Text: "100%_SURE"}, "3"},
		"a quote":                                   {store.EventQuery{Text: `st-"quoted"`}, "3"},
		"a quote alone":                             {store.EventQuery{Text: `"`}, "10 3"},
		"a backslash":                               {store.EventQuery{Text: `\`}, "10 7"},
		"a tab":                                     {store.EventQuery{Text: "\t"}, "7"},
		"a zero byte":                               {store.EventQuery{Text: "null\x00b"}, "7"},
		"markup":                                    {store.EventQuery{Text: "<b>&"}, "7"},
		"how markup is kept isn't found":            {store.EventQuery{Text: "u003cb"}, ""},
		"what looks like it is found where it is":   {store.EventQuery{Text: `\U003C`}, "10"},
		"the comma between issues isn't found":      {store.EventQuery{Text: `","`}, ""},
		"nor are the brackets around them":          {store.EventQuery{Text: `["`}, "10"},
		"a letter beyond ASCII, in its own case":    {store.EventQuery{Text: "GRÖSSE"}, "6"},
		"a letter beyond ASCII, in the other case":  {store.EventQuery{Text: "GRößE"}, "6"},
		"a letter beyond ASCII, in the wrong case":  {store.EventQuery{Text: "ÖẞE"}, ""},
		"no text goes from one issue into the next": {store.EventQuery{Text: "jumpunhealthy"}, ""},
		"a text that is nowhere":                    {store.EventQuery{Text: "nowhere"}, ""},
		"no issues are no text":                     {store.EventQuery{Text: "null"}, "7"},
		"a text that is no UTF-8":                   {store.EventQuery{Text: "\xff"}, ""},
	}
	eachStore(t, store.Options{}, func(t *testing.T, s store.Store) {
		for n, e := range findable {
			MustCommit(t, s, store.Commit{At: t0, Events: []health.Event{{Experiment: e.experiment, When: minutes(n), Issues: e.issues}}})
		}
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				for _, limit := range []int{1, 2, 3, 100} {
					var got []string
					for _, e := range MustFind(t, s, test.q, limit) {
						got = append(got, fmt.Sprint(e.When.Sub(t0).Minutes()))
					}
					if strings.Join(got, " ") != test.want {
						t.Errorf("in pages of %d: got %v, want %s", limit, got, test.want)
					}
				}
			})
		}
	})
}

// Pages of what is found follow each other exactly, whatever is added meanwhile.
func TestPagesOfWhatIsFound(t *testing.T) {
	t.Parallel()
	eachStore(t, store.Options{}, func(t *testing.T, s store.Store) {
		for n := range 20 {
			e := health.Event{Experiment: fmt.Sprint("pend", n%3), When: minutes(n / 4), Issues: []string{fmt.Sprint("number ", n)}} // several at a moment
			MustCommit(t, s, store.Commit{At: t0, Events: []health.Event{e}})
		}
		q := store.EventQuery{Text: "number 1", Until: minutes(5)}
		want := MustFind(t, s, q, 100)
		if len(want) != 11 {
			t.Fatalf("%d found", len(want))
		}
		var got []store.StoredEvent
		for next, n := "", 0; n == 0 || next != ""; n++ {
			page, after, err := s.FindEvents(t.Context(), q, 2, next)
			if err != nil {
				t.Fatal(err)
			}
			got, next = append(got, page...), after
			late := health.Event{Experiment: "late", When: minutes(4).Add(time.Duration(n+1) * time.Second), Issues: []string{"number 1"}}
			MustCommit(t, s, store.Commit{At: t0, Events: []health.Event{late}})
		}
		same(t, "found page by page", got, want)
	})
}
