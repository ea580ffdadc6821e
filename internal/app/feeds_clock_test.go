package app_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	logtest "github.com/sirupsen/logrus/hooks/test"

	"labstatus/internal/app"
	"labstatus/internal/config"
	"labstatus/internal/health"
	"labstatus/internal/lab"
)

// A service whose clock is an hour wrong goes on being heard on the connections that
// are there: nothing is told or booked of it, nor when it is set right, and a fault is
// found as ever. Where we have to ask it again it may refuse us. That is told once, and
// is over by itself when the clocks agree.
func TestTheirClocks(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		service, ahead string
		refused        bool // our tokens are, by then
	}{
		"relay ahead":  {lab.Relay, "1h", false},
		"relay behind": {lab.Relay, "-1h", true},
		"jump ahead":   {lab.Jump, "1h", false},
		"jump behind":  {lab.Jump, "-1h", true},
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, experiments("pend00", "spin30"), nil, func(b *bench) {
				b.must(b.lab.Stream("spin30-st-data").Silence())
				b.becomes("r-spin30", false, noticed)
				b.wait(time.Minute)

				set := time.Now()
				b.must(b.lab.Order(test.service + " clock " + test.ahead))
				b.wait(3 * time.Minute)
				b.quiet(set, "while the clock is wrong")
				if b.available("r-spin30") || b.state("spin30") != "unhealthy" {
					t.Error("a fault from before is taken to be over")
				}
				b.faultFound(test.service, "pend00")
				right := time.Now()
				b.must(b.lab.Order(test.service + " clock 0s"))
				b.wait(3 * time.Minute)
				b.quiet(right, "once the clock is right")
				b.faultFound(test.service, "pend00")

				cut := time.Now()
				b.must(b.lab.Order(test.service+" clock "+test.ahead), b.lab.Feed(test.service).CutLinks())
				b.wait(5 * time.Minute)
				if !test.refused {
					b.quiet(cut, "connected again while the clock is wrong")
					return
				}
				b.told(cut, "1 new problem: "+test.service+" has no fresh reports")
				if reasons := b.reasons(); !strings.Contains(reasons, "behind ours: set both by NTP") {
					t.Errorf("ready answers %q, want what is wrong in it", reasons)
				}
				right = time.Now()
				b.must(b.lab.Order(test.service + " clock 0s"))
				b.wait(3 * time.Minute)
				b.told(right, "1 over: "+test.service)
				if n := b.writes(cut); n != 0 {
					t.Errorf("book was written %d times", n)
				}
				b.faultFound(test.service, "pend00")
			})
		})
	}
}

// What a stream sent before relay's clock was set back lies in relay's future. When its
// clock comes to that moment again, the message seems to be sent just then: it is not, and
// a stream that has been silent all the time stays closed. One that speaks is open, in that
// moment too.
func TestRelaysClockCatchesUp(t *testing.T) {
	t.Parallel()
	for _, every := range []string{"6s", "1s"} { // a report may just miss the moment, or be in it
		t.Run(every, func(t *testing.T) {
			inLab(t, experiments("pend00", "spin30"), nil, func(b *bench) {
				b.must(b.lab.Order("relay reports every " + every))
				b.wait(time.Minute)
				b.must(b.lab.Stream("spin30-st-data").Silence())
				b.becomes("r-spin30", false, noticed)
				b.wait(time.Minute)
				set := time.Now()
				b.must(b.lab.Order("relay clock -1h"))
				b.wait(80 * time.Minute)
				b.quiet(set, "while relay's clock catches up")
				if b.available("r-spin30") || b.state("spin30") != "unhealthy" {
					t.Error("a silent stream is taken to have sent something")
				}
				b.must(b.lab.Stream("spin30-st-data").Return())
				b.becomes("r-spin30", true, noticed)
			})
		})
	}
}

// A book whose clock is wrong refuses us, as one that is down: that is told once, and
// a fault is; what is to be written is, once the clocks agree.
func TestBooksClock(t *testing.T) {
	t.Parallel()
	for _, ahead := range []string{"1h", "-1h"} {
		t.Run(ahead, func(t *testing.T) {
			inLab(t, experiments("pend00", "spin30"), map[string]string{"STATUS_QUERY_BOOK_EVERY": "1m"}, func(b *bench) {
				began := time.Now()
				b.must(b.lab.Order("book clock " + ahead))
				b.wait(7 * time.Minute) // a token that was good may be used up
				b.told(began, "1 new problem: book is not answering")
				fault := time.Now()
				b.must(b.lab.Stream("pend00-st-video").Vanish())
				b.wait(noticed)
				b.told(fault, "1 new problem: pend00")
				right := time.Now()
				b.must(b.lab.Order("book clock 0s"))
				b.becomes("r-pend00", false, time.Minute)
				b.wait(time.Minute)
				b.told(right, "1 ok again")
				mended := time.Now()
				b.must(b.lab.Stream("pend00-st-video").Return())
				b.becomes("r-pend00", true, 2*relayEvery)
				b.wait(time.Minute)
				b.told(mended, "1 ok again, none left")
				b.paceKept(began)
			})
		})
	}
}

