package serve

import (
	"fmt"
	"strings"
	"time"

	"labstatus/internal/health"
)

// tunnelView is a line of an experiment's page. Its texts come from whoever reports.
type tunnelView struct {
	Name, Kind string // required, or access
	Verdict    string
	Said       string // how it is, as it said
	Since      *moment
	Message    string
	LastAt     *moment
}

func tunnelViews(all []health.TunnelStatus, now time.Time) []tunnelView {
	out := make([]tunnelView, 0, len(all))
	for i := range all {
		t := &all[i]
		v := tunnelView{
			Name: t.Name, Kind: "access", Verdict: string(t.Verdict), Said: tunnelWords(t.State), Message: t.Message,
			Since: momentOf(t.Since, now), LastAt: momentOf(t.LastAt, now),
		}
		if t.Required {
			v.Kind = "required"
		}
		out = append(out, v)
	}
	return out
}

// tunnelWords says how a tunnel is, as it said itself.
func tunnelWords(s health.TunnelState) string {
	switch s {
	case "":
		return "has not said"
	case health.TunnelRunning:
		return "starting"
	}
	return string(s)
}

// observingTiles are the boxes of the strip about who is told and who tells us; none
// where there is nobody. The page's script makes the same.
func observingTiles(opts *Options, now time.Time) []tile {
	var out []tile
	if t, any := tunnelsTile(opts.observed.now().sources, opts.receiver(), now); any {
		out = append(out, t)
	}
	if t, any := observersTile(opts.observers(), now); any {
		out = append(out, t)
	}
	return out
}

func tunnelsTile(sources []observedSource, in *ObserverInInfo, now time.Time) (t tile, any bool) {
	var sum observedSource
	for i := range sources {
		s := &sources[i]
		sum.subjects += s.subjects
		sum.ready += s.ready
		sum.running += s.running
		sum.failed += s.failed
		sum.closed += s.closed
		sum.unsaid += s.unsaid
		if s.lastAt.After(sum.lastAt) {
			sum.lastAt = s.lastAt
		}
	}
	if sum.subjects == 0 {
		return tile{}, false
	}
	t = tile{Name: "tunnels", Tone: "good", Word: thousands(len(sources), "source") + ", " + sum.words(), What: "newest report"}
	if sum.failed > 0 {
		t.Tone = "unsure" // what that means to an experiment is told with it
	}
	if !sum.lastAt.IsZero() {
		t.Age = &moment{sum.lastAt, now}
	}
	if in != nil {
		t.Note = refusedWords(in.Refused)
		if in.KeepErr != "" {
			t.Tone, t.Note = "bad", "what was heard can't be kept: "+in.KeepErr
		}
	}
	return t, true
}

// words say how many are in each state that any is in.
func (o *observedSource) words() string {
	var words []string
	for _, part := range []struct {
		n    int64
		word string
	}{
		{o.ready, tunnelWords(health.TunnelReady)}, {o.running, tunnelWords(health.TunnelRunning)}, {o.failed, tunnelWords(health.TunnelFailed)},
		{o.closed, tunnelWords(health.TunnelClosed)}, {o.unsaid, "not said"},
	} {
		if part.n > 0 {
			words = append(words, grouped(int(part.n))+" "+part.word)
		}
	}
	return strings.Join(words, ", ")
}

func refusedWords(refused map[string]uint64) string {
	var n uint64
	for _, one := range refused {
		n += one
	}
	if n == 0 {
		return ""
	}
	return thousands(int(n), "report") + " refused"
}

func observersTile(all []ObserverInfo, now time.Time) (t tile, any bool) {
	if len(all) == 0 {
		return tile{}, false
	}
	t = tile{Name: "observers", Tone: "good", Word: "ok", What: "last told"}
	var failing []*ObserverInfo
	var since, told time.Time
	untold, pending, keep := 0, 0, ""
	for i := range all {
		o := &all[i]
		pending += o.Pending
		if o.KeepErr != "" {
			keep = o.KeepErr
		}
		if o.LastOK.After(told) {
			told = o.LastOK
		}
		switch {
		case !o.FailingSince.IsZero():
			failing = append(failing, o)
			if since.IsZero() || o.FailingSince.Before(since) {
				since = o.FailingSince
			}
		case o.LastOK.IsZero():
			untold++
		}
	}
	if !told.IsZero() {
		t.Age = &moment{told, now}
	}
	t.Note = thousands(len(all), "observer")
	if pending > 0 {
		t.Note += ", " + thousands(pending, "event") + " pending"
	}
	switch {
	case len(failing) == 1:
		t.Tone, t.Word = "bad", fmt.Sprintf("%s failing for %s", failing[0].Spec.Name, span(now.Sub(since)))
		t.Note += ": " + failing[0].LastErr
	case len(failing) > 1:
		t.Tone, t.Word = "bad", fmt.Sprintf("%d of %d failing for %s", len(failing), len(all), span(now.Sub(since)))
	case keep != "":
		t.Tone, t.Word = "bad", "can't be kept"
		t.Note += ": " + keep
	case untold > 0:
		t.Tone, t.Word = "unsure", fmt.Sprintf("%d of %d not told yet", untold, len(all))
	}
	return t, true
}

// observerView is a line of the system's page as it comes, which everybody who may
// read sees.
type observerView struct {
	Name, Place string
	Tone, Word  string
	Since       *moment
	Err         string
}

func observerViews(all []ObserverInfo, now time.Time) []observerView {
	out := make([]observerView, 0, len(all))
	for i := range all {
		o := &all[i]
		v := observerView{Name: o.Spec.Name, Place: placeOf(o.Spec.Address), Tone: "unsure", Word: "not told yet"}
		switch {
		case !o.FailingSince.IsZero():
			v.Tone, v.Word, v.Since, v.Err = "bad", "failing for", momentOf(o.FailingSince, now), o.LastErr
		case !o.LastOK.IsZero():
			v.Tone, v.Word, v.Since = "good", "ok", momentOf(o.LastOK, now)
		}
		out = append(out, v)
	}
	return out
}

// reportingView is a source of reports.
type reportingView struct {
	Source, Words string
	LastAt        *moment
}

func reportingViews(sources []observedSource, now time.Time) []reportingView {
	out := make([]reportingView, 0, len(sources))
	for i := range sources {
		s := &sources[i]
		out = append(out, reportingView{s.name, s.words(), momentOf(s.lastAt, now)})
	}
	return out
}
