package store_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"labstatus/internal/store"
)

func minutes(n int) time.Time { return t0.Add(time.Duration(n) * time.Minute) }

// saySpans words spans as "0-5 7-9", in minutes after t0.
func saySpans(spans []store.Span) string { return saySpansAfter(t0, spans) }

func saySpansAfter(begin time.Time, spans []store.Span) string {
	var words []string
	for _, s := range spans {
		words = append(words, fmt.Sprintf("%v-%v", s.From.Sub(begin).Minutes(), s.To.Sub(begin).Minutes()))
	}
	return strings.Join(words, " ")
}

// Alive is called at these minutes; then the spans within [from, to) are asked for.
func TestWatched(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		alive    []int
		from, to int
		want     string
	}{
		"nobody was there":                                      {nil, 0, 100, ""},
		"a server that runs is there until now":                 {[]int{0, 1, 2}, 0, 3, "0-3"},
		"one that has just begun too":                           {[]int{0}, 0, 1, "0-1"},
		"it isn't there in a future that is far":                {[]int{0, 1, 2}, 0, 100, "0-2"},
		"it was there before":                                   {[]int{0, 1, 2, 3, 4}, 0, 2, "0-4"},
		"a range before it has none of it":                      {[]int{10, 11}, 0, 10, ""},
		"one that stood still for long is two":                  {[]int{0, 1, 2, 30, 31}, 0, 32, "0-2 30-32"},
		"a call that is late is no standstill":                  {[]int{0, 1, 2, 6, 7}, 0, 8, "0-8"},
		"a clock that is set back a little ends the span there": {[]int{0, 1, 2, 3, 4, 1, 2}, 0, 3, "0-3"},
		"one that is set back before its beginning begins anew": {[]int{10, 11, 12, 1, 2}, 0, 3, "1-3"},
		"and what was noted then stands":                        {[]int{10, 11, 12, 1, 2}, 0, 30, "1-2 10-12"},
		"a clock that is far ahead for a moment adds a moment":  {[]int{0, 1, 9000, 9001, 2, 3}, 0, 4, "0-1 2-4"},
	}
	eachStore(t, store.Options{}, func(t *testing.T, s store.Store) {
		// Each test has weeks of its own, of which those before and after know nothing.
		begin := t0
		for name, test := range tests {
			at := func(minute int) time.Time { return begin.Add(time.Duration(minute) * time.Minute) }
			for _, minute := range test.alive {
				MustAlive(t, s, at(minute))
			}
			if got := saySpansAfter(begin, MustWatched(t, s, at(test.from), at(test.to))); got != test.want {
				t.Errorf("%s: got %s, want %s", name, got, test.want)
			}
			begin = at(20_000)
		}
	})
}

// A server that was killed was there until it last said so; each start is a span of
// its own, and a minute costs no row.
func TestWatchedAcrossRestarts(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "status.db")
	s := MustOpen(t, path, store.Options{})
	for n := range 5 {
		MustAlive(t, s, minutes(n))
	}
	MustClose(t, s)
	s = MustOpen(t, path, store.Options{})
	if got := saySpans(MustWatched(t, s, minutes(0), minutes(6))); got != "0-4" {
		t.Errorf("before the first call: %s", got)
	}
	for n := 7; n < 10; n++ {
		MustAlive(t, s, minutes(n))
	}
	if got := saySpans(MustWatched(t, s, minutes(0), minutes(10))); got != "0-4 7-10" {
		t.Errorf("while it runs: %s", got)
	}
	MustClose(t, s)
	s = MustOpen(t, path, store.Options{})
	if got := saySpans(MustWatched(t, s, minutes(0), minutes(10))); got != "0-4 7-9" {
		t.Errorf("after it: %s", got)
	}
	if n := MustCount(t, path, `SELECT count(*) FROM watched`); n != 2 {
		t.Errorf("%d rows", n)
	}
}
