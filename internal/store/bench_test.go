package store_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"labstatus/internal/health"
	"labstatus/internal/history"
	"labstatus/internal/store"
)

// A lab of 500 goes down at once: one mail, and everybody's record, event and change
// of state.
func BenchmarkCommit500(b *testing.B) {
	s := MustOpen(b, filepath.Join(b.TempDir(), "status.db"), store.Options{})
	n := 0
	for b.Loop() {
		n++
		c := store.Commit{At: t0.Add(time.Duration(n) * time.Second), Mails: []*health.Mail{mail(fmt.Sprint(n), t0, "a@x", "b@x")}}
		c.Mails[0].Raw = make([]byte, 60_000)
		for i := range 500 {
			name := fmt.Sprintf("pend%03d", i)
			c.Records = append(c.Records, record(name, n))
			c.Events = append(c.Events, event(name, n))
			c.History = append(c.History, change(name, n))
		}
		MustCommit(b, s, c)
	}
}

// A commit of everybody's events that was done in spite of its error comes again.
func BenchmarkCommitAgain(b *testing.B) {
	s := MustOpen(b, filepath.Join(b.TempDir(), "status.db"), store.Options{})
	c := store.Commit{At: t0}
	for n := range 100 {
		c.Events = nil
		for i := range 500 {
			e := event(fmt.Sprintf("pend%03d", i), n)
			c.Events = append(c.Events, e)
		}
		MustCommit(b, s, c)
	}
	for b.Loop() {
		MustCommit(b, s, c)
	}
}

// The usual: one experiment changes and it is mailed.
func BenchmarkCommitOne(b *testing.B) {
	s := MustOpen(b, filepath.Join(b.TempDir(), "status.db"), store.Options{})
	n := 0
	for b.Loop() {
		n++
		MustCommit(b, s, store.Commit{At: t0, Events: []health.Event{event("pend00", n)}, Records: []health.Record{record("pend00", n)}, Mails: []*health.Mail{mail(fmt.Sprint(n), t0, "a@x")}})
	}
}

func BenchmarkKept10000(b *testing.B) {
	s := MustOpen(b, filepath.Join(b.TempDir(), "status.db"), store.Options{})
	c := store.Commit{At: t0}
	for i := range 10_000 {
		c.Records = append(c.Records, record(fmt.Sprintf("pend%05d", i), i))
	}
	MustCommit(b, s, c)
	for b.Loop() {
		if n := len(MustKept(b, s).Records); n != 10_000 {
			b.Fatal(n)
		}
	}
}

// The outbox is asked each time it wakes, with half a year of mail behind it that one
// address has always refused.
func BenchmarkOutbox(b *testing.B) {
	s := MustOpen(b, filepath.Join(b.TempDir(), "status.db"), store.Options{})
	for n := range 5000 {
		m := mail(fmt.Sprint(n), t0, "a@x", "b@x")
		for i := range m.Recipients {
			m.Recipients[i].Fate = health.Sent
		}
		m.Recipients[1].Fate = health.Failed
		if n%1000 == 0 {
			m.Recipients[0].Fate = health.Queued
		}
		MustCommit(b, s, store.Commit{At: t0, Mails: []*health.Mail{m}})
	}
	for b.Loop() {
		if n := len(MustDue(b, s, t0, 10)); n != 5 {
			b.Fatal(n)
		}
		if _, ok, err := s.NextMail(b.Context()); !ok || err != nil {
			b.Fatal(err)
		}
		if queued, _, _, _, err := s.MailCounts(b.Context()); queued != 5 || err != nil {
			b.Fatal(queued, err)
		}
		if _, found, err := s.LastFailedMail(b.Context()); !found || err != nil {
			b.Fatal(found, err)
		}
	}
}

// A page from a history of 20,000 experiments of 100 events each would be the
// same: it goes by the index.
func BenchmarkEventsPage(b *testing.B) {
	s := MustOpen(b, filepath.Join(b.TempDir(), "status.db"), store.Options{})
	for n := range 50 {
		c := store.Commit{At: t0}
		for i := range 1000 {
			c.Events = append(c.Events, event(fmt.Sprintf("pend%03d", i), n))
		}
		MustCommit(b, s, c)
	}
	for b.Loop() {
		if page, _, err := s.FindEvents(b.Context(), store.EventQuery{}, 100, ""); len(page) != 100 || err != nil {
			b.Fatal(len(page), err)
		}
	}
}

// months fills a store with what 10,000 experiments did in two months, a change every
// twelve hours, and gives the moment after it.
func months(b *testing.B, s *store.SQLite) time.Time {
	b.Helper()
	const experiments, days = 10_000, 60
	var c store.Commit
	for i := range experiments {
		c.History = append(c.History, health.StateChange{Experiment: fmt.Sprintf("pend%05d", i), At: t0, State: health.StateHealthy})
	}
	MustCommit(b, s, c)
	for half := 1; half <= 2*days; half++ {
		err := s.ExecWriter(b.Context(), `UPDATE standing SET state = CASE state WHEN 'healthy' THEN 'unhealthy' ELSE 'healthy' END,
			at = ?1 + abs(random() % 3600000000000)`, t0.Add(time.Duration(half)*12*time.Hour).UnixNano())
		if err != nil {
			b.Fatal(err)
		}
	}
	return t0.Add((days*24 + 13) * time.Hour)
}

// The uptimes of a day are made anew now and then, from months of history.
func BenchmarkUptimesOfADay(b *testing.B) {
	s := MustOpen(b, filepath.Join(b.TempDir(), "status.db"), store.Options{})
	end := months(b, s)
	watched := []history.Span{{From: t0, To: end}}
	for b.Loop() {
		n := 0
		for changes, err := range s.AllHistory(b.Context(), end.Add(-24*time.Hour), end) {
			sum := history.Summarize(changes, watched, end.Add(-24*time.Hour), end)
			if n++; err != nil || sum.Known() != 24*time.Hour {
				b.Fatal(sum, err)
			}
		}
		if n != 10_000 {
			b.Fatal(n)
		}
	}
}

// A page shows three months of one experiment, or what there is of them.
func BenchmarkHistoryOfOne(b *testing.B) {
	s := MustOpen(b, filepath.Join(b.TempDir(), "status.db"), store.Options{})
	end := months(b, s)
	for b.Loop() {
		changes, err := s.History(b.Context(), "pend07777", end.Add(-90*24*time.Hour), end)
		if err != nil || len(changes) != 121 {
			b.Fatal(len(changes), err)
		}
	}
}
