package app_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"labstatus/internal/lab"
)

// Every way in which a required stream can be not well closes the booking in time,
// with one mail; its return opens it, with one more.
func TestRequiredStream(t *testing.T) {
	t.Parallel()
	const topic = "pend00-st-video"
	for name, fault := range map[string]struct{ breaks, mends func(*lab.Lab) error }{
		"goes silent": {
			func(l *lab.Lab) error { return l.Stream(topic).Silence() },
			func(l *lab.Lab) error { return l.Stream(topic).Resume() },
		},
		"vanishes while its sibling stays": {
			func(l *lab.Lab) error { return l.Stream(topic).Vanish() },
			func(l *lab.Lab) error { return l.Stream(topic).Return() },
		},
		"reconnects and never transmits": {
			func(l *lab.Lab) error { return l.Stream(topic).Never() },
			func(l *lab.Lab) error { return l.Stream(topic).Resume() },
		},
		"is only connected by a student": {
			func(l *lab.Lab) error {
				if err := l.Student(topic, true); err != nil {
					return err
				}
				return l.Stream(topic).Vanish()
			},
			func(l *lab.Lab) error { return l.Stream(topic).Return() },
		},
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, experiments("pend00", "spin30"), nil, func(b *bench) {
				began := time.Now()
				b.told(time.Time{})
				b.must(fault.breaks(b.lab))
				b.becomes("r-pend00", false, noticed)
				b.wait(time.Minute)
				b.told(began, "1 new problem: pend00")
				if got := b.state("pend00"); got != "unhealthy" {
					t.Errorf("pend00 is %s", got)
				}
				if !b.available("r-spin30") {
					t.Error("spin30 was closed as well")
				}

				mended := time.Now()
				b.must(fault.mends(b.lab))
				b.becomes("r-pend00", true, 2*relayEvery)
				b.wait(time.Minute)
				b.told(mended, "1 ok again, none left: pend00")
				if n := b.writes(began); n != 2 {
					t.Errorf("book was written %d times, want 2", n)
				}
			})
		})
	}
}

// What doesn't matter to students is told and leaves the booking alone.
func TestBookingUntouched(t *testing.T) {
	t.Parallel()
	audio := lab.Experiment{Stub: "pend00", Streams: []lab.StreamSpec{
		{Name: "st-data"}, {Name: "st-video"}, {Name: "st-audio", Optional: true},
	}}
	for name, breaks := range map[string]func(*lab.Lab) error{
		"jump gone":              func(l *lab.Lab) error { return l.Jump("pend00").Drop() },
		"optional stream silent": func(l *lab.Lab) error { return l.Stream("pend00-st-audio").Silence() },
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, []lab.Experiment{audio}, nil, func(b *bench) {
				began := time.Now()
				b.must(breaks(b.lab))
				b.wait(5 * time.Minute)
				b.told(began, "1 new problem: pend00")
				if n := b.writes(time.Time{}); n != 0 {
					t.Errorf("book was written %d times", n)
				}
			})
		})
	}
}

// Forty experiments at once are one mail, and forty changes in book within two
// seconds of the decision, at 50 ms a call.
func TestManyAtOnce(t *testing.T) {
	var many []lab.Experiment
	for i := range 40 {
		many = append(many, lab.Experiment{Stub: fmt.Sprintf("pend%02d", i)})
	}
	inLab(t, many, nil, func(b *bench) {
		began := time.Now()
		for i := range 40 {
			b.must(b.lab.Stream(fmt.Sprintf("pend%02d-st-video", i)).Silence())
		}
		b.wait(noticed + time.Minute)
		b.told(began, "40 new problems")
		if n := b.writes(began); n != 40 {
			t.Errorf("book was written %d times, want 40", n)
		}
		var decided, last time.Time
		b.mu.Lock()
		for _, d := range b.decision {
			if len(d.Wishes) > 0 && d.At.After(began) && decided.IsZero() {
				decided = d.At
			}
		}
		b.mu.Unlock()
		for _, c := range b.lab.Calls() {
			if c.Method == "PUT" {
				last = c.At
			}
		}
		if took := last.Sub(decided); took > 2*time.Second {
			t.Errorf("the last of 40 changes came %s after the decision", took)
		} else {
			t.Logf("40 changes in %s", took)
		}
	})
}

