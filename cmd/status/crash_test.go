package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"labstatus/internal/lab"
)

// Names of the environment that make TestKilledAtAnyPoint longer, or the same
// again.
const (
	crashKills = "CRASH_TEST_KILLS"
	crashSeed  = "CRASH_TEST_SEED"
)

// The story's clock, and what its promises are measured with.
const (
	storyExperiments = 25 // each goes down once and comes back once: fifty events
	storyKills       = 25 // in one story
	storyRelay       = 50 * time.Millisecond
	storyLastActive  = 400 * time.Millisecond
	storyStartup     = 150 * time.Millisecond
	// A busy machine's share in what is called at once: starting a process,
	// a sync of the disk, a turn of the scheduler.
	storySlack = time.Second
	// A dead sender's last words may be read this much later.
	storyKilledAlready = 200 * time.Millisecond
)

// A server killed at any moment loses nothing and tells nothing twice: a story of
// fifty events is played to real processes on a real store, each killed at a
// random moment of it.
func TestKilledAtAnyPoint(t *testing.T) {
	// Orders follow each other faster than what they lead to is saved, booked and
	// mailed, so that whichever moment a kill falls into, it falls between some of that.
	kills := 8
	if n, err := strconv.Atoi(os.Getenv(crashKills)); err == nil {
		kills = n
	}
	seed := uint64(time.Now().UnixNano())
	if n, err := strconv.ParseUint(os.Getenv(crashSeed), 10, 64); err == nil {
		seed = n
	}
	var all figures
	for story := uint64(0); kills > 0; story++ {
		n := min(kills, storyKills)
		t.Logf("story %d: %d kills, %s=%d", story, n, crashSeed, seed+story)
		one := playStory(t, seed+story, n)
		all.add(one)
		kills -= n
		if t.Failed() {
			t.FailNow() // one story's fault is enough to read
		}
	}
	t.Logf("%d kills (%d before the server was ready), %d events, %d mails, %d of them twice and identical; "+
		"bookings right at most %s after a restart had settled; longest from a message's final dot to a kill that had it repeated %s",
		all.kills, all.early, all.events, all.mails, all.repeats, all.booking.Round(time.Millisecond), all.window.Round(100*time.Microsecond))
}

// figures are what the stories came to.
type figures struct {
	kills, early, events, mails, repeats int
	booking, window                      time.Duration // the longest
}

func (f *figures) add(g figures) {
	f.kills += g.kills
	f.early += g.early
	f.events += g.events
	f.mails += g.mails
	f.repeats += g.repeats
	f.booking, f.window = max(f.booking, g.booking), max(f.window, g.window)
}

// teller plays one story.
type teller struct {
	t      *testing.T
	rng    *rand.Rand
	lab    *lab.Lab
	env    []string
	socket string
	log    string
	server *exec.Cmd
	killed []time.Time
	down   map[string]bool      // what is true of each experiment
	since  map[string]time.Time // and since when
	shown  map[string]bool      // every event the API has ever shown
	figures
}

