package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"labstatus/internal/health"
	"labstatus/internal/store"
)

func TestStateIsKept(t *testing.T) {
	t.Parallel()
	eachStore(t, store.Options{}, func(t *testing.T, s store.Store) {
		same(t, "empty", MustKept(t, s), health.Kept{})
		system := health.SystemRecord{
			Resources: []health.Resource{{Name: "r-pend00", Stub: "pend00", Required: []string{"pend00-st-data"}}},
			Told:      []health.Issue{{Code: health.NoReports, Subject: "relay", Since: t0}},
			Cadence:   map[health.Source]time.Duration{health.Relay: 6 * time.Second},
		}
		MustCommit(t, s, store.Commit{At: t0, Records: []health.Record{record("spin01", 1), record("pend00", 1)}, System: &system})
		MustCommit(t, s, store.Commit{At: t0, Records: []health.Record{record("pend00", 2), {Name: ""}}})
		same(t, "kept", MustKept(t, s), health.Kept{Records: []health.Record{{}, record("pend00", 2), record("spin01", 1)}, System: system})

		MustCommit(t, s, store.Commit{At: t0, Forgotten: []string{"spin01", "never seen"}, System: &health.SystemRecord{}})
		same(t, "after forgetting", MustKept(t, s), health.Kept{Records: []health.Record{{}, record("pend00", 2)}})

		MustCommit(t, s, store.Commit{At: t0, Records: []health.Record{record("pend00", 3)}, Forgotten: []string{"pend00"}})
		same(t, "forgotten wins", MustKept(t, s), health.Kept{Records: []health.Record{{}}})
	})
}

func TestEventsOfOneExperiment(t *testing.T) {
	t.Parallel()
	eachStore(t, store.Options{EventsPerExperiment: 3}, func(t *testing.T, s store.Store) {
		if got := MustEvents(t, s, "pend00"); len(got) != 0 {
			t.Fatal(got)
		}
		plain := health.Event{Experiment: "spin01", When: t0} // no map, no issues
		MustCommit(t, s, store.Commit{At: t0, Events: []health.Event{event("pend00", 1), plain, event("pend00", 2)}})
		same(t, "both", MustEvents(t, s, "pend00"), []health.Event{event("pend00", 1), event("pend00", 2)})
		same(t, "plain", MustEvents(t, s, "spin01"), []health.Event{plain})
		var many []health.Event
		for n := 3; n <= 9; n++ {
			many = append(many, event("pend00", n))
		}
		MustCommit(t, s, store.Commit{At: t0, Events: many})
		same(t, "newest three", MustEvents(t, s, "pend00"), many[4:])
		same(t, "the other's", MustEvents(t, s, "spin01"), []health.Event{plain})
	})
}

func TestEventsInPages(t *testing.T) {
	t.Parallel()
	eachStore(t, store.Options{EventsPerExperiment: 5}, func(t *testing.T, s store.Store) {
		var want []health.Event
		for n := range 20 {
			e := event(fmt.Sprintf("pend%02d", n%4), n)
			e.When = t0.Add(time.Duration(n/3) * time.Minute) // several at the same moment
			want = append(want, e)
			MustCommit(t, s, store.Commit{At: t0, Events: []health.Event{e}})
		}
		slices.Reverse(want)
		for _, limit := range []int{1, 3, 7, 20, 100} {
			var got []health.Event
			last := int64(1 << 62)
			for _, e := range MustFind(t, s, store.EventQuery{}, limit) {
				if e.ID >= last {
					t.Fatalf("event %d follows %d", e.ID, last)
				}
				last = e.ID
				got = append(got, e.Event)
			}
			same(t, fmt.Sprint("pages of ", limit), got, want)
		}
		since := t0.Add(3 * time.Minute)
		for _, e := range MustFind(t, s, store.EventQuery{Since: since}, 2) {
			if e.When.Before(since) {
				t.Errorf("%v is before %v", e.When, since)
			}
		}
		if n := len(MustFind(t, s, store.EventQuery{Since: since}, 2)); n != 11 {
			t.Errorf("%d events since, want 11", n)
		}
		if n := len(MustFind(t, s, store.EventQuery{Since: t0.Add(time.Hour)}, 2)); n != 0 {
			t.Errorf("%d events from the future", n)
		}

		// A page goes on where the one before ended, whatever happened between.
		first, next, err := s.FindEvents(t.Context(), store.EventQuery{}, 5, "")
		if err != nil {
			t.Fatal(err)
		}
		late := event("late", 0)
		late.When = t0.Add(time.Hour)
		MustCommit(t, s, store.Commit{At: t0, Events: []health.Event{late, first[4].Event}})
		second, _, err := s.FindEvents(t.Context(), store.EventQuery{}, 5, next)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "second page", second[0].Event, want[5])

		// An event dated back by a clock that was set back takes its place.
		early := event("early", 0)
		early.When = t0.Add(-time.Hour)
		MustCommit(t, s, store.Commit{At: t0, Events: []health.Event{early}})
		all := MustFind(t, s, store.EventQuery{}, 4)
		same(t, "newest", all[0].Event, late)
		same(t, "oldest", all[len(all)-1].Event, early)
	})
}

