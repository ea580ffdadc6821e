package app_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"labstatus/internal/lab"
	"labstatus/internal/store"
)

// aStep is how much later all may be while the store fails: by a turn that waits for
// it in vain, when the frame comes and when the answer of book is to be seen.
const aStep = 100 * time.Millisecond

// eventsOf gives an experiment's history as the API has it: healthy or not.
func (b *bench) eventsOf(name string) (healthy []bool) {
	b.t.Helper()
	var events []struct{ Healthy bool }
	if code := b.get("/api/v1/experiments/events/"+name, &events); code != http.StatusOK {
		b.t.Fatalf("GET events of %s: %d", name, code)
	}
	for _, e := range events {
		healthy = append(healthy, e.Healthy)
	}
	return healthy
}

// storeReport is what the API says of the store.
type storeReport struct {
	OK        bool
	Pending   int
	LastError string `json:"last_error"`
}

func (b *bench) storeReport() storeReport {
	b.t.Helper()
	var system struct{ Store storeReport }
	b.get("/api/v1/system", &system)
	return system.Store
}

// loud fails the test unless the store's failure is said everywhere it should be, in
// words by which it is known.
func (b *bench) loud(words string) {
	b.t.Helper()
	if r := b.storeReport(); r.OK || r.Pending == 0 || !strings.Contains(r.LastError, words) {
		b.t.Errorf("the API says %+v, want %q", r, words)
	}
	var notReady struct{ Reasons []string }
	code := b.get("/readyz", &notReady)
	if said := strings.Join(notReady.Reasons, "; "); code != http.StatusServiceUnavailable || !strings.Contains(said, "the store can't be written: ") || !strings.Contains(said, words) {
		b.t.Errorf("readyz is %d: %q, want %q", code, said, words)
	}
	f := b.figures()
	if writable, owed, failed := f.of("status_store_writable"), f.of("status_store_pending"), f.of("status_store_transactions_total", "outcome", "failed"); writable != 0 || owed == 0 || failed == 0 {
		b.t.Errorf("the figures say: writable %v, pending %v, failed transactions %v", writable, owed, failed)
	}
	page := b.page()
	if !strings.Contains(page, "be written") {
		b.t.Error("the page doesn't say that the store can't be written")
	}
	if said := b.logs(logrus.ErrorLevel, "the store can't be written"); said != 1 {
		b.t.Errorf("the log says %d times that the store can't be written, want once", said)
	}
}

// storeWell fails the test unless it is said everywhere that the store can be written.
func (b *bench) storeWell() {
	b.t.Helper()
	if r := b.storeReport(); !r.OK || r.Pending != 0 || r.LastError != "" {
		b.t.Errorf("the API says %+v", r)
	}
	if code := b.get("/readyz", nil); code != http.StatusOK {
		b.t.Errorf("readyz is %d: %q", code, b.reasons())
	}
	f := b.figures()
	if writable, owed := f.of("status_store_writable"), f.of("status_store_pending"); writable != 1 || owed != 0 {
		b.t.Errorf("the figures say: writable %v, pending %v", writable, owed)
	}
	if strings.Contains(b.page(), "be written") {
		b.t.Error("the page says that the store can't be written")
	}
}

// logs counts what has been logged at a level with these words in it.
func (b *bench) logs(level logrus.Level, words string) (n int) {
	for _, e := range b.logged.AllEntries() {
		if e.Level == level && strings.Contains(e.Message, words) {
			n++
		}
	}
	return n
}

func (b *bench) page() string {
	b.t.Helper()
	resp, err := b.client.Get("http://status.lab/")
	if err != nil {
		b.t.Fatal(err)
	}
	var text bytes.Buffer
	_, err = text.ReadFrom(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		b.t.Fatal(err)
	}
	return text.String()
}

