package store_test

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	logtest "github.com/sirupsen/logrus/hooks/test"
	"modernc.org/sqlite"

	"labstatus/internal/health"
	"labstatus/internal/store"
)

// restoreInto restores a backup into a database that is in use, as sqlite3's .restore
// does.
func restoreInto(t *testing.T, path, backup string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = conn.Raw(func(c any) error {
		restore, err := c.(interface {
			NewRestore(from string) (*sqlite.Backup, error)
		}).NewRestore(backup)
		if err != nil {
			return err
		}
		_, err = restore.Step(-1)
		return errors.Join(err, restore.Finish())
	})
	if err != nil {
		t.Fatal(err)
	}
}

// copyOver writes a backup over a database that is in use, as cp does.
func copyOver(t *testing.T, path, backup string) {
	t.Helper()
	from, err := os.Open(backup)
	if err != nil {
		t.Fatal(err)
	}
	to, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(to, from)
	if err := errors.Join(err, from.Close(), to.Close()); err != nil {
		t.Fatal(err)
	}
}

func moveOver(t *testing.T, path, backup string) {
	t.Helper()
	if err := os.Rename(backup, path); err != nil {
		t.Fatal(err)
	}
}

// stepOne makes the database that all backups are of, once for all tests.
var stepOne = sync.OnceValues(func() (b []byte, err error) {
	dir, err := os.MkdirTemp("", "stepone")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	ctx, path := context.Background(), filepath.Join(dir, "status.db")
	s, err := store.Open(ctx, path, store.Options{EventsPerExperiment: 5})
	if err != nil {
		return nil, err
	}
	left := store.Commit{At: t0, Records: []health.Record{record("left", 1)}, History: []health.StateChange{change("left", 1)}}
	if err := errors.Join(s.Commit(ctx, wholeStep(1)), s.Commit(ctx, left), s.Alive(ctx, t0), s.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// aWhile is how many steps backedUp makes where the log is to be written back on the
// way and begun anew, several times.
const aWhile = 16

// backedUp opens a store that holds step 1 and more, with a backup of it beside it,
// and goes on to the given step. The log still holds all that has come since the
// backup, unless that is aWhile ago.
func backedUp(t *testing.T, steps int) (s *store.SQLite, backup string, logged *logtest.Hook) {
	t.Helper()
	log, logged := logtest.NewNullLogger()
	o := store.Options{EventsPerExperiment: 5, Log: log}
	path := filepath.Join(t.TempDir(), "status.db")
	b, err := stepOne()
	if err != nil {
		t.Fatal(err)
	}
	backup = path + ".backup"
	if err := errors.Join(os.WriteFile(path, b, 0o600), os.WriteFile(backup, b, 0o600)); err != nil {
		t.Fatal(err)
	}
	s = MustOpen(t, path, o)
	if steps >= aWhile {
		// After a thousand pages, as usual, it would take some hundred steps. The mail
		// has the file grow by some pages that the log doesn't hold at the end, and by so few
		// that SQLite doesn't take the backup for a file that is cut off.
		if err := s.ExecWriter(t.Context(), `PRAGMA wal_autocheckpoint = 40`); err != nil {
			t.Fatal(err)
		}
		long := mail("long", t0, "a@x")
		long.Raw, long.Recipients[0].Fate = make([]byte, 50000), health.Sent
		MustCommit(t, s, store.Commit{At: t0, Mails: []*health.Mail{long}})
	}
	MustAlive(t, s, hours(1))
	for n := 2; n <= steps; n++ {
		MustCommit(t, s, wholeStep(n))
	}
	MustCommit(t, s, store.Commit{At: t0, Forgotten: []string{"left"}})
	return s, backup, logged
}

// soundAfter fails unless the file of a store, once closed, is sound and has as many
// records.
func soundAfter(t *testing.T, s *store.SQLite, records int) {
	t.Helper()
	MustClose(t, s)
	if n := MustCounts(t, s.Path(), faults, `SELECT count(*) FROM records`); n[0] != 0 || n[1] != int64(records) {
		t.Errorf("%d faults in the file and %d records, want %d", n[0], n[1], records)
	}
	left, err := filepath.Glob(s.Path() + ".rescue*")
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A backup that is restored while the server runs is noticed at the next write,
// whatever it is done with, and all is well after a whole commit.
func TestOlderContentsAreNoticed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		restore func(t *testing.T, path, backup string)
		steps   int // to the restoration
		says    string
	}{
		"restored by SQLite at once":         {restoreInto, 2, "contents were replaced"},
		"restored by SQLite after a while":   {restoreInto, aWhile, "contents were replaced"},
		"moved there at once":                {moveOver, 2, "replaced by another file"},
		"moved there after a while":          {moveOver, aWhile, "replaced by another file"},
		"copied over the file after a while": {copyOver, aWhile, "overwritten with another one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, backup, logged := backedUp(t, test.steps)
			test.restore(t, s.Path(), backup)

			next := test.steps + 1
			MustAlive(t, s, hours(1).Add(time.Minute)) // other writes just go on with what is there
			for range 2 {
				if err := s.Commit(t.Context(), wholeStep(next)); !errors.Is(err, store.ErrReplaced) {
					t.Fatalf("a commit that isn't whole: %v", err)
				}
				if n := len(MustKept(t, s).Records); n != wholeExperiments+1 {
					t.Errorf("%d records, want those of the backup", n)
				}
			}
			warned(t, logged, test.says)
			if n := len(logged.AllEntries()); n != 1 {
				t.Errorf("said %d times", n)
			}
			whole := wholeStep(next)
			whole.Whole = true
			MustCommit(t, s, whole)
			same(t, "records", MustKept(t, s).Records, whole.Records)
			same(t, "newest change", MustHistory(t, s, "pend00", whole.At, time.Time{}), []health.StateChange{change("pend00", next)})
			if got := say(MustHistory(t, s, "left", whole.At.Add(-time.Nanosecond), time.Time{})); got == "" {
				t.Error("the history of what was forgotten since has no end")
			}
			same(t, "spans", MustWatched(t, s, hours(0), hours(2)), []store.Span{{From: hours(1), To: hours(1).Add(time.Minute)}})
			MustCommit(t, s, wholeStep(next+1)) // as ever
			soundAfter(t, s, wholeExperiments)
		})
	}
}

// A backup that is copied over a file whose log still holds all that has come since
// restores nothing, and harms nothing.
func TestCopiedOverAndMadeUpFor(t *testing.T) {
	t.Parallel()
	s, backup, logged := backedUp(t, 4)
	copyOver(t, s.Path(), backup)
	MustCommit(t, s, wholeStep(5))
	if n := wholeStepOf(t, s); n != 5 {
		t.Errorf("at step %d", n)
	}
	if n := len(logged.AllEntries()); n != 0 {
		t.Errorf("%d lines logged: %v", n, logged.LastEntry())
	}
	soundAfter(t, s, wholeExperiments)
}

// What a person's shell does to the file is no replacement, nor is touching it.
func TestAPersonsShellIsNoReplacement(t *testing.T) {
	t.Parallel()
	for name, meddle := range map[string]func(t *testing.T, path string){
		"writing":       func(t *testing.T, path string) { MustSQL(t, path, `UPDATE mails SET subject = 'x'`) },
		"checkpointing": func(t *testing.T, path string) { MustSQL(t, path, `PRAGMA wal_checkpoint(TRUNCATE)`) },
		"vacuuming":     func(t *testing.T, path string) { MustSQL(t, path, `VACUUM; PRAGMA wal_checkpoint`) },
		"touching": func(t *testing.T, path string) {
			if err := os.Chtimes(path, t0, t0); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _, logged := backedUp(t, 4)
			for n := 5; n < 8; n++ {
				meddle(t, s.Path())
				MustCommit(t, s, wholeStep(n))
				if got := MustKept(t, s).Records[0].Events; got != n {
					t.Errorf("at step %d, want %d", got, n)
				}
			}
			if n := len(logged.AllEntries()); n != 0 {
				t.Errorf("%d lines logged: %v", n, logged.LastEntry())
			}
			soundAfter(t, s, wholeExperiments)
		})
	}
}

