package serve

import "labstatus/internal/health"

// eventsView is the page of all experiments' events.
type eventsView struct {
	head
	Events []health.Event
	Failed bool
}
