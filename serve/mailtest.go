package serve

import (
	"net/http"

	"github.com/go-openapi/runtime/middleware"
	"github.com/sirupsen/logrus"

	"labstatus/internal/health"
	"labstatus/serve/models"
	"labstatus/serve/restapi/operations"
)

func (a *api) sendTestMail(params operations.SendTestMailParams, by any) middleware.Responder {
	r := params.HTTPRequest
	ctx, done := toTheEnd(r)
	defer done()
	id, recipients, err := a.opts.TestMail(ctx, subject(by))
	if refusal := a.outcome(r, logrus.Fields{"act": health.ActTestMail, "by": subject(by)}, err); refusal != nil {
		return refusal
	}
	return a.sendNew(http.StatusAccepted, &models.QueuedMail{ID: &id, Recipients: new(int64(recipients))})
}
