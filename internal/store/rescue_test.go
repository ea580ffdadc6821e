package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"labstatus/internal/health"
	"labstatus/internal/store"
)

// filled opens a store at path with one of everything, number 1.
func filled(t *testing.T, path string) (*store.SQLite, *logtest.Hook) {
	t.Helper()
	log, hook := logtest.NewNullLogger()
	s := MustOpen(t, path, store.Options{Log: log})
	MustCommit(t, s, step(1))
	return s, hook
}

func step(n int) store.Commit {
	return store.Commit{At: t0, Events: []health.Event{event("pend00", n)}, Records: []health.Record{record("pend00", n)},
		Mails: []*health.Mail{mail(string(rune('a'+n))+"@lab", t0, "a@x")}}
}

// holds fails unless the store, and the file once closed, hold the steps 1 to n.
func holds(t *testing.T, s *store.SQLite, n int) {
	t.Helper()
	check := func(s store.Store) {
		t.Helper()
		same(t, "record", MustKept(t, s).Records, []health.Record{record("pend00", n)})
		if events, mails := len(MustEvents(t, s, "pend00")), len(MustDue(t, s, t0, 100)); events != n || mails != n {
			t.Errorf("%d events and %d mails, want %d", events, mails, n)
		}
	}
	check(s)
	MustClose(t, s)
	check(MustOpen(t, s.Path(), store.Options{}))
	if n := MustCounts(t, s.Path(), faults, `SELECT auto_vacuum FROM pragma_auto_vacuum`); n[0] != 0 || n[1] != 2 {
		t.Errorf("%d faults in the file, auto_vacuum is %d", n[0], n[1])
	}
	for _, left := range []string{".rescue", ".rescue-journal", ".rescue-wal"} {
		if _, err := os.Stat(s.Path() + left); err == nil {
			t.Errorf("%s is left behind", left)
		}
	}
}

func warned(t *testing.T, hook *logtest.Hook, text string) {
	t.Helper()
	for _, e := range hook.AllEntries() {
		if e.Level == logrus.WarnLevel && strings.Contains(e.Message, text) {
			return
		}
	}
	t.Errorf("nobody is told %q: %v", text, hook.AllEntries())
}

func TestDeletedFileIsWrittenAnew(t *testing.T) {
	t.Parallel()
	for name, remove := range map[string]func(path string) error{
		"the database alone": os.Remove,
		"with log":           func(path string) error { return errors.Join(os.Remove(path), os.Remove(path+"-wal")) },
		"with log and its index": func(path string) error {
			return errors.Join(os.Remove(path), os.Remove(path+"-wal"), os.Remove(path+"-shm"))
		},
		"with the lock":             func(path string) error { return errors.Join(os.Remove(path), os.Remove(path+".lock")) },
		"the lock alone":            func(path string) error { return os.Remove(path + ".lock") },
		"the directory":             func(path string) error { return os.RemoveAll(filepath.Dir(path)) },
		"by renaming":               func(path string) error { return os.Rename(path, path+".old") },
		"by renaming the directory": func(path string) error { return os.Rename(filepath.Dir(path), filepath.Dir(path)+".old") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "state", "status.db")
			s, hook := filled(t, path)
			if err := remove(path); err != nil {
				t.Fatal(err)
			}
			same(t, "still readable", MustKept(t, s).Records, []health.Record{record("pend00", 1)})
			MustCommit(t, s, step(2))
			if name != "the lock alone" {
				warned(t, hook, "nothing is lost")
			}
			if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
				t.Errorf("file: %v, %v", info, err)
			}
			if _, err := store.Open(t.Context(), path, store.Options{}); !errors.Is(err, store.ErrLocked) {
				t.Errorf("another server gets in: %v", err)
			}
			MustCommit(t, s, step(3))
			holds(t, s, 3)
		})
	}
}

func TestEveryWriteNoticesADeletedFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "status.db")
	s, _ := filled(t, path)
	for _, call := range []func() error{
		func() error { return s.Alive(t.Context(), t0) },
		func() error {
			return s.MarkMail(t.Context(), "b@lab", []health.Recipient{{Address: "a@x", Fate: health.Queued, Attempts: 1}})
		},
	} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := call(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	MustCommit(t, s, step(2))
	if due := MustDue(t, s, t0, 10); due[0].Recipients[0].Attempts != 1 {
		t.Errorf("the mark is lost: %+v", due)
	}
	holds(t, s, 2)
}

// While there is no place to write to, every write says so, reads go on, and
// nothing needs a restart.
func TestDirectoryGoneForAWhile(t *testing.T) {
	t.Parallel()
	base := filepath.Join(t.TempDir(), "mount")
	path := filepath.Join(base, "state", "status.db")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	s, _ := filled(t, path)
	if err := os.RemoveAll(base); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		for _, err := range []error{s.Commit(t.Context(), step(2)), s.Alive(t.Context(), t0)} {
			if !errors.Is(err, store.ErrGone) || !strings.Contains(err.Error(), "correct STATUS_STORE") {
				t.Fatal(err)
			}
		}
		same(t, "still readable", MustKept(t, s).Records, []health.Record{record("pend00", 1)})
	}
	// Something else in the way, then the disk is back.
	if err := os.Mkdir(base, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Dir(path), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), step(2)); !errors.Is(err, store.ErrGone) {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	MustCommit(t, s, step(2))
	holds(t, s, 2)
}

func TestReplacedFileIsTakenUp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	backup, path := filepath.Join(dir, "backup.db"), filepath.Join(dir, "status.db")
	b, _ := filled(t, backup)
	MustCommit(t, b, step(2))
	MustClose(t, b)

	s, hook := filled(t, path)
	for n := 2; n < 20; n++ { // its log must not end up in the backup
		MustCommit(t, s, step(n))
	}
	if err := os.Rename(backup, path); err != nil {
		t.Fatal(err)
	}
	mendedByAWhole(t, s, step(3))
	warned(t, hook, "replaced by another file")
	holds(t, s, 3)
}

// mendedByAWhole fails unless the store refuses a commit until it gets a whole one.
func mendedByAWhole(t *testing.T, s *store.SQLite, c store.Commit) {
	t.Helper()
	for range 2 {
		if err := s.Commit(t.Context(), c); !errors.Is(err, store.ErrReplaced) {
			t.Fatalf("a commit that isn't whole: %v", err)
		}
		MustAlive(t, s, t0) // other writes go on
	}
	c.Whole = true
	MustCommit(t, s, c)
	MustCommit(t, s, store.Commit{At: c.At, Records: c.Records})
}

func TestReplacedByRubbish(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "status.db")
	s, _ := filled(t, path)
	rubbish := filepath.Join(dir, "rubbish")
	if err := os.WriteFile(rubbish, []byte(strings.Repeat("rubbish\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(rubbish, path); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Commit(t.Context(), step(2)); !errors.Is(err, store.ErrCorrupt) {
			t.Fatal(err)
		}
		if _, err := s.Events(t.Context(), "pend00"); !errors.Is(err, store.ErrGone) {
			t.Errorf("read from nothing: %v", err)
		}
	}
	// The rubbish is taken away: what was in the old file is gone by now.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	mendedByAWhole(t, s, step(1))
	holds(t, s, 1)
}

// The right file comes back after the wrong one was tried.
func TestReplacedAndPutBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "status.db")
	s, hook := filled(t, path)
	if err := os.Rename(path, path+".kept"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := s.Commit(t.Context(), step(2)); !errors.Is(err, store.ErrCorrupt) {
			t.Fatal(err)
		}
	}
	if n := len(hook.AllEntries()); n != 0 {
		t.Errorf("%d lines logged beside the errors returned", n)
	}
	if err := errors.Join(os.Remove(path), os.Rename(path+".kept", path)); err != nil {
		t.Fatal(err)
	}
	MustCommit(t, s, step(2))
	if n := len(hook.AllEntries()); n != 1 {
		t.Errorf("%d lines logged, want one", n)
	}
	holds(t, s, 2)
}
