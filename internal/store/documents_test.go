package store_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"labstatus/internal/health"
	"labstatus/internal/store"
)

func MustPut(tb testing.TB, s store.Store, kind, name, value string) {
	tb.Helper()
	if err := s.PutDocument(tb.Context(), kind, name, []byte(value)); err != nil {
		tb.Fatal(err)
	}
}

func MustDrop(tb testing.TB, s store.Store, kind, name string) {
	tb.Helper()
	if err := s.DropDocument(tb.Context(), kind, name); err != nil {
		tb.Fatal(err)
	}
}

func MustDocuments(tb testing.TB, s store.Store, kind string) map[string]string {
	tb.Helper()
	all, err := s.Documents(tb.Context(), kind)
	if err != nil || all == nil {
		tb.Fatal(all, err)
	}
	text := map[string]string{}
	for name, value := range all {
		text[name] = string(value)
	}
	return text
}

func TestDocuments(t *testing.T) {
	t.Parallel()
	eachStore(t, store.Options{}, func(t *testing.T, s store.Store) {
		none := map[string]string{}
		same(t, "empty", MustDocuments(t, s, "observer"), none)
		MustDrop(t, s, "observer", "never seen")
		same(t, "still empty", MustDocuments(t, s, "observer"), none)

		MustPut(t, s, "observer", "leeds", "1")
		MustPut(t, s, "observer", "york\x00\xff", "\x00\xff")
		MustPut(t, s, "observed", "leeds", "another kind's")
		MustPut(t, s, "observer", "leeds", strings.Repeat("2", 100_000))
		same(t, "two", MustDocuments(t, s, "observer"), map[string]string{"leeds": strings.Repeat("2", 100_000), "york\x00\xff": "\x00\xff"})
		same(t, "the other kind", MustDocuments(t, s, "observed"), map[string]string{"leeds": "another kind's"})
		same(t, "no kind", MustDocuments(t, s, ""), none)

		MustDrop(t, s, "observer", "leeds")
		MustDrop(t, s, "observer", "leeds")
		MustDrop(t, s, "", "")
		same(t, "one dropped", MustDocuments(t, s, "observer"), map[string]string{"york\x00\xff": "\x00\xff"})
		same(t, "not the other kind's", MustDocuments(t, s, "observed"), map[string]string{"leeds": "another kind's"})
		MustPut(t, s, "observer", "leeds", "3")
		same(t, "back again", MustDocuments(t, s, "observer"), map[string]string{"leeds": "3", "york\x00\xff": "\x00\xff"})

		// Commits, whole ones too, leave documents alone.
		MustCommit(t, s, store.Commit{At: t0, Whole: true, Records: []health.Record{record("pend00", 1)}})
		MustCommit(t, s, store.Commit{At: t0.Add(10_000 * time.Hour), Forgotten: []string{"leeds"}})
		same(t, "after commits", MustDocuments(t, s, "observer"), map[string]string{"leeds": "3", "york\x00\xff": "\x00\xff"})
	})
}

func TestDocumentsAreNotShared(t *testing.T) {
	t.Parallel()
	eachStore(t, store.Options{}, func(t *testing.T, s store.Store) {
		value := []byte("mine")
		if err := s.PutDocument(t.Context(), "observer", "leeds", value); err != nil {
			t.Fatal(err)
		}
		value[0] = 'X'
		for range 2 {
			all, err := s.Documents(t.Context(), "observer")
			if err != nil {
				t.Fatal(err)
			}
			same(t, "kept", all, map[string][]byte{"leeds": []byte("mine")})
			all["leeds"][0] = 'X'
			delete(all, "leeds")
		}
	})
}

func TestDocumentBounds(t *testing.T) {
	t.Parallel()
	huge := make([]byte, 32<<20+1)
	eachStore(t, store.Options{}, func(t *testing.T, s store.Store) {
		kind, name := strings.Repeat("k", 64), strings.Repeat("n", 256)
		MustPut(t, s, kind, name, "kept")
		for says, refused := range map[string]struct {
			kind, name string
			value      []byte
		}{
			"its kind is empty":                     {"", "n", []byte("x")},
			"its kind has 65 bytes: at most 64":     {kind + "k", "n", []byte("x")},
			"its name is empty":                     {"k", "", []byte("x")},
			"its name has 257 bytes: at most 256":   {"k", name + "n", []byte("x")},
			"its value is empty: drop the document": {kind, name, []byte{}},
			"its value has 33554433 bytes: at most": {kind, name, huge},
		} {
			err := s.PutDocument(t.Context(), refused.kind, refused.name, refused.value)
			if err == nil || !strings.Contains(err.Error(), says) || len(err.Error()) > 300 {
				t.Errorf("got %v, want %s", err, says)
			}
			if n := len(MustDocuments(t, s, refused.kind)); refused.kind != kind && n != 0 {
				t.Errorf("%s: %d kept", says, n)
			}
		}
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.PutDocument(canceled, kind, name, []byte("x")); !errors.Is(err, context.Canceled) {
			t.Errorf("canceled: %v", err)
		}
		if err := s.DropDocument(canceled, kind, name); !errors.Is(err, context.Canceled) {
			t.Errorf("canceled: %v", err)
		}
		same(t, "what was there", MustDocuments(t, s, kind), map[string]string{name: "kept"})
	})
}

