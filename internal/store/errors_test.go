package store_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	lib "modernc.org/sqlite/lib"

	"labstatus/internal/health"
	"labstatus/internal/store"
)

// Errors of SQLite itself, provoked by settings on the writing connection. The
// same file goes on once the cause is over.
func TestRunningErrorsPass(t *testing.T) {
	t.Parallel()
	big := step(2)
	big.Mails[0].Raw = make([]byte, 1<<20)
	for name, tc := range map[string]struct {
		spoil string
		heal  string // empty: the store heals itself by opening the file again
		want  error
		says  string
	}{
		"disk full": {`PRAGMA max_page_count = 1`, `PRAGMA max_page_count = 1000000`, store.ErrFull, "free some space"},
		"read-only": {`PRAGMA query_only = 1`, ``, store.ErrReadOnly, "write access"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := filled(t, filepath.Join(t.TempDir(), "status.db"))
			if err := s.ExecWriter(t.Context(), tc.spoil); err != nil {
				t.Fatal(err)
			}
			err := s.Commit(t.Context(), big)
			if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.says) {
				t.Fatal(err)
			}
			same(t, "nothing of it was kept", MustKept(t, s).Records, []health.Record{record("pend00", 1)})
			if tc.heal != "" {
				if err := s.ExecWriter(t.Context(), tc.heal); err != nil {
					t.Fatal(err)
				}
			}
			MustCommit(t, s, big)
			holds(t, s, 2)
		})
	}
}

func TestLockedByAShell(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "status.db")
	s, _ := filled(t, path)
	release := MustHold(t, path)
	start := time.Now()
	if err := s.Commit(t.Context(), step(2)); !errors.Is(err, store.ErrLocked) {
		t.Fatal(err)
	}
	if waited := time.Since(start); waited > 10*time.Second {
		t.Errorf("waited for %v", waited)
	}
	same(t, "readable meanwhile", MustKept(t, s).Records, []health.Record{record("pend00", 1)})
	release()
	MustCommit(t, s, step(2))
	holds(t, s, 2)
}

func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "status.db")
	for code, want := range map[int]error{
		lib.SQLITE_FULL: store.ErrFull, lib.SQLITE_READONLY: store.ErrReadOnly, lib.SQLITE_READONLY_DIRECTORY: store.ErrReadOnly,
		lib.SQLITE_READONLY_DBMOVED: store.ErrGone, lib.SQLITE_BUSY: store.ErrLocked, lib.SQLITE_BUSY_SNAPSHOT: store.ErrLocked,
		lib.SQLITE_CORRUPT: store.ErrCorrupt, lib.SQLITE_NOTADB: store.ErrCorrupt, lib.SQLITE_CORRUPT_INDEX: store.ErrCorrupt,
		lib.SQLITE_IOERR_WRITE: store.ErrDisk, lib.SQLITE_IOERR_FSYNC: store.ErrDisk, lib.SQLITE_CANTOPEN: store.ErrGone,
		lib.SQLITE_ERROR: nil, lib.SQLITE_INTERRUPT: nil, lib.SQLITE_CONSTRAINT_UNIQUE: nil,
	} {
		if got := store.ClassifyCode(path, code); !errors.Is(got, want) {
			t.Errorf("code %d is %v, want %v", code, got, want)
		}
	}
	for _, err := range []error{store.ErrFull, store.ErrReadOnly, store.ErrLocked, store.ErrCorrupt, store.ErrGone, store.ErrDisk} {
		if got := store.Explain("commit to", path, err); !errors.Is(got, err) || !strings.HasPrefix(got.Error(), "commit to "+path+": ") {
			t.Errorf("%v", got)
		}
	}
	if store.Explain("commit to", path, nil) != nil {
		t.Error("no error explained")
	}
}
