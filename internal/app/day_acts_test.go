package app_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"labstatus/internal/lab"
)

// Maintainers do something through the API: they take resources off booking and give
// them back, they silence, they plan maintenance, they acknowledge.

// hush is a time in which nobody is mailed of an experiment.
type hush struct {
	span
	closes bool   // its resources are closed, too
	leaves bool   // its resources are left as they are
	window string // the maintenance; empty: a silence
}

// afterHush is how long after its end what it has kept back has been told.
func (c climate) afterHush() time.Duration { return c.groupWait + 3*time.Second }

// hushedAt says whether mails about an experiment are kept back at a moment, or were
// until just before.
func (d *day) hushedAt(stub string, at time.Time) bool {
	return slices.ContainsFunc(d.hushes[stub], func(h hush) bool {
		return !h.from.After(at.Add(time.Second)) && at.Before(h.to.Add(d.afterHush()))
	})
}

// nothingHushed: while mails about an experiment are kept back nothing is told of it. One
// that was not watched for a time has taken its silence with it.
func (d *day) nothingHushed(l letter) {
	for _, t := range slices.Concat(l.news, l.over) {
		if t.ending == "no longer watched" || d.author.forgotten[t.who] {
			continue
		}
		for _, h := range d.hushes[t.who] {
			if l.at.After(h.from.Add(time.Second)) && l.at.Before(h.to.Add(-time.Second)) && d.truth.listed[t.who].Before(h.from) {
				d.errorf("a mail of %s tells of %s, which is kept back", l.at.UTC().Format(time.TimeOnly), t)
			}
		}
	}
}

// unhushed is for how long nothing has kept back mails about an experiment.
func (d *day) unhushed(stub string) time.Duration {
	if hushes := d.hushes[stub]; len(hushes) > 0 {
		return time.Since(hushes[len(hushes)-1].to)
	}
	return 1000 * time.Hour
}

// closed says whether maintenance closes an experiment's resources now, and for how
// long it has or hasn't: for no time, where it leaves them as they happen to be.
func (d *day) closed(stub string) (closed bool, since time.Duration) {
	since = 1000 * time.Hour
	for _, h := range d.hushes[stub] {
		switch now := time.Now(); {
		case h.closes && h.to.After(now):
			return true, now.Sub(h.from)
		case h.closes || h.leaves:
			since = min(since, max(0, now.Sub(h.to)))
		}
	}
	return false, since
}

// leftAlone says whether maintenance leaves an experiment's bookings as they are at a
// moment. What was on its way when it began may still arrive.
func (d *day) leftAlone(stub string, at time.Time) bool {
	return slices.ContainsFunc(d.hushes[stub], func(h hush) bool {
		return h.leaves && at.After(h.from.Add(onItsWay)) && at.Before(h.to) && d.truth.listed[stub].Before(h.from)
	})
}

// known picks an experiment of which the server knows all: its manifest and its feeds.
func (d *day) known() (stub string, found bool) {
	if min(d.well(lab.Relay), d.well(lab.Jump)) < d.sourceBound() || d.well(lab.Book) < d.manifestBound() {
		return "", false
	}
	all := slices.DeleteFunc(d.truth.stubs(), func(s string) bool { return !d.believed(s) })
	if len(all) == 0 {
		return "", false
	}
	return pick(d, all), true
}

// asks sends a request that must be answered so.
func (d *day) asks(method, path, body string, want int) string {
	d.t.Helper()
	code, text := d.do(method, path, body)
	if code != want {
		d.errorf("%s %s %s: %d %s, want %d", method, path, body, code, text, want)
	}
	return text
}

// holds takes an experiment's resources off booking through the API, or gives them back.
func (d *day) holds() {
	stub, found := d.known()
	var all []string
	held := false
	for name, r := range d.truth.manifest {
		if r.stub == stub {
			all = append(all, name)
			// What somebody has done in book is known after the next look.
			held = held || strings.HasSuffix(r.held, " (anna)") || r.held != "" && time.Since(r.touched) > d.bookBound()
		}
	}
	if !found || len(all) == 0 {
		return
	}
	reason, path := "", "/experiments/"+stub+"/hold"
	if held && d.rng.IntN(3) > 0 {
		d.did("anna gives %s back", stub)
		d.asks(http.MethodDelete, path, "", http.StatusOK)
	} else {
		reason = pick(d, []string{"new bearings", "status server: mine", "é & <off>"})
		d.did("anna holds %s: %s", stub, reason)
		d.asks(http.MethodPut, path, fmt.Sprintf(`{"reason":%q}`, reason), http.StatusOK)
		reason += " (anna)"
	}
	for _, name := range all {
		r := d.truth.manifest[name]
		r.held, r.touched = reason, time.Now()
	}
}

