package relay

import (
	"net/http"
	"strings"

	"labstatus/internal/health"
	"labstatus/internal/stats"
)

// New gives a subscriber of the stats feed of the relay whose access service has
// the given audience, e.g. https://example.org/lab/access. It makes no call.
func New(o stats.Options) *stats.Subscriber { return stats.New(o, service(o.Audience)) }

func service(audience string) stats.ServiceConfig {
	return stats.ServiceConfig{
		Name: health.Relay,
		URL:  strings.TrimSuffix(audience, "/") + "/session/stats",
		// relay refuses a token without any of these. With the scope "read" alone
		// it ignores whatever is written on the feed.
		Claims: map[string]any{
			"booking_id": "status-server",
			"prefix":     "session",
			"scopes":     []string{"read"},
			"topic":      "stats",
		},
		Advise: advise,
	}
}

// advise words what to do where relay says "token invalid", which it does for a
// wrong secret and for wrong times alike.
func advise(e *stats.AccessError) string {
	if e.Status != http.StatusInternalServerError || e.Message != "token invalid" {
		return ""
	}
	if clock := e.ClockAdvice(); clock != "" {
		return clock + ", or " + e.SecretAdvice()
	}
	return e.SecretAdvice() + " (or the clocks of the two hosts differ)"
}
