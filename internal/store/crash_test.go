package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"testing"
	"time"

	"labstatus/internal/health"
	"labstatus/internal/store"
)

// crashFile names the variable that turns this test program into the child of
// TestKilledAtAnyMoment.
const crashFile = "STORE_TEST_CRASH_FILE"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashFile); path != "" {
		fmt.Fprintln(os.Stderr, commitForEver(path))
		os.Exit(1)
	}
	debug.SetGCPercent(400) // with -race a quarter of the work is to collect garbage
	os.Exit(m.Run())
}

// commitForEver commits step after step, from where the file has got to, and
// reports the number of each once it is done.
func commitForEver(path string) error {
	ctx := context.Background()
	s, err := store.Open(ctx, path, store.Options{EventsPerExperiment: 5, KeepMail: 10 * time.Second})
	if err != nil {
		return err
	}
	kept, _, err := s.Kept(ctx)
	if err != nil {
		return err
	}
	n := 0
	if len(kept.Records) > 0 {
		n = kept.Records[0].Events
	}
	for {
		n++
		c := wholeStep(n)
		if err := errors.Join(s.Commit(ctx, c), s.Alive(ctx, c.At)); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

const wholeExperiments = 5

// second is an event a moment after another.
func second(e health.Event) health.Event {
	e.When = e.When.Add(time.Millisecond)
	return e
}

// wholeStep touches everything, so that half of it would show.
func wholeStep(n int) store.Commit {
	c := store.Commit{At: t0.Add(time.Duration(n) * time.Second), System: &health.SystemRecord{Cadence: map[health.Source]time.Duration{health.Relay: time.Duration(n)}}}
	for i := range wholeExperiments {
		name := fmt.Sprintf("pend%02d", i)
		c.Records = append(c.Records, record(name, n))
		c.Events = append(c.Events, event(name, n), second(event(name, n)))
		c.History = append(c.History, change(name, n))
	}
	c.Acts = []health.Act{act(n)}
	c.Mails = []*health.Mail{mail(strconv.Itoa(n), c.At, "a@x", "b@x")}
	c.Mails[0].Recipients[0].Fate, c.Mails[0].Recipients[1].Fate = health.Sent, health.Sent
	return c
}

// wholeStepOf fails unless the store holds exactly what some number of whole
// steps leave, and gives that number.
func wholeStepOf(t *testing.T, s store.Store) int {
	t.Helper()
	kept := MustKept(t, s)
	if len(kept.Records) == 0 {
		if len(MustFind(t, s, store.EventQuery{}, 1)) != 0 || len(MustMails(t, s, 1)) != 0 || len(MustAudit(t, s, 1)) != 0 || kept.System.Cadence != nil {
			t.Fatal("there is something, but no records")
		}
		return 0
	}
	n := kept.Records[0].Events
	want := wholeStep(n)
	same(t, "records", kept.Records, want.Records)
	same(t, "system", kept.System, *want.System)
	for _, r := range kept.Records {
		events := MustEvents(t, s, r.Name)
		if len(events) != min(5, 2*n) {
			t.Fatalf("%d events of %s at step %d", len(events), r.Name, n)
		}
		same(t, "newest event", events[len(events)-1], second(event(r.Name, n)))
		same(t, "the one before", events[len(events)-2], event(r.Name, n))
		var changes []health.StateChange
		for i := 1; i <= n; i++ {
			changes = append(changes, change(r.Name, i))
		}
		same(t, "history", MustHistory(t, s, r.Name, time.Time{}, time.Time{}), changes)
	}
	if acts := MustAudit(t, s, 1000); len(acts) != n || acts[0] != act(n) {
		t.Fatalf("%d acts at step %d", len(acts), n)
	}
	m, err := s.Mail(t.Context(), strconv.Itoa(n))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "mail", m, *want.Mails[0])
	if newest := MustMails(t, s, 1)[0]; newest.ID != m.ID {
		t.Fatalf("newest mail is %s at step %d", newest.ID, n)
	}
	return n
}

// A server killed at any moment has kept each commit that had returned, and none
// by half. The file is the same in all rounds.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	rounds := volume(t, "STORE_TEST_CRASH_ROUNDS", 3)
	path := filepath.Join(t.TempDir(), "status.db")
	before := 0
	for round := range rounds {
		told := killOnce(t, path, time.Duration(rand.Int64N(int64(60*time.Millisecond))))
		s, err := store.Open(t.Context(), path, store.Options{EventsPerExperiment: 5})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		n := wholeStepOf(t, s)
		spans := MustWatched(t, s, time.Time{}, time.Time{})
		if last := wholeStep(told).At; told > before+1 && (len(spans) == 0 || spans[len(spans)-1].To.Before(last)) {
			t.Errorf("round %d: it was there until %v, seen %v", round, last, spans)
		}
		MustClose(t, s)
		if n < max(told, before) || n > max(told, before)+1 {
			t.Fatalf("round %d: killed after step %d, found %d", round, max(told, before), n)
		}
		before = n
	}
	if n := MustCount(t, path, faults); n != 0 {
		t.Errorf("%d faults in the file", n)
	}
	t.Logf("%d commits in %d rounds", before, rounds)
}

// killOnce starts a child, kills it after its first step and the given time, and
// gives the number of the last step it reported.
func killOnce(t *testing.T, path string, after time.Duration) (told int) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), crashFile+"="+path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var timer *time.Timer
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if told, err = strconv.Atoi(lines.Text()); err != nil {
			t.Fatal(err)
		}
		if timer == nil {
			timer = time.AfterFunc(after, func() { child.Process.Kill() })
		}
	}
	if timer == nil {
		t.Fatal("the child did nothing")
	}
	if err := child.Wait(); child.ProcessState.ExitCode() != -1 {
		t.Fatalf("the child ended by itself: %v", err)
	}
	return told
}

// A loss of power may leave any part of the log unwritten. Whatever is left of
// it, the file opens and holds a number of whole commits.
func TestLogTornAnywhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "status.db")
	s := MustOpen(t, path, store.Options{EventsPerExperiment: 5})
	const steps = 8
	for n := 1; n <= steps; n++ {
		MustCommit(t, s, wholeStep(n))
	}
	base, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	found := map[int]bool{}
	for try := range volume(t, "STORE_TEST_TORN_LOGS", 7) {
		torn := log[:rand.IntN(len(log)+1)]
		switch try {
		case 0:
			torn = log
		case 1:
			torn = nil
		}
		if try%3 == 2 && len(torn) > 100 { // written out of order: a hole before the end
			torn = append([]byte(nil), torn...)
			at := rand.IntN(len(torn) - 64)
			clear(torn[at : at+64])
		}
		copied := filepath.Join(dir, fmt.Sprint("torn", try), "status.db")
		if err := os.Mkdir(filepath.Dir(copied), 0o700); err != nil {
			t.Fatal(err)
		}
		for name, b := range map[string][]byte{copied: base, copied + "-wal": torn} {
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		after, err := store.Open(t.Context(), copied, store.Options{EventsPerExperiment: 5})
		if err != nil {
			t.Fatal(err)
		}
		n := wholeStepOf(t, after)
		if try == 0 && n != steps {
			t.Errorf("of the whole log %d steps are read", n)
		}
		found[n] = true
		MustClose(t, after)
	}
	if len(found) < 3 {
		t.Errorf("the log was hardly torn: %v", found)
	}
}
