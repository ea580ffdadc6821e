package health_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/datadriven"

	"labstatus/internal/health"
)

// actKinds are the acts as stories call them.
var actKinds = map[string]health.ActKind{
	"silence": health.ActSilence, "unsilence": health.ActUnsilence,
	"ack": health.ActAck, "unack": health.ActUnack,
	"hold": health.ActHold, "release": health.ActRelease,
	"maintenance": health.ActSetMaintenance, "end-maintenance": health.ActRemoveMaintenance,
	"test-mail": health.ActTestMail,
}

// act reads what a person does from a story. The words under the command are the
// person's.
func (w *world) act(d *datadriven.TestData) ([]health.Decision, error) {
	a := health.Act{At: w.now, Kind: actKinds[d.Cmd], By: "anna", Text: strings.TrimSpace(d.Input)}
	subject := ""
	settings := map[string][]string{}
	for _, arg := range d.CmdArgs {
		if len(arg.Vals) == 0 {
			subject = arg.Key
			continue
		}
		settings[arg.Key] = arg.Vals
	}
	setting := func(key string) string { return strings.Join(settings[key], "") }
	after := func(key string) (time.Time, error) {
		if setting(key) == "" {
			return time.Time{}, nil
		}
		by, err := time.ParseDuration(setting(key))
		return w.now.Add(by), err
	}
	if by := settings["by"]; by != nil {
		a.By = by[0]
	}
	until, err := after("for")
	if err != nil {
		return nil, err
	}
	switch a.Kind {
	case health.ActSilence:
		a.Until = until
	case health.ActHold:
		return w.hold(a, subject), nil
	case health.ActRelease:
		return w.release(a, subject), nil
	case health.ActSetMaintenance, health.ActRemoveMaintenance:
		from, err := after("from")
		if err != nil {
			return nil, err
		}
		if from.IsZero() {
			from = w.now
		} else if !until.IsZero() {
			until = until.Add(from.Sub(w.now))
		}
		a.Window = &health.Window{
			ID: subject, Names: settings["names"], Reason: a.Text, Bookings: health.BookingsDecide, From: from, Until: until,
		}
		if b := settings["bookings"]; b != nil {
			a.Window.Bookings = health.Bookings(b[0])
		}
		if days := settings["weekly"]; days != nil {
			a.Window.Weekly = &health.Weekly{Days: days, Start: setting("start"), End: setting("end"), Zone: setting("zone")}
		}
		return w.step(a), nil
	}
	a.Experiment = subject
	return w.step(a), nil
}

// hold does what the API does: book is told first, then the engine hears what book
// says, then who it was. The subject is an experiment or one of its resources.
func (w *world) hold(a health.Act, subject string) (decisions []health.Decision) {
	for _, name := range w.resourcesOf(&a, subject) {
		w.availability[name] = bookEntry{reason: "unavailable because " + health.HoldReason(a.Text, a.By)}
		decisions = append(decisions, w.answer(name)...)
	}
	return append(decisions, w.step(a)...)
}

func (w *world) release(a health.Act, subject string) (decisions []health.Decision) {
	for _, name := range w.resourcesOf(&a, subject) {
		w.availability[name] = bookEntry{reason: "unavailable because " + health.OwnReason + " released by " + a.By}
		decisions = append(decisions, w.answer(name)...)
	}
	return append(decisions, w.step(a)...)
}

// resourcesOf are the subject itself, or the resources of the experiment that it is.
func (w *world) resourcesOf(a *health.Act, subject string) (names []string) {
	if r, is := w.resources[subject]; is {
		a.Experiment = r.Stub
		return []string{subject}
	}
	a.Experiment = subject
	for name, r := range w.resources {
		if r.Stub == subject {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// takeHistory gives what was added to the histories since it was last asked for.
func (w *world) takeHistory() string {
	var b strings.Builder
	for _, c := range w.history {
		words := string(c.State)
		if c.State == "" {
			words = "watched no more"
		}
		if c.Maintenance {
			words += ", in maintenance"
		}
		fmt.Fprintf(&b, "%s %s %s\n", offset(c.At), c.Experiment, words)
	}
	w.history = nil
	return b.String()
}

// describeCare is what people have said of an experiment, for the end of its line.
func describeCare(r *health.Report) string {
	var b strings.Builder
	if s := r.Silence; s != nil {
		fmt.Fprintf(&b, "; silenced by %s until %s", s.By, offset(s.Until))
	}
	if k := r.Ack; k != nil {
		fmt.Fprintf(&b, "; acknowledged by %s", k.By)
	}
	if m := r.Maintenance; m != nil {
		fmt.Fprintf(&b, "; in maintenance %s from %s until %s", m.ID, offset(m.Since), offset(m.Until))
	}
	return b.String()
}
