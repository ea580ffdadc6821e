package main

import (
	"cmp"
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
	"sync"
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
	storyExperiments = 25                     // each goes down once and comes back once: fifty events
	storyKills       = 25                     // in one story
	storyCheck       = 250 * time.Millisecond // from frame to frame
	storyLastActive  = 400 * time.Millisecond
	storyStartup     = 150 * time.Millisecond
	storyMail        = 10 * time.Millisecond // until the mail server answers

	// Book is to be told the truth within one check of the moment from which it can be
	// known, and this: for one booking less than a check and what feeds need for their
	// first frame, which is another; for three of four little, so that a server that lets
	// a check pass is found out. Where the machine itself was late, its share is added:
	// see hold.
	storySlack      = 400 * time.Millisecond
	storySlackUsual = 50 * time.Millisecond
	// A server that has read its 250 is to keep the mark within this time, which is a
	// sync of the disk; usually it takes no more than the other.
	storyMark      = 50 * time.Millisecond
	storyMarkUsual = 3 * time.Millisecond
	// Bookings are timed from when a server is ready. That is to be a check after its first
	// answer, too, and this, which is two of our looks and what a connection takes. Until
	// the first answer a program begins, which is the machine's work more than its own. The
	// race detector makes it seconds, and beside other tests many: no more can be said then
	// than that a server doesn't wait for something long.
	storyReadyUsual = 100 * time.Millisecond
	storyBegin      = 1500 * time.Millisecond
	storyRaced      = 10 * time.Second
)

// A server killed at any moment loses nothing and tells nothing twice: a story of
// fifty events is played to real processes on a real store, each killed at a
// random moment of it, or at one where a mail is in doubt. Stories share nothing and
// are played beside each other, as many as -parallel says.
func TestKilledAtAnyPoint(t *testing.T) {
	t.Parallel() // it mostly waits
	// Orders follow each other faster than what they lead to is saved, booked and
	// mailed, so that whichever moment a kill falls into, it falls between some of that.
	kills, err := strconv.Atoi(cmp.Or(os.Getenv(crashKills), "5"))
	if err != nil || kills < 1 {
		t.Fatalf("%s=%s: it takes a number from 1 on", crashKills, os.Getenv(crashKills))
	}
	seed, err := strconv.ParseUint(cmp.Or(os.Getenv(crashSeed), fmt.Sprint(time.Now().UnixNano())), 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", crashSeed, err)
	}
	var all figures
	var mu sync.Mutex
	t.Run("stories", func(t *testing.T) {
		for i := 0; i < kills; i += storyKills {
			n, seed := min(kills-i, storyKills), seed+uint64(i/storyKills)
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				t.Logf("%d kills, %s=%d", n, crashSeed, seed)
				one := playStory(t, seed, n)
				mu.Lock()
				defer mu.Unlock()
				all.add(one)
			})
		}
	})
	if t.Failed() {
		return
	}
	if n := all.kills - all.early; n != kills {
		t.Errorf("%d kills in the middle of stories, want %d", n, kills)
	}
	if all.beforeAnswer+all.beforeMark == 0 && kills >= 8 {
		t.Errorf("no message was in doubt in any of %d kills, and some were aimed at just that", all.kills)
	}
	t.Log(&all)
	all.hold(t)
}

// figures are what the stories came to.
type figures struct {
	kills, early, events, mails int
	beforeAnswer, beforeMark    int             // mails that came again, by what the kill came before
	begins, readies             []time.Duration // from each start to the first answer, and from there to ready
	marks                       []time.Duration // from each 250 to what was said next
	closings, openings          []time.Duration // by book, from when each can be known
	doubts                      []time.Duration // from a 250 to the kill that had its message come again
	machine                     []time.Duration // what a short timer and a sync of the disk took
}

func (f *figures) add(g figures) {
	f.kills += g.kills
	f.early += g.early
	f.events += g.events
	f.mails += g.mails
	f.beforeAnswer += g.beforeAnswer
	f.beforeMark += g.beforeMark
	f.begins = append(f.begins, g.begins...)
	f.readies = append(f.readies, g.readies...)
	f.marks = append(f.marks, g.marks...)
	f.closings = append(f.closings, g.closings...)
	f.openings = append(f.openings, g.openings...)
	f.doubts = append(f.doubts, g.doubts...)
	f.machine = append(f.machine, g.machine...)
}

func (f *figures) String() string {
	bookings := slices.Concat(f.closings, f.openings)
	return fmt.Sprintf("%d kills (%d before the server was ready), %d events, %d mails, %d of them again and identical: "+
		"%d killed before the 250, %d after it and before the mark was kept (at most %s after it); "+
		"of %d marks half took at most %s, all at most %s; of %d starts three of four answered within %s and were ready %s later, all within %s and %s; of %d bookings three of four right at most %s after they can be known, all at most %s; "+
		"the machine usually took %s for a sync of the disk, at most %s",
		f.kills, f.early, f.events, f.mails, f.beforeAnswer+f.beforeMark, f.beforeAnswer, f.beforeMark, most(f.doubts, 1),
		len(f.marks), most(f.marks, 0.5), most(f.marks, 1), len(f.begins), most(f.begins, 0.75), most(f.readies, 0.75), most(f.begins, 1), most(f.readies, 1),
		len(bookings), most(bookings, 0.75), most(bookings, 1), most(f.machine, 0.75), most(f.machine, 1))
}

