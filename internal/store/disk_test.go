//go:build linux

package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"labstatus/internal/health"
	"labstatus/internal/store"
)

// A disk that is really full: a small file system of the test's own, which
// scripts/disk-test.sh makes.
func TestRealFullDisk(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("STORE_TEST_SMALL_DISK")
	if dir == "" {
		t.Skip("STORE_TEST_SMALL_DISK names no directory")
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		t.Fatal(err)
	}
	if free := fs.Bavail * uint64(fs.Bsize); free > 16<<20 {
		t.Fatalf("STORE_TEST_SMALL_DISK=%s is no small file system: %d bytes would be filled", dir, free)
	}
	path := filepath.Join(dir, "full", "status.db")
	t.Cleanup(func() { os.RemoveAll(filepath.Dir(path)) })
	s, _ := filled(t, path)
	filler := filepath.Join(dir, "full", "filler")
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 512))
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	big := step(2)
	big.Mails[0].Raw = make([]byte, 60_000)
	for range 3 {
		if err := s.Commit(t.Context(), big); !errors.Is(err, store.ErrFull) {
			t.Fatal(err)
		}
		same(t, "readable meanwhile", MustKept(t, s).Records, []health.Record{record("pend00", 1)})
	}
	if err := os.Remove(path); err != nil { // even this
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), big); !errors.Is(err, store.ErrFull) {
		t.Fatal(err)
	}
	same(t, "readable meanwhile", MustKept(t, s).Records, []health.Record{record("pend00", 1)})
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	MustCommit(t, s, big)
	holds(t, s, 2)
}