// Losing a source is one mail and one when it is back; no booking is touched.
func TestSourcesLost(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]struct {
		breaks, mends func(*bench)
		lost, back    string
	}{
		"relay mute": {
			func(b *bench) { b.must(b.lab.Feed(lab.Relay).Mute()) },
			func(b *bench) { b.must(b.lab.Feed(lab.Relay).Unmute()) },
			"relay has no fresh reports", "relay",
		},
		"relay down": {
			func(b *bench) { b.must(b.lab.Service(lab.Relay).Stop()) },
			func(b *bench) { b.must(b.lab.Service(lab.Relay).Start(), b.lab.Service(lab.Relay).Restart()) },
			"relay has no fresh reports", "relay",
		},
		"jump down": {
			func(b *bench) { b.must(b.lab.Service(lab.Jump).Stop()) },
			func(b *bench) { b.must(b.lab.Service(lab.Jump).Start(), b.lab.Service(lab.Jump).Restart()) },
			"jump has no fresh reports", "jump",
		},
		"both down": {
			func(b *bench) { b.must(b.lab.Service(lab.Relay).Stop(), b.lab.Service(lab.Jump).Stop()) },
			func(b *bench) {
				b.must(b.lab.Service(lab.Relay).Start(), b.lab.Service(lab.Relay).Restart())
				b.must(b.lab.Service(lab.Jump).Start(), b.lab.Service(lab.Jump).Restart())
			},
			"2 new problems", "2 ok again",
		},
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, experiments("pend00", "spin30", "trus05"), nil, func(b *bench) {
				began := time.Now()
				fault.breaks(b)
				b.wait(10 * time.Minute)
				if len(b.mails(began)) != 1 {
					t.Fatalf("mails while it was lost: %q, want one", b.mails(began))
				}
				back := time.Now()
				fault.mends(b)
				b.wait(10 * time.Minute)
				if len(b.mails(back)) != 1 {
					t.Fatalf("mails when it was back: %q, want one", b.mails(back))
				}
				t.Logf("told %q, then %q", b.mails(began)[0], b.mails(back)[0])
				if n := b.writes(time.Time{}); n != 0 {
					t.Errorf("book was written %d times", n)
				}
				if got := b.state("pend00"); got != "healthy" {
					t.Errorf("pend00 is %s", got)
				}
			})
		})
	}
}

// A restart that is over before anybody would call the source silent is nobody's
// mail, though every experiment has to reconnect.
func TestSourcesRestarted(t *testing.T) {
	t.Parallel()
	for name, services := range map[string][]string{
		"relay": {lab.Relay}, "jump": {lab.Jump}, "both": {lab.Relay, lab.Jump},
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, experiments("pend00", "spin30"), nil, func(b *bench) {
				for _, s := range services {
					b.must(b.lab.Service(s).Restart())
				}
				b.wait(10 * time.Minute)
				b.told(time.Time{})
				if n := b.writes(time.Time{}); n != 0 {
					t.Errorf("book was written %d times", n)
				}
				if got := b.state("pend00"); got != "healthy" {
					t.Errorf("pend00 is %s", got)
				}
			})
		})
	}
}

// A book that doesn't work delays nothing else, and gets what it missed.
func TestBookFails(t *testing.T) {
	t.Parallel()
	for name, breaks := range map[string]func(*lab.Lab) error{
		"answers 500": func(l *lab.Lab) error { return l.Service(lab.Book).Fail(500) },
		"hangs":       func(l *lab.Lab) error { return l.Service(lab.Book).Hang() },
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, experiments("pend00", "spin30"), nil, func(b *bench) {
				began := time.Now()
				b.must(breaks(b.lab), b.lab.Stream("pend00-st-video").Vanish())
				for range 60 {
					b.wait(2 * time.Second)
					b.get("/api/v1/experiments", nil)
				}
				b.paceKept(began)
				subjects := strings.Join(b.mails(began), "\n")
				if !strings.Contains(subjects, "pend00") || !strings.Contains(subjects, "book") || len(b.mails(began)) != 2 {
					t.Errorf("mails: %q, want one of pend00 and one of book", b.mails(began))
				}
				back := time.Now()
				b.must(b.lab.Service(lab.Book).Start())
				b.becomes("r-pend00", false, 40*time.Second)
				b.wait(time.Minute)
				b.told(back, "1 ok again")
			})
		})
	}
}

