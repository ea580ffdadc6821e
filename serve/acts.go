package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-openapi/runtime"
	"github.com/go-openapi/runtime/middleware"
	"github.com/sirupsen/logrus"

	"labstatus/internal/health"
	"labstatus/serve/restapi/operations"
)

func (a *api) silence(params operations.SilenceExperimentParams, by any) middleware.Responder {
	if a.opts.snapshot().Find(params.Name) == nil {
		return noExperiment(params.Name)
	}
	reason, until, now := *params.Body.Reason, time.Time(*params.Body.Until).UTC(), time.Now()
	if err := checkText("reason", reason, true); err != nil {
		return refuse(http.StatusUnprocessableEntity, err.Error())
	}
	if !until.After(now) || until.After(now.Add(health.LongestSpan)) {
		return refuse(http.StatusUnprocessableEntity, "until in body must lie in the future, at most 366 days away")
	}
	return a.actOn(params.HTTPRequest, health.Act{
		At: now, Kind: health.ActSilence, By: subject(by), Experiment: params.Name, Until: until, Text: reason,
	})
}

func (a *api) unsilence(params operations.UnsilenceExperimentParams, by any) middleware.Responder {
	found := a.opts.snapshot().Find(params.Name)
	switch {
	case found == nil:
		return noExperiment(params.Name)
	case found.Silence == nil:
		return refuse(http.StatusNotFound, params.Name+" is not silenced")
	}
	return a.actOn(params.HTTPRequest, health.Act{At: time.Now(), Kind: health.ActUnsilence, By: subject(by), Experiment: params.Name})
}

func (a *api) acknowledge(params operations.AcknowledgeExperimentParams, by any) middleware.Responder {
	found := a.opts.snapshot().Find(params.Name)
	if found == nil {
		return noExperiment(params.Name)
	}
	if err := checkText("note", params.Body.Note, false); err != nil {
		return refuse(http.StatusUnprocessableEntity, err.Error())
	}
	if len(found.Issues) == 0 {
		return refuse(http.StatusConflict, "nothing is wrong with "+params.Name+" that somebody could care for")
	}
	return a.actOn(params.HTTPRequest, health.Act{
		At: time.Now(), Kind: health.ActAck, By: subject(by), Experiment: params.Name, Text: params.Body.Note,
	})
}

func (a *api) unacknowledge(params operations.UnacknowledgeExperimentParams, by any) middleware.Responder {
	found := a.opts.snapshot().Find(params.Name)
	switch {
	case found == nil:
		return noExperiment(params.Name)
	case found.Ack == nil:
		return refuse(http.StatusNotFound, params.Name+" is not acknowledged")
	}
	return a.actOn(params.HTTPRequest, health.Act{At: time.Now(), Kind: health.ActUnack, By: subject(by), Experiment: params.Name})
}

// actOn has an act on an experiment taken in and answers with its report.
func (a *api) actOn(r *http.Request, act health.Act) middleware.Responder {
	if refusal := a.take(r, act); refusal != nil {
		return refusal
	}
	return a.reportNow(act.Experiment)
}

// take has an act taken in; it gives what to answer where it was not.
func (a *api) take(r *http.Request, act health.Act) middleware.Responder {
	fields := logrus.Fields{"act": act.Kind, "by": act.By}
	if act.Experiment != "" {
		fields["experiment"] = act.Experiment
	}
	if act.Window != nil {
		fields["window"] = act.Window.ID
	}
	ctx, done := toTheEnd(r)
	defer done()
	return a.outcome(r, fields, a.opts.Act(ctx, act))
}

// changeWithin is how long a change may take: somewhat less than an answer may.
const changeWithin = answerWithin - 5*time.Second

// toTheEnd is the context of a change. One that has begun is not given up half done
// because whoever asked for it has gone away.
func toTheEnd(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(r.Context()), changeWithin)
}

// outcome logs what a person did, or why it was not done; it gives what to answer
// in that case.
func (a *api) outcome(r *http.Request, fields logrus.Fields, err error) middleware.Responder {
	log := a.opts.Log.WithFields(fields).WithField("client", clientOf(r))
	if err == nil {
		log.Info("done for a person")
		return nil
	}
	if refused, ok := errors.AsType[*ActError](err); ok {
		log.WithError(err).Info("not done for a person")
		return refuse(refused.Status, refused.Error())
	}
	log.WithError(err).Error("not done for a person")
	return refuse(http.StatusServiceUnavailable, "it could not be done at the moment; look whether it was, and try again")
}

// reportNow answers with an experiment's report after a change.
func (a *api) reportNow(name string) middleware.Responder {
	found := a.opts.snapshot().Find(name)
	if found == nil {
		return noExperiment(name) // it left meanwhile
	}
	return a.sendNew(http.StatusOK, a.report(found))
}

// sendNew answers a change: nobody keeps it.
func (a *api) sendNew(status int, payload any) middleware.Responder {
	return middleware.ResponderFunc(func(w http.ResponseWriter, _ runtime.Producer) {
		made, err := marshal(payload)
		if err != nil {
			a.opts.Log.WithError(err).Error("a change could not be answered")
			writeError(w, http.StatusInternalServerError, "it is done, but a fault of ours keeps it from being shown; it is in the server's log")
			return
		}
		writeJSON(w, status, made.raw)
	})
}

// noContent answers that something is gone.
func noContent() middleware.Responder {
	return middleware.ResponderFunc(func(w http.ResponseWriter, _ runtime.Producer) {
		w.Header().Del("Content-Type")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusNoContent)
	})
}

// subject is whose token it is, as admins.authenticator found it.
func subject(principal any) string { return fmt.Sprint(principal) }
