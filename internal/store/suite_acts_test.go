package store_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"labstatus/internal/health"
	"labstatus/internal/store"
)

func TestAudit(t *testing.T) {
	t.Parallel()
	eachStore(t, store.Options{}, func(t *testing.T, s store.Store) {
		if acts := MustAudit(t, s, 10); len(acts) != 0 {
			t.Fatal(acts)
		}
		weekly := health.Act{At: t0, Kind: health.ActSetMaintenance, By: "bob\x00\u2028<&>\"", Window: &health.Window{
			ID: "1", Names: []string{"pend*"}, Reason: "cleaning", By: "bob", Bookings: health.BookingsClose, From: t0,
			Weekly: &health.Weekly{Days: []string{"mon"}, Start: "08:00", End: "12:30", Zone: "Europe/London"}}}
		want := []health.Act{weekly}
		MustCommit(t, s, store.Commit{At: t0, Acts: []health.Act{weekly}})
		for n := range 7 {
			a := act(n % 4) // a clock that is set back now and then
			a.Text = fmt.Sprint("number ", n)
			MustCommit(t, s, store.Commit{At: t0, Acts: []health.Act{a}})
			want = append([]health.Act{a}, want...)
		}
		for _, limit := range []int{1, 3, 7, 8, 9, 1000} {
			same(t, fmt.Sprint("pages of ", limit), MustAudit(t, s, limit), want)
		}
		_, next, err := s.Audit(t.Context(), 2, "")
		if err != nil || next == "" {
			t.Fatal(next, err)
		}
		for _, bad := range []string{"x", next + "A", "ZS45LjE", string(make([]byte, 200))} {
			if _, _, err := s.Audit(t.Context(), 2, bad); !errors.Is(err, store.ErrBadCursor) {
				t.Errorf("from %q: %v", bad, err)
			}
		}
		if _, _, err := s.Mails(t.Context(), 2, next); !errors.Is(err, store.ErrBadCursor) {
			t.Errorf("mails by a cursor of acts: %v", err)
		}
		// A page goes on where the one before ended, whatever was added meanwhile.
		MustCommit(t, s, store.Commit{At: t0, Acts: []health.Act{act(99)}})
		page, _, err := s.Audit(t.Context(), 2, next)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "second page", page, want[2:4])
		page[1].Text = "spoilt"
		same(t, "what is kept", MustAudit(t, s, 100)[1:], want)
	})
}

// Whatever a commit holds, repeating it, alone or with more behind it, keeps nothing
// twice and loses nothing.
func TestNothingIsKeptTwice(t *testing.T) {
	t.Parallel()
	eachStore(t, store.Options{EventsPerExperiment: 20}, func(t *testing.T, s store.Store) {
		var c store.Commit
		grow := func(n int) {
			c.At = t0.Add(time.Duration(n) * time.Second)
			c.Events = append(c.Events, event("pend00", n), event("pend00", n), second(event("pend00", n)), event("spin01", n))
			c.Records = []health.Record{record("pend00", n)}
			c.Acts = append(c.Acts, act(n), act(n))
			c.History = append(c.History, change("pend00", n), change("spin01", n))
			c.Mails = append(c.Mails, mail(fmt.Sprint(n, "@lab"), t0, "a@x"))
		}
		check := func(first, last int) {
			t.Helper()
			var pend, spin []health.Event
			var acts []health.Act
			var pendWas []health.StateChange
			for n := 1; n <= last; n++ {
				if n >= first {
					pend = append(pend, event("pend00", n), second(event("pend00", n)))
				}
				spin = append(spin, event("spin01", n))
				acts = append([]health.Act{act(n)}, acts...)
				pendWas = append(pendWas, change("pend00", n))
			}
			same(t, "events", MustEvents(t, s, "pend00"), pend)
			same(t, "the other's", MustEvents(t, s, "spin01"), spin)
			same(t, "acts", MustAudit(t, s, 1000), acts)
			same(t, "history", MustHistory(t, s, "pend00", time.Time{}, time.Time{}), pendWas)
			if n := len(MustDue(t, s, t0, 1000)); n != last {
				t.Errorf("%d mails, want %d", n, last)
			}
		}
		for n := 1; n <= 3; n++ {
			grow(n)
			MustCommit(t, s, c)
			MustCommit(t, s, c)
		}
		check(1, 3)
		// More than is kept, so that the first of them are dropped and come again.
		for n := 4; n <= 16; n++ {
			grow(n)
		}
		MustCommit(t, s, c)
		check(7, 16)
		MustCommit(t, s, c)
		check(7, 16)
		grow(17)
		MustCommit(t, s, c)
		check(8, 17)

		// What differs in anything is something else.
		e := event("late", 17)
		differing := []health.Event{e, second(e), e, e, e, e}
		differing[2].Healthy = !e.Healthy
		differing[3].JumpOK = !e.JumpOK
		differing[4].StreamOK = map[string]bool{"late-st-video": true}
		differing[5].Issues = []string{"unhealthy late-st-data"}
		for range 2 {
			MustCommit(t, s, store.Commit{At: c.At, Events: differing})
			same(t, "events that differ", MustEvents(t, s, "late"), differing)
		}
		// The clock was set back, and the same is committed again all the same.
		back := []health.Event{event("late", 5), event("late", 3), event("late", 4)}
		for range 2 {
			MustCommit(t, s, store.Commit{At: c.At, Events: back})
			same(t, "events of a clock set back", MustEvents(t, s, "late"), append(differing[:6:6], back...))
		}
	})
}

// A whole commit is all there is afterwards: whatever it doesn't name is forgotten.
func TestWholeCommit(t *testing.T) {
	t.Parallel()
	eachStore(t, store.Options{KeepForgotten: 24 * time.Hour}, func(t *testing.T, s store.Store) {
		for _, name := range []string{"stays", "goes", "said to go", "new"} {
			if name != "new" {
				MustCommit(t, s, store.Commit{At: t0, Records: []health.Record{record(name, 1)}, Events: []health.Event{event(name, 1)}})
			}
			MustCommit(t, s, store.Commit{At: t0, History: changes(t, name, "0 healthy")})
		}
		whole := store.Commit{At: hours(1), Whole: true, Records: []health.Record{record("stays", 2), record("new", 2)},
			Forgotten: []string{"said to go"}, History: changes(t, "stays", "1 unknown")}
		for range 2 {
			MustCommit(t, s, whole)
			same(t, "records", MustKept(t, s).Records, []health.Record{record("new", 2), record("stays", 2)})
			for name, want := range map[string]string{"stays": "0 healthy, 1 unknown", "goes": "0 healthy, 1", "said to go": "0 healthy, 1", "new": "0 healthy"} {
				if got := say(MustHistory(t, s, name, time.Time{}, time.Time{})); got != want {
					t.Errorf("%s: %s, want %s", name, got, want)
				}
			}
			if n := len(MustFind(t, s, store.EventQuery{}, 10)); n != 3 {
				t.Errorf("%d events: those of the forgotten are kept for a while", n)
			}
		}
		MustCommit(t, s, store.Commit{At: hours(30), System: &health.SystemRecord{}})
		if n := len(MustFind(t, s, store.EventQuery{}, 10)); n != 1 {
			t.Errorf("%d events are left in the end", n)
		}
		MustCommit(t, s, store.Commit{At: hours(30), Whole: true})
		if n := len(MustKept(t, s).Records); n != 0 {
			t.Errorf("%d records after a whole commit without any", n)
		}
	})
}