// The largest that is taken comes back as it was. A file gets one of that size with
// STORE_TEST_DOCUMENT_MIB=32.
func TestLargestDocument(t *testing.T) {
	t.Parallel()
	value := make([]byte, 32<<20)
	copy(value[len(value)-3:], "end")
	for name, s := range map[string]store.Store{
		"memory": MustOpenMemory(t, store.Options{}),
		"sqlite": MustOpen(t, filepath.Join(t.TempDir(), "status.db"), store.Options{}),
	} {
		value := value
		if name == "sqlite" {
			value = value[len(value)-volume(t, "STORE_TEST_DOCUMENT_MIB", 4)<<20:]
		}
		if err := s.PutDocument(t.Context(), "observed", "all", value); err != nil {
			t.Fatal(name, err)
		}
		all, err := s.Documents(t.Context(), "observed")
		if err != nil || len(all) != 1 || !bytes.Equal(all["all"], value) {
			t.Errorf("%s: %d documents, one of %d bytes, %v", name, len(all), len(all["all"]), err)
		}
	}
}

func TestDocumentsOfAClosedStore(t *testing.T) {
	t.Parallel()
	eachStore(t, store.Options{}, func(t *testing.T, s store.Store) {
		MustPut(t, s, "observer", "leeds", "1")
		MustClose(t, s)
		_, err := s.Documents(t.Context(), "observer")
		for i, err := range []error{s.PutDocument(t.Context(), "observer", "leeds", []byte("2")), s.DropDocument(t.Context(), "observer", "leeds"), err} {
			if !errors.Is(err, store.ErrClosed) {
				t.Errorf("call %d: %v", i, err)
			}
		}
	})
}

func TestDocumentsAcrossRestarts(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "status.db")
	s := MustOpen(t, path, store.Options{})
	want := map[string]string{"leeds": "1", "york": strings.Repeat("2", 10_000)}
	for name, value := range want {
		MustPut(t, s, "observer", name, value)
	}
	MustPut(t, s, "observer", "gone", "3")
	MustDrop(t, s, "observer", "gone")

	// As after a crash: whatever was told to be kept is in the file or its log by now.
	crashed := filepath.Join(t.TempDir(), "status.db")
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(crashed+suffix, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	same(t, "after a crash", MustDocuments(t, MustOpen(t, crashed, store.Options{}), "observer"), want)

	MustClose(t, s)
	s = MustOpen(t, path, store.Options{})
	same(t, "after a stop", MustDocuments(t, s, "observer"), want)
	MustPut(t, s, "observer", "leeds", "4")
	MustClose(t, s)
	want["leeds"] = "4"
	same(t, "once more", MustDocuments(t, MustOpen(t, path, store.Options{}), "observer"), want)
}

func TestFirstVersionsFileTakesDocuments(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "status.db")
	store.MakeFirstVersion(t, path)
	s := MustOpen(t, path, store.Options{})
	same(t, "none yet", MustDocuments(t, s, "observer"), map[string]string{})
	MustPut(t, s, "observer", "leeds", "1")
	same(t, "one", MustDocuments(t, s, "observer"), map[string]string{"leeds": "1"})
}

