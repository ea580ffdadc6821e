package app_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"labstatus/internal/lab"
	"labstatus/internal/store"
)

const (
	mailAttempt = 30 * time.Second // an attempt takes no longer,
	mailBackoff = 40 * time.Second // nor does the wait for the next one
)

var maintainers = []string{"a@lab.example", "b@lab.example", "c@lab.example", "d@lab.example", "e@lab.example"}

// realMailServer takes mail as real ones do: only after a login, which is offered
// only after TLS.
var realMailServer = lab.MailOptions{TLS: lab.TLSStart, Auth: []string{"PLAIN"}, RequireAuth: true}

// withMail runs a story with a mail server of the given kind and five maintainers.
func withMail(t *testing.T, mail lab.MailOptions, env map[string]string, story func(*bench)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBenchWith(t, experiments("pend00", "spin30"), env, mail, 0)
		b.env["STATUS_EMAIL_TO"] = strings.Join(maintainers[:3], ",")
		b.env["STATUS_EMAIL_CC"] = strings.Join(maintainers[3:], ",")
		b.start()
		b.wait(settled)
		story(b)
		b.stop()
		b.close()
	})
}

// Whatever a mail server does at whatever stage: each attempt is bounded, nothing
// else notices, a fault and its end reach each maintainer once and within a minute
// of its recovery, in copies that are alike to the byte. Only its own final no to
// a message ends it, and is shown. Each run tries half of all that may happen, another
// half than the run before perhaps; MAIL_TEST_EVERY=1 has it try all.
func TestMailStageByAction(t *testing.T) {
	t.Parallel()
	every, err := strconv.Atoi(cmp.Or(os.Getenv("MAIL_TEST_EVERY"), "2"))
	if err != nil || every < 1 {
		t.Fatalf("MAIL_TEST_EVERY: %d, %v", every, err)
	}
	turn := rand.IntN(every)
	t.Logf("turn %d of %d", turn, every)
	all := []lab.Stage{lab.StageAccept, lab.StageBanner, lab.StageEHLO, lab.StageTLS, lab.StageAuth, lab.StageMail, lab.StageRcpt, lab.StageData, lab.StageDot}
	aboutTheMail := []lab.Stage{lab.StageMail, lab.StageRcpt, lab.StageData, lab.StageDot}
	actions := []lab.MailFault{
		{Action: lab.ActHang}, {Action: lab.ActCut}, {Action: lab.ActDrip},
		{Action: lab.ActReply, Code: 421, Text: "4.3.2 closing down"},
		{Action: lab.ActReply, Code: 451, Text: "4.7.1 greylisted, come again"},
		{Action: lab.ActReply, Code: 554, Text: "5.7.1 we do not like this"},
	}
	for place, stage := range all {
		t.Run(string(stage), func(t *testing.T) {
			// One server goes through all that can happen there.
			withMail(t, realMailServer, map[string]string{"STATUS_HEALTH_FLAP_EVENTS": "100"}, func(b *bench) {
				for i, fault := range actions {
					fault.Stage = stage
					about := slices.Contains(aboutTheMail, stage)
					if stage == lab.StageAccept && fault.Action != lab.ActHang && fault.Action != lab.ActCut {
						continue // nothing is said there
					}
					if fault.Code == 451 && !about {
						continue // 421 stands for all 4xx where it is about the session
					}
					if (place+i)%every != turn {
						continue
					}
					b.mailFault(fault, fault.Code == 554 && about)
					if t.Failed() {
						t.Fatalf("that was with %+v", fault)
					}
				}
			})
		})
	}
}

