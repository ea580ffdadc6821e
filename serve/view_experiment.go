package serve

import (
	"fmt"
	"net/url"
	"time"

	"labstatus/internal/health"
)

// experimentView is what the page of one experiment shows.
type experimentView struct {
	head
	Name, State  string
	Sentence     string
	Since        moment
	AsOf         moment
	Issues       []issueView
	Marks        []markView
	Booking      []bookingView
	Streams      []streamView
	Tunnels      []tunnelView
	Jump         jumpView
	Events       []health.Event
	MoreEvents   int
	EventsFailed bool
	ReportLink   string
	EventsLink   string
}

type bookingView struct {
	Name, Words string
	Required    []string
	ReadAt      *moment
}

type streamView struct {
	Topic    string
	Required bool
	Verdict  string
	LastOK   bool // as last known
	Active   *moment
	Since    *moment
	Conn     *connView
}

// connView is a connection's line. Its texts come from whoever connects.
type connView struct {
	Connected     *moment
	Agent, Remote string
	Figures       string
}

type jumpView struct {
	Word string // ok, missing, unknown
	Conn *connView
}

func newExperimentView(r *health.Report, h head, asOf, now time.Time) experimentView {
	v := experimentView{
		head: h, Name: r.Name, State: string(r.State), Sentence: stateSentence(r),
		Since: moment{r.Since, now}, AsOf: moment{asOf, now},
		Issues: issueViews(r.Issues, now), Marks: marksOf(r), Tunnels: tunnelViews(r.Tunnels, now),
		Jump: jumpView{Word: "unknown", Conn: connOf(r.Jump, now)},
	}
	if v.Jump.Conn != nil {
		v.Jump.Conn.Figures = "" // they don't matter
	}
	v.ReportLink, v.EventsLink = reportLinks(r.Name)
	switch {
	case r.JumpKnown && r.JumpOK:
		v.Jump.Word = "ok"
	case r.JumpKnown:
		v.Jump.Word = "missing"
	}
	for i := range r.Resources {
		res := &r.Resources[i]
		v.Booking = append(v.Booking, bookingView{res.Name, bookingWords(res), res.Required, momentOf(res.ReadAt, now)})
	}
	for i := range r.Streams {
		s := &r.Streams[i]
		v.Streams = append(v.Streams, streamView{
			Topic: s.Topic, Required: s.Required, Verdict: string(s.Verdict), LastOK: s.OK,
			Active: momentOf(s.LastActive, now), Since: momentOf(s.Since, now), Conn: connOf(s.Conn, now),
		})
	}
	return v
}

func stateSentence(r *health.Report) string {
	switch r.State {
	case health.StateHealthy:
		return "It is well"
	case health.StateUnhealthy:
		if isCaredFor(r) {
			return "It is not well, and somebody knows"
		}
		return "It needs you"
	case health.StateFlapping:
		if isCaredFor(r) {
			return "It changes too often to be relied on, and somebody knows"
		}
		return "It changes too often to be relied on, and needs you"
	case health.StateStarting:
		return "It was first seen only a moment ago and is not judged yet"
	}
	if r.Healthy {
		return "How it is can't be told at the moment; it was well when last known"
	}
	return "How it is can't be told at the moment; it was not well when last known"
}

func connOf(c *health.Conn, now time.Time) *connView {
	if c == nil {
		return nil
	}
	v := &connView{Connected: momentOf(c.ConnectedAt, now), Agent: c.UserAgent, Remote: c.RemoteAddr}
	switch {
	case !c.StatsKnown:
		v.Figures = "no statistics are given: only its presence is known"
	case !c.Tx.Never:
		v.Figures = fmt.Sprintf("%.3g messages/s of %.0f bytes, mean since it connected", c.Tx.FPS, c.Tx.Size)
	}
	return v
}

func momentOf(t, now time.Time) *moment {
	if t.IsZero() {
		return nil
	}
	return &moment{t, now}
}

// reportLinks are relative to the page, as a reverse proxy may put it anywhere.
func reportLinks(name string) (report, events string) {
	escaped := url.PathEscape(name)
	return "api/v1/experiments/" + escaped, "api/v1/experiments/events/" + escaped
}