// A mail server that doesn't work costs one bounded attempt at a time; nothing is
// lost, nothing comes twice, and delivery follows within a minute of recovery.
func TestMailServerFails(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]lab.MailFault{
		"hangs at banner":  {Stage: lab.StageBanner, Action: lab.ActHang},
		"hangs at the dot": {Stage: lab.StageDot, Action: lab.ActHang},
		"refuses to serve": {Stage: lab.StageBanner, Action: lab.ActReply, Code: 554, Text: "5.7.1 no"},
		"answers 450":      {Stage: lab.StageRcpt, Action: lab.ActReply, Code: 450, Text: "4.2.0 try again later"},
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, experiments("pend00", "spin30"), nil, func(b *bench) {
				began := time.Now()
				b.must(b.lab.FaultMail(fault), b.lab.Stream("pend00-st-video").Vanish())
				b.becomes("r-pend00", false, noticed)
				b.watch(5 * time.Minute)
				b.must(b.lab.Stream("pend00-st-video").Return())
				b.becomes("r-pend00", true, 2*relayEvery)
				b.paceKept(began)
				b.told(began)
				if code := b.get("/readyz", nil); code != 200 {
					t.Errorf("readyz is %d before ten minutes have passed", code)
				}
				b.wait(6 * time.Minute)
				if code := b.get("/readyz", nil); code != 503 {
					t.Errorf("readyz is %d though mail has been undeliverable for ten minutes", code)
				}
				b.must(b.lab.MailWell())
				b.wait(time.Minute)
				b.told(began, "1 new problem: pend00", "1 ok again, none left: pend00")
				b.wait(3 * time.Minute) // several times the longest wait between attempts
				b.told(began, "1 new problem: pend00", "1 ok again, none left: pend00")
			})
		})
	}
}

// A restart with nothing changed is silent; a change meanwhile is told once.
func TestRestart(t *testing.T) {
	inLab(t, experiments("pend00", "spin30"), inFile(t, nil), func(b *bench) {
		b.must(b.lab.Stream("pend00-st-video").Vanish())
		b.wait(time.Minute)
		restarted := time.Now()
		b.stop()
		b.wait(10 * time.Second)
		b.start()
		b.wait(5 * time.Minute)
		b.told(restarted)
		if n := b.writes(restarted); n != 0 {
			t.Errorf("book was written %d times though nothing has changed", n)
		}
		if got := b.state("pend00"); got != "unhealthy" {
			t.Errorf("pend00 is %s", got)
		}

		again := time.Now()
		b.stop()
		b.must(b.lab.Stream("pend00-st-video").Return(), b.lab.Jump("spin30").Drop())
		b.wait(10 * time.Second)
		b.start()
		b.wait(5 * time.Minute)
		all := strings.Join(b.mails(again), "\n")
		if strings.Count(all, "1 new") != 1 || strings.Count(all, "1 ok again") != 1 {
			t.Errorf("told %q, want pend00's return and spin30's fault once each", b.mails(again))
		}
	})
}

// Book forgets availability when it restarts: written again, without a mail.
func TestBookForgets(t *testing.T) {
	inLab(t, experiments("pend00", "spin30"), map[string]string{"STATUS_QUERY_BOOK_EVERY": "1m"}, func(b *bench) {
		b.must(b.lab.Stream("pend00-st-video").Vanish())
		b.becomes("r-pend00", false, noticed)
		b.wait(time.Minute)
		began := time.Now()
		b.must(b.lab.Service(lab.Book).Restart())
		b.lab.LoadManifest()
		if !b.available("r-pend00") {
			t.Fatal("the lab's book has not forgotten")
		}
		b.becomes("r-pend00", false, 2*time.Minute)
		b.wait(5 * time.Minute)
		b.told(began)
	})
}

// A person's hold stays, whatever the streams do, until a person ends it.
func TestHold(t *testing.T) {
	inLab(t, experiments("pend00"), map[string]string{"STATUS_QUERY_BOOK_EVERY": "1m"}, func(b *bench) {
		b.must(b.lab.SetAvailable("r-pend00", false, "at the workshop"))
		b.wait(5 * time.Minute)
		b.must(b.lab.Stream("pend00-st-video").Vanish())
		b.wait(2 * time.Minute)
		b.must(b.lab.Stream("pend00-st-video").Return())
		b.wait(5 * time.Minute)
		if n := b.writes(time.Time{}); n != 0 {
			t.Errorf("book was written %d times", n)
		}
		if _, reason, _ := b.lab.Availability("r-pend00"); !strings.Contains(reason, "at the workshop") {
			t.Errorf("the reason is now %q", reason)
		}
		var report struct {
			Available bool
			Held      *struct{ Reason string }
		}
		b.get("/api/v1/experiments/pend00", &report)
		if report.Available || report.Held == nil || report.Held.Reason != "at the workshop" {
			t.Errorf("the API says %+v", report)
		}
	})
}

// The manifest gains and loses resources while the server runs.
func TestManifestChanges(t *testing.T) {
	inLab(t, experiments("pend00"), map[string]string{"STATUS_QUERY_BOOK_EVERY": "1m"}, func(b *bench) {
		b.must(b.lab.AddExperiment(lab.Experiment{Stub: "trus05"}))
		b.wait(4 * time.Minute)
		if got := b.state("trus05"); got != "healthy" {
			t.Errorf("trus05 is %s", got)
		}
		b.told(time.Time{})
		b.must(b.lab.Stream("trus05-st-video").Vanish())
		b.becomes("r-trus05", false, noticed)

		b.must(b.lab.RemoveExperiment("trus05"))
		b.lab.DropResource("r-trus05")
		left := time.Now()
		b.wait(10 * time.Minute)
		if n := b.writes(left); n != 0 {
			t.Errorf("book was written %d times for what it doesn't offer any more", n)
		}
		if code := b.get("/api/v1/experiments/trus05", nil); code != 404 {
			t.Errorf("GET trus05: %d, want 404", code)
		}
	})
}