// hold holds what was measured against what is promised. A machine that was late
// itself, with a timer and a sync of the disk, had the server late twice: it has to be
// run, and to keep what it does.
func (f *figures) hold(t *testing.T) {
	t.Helper()
	usual, worst := 2*most(f.machine, 0.75), 2*most(f.machine, 1)
	begin, ready, readyUsual := storyBegin, storyCheck+storySlack, storyCheck+storyReadyUsual
	if raceDetector {
		begin, ready, readyUsual = storyRaced, storyRaced, storyRaced
	}
	for _, x := range []struct {
		what           string
		took, at, most time.Duration
	}{
		{"every server's first answer", most(f.begins, 1), worst, begin},
		{"three of four servers' way from there to ready", most(f.readies, 0.75), usual, readyUsual},
		{"every server's way from there to ready", most(f.readies, 1), worst, ready},
		{"three of four closings", most(f.closings, 0.75), usual, storyCheck + storySlackUsual},
		{"three of four openings", most(f.openings, 0.75), usual, storyCheck + storySlackUsual},
		{"every closing", most(f.closings, 1), worst, storyCheck + storySlack},
		{"every opening", most(f.openings, 1), worst, storyCheck + storySlack},
		{"half of the marks", most(f.marks, 0.5), usual, storyMark},
		{"every mark without which a message came again", most(f.doubts, 1), worst, storyMark},
	} {
		if x.took > x.most+x.at {
			t.Errorf("%s took up to %s, want at most %s, and %s for the machine", x.what, x.took, x.most, x.at)
		}
	}
}

// most is what so large a part of the durations is at most; 0 where there are none.
func most(of []time.Duration, part float64) time.Duration {
	if len(of) == 0 {
		return 0
	}
	slices.Sort(of)
	return of[int(part*float64(len(of)-1))].Round(100 * time.Microsecond)
}

// teller plays one story.
type teller struct {
	t       *testing.T
	rng     *rand.Rand
	lab     *lab.Lab
	env     []string
	socket  string
	log     string
	server  *exec.Cmd
	lives   []life               // of the servers, the last one's last
	dots    chan struct{}        // a message has come to its end and is about to be answered
	answers chan struct{}        // it has been answered
	down    map[string]bool      // what is true of each experiment
	since   map[string]time.Time // and since when
	asked   map[string]bool      // what changed since it was last seen to be booked right
	shown   map[string]bool      // every event the API has ever shown
	strikes int
	figures
}

// life is one server's. It is killed at some moment between killed and dead.
type life struct{ began, ready, killed, dead time.Time } // zero: not yet, or never