func playStory(t *testing.T, seed uint64, kills int) figures {
	t.Helper()
	dir, err := os.MkdirTemp("", "crash") // short: it has a socket in it
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	s := &teller{
		t: t, rng: rand.New(rand.NewPCG(seed, 50)), socket: filepath.Join(dir, "s"), log: filepath.Join(dir, "log"),
		down: map[string]bool{}, since: map[string]time.Time{}, shown: map[string]bool{},
	}
	var experiments []lab.Experiment
	var stubs []string
	for i := range storyExperiments {
		stub := fmt.Sprintf("pend%02d", i)
		stubs = append(stubs, stub)
		experiments = append(experiments, lab.Experiment{Stub: stub, Streams: []lab.StreamSpec{{Name: "st-video", Period: 20 * time.Millisecond}}})
	}
	s.lab, err = lab.New(lab.Options{
		Experiments: experiments, RelayStats: true, Seed: seed,
		RelayEvery: storyRelay, JumpEvery: storyRelay, Reconnect: storyRelay, BookLatency: 2 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer runLab(t, s.lab)()
	// A mail server that takes its time, so that kills fall into the talk with it.
	if err := s.lab.Service(lab.Mail).Latency(10 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	env := s.lab.Env()
	maps.Copy(env, map[string]string{
		"STATUS_LISTEN": "unix:" + s.socket, "STATUS_STORE": filepath.Join(dir, "status.db"),
		"STATUS_LOG_FILE": s.log, "STATUS_LOG_LEVEL": "info", "STATUS_LOG_FORMAT": "text",
		"STATUS_HEALTH_LAST_ACTIVE": storyLastActive.String(), "STATUS_HEALTH_LAST_CHECKED": "5s",
		"STATUS_HEALTH_STARTUP": storyStartup.String(), "STATUS_HEALTH_FLAP_EVENTS": "0",
	})
	s.env = os.Environ()
	for name, value := range env {
		s.env = append(s.env, name+"="+value)
	}

	s.start()
	defer s.end()
	s.settled()
	s.rng.Shuffle(len(stubs), func(i, j int) { stubs[i], stubs[j] = stubs[j], stubs[i] })
	at := s.rng.Perm(2 * len(stubs))[:kills]
	for step := range 2 * len(stubs) {
		s.order(stubs[step%len(stubs)], step < len(stubs))
		if slices.Contains(at, step) {
			s.pause(storyLastActive + 150*time.Millisecond)
			s.kill()
			if s.rng.IntN(6) == 0 {
				s.start()
				s.pause(200 * time.Millisecond)
				s.kill()
				s.early++
			}
			s.start()
			s.booked(s.settled())
		} else {
			s.pause(2 * storyRelay)
		}
		if step == len(stubs)-1 {
			s.booked(time.Now()) // all of them are down now, and each is an event
		}
	}
	s.booked(time.Now())
	s.judge()
	return s.figures
}

// runLab serves a laboratory; stop ends it.
func runLab(t *testing.T, l *lab.Lab) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	<-l.Ready()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// start runs a server; the test program is one when it is called status.
func (s *teller) start() {
	s.t.Helper()
	s.server = &exec.Cmd{Path: os.Args[0], Args: []string{"status", "serve"}, Env: s.env}
	if err := s.server.Start(); err != nil {
		s.t.Fatal(err)
	}
}

// kill ends the server without a warning, once what its API shows is noted.
func (s *teller) kill() {
	s.t.Helper()
	if _, events, err := s.events(); err == nil { // none while it starts
		maps.Copy(s.shown, events)
	}
	if err := s.server.Process.Kill(); err != nil {
		s.fatal("kill: %v", err)
	}
	s.killed = append(s.killed, time.Now())
	s.wait()
	s.kills++
}

// wait is for the end of a server that was killed, and for no other.
func (s *teller) wait() {
	s.t.Helper()
	err := s.server.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != -1 {
		s.fatal("the server ended by itself: %v", err)
	}
}

// end stops the last server as a unit does.
func (s *teller) end() {
	s.t.Helper()
	if err := s.server.Process.Signal(os.Interrupt); err != nil {
		s.t.Error(err)
	}
	if err := s.server.Wait(); err != nil && !s.t.Failed() {
		s.t.Errorf("the server's exit: %v", err)
	}
}

func (s *teller) order(stub string, down bool) {
	s.t.Helper()
	stream := s.lab.Stream(stub + "-st-video")
	change := stream.Return
	if down {
		change = stream.Vanish
	}
	if err := change(); err != nil {
		s.t.Fatal(err)
	}
	s.down[stub], s.since[stub] = down, time.Now()
}

// pause is a random part of d.
func (s *teller) pause(d time.Duration) { <-time.After(time.Duration(s.rng.Int64N(int64(d)))) }

// until looks again and again, for the story is played to another process, and
// fails where that takes longer than within.
func (s *teller) until(within time.Duration, what string, met func() (bool, string)) {
	s.t.Helper()
	look := time.NewTicker(20 * time.Millisecond) // each look costs both processes
	defer look.Stop()
	for began := time.Now(); ; <-look.C {
		ok, last := met()
		if ok {
			return
		}
		if time.Since(began) > within {
			s.fatal("waited %s for %s; the last was %s", within, what, last)
		}
	}
}

// settled waits until the server has judged everything, and gives that moment.
func (s *teller) settled() time.Time {
	s.t.Helper()
	s.until(20*time.Second, "the server to settle", func() (bool, string) {
		if code, body := get(s.socket, "/readyz"); code != http.StatusOK {
			return false, body
		}
		_, body := get(s.socket, "/api/v1/experiments")
		return strings.Count(body, `"state":"`) >= storyExperiments && !strings.Contains(body, `"state":"starting"`) && !strings.Contains(body, `"state":"unknown"`), body
	})
	return time.Now()
}

// booked waits until book has the truth, which has to be within one check of the
// moment from which it can be known.
func (s *teller) booked(from time.Time) {
	s.t.Helper()
	for _, at := range s.since {
		if known := at.Add(storyLastActive); known.After(from) {
			from = known
		}
	}
	s.until(time.Until(from)+storyRelay+storySlack, "book to have the truth", func() (bool, string) {
		for stub, down := range s.down {
			if available, reason, _ := s.lab.Availability("r-" + stub); available == down {
				return false, fmt.Sprintf("%s is available: %v (%s), down: %v", stub, available, reason, down)
			}
		}
		return true, ""
	})
	s.booking = max(s.booking, time.Since(from))
}

// fatal ends the test with the servers' log.
func (s *teller) fatal(format string, args ...any) {
	s.t.Helper()
	log, err := os.ReadFile(s.log)
	if err != nil {
		log = []byte(err.Error())
	}
	s.t.Fatalf(format+"\n%s", append(args, log[max(0, len(log)-8000):])...)
}
