package app_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	logtest "github.com/sirupsen/logrus/hooks/test"

	"labstatus/internal/app"
	"labstatus/internal/config"
	"labstatus/internal/health"
	"labstatus/internal/jump"
	"labstatus/internal/lab"
	"labstatus/internal/notify"
	"labstatus/internal/relay"
	"labstatus/internal/store"
)

// Connections to relay and jump and mails that are sent, over real sockets, leave
// no descriptor, goroutine or memory behind. LEAK_ROUNDS sets how many of each.
func TestNothingLeaks(t *testing.T) {
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Skip("descriptors can only be counted where there is a /proc:", err)
	}
	rounds, err := strconv.Atoi(cmp.Or(os.Getenv("LEAK_ROUNDS"), "200"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := lab.New(lab.Options{Experiments: experiments("pend00"), RelayStats: true})
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
	log, _ := logtest.NewNullLogger()
	o := app.Options{Config: c, Log: log}

	feeds := func(t *testing.T, n int) {
		for range n {
			if err := relay.New(app.RelayOptions(c, o, 0)).Check(ctx); err != nil {
				t.Fatal(err)
			}
			if err := jump.New(app.JumpOptions(c, o, 0)).Check(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	mails := mailer(t, c, o)
	for name, do := range map[string]func(*testing.T, int){"feeds": feeds, "mails": mails} {
		t.Run(name, func(t *testing.T) {
			do(t, 30+rounds/20) // what is made once is there from here on
			files, goroutines, heap := held(t)
			began := time.Now()
			do(t, rounds)
			f, g, h := held(t)
			t.Logf("%d in %s: descriptors %d, then %d; goroutines %d, then %d; heap %d kB, then %d kB",
				rounds, time.Since(began).Round(time.Millisecond), files, f, goroutines, g, heap>>10, h>>10)
			// The lab keeps the mails that it was sent, up to a number.
			if f > files+8 || g > goroutines+16 || h > heap+uint64(8<<20+min(rounds, 5000)*20<<10) {
				t.Errorf("descriptors %d, then %d; goroutines %d, then %d; heap %d kB, then %d kB", files, f, goroutines, g, heap>>10, h>>10)
			}
		})
	}
}

// mailer sends mails through an outbox, as many sessions as there are batches.
func mailer(t *testing.T, c *config.Config, o app.Options) func(*testing.T, int) {
	t.Helper()
	renderer, err := notify.NewRenderer(app.RendererOptions(c))
	if err != nil {
		t.Fatal(err)
	}
	sender, err := notify.NewSMTP(app.SMTPOptions(c, o))
	if err != nil {
		t.Fatal(err)
	}
	sent := 0
	return func(t *testing.T, n int) {
		s, err := store.OpenMemory(store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		outbox := notify.NewOutbox(s, sender.Open, o.Log)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- outbox.Run(ctx) }()
		for i := range n {
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
			for outbox.Status().Sent+20 < i && ctx.Err() == nil { // in step with the server
				runtime.Gosched()
			}
		}
		for outbox.Status().Sent < n {
			runtime.Gosched()
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// held counts what the process holds, once what is ending has ended.
func held(t *testing.T) (files, goroutines int, heap uint64) {
	t.Helper()
	files = 1 << 30
	for range 50 {
		before := files
		all, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		if files = len(all); files >= before {
			break
		}
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return files, runtime.NumGoroutine(), m.HeapAlloc
}
