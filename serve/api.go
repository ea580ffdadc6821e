package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/go-openapi/loads"
	"github.com/go-openapi/runtime"
	"github.com/go-openapi/runtime/middleware"
	"github.com/go-openapi/runtime/security"
	"github.com/go-openapi/spec"
	"github.com/go-openapi/strfmt"

	"labstatus/internal/health"
	"labstatus/serve/models"
	"labstatus/serve/restapi"
	"labstatus/serve/restapi/operations"
)

// api answers what swagger.yaml promises. Routing and the checking of parameters
// are generated; what is answered is made here.
type api struct {
	opts     *Options
	admins   *admins
	tickets  *tickets
	listings listings
}

// specification is swagger.yaml as it was compiled in.
type specification struct {
	doc  *loads.Document // what routing goes by, which only reads it
	sent *body           // to those who ask for it
}

// embedded decodes it once for all servers of a process: that takes longer than all
// else that a server is made of. Nothing goes by the document as it was written, so
// only the flat one is decoded.
var embedded = sync.OnceValues(func() (*specification, error) {
	doc, err := loads.Embedded(json.RawMessage("{}"), restapi.FlatSwaggerJSON)
	if err != nil {
		return nil, fmt.Errorf("load the embedded API specification: %w", err)
	}
	leaveSchemasOut(doc.Spec())
	return &specification{doc: doc, sent: newBody("application/json", restapi.SwaggerJSON)}, nil
})

// leaveSchemasOut takes from a document what routing has no use for: bodies are checked
// by the generated models. Each server that is made would go through all of it again,
// which takes longer than the rest of its making.
func leaveSchemasOut(doc *spec.Swagger) {
	doc.Definitions = nil
	for _, item := range doc.Paths.Paths {
		for _, operation := range []*spec.Operation{item.Get, item.Put, item.Post, item.Patch, item.Delete} {
			if operation == nil {
				continue
			}
			for i := range operation.Parameters {
				if operation.Parameters[i].Schema != nil {
					operation.Parameters[i].Schema = new(spec.Schema)
				}
			}
			operation.Responses = nil
		}
	}
}

func newAPI(opts *Options, admins *admins, tickets *tickets) (http.Handler, error) {
	contract, err := embedded()
	if err != nil {
		return nil, err
	}
	a := &api{opts: opts, admins: admins, tickets: tickets, listings: listings{uptime: opts.Uptime, listed: opts.Listed}}
	gen := operations.NewLabstatusAPI(contract.doc)
	gen.Logger = opts.Log.Debugf
	gen.ServeError = serveError(opts.Log)
	gen.JSONConsumer = readOrder()
	gen.APIKeyAuthenticator = func(string, string, security.TokenAuthentication) runtime.Authenticator {
		return admins.authenticator()
	}
	gen.AdminAuth = func(string) (any, error) { return nil, errors.New("never called: the authenticator above is") }
	gen.ListExperimentsHandler = operations.ListExperimentsHandlerFunc(a.listExperiments)
	gen.GetExperimentHandler = operations.GetExperimentHandlerFunc(a.getExperiment)
	gen.ListExperimentEventsHandler = operations.ListExperimentEventsHandlerFunc(a.listExperimentEvents)
	gen.ListEventsHandler = operations.ListEventsHandlerFunc(a.listEvents)
	gen.GetSystemHandler = operations.GetSystemHandlerFunc(a.getSystem)
	gen.GetExperimentHistoryHandler = operations.GetExperimentHistoryHandlerFunc(a.getHistory)
	gen.FollowLiveHandler = operations.FollowLiveHandlerFunc(a.followLive)
	gen.SilenceExperimentHandler = operations.SilenceExperimentHandlerFunc(a.silence)
	gen.UnsilenceExperimentHandler = operations.UnsilenceExperimentHandlerFunc(a.unsilence)
	gen.AcknowledgeExperimentHandler = operations.AcknowledgeExperimentHandlerFunc(a.acknowledge)
	gen.UnacknowledgeExperimentHandler = operations.UnacknowledgeExperimentHandlerFunc(a.unacknowledge)
	gen.HoldExperimentHandler = operations.HoldExperimentHandlerFunc(a.hold)
	gen.ReleaseExperimentHandler = operations.ReleaseExperimentHandlerFunc(a.release)
	gen.ListMaintenanceHandler = operations.ListMaintenanceHandlerFunc(a.listMaintenance)
	gen.AddMaintenanceHandler = operations.AddMaintenanceHandlerFunc(a.addMaintenance)
	gen.ChangeMaintenanceHandler = operations.ChangeMaintenanceHandlerFunc(a.changeMaintenance)
	gen.RemoveMaintenanceHandler = operations.RemoveMaintenanceHandlerFunc(a.removeMaintenance)
	gen.ListObserversHandler = operations.ListObserversHandlerFunc(a.listObservers)
	gen.GetObserverHandler = operations.GetObserverHandlerFunc(a.getObserver)
	gen.AddObserverHandler = operations.AddObserverHandlerFunc(a.addObserver)
	gen.ChangeObserverHandler = operations.ChangeObserverHandlerFunc(a.changeObserver)
	gen.RemoveObserverHandler = operations.RemoveObserverHandlerFunc(a.removeObserver)
	gen.ListObservedHandler = operations.ListObservedHandlerFunc(a.listObserved)
	gen.ListActsHandler = operations.ListActsHandlerFunc(a.listActs)
	gen.ListMailsHandler = operations.ListMailsHandlerFunc(a.listMails)
	gen.GetMailHandler = operations.GetMailHandlerFunc(a.getMail)
	gen.SendTestMailHandler = operations.SendTestMailHandlerFunc(a.sendTestMail)
	if err := gen.Validate(); err != nil {
		return nil, fmt.Errorf("wire the API's operations: %w", err)
	}
	// What the generator routes to by default has a documentation page that loads
	// scripts from elsewhere: route to the operations alone.
	gen.Middleware = func(b middleware.Builder) http.Handler { return gen.Context().RoutesHandler(b) }
	routed := gen.Serve(middleware.PassthroughBuilder)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == basePath+"/swagger.json" {
			getOnly(contract.sent.serve).ServeHTTP(w, r)
			return
		}
		if r.Method == http.MethodHead {
			// net/http leaves out the body; the specification need not list HEAD
			// beside every GET.
			r = r.WithContext(context.WithValue(r.Context(), headKey{}, true))
			r.Method = http.MethodGet
		}
		routed.ServeHTTP(w, r)
	}), nil
}

