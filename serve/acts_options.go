package serve

import (
	"errors"
	"slices"
	"strings"
	"time"

	"labstatus/internal/health"
)

// ErrUnknownMail is what Options.Mail returns, wrapped or not, for an id that no
// mail that is kept has.
var ErrUnknownMail = errors.New("there is no such mail")

// ActError is why something was not done, in words for the one who asked for it.
type ActError struct {
	Status  int    // 409 or another of 4xx; 502 where the booking system didn't do it
	Message string // no secrets
	Field   string // of the body that it is about, e.g. tls.ca; empty: none
}

// Error gives the message, after the field that it is about.
func (e *ActError) Error() string {
	if e.Field != "" {
		return e.Field + " in body: " + e.Message
	}
	return e.Message
}

// EventQuery says which events are asked for. The zero value of each filter lets
// all pass.
type EventQuery struct {
	Since      time.Time // at or after it
	Until      time.Time // before it
	Experiment string    // exactly this one's
	Text       string    // within the experiment's name or an issue, whatever the case of its letters
	Limit      int       // at most so many, at least 1
	Cursor     string    // where to begin: as it was given out for the same filters; empty: the newest
}

// Matches says whether an event passes the filters; Limit and Cursor are no filters.
func (q *EventQuery) Matches(e *health.Event) bool {
	if e.When.Before(q.Since) || !q.Until.IsZero() && !e.When.Before(q.Until) {
		return false
	}
	if q.Experiment != "" && e.Experiment != q.Experiment {
		return false
	}
	text := strings.ToLower(q.Text)
	contains := func(s string) bool { return strings.Contains(strings.ToLower(s), text) }
	return text == "" || contains(e.Experiment) || slices.ContainsFunc(e.Issues, contains)
}
