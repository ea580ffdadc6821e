package serve

import (
	"github.com/go-openapi/runtime/middleware"

	"labstatus/serve/restapi/operations"
)

func (a *api) listActs(params operations.ListActsParams) middleware.Responder {
	page, next, err := a.opts.Audit(params.HTTPRequest.Context(), int(*params.Limit), valueOf(params.Cursor))
	if err != nil {
		return a.pageFailed("the audit list", err)
	}
	return a.answer(params.HTTPRequest, actPage(page, next))
}
