package app_test

import (
	"cmp"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"labstatus/internal/lab"
)

// Thirty changes in half an hour. With the settings that docs/operations.md names
// for such a stream they are three mails and two changes of the booking at most;
// with the defaults flapping is told once and quiet follows. The last word is
// always the truth.
func TestThirtyToggles(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		env           map[string]string
		mails, writes int
	}{
		"defaults":           {nil, 6, 6},
		"flapping at once":   {map[string]string{"STATUS_HEALTH_FLAP_EVENTS": "2"}, 3, 2},
		"slow to believe it": {map[string]string{"STATUS_HEALTH_CONFIRM_UP": "20"}, 2, 2},
	} {
		for _, way := range []string{"once a minute", "at random, ends unwell"} {
			if way == "once a minute" && name != "defaults" {
				continue // which is the kinder of the two: its changes are further apart
			}
			t.Run(name+" "+way, func(t *testing.T) {
				inLab(t, experiments("pend00"), test.env, func(b *bench) {
					began := time.Now()
					rng := rand.New(rand.NewPCG(30, 30))
					toggles, video := 30, b.lab.Stream("pend00-st-video")
					if way == "at random, ends unwell" {
						toggles++
					}
					for i := range toggles {
						if i%2 == 0 {
							b.must(video.Vanish())
						} else {
							b.must(video.Return())
						}
						every := time.Minute
						if way != "once a minute" {
							every = 20*time.Second + time.Duration(rng.Int64N(int64(80*time.Second)))
						}
						b.wait(every)
					}
					b.wait(15 * time.Minute) // the window of flapping, and some
					mails, writes := b.mails(began), b.writes(began)
					t.Logf("%d mails %q, the booking changed %d times", len(mails), mails, writes)
					if len(mails) > test.mails || writes > test.writes {
						t.Errorf("%d mails and %d changes of the booking, want at most %d and %d", len(mails), writes, test.mails, test.writes)
					}
					well, last := toggles%2 == 0, mails[len(mails)-1]
					if b.available("r-pend00") != well || strings.Contains(last, "none left") != well {
						t.Errorf("it is well: %v; the booking is open: %v; the last mail is %q", well, b.available("r-pend00"), last)
					}
				})
			})
		}
	}
}

// A stream with pauses that its window allows is well, whatever the pattern; one that is
// just beyond it for a second now and then is, where two checks in a row have to agree: it
// is found out where one is enough. A
// pattern and the frames are as they were at first after four minutes at most, having met
// in all the ways they do; PAUSES_LENGTH makes it an hour.
func TestPausesWithinTheWindow(t *testing.T) {
	t.Parallel()
	long, err := time.ParseDuration(cmp.Or(os.Getenv("PAUSES_LENGTH"), "6m"))
	if err != nil || long < 4*time.Minute {
		t.Fatalf("PAUSES_LENGTH: want 4m or more: %s, %v", long, err)
	}
	for name, test := range map[string]struct {
		sends, silent time.Duration
		confirm       string // STATUS_HEALTH_CONFIRM_DOWN
		found         bool
	}{
		"silent for one second in ten":     {9 * time.Second, time.Second, "1", false},
		"silent for nine in ten":           {time.Second, 9 * time.Second, "1", false},
		"stale for one second in seven":    {0, 11 * time.Second, "2", false},
		"stale, where one check is enough": {0, 11 * time.Second, "1", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, experiments("pend00"), map[string]string{"STATUS_HEALTH_CONFIRM_DOWN": test.confirm})
				b.start()
				b.wait(settled)
				began := time.Now()
				for time.Since(began) < long {
					b.must(b.lab.Stream("pend00-st-video").Silence())
					b.wait(test.silent)
					b.must(b.lab.Stream("pend00-st-video").Resume())
					b.wait(max(test.sends, 100*time.Millisecond))
				}
				b.wait(time.Minute)
				mails, writes, events := b.mails(began), b.writes(began), b.eventsOf("pend00")
				if found := len(mails) > 0 && writes > 0 && len(events) > 0; found != test.found || !found && len(mails)+writes+len(events) > 0 {
					t.Errorf("mails %q, %d writes, events %v", mails, writes, events)
				}
				b.stop()
				b.close()
			})
		})
	}
}

// However many experiments are down at once are one mail that a person can use, and one
// when they are back. What is promised is promised for 500: DOWN_EXPERIMENTS.
func TestManyDownAtOnce(t *testing.T) {
	size, err := strconv.Atoi(cmp.Or(os.Getenv("DOWN_EXPERIMENTS"), "100"))
	if err != nil || size < 2 || size > 1000 {
		t.Fatalf("DOWN_EXPERIMENTS: want 2 to 1000, as many as an answer lists: %d, %v", size, err)
	}
	all := manyExperiments(size)
	counted := func(words string) string { return strings.ReplaceAll(words, "#", strconv.Itoa(size)) }
	inLab(t, all, nil, func(b *bench) {
		began := time.Now()
		for _, e := range all {
			b.must(b.lab.Stream(e.Stub + "-st-video").Vanish())
		}
		b.wait(noticed + 10*time.Second) // book takes 50 ms a change, eight at a time
		b.paceKept(began)
		b.oneMail(began, counted("# new problems. # problems now, in # experiments."), counted("# new problems"), counted("# experiments: # unhealthy."))
		if n := b.writes(began); n != size {
			t.Errorf("book was written %d times, want %d", n, size)
		}
		b.wait(time.Minute)

		back := time.Now()
		for _, e := range all {
			b.must(b.lab.Stream(e.Stub + "-st-video").Return())
		}
		b.wait(30 * time.Second)
		b.paceKept(back)
		m := b.oneMail(back, counted("# ok again. No problem now."), counted("# ok again, none left"), counted("# experiments: # healthy."))
		if !strings.Contains(m.Text, "ok again after 1m ") {
			t.Error("the mail doesn't say how long it was")
		}
		if n := b.writes(back); n != size {
			t.Errorf("book was written %d times, want %d", n, size)
		}

		b.wait(5 * time.Minute)
		b.paceKept(began)
		b.told(began, counted("# new problems"), counted("# ok again, none left"))
		if n := b.writes(began); n != 2*size {
			t.Errorf("book was written %d times in all, want %d", n, 2*size)
		}
	})
}

// oneMail fails the test unless one mail came, of a bearable size, with the counts
// first and complete in its text.
func (b *bench) oneMail(since time.Time, first, subject, counts string) lab.ReceivedMail {
	b.t.Helper()
	var got []lab.ReceivedMail
	for _, m := range b.lab.Mails() {
		if m.At.After(since) {
			got = append(got, m)
		}
	}
	if len(got) != 1 {
		b.t.Fatalf("%d mails, want one", len(got))
	}
	m := got[0]
	text := strings.ReplaceAll(m.Text, "\r\n", "\n")
	if len(m.Raw) > 60_000 || len(m.Subject) > 78 {
		b.t.Errorf("the mail has %d bytes, its subject %d letters", len(m.Raw), len(m.Subject))
	}
	if !strings.HasPrefix(text, first+"\n") || !strings.Contains(m.Subject, subject) || !strings.Contains(text, counts) {
		b.t.Errorf("subject %q, text %.200q … %q", m.Subject, text, text[max(0, len(text)-200):])
	}
	if !strings.HasSuffix(strings.TrimSpace(text), "lab.example/status") {
		b.t.Error("the link isn't the last word")
	}
	b.t.Logf("%d bytes, subject %q", len(m.Raw), m.Subject)
	return m
}