// mailFault tells a fault and its end to a mail server with a fault of its own, and a
// minute after that has gone.
func (b *bench) mailFault(fault lab.MailFault, final bool) {
	b.t.Helper()
	before, began := b.mailReport(), time.Now()
	b.must(b.lab.FaultMail(fault), b.lab.Stream("pend00-st-video").Vanish())
	b.becomes("r-pend00", false, noticed)
	broken := time.Now()
	b.watch(mailAttempt + mailBackoff)
	b.must(b.lab.Stream("pend00-st-video").Return())
	b.becomes("r-pend00", true, 2*relayEvery)
	b.watch(mailAttempt)
	b.paceKept(began)
	report := b.mailReport()
	if !final && fault.Stage != lab.StageDot {
		b.attemptsBounded(broken, time.Now())
	}
	if fault.Action == lab.ActReply && !strings.Contains(report.LastError, fault.Text) {
		b.t.Errorf("the API says %+v, want the server's words %q", report, fault.Text)
	}
	b.must(b.lab.MailWell())
	b.wait(time.Minute)
	if final {
		b.eachOnce(began, map[bool]int{true: 2}[fault.Stage == lab.StageDot]) // offered, and taken for nobody
		if report := b.mailReport(); report.Failed != before.Failed+2*len(maintainers) || report.Queued != 0 {
			b.t.Errorf("the API says %+v, want ten failed", report)
		}
		gone := slices.Repeat([]mailFate{{Fate: "failed", Attempts: 1, LastError: "554 5.7.1 we do not like this"}}, len(maintainers))
		b.fatesAre(began, gone, gone)
		return
	}
	b.eachOnce(began, 2, maintainers...)
	b.inOrder(began, "1 new problem: pend00", "1 ok again, none left: pend00")
	if report := b.mailReport(); report.Failed != before.Failed || report.Queued != 0 || report.UndeliverableSince != nil {
		b.t.Errorf("the API says %+v", report)
	}
}

// A link cut after the final dot, three times: nobody can know whether the message
// was taken, so it is offered again, each copy alike to the byte.
func TestCutThreeTimesAfterTheDot(t *testing.T) {
	withMail(t, realMailServer, nil, func(b *bench) {
		began := time.Now()
		b.must(b.lab.FaultMail(lab.MailFault{Stage: lab.StageDot, Action: lab.ActCut, Times: 3}), b.lab.Stream("pend00-st-video").Vanish())
		b.becomes("r-pend00", false, noticed)
		b.watch(3 * time.Minute)
		b.paceKept(began)
		b.eachOnce(began, 1, maintainers...)
		copies := 0
		for _, m := range b.lab.Mails() {
			if m.At.After(began) {
				copies++
			}
		}
		if copies != 4 {
			t.Errorf("%d copies arrived, want four", copies)
		}
	})
}

// One recipient of five refused for good, another for now: the others have the
// mail at the first attempt, and each of the two has a fate of its own.
func TestRecipientsHaveTheirOwnFates(t *testing.T) {
	withMail(t, realMailServer, nil, func(b *bench) {
		if f := b.mailReport().LastFailure; f != nil {
			t.Errorf("nothing has failed, and the API says %+v", f)
		}
		began := time.Now()
		b.must(
			b.lab.FaultMail(lab.MailFault{Stage: lab.StageRcpt, Action: lab.ActReply, Code: 550, Text: "5.1.1 no such user", Recipient: maintainers[1]}),
			b.lab.FaultMail(lab.MailFault{Stage: lab.StageRcpt, Action: lab.ActReply, Code: 452, Text: "4.2.2 mailbox full", Recipient: maintainers[4]}),
			b.lab.Stream("pend00-st-video").Vanish())
		b.becomes("r-pend00", false, noticed)
		b.watch(2 * time.Second)
		good := []string{maintainers[0], maintainers[2], maintainers[3]}
		b.eachOnce(began, 1, good...)
		if report := b.mailReport(); report.Failed != 1 || report.Queued != 1 || report.Sent != 3 {
			t.Errorf("the API says %+v", report)
		}
		b.watch(5 * time.Minute)
		b.paceKept(began)
		b.eachOnce(began, 1, good...)
		if report := b.mailReport(); !strings.Contains(report.LastError, "4.2.2 mailbox full") || report.UndeliverableSince != nil {
			t.Errorf("the API says %+v, want the server's words", report)
		}
		b.must(b.lab.MailWell())
		b.wait(time.Minute)
		b.eachOnce(began, 1, append(good, maintainers[4])...)
		if report := b.mailReport(); report.Failed != 1 || report.Queued != 0 || report.Sent != 4 {
			t.Errorf("the API says %+v", report)
		}
		sent := mailFate{Fate: "sent", Attempts: 1}
		b.fatesAre(began, []mailFate{sent, {Fate: "failed", Attempts: 1, LastError: "550 5.1.1 no such user"}, sent, sent, {Fate: "sent"}})
		f := b.mailReport().LastFailure // stays, though others are served
		if f == nil {
			t.Fatal("the API says nothing of what was given up")
		}
		if f.At.Before(began) || f.At.After(began.Add(noticed+time.Second)) || !strings.HasSuffix(f.Subject, "1 new problem: pend00 missing required pend00-st-video") ||
			f.Address != "b***@lab.example" || !strings.Contains(f.Error, "550 5.1.1 no such user") {
			t.Errorf("given up last: %+v", f)
		}
	})
}