// What was put or dropped while the file couldn't be opened is so in the file as well;
// what wasn't touched is as the earlier run has left it.
func TestLateJoinsDocuments(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "status.db")
	synctest.Test(t, func(t *testing.T) {
		earlier := MustOpen(t, path, store.Options{})
		for _, name := range []string{"untouched", "put", "dropped", "put and dropped", "dropped and put"} {
			MustPut(t, earlier, "observer", name, "earlier")
		}
		MustPut(t, earlier, "observed", "put", "another kind's")

		l := MustLate(t, store.LateOptions{Path: path})
		MustPut(t, l, "observer", "put", "now")
		MustDrop(t, l, "observer", "dropped")
		MustPut(t, l, "observer", "put and dropped", "now")
		MustDrop(t, l, "observer", "put and dropped")
		MustDrop(t, l, "observer", "dropped and put")
		MustPut(t, l, "observer", "dropped and put", "now")
		MustPut(t, l, "observer", "new", "now")
		MustPut(t, l, "observer", "gone", "now")
		MustDrop(t, l, "observer", "gone")
		nextTry(t, l)
		if err := l.Why(); !errors.Is(err, store.ErrServed) {
			t.Fatal(err)
		}
		same(t, "in memory", MustDocuments(t, l, "observer"), map[string]string{"put": "now", "dropped and put": "now", "new": "now"})
		same(t, "the other kind in memory", MustDocuments(t, l, "observed"), map[string]string{})

		MustClose(t, earlier)
		nextTry(t, l)
		if err := l.Why(); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"untouched": "earlier", "put": "now", "dropped and put": "now", "new": "now"}
		same(t, "in the file", MustDocuments(t, l, "observer"), want)
		same(t, "the other kind in the file", MustDocuments(t, l, "observed"), map[string]string{"put": "another kind's"})
		MustPut(t, l, "observer", "after", "then")
		MustDrop(t, l, "observer", "untouched")
		MustClose(t, l)

		delete(want, "untouched")
		want["after"] = "then"
		s := MustOpen(t, path, store.Options{})
		same(t, "after a restart", MustDocuments(t, s, "observer"), want)
		MustClose(t, s)
	})
}

// A move that fails in the middle leaves the file as it was, and everything in memory.
func TestLateMovesDocumentsWholly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "status.db")
	earlier := MustOpen(t, path, store.Options{})
	MustPut(t, earlier, "observer", "dropped", "earlier")
	MustClose(t, earlier)
	MustSQL(t, path, `CREATE TRIGGER full BEFORE INSERT ON records BEGIN SELECT raise(ABORT, 'no more, as ordered'); END`)
	synctest.Test(t, func(t *testing.T) {
		l := MustLate(t, store.LateOptions{Path: path})
		MustPut(t, l, "observer", "put", "now")
		MustDrop(t, l, "observer", "dropped")
		MustCommit(t, l, step(1))
		nextTry(t, l)
		if err := l.Why(); err == nil || !strings.Contains(err.Error(), "as ordered") {
			t.Fatal(err)
		}
		same(t, "in memory", MustDocuments(t, l, "observer"), map[string]string{"put": "now"})
		if n := MustCount(t, path, `SELECT count(*) FROM documents WHERE name = 'dropped'`); n != 1 {
			t.Errorf("%d left of what the file had", n)
		}
		MustSQL(t, path, `DROP TRIGGER full`)
		nextTry(t, l)
		if err := l.Why(); err != nil {
			t.Fatal(err)
		}
		same(t, "in the file", MustDocuments(t, l, "observer"), map[string]string{"put": "now"})
		MustClose(t, l)
	})
}

// Errors of the file say what to do, change nothing, and pass with their cause.
func TestDocumentErrorsPass(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		spoil func(*testing.T, *store.SQLite) (heal func())
		want  error
		says  string
		drops bool // dropping is an error too
	}{
		"disk full":       {fullDisk, store.ErrFull, "free some space", false},
		"a shell's lock":  {func(t *testing.T, s *store.SQLite) func() { return MustHold(t, s.Path()) }, store.ErrLocked, "stop the other process", true},
		"a lost database": {lostDirectory, store.ErrGone, "correct STATUS_STORE", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base := filepath.Join(t.TempDir(), "mount")
			if err := os.Mkdir(base, 0o700); err != nil {
				t.Fatal(err)
			}
			s, _ := filled(t, filepath.Join(base, "state", "status.db"))
			MustPut(t, s, "observer", "leeds", "1")
			heal := tc.spoil(t, s)
			err := s.PutDocument(t.Context(), "observer", "york", make([]byte, 1<<20))
			if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.says) || !strings.HasPrefix(err.Error(), "keep a document in "+s.Path()) {
				t.Fatal(err)
			}
			if tc.drops {
				if err := s.DropDocument(t.Context(), "observer", "leeds"); !errors.Is(err, tc.want) || !strings.HasPrefix(err.Error(), "drop a document in "+s.Path()) {
					t.Fatal(err)
				}
			}
			same(t, "as before", MustDocuments(t, s, "observer"), map[string]string{"leeds": "1"})
			heal()
			MustPut(t, s, "observer", "york", "2")
			MustDrop(t, s, "observer", "leeds")
			same(t, "in the end", MustDocuments(t, s, "observer"), map[string]string{"york": "2"})
			holds(t, s, 1)
		})
	}
}