func TestBadCursors(t *testing.T) {
	t.Parallel()
	eachStore(t, store.Options{}, func(t *testing.T, s store.Store) {
		MustCommit(t, s, store.Commit{At: t0, Events: []health.Event{event("a", 1), event("a", 2)}, Mails: []*health.Mail{mail("1@lab", t0)}})
		MustCommit(t, s, store.Commit{At: t0, Mails: []*health.Mail{mail("2@lab", t0)}})
		_, ofEvents, err := s.FindEvents(t.Context(), store.EventQuery{}, 1, "")
		if err != nil || ofEvents == "" {
			t.Fatal(ofEvents, err)
		}
		_, ofMails, err := s.Mails(t.Context(), 1, "")
		if err != nil || ofMails == "" {
			t.Fatal(ofMails, err)
		}
		for _, bad := range []string{"x", "%", "e.1.2", ofEvents + "A", ofEvents[1:], "ZS4xLi0x", "ZS4wMS4x", string(make([]byte, 4000))} {
			if _, _, err := s.FindEvents(t.Context(), store.EventQuery{}, 1, bad); !errors.Is(err, store.ErrBadCursor) {
				t.Errorf("events from %q: %v", bad, err)
			}
			if _, _, err := s.Mails(t.Context(), 1, bad); !errors.Is(err, store.ErrBadCursor) {
				t.Errorf("mails from %q: %v", bad, err)
			}
		}
		if _, _, err := s.FindEvents(t.Context(), store.EventQuery{}, 1, ofMails); !errors.Is(err, store.ErrBadCursor) {
			t.Errorf("events by a cursor of mails: %v", err)
		}
		if _, _, err := s.Mails(t.Context(), 1, ofEvents); !errors.Is(err, store.ErrBadCursor) {
			t.Errorf("mails by a cursor of events: %v", err)
		}
	})
}

func TestOldThingsAreDropped(t *testing.T) {
	t.Parallel()
	o := store.Options{KeepMail: 10 * 24 * time.Hour, KeepForgotten: 20 * 24 * time.Hour}
	eachStore(t, o, func(t *testing.T, s store.Store) {
		at := func(days int) time.Time { return t0.Add(time.Duration(days) * 24 * time.Hour) }
		MustCommit(t, s, store.Commit{At: at(0), Mails: []*health.Mail{mail("sent@lab", at(0), "a@x")}, Events: []health.Event{event("gone", 1), event("back", 1), event("stays", 1)},
			Records: []health.Record{record("gone", 1), record("back", 1), record("stays", 1)}})
		MustCommit(t, s, store.Commit{At: at(0), Mails: []*health.Mail{mail("half@lab", at(0), "a@x", "b@x")}})
		MustCommit(t, s, store.Commit{At: at(0), Mails: []*health.Mail{mail("failed@lab", at(0), "a@x")}})
		MustMark(t, s, "sent@lab", health.Recipient{Address: "a@x", Fate: health.Sent})
		MustMark(t, s, "half@lab", health.Recipient{Address: "a@x", Fate: health.Sent})
		MustMark(t, s, "failed@lab", health.Recipient{Address: "a@x", Fate: health.Failed})
		ids := func() (out []string) {
			for _, m := range MustMails(t, s, 10) {
				out = append(out, m.ID)
			}
			return out
		}
		MustCommit(t, s, store.Commit{At: at(9), Forgotten: []string{"gone", "back"}})
		same(t, "mails before the time", ids(), []string{"failed@lab", "half@lab", "sent@lab"})
		MustCommit(t, s, store.Commit{At: at(11), Records: []health.Record{record("back", 2)}})
		same(t, "mails after the time: the one still queued", ids(), []string{"half@lab"})
		if queued, sent, failed, _, err := s.MailCounts(t.Context()); queued != 1 || sent != 1 || failed != 0 || err != nil {
			t.Errorf("%d queued, %d sent, %d failed, %v: those of dropped mails are counted", queued, sent, failed, err)
		}
		if _, err := s.Mail(t.Context(), "sent@lab"); !errors.Is(err, store.ErrUnknownMail) {
			t.Errorf("a dropped mail can be read: %v", err)
		}
		if n := len(MustFind(t, s, store.EventQuery{}, 10)); n != 3 {
			t.Errorf("%d events, want those of the forgotten too", n)
		}
		MustCommit(t, s, store.Commit{At: at(30), Records: []health.Record{record("stays", 2)}})
		if len(MustEvents(t, s, "gone")) != 0 || len(MustEvents(t, s, "back")) != 1 || len(MustEvents(t, s, "stays")) != 1 {
			t.Error("events of the forgotten, and only those, should be dropped")
		}
		// History goes on counting when a forgotten one comes back.
		MustCommit(t, s, store.Commit{At: at(30), Events: []health.Event{event("gone", 7)}})
		same(t, "a new history", MustEvents(t, s, "gone"), []health.Event{event("gone", 7)})
	})
}