// A running mail server shows a certificate that can't be trusted, at one time or
// another: mail waits, the reason is shown, and it arrives within a minute after a good
// one is there. Nothing of ours is changed or started again for that.
func TestMailServerMendsItsCertificate(t *testing.T) {
	t.Parallel()
	for kind, test := range map[lab.Certificate]struct {
		tls   string
		words string
	}{
		lab.CertExpired:  {lab.TLSStart, "its certificate expired at 1999-12-31T23:01:30Z"},
		lab.CertMisnamed: {lab.TLSStart, `its certificate is for [other.lab], not for "mail.lab"`},
		lab.CertUnknown:  {lab.TLSImplicit, "signed by an unknown authority"},
	} {
		t.Run(string(kind), func(t *testing.T) {
			withMail(t, lab.MailOptions{TLS: test.tls, Auth: []string{"PLAIN"}, RequireAuth: true}, nil, func(b *bench) {
				began := time.Now()
				b.must(b.lab.MailCertificate(kind), b.lab.Stream("pend00-st-video").Vanish())
				b.becomes("r-pend00", false, noticed)
				b.watch(3 * time.Minute)
				b.paceKept(began)
				b.attemptsBounded(began.Add(noticed), time.Now())
				b.eachOnce(began, 0)
				if report := b.mailReport(); !strings.Contains(report.LastError, test.words) || report.Queued != 5 || report.UndeliverableSince == nil {
					t.Errorf("the API says %+v, want %q", report, test.words)
				}
				b.must(b.lab.MailCertificate(lab.CertGood))
				b.wait(time.Minute)
				b.eachOnce(began, 1, maintainers...)
				if report := b.mailReport(); report.Queued != 0 || report.LastError != "" || report.UndeliverableSince != nil {
					t.Errorf("the API says %+v", report)
				}
			})
		})
	}
}

// What a server is reached with, and why it is not: mail waits, the reason is
// shown, and the right settings deliver it within a minute.
func TestMailServerOfAnotherKind(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		mail  lab.MailOptions
		age   time.Duration
		wrong func(*bench)
		right func(*bench)
		words string
	}{
		"certificate for another name": {
			mail: lab.MailOptions{TLS: lab.TLSStart},
			wrong: func(b *bench) {
				b.env["STATUS_EMAIL_HOST"] = "post.lab"
				b.options.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
					return b.network.DialContext(ctx, network, strings.Replace(addr, "post.lab", "mail.lab", 1))
				}
			},
			right: func(b *bench) { b.env["STATUS_EMAIL_HOST"] = "mail.lab" },
			words: `not for "post.lab": set STATUS_EMAIL_HOST`,
		},
		"certificate expired": {
			mail: lab.MailOptions{TLS: lab.TLSStart}, age: 400 * 24 * time.Hour,
			wrong: func(*bench) {},
			right: func(b *bench) { b.env["STATUS_EMAIL_TLS"] = "opportunistic" },
			words: "its certificate expired at 2001-01-01T00:00:00Z",
		},
		"no TLS where it is required": {
			wrong: func(b *bench) { b.env["STATUS_EMAIL_TLS"] = "required" },
			right: func(b *bench) { b.env["STATUS_EMAIL_TLS"] = "auto" },
			words: "the server offers no STARTTLS, which is required",
		},
		"wrong password": {
			mail:  realMailServer,
			wrong: func(b *bench) { b.env["STATUS_EMAIL_PASSWORD"] = "wrong" },
			right: func(b *bench) { b.env["STATUS_EMAIL_PASSWORD"] = "mail-password-of-the-simulated-lab" },
			words: "check STATUS_EMAIL_USER and STATUS_EMAIL_PASSWORD",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBenchWith(t, experiments("pend00", "spin30"), inFile(t, nil), test.mail, test.age)
				b.env["STATUS_EMAIL_TO"] = strings.Join(maintainers, ",")
				test.wrong(b)
				b.start()
				b.wait(settled)
				began := time.Now()
				b.must(b.lab.Stream("pend00-st-video").Vanish())
				b.becomes("r-pend00", false, noticed)
				b.wait(8 * time.Minute)
				b.watch(2*time.Minute + mailAttempt)
				b.paceKept(began)
				b.attemptsBounded(began.Add(noticed), time.Now())
				b.eachOnce(began, 0)
				if report := b.mailReport(); !strings.Contains(report.LastError, test.words) || report.Queued != 5 || report.UndeliverableSince == nil {
					t.Errorf("the API says %+v, want %q", report, test.words)
				}
				if code := b.get("/readyz", nil); code != 503 {
					t.Errorf("readyz is %d", code)
				}
				b.stop()
				test.right(b)
				b.start()
				b.wait(time.Minute)
				b.eachOnce(began, 1, maintainers...)
				b.stop()
				b.close()
			})
		})
	}
}

