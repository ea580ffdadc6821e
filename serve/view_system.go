package serve

import (
	"fmt"
	"time"

	"labstatus/internal/health"
)

// systemView is what the server stands on and has to say of itself.
type systemView struct {
	head
	NotReady []string
	Warnings []string
	Issues   []issueView
	Tiles    []tile // sources, mail and store
	Version  string
	Started  moment

	// On its own page only.
	Observers []observerView
	Reporting []reportingView
}

func newSystemView(opts *Options, now time.Time) systemView {
	snap, info := opts.snapshot(), opts.System()
	return systemView{
		NotReady: opts.Ready(), Warnings: info.Warnings, Issues: issueViews(snap.Issues, now),
		Tiles: append(tiles(snap, &info, now), observingTiles(opts, now)...), Version: info.Version, Started: moment{info.Started, now},
	}
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
		t.Note += ": " + maskIn(m.LastErr)
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