// While the store fails the laboratory is watched and booked as ever, and that is
// said everywhere; what happened is kept and told once when it can be, and after a
// restart nothing is told again.
func TestStoreFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault storeFault
		words string
	}{
		"disk full": {storeFault{err: fmt.Errorf("commit: %w: free some space", store.ErrFull)}, "free some space"},
		"read-only": {storeFault{err: fmt.Errorf("commit: %w: mounted read-only", store.ErrReadOnly)}, "mounted read-only"},
		"locked":    {storeFault{err: fmt.Errorf("commit: %w: stop the other process", store.ErrLocked)}, "stop the other process"},
		"corrupt":   {storeFault{err: fmt.Errorf("commit: %w: %w", store.ErrCorrupt, errNeighbour), reads: true}, "as ordered"},
		"hangs":     {storeFault{hangs: true, commit: true}, "has not answered within"},
	} {
		t.Run(name, func(t *testing.T) {
			failing(t, func(b *bench, s *failingStore) {
				began := time.Now()
				s.order(test.fault)
				b.must(b.lab.Stream("pend00-st-video").Vanish(), b.lab.Jump("spin30").Drop())
				b.becomes("r-pend00", false, noticed+aStep)
				b.watch(time.Minute)
				b.loud(test.words)
				b.must(b.lab.Stream("pend00-st-video").Return())
				b.becomes("r-pend00", true, 2*relayEvery+aStep)
				b.must(b.lab.Stream("trus05-st-video").Silence())
				b.becomes("r-trus05", false, noticed+aStep)
				b.watch(3 * time.Minute)
				if got := b.state("pend00") + b.state("spin30") + b.state("trus05"); got != "healthyunhealthyunhealthy" {
					t.Errorf("states: %s", got)
				}
				b.paceKept(began)
				b.told(began)

				s.order(storeFault{})
				b.wait(10 * time.Second)
				b.storeWell()
				b.onceTold(began)
				b.restart()
				b.onceTold(began)
				if n := b.writes(began); n != 3 {
					t.Errorf("book was written %d times, want 3", n)
				}
			})
		})
	}
}

// failing runs a story on a store that fails to order.
func failing(t *testing.T, story func(*bench, *failingStore)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, experiments("pend00", "spin30", "trus05"), inFile(t, nil))
		s := &failingStore{}
		b.options.WrapStore(func(real store.Store) store.Store {
			s.Store = real
			return s
		})
		b.start()
		b.wait(settled)
		story(b, s)
		b.stop()
		b.close()
	})
}

// onceTold fails the test unless each of TestStoreFails' changes was told and kept
// once.
func (b *bench) onceTold(since time.Time) {
	b.t.Helper()
	var fresh, over []string
	for _, m := range b.lab.Mails() {
		if m.Accepted() && m.At.After(since) {
			f, o := sections(m.Text)
			fresh, over = append(fresh, f...), append(over, o...)
		}
	}
	slices.Sort(fresh)
	if got := fmt.Sprint(fresh, over); got != "[pend00 spin30 trus05] [pend00]" {
		b.t.Errorf("told as new and as over: %s", got)
	}
	if got := fmt.Sprint(b.eventsOf("pend00"), b.eventsOf("spin30"), b.eventsOf("trus05")); got != "[false true] [false] [false]" {
		b.t.Errorf("events: %s", got)
	}
}

// sections gives the experiments that a mail tells of, as new and as over.
func sections(text string) (fresh, over []string) {
	section := ""
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(line)
		item, isItem := strings.CutPrefix(line, "- ")
		name, _, _ := strings.Cut(item, ":")
		switch {
		case !isItem && line != "":
			section = line
		case isItem && section == "New problems":
			fresh = append(fresh, name)
		case isItem && section == "Over":
			over = append(over, name)
		}
	}
	return fresh, over
}

// restart ends the server and starts it again, and lets it settle.
func (b *bench) restart() {
	b.t.Helper()
	b.stop()
	b.start()
	b.wait(2 * time.Minute)
}

// What became of a mail can't be kept: it isn't sent again all the same, and is
// kept when that works.
func TestMarksFail(t *testing.T) {
	failing(t, func(b *bench, s *failingStore) {
		began := time.Now()
		s.order(storeFault{marks: true, err: store.ErrFull})
		b.must(b.lab.Stream("pend00-st-video").Vanish())
		b.becomes("r-pend00", false, noticed)
		b.watch(2 * time.Minute) // several times the longest wait between attempts
		b.paceKept(began)
		b.told(began, "1 new problem: pend00")
		s.order(storeFault{})
		b.wait(time.Minute)
		b.restart()
		b.told(began, "1 new problem: pend00")
	})
}

// A commit that was done though it said it wasn't is done again without a second
// mail.
func TestCommitLies(t *testing.T) {
	failing(t, func(b *bench, s *failingStore) {
		began := time.Now()
		s.order(storeFault{commit: true, lies: true, err: store.ErrDisk})
		b.must(b.lab.Stream("pend00-st-video").Vanish())
		b.becomes("r-pend00", false, noticed)
		b.watch(time.Minute)
		s.order(storeFault{})
		b.wait(time.Minute)
		b.told(began, "1 new problem: pend00")
		b.restart()
		b.told(began, "1 new problem: pend00")
	})
}

