package serve

import (
	"math"
	"slices"
	"time"

	"github.com/go-openapi/strfmt"

	"labstatus/internal/health"
	"labstatus/serve/models"
)

// neverLast is what clients of this API have always been given as the time since
// a message that never came.
const neverLast = "999h0m0s"

// at gives a time that is known.
func at(t time.Time) *strfmt.DateTime { return new(strfmt.DateTime(t.UTC())) }

// atIfKnown gives nil, which is left out of the answer, for the zero time.
func atIfKnown(t time.Time) *strfmt.DateTime {
	if t.IsZero() {
		return nil
	}
	return at(t)
}

func reports(all []*health.Report, uptime func(string) (float64, bool)) models.ExperimentReports {
	out := make(models.ExperimentReports, 0, len(all))
	for _, r := range all {
		out = append(out, report(r, uptime))
	}
	return out
}

// report words what is known of an experiment, and in which part of the last 24
// hours it was well.
func report(r *health.Report, uptime func(string) (float64, bool)) *models.ExperimentReport {
	b := bookingOf(r)
	out := &models.ExperimentReport{
		TopicName:           &r.Name,
		ResourceName:        new(""),
		State:               new(string(r.State)),
		Since:               at(r.Since),
		Healthy:             new(r.Healthy),
		Issues:              issueTexts(r.Issues),
		IssueDetails:        issueDetails(r.Issues),
		Available:           new(b.available),
		AvailabilityKnown:   new(b.known),
		Resources:           resources(r.Resources),
		FirstChecked:        at(r.FirstSeen),
		LastCheckedStreams:  atIfKnown(r.LastCheckedStreams),
		LastCheckedJump:     atIfKnown(r.LastCheckedJump),
		LastFoundInManifest: atIfKnown(r.LastInManifest),
		HealthEvents:        new(int64(r.Events)),
		JumpOk:              new(r.JumpOK),
		JumpKnown:           new(r.JumpKnown),
		JumpReport:          connection(r.Jump, r.Name),
		StatsKnown:          new(true),
		StreamOk:            make(map[string]bool, len(r.Streams)),
		StreamRequired:      make(map[string]bool),
		StreamReports:       make(map[string]models.ConnectionReport, len(r.Streams)),
		Streams:             make([]*models.StreamState, 0, len(r.Streams)),
		Tunnels:             tunnels(r.Tunnels),
		Silence:             silence(r.Silence),
		Ack:                 ack(r.Ack),
		Maintenance:         maintenance(r.Maintenance),
	}
	if well, known := uptime(r.Name); known {
		out.Uptime24h = fraction(Uptime{Fraction: well, Known: 1})
	}
	if b.held {
		out.Held = &models.Hold{Reason: &b.heldReason}
	}
	if len(r.Resources) > 0 {
		out.ResourceName = &r.Resources[0].Name
	}
	for i := range r.Streams {
		s := &r.Streams[i]
		out.StreamOk[s.Topic] = s.OK
		if s.Required {
			out.StreamRequired[s.Topic] = true
		}
		if s.Conn != nil {
			out.StreamReports[s.Topic] = *connection(s.Conn, s.Topic)
			*out.StatsKnown = *out.StatsKnown && s.Conn.StatsKnown
		}
		out.Streams = append(out.Streams, &models.StreamState{
			Topic:      &s.Topic,
			Required:   &s.Required,
			Verdict:    new(string(s.Verdict)),
			Ok:         &s.OK,
			Since:      atIfKnown(s.Since),
			LastActive: atIfKnown(s.LastActive),
			Connected:  new(s.Conn != nil),
		})
	}
	return out
}

// connection words a connection, and one that isn't there (nil) too: pages have
// always been given an object, with its topic.
func connection(c *health.Conn, topic string) *models.ConnectionReport {
	if c == nil {
		c = &health.Conn{Topic: topic}
	}
	out := &models.ConnectionReport{
		CanRead:    &c.CanRead,
		CanWrite:   &c.CanWrite,
		Connected:  atIfKnown(c.ConnectedAt),
		ExpiresAt:  atIfKnown(c.ExpiresAt),
		RemoteAddr: &c.RemoteAddr,
		Scopes:     nonNil(c.Scopes),
		Stats:      &models.RxTx{Rx: &models.Statistics{}, Tx: &models.Statistics{}},
		StatsKnown: &c.StatsKnown,
		Topic:      &c.Topic,
		UserAgent:  &c.UserAgent,
	}
	if c.StatsKnown {
		out.Stats.Rx, out.Stats.Tx = statistics(c.Rx), statistics(c.Tx)
	}
	return out
}

func statistics(t health.Traffic) *models.Statistics {
	out := &models.Statistics{Fps: whole(t.FPS), Last: t.Last.String(), Never: new(t.Never), Size: whole(t.Size)}
	if t.Never {
		out.Last = neverLast
	}
	return out
}

// whole rounds a figure from outside, where even one that is no number must not
// spoil the answer.
func whole(f float64) *int64 {
	const most = 1 << 53 // as far as JavaScript counts
	if math.IsNaN(f) || math.Abs(f) > most {
		return nil
	}
	return new(int64(math.Round(f)))
}

func resources(all []health.ResourceReport) []*models.ResourceReport {
	out := make([]*models.ResourceReport, 0, len(all))
	for i := range all {
		r := &all[i]
		one := &models.ResourceReport{
			Name:              &r.Name,
			Available:         new(r.Known && r.Available),
			AvailabilityKnown: &r.Known,
			Reason:            r.Reason,
			ReadAt:            atIfKnown(r.ReadAt),
			Held:              &r.Held,
			HeldReason:        r.HeldReason,
			HeldBy:            r.HeldBy,
			Required:          nonNil(r.Required),
		}
		if r.Wanted == health.Open || r.Wanted == health.Close {
			one.Wanted = string(r.Wanted)
		}
		out = append(out, one)
	}
	return out
}

// booking is what the resources of an experiment come to.
type booking struct {
	available, known, held bool
	heldReason             string
}

func bookingOf(r *health.Report) booking {
	b := booking{known: len(r.Resources) > 0}
	anyKnown, allAvailable := false, true
	for i := range r.Resources {
		res := &r.Resources[i]
		if !res.Known {
			b.known = false
			continue
		}
		anyKnown = true
		allAvailable = allAvailable && res.Available
		if res.Held && !b.held {
			b.held, b.heldReason = true, res.HeldReason
		}
	}
	b.available = anyKnown && allAvailable
	return b
}

func issueTexts(all []health.Issue) []string {
	out := make([]string, 0, len(all))
	for _, i := range all {
		out = append(out, i.String())
	}
	return out
}

func events(all []health.Event) models.HealthEvents {
	out := make(models.HealthEvents, 0, len(all))
	for i := range all {
		e := &all[i]
		streams := e.StreamOK
		if streams == nil {
			streams = map[string]bool{}
		}
		out = append(out, &models.HealthEvent{
			Experiment: &e.Experiment,
			When:       at(e.When),
			Healthy:    &e.Healthy,
			JumpOk:     &e.JumpOK,
			StreamOk:   streams,
			TunnelOk:   e.TunnelOK,
			Issues:     nonNil(e.Issues),
		})
	}
	return out
}

// oldestFirst gives the events in order of time and leaves the slice as it is.
func oldestFirst(all []health.Event) []health.Event {
	return slices.SortedStableFunc(slices.Values(all), func(a, b health.Event) int { return a.When.Compare(b.When) })
}

// nonNil makes sure that a list is [] rather than null.
func nonNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
