//go:build linux

package main

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// diskMount names, in the environment, a small file system of the test's own, which it
// may fill and mount anew: scripts/disk-test.sh makes one.
const diskMount = "DISK_TEST_MOUNT"

func smallDisk(t *testing.T) string {
	t.Helper()
	dir := os.Getenv(diskMount)
	if dir == "" {
		t.Skip(diskMount + " names no directory: see scripts/disk-test.sh")
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		t.Fatal(err)
	}
	const tmpfs, most = 0x01021994, 16 << 20
	if size := fs.Blocks * uint64(fs.Bsize); fs.Type != tmpfs || size > most {
		t.Fatalf("%s=%s is no tmpfs of at most %d bytes: it would be filled", diskMount, dir, most)
	}
	return dir
}

// notTwice restarts the server and lets what is wrong with pend00 be over: that is the
// only news.
func (s *live) notTwice() {
	s.t.Helper()
	s.stop()
	s.start()
	s.answers("/api/v1/experiments/pend00", 200, `"state":"unhealthy"`) // its grace is over
	if err := s.lab.Stream("pend00-st-video").Return(); err != nil {
		s.t.Fatal(err)
	}
	s.healthy(3)
	s.mailed("1 new problem: pend00", "1 ok again, none left: pend00")
	s.wrote("r-pend00 false", "r-pend00 true")
}

// A disk that is full while the server runs: watching and booking go on, and it is said.
// When there is room again people are told, once.
func TestDiskIsFull(t *testing.T) {
	dir := smallDisk(t)
	s := newLive(t, map[string]string{"STATUS_STORE": filepath.Join(dir, "small.db")})
	defer s.close()
	s.start()
	s.healthy(3)
	filler, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(filler.Name())
	for err == nil {
		_, err = filler.Write(make([]byte, 512))
	}
	if closing := filler.Close(); !errors.Is(err, syscall.ENOSPC) || closing != nil {
		t.Fatal(err, closing)
	}

	if err := s.lab.Stream("pend00-st-video").Vanish(); err != nil {
		t.Fatal(err)
	}
	s.healthy(2)
	s.wrote("r-pend00 false")
	s.answers("/readyz", 503, "the store can't be written: ")
	s.answers("/api/v1/system", 200, "no space left")
	s.answers("/healthz", 200, "")
	s.unmailed(3 * time.Second) // what can't be kept is not sent: after a crash it would be sent again

	if err := os.Remove(filler.Name()); err != nil {
		t.Fatal(err)
	}
	s.mailed("1 new problem: pend00")
	s.answers("/readyz", 200, "")
	s.logs("the store can be written again, nothing is owed to it")
	s.notTwice()
}

// A disk that can't be written when the server starts: it watches, writes to book and
// tells, and moves into its file once it can.
func TestDiskIsReadOnly(t *testing.T) {
	dir := smallDisk(t)
	mount := func(flags uintptr) {
		t.Helper()
		if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	mount(syscall.MS_RDONLY)
	defer mount(0)
	s := newLive(t, map[string]string{"STATUS_STORE": filepath.Join(dir, "small.db")})
	defer s.close()
	s.start()
	s.healthy(3)
	s.logs("read-only file system")
	s.answers("/readyz", 503, "read-only file system")
	if err := s.lab.Stream("pend00-st-video").Vanish(); err != nil {
		t.Fatal(err)
	}
	s.mailed("1 new problem: pend00")
	s.wrote("r-pend00 false")

	mount(0)
	s.patience = 100 * time.Second // the file is tried again within a minute and a quarter
	s.answers("/readyz", 200, "")
	s.patience = usualPatience
	s.mailed("1 new problem: pend00")
	s.notTwice()
}