// Our own clock an hour ahead of all others, or behind: our tokens are from the future,
// or worth an hour less. What is connected stays so.
func TestOurClock(t *testing.T) {
	t.Parallel()
	for theirs, refused := range map[string]bool{"-1h": true, "1h": false} {
		t.Run("they are at "+theirs, func(t *testing.T) {
			inLab(t, experiments("pend00"), nil, func(b *bench) {
				began := time.Now()
				set := func(ahead string) {
					for _, service := range []string{lab.Book, lab.Relay, lab.Jump} {
						b.must(b.lab.Order(service + " clock " + ahead))
					}
				}
				set(theirs)
				b.wait(5 * time.Minute) // book isn't asked for anything
				b.quiet(began, "connected")
				set("0s")
				b.wait(time.Minute)
				b.faultFound(lab.Relay, "pend00")

				cut := time.Now()
				set(theirs)
				b.must(b.lab.Feed(lab.Relay).CutLinks(), b.lab.Feed(lab.Jump).CutLinks())
				b.wait(5 * time.Minute)
				if refused {
					b.told(cut, "2 new problems: jump, relay")
				} else {
					b.quiet(cut, "connected again")
				}
				right := time.Now()
				set("0s")
				b.wait(3 * time.Minute)
				if refused {
					b.told(right, "2 over, none left: jump, relay")
				}
				if n := b.writes(cut); n != 0 || b.state("pend00") != "healthy" {
					t.Errorf("%d writes, pend00 is %s", n, b.state("pend00"))
				}
				b.faultFound(lab.Relay, "pend00")
			})
		})
	}
}

// A relay ahead of us drops our connection before we renew its token, again and again:
// we are back at once, and nobody hears of it.
func TestTokensEndEarly(t *testing.T) {
	inLab(t, experiments("pend00"), map[string]string{"STATUS_RECONNECT_RELAY_EVERY": "70m"}, func(b *bench) {
		began := time.Now()
		b.must(b.lab.Order("relay clock 1h"), b.lab.Feed(lab.Relay).CutLinks())
		b.wait(35 * time.Minute) // each is good for ten minutes
		b.quiet(began, "tokens end early")
		if n := b.app.Snapshot().Sources[0].Reconnects; n < 4 {
			t.Errorf("%d reconnections", n)
		}
	})
}

// quiet fails the test where something was told or booked since a moment, or pend00 is
// not well.
func (b *bench) quiet(since time.Time, when string) {
	b.t.Helper()
	if mails, writes := b.mails(since), b.writes(since); len(mails) > 0 || writes > 0 {
		b.t.Errorf("%s: mails %q, book was written %d times", when, mails, writes)
	}
	if got := b.state("pend00"); got != "healthy" {
		b.t.Errorf("%s: pend00 is %s", when, got)
	}
	b.paceKept(since)
}

// faultFound fails the test unless a fault of what the service tells of is found in
// time, and its end.
func (b *bench) faultFound(service, stub string) {
	b.t.Helper()
	began := time.Now()
	if service == lab.Jump {
		window := 30*time.Second + 2*jumpEvery
		b.must(b.lab.Jump(stub).Drop())
		b.wait(window)
		b.told(began, "1 new problem: "+stub)
		b.must(b.lab.Jump(stub).Return())
		b.wait(window)
	} else {
		b.must(b.lab.Stream(stub + "-st-video").Silence())
		b.becomes("r-"+stub, false, noticed)
		b.must(b.lab.Stream(stub + "-st-video").Resume())
		b.becomes("r-"+stub, true, 2*relayEvery)
		b.wait(time.Minute)
	}
	b.told(began, "1 new problem: "+stub, "1 ok again")
}

// reasons is why the server says that it isn't ready.
func (b *bench) reasons() string {
	b.t.Helper()
	var answer struct{ Reasons []string }
	b.get("/readyz", &answer)
	return strings.Join(answer.Reasons, "; ")
}

// The time of day, which may be set, decides nothing: each moment that the engine is
// given, or keeps, can be told from another by the clock that only goes forward. A
// bubble's time has none, so this is on loopback.
func TestTheLoopOutlivesAClockThatIsSet(t *testing.T) {
	t.Parallel()
	l, err := lab.New(lab.Options{
		Experiments: experiments("pend00"), RelayStats: true, RelayEvery: 200 * time.Millisecond, JumpEvery: 200 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := l.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	<-l.Ready()
	env := l.Env()
	env["STATUS_STORE"], env["STATUS_LISTEN"] = "memory", "127.0.0.1:0"
	c, _, err := config.LoadMap(env)
	if err != nil {
		t.Fatal(err)
	}
	log, _ := logtest.NewNullLogger()
	decided := make(chan health.Decision)
	a, err := app.New(ctx, app.Options{Config: c, Version: "test", Log: log, OnDecision: func(d health.Decision) {
		select {
		case decided <- d:
		case <-ctx.Done():
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	running.Go(func() {
		if err := a.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	steady := func(what string, at time.Time) bool {
		if !at.IsZero() && !strings.Contains(at.String(), " m=") {
			t.Errorf("%s at %s has no monotonic reading", what, at)
		}
		return !at.IsZero()
	}
	deadline, done := context.WithTimeout(ctx, 20*time.Second)
	defer done()
	began := time.Now()
	for seen := false; !seen && !t.Failed(); {
		select {
		case d := <-decided:
			steady("a decision", d.At)
		case <-deadline.Done():
			t.Fatal("not everything has come")
		}
		s := a.Snapshot()
		seen = steady("the latest manifest", s.Book.LastManifest) && time.Since(began) > 1500*time.Millisecond // and a tick
		for _, from := range s.Sources {
			seen = steady("a frame", from.LastFrame) && steady("a link", from.ConnectedSince) && seen
		}
		for _, r := range s.Experiments {
			for _, res := range r.Resources {
				seen = steady("an availability", res.ReadAt) && seen
			}
			for _, st := range r.Streams {
				seen = steady("a transmission", st.LastActive) && seen
			}
		}
	}
	cancel()
	running.Wait()
}