func playStory(t *testing.T, seed uint64, kills int) figures {
	t.Helper()
	dir, err := os.MkdirTemp("", "crash") // short: it has a socket in it
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	s := &teller{
		t: t, rng: rand.New(rand.NewPCG(seed, 50)), socket: filepath.Join(dir, "s"), log: filepath.Join(dir, "log"),
		dots: make(chan struct{}, 1), answers: make(chan struct{}, 1), down: map[string]bool{}, since: map[string]time.Time{}, asked: map[string]bool{}, shown: map[string]bool{},
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
		RelayEvery: storyCheck, JumpEvery: storyCheck, Reconnect: storyCheck, BookLatency: 2 * time.Millisecond,
		OnMail: func(m lab.ReceivedMail) {
			what := s.dots
			if !m.Answered.IsZero() {
				what = s.answers
			}
			select {
			case what <- struct{}{}:
			default: // nobody waits
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer runLab(t, s.lab)()
	// A mail server that takes its time, so that kills fall into the talk with it.
	if err := s.lab.Service(lab.Mail).Latency(storyMail); err != nil {
		t.Fatal(err)
	}
	env := s.lab.Env()
	maps.Copy(env, map[string]string{
		"STATUS_LISTEN": "unix:" + s.socket, "STATUS_STORE": filepath.Join(dir, "status.db"),
		"STATUS_LOG_FILE": s.log, "STATUS_LOG_LEVEL": "info", "STATUS_LOG_FORMAT": "text",
		"STATUS_HEALTH_LAST_ACTIVE": storyLastActive.String(), "STATUS_HEALTH_LAST_CHECKED": "1m",
		"STATUS_HEALTH_STARTUP": storyStartup.String(), "STATUS_HEALTH_FLAP_EVENTS": "0",
	})
	s.env = os.Environ()
	for name, value := range env {
		s.env = append(s.env, name+"="+value)
	}

	measured := s.watchMachine(filepath.Join(dir, "probe"))
	defer measured()
	s.start()
	defer s.end()
	s.settled() // what is first seen in its grace is told as new when that ends
	s.rng.Shuffle(len(stubs), func(i, j int) { stubs[i], stubs[j] = stubs[j], stubs[i] })
	at := s.rng.Perm(2 * len(stubs))[:kills]
	for step := range 2 * len(stubs) {
		s.order(stubs[step%len(stubs)], step < len(stubs))
		if slices.Contains(at, step) {
			s.strike()
			if s.rng.IntN(6) == 0 {
				s.start()
				s.pause(200 * time.Millisecond)
				s.kill()
				s.early++
			}
			s.start()
			s.awaitReady()
			s.booked()
		} else {
			s.pause(100 * time.Millisecond)
		}
		if step == len(stubs)-1 {
			s.booked() // all of them are down now, and each is an event
		}
	}
	s.booked()
	s.judge()
	measured()
	return s.figures
}

// strike kills the server after an order: at any moment of what comes of it or, every
// other time, when a message has come to its end. Then it is in doubt whether people
// have been told: the 250 is not written yet, or what it says is not kept yet.
func (s *teller) strike() {
	s.t.Helper()
	s.strikes++
	switch s.strikes % 4 {
	case 1:
		s.note()
		s.await(s.dots)
		s.pause(storyMail / 2)
	case 3:
		s.note()
		s.await(s.answers)
		if s.strikes%8 == 7 { // else at once: no timer is as short as what a mark takes
			s.pause(storyMarkUsual)
		}
	default:
		s.pause(storyLastActive + storyCheck)
		s.note()
	}
	s.kill()
}

// await waits for the next message to come as far.
func (s *teller) await(next <-chan struct{}) {
	s.t.Helper()
	select {
	case <-next: // an earlier one has
	default:
	}
	select {
	case <-next:
	case <-time.After(10 * time.Second):
		s.fatal("no mail came of an order")
	}
}

// watchMachine measures, until stop is called, how late the machine is with what a
// server needs of it.
func (s *teller) watchMachine(path string) (stop func()) {
	s.t.Helper()
	file, err := os.Create(path)
	if err != nil {
		s.t.Fatal(err)
	}
	stopping, done := make(chan struct{}), make(chan error, 1)
	go func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for due := time.Now().Add(50 * time.Millisecond); ; due = time.Now().Add(50 * time.Millisecond) {
			select {
			case <-stopping:
				done <- nil
				return
			case <-tick.C:
			}
			if _, err := file.WriteAt([]byte(due.String()), 0); err != nil {
				done <- err
				return
			}
			if err := file.Sync(); err != nil {
				done <- err
				return
			}
			s.machine = append(s.machine, max(0, time.Since(due)))
		}
	}()
	return sync.OnceFunc(func() {
		close(stopping)
		if err := errors.Join(<-done, file.Close()); err != nil {
			s.t.Error(err)
		}
	})
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
	s.lives = append(s.lives, life{began: time.Now()})
	if err := s.server.Start(); err != nil {
		s.t.Fatal(err)
	}
}

// life is the running server's.
func (s *teller) life() *life { return &s.lives[len(s.lives)-1] }

// note keeps what the API shows.
func (s *teller) note() {
	s.t.Helper()
	_, events, err := s.events()
	if err != nil {
		s.fatal("%v", err)
	}
	maps.Copy(s.shown, events)
}

// kill ends the server without a warning.
func (s *teller) kill() {
	s.t.Helper()
	s.life().killed = time.Now()
	if err := s.server.Process.Kill(); err != nil {
		s.fatal("kill: %v", err)
	}
	s.wait()
	s.life().dead = time.Now()
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
	s.down[stub], s.since[stub], s.asked[stub] = down, time.Now(), true
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

// awaitReady waits until the server is ready to answer, which it is once it has the
// manifest and a complete frame of each feed.
func (s *teller) awaitReady() {
	s.t.Helper()
	l, answers := s.life(), time.Time{}
	s.until(20*time.Second, "the server to be ready", func() (bool, string) {
		code, body := get(s.socket, "/readyz")
		if code != 0 && answers.IsZero() {
			answers = time.Now()
		}
		return code == http.StatusOK, body
	})
	l.ready = time.Now()
	s.begins = append(s.begins, answers.Sub(l.began))
	s.readies = append(s.readies, l.ready.Sub(answers))
}

// settled waits until the server has judged everything.
func (s *teller) settled() {
	s.t.Helper()
	s.awaitReady()
	s.until(20*time.Second, "the server to settle", func() (bool, string) {
		_, body := get(s.socket, "/api/v1/experiments")
		return strings.Count(body, `"state":"`) >= storyExperiments && !strings.Contains(body, `"state":"starting"`) && !strings.Contains(body, `"state":"unknown"`), body
	})
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