// A message larger than the server takes is given up after one attempt, whether the
// server names its limit or only keeps it, in words that are shown for each recipient;
// smaller ones before and after it go on.
func TestMailTooLarge(t *testing.T) {
	t.Parallel()
	const limit = 4000
	for name, test := range map[string]struct {
		hidden  bool
		offered int // how often the large one is sent
		words   string
	}{
		"announced": {false, 0, "bytes, the server takes at most 4000"},
		"hidden":    {true, 1, "552 5.3.4 Maximum message size exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				stubs := []string{"pend00", "spin30", "spin31", "spin32", "spin33"}
				b := newBenchWith(t, experiments(stubs...), nil, lab.MailOptions{MaxBytes: limit, HideMaxBytes: test.hidden}, 0)
				b.env["STATUS_EMAIL_TO"] = strings.Join(maintainers, ",")
				b.start()
				b.wait(settled)
				began := time.Now()
				b.must(b.lab.Service(lab.Mail).Stop())
				change := func(stubs []string, available bool, do func(lab.StreamOrder) error) {
					for _, stub := range stubs {
						b.must(do(b.lab.Stream(stub+"-st-video")), do(b.lab.Stream(stub+"-st-data")))
					}
					b.becomes("r-"+stubs[0], available, noticed)
				}
				change(stubs[:1], false, lab.StreamOrder.Vanish)
				change(stubs[1:], false, lab.StreamOrder.Vanish)
				change(stubs[1:], true, lab.StreamOrder.Return)
				change(stubs[:1], true, lab.StreamOrder.Return)
				b.watch(time.Minute)
				b.must(b.lab.Service(lab.Mail).Start())
				started := time.Now()
				b.watch(2 * time.Minute)
				b.paceKept(began)
				sent := slices.Repeat([]mailFate{{Fate: "sent", Attempts: 1}}, len(maintainers))
				b.fatesAre(began, sent, slices.Repeat([]mailFate{{Fate: "failed", Attempts: 1, LastError: test.words}}, len(maintainers)), sent, sent)
				b.inOrder(began, "2 new problems: pend00", "8 ok again: spin30", "2 ok again, none left: pend00")
				offered := slices.DeleteFunc(b.lab.Mails(), func(m lab.ReceivedMail) bool { return m.Accepted() })
				dials := slices.DeleteFunc(b.network.Dials("mail.lab:25"), func(at time.Time) bool { return at.Before(started) })
				if len(offered) != test.offered || len(dials) != 1 {
					t.Errorf("%d were sent and not taken, over %d connections; want %d over one", len(offered), len(dials), test.offered)
				}
				report := b.mailReport()
				if f := report.LastFailure; f == nil || !strings.HasSuffix(f.Subject, "8 new problems: spin30, spin31, spin32, spin33") || !strings.Contains(f.Error, test.words) {
					t.Errorf("given up last: %+v", f)
				}
				if report.Failed != len(maintainers) || report.Queued != 0 || report.UndeliverableSince != nil {
					t.Errorf("the API says %+v", report)
				}
				b.stop()
				b.close()
			})
		})
	}
}