// headKey marks a request that was made with HEAD.
type headKey struct{}

func (a *api) listExperiments(params operations.ListExperimentsParams) middleware.Responder {
	snap := a.opts.snapshot()
	var f filter
	if params.State != nil {
		f.state = *params.State
	}
	if params.Q != nil {
		f.text = *params.Q
	}
	if !f.isAll() {
		return a.answer(params.HTTPRequest, reports(f.pick(snap.Experiments), a.opts.Uptime))
	}
	return a.send(params.HTTPRequest, a.listings.of(snap).body)
}

func (a *api) getExperiment(params operations.GetExperimentParams) middleware.Responder {
	found := a.opts.snapshot().Find(params.Name)
	if found == nil {
		return noExperiment(params.Name)
	}
	return a.answer(params.HTTPRequest, a.report(found))
}

// report is what readers get of an experiment.
func (a *api) report(r *health.Report) *models.ExperimentReport { return report(r, a.opts.Uptime) }

func (a *api) listExperimentEvents(params operations.ListExperimentEventsParams) middleware.Responder {
	found, err := a.opts.Events(params.HTTPRequest.Context(), params.Name)
	if err != nil {
		return a.storeFailed("events", err)
	}
	if len(found) == 0 && a.opts.snapshot().Find(params.Name) == nil {
		return noExperiment(params.Name) // one that has left keeps its history
	}
	return a.answer(params.HTTPRequest, events(oldestFirst(found)))
}

func (a *api) listEvents(params operations.ListEventsParams) middleware.Responder {
	page, next, err := a.opts.FindEvents(params.HTTPRequest.Context(), EventQuery{
		Since: timeOf(params.Since), Until: timeOf(params.Until), Experiment: valueOf(params.Experiment),
		Text: valueOf(params.Q), Limit: int(*params.Limit), Cursor: valueOf(params.Cursor),
	})
	if err != nil {
		return a.pageFailed("events", err)
	}
	return a.answer(params.HTTPRequest, eventPage(page, next))
}

// timeOf gives the zero time for a parameter that was left out.
func timeOf(t *strfmt.DateTime) time.Time {
	if t == nil {
		return time.Time{}
	}
	return time.Time(*t)
}

// valueOf gives the empty text for a parameter that was left out.
func valueOf(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (a *api) getSystem(params operations.GetSystemParams) middleware.Responder {
	payload := a.opts.system()
	if a.admins.includes(params.HTTPRequest) {
		payload.Settings = settings(a.opts.System().Settings)
	}
	return varied(a.answer(params.HTTPRequest, payload))
}

// answer marshals the payload and sends it.
func (a *api) answer(r *http.Request, payload any) middleware.Responder {
	return a.send(r, func() (*body, error) { return marshal(payload) })
}

func (a *api) send(r *http.Request, made func() (*body, error)) middleware.Responder {
	return middleware.ResponderFunc(func(w http.ResponseWriter, _ runtime.Producer) {
		b, err := made()
		if err != nil {
			a.opts.Log.WithError(err).WithField("path", clip(r.URL.Path, 200)).Error("a request could not be answered")
			writeError(w, http.StatusInternalServerError, "a fault of ours; it is in the server's log")
			return
		}
		b.serve(w, r)
	})
}

func refuse(status int, message string) middleware.Responder {
	return middleware.ResponderFunc(func(w http.ResponseWriter, _ runtime.Producer) {
		writeError(w, status, message)
	})
}

func noExperiment(name string) middleware.Responder {
	return refuse(http.StatusNotFound, fmt.Sprintf("there is no experiment %q; experiments are named by their topic stub, e.g. pend00, not r-pend00", name))
}

// pageFailed answers for a list in pages: a cursor that nobody gave out is the
// reader's fault, anything else is not.
func (a *api) pageFailed(what string, err error) middleware.Responder {
	if errors.Is(err, ErrBadCursor) {
		return refuse(http.StatusUnprocessableEntity, "cursor in query is not one that was given out; leave it out to begin anew")
	}
	return a.storeFailed(what, err)
}

func (a *api) storeFailed(what string, err error) middleware.Responder {
	if !errors.Is(err, context.Canceled) { // the reader went away
		a.opts.Log.WithError(err).Error(what + " could not be read for a request")
	}
	return refuse(http.StatusServiceUnavailable, what+" can't be read from the store at the moment; try again later")
}
