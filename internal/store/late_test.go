package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	logtest "github.com/sirupsen/logrus/hooks/test"

	"labstatus/internal/health"
	"labstatus/internal/store"
)

// nextTry lets the time pass after which a late store tries its file again, and
// writes something, so that it does.
func nextTry(t *testing.T, l *store.Late) {
	t.Helper()
	time.Sleep(20 * time.Second)
	MustCommit(t, l, store.Commit{}) // nothing, as far as what is kept goes
	synctest.Wait()
}

// A directory that is made late, by a mount for instance: all that was in memory is
// in the file then, and goes on there.
func TestLateMovesIntoTheFile(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "mount")
	path := filepath.Join(dir, "state", "status.db")
	synctest.Test(t, func(t *testing.T) {
		log, logged := logtest.NewNullLogger()
		var found []health.Kept
		o := store.Options{EventsPerExperiment: 5, Log: log}
		l := MustLate(t, store.LateOptions{Path: path, Options: o, Why: errors.New("as ordered"), Moved: func(k health.Kept) { found = append(found, k) }})
		if err := l.Why(); err == nil || err.Error() != "as ordered" {
			t.Fatal(err)
		}
		for n := 1; n <= 3; n++ {
			MustCommit(t, l, wholeStep(n))
		}
		MustMark(t, l, "2", health.Recipient{Address: "b@x", Fate: health.Queued, Attempts: 3, Next: hours(1)})
		MustCommit(t, l, store.Commit{At: t0, Records: []health.Record{record("left", 1)}})
		MustCommit(t, l, store.Commit{At: t0, Forgotten: []string{"left"}})
		began := time.Now()
		MustAlive(t, l, began)
		mails := MustMails(t, l, 10)

		nextTry(t, l)
		if err := l.Why(); !errors.Is(err, store.ErrGone) || !strings.Contains(err.Error(), "correct STATUS_STORE") {
			t.Fatalf("while there is no directory: %v", err)
		}
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if MustCommit(t, l, wholeStep(4)); l.Why() == nil {
			t.Error("it is tried without a pause")
		}
		nextTry(t, l)
		if err := l.Why(); err != nil {
			t.Fatal(err)
		}
		if n := MustCount(t, path, `SELECT count(*) FROM records`); n != wholeExperiments {
			t.Errorf("%d records in the file", n)
		}
		if len(found) != 1 || len(found[0].Records) != 0 {
			t.Errorf("found %+v", found)
		}
		warned(t, logged, "can be used by now")
		if n := wholeStepOf(t, l); n != 4 {
			t.Errorf("at step %d", n)
		}
		MustCommit(t, l, wholeStep(5))
		MustAlive(t, l, began.Add(time.Minute))
		MustClose(t, l)

		s := MustOpen(t, path, o)
		if n := wholeStepOf(t, s); n != 5 {
			t.Errorf("at step %d after a restart", n)
		}
		same(t, "mails", MustMails(t, s, 10)[2:], mails)
		same(t, "spans", MustWatched(t, s, began, began.Add(time.Hour)), []store.Span{{From: began.UTC(), To: began.Add(time.Minute).UTC()}})
		MustClose(t, s)
	})
}

