//go:build unix

package main

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"labstatus/internal/lab"
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
	dir, err := os.MkdirTemp("", "suspend") // short: it has a socket in it
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	var experiments []lab.Experiment
	for _, stub := range []string{"pend00", "spin30", "trus05"} {
		experiments = append(experiments, lab.Experiment{Stub: stub, Streams: []lab.StreamSpec{{Name: "st-video", Period: 50 * time.Millisecond}}})
	}
	l, err := lab.New(lab.Options{
		Experiments: experiments, RelayStats: true, Seed: 1,
		RelayEvery: 200 * time.Millisecond, JumpEvery: 200 * time.Millisecond, Reconnect: 100 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer runLab(t, l)()
	socket, log := filepath.Join(dir, "s"), filepath.Join(dir, "log")
	env := l.Env()
	maps.Copy(env, map[string]string{
		"STATUS_LISTEN": "unix:" + socket, "STATUS_STORE": filepath.Join(dir, "status.db"),
		"STATUS_LOG_FILE": log, "STATUS_LOG_LEVEL": "info", "STATUS_LOG_FORMAT": "text",
		"STATUS_HEALTH_LAST_ACTIVE": "2s", "STATUS_HEALTH_LAST_CHECKED": suspendChecked.String(), "STATUS_HEALTH_STARTUP": "2s",
	})
	server := &exec.Cmd{Path: os.Args[0], Args: []string{"status", "serve"}, Env: os.Environ()}
	for name, value := range env {
		server.Env = append(server.Env, name+"="+value)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	signal := func(s os.Signal) {
		t.Helper()
		if err := server.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	defer func() {
		signal(syscall.SIGCONT) // in case the test ends early
		signal(os.Interrupt)
		if err := server.Wait(); err != nil {
			t.Error("the server's exit:", err)
		}
	}()
	until := func(what string, met func() (bool, string)) {
		t.Helper()
		look := time.NewTicker(50 * time.Millisecond)
		defer look.Stop()
		for began := time.Now(); ; <-look.C {
			ok, last := met()
			if ok {
				return
			}
			if time.Since(began) > 30*time.Second {
				text, err := os.ReadFile(log)
				t.Fatalf("waited for %s; the last was %s\n%s%v", what, last, text, err)
			}
		}
	}
	healthy := func(want int) {
		t.Helper()
		until(fmt.Sprint(want, " healthy"), func() (bool, string) {
			code, body := get(socket, "/api/v1/experiments")
			return code == http.StatusOK && strings.Count(body, `"state":"healthy"`) == want, body
		})
	}
	mails := func() (subjects []string) {
		for _, m := range l.Mails() {
			subjects = append(subjects, m.Subject)
		}
		return subjects
	}
	mailed := func(words ...string) {
		t.Helper()
		until(fmt.Sprintf("mails %q", words), func() (bool, string) {
			got := mails()
			return len(got) == len(words) && slices.EqualFunc(got, words, strings.Contains), fmt.Sprintf("%q", got)
		})
	}

	healthy(3)
	stopped := time.NewTimer(pause)
	signal(syscall.SIGSTOP)
	if err := l.Stream("pend00-st-video").Vanish(); err != nil {
		t.Fatal(err)
	}
	<-stopped.C
	signal(syscall.SIGCONT)
	mailed("1 new problem: pend00")
	healthy(2)
	if err := l.Stream("pend00-st-video").Return(); err != nil {
		t.Fatal(err)
	}
	mailed("1 new problem: pend00", "1 ok again, none left: pend00")
	healthy(3)
	var written []string
	for _, c := range l.Calls() {
		if c.Method == http.MethodPut {
			written = append(written, c.Resource+" "+c.Available)
		}
	}
	if got := strings.Join(written, ", "); got != "r-pend00 false, r-pend00 true" {
		t.Errorf("book was written %s", got)
	}
}