// What is handed in or out can be changed without changing what is kept.
func TestNothingIsShared(t *testing.T) {
	t.Parallel()
	eachStore(t, store.Options{}, func(t *testing.T, s store.Store) {
		e, r, m := event("pend00", 1), record("pend00", 1), mail("1@lab", t0, "a@x")
		events, records := []health.Event{e}, []health.Record{r}
		MustCommit(t, s, store.Commit{At: t0, Events: events, Records: records, Mails: []*health.Mail{m}})
		spoil := func(e *health.Event, r *health.Record, m *health.Mail) {
			e.StreamOK["pend00-st-data"] = false
			e.Issues[0] = "spoilt"
			r.Streams[0].OK = false
			r.Told[0].Subject = "spoilt"
			m.Raw[0], m.Recipients[0].Address = 'X', "spoilt"
		}
		spoil(&events[0], &records[0], m)
		for range 2 {
			es, kept, due := MustEvents(t, s, "pend00"), MustKept(t, s), MustDue(t, s, t0, 1)
			same(t, "event", es[0], event("pend00", 1))
			same(t, "record", kept.Records[0], record("pend00", 1))
			same(t, "mail", due[0], *mail("1@lab", t0, "a@x"))
			spoil(&es[0], &kept.Records[0], &due[0])
			all := MustFind(t, s, store.EventQuery{}, 1)
			all[0].StreamOK["pend00-st-data"] = false
			MustMails(t, s, 1)[0].Recipients[0].Fate = health.Failed
		}
	})
}

func TestWhatCannotBeKeptChangesNothing(t *testing.T) {
	t.Parallel()
	eachStore(t, store.Options{}, func(t *testing.T, s store.Store) {
		good := store.Commit{At: t0, Events: []health.Event{event("pend00", 1)}, Records: []health.Record{record("pend00", 1)}, Forgotten: []string{"spin01"}}
		MustCommit(t, s, store.Commit{At: t0, Records: []health.Record{record("spin01", 1)}})
		badTime := record("spin02", 1)
		badTime.Since = time.Date(10_001, 1, 1, 0, 0, 0, 0, time.UTC) // JSON has no such year
		for name, spoil := range map[string]func(*store.Commit){
			"record": func(c *store.Commit) { c.Records = append(slices.Clone(c.Records), badTime) },
			"system": func(c *store.Commit) { c.System = &health.SystemRecord{Told: []health.Issue{{Since: badTime.Since}}} },
			"fate": func(c *store.Commit) {
				c.Mails = []*health.Mail{mail("1@lab", t0, "a@x")}
				c.Mails[0].Recipients[0].Fate = "lost"
			},
			"no id": func(c *store.Commit) { c.Mails = []*health.Mail{mail("", t0, "a@x")} },
		} {
			c := good
			spoil(&c)
			if err := s.Commit(t.Context(), c); err == nil {
				t.Errorf("%s: kept", name)
			}
		}
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Commit(canceled, good); !errors.Is(err, context.Canceled) {
			t.Errorf("canceled: %v", err)
		}
		same(t, "state", MustKept(t, s), health.Kept{Records: []health.Record{record("spin01", 1)}})
		if n := len(MustEvents(t, s, "pend00")) + len(MustMails(t, s, 10)); n != 0 {
			t.Errorf("%d things kept of refused commits", n)
		}
		MustCommit(t, s, store.Commit{}) // nothing is fine
		MustCommit(t, s, good)
	})
}

func TestClosedStore(t *testing.T) {
	t.Parallel()
	eachStore(t, store.Options{}, func(t *testing.T, s store.Store) {
		MustCommit(t, s, store.Commit{At: t0, Events: []health.Event{event("a", 1)}})
		MustClose(t, s)
		MustClose(t, s)
		ctx := t.Context()
		_, _, kept := s.Kept(ctx)
		_, events := s.Events(ctx, "a")
		_, _, mails := s.Mails(ctx, 1, "")
		_, one := s.Mail(ctx, "a")
		_, due := s.DueMail(ctx, t0, 1)
		_, _, next := s.NextMail(ctx)
		_, _, _, _, counts := s.MailCounts(ctx)
		_, _, failed := s.LastFailedMail(ctx)
		_, _, find := s.FindEvents(ctx, store.EventQuery{}, 1, "")
		_, history := s.History(ctx, "a", t0, t0)
		_, _, audit := s.Audit(ctx, 1, "")
		_, watched := s.Watched(ctx, t0, t0)
		var everybody error
		for _, everybody = range s.AllHistory(ctx, t0, t0) {
		}
		for i, err := range []error{s.Commit(ctx, store.Commit{Forgotten: []string{"a"}}), s.MarkMail(ctx, "a", nil),
			s.Alive(ctx, t0), kept, events, mails, one, due, next, counts, failed, find, history, audit, watched, everybody} {
			if !errors.Is(err, store.ErrClosed) {
				t.Errorf("call %d: %v", i, err)
			}
		}
	})
}

func TestNegativeRetentionIsRefused(t *testing.T) {
	t.Parallel()
	for _, o := range []store.Options{{EventsPerExperiment: -1}, {KeepMail: -1}, {KeepForgotten: -1}, {KeepHistory: -1}} {
		if _, err := store.OpenMemory(o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}
