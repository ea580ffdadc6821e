package telemetry

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A pattern means what the regular expression with .* for each * means.
func TestMatchIsWhatItSeems(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab.*]{0,8}`).Draw(t, "pattern")
		name := rapid.StringMatching(`[ab.]{0,10}`).Draw(t, "name")
		want := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$").MatchString(name)
		if got := match(pattern, name); got != want {
			t.Fatalf("match(%q, %q) is %v", pattern, name, got)
		}
	})
}

// A pattern that was made to be slow isn't.
func TestMatchTakesNoLongTime(t *testing.T) {
	if match(strings.Repeat("a*", 200)+"b", strings.Repeat("a", 2000)) {
		t.Error("there is no b")
	}
}
