package serve

import (
	"encoding/json"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/go-openapi/strfmt"

	"labstatus/internal/health"
	"labstatus/serve/models"
)

// overview serves the list that the page's overview begins with: every experiment
// in the words of the API, of those that are plainly well only what the grid shows.
// Ten thousand full reports would take a browser longer than a maintainer waits.
type overview struct {
	opts    *Options
	current atomic.Pointer[briefs]
}

// briefs is the list of one snapshot, marshalled when it is first asked for.
type briefs struct {
	version uint64
	body    func() (*body, error)
}

func newOverview(opts *Options) *overview { return &overview{opts: opts} }

func (o *overview) serve(w http.ResponseWriter, r *http.Request) {
	answer, err := o.of(o.opts.snapshot()).body()
	if err != nil {
		o.opts.Log.WithError(err).Error("the overview could not be made")
		writeError(w, http.StatusInternalServerError, "a fault of ours; it is in the server's log")
		return
	}
	answer.serve(w, r)
}

func (o *overview) of(snap *health.Snapshot) *briefs {
	have := o.current.Load()
	if have != nil && have.version == snap.Version {
		return have
	}
	made := &briefs{version: snap.Version, body: sync.OnceValues(func() (*body, error) { return marshalBriefs(snap) })}
	if have == nil || have.version < snap.Version {
		o.current.CompareAndSwap(have, made) // where another was quicker, theirs stays
	}
	return made
}

// brief is a report without what the overview doesn't show.
type brief struct {
	Name              string                   `json:"topic_name"`
	State             health.State             `json:"state"`
	Since             strfmt.DateTime          `json:"since"`
	Healthy           bool                     `json:"healthy"`
	Available         bool                     `json:"available"`
	AvailabilityKnown bool                     `json:"availability_known"`
	ResourceName      string                   `json:"resource_name,omitempty"`
	Issues            []string                 `json:"issues,omitempty"`
	Held              *models.Hold             `json:"held,omitempty"`
	Silence           *models.Silence          `json:"silence,omitempty"`
	Ack               *models.Ack              `json:"ack,omitempty"`
	Maintenance       *models.Maintenance      `json:"maintenance,omitempty"`
	Resources         []*models.ResourceReport `json:"resources,omitempty"`
	IssueDetails      []*models.IssueDetail    `json:"issue_details,omitempty"`
	Streams           []*models.StreamState    `json:"streams,omitempty"`
	Tunnels           []*models.TunnelStatus   `json:"tunnels,omitempty"`
}

func briefOf(r *health.Report) brief {
	b := bookingOf(r)
	out := brief{
		Name: r.Name, State: r.State, Since: *at(r.Since), Healthy: r.Healthy,
		Available: b.available, AvailabilityKnown: b.known,
		Silence: silence(r.Silence), Ack: ack(r.Ack), Maintenance: maintenance(r.Maintenance),
	}
	if len(r.Resources) > 0 {
		out.ResourceName = r.Resources[0].Name
	}
	if b.held {
		out.Held = &models.Hold{Reason: &b.heldReason}
	}
	quiet := r.State == health.StateHealthy || r.State == health.StateStarting
	if !quiet || b.held || !b.available || !b.known || len(r.Resources) > 1 {
		out.Resources = resources(r.Resources)
	}
	if len(r.Issues) > 0 {
		out.Issues, out.IssueDetails = issueTexts(r.Issues), issueDetails(r.Issues)
	}
	if !quiet {
		for i := range r.Tunnels {
			if t := &r.Tunnels[i]; t.Verdict != health.VerdictOK {
				out.Tunnels = append(out.Tunnels, tunnel(t))
			}
		}
		for i := range r.Streams {
			if s := &r.Streams[i]; s.Verdict != health.VerdictOK {
				out.Streams = append(out.Streams, &models.StreamState{
					Topic: &s.Topic, Required: &s.Required, Verdict: new(string(s.Verdict)), Ok: &s.OK,
					Since: atIfKnown(s.Since), LastActive: atIfKnown(s.LastActive), Connected: new(s.Conn != nil),
				})
			}
		}
	}
	return out
}

func marshalBriefs(snap *health.Snapshot) (*body, error) {
	list := struct {
		Version     uint64           `json:"version"`
		AsOf        *strfmt.DateTime `json:"as_of,omitempty"`
		Experiments []brief          `json:"experiments"`
	}{snap.Version, atIfKnown(snap.At), make([]brief, len(snap.Experiments))}
	for i, r := range snap.Experiments {
		list.Experiments[i] = briefOf(r)
	}
	raw, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	return newBody("application/json", raw), nil
}
