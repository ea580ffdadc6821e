package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"labstatus/internal/health"
	"labstatus/internal/store"
)

func TestFileIsKeptAcrossRestarts(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "made")
	path := filepath.Join(dir, "status #1?%20.db") // no character of a path means anything
	s := MustOpen(t, path, store.Options{})
	MustCommit(t, s, store.Commit{At: t0, Events: []health.Event{event("pend00", 1)}, Records: []health.Record{record("pend00", 1)}, Mails: []*health.Mail{mail("1@lab", t0, "a@x")}})
	for name, want := range map[string]os.FileMode{"": os.ModeDir | 0o700, "status #1?%20.db": 0o600, "status #1?%20.db-wal": 0o600, "status #1?%20.db-shm": 0o600, "status #1?%20.db.lock": 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode() != want {
			t.Errorf("%q: %v, %v, want %v", name, info.Mode(), err, want)
		}
	}
	MustClose(t, s)
	if _, err := os.Stat(path + "-wal"); err == nil {
		t.Error("a clean stop leaves the log behind")
	}

	s = MustOpen(t, path, store.Options{})
	same(t, "record", MustKept(t, s).Records, []health.Record{record("pend00", 1)})
	same(t, "events", MustEvents(t, s, "pend00"), []health.Event{event("pend00", 1)})
	same(t, "mail", MustDue(t, s, t0, 1), []health.Mail{*mail("1@lab", t0, "a@x")})
	MustCommit(t, s, store.Commit{At: t0, Events: []health.Event{event("pend00", 2)}})
	MustClose(t, s)

	// Fewer events are asked for: also of experiments that don't change.
	s = MustOpen(t, path, store.Options{EventsPerExperiment: 1})
	same(t, "events", MustEvents(t, s, "pend00"), []health.Event{event("pend00", 2)})
	if all := MustFind(t, s, store.EventQuery{}, 10); len(all) != 1 || all[0].ID != 2 {
		t.Errorf("all events: %+v", all)
	}
}

