package serve

import (
	"net/http"
	"time"

	"github.com/go-openapi/runtime/middleware"

	"labstatus/serve/restapi/operations"
)

const (
	usualHistory   = 7 * 24 * time.Hour
	longestHistory = 400 * 24 * time.Hour
)

func (a *api) getHistory(params operations.GetExperimentHistoryParams) middleware.Responder {
	now := time.Now()
	to := now
	if params.To != nil && time.Time(*params.To).Before(now) {
		to = time.Time(*params.To)
	}
	from := to.Add(-usualHistory)
	if params.From != nil {
		from = time.Time(*params.From)
	}
	switch {
	case !from.Before(to):
		return refuse(http.StatusUnprocessableEntity, "from in query must lie in the past, and before to")
	case to.Sub(from) > longestHistory:
		return refuse(http.StatusUnprocessableEntity, "from in query lies more than 400 days before to")
	}
	h, err := a.opts.History(params.HTTPRequest.Context(), params.Name, from, to)
	if err != nil {
		return a.storeFailed("a history", err)
	}
	if !h.knows() && a.opts.snapshot().Find(params.Name) == nil {
		return noExperiment(params.Name) // one that has left keeps its history
	}
	return a.answer(params.HTTPRequest, history(params.Name, &h))
}

// knows says whether the experiment was ever watched in that time.
func (h *History) knows() bool {
	return h.Healthy > 0 || h.Unhealthy > 0 || h.Unknown > 0 || h.Maintenance > 0
}
