package store_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"labstatus/internal/health"
	"labstatus/internal/store"
)

// Whatever is done, in whatever order, both stores hold the same, and the file
// holds it after a restart too. Each run does something else: fifteen rounds of it on
// every day find what a thousand find in a night (STORE_TEST_RANDOM_ROUNDS=1000).
func TestBothStoresAgree(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	o := store.Options{EventsPerExperiment: 4, KeepMail: 48 * time.Hour, KeepForgotten: 48 * time.Hour, KeepHistory: 72 * time.Hour}
	path := filepath.Join(t.TempDir(), "status.db")
	var file store.Store = MustOpen(t, path, o)
	memory := MustOpenMemory(t, o)
	now, mails := t0, 0
	name := func() string { return fmt.Sprintf("pend%02d", rng.IntN(6)) }
	for range volume(t, "STORE_TEST_RANDOM_ROUNDS", 15) {
		now = now.Add(time.Duration(rng.IntN(300)-20) * time.Minute) // back too, at times
		switch rng.IntN(10) {
		default:
			c := store.Commit{At: now}
			for range rng.IntN(4) {
				e := event(name(), rng.IntN(100))
				e.When = now.Add(time.Duration(rng.IntN(3)) * time.Second)
				c.Events = append(c.Events, e)
				if rng.IntN(4) == 0 {
					c.Events = append(c.Events, e)
				}
			}
			states := []health.State{"", health.StateHealthy, health.StateUnhealthy, health.StateUnknown}
			for range rng.IntN(5) {
				at := now.Add(time.Duration(rng.IntN(3)) * time.Minute)
				switch rng.IntN(20) {
				case 0:
					at = now.Add(time.Duration(rng.IntN(200)-100) * time.Hour) // a clock that is wrong
				case 1:
					at = now.Add(-24 * time.Hour)
				}
				c.History = append(c.History, health.StateChange{Experiment: name(), At: at, State: states[rng.IntN(4)], Maintenance: rng.IntN(3) == 0})
			}
			if rng.IntN(3) == 0 {
				c.Acts = []health.Act{act(rng.IntN(50))}
			}
			c.Whole = rng.IntN(10) == 0
			for range rng.IntN(3) {
				c.Records = append(c.Records, record(name(), rng.IntN(100)))
			}
			for range rng.IntN(2) {
				c.Forgotten = append(c.Forgotten, name())
			}
			if rng.IntN(2) == 0 {
				c.System = &health.SystemRecord{Told: []health.Issue{{Code: health.BookSilent, Since: now}}}
			}
			if rng.IntN(2) == 0 {
				mails++
				c.Mails = []*health.Mail{mail(fmt.Sprint(mails), now, "a@x", "b@x", "c@x")}
				c.Mails[0].Recipients[1].Next = now.Add(time.Hour)
			}
			for range 1 + rng.IntN(2) {
				MustCommit(t, file, c)
				MustCommit(t, memory, c)
			}
			MustAlive(t, file, now)
			MustAlive(t, memory, now)
		case 0, 1, 2, 3:
			r := health.Recipient{Address: []string{"a@x", "b@x", "c@x", "d@x"}[rng.IntN(4)], Attempts: rng.IntN(5), LastErr: "451",
				Fate: []health.Fate{health.Queued, health.Sent, health.Failed}[rng.IntN(3)], Next: now.Add(time.Duration(rng.IntN(100)) * time.Minute)}
			id, rs := fmt.Sprint(1+rng.IntN(mails+1)), []health.Recipient{r}
			if a, b := file.MarkMail(t.Context(), id, rs), memory.MarkMail(t.Context(), id, rs); (a == nil) != (b == nil) {
				t.Fatalf("marking %s: %v and %v", id, a, b)
			}
		case 4:
			MustClose(t, file)
			file = MustOpen(t, path, o)
			// A sweep is due at the first commit after a start; bring memory to the same.
			c := store.Commit{At: now, System: &health.SystemRecord{}}
			MustCommit(t, file, c)
			MustCommit(t, memory, store.Commit{At: now.Add(-100 * 24 * time.Hour), System: c.System})
			MustCommit(t, memory, c)
		}
		agree(t, file, memory, now)
	}
}

func agree(t *testing.T, a, b store.Store, now time.Time) {
	t.Helper()
	same(t, "kept", MustKept(t, a), MustKept(t, b))
	same(t, "all events", MustFind(t, a, store.EventQuery{}, 7), MustFind(t, b, store.EventQuery{}, 7))
	same(t, "some events", MustFind(t, a, store.EventQuery{Since: now.Add(-24 * time.Hour)}, 7), MustFind(t, b, store.EventQuery{Since: now.Add(-24 * time.Hour)}, 7))
	same(t, "events", MustEvents(t, a, "pend00"), MustEvents(t, b, "pend00"))
	same(t, "text found", MustFind(t, a, store.EventQuery{Text: "Event 1", Experiment: "pend01"}, 2), MustFind(t, b, store.EventQuery{Text: "Event 1", Experiment: "pend01"}, 2))
	same(t, "all histories", MustAllHistory(t, a, time.Time{}, time.Time{}), MustAllHistory(t, b, time.Time{}, time.Time{}))
	from, to := now.Add(-30*time.Hour), now.Add(-time.Hour)
	same(t, "a day's histories", MustAllHistory(t, a, from, to), MustAllHistory(t, b, from, to))
	same(t, "history", MustHistory(t, a, "pend02", from, to), MustHistory(t, b, "pend02", from, to))
	same(t, "acts", MustAudit(t, a, 7), MustAudit(t, b, 7))
	same(t, "mails", MustMails(t, a, 7), MustMails(t, b, 7))
	same(t, "due", MustDue(t, a, now, 7), MustDue(t, b, now, 7))
	type counts struct {
		queued, sent, failed int
		oldest, next         time.Time
		any, anyFailed       bool
		lastFailed           health.Mail
	}
	count := func(s store.Store) (c counts) {
		var err error
		if c.queued, c.sent, c.failed, c.oldest, err = s.MailCounts(t.Context()); err != nil {
			t.Fatal(err)
		}
		if c.next, c.any, err = s.NextMail(t.Context()); err != nil {
			t.Fatal(err)
		}
		if c.lastFailed, c.anyFailed, err = s.LastFailedMail(t.Context()); err != nil {
			t.Fatal(err)
		}
		return c
	}
	same(t, "counts", count(a), count(b))
}
