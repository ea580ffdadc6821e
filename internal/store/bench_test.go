package store_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"labstatus/internal/health"
	"labstatus/internal/store"
)

// A lab of 500 goes down at once: one mail, and everybody's record and event.
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
		}
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

// The outbox is asked each time it wakes, with half a year of sent mail behind it.
func BenchmarkOutbox(b *testing.B) {
	s := MustOpen(b, filepath.Join(b.TempDir(), "status.db"), store.Options{})
	for n := range 5000 {
		m := mail(fmt.Sprint(n), t0, "a@x", "b@x")
		for i := range m.Recipients {
			m.Recipients[i].Fate = health.Sent
		}
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
	}
}

// A page from a history of 20,000 experiments of 100 events each would be the
// same: it goes by the index.
func BenchmarkAllEventsPage(b *testing.B) {
	s := MustOpen(b, filepath.Join(b.TempDir(), "status.db"), store.Options{})
	for n := range 50 {
		c := store.Commit{At: t0}
		for i := range 1000 {
			c.Events = append(c.Events, event(fmt.Sprintf("pend%03d", i), n))
		}
		MustCommit(b, s, c)
	}
	for b.Loop() {
		if page, _, err := s.AllEvents(b.Context(), time.Time{}, 100, ""); len(page) != 100 || err != nil {
			b.Fatal(len(page), err)
		}
	}
}
