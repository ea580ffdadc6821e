package serve

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"labstatus/internal/health"
)

// frontView is what the front page shows.
type frontView struct {
	head
	Headline, Tone string
	AsOf           *moment
	NotReady       []string
	Warnings       []string
	Issues         []issueView // the system's
	Tiles          []tile      // sources, mail and store
	States         []stateCount
	State, Text    string // the filter
	Shown          int
	Problems       []problem
	Rest           []gridCell
	Version        string
}

// stateCount is one of the filters on the page.
type stateCount struct {
	State  string
	Count  int
	Chosen bool
}

// issueView is one thing wrong.
type issueView struct {
	Text  string
	Since moment
}

// problem is an experiment that needs somebody.
type problem struct {
	Name, State string
	Since       moment
	Issues      []issueView
	Booking     string
}

// gridCell is any other experiment.
type gridCell struct{ Name, State, Mark string }

func newFrontView(opts *Options, f filter, now time.Time) frontView {
	snap, info := opts.snapshot(), opts.System()
	v := frontView{
		State: f.state, Text: f.text,
		NotReady: opts.Ready(), Warnings: info.Warnings,
		Issues: issueViews(snap.Issues, now),
		Tiles:  tiles(snap, &info, now), Version: info.Version,
	}
	v.Headline, v.Tone = headline(snap)
	v.head = head{Title: v.Headline + " · " + opts.Title, Lab: opts.Title, Link: opts.Link}
	if !snap.At.IsZero() {
		v.AsOf = &moment{snap.At, now}
	}
	c := snap.Counts
	for _, s := range []stateCount{
		{State: string(health.StateUnhealthy), Count: c.Unhealthy},
		{State: string(health.StateFlapping), Count: c.Flapping},
		{State: string(health.StateUnknown), Count: c.Unknown},
		{State: string(health.StateStarting), Count: c.Starting},
		{State: string(health.StateHealthy), Count: c.Healthy},
	} {
		s.Chosen = s.State == f.state
		if s.Count > 0 || s.Chosen {
			v.States = append(v.States, s)
		}
	}
	picked := f.pick(snap.Experiments)
	v.Shown = len(picked)
	for _, r := range picked {
		if r.State == health.StateUnhealthy || r.State == health.StateFlapping {
			v.Problems = append(v.Problems, problem{
				Name: r.Name, State: string(r.State), Since: moment{r.Since, now},
				Issues: issueViews(r.Issues, now), Booking: bookingLine(r),
			})
			continue
		}
		v.Rest = append(v.Rest, gridCell{Name: r.Name, State: string(r.State), Mark: mark(r)})
	}
	// What is not known may be wrong, so it stands before what is well.
	slices.SortStableFunc(v.Rest, func(a, b gridCell) int { return cmp.Compare(gridOrder[a.State], gridOrder[b.State]) })
	return v
}

var gridOrder = map[string]int{
	string(health.StateUnknown):  0,
	string(health.StateStarting): 1,
	string(health.StateHealthy):  2,
}

// mark is the small print of a cell.
func mark(r *health.Report) string {
	if r.State == health.StateUnknown && !r.Healthy {
		return "was not well"
	}
	return bookingMark(r)
}

func issueViews(all []health.Issue, now time.Time) []issueView {
	out := make([]issueView, 0, len(all))
	for _, i := range all {
		out = append(out, issueView{i.String(), moment{i.Since, now}})
	}
	return out
}

// tile is one box of the strip at the top.
type tile struct {
	Name string
	Tone string // "good", "unsure" or "bad"
	Word string
	Age  *moment // of the last frame or manifest
	What string  // the word that goes before Age
	Note string
}

func tiles(snap *health.Snapshot, info *SystemInfo, now time.Time) []tile {
	var out []tile
	for i := range snap.Sources {
		out = append(out, sourceTile(&snap.Sources[i], now))
	}
	return append(out, bookTile(&snap.Book, now), mailTile(&info.Mail, now), storeTile(&info.Store))
}

func sourceTile(s *health.SourceReport, now time.Time) tile {
	t := tile{Name: string(s.Name), Word: string(s.State), Tone: "unsure", What: "last frame", Note: s.LastErr}
	switch s.State {
	case health.SourceFresh:
		t.Tone = "good"
	case health.SourceSilent:
		t.Tone = "bad"
	}
	if !s.LastFrame.IsZero() {
		t.Age = &moment{s.LastFrame, now}
	}
	if t.Note == "" {
		t.Note = plural(s.Connections, "connection")
		if s.Reconnects > 0 {
			t.Note += ", " + plural(s.Reconnects, "reconnect")
		}
		if s.Widened {
			t.Note += fmt.Sprintf("; frames are rare, so silence is called after %s", span(s.Window))
		}
	}
	return t
}

func bookTile(b *health.BookReport, now time.Time) tile {
	t := tile{Name: "book", Word: "answering", Tone: "good", What: "last manifest", Note: plural(b.Resources, "resource")}
	if !b.LastManifest.IsZero() {
		t.Age = &moment{b.LastManifest, now}
	}
	switch {
	case !b.FailingSince.IsZero():
		t.Word, t.Tone, t.Note = "not answering for "+span(now.Sub(b.FailingSince)), "bad", b.LastErr
	case b.LastManifest.IsZero():
		t.Word, t.Tone, t.Note = "not read yet", "unsure", b.LastErr
	case !b.Answering:
		t.Word, t.Tone, t.Note = "not answering", "bad", b.LastErr
	}
	if b.Pending > 0 {
		t.Note += fmt.Sprintf(" (%s not confirmed yet)", plural(b.Pending, "change"))
	}
	return t
}

func mailTile(m *MailInfo, now time.Time) tile {
	t := tile{Name: "mail", Word: "ok", Tone: "good", Note: fmt.Sprintf("deliveries: %d made, %d queued, %d failed", m.Sent, m.Queued, m.Failed)}
	switch {
	case !m.Enabled:
		t.Word, t.Tone, t.Note = "off", "unsure", "nobody is mailed"
	case !m.UndeliverableSince.IsZero():
		t.Word, t.Tone = "not delivered for "+span(now.Sub(m.UndeliverableSince)), "bad"
	case m.LastErr != "":
		t.Word, t.Tone = "retrying", "unsure"
	}
	if m.Enabled && m.LastErr != "" {
		t.Note += ": " + m.LastErr
	}
	return t
}

func storeTile(s *StoreInfo) tile {
	t := tile{Name: "store", Word: "ok", Tone: "good", Note: s.Kind}
	if !s.OK {
		t.Word, t.Tone, t.Note = "can't be written", "bad", s.LastErr
	}
	if s.Pending > 0 {
		t.Note += fmt.Sprintf(" (%s waiting)", plural(s.Pending, "write"))
	}
	return t
}
