package app

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"labstatus/internal/observer"
	"labstatus/serve"
)

// observers tells whom we tell, in the API's words.
func (a *App) observers() []serve.ObserverInfo {
	fates := a.reporter.List()
	all := make([]serve.ObserverInfo, len(fates))
	for i := range fates {
		f := &fates[i]
		all[i] = serve.ObserverInfo{
			Spec: specOf(&f.Observer), Fixed: f.Fixed,
			LastTry: f.LastTry, LastOK: f.LastOK, FailingSince: f.FailingSince, LastErr: f.LastError, LastErrAt: f.LastErrorAt,
			Pending: f.Pending, OldestPending: f.OldestPending,
			Reports: f.Reports, Failures: f.Failures, Events: f.Events, Dropped: f.Dropped, KeepErr: f.KeepError,
		}
	}
	return all
}

func specOf(o *observer.Observer) serve.ObserverSpec {
	spec := serve.ObserverSpec{
		Name: o.Name, Type: string(o.Type), Address: o.Address, Token: o.Token.String(),
		Timeout: o.Timeout.String(), Period: o.Period.String(), ResetTraffic: o.ResetTraffic,
	}
	if t := o.TLS; t != nil {
		spec.TLS = &serve.ObserverTLS{ServerName: t.ServerName, Insecure: t.Insecure, CA: t.CA}
	}
	return spec
}

func (a *App) addObserver(ctx context.Context, by string, spec serve.ObserverSpec) error {
	o, err := observerOf(spec)
	if err == nil {
		err = a.reporter.Add(ctx, o)
	}
	return a.managed(err, by, spec.Name, "added", o.Place())
}

func (a *App) changeObserver(ctx context.Context, by, name string, spec serve.ObserverSpec) error {
	spec.Name = name
	o, err := observerOf(spec)
	if err == nil {
		err = a.reporter.Change(ctx, name, o)
	}
	return a.managed(err, by, name, "changed", o.Place())
}

func (a *App) removeObserver(ctx context.Context, by, name string) error {
	return a.managed(a.reporter.Remove(ctx, name), by, name, "removed", "")
}

// observerOf reads an observer as the file of STATUS_OBSERVERS is read: the forms are
// the same.
func observerOf(spec serve.ObserverSpec) (observer.Observer, error) {
	text, err := json.Marshal(spec)
	if err != nil {
		return observer.Observer{}, err
	}
	return observer.ParseObserver(text)
}

// managed logs what was done to an observer, or words for the API why it was not. What is
// our own fault is left as it is: the API logs it, and tells nobody more than that.
func (a *App) managed(err error, by, name, what, place string) error {
	if err == nil {
		a.log.WithField("observer", name).WithField("by", by).WithField("place", place).Warn("observer " + what)
		return nil
	}
	no := &serve.ActError{Message: strings.ReplaceAll(err.Error(), "\n", "; ")}
	field, isField := errors.AsType[*observer.FieldError](err)
	switch {
	case errors.Is(err, observer.ErrUnknownObserver):
		no.Status = http.StatusNotFound
	case errors.Is(err, observer.ErrObserverExists), errors.Is(err, observer.ErrFixedObserver), errors.Is(err, observer.ErrTooManyObservers):
		no.Status = http.StatusConflict
	case isField:
		no.Status, no.Field, no.Message = http.StatusUnprocessableEntity, field.Field, field.Problem
	default:
		return err
	}
	return no
}

// observed tells what is reported to us, in the API's words.
func (a *App) observed() []serve.ObservedInfo {
	if a.receiver == nil {
		return nil
	}
	known := a.receiver.Snapshot()
	all := make([]serve.ObservedInfo, len(known))
	for i := range known {
		o := &known[i]
		all[i] = serve.ObservedInfo{
			Source: o.Source, Kind: string(o.Kind), Service: o.Service, Client: o.Client,
			Experiment: o.Experiment, Required: o.Required,
			State: string(o.State), Message: o.Message, Since: o.Since,
			TotalConns: o.TotalConns, CurrentConns: o.CurrentConns, InputBytes: o.InputBytes, OutputBytes: o.OutputBytes, TotalErrs: o.TotalErrs,
			Counted: o.Counted, LastAt: o.LastAt, Restarts: o.Restarts, Repeats: o.Repeats, Incremental: o.Incremental,
		}
	}
	return all
}

// observerIn tells what became of the reports that came; nil where none are taken.
func (a *App) observerIn() *serve.ObserverInInfo {
	if a.receiver == nil {
		return nil
	}
	f := a.receiver.Figures()
	info := &serve.ObserverInInfo{
		Reports: f.Reports, Repeats: f.Repeats, Events: f.Events, Unknown: f.Unknown, Refused: map[string]uint64{},
		Sources: f.Sources, Subjects: f.Subjects, KeepErr: f.KeepError,
	}
	for reason, n := range f.Refused {
		info.Refused[string(reason)] = n
	}
	c := a.o.Config.Observer
	if c.Listen.IsSet() {
		info.Addresses = append(info.Addresses, c.Listen.String())
	}
	if c.GRPCListen.IsSet() {
		info.Addresses = append(info.Addresses, "grpc "+c.GRPCListen.String())
	}
	return info
}
