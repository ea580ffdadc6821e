package jump

import (
	"net/http"
	"strings"

	"labstatus/internal/health"
	"labstatus/internal/stats"
)

// New gives a subscriber of the stats feed of the jump service that has the given
// audience, e.g. https://example.org/lab/jump. It makes no call.
func New(o stats.Options) *stats.Subscriber { return stats.New(o, service(o.Audience)) }

// api is where jump's calls are, unless the audience already ends so.
const api = "/api/v1"

func service(audience string) stats.ServiceConfig {
	base := strings.TrimSuffix(audience, "/")
	if !strings.HasSuffix(base, api) {
		base += api
	}
	return stats.ServiceConfig{
		Name: health.Jump,
		URL:  base + "/connect/stats",
		Claims: map[string]any{
			"booking_id": "status-server", // jump doesn't look at it
			"prefix":     "connect",
			"scopes":     []string{"stats"},
			"topic":      "stats",
		},
		Advise: advise,
	}
}

// reading begins jump's words for a token that it can't accept, followed by why.
const reading = "error reading token was "

// advise words what to do about jump's own refusals.
func advise(e *stats.AccessError) string {
	why, ok := strings.CutPrefix(e.Message, reading)
	if e.Status != http.StatusInternalServerError || !ok {
		return ""
	}
	switch {
	case strings.Contains(why, "signature is invalid"):
		return e.SecretAdvice()
	case strings.Contains(why, "expired"), strings.Contains(why, "not valid yet"), strings.Contains(why, "used before issued"):
		if clock := e.ClockAdvice(); clock != "" {
			return clock
		}
		return "the clocks of the two hosts differ: set both by NTP"
	}
	return "the token arrives damaged: does a proxy in between change the Authorization header?"
}
