package app_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"labstatus/internal/app"
	"labstatus/internal/config"
	"labstatus/internal/health"
	"labstatus/internal/jump"
	"labstatus/internal/lab"
	"labstatus/internal/notify"
	"labstatus/internal/relay"
	"labstatus/internal/stats"
	"labstatus/internal/store"
)

// Broken feeds and mails that are sent, over real sockets, leave no descriptor,
// goroutine or memory behind. LEAK_TEST_ROUNDS sets how many of each.
func TestNothingLeaks(t *testing.T) {
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Skip("descriptors can only be counted where there is a /proc:", err)
	}
	rounds, err := strconv.Atoi(cmp.Or(os.Getenv("LEAK_TEST_ROUNDS"), "24"))
	if err != nil {
		t.Fatal(err)
	}
	dots := make(chan struct{}, 1000)
	l, err := lab.New(lab.Options{
		Experiments: experiments("pend00"), RelayStats: true, RelayEvery: leakFrames, JumpEvery: leakFrames,
		OnMail: func(m lab.ReceivedMail) {
			if m.Answered.IsZero() {
				dots <- struct{}{}
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	<-l.Ready()
	c, _, err := config.LoadMap(l.Env())
	if err != nil {
		t.Fatal(err)
	}
	log := logrus.New()
	log.SetOutput(io.Discard) // a logger for tests would keep every entry
	o := app.Options{Config: c, Log: log}

	t.Run("feeds", func(t *testing.T) {
		crowd := newLeakCrowd(t, l, c, o, min(rounds/2, 100))
		each := (rounds + len(crowd.all)/2 - 1) / (len(crowd.all) / 2)
		flat(t, func() { crowd.reconnect(t, 1) }, func() int { return crowd.reconnect(t, each) })
		crowd.stop(t, 1+each)
	})
	t.Run("mails", func(t *testing.T) {
		send, closed := mailer(t, l, c, o, dots)
		flat(t, func() { send(20 + rounds/20) }, func() int { return send(rounds) })
		closed()
	})
}

// flat fails the test where what is done leaves anything behind. What is made once is
// there after a first time.
func flat(t *testing.T, first func(), do func() (rounds int)) {
	t.Helper()
	first()
	before, began := heldNow(t), time.Now()
	rounds := do()
	took := time.Since(began)
	after := heldNow(t)
	t.Logf("%d in %s: %s, then %s", rounds, took.Round(time.Millisecond), before, after)
	heap := 2<<20 + 200*rounds
	if rounds >= memoryFrom {
		heap = leakHeap + leakHeapRound*rounds
	}
	if after.files > before.files+leakSlack || after.goroutines > before.goroutines+leakSlack ||
		after.heap > before.heap+heap ||
		rounds >= memoryFrom && after.resident > before.resident+16<<20+200*rounds {
		t.Errorf("%d: %s, then %s", rounds, before, after)
	}
}

const (
	leakFrames = 250 * time.Millisecond
	leakSlack  = 8 // descriptors and goroutines that are on their way at the moment
	// Fewer rounds say little of memory, least of all with the race detector, which has
	// some of its own.
	memoryFrom = 1000
	// What an outbox remembers of its last thousand mails is the half of it; a round
	// leaves nothing that could be measured.
	leakHeap, leakHeapRound = 512 << 10, 50
)

// leakCrowd is many subscribers to relay and as many to jump: one alone waits for half
// a second and more before each of its reconnects, so that thousands would take hours.
type leakCrowd struct {
	lab    *lab.Lab
	all    []*stats.Subscriber
	back   chan struct{} // one has had the first frame after a break
	cancel context.CancelFunc
	done   sync.WaitGroup
}

func newLeakCrowd(t *testing.T, l *lab.Lab, c *config.Config, o app.Options, each int) *leakCrowd {
	t.Helper()
	crowd := &leakCrowd{lab: l, back: make(chan struct{}, 2*each)}
	ctx, cancel := context.WithCancel(t.Context())
	crowd.cancel = cancel
	for range each {
		crowd.all = append(crowd.all, relay.New(app.RelayOptions(c, o, 0)), jump.New(app.JumpOptions(c, o, 0)))
	}
	for _, s := range crowd.all {
		broken := true
		crowd.done.Go(func() {
			if err := s.Run(ctx, func(in health.Input) {
				switch in := in.(type) {
				case health.Link:
					broken = broken || !in.Up
				case health.Frame:
					if broken {
						broken = false
						crowd.back <- struct{}{}
					}
				}
			}); err != nil {
				t.Error(err)
			}
		})
	}
	crowd.wait()
	return crowd
}

// wait waits until every subscriber has a frame, which also makes its next wait a
// short one.
func (crowd *leakCrowd) wait() {
	for range crowd.all {
		<-crowd.back
	}
}

// reconnect cuts every connection so many times, and says how many of each feed that
// makes.
func (crowd *leakCrowd) reconnect(t *testing.T, times int) int {
	t.Helper()
	for range times {
		for _, feed := range []string{lab.Relay, lab.Jump} {
			if err := crowd.lab.Feed(feed).CutLinks(); err != nil {
				t.Fatal(err)
			}
		}
		crowd.wait()
	}
	return times * len(crowd.all) / 2
}

// stop ends the crowd, which must have been cut so many times.
func (crowd *leakCrowd) stop(t *testing.T, times int) {
	t.Helper()
	for _, s := range crowd.all {
		if n := s.Stats().Reconnects; n != uint64(times) {
			t.Errorf("a subscriber has connected again %d times, want %d", n, times)
		}
	}
	crowd.cancel()
	crowd.done.Wait()
}

// mailer gives a function that sends so many mails through an outbox on a file, most
// of them in a session of their own, and one that ends it.
func mailer(t *testing.T, l *lab.Lab, c *config.Config, o app.Options, dots <-chan struct{}) (send func(int) int, end func()) {
	t.Helper()
	renderer, err := notify.NewRenderer(app.RendererOptions(c))
	if err != nil {
		t.Fatal(err)
	}
	sender, err := notify.NewSMTP(app.SMTPOptions(c, o))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s, err := store.Open(ctx, filepath.Join(t.TempDir(), "status.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	outbox := notify.NewOutbox(s, sender.Open, o.Log)
	done := make(chan error, 1)
	go func() { done <- outbox.Run(ctx) }()
	sent := 0
	send = func(n int) int {
		for range n {
			sent++
			issue := health.Issue{Code: health.MissingJump, Experiment: fmt.Sprint("pend", sent), Since: time.Now()}
			m, err := renderer.Render(health.Alert{At: time.Now(), New: []health.Issue{issue}, Current: []health.Issue{issue}}, notify.NewID("lab.example"))
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Commit(ctx, store.Commit{At: m.At, Mails: []*health.Mail{&m}}); err != nil {
				t.Fatal(err)
			}
			outbox.Wake()
			<-dots
		}
		for outbox.Status().Sent < sent { // the last mark is being kept
			runtime.Gosched()
		}
		if got := l.State().Mails; got != sent {
			t.Errorf("%d mails came, %d were sent", got, sent)
		}
		l.ForgetMails()
		return n
	}
	return send, func() {
		cancel()
		if err := errors.Join(<-done, s.Close()); err != nil {
			t.Error(err)
		}
	}
}

// held is what the process holds; the store's own memory is in what is resident only.
type held struct{ files, goroutines, heap, resident int }

func (h held) String() string {
	return fmt.Sprintf("%d descriptors, %d goroutines, %d kB of heap, %d kB resident", h.files, h.goroutines, h.heap>>10, h.resident>>10)
}

// heldNow counts it, once what is ending has ended. Descriptors are counted before
// memory is collected, which closes those that were forgotten.
func heldNow(t *testing.T) (h held) {
	t.Helper()
	h.files = 1 << 30
	for range 50 {
		before := h.files
		all, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		if h.files = len(all); h.files >= before {
			break
		}
		for range 1000 {
			runtime.Gosched()
		}
	}
	runtime.GC() // what pools hold is only free after a second one
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	h.heap, h.goroutines = int(m.HeapAlloc), runtime.NumGoroutine()
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(string(statm), new(int), &h.resident); err != nil {
		t.Fatal(err)
	}
	h.resident *= os.Getpagesize()
	return h
}
