package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-openapi/loads"
	"github.com/go-openapi/runtime"
	"github.com/go-openapi/runtime/middleware"

	"labstatus/serve/restapi"
	"labstatus/serve/restapi/operations"
)

// api answers what swagger.yaml promises. Routing and the checking of parameters
// are generated; what is answered is made here.
type api struct {
	opts     *Options
	listings listings
}

func newAPI(opts *Options) (http.Handler, error) {
	doc, err := loads.Embedded(restapi.SwaggerJSON, restapi.FlatSwaggerJSON)
	if err != nil {
		return nil, fmt.Errorf("load the embedded API specification: %w", err)
	}
	a := &api{opts: opts}
	gen := operations.NewLabstatusAPI(doc)
	gen.Logger = opts.Log.Debugf
	gen.ServeError = serveError(opts.Log)
	gen.ListExperimentsHandler = operations.ListExperimentsHandlerFunc(a.listExperiments)
	gen.GetExperimentHandler = operations.GetExperimentHandlerFunc(a.getExperiment)
	gen.ListExperimentEventsHandler = operations.ListExperimentEventsHandlerFunc(a.listExperimentEvents)
	gen.ListEventsHandler = operations.ListEventsHandlerFunc(a.listEvents)
	gen.GetSystemHandler = operations.GetSystemHandlerFunc(a.getSystem)
	if err := gen.Validate(); err != nil {
		return nil, fmt.Errorf("wire the API's operations: %w", err)
	}
	// What the generator routes to by default has a documentation page that loads
	// scripts from elsewhere: route to the operations alone.
	gen.Middleware = func(b middleware.Builder) http.Handler { return gen.Context().RoutesHandler(b) }
	routed := gen.Serve(middleware.PassthroughBuilder)
	specification := newBody("application/json", doc.Raw())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == basePath+"/swagger.json" {
			getOnly(specification.serve).ServeHTTP(w, r)
			return
		}
		if r.Method == http.MethodHead {
			// net/http leaves out the body; the specification need not list HEAD
			// beside every GET.
			r = r.WithContext(r.Context())
			r.Method = http.MethodGet
		}
		routed.ServeHTTP(w, r)
	}), nil
}

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
		return a.answer(params.HTTPRequest, reports(f.pick(snap.Experiments)))
	}
	return a.send(params.HTTPRequest, a.listings.of(snap).body)
}

func (a *api) getExperiment(params operations.GetExperimentParams) middleware.Responder {
	found := a.opts.snapshot().Find(params.Name)
	if found == nil {
		return noExperiment(params.Name)
	}
	return a.answer(params.HTTPRequest, report(found))
}

func (a *api) listExperimentEvents(params operations.ListExperimentEventsParams) middleware.Responder {
	found, err := a.opts.Events(params.HTTPRequest.Context(), params.Name)
	if err != nil {
		return a.storeFailed(err)
	}
	if len(found) == 0 && a.opts.snapshot().Find(params.Name) == nil {
		return noExperiment(params.Name) // one that has left keeps its history
	}
	return a.answer(params.HTTPRequest, events(oldestFirst(found)))
}

func (a *api) listEvents(params operations.ListEventsParams) middleware.Responder {
	var since time.Time
	if params.Since != nil {
		since = time.Time(*params.Since)
	}
	var cursor string
	if params.Cursor != nil {
		cursor = *params.Cursor
	}
	page, next, err := a.opts.AllEvents(params.HTTPRequest.Context(), since, int(*params.Limit), cursor)
	switch {
	case errors.Is(err, ErrBadCursor):
		return refuse(http.StatusUnprocessableEntity, "cursor in query is not one that was given out; leave it out to begin anew")
	case err != nil:
		return a.storeFailed(err)
	}
	return a.answer(params.HTTPRequest, eventPage(page, next))
}

func (a *api) getSystem(params operations.GetSystemParams) middleware.Responder {
	return a.answer(params.HTTPRequest, system(a.opts.snapshot(), a.opts.System(), a.opts.Ready()))
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

func (a *api) storeFailed(err error) middleware.Responder {
	if !errors.Is(err, context.Canceled) { // the reader went away
		a.opts.Log.WithError(err).Error("events could not be read for a request")
	}
	return refuse(http.StatusServiceUnavailable, "events can't be read from the store at the moment; try again later")
}