// Overwritten with what is no database, the file is no use, and that is said until
// somebody mends it.
func TestOverwrittenWithRubbish(t *testing.T) {
	t.Parallel()
	s, backup, _ := backedUp(t, aWhile)
	rubbish := filepath.Join(filepath.Dir(s.Path()), "rubbish")
	if err := os.WriteFile(rubbish, []byte(strings.Repeat("rubbish\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	copyOver(t, s.Path(), rubbish)
	for range 3 {
		if err := s.Commit(t.Context(), wholeStep(aWhile+1)); !errors.Is(err, store.ErrCorrupt) || !strings.Contains(err.Error(), "restore a backup") {
			t.Fatal(err)
		}
	}
	copyOver(t, s.Path(), backup)
	if err := s.Commit(t.Context(), wholeStep(aWhile+1)); !errors.Is(err, store.ErrReplaced) {
		t.Fatal(err)
	}
	whole := wholeStep(aWhile + 1)
	whole.Whole = true
	MustCommit(t, s, whole)
	soundAfter(t, s, wholeExperiments)
}

// A backup of an older version's database is brought up to date on the way.
func TestOlderVersionsContentsAreNoticed(t *testing.T) {
	t.Parallel()
	for name, restore := range map[string]func(t *testing.T, path, backup string){"by SQLite": restoreInto, "moved there": moveOver} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _, logged := backedUp(t, 4)
			old := filepath.Join(t.TempDir(), "old.db")
			store.MakeFirstVersion(t, old)
			MustSQL(t, old, `INSERT INTO records VALUES ('ancient', 0, '{"name":"ancient"}')`)
			restore(t, s.Path(), old)
			var err error
			for range 3 {
				if err = s.Commit(t.Context(), wholeStep(5)); errors.Is(err, store.ErrReplaced) {
					break
				}
			}
			if !errors.Is(err, store.ErrReplaced) {
				t.Fatal(err)
			}
			if kept := MustKept(t, s).Records; len(kept) != 1 || kept[0].Name != "ancient" {
				t.Errorf("kept %+v", kept)
			}
			if n := len(logged.AllEntries()); n != 1 {
				t.Errorf("said %d times", n)
			}
			whole := wholeStep(5)
			whole.Whole = true
			MustCommit(t, s, whole)
			MustCommit(t, s, wholeStep(6))
			soundAfter(t, s, wholeExperiments)
		})
	}
}
