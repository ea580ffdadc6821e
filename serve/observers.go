package serve

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/go-openapi/runtime/middleware"
	"github.com/sirupsen/logrus"

	"labstatus/serve/models"
	"labstatus/serve/restapi/operations"
)

// tokenSet stands for a token that is set, wherever one would be shown.
const tokenSet = "***"

func (a *api) listObservers(params operations.ListObserversParams) middleware.Responder {
	whole := a.admins.includes(params.HTTPRequest)
	return varied(a.answer(params.HTTPRequest, observers(a.opts.observers(), whole)))
}

func (a *api) getObserver(params operations.GetObserverParams) middleware.Responder {
	found := a.opts.findObserver(params.Name)
	if found == nil {
		return noObserver(params.Name)
	}
	return varied(a.answer(params.HTTPRequest, observer(found, a.admins.includes(params.HTTPRequest))))
}

func (a *api) addObserver(params operations.AddObserverParams, by any) middleware.Responder {
	spec := specOf(params.Body)
	if err := checkSpec(&spec); err != nil {
		return refuse(http.StatusUnprocessableEntity, err.Error())
	}
	switch {
	case spec.Name == "":
		return refuse(http.StatusUnprocessableEntity, "name in body is required")
	case spec.Token == tokenSet:
		return refuse(http.StatusUnprocessableEntity, "token in body: *** stands for a token that is set already, and a new observer has none")
	}
	refusal := a.onObserver(params.HTTPRequest, "add_observer", spec.Name, by, func(ctx context.Context, by string) error {
		return a.opts.AddObserver(ctx, by, spec)
	})
	if refusal != nil {
		return refusal
	}
	return a.observerNow(http.StatusCreated, spec.Name)
}

func (a *api) changeObserver(params operations.ChangeObserverParams, by any) middleware.Responder {
	old := a.opts.findObserver(params.Name)
	if old == nil {
		return noObserver(params.Name)
	}
	spec := specOf(params.Body)
	if err := checkSpec(&spec); err != nil {
		return refuse(http.StatusUnprocessableEntity, err.Error())
	}
	if spec.Name != "" && spec.Name != params.Name {
		return refuse(http.StatusUnprocessableEntity, "name in body: an observer keeps its name; remove it and add another")
	}
	spec.Name = params.Name
	if from := placeOf(old.Spec.Address); spec.Token == tokenSet && old.Spec.Token != "" && from != placeOf(spec.Address) {
		// Who may change an observer may not read its token, nor have it sent to a host
		// of their own.
		return refuse(http.StatusUnprocessableEntity, "token in body: the one that is set is for "+from+"; another host needs its own, or none")
	}
	refusal := a.onObserver(params.HTTPRequest, "change_observer", spec.Name, by, func(ctx context.Context, by string) error {
		return a.opts.ChangeObserver(ctx, by, spec.Name, spec)
	})
	if refusal != nil {
		return refusal
	}
	return a.observerNow(http.StatusOK, spec.Name)
}

func (a *api) removeObserver(params operations.RemoveObserverParams, by any) middleware.Responder {
	if a.opts.findObserver(params.Name) == nil {
		return noObserver(params.Name)
	}
	refusal := a.onObserver(params.HTTPRequest, "remove_observer", params.Name, by, func(ctx context.Context, by string) error {
		return a.opts.RemoveObserver(ctx, by, params.Name)
	})
	if refusal != nil {
		return refusal
	}
	return noContent()
}

// onObserver has a change made; it gives what to answer where it was not.
func (a *api) onObserver(r *http.Request, act, name string, by any, change func(ctx context.Context, by string) error) middleware.Responder {
	if a.opts.Observers == nil {
		return refuse(http.StatusConflict, "this server tells no observers")
	}
	ctx, done := toTheEnd(r)
	defer done()
	return a.outcome(r, logrus.Fields{"act": act, "by": subject(by), "observer": name}, change(ctx, subject(by)))
}

// observerNow answers with an observer after a change.
func (a *api) observerNow(status int, name string) middleware.Responder {
	found := a.opts.findObserver(name)
	if found == nil {
		return noObserver(name) // somebody removed it meanwhile
	}
	return a.sendNew(status, observer(found, true))
}

func noObserver(name string) middleware.Responder {
	return refuse(http.StatusNotFound, fmt.Sprintf("there is no observer %q", clip(name, 100)))
}

func (o *Options) observers() []ObserverInfo {
	if o.Observers == nil {
		return nil
	}
	return o.Observers()
}

// findObserver gives nil where there is none of that name.
func (o *Options) findObserver(name string) *ObserverInfo {
	all := o.observers()
	i := slices.IndexFunc(all, func(one ObserverInfo) bool { return one.Spec.Name == name })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// specOf is the observer that a person wants.
func specOf(m *models.ObserverSpec) ObserverSpec {
	spec := ObserverSpec{
		Name: m.Name, Type: m.Type, Address: *m.Address, Token: m.Token, Timeout: m.Timeout, Period: m.Period, ResetTraffic: m.ResetTraffic,
	}
	if m.TLS != nil {
		spec.TLS = &ObserverTLS{ServerName: m.TLS.ServerName, Insecure: m.TLS.Insecure, CA: m.TLS.Ca}
	}
	return spec
}

// checkSpec refuses what can't be seen; what the texts mean is checked by whoever
// tells observers.
func checkSpec(s *ObserverSpec) error {
	texts := [][2]string{{"address", s.Address}, {"token", s.Token}, {"timeout", s.Timeout}, {"period", s.Period}}
	if s.TLS != nil {
		texts = append(texts, [2]string{"tls.server_name", s.TLS.ServerName})
	}
	for _, text := range texts {
		if err := checkText(text[0], text[1], text[0] == "address"); err != nil {
			return err
		}
	}
	return nil
}

// placeOf leaves of an address what tells where it is: its path and query may hold
// a secret.
func placeOf(address string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return u.Scheme + "://" + u.Host
	}
	return address
}
