package serve

import (
	"net/http"
	"slices"

	"github.com/go-openapi/runtime/middleware"
	"github.com/sirupsen/logrus"

	"labstatus/internal/health"
	"labstatus/serve/restapi/operations"
)

func (a *api) hold(params operations.HoldExperimentParams, by any) middleware.Responder {
	found := a.opts.snapshot().Find(params.Name)
	if found == nil {
		return noExperiment(params.Name)
	}
	reason, resources := *params.Body.Reason, params.Body.Resources
	if err := checkText("reason", reason, true); err != nil {
		return refuse(http.StatusUnprocessableEntity, err.Error())
	}
	if len(found.Resources) == 0 {
		return refuse(http.StatusConflict, params.Name+" has no resource in the booking system that could be held")
	}
	if len(resources) == 0 {
		resources = resourceNames(found, func(*health.ResourceReport) bool { return true })
	}
	if other, bad := notOf(found, resources); bad {
		return refuse(http.StatusUnprocessableEntity, "resources in body: "+clip(other, 200)+" is not a resource of "+params.Name)
	}
	resources = slices.Compact(slices.Sorted(slices.Values(resources)))
	return a.holdOrRelease(params.HTTPRequest, params.Name, resources, subject(by), reason)
}

func (a *api) release(params operations.ReleaseExperimentParams, by any) middleware.Responder {
	found := a.opts.snapshot().Find(params.Name)
	if found == nil {
		return noExperiment(params.Name)
	}
	if other, bad := notOf(found, params.Resource); bad {
		return refuse(http.StatusUnprocessableEntity, "resource in query: "+clip(other, 200)+" is not a resource of "+params.Name)
	}
	held := resourceNames(found, func(r *health.ResourceReport) bool {
		return r.Held && (len(params.Resource) == 0 || slices.Contains(params.Resource, r.Name))
	})
	if len(held) == 0 {
		return refuse(http.StatusConflict, "nothing is held of "+params.Name+", as book said when it was last asked; what has been done in book since is known after the next look (STATUS_QUERY_BOOK_EVERY)")
	}
	return a.holdOrRelease(params.HTTPRequest, params.Name, held, subject(by), "")
}

func (a *api) holdOrRelease(r *http.Request, name string, resources []string, by, reason string) middleware.Responder {
	kind := health.ActHold
	if reason == "" {
		kind = health.ActRelease
	}
	fields := logrus.Fields{"act": kind, "by": by, "experiment": name, "resources": resources}
	ctx, done := toTheEnd(r)
	defer done()
	if refusal := a.outcome(r, fields, a.opts.Hold(ctx, name, resources, by, reason)); refusal != nil {
		return refusal
	}
	return a.reportNow(name)
}

// resourceNames are those of the experiment's resources that are wanted, sorted.
func resourceNames(of *health.Report, wanted func(*health.ResourceReport) bool) []string {
	var names []string
	for i := range of.Resources {
		if r := &of.Resources[i]; wanted(r) {
			names = append(names, r.Name)
		}
	}
	return names
}

// notOf finds the first of the names that is no resource of the experiment.
func notOf(of *health.Report, names []string) (name string, found bool) {
	all := resourceNames(of, func(*health.ResourceReport) bool { return true })
	i := slices.IndexFunc(names, func(n string) bool { return !slices.Contains(all, n) })
	if i < 0 {
		return "", false
	}
	return names[i], true
}