// Stopped while the store fails, a server says in its log what is lost, and has
// ended well; what it could not keep was not told, and the next one tells it.
func TestStoppedWhileStoreFails(t *testing.T) {
	failing(t, func(b *bench, s *failingStore) {
		began := time.Now()
		s.order(storeFault{err: store.ErrFull})
		b.must(b.lab.Stream("pend00-st-video").Vanish())
		b.becomes("r-pend00", false, noticed)
		b.wait(time.Minute)
		b.stopApp()
		if err := <-b.appDone; err != nil {
			t.Errorf("the server ended with %v", err)
		}
		b.told(began)
		s.order(storeFault{})
		b.start()
		b.wait(5 * time.Minute)
		b.told(began, "1 new problem: pend00")
		b.restart()
		b.told(began, "1 new problem: pend00")
	})
}

// Real faults of a real file, while the server runs: it watches, books and tells
// all the same, and a restart tells nothing again.
func TestStoreFileFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		breaks, mends func(t *testing.T, path string)
		fails         string // in these words; empty: it is made anew at once, and said so
	}{
		"deleted": {breaks: func(t *testing.T, path string) { remove(t, path) }},
		"deleted with its log": {breaks: func(t *testing.T, path string) {
			remove(t, path, path+"-wal", path+"-shm", path+".lock")
		}},
		"overwritten with rubbish, then taken away": {
			breaks: func(t *testing.T, path string) {
				rubbish := bytes.Repeat([]byte("rubbish\n"), 4096)
				if err := errors.Join(os.WriteFile(path+".new", rubbish, 0o600), os.Rename(path+".new", path)); err != nil {
					t.Fatal(err)
				}
			},
			mends: func(t *testing.T, path string) { remove(t, path) },
			fails: store.ErrCorrupt.Error(),
		},
		"locked by a shell": {breaks: lockFor(30 * time.Second), fails: store.ErrLocked.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, experiments("pend00", "spin30"), inFile(t, nil), func(b *bench) {
				path := b.env["STATUS_STORE"]
				told := time.Now()
				b.must(b.lab.Jump("spin30").Drop())
				b.wait(time.Minute)
				b.told(told, "1 new problem: spin30")

				began := time.Now()
				test.breaks(b.t, path)
				b.must(b.lab.Stream("pend00-st-video").Vanish())
				b.becomes("r-pend00", false, noticed+aStep)
				if test.fails != "" {
					b.loud(test.fails)
				} else {
					b.storeWell()
				}
				if said := b.logs(logrus.WarnLevel, "The database was deleted while in use. It has been written anew"); (said == 1) != (test.fails == "") {
					t.Errorf("the log says %d times that the database was deleted", said)
				}
				b.watch(2 * time.Minute)
				b.paceKept(began)
				if test.mends != nil {
					b.loud(test.fails)
					test.mends(b.t, path)
				}
				b.wait(2 * time.Minute)
				b.storeWell()
				b.told(began, "1 new problem: pend00")
				b.restart()
				b.told(began, "1 new problem: pend00")
				if got := b.state("spin30") + b.state("pend00"); got != "unhealthyunhealthy" {
					t.Errorf("states: %s", got)
				}
			})
		})
	}
}

// A disk on which each write takes long, however long: the loop keeps its pace,
// bookings are made and readers answered in time, and each change is told once, as
// soon as it is kept.
func TestStoreIsSlow(t *testing.T) {
	t.Parallel()
	for _, slow := range []time.Duration{300 * time.Millisecond, 2 * time.Second, 20 * time.Second} {
		t.Run(slow.String(), func(t *testing.T) {
			failing(t, func(b *bench, s *failingStore) {
				began := time.Now()
				s.order(storeFault{slow: slow})
				b.must(b.lab.Stream("pend00-st-video").Vanish())
				b.becomes("r-pend00", false, noticed+aStep)
				b.watch(2*slow + 2*time.Second) // what was being written first, and this
				b.told(began, "1 new problem: pend00")
				if fails := slow > time.Second; fails != (b.get("/readyz", nil) == http.StatusServiceUnavailable) || fails != strings.Contains(b.page(), "be written") {
					t.Errorf("it is said, or not said, that the store can't be written: %+v", b.storeReport())
				}
				b.must(b.lab.Stream("pend00-st-video").Return(), b.lab.Jump("spin30").Drop(), b.lab.Stream("trus05-st-video").Silence())
				b.becomes("r-pend00", true, 2*relayEvery+aStep)
				b.becomes("r-trus05", false, noticed+aStep)
				b.watch(3*slow + 30*time.Second) // jump may be missing for long before it is said
				b.paceKept(began)
				if n := b.writes(began); n != 3 {
					t.Errorf("book was written %d times, want 3", n)
				}
				b.onceTold(began)
				s.order(storeFault{})
				b.wait(slow + 10*time.Second)
				if r := b.storeReport(); !r.OK || r.Pending != 0 || r.LastError != "" {
					t.Errorf("the API says %+v though the disk is fast again", r)
				}
				b.restart()
				b.onceTold(began)
			})
		})
	}
}

