package observer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// observerForm is an observer in JSON, as the API and the file of STATUS_OBSERVERS
// have it.
type observerForm struct {
	Name         string    `json:"name"`
	Type         Transport `json:"type,omitempty"`
	Address      string    `json:"address"`
	Token        string    `json:"token,omitempty"`
	TLS          *TLS      `json:"tls,omitempty"`
	Timeout      string    `json:"timeout,omitempty"` // as 5s
	Period       string    `json:"period,omitempty"`
	ResetTraffic bool      `json:"reset_traffic,omitempty"`
}

func (o Observer) form(token string) observerForm {
	return observerForm{
		Name: o.Name, Type: o.Type, Address: o.Address, Token: token, TLS: o.TLS,
		Timeout: o.Timeout.String(), Period: o.Period.String(), ResetTraffic: o.ResetTraffic,
	}
}

// observer checks the form as well: what it gives can be told.
func (f observerForm) observer() (Observer, error) {
	o := Observer{Name: f.Name, Type: f.Type, Address: f.Address, Token: NewSecret(f.Token), TLS: f.TLS, ResetTraffic: f.ResetTraffic}
	var faults []error
	for _, d := range []struct {
		field, text string
		to          *time.Duration
	}{{"timeout", f.Timeout, &o.Timeout}, {"period", f.Period, &o.Period}} {
		if d.text == "" {
			continue
		}
		var err error
		if *d.to, err = time.ParseDuration(d.text); err != nil || *d.to == 0 {
			*d.to = 0 // so that the field has one fault
			faults = append(faults, fault(d.field, "%q is no duration such as 5s or 1m30s", oneLine(d.text, 100)))
		}
	}
	faults = append(faults, o.Check())
	return o.withDefaults(), errors.Join(faults...)
}

// ParseObserver reads one observer's JSON and checks it: name, type (http or grpc),
// address, token, tls{server_name, insecure, ca}, timeout and period as 5s,
// reset_traffic. A fault that has a field is a [FieldError].
func ParseObserver(text []byte) (Observer, error) {
	var f observerForm
	if err := strict(text, &f); err != nil {
		return Observer{}, err
	}
	return f.observer()
}

// ParseObservers reads the file of STATUS_OBSERVERS: {"observers": [ … ]}, each as
// for [ParseObserver]. All faults are given at once, with the number of the entry.
func ParseObservers(text []byte) ([]Observer, error) {
	var file struct {
		Observers []observerForm `json:"observers"`
	}
	if err := strict(text, &file); err != nil {
		return nil, err
	}
	if len(file.Observers) > MaxObservers {
		return nil, fmt.Errorf("observers: %d of them, at most %d can be told", len(file.Observers), MaxObservers)
	}
	var all []Observer
	var faults []error
	seen := map[string]bool{}
	for i, f := range file.Observers {
		o, err := f.observer()
		if err == nil && seen[o.Name] {
			err = fault("name", "%q is there twice", o.Name)
		}
		for _, one := range unjoin(err) {
			faults = append(faults, fmt.Errorf("observers[%d].%w", i, one))
		}
		if err != nil {
			continue
		}
		seen[o.Name] = true
		all = append(all, o)
	}
	return all, errors.Join(faults...)
}

// unjoin gives the faults that were joined, however deep, so that each gets its line.
func unjoin(err error) (all []error) {
	switch e := err.(type) { //nolint:errorlint // joined errors are what is looked for
	case nil:
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			all = append(all, unjoin(one)...)
		}
	default:
		all = append(all, err)
	}
	return all
}

// strict reads JSON that has to fit: an unknown field is a typing error.
func strict(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && e.Field != "" {
			return fault(e.Field, "can't be %s", oneLine(e.Value, 100))
		}
		return fmt.Errorf("read JSON: %s", oneLine(err.Error(), 200)) // it names the field
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("read JSON: something follows the object")
	}
	return nil
}