// Sixteen changes in half a minute are at most six mails, and the last one tells
// the truth.
func TestFlapping(t *testing.T) {
	t.Parallel()
	env := map[string]string{"STATUS_HEALTH_LAST_ACTIVE": "1s", "STATUS_HEALTH_FLAP_WINDOW": "2m"}
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, experiments("pend00"), env)
		b.must(b.lab.Feed(lab.Relay).Every(time.Second))
		b.start()
		b.wait(settled)
		began := time.Now()
		for range 8 {
			b.must(b.lab.Stream("pend00-st-video").Vanish())
			b.wait(2500 * time.Millisecond)
			b.must(b.lab.Stream("pend00-st-video").Return())
			b.wait(1250 * time.Millisecond)
		}
		b.mu.Lock()
		changes := len(b.events)
		b.mu.Unlock()
		b.wait(10 * time.Minute)
		mails := b.mails(began)
		t.Logf("%d changes, mails: %q", changes, mails)
		if len(mails) > 6 || changes < 10 {
			t.Errorf("%d mails for %d changes", len(mails), changes)
		}
		if !b.available("r-pend00") || b.state("pend00") != "healthy" {
			t.Error("it has not settled")
		}
		b.stop()
		b.close()
	})
}

// With everything else down the server starts, shows what is missing, waits, and
// recovers by itself.
func TestAllDownAtStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, experiments("pend00"), nil)
		for _, s := range []string{lab.Book, lab.Relay, lab.Jump, lab.Mail} {
			b.must(b.lab.Service(s).Stop())
		}
		b.start()
		b.wait(5 * time.Minute)
		if code := b.get("/healthz", nil); code != 200 {
			t.Errorf("healthz is %d", code)
		}
		if code := b.get("/readyz", nil); code != 503 {
			t.Errorf("readyz is %d", code)
		}
		for _, s := range []string{lab.Book, lab.Relay, lab.Jump, lab.Mail} {
			b.must(b.lab.Service(s).Start())
		}
		b.wait(5 * time.Minute)
		if code := b.get("/readyz", nil); code != 200 {
			t.Errorf("readyz is %d after recovery", code)
		}
		if got := b.state("pend00"); got != "healthy" {
			t.Errorf("pend00 is %s", got)
		}
		b.told(time.Time{}, "3 new problems", "3 over, none left")
		b.stop()
		b.close()
	})
}

// A mail server that takes a mail and then hangs at the goodbye keeps us neither from
// stopping nor from closing the store, which the next server wants.
func TestStopWhileTheGoodbyeHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, experiments("pend00"), inFile(t, nil))
		b.start()
		b.wait(settled)
		b.must(b.lab.FaultMail(lab.MailFault{Stage: lab.StageQuit, Action: lab.ActHang}), b.lab.Stream("pend00-st-video").Vanish())
		for began := time.Now(); len(b.lab.Mails()) == 0 && time.Since(began) < noticed; {
			b.wait(100 * time.Millisecond)
		}
		if took := b.stop(); took > 2*time.Second || len(b.lab.Mails()) != 1 {
			t.Errorf("stopping took %s, %d mails", took, len(b.lab.Mails()))
		}
		b.must(b.lab.MailWell())
		b.start()
		b.wait(5 * time.Minute)
		if n := len(b.lab.Mails()); n != 1 {
			t.Errorf("%d mails after a restart", n)
		}
		b.stop()
		b.close()
	})
}

// A stop takes less than two seconds with everything else hung.
func TestStopWithEverythingHung(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, experiments("pend00"), nil)
		b.start()
		b.wait(settled)
		b.must(b.lab.FaultMail(lab.MailFault{Stage: lab.StageData, Action: lab.ActHang}))
		b.must(b.lab.Stream("pend00-st-video").Vanish(), b.lab.Service(lab.Book).Hang())
		b.wait(noticed)
		b.must(b.lab.Service(lab.Relay).Hang(), b.lab.Service(lab.Jump).Hang())
		b.wait(time.Second)
		if took := b.stop(); took > 2*time.Second {
			t.Errorf("stopping took %s", took)
		} else {
			t.Logf("stopped in %s", took)
		}
		b.close()
	})
}