// While a server runs, an older copy of its database is put in the place of the one
// it uses: that is said, the copy is brought up to date without a restart, and what
// was told is not told again, nor by the next server, though it was to be told when
// the copy was made.
func TestStoreFileReplaced(t *testing.T) {
	inLab(t, experiments("pend00", "spin30", "trus05"), inFile(t, nil), func(b *bench) {
		path := b.env["STATUS_STORE"]
		began := time.Now()
		b.must(b.lab.Service(lab.Mail).Stop(), b.lab.Jump("spin30").Drop())
		b.wait(time.Minute)
		copyOf(b.t, path, path+".copy")
		b.must(b.lab.Service(lab.Mail).Start(), b.lab.Stream("pend00-st-video").Vanish())
		b.becomes("r-pend00", false, noticed)
		b.watch(time.Minute)
		b.told(began, "1 new problem: spin30", "1 new problem: pend00")

		replaced := time.Now()
		b.must(os.Rename(path+".copy", path), b.lab.Stream("trus05-st-video").Silence())
		b.becomes("r-trus05", false, noticed+aStep)
		b.watch(2 * time.Minute)
		b.must(b.lab.Stream("pend00-st-video").Return())
		b.becomes("r-pend00", true, 2*relayEvery+aStep)
		b.watch(2 * time.Minute)
		b.paceKept(replaced)
		said := 0
		for _, e := range b.logged.AllEntries() {
			if e.Level <= logrus.WarnLevel && strings.Contains(e.Message, "everything is written anew") {
				said++
			}
		}
		if r := b.storeReport(); said != 1 || !r.OK || r.Pending != 0 || r.LastError != "" {
			t.Errorf("said %d times, and the API says %+v", said, r)
		}
		if code := b.get("/readyz", nil); code != http.StatusOK {
			t.Errorf("readyz is %d", code)
		}
		for range 2 {
			b.told(began, "1 new problem: spin30", "1 new problem: pend00", "1 new problem: trus05", "1 ok again")
			if got := b.state("pend00") + b.state("spin30") + b.state("trus05"); got != "healthyunhealthyunhealthy" {
				t.Errorf("states: %s", got)
			}
			b.restart()
		}
		if n := b.writes(began); n != 3 {
			t.Errorf("book was written %d times, want 3", n)
		}
	})
}

// copyOf copies a database in use as one should, through SQLite.
func copyOf(t *testing.T, path, to string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), `VACUUM INTO ?`, to)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// lockFor holds the database as a person's shell does in an open transaction.
func lockFor(d time.Duration) func(t *testing.T, path string) {
	return func(t *testing.T, path string) {
		t.Helper()
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		db.SetMaxOpenConns(1)
		if _, err := db.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(d)
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}()
	}
}

// A file that is no database at start: the server works from memory, and says so.
// Once it is taken away everything moves into a new one, without a restart, and
// after a restart nothing is told again.
func TestStoreUnusableAtStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, experiments("pend00"), inFile(t, nil))
		if err := os.WriteFile(b.env["STATUS_STORE"], bytes.Repeat([]byte("rubbish\n"), 4096), 0o600); err != nil {
			t.Fatal(err)
		}
		b.start()
		b.wait(settled)
		began := time.Now()
		b.must(b.lab.Stream("pend00-st-video").Vanish())
		b.becomes("r-pend00", false, noticed)
		b.watch(time.Minute)
		b.told(began, "1 new problem: pend00")
		if r := b.storeReport(); r.OK || !strings.Contains(r.LastError, "kept in memory only") {
			t.Errorf("the API says %+v", r)
		}
		b.must(os.Remove(b.env["STATUS_STORE"]))
		b.watch(time.Minute)
		if r := b.storeReport(); !r.OK || r.LastError != "" {
			t.Errorf("it can be opened now, and the API says %+v", r)
		}
		b.stop()
		b.start()
		b.watch(5 * time.Minute)
		b.told(began, "1 new problem: pend00")
		b.stop()
		b.close()
	})
}
