package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	logtest "github.com/sirupsen/logrus/hooks/test"

	"labstatus/internal/store"
)

func fullDisk(t *testing.T, s *store.SQLite) (heal func()) {
	t.Helper()
	limit := func(pages int) {
		if err := s.ExecWriter(t.Context(), fmt.Sprintf(`PRAGMA max_page_count = %d`, pages)); err != nil {
			t.Fatal(err)
		}
	}
	limit(1)
	return func() { limit(1_000_000) }
}

// lostDirectory takes away the two directories above a store's file.
func lostDirectory(t *testing.T, s *store.SQLite) (heal func()) {
	t.Helper()
	base := filepath.Dir(filepath.Dir(s.Path()))
	if err := os.RemoveAll(base); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Mkdir(base, 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDocumentsOfADeletedFile(t *testing.T) {
	t.Parallel()
	s, logged := filled(t, filepath.Join(t.TempDir(), "status.db"))
	MustPut(t, s, "observer", "leeds", "1")
	if err := os.Remove(s.Path()); err != nil {
		t.Fatal(err)
	}
	same(t, "readable still", MustDocuments(t, s, "observer"), map[string]string{"leeds": "1"})
	MustPut(t, s, "observer", "york", "2")
	warned(t, logged, "nothing is lost")
	same(t, "both", MustDocuments(t, s, "observer"), map[string]string{"leeds": "1", "york": "2"})
	if err := os.Remove(s.Path()); err != nil {
		t.Fatal(err)
	}
	MustDrop(t, s, "observer", "leeds")
	same(t, "one dropped", MustDocuments(t, s, "observer"), map[string]string{"york": "2"})
	holds(t, s, 1)
}

// A deleted database that is damaged too can't be written anew as a whole. Everything
// else comes anew with a whole commit; documents come back as far as they can be read.
func TestDocumentsOfADamagedFile(t *testing.T) {
	t.Parallel()
	all := map[string]string{"first": "1", "large": strings.Repeat("L", 30_000), "york": strings.Repeat("2", 10_000)}
	for name, tc := range map[string]struct {
		more func(t *testing.T, path string)
		lost []string
	}{
		"the outbox": {func(*testing.T, string) {}, nil},
		"the outbox and one of them": {func(t *testing.T, path string) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			size := MustCount(t, path, `SELECT page_size FROM pragma_page_size`)
			for at := int64(0); at < int64(len(b)); at += size {
				if page := b[at : at+size]; bytes.Count(page, []byte("L")) == int(size)-4 { // all but the number of the page that follows
					overwrite(t, path, at, []byte{0x00, 0xff, 0xff, 0xff})
					return
				}
			}
			t.Fatal("no page of the large one is found")
		}, []string{"large"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "status.db")
			s, _ := filled(t, path)
			for name, value := range all {
				MustPut(t, s, "observer", name, value)
			}
			MustClose(t, s)
			size := MustCount(t, path, `SELECT page_size FROM pragma_page_size`)
			page := MustCount(t, path, `SELECT rootpage FROM sqlite_schema WHERE name = 'mails'`)
			tc.more(t, path)
			overwrite(t, path, (page-1)*size, bytes.Repeat([]byte{0xff}, int(size)))

			log, logged := logtest.NewNullLogger()
			s = MustOpen(t, path, store.Options{Log: log})
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			MustPut(t, s, "observed", "all", "3")
			warned(t, logged, "can't be read any more")
			warned(t, logged, "could not be kept")
			want := maps.Clone(all)
			for _, name := range tc.lost {
				delete(want, name)
			}
			same(t, "kept", MustDocuments(t, s, "observer"), want)
			same(t, "put since", MustDocuments(t, s, "observed"), map[string]string{"all": "3"})
			mendedByAWhole(t, s, step(1))
			holds(t, s, 1)
		})
	}
}

// overwrite writes into a file from outside.
func overwrite(t *testing.T, path string, at int64, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(b, at)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// A backup that is put in the file's place brings its own documents; what is put then
// is put there, without waiting for a whole commit.
func TestDocumentsOfABackup(t *testing.T) {
	t.Parallel()
	for name, restore := range map[string]func(t *testing.T, path, backup string){"by SQLite": restoreInto, "moved there": moveOver} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "status.db")
			s, _ := filled(t, path)
			for _, name := range []string{"stands", "put", "dropped"} {
				MustPut(t, s, "observer", name, "backed up")
			}
			MustClose(t, s)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			backup := path + ".backup"
			if err := os.WriteFile(backup, b, 0o600); err != nil {
				t.Fatal(err)
			}
			s = MustOpen(t, path, store.Options{})
			for _, name := range []string{"stands", "put", "dropped", "new"} {
				MustPut(t, s, "observer", name, "since")
			}
			restore(t, path, backup)
			MustPut(t, s, "observer", "put", "then")
			MustDrop(t, s, "observer", "dropped")
			want := map[string]string{"stands": "backed up", "put": "then"}
			same(t, "joined", MustDocuments(t, s, "observer"), want)
			mendedByAWhole(t, s, step(1))
			same(t, "after a whole commit", MustDocuments(t, s, "observer"), want)
			holds(t, s, 1)
		})
	}
}

// A backup from before there were documents is brought up to date as soon as one is to
// be kept.
func TestDocumentsIntoAnOlderVersionsBackup(t *testing.T) {
	t.Parallel()
	s, _ := filled(t, filepath.Join(t.TempDir(), "status.db"))
	MustPut(t, s, "observer", "leeds", "1")
	old := filepath.Join(t.TempDir(), "old.db")
	store.MakeFirstVersion(t, old)
	restoreInto(t, s.Path(), old)
	if err := s.PutDocument(t.Context(), "observer", "york", []byte("2")); err != nil { // that is how it shows
		MustPut(t, s, "observer", "york", "2")
	}
	same(t, "kept", MustDocuments(t, s, "observer"), map[string]string{"york": "2"})
	mendedByAWhole(t, s, step(1))
	same(t, "after a whole commit", MustDocuments(t, s, "observer"), map[string]string{"york": "2"})
	soundAfter(t, s, 1)
}
