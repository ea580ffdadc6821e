package observer_test

import (
	"os"
	"strings"
	"testing"

	"labstatus/internal/observer"
)

// What docs/observers.md shows can be used as it stands, but for the dots.
func TestTheDocsExamples(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/observers.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := map[string]string{} // indented text, by its first word
	for block := range strings.SplitSeq(strings.ReplaceAll(string(text), "…", "0123456789abcdef"), "\n\n") {
		if strings.HasPrefix(block, "    ") {
			blocks[strings.Fields(block)[0]] = block
		}
	}
	if all, err := observer.ParseObservers([]byte(blocks[`{"observers":`])); err != nil || len(all) != 2 || all[1].TLS == nil {
		t.Errorf("the file of STATUS_OBSERVERS: %+v, %v", all, err)
	}
	if all, err := observer.ParseCredentials(blocks["3nPq0123456789abcdef"]); err != nil || len(all) != 3 || !all[2].Increments {
		t.Errorf("the tokens: %+v, %v", all, err)
	}
	ties, err := observer.ParseMap(blocks["service"])
	if err != nil {
		t.Fatalf("the map: %v", err)
	}
	if got := tie(ties, "leeds", observer.Service("tunnel-pend00")); got != "pend00 link" {
		t.Errorf("the map ties to %q", got)
	}
}
