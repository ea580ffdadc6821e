//go:build unix

package main

import (
	"errors"
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

// live is a server as systemd runs it, a process with its store in a file, beside a
// laboratory, of three experiments as a rule, all in real time.
type live struct {
	t      *testing.T
	lab    *lab.Lab
	endLab func()
	dir    string // of the socket and the log
	env    []string
	server *exec.Cmd // nil while none runs
	// patience is how long it is waited for anything.
	patience time.Duration
}

const usualPatience = 30 * time.Second

// newLive starts the laboratory. Settings are added to the usual ones.
func newLive(t *testing.T, settings map[string]string) *live {
	t.Helper()
	return newLiveOf(t, []string{"pend00", "spin30", "trus05"}, 200*time.Millisecond, settings)
}

// newLiveOf is for other experiments than the usual, and other times between frames.
func newLiveOf(t *testing.T, stubs []string, every time.Duration, settings map[string]string) *live {
	t.Helper()
	var experiments []lab.Experiment
	for _, stub := range stubs {
		experiments = append(experiments, lab.Experiment{Stub: stub, Streams: []lab.StreamSpec{{Name: "st-video", Period: 50 * time.Millisecond}}})
	}
	l, err := lab.New(lab.Options{
		Experiments: experiments, RelayStats: true, Seed: 1,
		RelayEvery: every, JumpEvery: every, Reconnect: 100 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "live") // short: it has a socket in it
	if err != nil {
		t.Fatal(err)
	}
	s := &live{t: t, lab: l, dir: dir, env: os.Environ(), patience: usualPatience}
	s.endLab = runLab(t, l)
	env := l.Env()
	maps.Copy(env, map[string]string{
		"STATUS_LISTEN": "unix:" + s.socket(), "STATUS_STORE": filepath.Join(dir, "status.db"),
		"STATUS_LOG_FILE": s.log(), "STATUS_LOG_LEVEL": "info", "STATUS_LOG_FORMAT": "text",
		"STATUS_HEALTH_LAST_ACTIVE": "2s", "STATUS_HEALTH_LAST_CHECKED": "5s", "STATUS_HEALTH_STARTUP": "2s",
	})
	maps.Copy(env, settings)
	for name, value := range env {
		s.env = append(s.env, name+"="+value)
	}
	return s
}

func (s *live) socket() string { return filepath.Join(s.dir, "s") }
func (s *live) log() string    { return filepath.Join(s.dir, "log") }
func (s *live) stderr() string { return filepath.Join(s.dir, "stderr") }

// start runs a server; the test program is one when it is called status.
func (s *live) start() {
	s.t.Helper()
	stderr, err := os.OpenFile(s.stderr(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	s.server = &exec.Cmd{Path: os.Args[0], Args: []string{"status", "serve"}, Env: s.env, Stderr: stderr}
	if err := errors.Join(s.server.Start(), stderr.Close()); err != nil {
		s.server = nil
		s.t.Fatal(err)
	}
}

func (s *live) signal(sig os.Signal) {
	s.t.Helper()
	if err := s.server.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// stop ends the server as systemd does.
func (s *live) stop() {
	s.t.Helper()
	server := s.server
	s.server = nil
	// Suspended, it would not hear of it.
	if err := errors.Join(server.Process.Signal(syscall.SIGCONT), server.Process.Signal(syscall.SIGTERM)); err != nil {
		s.t.Error(err)
	}
	late := time.AfterFunc(s.patience, func() { _ = server.Process.Kill() }) // its exit says so
	defer late.Stop()
	if err := server.Wait(); err != nil {
		s.t.Errorf("the server's exit: %v\n%s", err, s.said())
	}
}

func (s *live) close() {
	s.t.Helper()
	if s.server != nil {
		s.stop()
	}
	s.endLab()
	if err := os.RemoveAll(s.dir); err != nil {
		s.t.Error(err)
	}
}

// said is what the server has left to read.
func (s *live) said() string {
	var all []byte
	for _, path := range []string{s.log(), s.stderr()} {
		text, err := os.ReadFile(path)
		if err != nil {
			text = []byte(err.Error() + "\n")
		}
		all = append(all, text...)
	}
	return string(all)
}

// until looks again and again; met also gives what it saw last.
func (s *live) until(what string, met func() (bool, string)) {
	s.t.Helper()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for began := time.Now(); ; <-look.C {
		ok, last := met()
		if ok {
			return
		}
		if time.Since(began) > s.patience {
			s.t.Fatalf("waited for %s; the last was %s\n%s", what, last, s.said())
		}
	}
}

// healthy waits until the API shows so many experiments to be so.
func (s *live) healthy(want int) {
	s.t.Helper()
	s.until(fmt.Sprint(want, " healthy"), func() (bool, string) {
		code, body := get(s.socket(), "/api/v1/experiments")
		return code == http.StatusOK && strings.Count(body, `"state":"healthy"`) == want, body
	})
}

// answers waits until a call is answered so, with the words in it.
func (s *live) answers(path string, want int, words string) {
	s.t.Helper()
	s.until(fmt.Sprintf("%s: %d %q", path, want, words), func() (bool, string) {
		code, body := get(s.socket(), path)
		return code == want && strings.Contains(body, words), fmt.Sprint(code, " ", body)
	})
}

// logs waits until the log has the words.
func (s *live) logs(words string) {
	s.t.Helper()
	s.until(fmt.Sprintf("%q in the log", words), func() (bool, string) {
		text, err := os.ReadFile(s.log())
		return strings.Contains(string(text), words), fmt.Sprint(err)
	})
}

// mailed waits until these mails have come, by what their subjects contain, in this order
// and no others.
func (s *live) mailed(words ...string) {
	s.t.Helper()
	s.until(fmt.Sprintf("mails %q", words), func() (bool, string) {
		var got []string
		for _, m := range s.lab.Mails() {
			got = append(got, m.Subject)
		}
		return len(got) == len(words) && slices.EqualFunc(got, words, strings.Contains), fmt.Sprintf("%q", got)
	})
}

// unmailed fails the test if any mail comes within a time.
func (s *live) unmailed(long time.Duration) {
	s.t.Helper()
	<-time.After(long)
	if mails := s.lab.Mails(); len(mails) > 0 {
		s.t.Fatalf("%d mails, the first is %q; want none", len(mails), mails[0].Subject)
	}
}

// wrote waits until book has been written so, from the beginning.
func (s *live) wrote(want ...string) {
	s.t.Helper()
	s.until(fmt.Sprintf("writes %q", want), func() (bool, string) {
		var got []string
		for _, c := range s.lab.Calls() {
			if c.Method == http.MethodPut {
				got = append(got, c.Resource+" "+c.Available)
			}
		}
		return slices.Equal(got, want), fmt.Sprintf("%q", got)
	})
}
