package serve

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-openapi/runtime/middleware"

	"labstatus/internal/health"
	"labstatus/serve/models"
	"labstatus/serve/restapi/operations"
)

func (a *api) listMaintenance(params operations.ListMaintenanceParams) middleware.Responder {
	return a.answer(params.HTTPRequest, windows(a.opts.snapshot().Windows, time.Now()))
}

func (a *api) addMaintenance(params operations.AddMaintenanceParams, by any) middleware.Responder {
	known := a.opts.snapshot().Windows
	w := windowOf(params.Body, newWindowID(known), subject(by))
	if err := checkWindow(w, time.Now()); err != nil {
		return refuse(http.StatusUnprocessableEntity, err.Error())
	}
	if len(known) >= health.MaxWindows {
		return refuse(http.StatusConflict, fmt.Sprintf("there are %d windows already; remove one that is over", len(known)))
	}
	return a.setWindow(params.HTTPRequest, w, http.StatusCreated)
}

func (a *api) changeMaintenance(params operations.ChangeMaintenanceParams, by any) middleware.Responder {
	if !a.hasWindow(params.ID) {
		return noWindow(params.ID)
	}
	w := windowOf(params.Body, params.ID, subject(by))
	if err := checkWindow(w, time.Now()); err != nil {
		return refuse(http.StatusUnprocessableEntity, err.Error())
	}
	return a.setWindow(params.HTTPRequest, w, http.StatusOK)
}

func (a *api) setWindow(r *http.Request, w *health.Window, status int) middleware.Responder {
	act := health.Act{At: time.Now(), Kind: health.ActSetMaintenance, By: w.By, Text: w.Reason, Window: w}
	if refusal := a.take(r, act); refusal != nil {
		return refusal
	}
	return a.sendNew(status, window(w, time.Now()))
}

func (a *api) removeMaintenance(params operations.RemoveMaintenanceParams, by any) middleware.Responder {
	all := a.opts.snapshot().Windows
	i := slices.IndexFunc(all, func(w health.Window) bool { return w.ID == params.ID })
	if i < 0 {
		return noWindow(params.ID)
	}
	w := all[i]
	act := health.Act{At: time.Now(), Kind: health.ActRemoveMaintenance, By: subject(by), Text: w.Reason, Window: &w}
	if refusal := a.take(params.HTTPRequest, act); refusal != nil {
		return refusal
	}
	return noContent()
}

func (a *api) hasWindow(id string) bool {
	return slices.ContainsFunc(a.opts.snapshot().Windows, func(w health.Window) bool { return w.ID == id })
}

func noWindow(id string) middleware.Responder {
	return refuse(http.StatusNotFound, fmt.Sprintf("there is no window of maintenance %q", clip(id, 100)))
}

// newWindowID is one that no window has and a person can read out.
func newWindowID(known []health.Window) string {
	for {
		id := strings.ToLower(rand.Text()[:8])
		if !slices.ContainsFunc(known, func(w health.Window) bool { return w.ID == id }) {
			return id
		}
	}
}

// checkWindow says what is wrong with a window, and in which field.
func checkWindow(w *health.Window, now time.Time) error {
	if err := checkText("reason", w.Reason, true); err != nil {
		return err
	}
	if err := w.Check(); err != nil {
		if fault, ok := errors.AsType[*health.FieldError](err); ok {
			return orderFault(fault.Field + " in body " + fault.Want)
		}
		return orderFault(err.Error())
	}
	if !w.Until.IsZero() && !w.Until.After(now) {
		return orderFault("until in body lies in the past")
	}
	return nil
}

// windowOf is the window that a person wants.
func windowOf(m *models.WindowOrder, id, by string) *health.Window {
	w := &health.Window{
		ID: id, By: by, Names: m.Names, Reason: *m.Reason, Bookings: health.BookingsDecide, From: time.Time(*m.From).UTC(),
	}
	if m.Bookings != nil {
		w.Bookings = health.Bookings(*m.Bookings)
	}
	if m.Until != nil {
		w.Until = time.Time(*m.Until).UTC()
	}
	if m.Weekly != nil {
		w.Weekly = &health.Weekly{Days: m.Weekly.Days, Start: *m.Weekly.Start, End: *m.Weekly.End, Zone: *m.Weekly.Zone}
	}
	return w
}