// actsAtLeisure does what needs to know how everything is: just after a quiet point.
func (d *day) actsAtLeisure() {
	if d.rng.IntN(3) == 0 {
		d.restartServer()
	}
	for range d.rng.IntN(5) {
		pick(d, []func(){d.holds, d.holds, d.silences, d.maintains, d.acks})()
		d.stream(pick(d, []string{"silent", "vanishes", "returns", "speaks"}))
		d.pass(d.someWait())
	}
}

// silences keeps mails about an experiment from people for a time.
func (d *day) silences() {
	stub, found := d.known()
	if !found || d.unhushed(stub) < 0 {
		return
	}
	now := time.Now()
	until := now.Add(time.Duration(1+d.rng.IntN(40)) * time.Minute).Truncate(time.Second)
	d.did("anna silences %s until %s", stub, until.UTC().Format(time.TimeOnly))
	d.asks(http.MethodPut, "/experiments/"+stub+"/silence", fmt.Sprintf(`{"until":%q,"reason":"rewiring"}`, until.UTC().Format(time.RFC3339)), http.StatusOK)
	d.hushes[stub] = append(d.hushes[stub], hush{span: span{now, until}})
	d.covered[stub] = true
}

// maintains plans work on an experiment, which begins at once.
func (d *day) maintains() {
	stub, found := d.known()
	if !found || d.unhushed(stub) < 0 {
		return
	}
	now, bookings := time.Now(), pick(d, []string{"leave", "close"})
	until := now.Add(time.Duration(2+d.rng.IntN(40)) * time.Minute).Truncate(time.Second)
	d.did("anna works on %s until %s, bookings: %s", stub, until.UTC().Format(time.TimeOnly), bookings)
	text := d.asks(http.MethodPost, "/maintenance", fmt.Sprintf(`{"names":[%q],"reason":"new belt","bookings":%q,"from":%q,"until":%q}`,
		stub, bookings, now.UTC().Format(time.RFC3339), until.UTC().Format(time.RFC3339)), http.StatusCreated)
	var window struct{ ID string }
	d.must(json.Unmarshal([]byte(text), &window))
	d.hushes[stub] = append(d.hushes[stub], hush{span: span{now, until}, closes: bookings == "close", leaves: bookings == "leave", window: window.ID})
	d.covered[stub] = true
}

// unhush ends all that keeps mails back.
func (d *day) unhush() {
	for _, stub := range slices.Sorted(maps.Keys(d.hushes)) {
		for i := range d.hushes[stub] {
			h := &d.hushes[stub][i]
			if !h.to.After(time.Now()) {
				continue
			}
			d.did("anna ends what keeps mails about %s back", stub)
			if h.window != "" {
				d.asks(http.MethodDelete, "/maintenance/"+h.window, "", http.StatusNoContent)
			} else if code, text := d.do(http.MethodDelete, "/experiments/"+stub+"/silence", ""); code != http.StatusOK && code != http.StatusNotFound {
				d.errorf("end the silence of %s: %d %s", stub, code, text)
			}
			h.to = time.Now()
		}
	}
}

// acks says that somebody cares for an experiment: where something is wrong with it.
func (d *day) acks() {
	stub, found := d.known()
	settled := max(d.streamBound(), d.jumpBound())
	if !found || time.Since(d.truth.changed[stub]) < settled || !d.author.flapping[stub].IsZero() ||
		min(d.well(lab.Relay), d.well(lab.Jump)) < d.sourceBound()+settled {
		return
	}
	wrong := d.truth.wrong(stub)
	d.did("anna acknowledges %s: %q", stub, wrong)
	if len(wrong) == 0 {
		d.asks(http.MethodPut, "/experiments/"+stub+"/ack", `{"note":"mine"}`, http.StatusConflict)
		return
	}
	d.asks(http.MethodPut, "/experiments/"+stub+"/ack", `{"note":"mine"}`, http.StatusOK)
	var report struct{ Ack *struct{ By string } }
	if d.get("/api/v1/experiments/"+stub, &report); report.Ack == nil || report.Ack.By != "anna" {
		d.errorf("the API says of %s: acknowledged %+v", stub, report.Ack)
	}
}
