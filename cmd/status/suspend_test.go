//go:build unix

package main

import (
	"cmp"
	"os"
	"syscall"
	"testing"
	"time"
)

// suspendPause is how long TestSuspended stops the server for: 10m, say. It should be
// longer than suspendChecked.
const (
	suspendPause   = "SUSPEND_TEST_PAUSE"
	suspendChecked = 5 * time.Second
)

// A server that is stopped in the middle of everything, as with a machine that is
// suspended, and goes on later takes nobody else to be at fault for it. What happened
// meanwhile it tells once.
func TestSuspended(t *testing.T) {
	t.Parallel() // it mostly waits
	pause, err := time.ParseDuration(cmp.Or(os.Getenv(suspendPause), "7s"))
	if err != nil {
		t.Fatal(err)
	}
	s := newLive(t, map[string]string{"STATUS_HEALTH_LAST_CHECKED": suspendChecked.String()})
	defer s.close()
	s.start()
	s.healthy(3)
	stopped := time.NewTimer(pause)
	s.signal(syscall.SIGSTOP)
	if err := s.lab.Stream("pend00-st-video").Vanish(); err != nil {
		t.Fatal(err)
	}
	<-stopped.C
	s.signal(syscall.SIGCONT)
	s.mailed("1 new problem: pend00")
	s.healthy(2)
	if err := s.lab.Stream("pend00-st-video").Return(); err != nil {
		t.Fatal(err)
	}
	s.mailed("1 new problem: pend00", "1 ok again, none left: pend00")
	s.healthy(3)
	s.wrote("r-pend00 false", "r-pend00 true")
}