// What an earlier run has left in the file is joined with what this one has.
func TestLateJoinsWhatIsThere(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "status.db")
	synctest.Test(t, func(t *testing.T) {
		log, logged := logtest.NewNullLogger()
		o := store.Options{Log: log}
		earlier := MustOpen(t, path, o)
		began := time.Now()
		ago := func(hours int) time.Time { return began.Add(-time.Duration(hours) * time.Hour).UTC() }
		was := func(name string, hoursAgo int, s health.State) health.StateChange {
			return health.StateChange{Experiment: name, At: ago(hoursAgo), State: s}
		}
		old := mail("old@lab", ago(9), "a@x")
		windows := health.SystemRecord{Windows: []health.Window{{ID: "1", From: ago(9)}}}
		MustCommit(t, earlier, store.Commit{At: ago(9), System: &windows, Mails: []*health.Mail{old}, Acts: []health.Act{act(1)},
			Records: []health.Record{record("both", 1), record("left", 1)}, Events: []health.Event{event("both", 1), event("left", 1)},
			History: []health.StateChange{was("both", 9, health.StateHealthy), was("left", 9, health.StateUnhealthy)}})
		MustAlive(t, earlier, ago(9))
		MustAlive(t, earlier, ago(9).Add(time.Minute))

		var found health.Kept
		l := MustLate(t, store.LateOptions{Path: path, Options: o, Moved: func(k health.Kept) { found = k }})
		MustAlive(t, l, began)
		system := health.SystemRecord{Told: []health.Issue{{Code: health.BookSilent, Since: began.UTC()}}}
		fresh := mail("new@lab", began.UTC(), "a@x")
		MustCommit(t, l, store.Commit{At: began, System: &system, Mails: []*health.Mail{fresh}, Acts: []health.Act{act(2)},
			Records: []health.Record{record("both", 2), record("new", 2)}, Events: []health.Event{event("both", 2), event("new", 2)},
			History: []health.StateChange{was("both", 0, health.StateUnknown), was("new", 0, health.StateStarting)}})

		// Another server has it: that is said, once, and all goes on in memory.
		for range 3 {
			nextTry(t, l)
			if err := l.Why(); !errors.Is(err, store.ErrServed) {
				t.Fatal(err)
			}
		}
		if n := len(logged.AllEntries()); n != 1 || !strings.Contains(logged.LastEntry().Message, "Another server") {
			t.Errorf("%d lines logged", n)
		}
		same(t, "in memory", MustKept(t, l).Records, []health.Record{record("both", 2), record("new", 2)})

		MustClose(t, earlier)
		nextTry(t, l)
		if err := l.Why(); err != nil {
			t.Fatal(err)
		}
		same(t, "found", found, health.Kept{Records: []health.Record{record("both", 1), record("left", 1)}, System: windows})
		same(t, "kept", MustKept(t, l), health.Kept{Records: []health.Record{record("both", 2), record("left", 1), record("new", 2)}, System: system})
		same(t, "events", MustEvents(t, l, "both"), []health.Event{event("both", 1), event("both", 2)})
		same(t, "events of what left", MustEvents(t, l, "left"), []health.Event{event("left", 1)})
		same(t, "mails", MustDue(t, l, began, 10), []health.Mail{*old, *fresh})
		same(t, "acts", MustAudit(t, l, 10), []health.Act{act(2), act(1)})
		for name, want := range map[string][]health.StateChange{
			"both": {was("both", 9, health.StateHealthy), was("both", 0, health.StateUnknown)},
			"left": {was("left", 9, health.StateUnhealthy), was("left", 0, "")}, // this run doesn't watch it
			"new":  {was("new", 0, health.StateStarting)},
		} {
			same(t, "history of "+name, MustHistory(t, l, name, time.Time{}, time.Time{}), want)
		}
		now := time.Now()
		MustAlive(t, l, now)
		same(t, "spans", MustWatched(t, l, ago(10), now), []store.Span{{From: ago(9), To: ago(9).Add(time.Minute)}, {From: began.UTC(), To: now}})
		MustClose(t, l)
	})
}

// A file that can be opened and not be written is left for later.
func TestLateLeavesWhatCannotBeWritten(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "status.db")
	MustClose(t, MustOpen(t, path, store.Options{}))
	synctest.Test(t, func(t *testing.T) {
		release := MustHold(t, path)
		l := MustLate(t, store.LateOptions{Path: path})
		MustCommit(t, l, step(1))
		nextTry(t, l)
		if err := l.Why(); !errors.Is(err, store.ErrLocked) || errors.Is(err, store.ErrServed) {
			t.Fatal(err)
		}
		MustCommit(t, l, step(2))
		release()
		nextTry(t, l)
		if err := l.Why(); err != nil {
			t.Fatal(err)
		}
		MustCommit(t, l, step(3))
		MustClose(t, l)
	})
	s := MustOpen(t, path, store.Options{})
	holds(t, s, 3)
}

// Nothing that is written around the move gets lost, and readers always find all of
// it.
func TestLateIsWrittenToMeanwhile(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	path := filepath.Join(dir, "a", "status.db")
	synctest.Test(t, func(t *testing.T) {
		l := MustLate(t, store.LateOptions{Path: path})
		const writers = 4
		writes := volume(t, "STORE_TEST_LATE_WRITES", 20) // of each
		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				for n := range writes {
					name := fmt.Sprintf("pend%d-%02d", w, n)
					MustCommit(t, l, store.Commit{At: time.Now(), Records: []health.Record{record(name, n)}, Events: []health.Event{event(name, n)},
						Acts: []health.Act{act(w*writes + n)}, Mails: []*health.Mail{mail(name, t0, "a@x")}})
					if events := MustEvents(t, l, name); len(events) != 1 {
						t.Errorf("%d events of %s right after its commit", len(events), name)
					}
					if w == 0 && n == writes/2 {
						if err := os.Mkdir(dir, 0o700); err != nil {
							t.Error(err)
						}
					}
					time.Sleep(time.Second + time.Duration(w)*time.Millisecond)
				}
			})
		}
		all.Wait()
		if err := l.Why(); err != nil {
			t.Fatal(err)
		}
		want := writers * writes
		if n := len(MustKept(t, l).Records); n != want {
			t.Errorf("%d records, want %d", n, want)
		}
		if n := len(MustFind(t, l, store.EventQuery{}, 1000)); n != want {
			t.Errorf("%d events, want %d", n, want)
		}
		if n := len(MustAudit(t, l, 1000)); n != want {
			t.Errorf("%d acts, want %d", n, want)
		}
		if n := len(MustDue(t, l, t0, 1000)); n != want {
			t.Errorf("%d mails, want %d", n, want)
		}
		MustClose(t, l)
	})
}

func TestLateRefusesBadOptions(t *testing.T) {
	t.Parallel()
	if _, err := store.NewLate(store.LateOptions{Options: store.Options{KeepMail: -1}}); err == nil {
		t.Error("negative retention was accepted")
	}
}