// A session that is cut over the first of two mails is no reason to send the
// second one first: a recovery that overtakes its fault tells the opposite of the
// truth.
func TestOrderIsKeptAcrossACut(t *testing.T) {
	t.Parallel()
	for _, stage := range []lab.Stage{lab.StageMail, lab.StageRcpt, lab.StageData, lab.StageDot} {
		t.Run(string(stage), func(t *testing.T) {
			withMail(t, realMailServer, nil, func(b *bench) {
				began := time.Now()
				b.must(b.lab.Service(lab.Mail).Stop(), b.lab.Stream("pend00-st-video").Vanish())
				b.becomes("r-pend00", false, noticed)
				b.must(b.lab.Stream("pend00-st-video").Return())
				b.becomes("r-pend00", true, 2*relayEvery)
				b.must(b.lab.FaultMail(lab.MailFault{Stage: stage, Action: lab.ActCut, Times: 1}), b.lab.Service(lab.Mail).Start())
				b.wait(time.Minute)
				b.inOrder(began, "1 new problem: pend00", "1 ok again, none left: pend00")
				b.eachOnce(began, 2, maintainers...)
			})
		})
	}
}

// A server that never answers for one recipient of five keeps nobody else waiting
// for longer than an attempt.
func TestHangsForOneRecipient(t *testing.T) {
	withMail(t, realMailServer, nil, func(b *bench) {
		began := time.Now()
		b.must(b.lab.FaultMail(lab.MailFault{Stage: lab.StageRcpt, Action: lab.ActHang, Recipient: maintainers[1]}), b.lab.Stream("pend00-st-video").Vanish())
		b.becomes("r-pend00", false, noticed)
		b.watch(2 * time.Minute)
		b.eachOnce(began, 1, maintainers[0], maintainers[2], maintainers[3], maintainers[4])
		b.must(b.lab.MailWell())
		b.wait(time.Minute)
		b.eachOnce(began, 1, maintainers...)
	})
}

// The clock is set while mail waits for a server that refuses it for now, and between
// a fault and its end: attempts go on as before, and all arrives within a minute of
// the server's recovery, in its order. So it is after a restart.
func TestClockIsSetWhileMailWaits(t *testing.T) {
	t.Parallel()
	for _, by := range []time.Duration{-time.Hour, time.Hour} {
		for _, kept := range []string{"in memory", "in a file, and a restart"} {
			t.Run(fmt.Sprint(by, " ", kept), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					var env map[string]string
					if kept != "in memory" {
						env = inFile(t, nil)
					}
					b := newBenchWith(t, experiments("pend00"), env, realMailServer, 0)
					b.env["STATUS_EMAIL_TO"] = strings.Join(maintainers, ",")
					clock := &clockStore{}
					b.options.WrapStore(func(s store.Store) store.Store {
						clock.Store = s
						return clock
					})
					b.start()
					b.wait(settled)
					began := time.Now()
					busy := lab.MailFault{Stage: lab.StageMail, Action: lab.ActReply, Code: 450, Text: "4.2.1 too busy"}
					b.must(b.lab.FaultMail(busy), b.lab.Stream("pend00-st-video").Vanish())
					b.becomes("r-pend00", false, noticed)
					broken := time.Now()
					b.watch(2 * time.Minute)
					b.must(clock.set(b.t.Context(), by), b.lab.Stream("pend00-st-video").Return())
					b.becomes("r-pend00", true, 2*relayEvery)
					b.watch(2 * time.Minute)
					b.attemptsBounded(broken, time.Now())
					b.eachOnce(began, 0)
					b.must(clock.set(b.t.Context(), by))
					if strings.HasSuffix(kept, "restart") {
						b.stop()
						b.start()
					}
					b.must(b.lab.MailWell())
					b.wait(time.Minute)
					b.inOrder(began, "1 new problem: pend00", "1 ok again, none left: pend00")
					b.eachOnce(began, 2, maintainers...)
					b.stop()
					b.close()
				})
			})
		}
	}
}