// A file of the first version is brought up to date, with what is in it.
func TestFirstVersionsFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "status.db")
	store.MakeFirstVersion(t, path)
	for n := 1; n <= 3; n++ {
		e := event("pend00", 4-n) // the clock was set back
		e.TunnelOK = nil
		streamOK, issues, err := store.EventText(&e)
		if err != nil {
			t.Fatal(err)
		}
		MustSQL(t, path, `INSERT INTO events (experiment, seq, at, healthy, jump_ok, stream_ok, issues) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			e.Experiment, n, store.Nanos(e.When), e.Healthy, e.JumpOK, streamOK, issues)
	}
	MustSQL(t, path, `INSERT INTO mails (mail_id, at, sender, subject, raw) VALUES ('1@lab', 1, '', '', x'')`)
	for n, fate := range []string{"sent", "failed", "sent", "queued"} {
		MustSQL(t, path, `INSERT INTO recipients (mail, position, address, fate, attempts, next, done, last_err) VALUES (1, ?1, ?1, ?2, 1, 0, 1, '')`, n, fate)
	}
	s := MustOpen(t, path, store.Options{})
	if queued, sent, failed, _, err := s.MailCounts(t.Context()); queued != 1 || sent != 2 || failed != 1 || err != nil {
		t.Errorf("%d queued, %d sent, %d failed, %v", queued, sent, failed, err)
	}
	want := []health.Event{event("pend00", 3), event("pend00", 2), event("pend00", 1)}
	want[0].TunnelOK = nil // that version knew of no tunnels
	same(t, "events", MustEvents(t, s, "pend00"), want)
	MustCommit(t, s, store.Commit{At: t0, Events: append(want, event("pend00", 4)), History: []health.StateChange{change("pend00", 1)}})
	same(t, "events, the same again and one more", MustEvents(t, s, "pend00"), append(want, event("pend00", 4)))
	if changes := MustHistory(t, s, "pend00", time.Time{}, time.Time{}); len(changes) != 1 {
		t.Errorf("history: %v", changes)
	}
}

func TestOpenThroughALink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	MustClose(t, MustOpen(t, filepath.Join(dir, "real.db"), store.Options{}))
	if err := os.Symlink("real.db", filepath.Join(dir, "status.db")); err != nil {
		t.Skip(err)
	}
	s := MustOpen(t, filepath.Join(dir, "status.db"), store.Options{})
	if want := filepath.Join(dir, "real.db"); !strings.HasSuffix(s.Path(), filepath.Base(want)) {
		t.Errorf("opened %s", s.Path())
	}
	if _, err := store.Open(t.Context(), filepath.Join(dir, "real.db"), store.Options{}); !errors.Is(err, store.ErrLocked) {
		t.Errorf("the same file by its other name: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	ours := func(t *testing.T, path string) { MustClose(t, MustOpen(t, path, store.Options{})) }
	for name, tc := range map[string]struct {
		prepare func(t *testing.T, path string)
		want    error
		says    string
	}{
		"no directory at all": {func(t *testing.T, path string) {
			if err := os.Remove(filepath.Dir(path)); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(filepath.Dir(filepath.Dir(path))); err != nil {
				t.Fatal(err)
			}
		}, store.ErrGone, "correct STATUS_STORE"},
		"a directory": {func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, store.ErrCorrupt, "it is a directory"},
		"below a file": {func(t *testing.T, path string) {
			if err := os.Remove(filepath.Dir(path)); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Dir(path), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, store.ErrGone, "writable"},
		"no database": {func(t *testing.T, path string) {
			if err := os.WriteFile(path, bytes.Repeat([]byte("to whom it may concern\n"), 500), 0o600); err != nil {
				t.Fatal(err)
			}
		}, store.ErrCorrupt, "move the file away"},
		"another program's": {func(t *testing.T, path string) {
			MustSQL(t, path, `CREATE TABLE dashboards (id INTEGER PRIMARY KEY)`)
		}, store.ErrForeign, "a file of this server's own"},
		"another program's with migrations": {func(t *testing.T, path string) {
			MustSQL(t, path, `CREATE TABLE schema_migrations (version INTEGER)`)
		}, store.ErrForeign, "a file of this server's own"},
		"a newer version's": {func(t *testing.T, path string) {
			ours(t, path)
			MustSQL(t, path, `INSERT INTO schema_migrations VALUES (99, '0099_much_later', 0)`)
			MustSQL(t, path, `PRAGMA journal_mode = DELETE`)
		}, store.ErrNewer, "schema 99"},
		"one in use": {func(t *testing.T, path string) { MustOpen(t, path, store.Options{}) }, store.ErrLocked, fmt.Sprintf("process %d", os.Getpid())},
		"a damaged one": {func(t *testing.T, path string) {
			ours(t, path)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for i := 100; i < len(b); i++ {
				b[i] ^= 0x5a
			}
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}, store.ErrCorrupt, "restore a backup"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a", "b", "status.db")
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			tc.prepare(t, path)
			before, _ := os.ReadFile(path) // some are no files
			s, err := store.Open(t.Context(), path, store.Options{})
			if err == nil {
				MustClose(t, s)
			}
			if !errors.Is(err, tc.want) {
				t.Fatalf("got %v, want %v", err, tc.want)
			}
			if text := err.Error(); !strings.Contains(text, tc.says) || !strings.Contains(text, path) || strings.Contains(text, "\n") {
				t.Errorf("should say %q and where: %s", tc.says, text)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
		})
	}
}

// As a service whose unit forgets StateDirectory=.
func TestOpenWithoutPermission(t *testing.T) {
	t.Parallel()
	if os.Getuid() == 0 {
		t.Skip("root may do everything")
	}
	dir := filepath.Join(t.TempDir(), "state")
	path := filepath.Join(dir, "status.db")
	MustClose(t, MustOpen(t, path, store.Options{}))
	refused := func(what string) {
		t.Helper()
		_, err := store.Open(t.Context(), path, store.Options{})
		if !errors.Is(err, store.ErrReadOnly) || !strings.Contains(err.Error(), "StateDirectory=") {
			t.Errorf("%s: %v", what, err)
		}
	}
	chmod := func(path string, mode os.FileMode) {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	chmod(path, 0o400)
	refused("a file that is read-only")
	chmod(path, 0)
	refused("a file that can't be read")
	chmod(path, 0o600)
	chmod(dir, 0o500)
	refused("a directory that is read-only")
	chmod(dir, 0)
	refused("a directory that can't be entered")
	chmod(dir, 0o700)
	MustClose(t, MustOpen(t, path, store.Options{}))
}

func TestOpenHeedsItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	path := filepath.Join(t.TempDir(), "status.db")
	if _, err := store.Open(ctx, path, store.Options{}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	MustOpen(t, path, store.Options{}) // it is not left locked
}

func TestUnreadableRowsAreLeftOut(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "status.db")
	s := MustOpen(t, path, store.Options{})
	MustCommit(t, s, store.Commit{At: t0, Records: []health.Record{record("a", 1), record("b", 1), record("c", 1)}, System: &health.SystemRecord{},
		Events: []health.Event{event("a", 1), event("a", 2), event("a", 3)}})
	MustSQL(t, path, `UPDATE records SET body = '{"name": "b", "since": "yesterday"}' WHERE name = 'b'; UPDATE system SET body = '[]';
		UPDATE records SET body = replace(body, '"name":"c"', '"name":"x"') WHERE name = 'c'; UPDATE events SET stream_ok = '{' WHERE seq = 2`)
	kept, warnings, err := s.Kept(t.Context())
	if err != nil || len(warnings) != 2 || !strings.Contains(warnings[0].Error(), "record of b") {
		t.Fatal(warnings, err)
	}
	same(t, "kept", kept, health.Kept{Records: []health.Record{record("a", 1), func() health.Record { r := record("c", 1); return r }()}})
	same(t, "events", MustEvents(t, s, "a"), []health.Event{event("a", 1), event("a", 3)})
	if all := MustFind(t, s, store.EventQuery{}, 2); len(all) != 2 {
		t.Errorf("all events: %+v", all)
	}
	MustCommit(t, s, store.Commit{At: t0, Records: []health.Record{record("b", 2)}, System: &health.SystemRecord{}})
	if n := len(MustKept(t, s).Records); n != 3 {
		t.Errorf("%d records once written again", n)
	}
}

// What was dropped makes room, on the disk too.
func TestFileShrinks(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "status.db")
	s := MustOpen(t, path, store.Options{KeepMail: time.Hour})
	for n := range 40 {
		m := mail(fmt.Sprint(n, "@lab"), t0, "a@x")
		m.Raw = make([]byte, 60_000)
		m.Recipients[0].Fate = health.Sent
		MustCommit(t, s, store.Commit{At: t0, Mails: []*health.Mail{m}})
	}
	MustClose(t, s)
	s = MustOpen(t, path, store.Options{KeepMail: time.Hour})
	full, err := os.Stat(path)
	if err != nil || full.Size() < 40*60_000 {
		t.Fatal(full, err)
	}
	MustCommit(t, s, store.Commit{At: t0.Add(2 * time.Hour), Records: []health.Record{record("a", 1)}})
	MustClose(t, s)
	if n := MustCount(t, path, `SELECT freelist_count FROM pragma_freelist_count`); n != 0 {
		t.Errorf("%d free pages in the file", n)
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() > 200_000 {
		t.Errorf("of %d bytes %d are left, %v", full.Size(), info.Size(), err)
	}
}
