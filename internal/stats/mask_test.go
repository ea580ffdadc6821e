package stats

import (
	"strings"
	"testing"
)

// A proxy that repeats the address it was asked for must not get the code of it
// into a log line.
func TestTheCodeIsMasked(t *testing.T) {
	t.Parallel()
	const uri = "wss://lab.example/relay/session/stats?code=3131edd9-e812-40a2-8fcb-2cb8147ee95b"
	for _, body := range []string{
		"Cannot GET /relay/session/stats?code=3131edd9-e812-40a2-8fcb-2cb8147ee95b",
		"code 3131edd9-e812-40a2-8fcb-2cb8147ee95b is unknown",
	} {
		if got := string(maskQuery([]byte(body), uri)); strings.Contains(got, "3131edd9") || !strings.Contains(got, "***") {
			t.Errorf("%q is shown as %q", body, got)
		}
	}
}
